//! `verify` and `log`: looking into a data directory that no server uses.

use super::Context;
use super::exit::{Exit, Failure};
use super::output::{Text, print};
use super::serve::{recovery_document, recovery_text, start_failure};
use crate::config::WritePathChoice;
use crate::directory::Directory;
use crate::error::StartError;
use crate::pipeline::apply::apply_payload;
use crate::recovery::{Recovered, recover};
use crate::server::open_storage;
use crate::snapshot::{self, SnapshotError, snapshot_name};
use crate::storage::Access;
use crate::wal::{Frame, LogError, ReadTo};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::batch::Batch;
use stockhold_protocol::{BadField, Envelope};

/// Steps of sweeping after each replayed batch, as recovery does.
const SWEEP_BUDGET: u32 = 1_024;

/// `verify`
#[derive(Args, Debug)]
#[command(
    after_help = "Reads every segment and every snapshot, replays the log and compares digests. Examples:
  stockhold verify data
  stockhold verify /backups/monday --json"
)]
pub(super) struct VerifyArguments {
    /// The data directory; no server may use it meanwhile
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// `log`
#[derive(Subcommand, Debug)]
pub(super) enum LogAction {
    /// Print the commands of the log, one line each
    #[command(after_help = "Examples:
  stockhold log dump data
  stockhold log dump data --from 1000 --limit 20 --json")]
    Dump {
        /// The data directory; no server may use it meanwhile
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The first op
        #[arg(long, default_value_t = 1, value_name = "OP")]
        from: u64,
        /// Most lines
        #[arg(long, value_name = "NUMBER")]
        limit: Option<u64>,
    },
    /// Leave one op out at the next start: for a command that stops the server whenever it is applied
    #[command(after_help = "Examples:
  stockhold log skip data --op 1042 --reason 'stops the server, see incident 17'")]
    Skip {
        /// The data directory; no server may use it meanwhile
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The op that the server's last words named
        #[arg(long, value_name = "OP")]
        op: u64,
        /// Why; it is kept in the directory
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

fn open(directory: &Path) -> Result<Directory, Failure> {
    let storage = open_storage(directory, WritePathChoice::Auto).map_err(start_failure)?;
    Directory::open(storage).map_err(|error| start_failure(error.into()))
}

fn log_failure(error: LogError) -> Failure {
    start_failure(StartError::Log(error))
}

pub(super) fn log(context: Context<'_>, action: &LogAction) -> Result<Exit, Failure> {
    match action {
        LogAction::Dump { directory, from, limit } => dump(context, &open(directory)?, *from, *limit),
        LogAction::Skip { directory, op, reason } => skip(context, open(directory)?, *op, reason),
    }
}

fn dump(context: Context<'_>, directory: &Directory, from: u64, limit: Option<u64>) -> Result<Exit, Failure> {
    let mut log = directory.read_log(from.max(1), ReadTo::End).map_err(log_failure)?;
    let mut left = limit.unwrap_or(u64::MAX);
    while let Some(frame) = log.next_frame().map_err(log_failure)? {
        if left == 0 {
            break;
        }
        let batch = Batch::decode(frame.payload).map_err(|e| Failure::new(Exit::BadData, e))?;
        let proposed = batch.header.proposed.0;
        for (record, op) in batch.records().zip(frame.first_op..) {
            if op < from || left == 0 {
                continue;
            }
            left -= 1;
            print(&line(context, &frame, op, proposed, record))?;
        }
    }
    Ok(Exit::Ok)
}

fn line(
    context: Context<'_>,
    frame: &Frame<'_>,
    op: u64,
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
        let document = json!({
            "op": op, "epoch": frame.epoch, "segment": frame.segment, "offset": frame.offset,
            "proposed_ms": proposed_ms, "kind": kind, "id": id, "bytes": bytes, "body": body,
        });
        return document.to_string();
    }
    let time = super::words::utc(proposed_ms / 1_000);
    format!("{op:>10}  {time}  {kind:<14}  {id}  {body}")
}

fn skip(context: Context<'_>, mut directory: Directory, op: u64, reason: &str) -> Result<Exit, Failure> {
    let newest = directory.snapshots().map_err(|error| start_failure(error.into()))?.first().copied();
    if let Some(snapshot_op) = newest.filter(|snapshot_op| op <= *snapshot_op) {
        // The next start would load the snapshot and never meet the op.
        let message = format!("op {op} has been applied: the snapshot of op {snapshot_op} holds what it did");
        return Err(Failure::usage(message));
    }
    let mut log = directory.read_log(directory.manifest().base_op + 1, ReadTo::End);
    if let Err(LogError::Missing { oldest_op, .. }) = log {
        log = directory.read_log(oldest_op, ReadTo::End);
    }
    let mut log = log.map_err(log_failure)?;
    let mut last_op = directory.manifest().base_op;
    while let Some(frame) = log.next_frame().map_err(log_failure)? {
        last_op = frame.first_op + u64::from(frame.ops) - 1;
    }
    let now_ms = stockhold_client::wall_clock_ms();
    let epoch =
        directory.add_skip(op, reason, last_op, now_ms).map_err(|error| start_failure(error.into()))?;
    let text =
        format!("op {op} will be left out from the next start on; epoch {epoch} begins after op {last_op}");
    context.output.result(&text, &json!({"op": op, "epoch": epoch, "reason": reason, "last_op": last_op}))?;
    Ok(Exit::Ok)
}

pub(super) fn verify(context: Context<'_>, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let directory = open(&arguments.directory)?;
    let mut findings = Vec::new();
    let digests = verify_snapshots(context, &directory, &mut findings)?;
    let replayed = replay(context, &directory, &digests, &mut findings)?;
    let bar = context.output.progress(0, "recovery");
    let recovered = recover(&directory, |progress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
    });
    let recovered = recovered.and_then(Recovered::validated);
    bar.finish_and_clear();
    let mut text = Text::default();
    let mut recovery = serde_json::Value::Null;
    match recovered {
        Ok(recovered) => {
            text.line(&recovery_text(&recovered.report));
            text.line(&format!("digest {:016x}", recovered.report.digest));
            if let Some((op, digest)) = replayed
                && (op, digest) != (recovered.report.recovered_ops, recovered.report.digest)
            {
                findings.push(format!("replaying the whole log ends at op {op} with digest {digest:016x}"));
            }
            recovery = recovery_document(&recovered.report);
        }
        Err(error) => findings.push(start_failure(StartError::Recovery(error)).text()),
    }
    text.line(&format!("{} snapshots read", digests.len()));
    text.line(match replayed {
        Some(_) => "the whole log was replayed from the first op",
        None => "the log begins after the first op; it was replayed from the newest snapshot",
    });
    for finding in &findings {
        text.line(&format!("finding: {finding}"));
    }
    text.line(if findings.is_empty() { "sound" } else { "NOT SOUND" });
    let document = json!({
        "sound": findings.is_empty(),
        "findings": findings,
        "snapshots": digests.len(),
        "replayed_from_first_op": replayed.is_some(),
        "recovery": recovery,
    });
    context.output.result(&text.into_string(), &document)?;
    Ok(if findings.is_empty() { Exit::Ok } else { Exit::BadData })
}

/// Reads every snapshot to its end; the digest of each that is whole, by op.
fn verify_snapshots(
    context: Context<'_>,
    directory: &Directory,
    findings: &mut Vec<String>,
) -> Result<BTreeMap<u64, u64>, Failure> {
    let bar = context.output.progress(0, "snapshots");
    let mut digests = BTreeMap::new();
    for op in directory.snapshots().map_err(|error| start_failure(error.into()))? {
        let storage = directory.storage().as_ref();
        let log_uuid = directory.manifest().log_uuid;
        let read = snapshot::verify(storage, &snapshot_name(op), log_uuid, Access::Read, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        match read {
            Ok(summary) => {
                let [a, b, c, d, e, f, g, h, ..] = summary.digest;
                digests.insert(op, u64::from_le_bytes([a, b, c, d, e, f, g, h]));
            }
            Err(SnapshotError::Storage(error)) => return Err(start_failure(error.into())),
            Err(error @ (SnapshotError::Damaged { .. } | SnapshotError::ForeignLog { .. })) => {
                findings.push(Failure::new(Exit::BadData, error).text());
            }
        }
    }
    bar.finish_and_clear();
    Ok(digests)
}

/// Replays the log from its first op, if it still begins there, and compares the digests on the way. The op
/// and the digest at the end.
fn replay(
    context: Context<'_>,
    directory: &Directory,
    digests: &BTreeMap<u64, u64>,
    findings: &mut Vec<String>,
) -> Result<Option<(u64, u64)>, Failure> {
    let manifest = directory.manifest();
    if manifest.base_op != 0 {
        return Ok(None);
    }
    let mut log = match directory.read_log(1, ReadTo::End) {
        Ok(log) => log,
        Err(LogError::Missing { .. }) => return Ok(None),
        Err(error) => return Err(log_failure(error)),
    };
    let genesis = Genesis::decode(&manifest.genesis).map_err(|e| Failure::new(Exit::BadData, e))?;
    let mut machine = Machine::new(&genesis);
    let skips: BTreeSet<u64> = manifest.skips.iter().map(|skip| skip.op).collect();
    let bar = context.output.progress(0, "log");
    loop {
        let frame = match log.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                // Recovery meets the same damage and tells it.
                drop(error);
                return Ok(None);
            }
        };
        let place = (frame.first_op, frame.ops);
        let applied = apply_payload(&mut machine, place, frame.payload, |op| skips.contains(&op), |_| ());
        if let Err(error) = applied {
            findings.push(error.to_string());
            return Ok(None);
        }
        machine.sweep(SWEEP_BUDGET);
        if let Some(said) = digests.get(&machine.op())
            && *said != machine.digest()
        {
            let (op, found) = (machine.op(), machine.digest());
            findings.push(format!(
                "the snapshot of op {op} says digest {said:016x}, the log replays to {found:016x}"
            ));
        }
        let (done, all) = log.progress();
        bar.set_length(all);
        bar.set_position(done);
    }
    bar.finish_and_clear();
    Ok(Some((machine.op(), machine.digest())))
}
