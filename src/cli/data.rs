//! `log`: prints the log of a data directory, and skips an op of it.

use super::context::Context;
use super::exit::start_failure;
use super::exit::{Exit, Failure};
use super::output::print;
use crate::config::WritePathChoice;
use crate::directory::{Directory, ReadOnlyDirectory};
use crate::server::open_storage;
use crate::snapshot::LogPoint;
use crate::storage::{ReadOnlyFs, SharedReadStorage};
use crate::wal::{Frame, LogError, ReadTo};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stockhold_protocol::batch::{Actor, ActorKind, Batch, Entry};
use stockhold_protocol::{BadField, Envelope};

/// `log`
#[derive(Subcommand, Debug)]
pub(super) enum LogAction {
    /// Print the commands of the log, one line each
    #[command(
        after_help = "Each line begins with the position of the record in the log. As long as no batch was passed over, which
`stockhold verify` reports, the record at a position has the op of the same number. The command only reads. Beside a running server
it reads to the current end of the log.

Examples:
  stockhold log dump data
  stockhold log dump data --from 1000 --limit 20 --json"
    )]
    Dump {
        /// The data directory
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The first position; without it, the first one in the log
        #[arg(long, value_name = "POSITION")]
        from: Option<u64>,
        /// The maximum number of lines
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u64>,
    },
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
        LogAction::Dump { directory, from, limit } => dump(context, directory, *from, *limit),
        LogAction::Skip { directory, op, reason } => skip(context, directory, *op, reason),
    }
}

/// Opens the files of a directory for reading.
pub(super) fn read_only(path: &Path) -> Result<SharedReadStorage, Failure> {
    let files = ReadOnlyFs::open(path).map_err(|error| start_failure(error, path))?;
    Ok(Arc::new(files))
}

fn dump(context: Context<'_>, path: &Path, from: Option<u64>, limit: Option<u64>) -> Result<Exit, Failure> {
    let directory = ReadOnlyDirectory::open(read_only(path)?).map_err(|error| start_failure(error, path))?;
    let log_failure = |error: LogError| start_failure(error, path);
    let mut log = directory.read_log(from.unwrap_or(1).max(1));
    if let (None, Err(LogError::Missing { oldest_position, .. })) = (from, &log) {
        log = directory.read_log(*oldest_position);
    }
    let mut log = log.map_err(log_failure)?;
    let from = from.unwrap_or(0);
    let mut left = limit.unwrap_or(u64::MAX);
    while let Some(frame) = log.next_frame().map_err(log_failure)? {
        if left == 0 {
            break;
        }
        let batch = Batch::decode(frame.payload).map_err(|e| Failure::new(Exit::BadData, e))?;
        let proposed = batch.header.proposed.0;
        let mut actors = Vec::new();
        let mut actor = Actor::SERVER;
        for (entry, position) in batch.entries().zip(frame.first_position..) {
            if let Ok(Entry { run: Some(run), .. }) = &entry {
                actors.extend(run.introduces);
                actor = actors.get(usize::from(run.actor)).copied().unwrap_or(Actor::SERVER);
            }
            if position < from || left == 0 {
                continue;
            }
            left -= 1;
            let record = entry.map(|entry| entry.record);
            print(&line(context, &frame, (position, actor), proposed, record))?;
        }
    }
    Ok(Exit::Ok)
}

fn line(
    context: Context<'_>,
    frame: &Frame<'_>,
    (position, actor): (u64, Actor<'_>),
    proposed_ms: u64,
    record: Result<&[u8], BadField>,
) -> String {
    let (kind, id, body, bytes) = match record {
        Ok(record) => match Envelope::decode(record) {
            Ok(envelope) => {
                let kind = envelope.command.kind().name();
                (kind, envelope.id.to_string(), format!("{:?}", envelope.command), record.len())
            }
            Err(error) => ("unreadable", String::new(), error.to_string(), record.len()),
        },
        Err(error) => ("unreadable", String::new(), error.to_string(), 0),
    };
    if context.output.is_json() {
        let actor_kind = match actor.kind {
            ActorKind::Server => "server",
            ActorKind::Claimed => "claimed",
            ActorKind::Proved => "proved",
        };
        let document = json!({
            "position": position, "epoch": frame.epoch, "segment": frame.segment, "offset": frame.offset,
            "proposed_ms": proposed_ms, "kind": kind, "id": id, "bytes": bytes, "body": body,
            "actor": actor.name, "actor_kind": actor_kind,
        });
        return document.to_string();
    }
    let time = super::times::utc(proposed_ms / 1_000);
    // The client chose the name, so it is escaped.
    let actor = if actor.kind == ActorKind::Server { "-".to_owned() } else { format!("{:?}", actor.name) };
    format!("{position:>10}  {time}  {kind:<14}  {id}  {actor}  {body}")
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
