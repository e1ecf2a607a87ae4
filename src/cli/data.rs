//! `log`: prints the log of a data directory, and skips an op of it.

use super::context::Context;
use super::dump::{DumpArguments, dump};
use super::exit::start_failure;
use super::exit::{Exit, Failure};
use crate::config::WritePathChoice;
use crate::directory::Directory;
use crate::server::open_storage;
use crate::snapshot::LogPoint;
use crate::wal::{LogError, ReadTo};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

/// `log`
#[derive(Subcommand, Debug)]
pub(super) enum LogAction {
    /// Print the commands of the log, one line each
    Dump(Box<DumpArguments>),
    /// Skip an op from the next start on, if the server panics whenever it applies the op
    #[command(after_help = "Examples:
  stockhold log skip data --op 1042 --reason 'the server panics, see incident 17'")]
    Skip {
        /// The data directory; no server may be using it
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The op that the server named when it panicked
        #[arg(long, value_name = "OP")]
        op: u64,
        /// The reason; it is stored in the directory
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

fn open(directory: &Path) -> Result<Directory, Failure> {
    let failed = |error| start_failure(error, directory);
    let storage = open_storage(directory, WritePathChoice::Auto).map_err(failed)?;
    Directory::open(storage).map_err(|error| failed(error.into()))
}

pub(super) fn log(context: Context<'_>, action: &LogAction) -> Result<Exit, Failure> {
    match action {
        LogAction::Dump(arguments) => dump(context, arguments),
        LogAction::Skip { directory, op, reason } => skip(context, directory, *op, reason),
    }
}

fn skip(context: Context<'_>, path: &Path, op: u64, reason: &str) -> Result<Exit, Failure> {
    let mut directory = open(path)?;
    let log_failure = |error: LogError| start_failure(error, path);
    let newest = directory.snapshots().map_err(|error| start_failure(error, path))?.first().copied();
    if let Some(snapshot_op) = newest.filter(|snapshot_op| op <= *snapshot_op) {
        // The next start would load the snapshot and not apply the op.
        let message =
            format!("op {op} has been applied: the snapshot of op {snapshot_op} contains its effects");
        return Err(Failure::usage(message));
    }
    let base = directory.manifest().base;
    let mut log = directory.read_log(base.position + 1, ReadTo::End);
    if let Err(LogError::Missing { oldest_position, .. }) = log {
        log = directory.read_log(oldest_position, ReadTo::End);
    }
    let mut log = log.map_err(log_failure)?;
    let mut position = base.position;
    while let Some(frame) = log.next_frame().map_err(log_failure)? {
        position = frame.first_position + u64::from(frame.records) - 1;
    }
    // Only applying the log shows which op is the last one, and that is not possible here.
    let snapshot = newest.and_then(|op| directory.read_snapshot(op).ok());
    let known = snapshot.map_or(base, |snapshot| snapshot.header().point());
    let end = LogPoint { position, op: known.op_max_at(position) };
    let now_ms = stockhold_client::wall_clock_ms();
    let epoch = directory.add_skip(op, reason, end, now_ms).map_err(|error| start_failure(error, path))?;
    let text =
        format!("op {op} is skipped from the next start on; epoch {epoch} begins after position {position}");
    let document = json!({"op": op, "epoch": epoch, "reason": reason, "last_position": position});
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}
