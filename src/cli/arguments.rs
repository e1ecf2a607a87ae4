//! The tree of commands with their flags. What each one does is in the file of its arguments.

use super::context::Common;
use super::tries::Timeout;
use super::{
    backup, checkout, clock, data, define, demo, explain, export, follow, freeze, goods, id, import, list,
    low_stock, manual, mark, order, pickup, replay, restore, rows, salable, select_sources, serve, settings,
    show, status, stock_work, top, verify, why,
};
use clap::{Parser, Subcommand};
use std::time::Duration;

/// The name of the program in completions and usage lines.
const PROGRAM: &str = "stockhold";

const EXIT_CODES: &str = "Exit codes:
  0   done
  1   refused: not enough left, too late, … (--json shows the code)
  2   the request is invalid: flags, names, ids
  3   no answer: the server is unreachable or at a limit, or the outcome is unknown; repeat with the printed --id
  4   invalid data: rows of an import, findings of a verification
  5   the server refused the connection and gave the reason
  74  a disk or a file on it failed

To try it out: stockhold demo";

/// In-memory inventory reservations that survive a power cut and never oversell.
#[derive(Parser, Debug)]
#[command(name = PROGRAM, version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 110)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// Run a server on a data directory
    Serve(serve::ServeArguments),
    /// Run a server, a merchant, a flash sale, a crash and an audit, in half a minute
    Demo(demo::DemoArguments),
    /// Format a data directory
    Format(serve::FormatArguments),
    /// Promise the units of a cart, all or nothing
    Reserve(checkout::ReserveArguments),
    /// Turn a hold into an order
    Confirm(checkout::ConfirmArguments),
    /// Release promised units
    Release(checkout::ReleaseArguments),
    /// Move a hold's deadline
    Extend(checkout::ExtendArguments),
    /// Change a cart in one step; the old hold stays if the new cart does not fit
    Replace(checkout::ReplaceArguments),
    /// Take promised units out of a source
    Ship(goods::ShipArguments),
    /// Take a shipment back: goods at the source, promise open again
    Unship(goods::UnshipArguments),
    /// Change a confirmed order in one step
    Amend(goods::AmendArguments),
    /// Sell at a point of sale: reserve, confirm and ship at once
    Sell(goods::SellArguments),
    /// Undo parts of an order
    Refund(goods::RefundArguments),
    /// Place an order, and record what happens to it, by its number
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Promise and give back units by signed rows, as Magento keeps reservations
    AppendReservations(rows::AppendArguments),
    /// Set the quantity on hand at a source
    Count(goods::CountArguments),
    /// Change the quantity on hand at a source by a difference
    Adjust(goods::AdjustArguments),
    /// Move goods between sources
    Transfer(goods::TransferArguments),
    /// Set the quantities of many SKUs at sources, in one step
    CountMany(stock_work::CountManyArguments),
    /// Make SKUs known at sources, with no units yet
    Assign(stock_work::AssignArguments),
    /// Remove SKUs from sources
    Unassign(stock_work::UnassignArguments),
    /// Move all units of many SKUs between sources, in one step
    TransferMany(stock_work::TransferManyArguments),
    /// Move units of many SKUs between sources that have them, in one step
    TransferLines(stock_work::TransferLinesArguments),
    #[command(flatten)]
    Catalog(define::Catalog),
    /// Change settings globally, for a SKU, or for a SKU in a stock
    Settings(settings::SettingsArguments),
    /// Limit what may be promised of a SKU in a stock
    Quota(settings::QuotaArguments),
    /// Promise nothing new of a SKU, a stock or a channel
    Freeze(freeze::FreezeArguments),
    /// Report a SKU at a source while less than a threshold is on hand
    Notify(low_stock::NotifyArguments),
    /// Change limits and modes of the machine
    Configure(settings::ConfigureArguments),
    /// Name moments of the log, to which a restore can go back
    #[command(subcommand)]
    Mark(mark::MarkAction),
    /// Activate a version of the rules
    ActivateRules(settings::ActivateArguments),
    /// Import catalogs (TOML, JSON) and source items (Magento's CSV)
    Import(import::ImportArguments),
    /// Export source items (CSV) or the catalog (TOML, JSON)
    Export(export::ExportArguments),
    /// Show what can still be promised
    Salable(salable::SalableArguments),
    /// Propose from which sources a cart is shipped
    SelectSources(select_sources::SelectSourcesArguments),
    /// List the sources near a shopper at which goods may be collected
    PickupLocations(pickup::PickupArguments),
    /// Show a reservation, a SKU, sources, stocks or the configuration
    #[command(subcommand)]
    Show(show::Show),
    /// List reservations, SKUs, low stock, sources, stocks, channels, marks, snapshots or segments
    #[command(subcommand)]
    List(list::List),
    /// Explain why a stock can promise so much of a SKU, and no more
    Explain(explain::ExplainArguments),
    /// Tell how a command was decided: its outcome, and the figures just before it
    Why(why::WhyArguments),
    /// Show the state of the server: its health, load, disk, snapshot, archive and warnings
    Status(status::StatusArguments),
    /// Watch the server on a live screen
    Top(top::TopArguments),
    /// Show the server's time and its wall clock, or accept a wall clock that is far ahead
    Clock(clock::ClockArguments),
    /// Let the server check all its invariants and show its digest
    Validate,
    /// Let the server write and verify a snapshot now
    Snapshot,
    /// Verify a data directory: segments, snapshots, replay, digests
    Verify(verify::VerifyArguments),
    /// Copy a data directory to an archive; list and verify archives
    Backup(backup::BackupArguments),
    /// Restore the state at an op, a time or the end of a log into a new data directory
    Restore(restore::RestoreArguments),
    /// Put commands back that a restore has undone
    Replay(replay::ReplayArguments),
    /// Keep a warm copy of an archive, and make a data directory of it on request
    Follow(follow::FollowArguments),
    /// Print and check the log of a data directory, or skip an op of it
    #[command(subcommand)]
    Log(data::LogAction),
    /// Make ids of commands and reservations
    #[command(subcommand)]
    Id(id::IdAction),
    /// Print completions for a shell
    Completions(manual::CompletionsArguments),
    /// Print the manual page, or write the pages of all commands
    Man(manual::ManArguments),
}

/// How long a command waits for its server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a query that reads the whole state may take.
const TIMEOUT_OF_ALL: Duration = Duration::from_hours(1);

impl Action {
    /// The timeout that was `given`, or the default of the command.
    pub(super) fn timeout(&self, given: Option<Duration>) -> Timeout {
        let reads_all = matches!(self, Self::Validate | Self::Snapshot);
        let span = given.unwrap_or(if reads_all { TIMEOUT_OF_ALL } else { TIMEOUT });
        let asks_again_and_again = matches!(self, Self::Demo(_) | Self::Top(_));
        let has_many_answers = asks_again_and_again || matches!(self, Self::Import(_) | Self::Export(_));
        if has_many_answers { Timeout::Answer(span) } else { Timeout::Command(span) }
    }
}
