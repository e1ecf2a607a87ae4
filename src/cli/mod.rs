//! The `stockhold` command: parses flags, prints text or JSON, and returns an exit code.
//!
//! Every change of a running server is a command over TCP, as from a checkout. Only `format`, `serve`, `verify` and
//! `log` access a data directory. No inventory rule is decided here.

mod addresses;
mod advice;
mod answering;
mod arguments;
mod automatic_mark;
mod backup;
mod bulk;
mod catalog_changes;
mod catalog_plan;
mod checkout;
mod clock;
mod context;
mod data;
mod define;
mod demo;
mod dump;
mod exit;
mod explain;
mod explain_words;
mod export;
mod follow;
mod freeze;
mod goods;
mod id;
mod import;
mod import_catalog;
mod import_chunks;
mod import_geonames;
mod import_options;
mod import_order;
mod import_rows;
mod lineage;
mod list;
mod lists;
mod log_skip;
mod log_truncate;
mod log_verify;
mod low_stock;
mod manual;
mod mark;
mod meaning;
mod memory_bound;
mod new_skus;
mod old_names;
mod open_promises;
mod opened;
mod order;
mod order_arguments;
mod order_history;
mod order_state;
mod orders;
mod output;
mod parse;
mod past;
mod pickup;
mod present_items;
mod quantity;
mod questions;
mod replay;
mod report;
mod reservation_rows;
mod restore;
mod row_changes;
mod row_tally;
mod row_warnings;
mod rows;
mod salable;
mod select_sources;
mod serve;
mod served_log;
mod server_connection;
mod settings;
mod show;
mod similar_skus;
mod status;
mod stock_work;
mod summary;
pub mod times;
mod top;
mod tries;
mod units;
pub mod usage;
mod verify;
mod why;

use arguments::{Action, Arguments};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use context::Context;
use exit::{Exit, Failure};
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// The whole command line, without flags that mean nothing for a command.
fn command_line() -> clap::Command {
    with_negative_values(meaning::without_server_flags(Arguments::command()))
}

/// Lets a number begin with a hyphen, so that `-2` is refused for what it is and not as an unknown flag.
fn with_negative_values(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let is_signed = |name: &clap::builder::Str| name == "QTY" || name == "TIME";
        if arg.get_value_names().is_some_and(|names| names.iter().any(is_signed)) {
            arg.allow_hyphen_values(true)
        } else if arg.get_action().takes_values() {
            arg.allow_negative_numbers(true)
        } else {
            arg
        }
    });
    command.mut_subcommands(with_negative_values)
}

fn parse_words(words: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = command_line();
    let matches = command.try_get_matches_from_mut(words)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    match meaning::meaningless(&matches, &arguments.action) {
        Some(reason) => Err(command.error(ErrorKind::ArgumentConflict, reason)),
        None => Ok(arguments),
    }
}

/// Runs the program: parses the arguments, prints, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let arguments = match parse_words(&words) {
        Ok(arguments) => arguments,
        Err(error) => return usage::refuse(&error, &words).into(),
    };
    // A command that takes any words takes `--json` too if it stands behind it.
    let output = Output::new(arguments.common.json || usage::asks_for_json(&words));
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
        Action::Replay(arguments) => replay::run(context, arguments),
        Action::Restore(arguments) => restore::run(context, arguments),
        Action::Follow(arguments) => follow::run(context, arguments),
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
        Action::AppendReservations(arguments) => rows::append(context, arguments),
        Action::Order(command) => order::order(context, command),
        Action::Count(arguments) => goods::count(context, arguments),
        Action::Adjust(arguments) => goods::adjust(context, arguments),
        Action::Transfer(arguments) => goods::transfer(context, arguments),
        Action::CountMany(arguments) => stock_work::count_many(context, arguments),
        Action::Assign(arguments) => stock_work::assign(context, arguments),
        Action::Unassign(arguments) => stock_work::unassign(context, arguments),
        Action::TransferMany(arguments) => stock_work::transfer_many(context, arguments),
        Action::TransferLines(arguments) => stock_work::transfer_lines(context, arguments),
        Action::Catalog(action) => define::run(context, action),
        Action::Settings(arguments) => settings::settings(context, arguments),
        Action::Quota(arguments) => settings::quota(context, arguments),
        Action::Freeze(arguments) => freeze::freeze(context, arguments),
        Action::Notify(arguments) => low_stock::notify(context, arguments),
        Action::Configure(arguments) => settings::configure(context, arguments),
        Action::Mark(action) => mark::mark(context, action),
        Action::ActivateRules(arguments) => settings::activate_rules(context, arguments),
        Action::Import(arguments) => import::import(context, arguments),
        Action::Export(arguments) => export::export(context, arguments),
        Action::Salable(arguments) => salable::salable(context, arguments),
        Action::SelectSources(arguments) => select_sources::run(context, arguments),
        Action::PickupLocations(arguments) => pickup::run(context, arguments),
        Action::Show(what) => show::show(context, what),
        Action::List(what) => list::list(context, what),
        Action::Explain(arguments) => explain::run(context, arguments),
        Action::Why(arguments) => why::run(context, arguments),
        Action::Status(arguments) => status::status(context, arguments),
        Action::Top(arguments) => top::top(context, arguments),
        Action::Clock(arguments) => clock::clock(context, arguments),
        Action::Validate => status::validate(context),
        Action::Snapshot => status::snapshot(context),
        Action::Id(action) => id::run(context, action),
        Action::Completions(arguments) => manual::completions(command_line(), arguments),
        Action::Man(arguments) => manual::man(context, command_line(), arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_fit_together() {
        // Proves that no flag is defined twice and that every group names existing flags.
        command_line().debug_assert();
    }
}
