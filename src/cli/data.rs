//! `log`: the commands about the log of a data directory. Each has a file of its own.

use super::context::Context;
use super::dump::{DumpArguments, dump};
use super::exit::{Exit, Failure};
use super::log_skip;
use super::log_truncate;
use super::log_verify;
use clap::Subcommand;

/// `log`
#[derive(Subcommand, Debug)]
pub(super) enum LogAction {
    /// Print the commands of the log, one line each
    Dump(Box<DumpArguments>),
    /// Show an op and its outcome, and skip it from the next start on
    Skip(log_skip::SkipArguments),
    /// List the ops that are skipped
    Skips(log_skip::SkipsArguments),
    /// Read all segments without a replay, and name the first damage
    Verify(log_verify::LogVerifyArguments),
    /// Cut the log after an op, and keep what is removed
    Truncate(log_truncate::TruncateArguments),
}

pub(super) fn log(context: Context<'_>, action: &LogAction) -> Result<Exit, Failure> {
    match action {
        LogAction::Dump(arguments) => dump(context, arguments),
        LogAction::Skip(arguments) => log_skip::skip(context, arguments),
        LogAction::Skips(arguments) => log_skip::skips(context, arguments),
        LogAction::Verify(arguments) => log_verify::verify(context, arguments),
        LogAction::Truncate(arguments) => log_truncate::truncate(context, arguments),
    }
}
