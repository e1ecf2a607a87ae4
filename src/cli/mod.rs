//! The `stockhold` command: parses flags, prints text or JSON, and returns an exit code.
//!
//! Every change of a running server is a command over TCP, as from a checkout. Only `format`, `serve`, `verify` and
//! `log` access a data directory. No inventory rule is decided here.

mod advice;
mod automatic_mark;
mod backup;
mod bulk;
mod checkout;
mod clock;
mod context;
mod data;
mod define;
mod demo;
mod exit;
mod export;
mod goods;
mod import;
mod import_catalog;
mod import_rows;
mod lists;
mod mark;
mod old_names;
mod output;
mod parse;
mod questions;
mod report;
mod restore;
mod salable;
mod serve;
mod server_connection;
mod settings;
mod show;
mod status;
mod tries;
pub mod usage;
mod verify;

use clap::{CommandFactory, Parser, Subcommand};
use context::{Common, Context};
use exit::{Exit, Failure};
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;
use tries::Timeout;

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
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
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
    /// Set the quantity on hand at a source
    Count(goods::CountArguments),
    /// Change the quantity on hand at a source by a difference
    Adjust(goods::AdjustArguments),
    /// Move goods between sources
    Transfer(goods::TransferArguments),
    #[command(flatten)]
    Catalog(define::Catalog),
    /// Change settings globally, for a SKU, or for a SKU in a stock
    Settings(settings::SettingsArguments),
    /// Limit what may be promised of a SKU in a stock
    Quota(settings::QuotaArguments),
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
    /// Show a reservation, a SKU, sources, stocks or the configuration
    #[command(subcommand)]
    Show(show::Show),
    /// Show the state of the server: limits, queue depths, watermarks, latencies
    Status,
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
    /// Print the log of a data directory, or skip an op of it
    #[command(subcommand)]
    Log(data::LogAction),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  stockhold completions bash > /etc/bash_completion.d/stockhold
  stockhold completions zsh > ~/.zfunc/_stockhold
  stockhold completions fish > ~/.config/fish/completions/stockhold.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How long a command waits for its server.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a query that reads the whole state may take.
const TIMEOUT_OF_ALL: Duration = Duration::from_hours(1);

impl Action {
    /// The timeout that was `given`, or the default of the command.
    fn timeout(&self, given: Option<Duration>) -> Timeout {
        let reads_all = matches!(self, Self::Validate | Self::Snapshot);
        let span = given.unwrap_or(if reads_all { TIMEOUT_OF_ALL } else { TIMEOUT });
        let has_many_answers = matches!(self, Self::Import(_) | Self::Export(_) | Self::Demo(_));
        if has_many_answers { Timeout::Answer(span) } else { Timeout::Command(span) }
    }
}

/// Runs the program: parses the arguments, prints, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return usage::refuse(&error, &words).into(),
    };
    let output = Output::new(arguments.common.json);
    let timeout = arguments.action.timeout(arguments.common.timeout);
    let context = Context { common: &arguments.common, output, timeout };
    match run(context, &arguments.action) {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_quiet() => Exit::Ok.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

fn run(context: Context<'_>, action: &Action) -> Result<Exit, Failure> {
    match action {
        Action::Serve(arguments) => serve::serve(context, arguments),
        Action::Demo(arguments) => demo::demo(context, arguments),
        Action::Format(arguments) => serve::format(context, arguments),
        Action::Verify(arguments) => verify::verify(context, arguments),
        Action::Backup(arguments) => backup::run(context, arguments),
        Action::Restore(arguments) => restore::run(context, arguments),
        Action::Log(what) => data::log(context, what),
        Action::Reserve(arguments) => checkout::reserve(context, arguments),
        Action::Confirm(arguments) => checkout::confirm(context, arguments),
        Action::Release(arguments) => checkout::release(context, arguments),
        Action::Extend(arguments) => checkout::extend(context, arguments),
        Action::Replace(arguments) => checkout::replace(context, arguments),
        Action::Ship(arguments) => goods::ship(context, arguments),
        Action::Unship(arguments) => goods::unship(context, arguments),
        Action::Amend(arguments) => goods::amend(context, arguments),
        Action::Sell(arguments) => goods::sell(context, arguments),
        Action::Refund(arguments) => goods::refund(context, arguments),
        Action::Count(arguments) => goods::count(context, arguments),
        Action::Adjust(arguments) => goods::adjust(context, arguments),
        Action::Transfer(arguments) => goods::transfer(context, arguments),
        Action::Catalog(action) => define::run(context, action),
        Action::Settings(arguments) => settings::settings(context, arguments),
        Action::Quota(arguments) => settings::quota(context, arguments),
        Action::Configure(arguments) => settings::configure(context, arguments),
        Action::Mark(action) => mark::mark(context, action),
        Action::ActivateRules(arguments) => settings::activate_rules(context, arguments),
        Action::Import(arguments) => import::import(context, arguments),
        Action::Export(arguments) => export::export(context, arguments),
        Action::Salable(arguments) => salable::salable(context, arguments),
        Action::Show(what) => show::show(context, what),
        Action::Status => status::status(context),
        Action::Clock(arguments) => clock::clock(context, arguments),
        Action::Validate => status::validate(context),
        Action::Snapshot => status::snapshot(context),
        Action::Completions { shell } => completions(*shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        // Proves that no flag is defined twice and that every group names existing flags.
        Arguments::command().debug_assert();
    }
}
