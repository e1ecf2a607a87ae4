//! `verify`: prints the report of `crate::verify`.

use super::context::Context;
use super::exit::start_failure;
use super::exit::{Exit, Failure};
use super::opened::read_only;
use super::output::Text;
use crate::replica::PassedOverTally;
use crate::snapshot::snapshot_name;
use crate::storage::SharedReadStorage;
use crate::verify::{
    End, Fault, Finding, Note, ReplayedRange, SnapshotRead, Verification, verify as read_all,
};
use crate::wal::segment::segment_name;
use crate::wal::{Durability, EndReason};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `verify`
#[derive(Args, Debug)]
#[command(
    after_help = "Reads every segment and every snapshot, replays the log from its first op or from the oldest snapshot, compares
digests at each later snapshot, and validates the state at the end. It only reads: no lock is taken and no file is made, so it works
on a read-only mount, without the right to write, in a copy that was taken while a server ran, and beside one that runs (up to the end
that the log has then). Exit code 4 when something is wrong, 74 when a file
cannot be read, 2 when only permissions are missing. Examples:
  stockhold verify data
  stockhold verify /backups/monday --json"
)]
pub(super) struct VerifyArguments {
    /// The data directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn verify(context: Context<'_>, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    report_on(context, &arguments.directory, &read_only(&arguments.directory)?)
}

/// Verifies a directory, or an archive that is read like one.
pub(super) fn report_on(
    context: Context<'_>,
    place: &Path,
    files: &SharedReadStorage,
) -> Result<Exit, Failure> {
    let bar = context.output.progress(0, "verify");
    let report = read_all(files, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| start_failure(error, place))?;
    context.output.result(&text(&report), &document(&report))?;
    Ok(exit_of(&report.findings))
}

/// What could not be read says nothing about the data: the medium failed, or a permission is missing.
pub(super) fn exit_of(findings: &[Finding]) -> Exit {
    let (mut is_denied, mut has_failed) = (false, false);
    for finding in findings {
        if let Fault::Unreadable(error) = &finding.fault {
            *(if error.is_of_request() { &mut is_denied } else { &mut has_failed }) = true;
        }
    }
    match findings {
        [] => Exit::Ok,
        _ if has_failed => Exit::Disk,
        _ if is_denied => Exit::Usage,
        _ => Exit::BadData,
    }
}

fn text(report: &Verification) -> String {
    let mut text = Text::default();
    if let Some(manifest) = &report.manifest {
        text.line(&format!("log {}, epoch {}", manifest.log_uuid, manifest.epoch()));
        let (log, tally) = (&report.log, &report.log.tally);
        text.line(&format!(
            "{} segments read: {} bytes in {} frames, {} records from position {} on",
            tally.segments, tally.bytes, tally.frames, log.records, log.first_position
        ));
        for snapshot in &report.snapshots {
            text.line(&snapshot_text(snapshot, &report.replayed));
        }
        for range in &report.replayed {
            text.line(&range_text(range));
        }
        if report.skipped_ops > 0 {
            text.line(&format!("{} of these ops skipped at the request of an operator", report.skipped_ops));
        }
        let PassedOverTally { batches, records } = report.passed_over;
        if batches > 0 {
            text.line(&format!("{batches} batches passed over, {records} records"));
        }
        match &report.end {
            Some(end) => text.line(&end_text(end)),
            None => text.line("the end of the log was not found"),
        }
        if let Some((op, digest)) = report.state {
            text.line(&format!("the state after op {op} has the digest {digest:016x}"));
        }
    }
    for note in &report.notes {
        text.line(&format!("note: {note}"));
    }
    for finding in &report.findings {
        text.line(&format!("finding: {finding}"));
    }
    text.line(if report.is_sound() { "sound" } else { "NOT SOUND" });
    text.into_string()
}

fn snapshot_text(snapshot: &SnapshotRead, replayed: &[ReplayedRange]) -> String {
    let began_here = replayed.iter().any(|range| range.snapshot_op == Some(snapshot.op));
    let found = match (snapshot.digest, snapshot.is_compared) {
        (None, _) => "damaged",
        (Some(_), true) => "the replay of the log has the same digest",
        (Some(_), false) if began_here => "a replay began from it",
        (Some(_), false) => "not compared with a replay",
    };
    let starts = if snapshot.starts { "a start from it is possible" } else { "NO START from it is possible" };
    format!("snapshot of op {} read: {} bytes, {found}, {starts}", snapshot.op, snapshot.bytes)
}

fn range_text(range: &ReplayedRange) -> String {
    let from = match range.snapshot_op {
        Some(op) => format!("from the snapshot of op {op}"),
        None => "from the first op".to_owned(),
    };
    format!("{} ops replayed {from} to op {}", range.ops, range.last_op)
}

pub(super) fn end_text(end: &End) -> String {
    let reason = match end.reason {
        _ if end.is_moving => "a server is writing to it",
        EndReason::CleanStop => "a clean stop",
        EndReason::Crash => "a crash or a running server, between two writes",
        EndReason::TornTail => "a crash during a write, which was never answered",
        EndReason::Start | EndReason::Restore => "nothing was written yet",
        EndReason::Rotated => "a full segment",
        EndReason::Truncated => "the log was cut there",
    };
    let at = match end.segment {
        0 => String::new(),
        segment => format!(", byte {} of {}", end.offset, segment_name(segment)),
    };
    format!("the log ends with position {}{at}: {reason}", end.last_position)
}

fn document(report: &Verification) -> Value {
    json!({
        "sound": report.is_sound(),
        "findings": report.findings.iter().map(finding_document).collect::<Vec<_>>(),
        "notes": report.notes.iter().map(note_document).collect::<Vec<_>>(),
        "log_uuid": report.manifest.as_ref().map(|manifest| manifest.log_uuid.to_string()),
        "epoch": report.manifest.as_ref().map(crate::directory::Manifest::epoch),
        "log": {
            "segments": report.log.tally.segments,
            "frames": report.log.tally.frames,
            "bytes": report.log.tally.bytes,
            "first_position": report.log.first_position,
            "records": report.log.records,
        },
        "end": report.end.as_ref().map(end_document),
        "snapshots": report.snapshots.iter().map(snapshot_document).collect::<Vec<_>>(),
        "replayed": report.replayed.iter().map(range_document).collect::<Vec<_>>(),
        "skipped_ops": report.skipped_ops,
        "passed_over": {"batches": report.passed_over.batches, "records": report.passed_over.records},
        "op": report.state.map(|(op, _)| op),
        "digest": report.state.map(|(_, digest)| format!("{digest:016x}")),
    })
}

pub(super) fn finding_document(finding: &Finding) -> Value {
    json!({
        "file": finding.file,
        "offset": finding.offset,
        "kind": finding.fault.kind(),
        "what": finding.fault.text(),
    })
}

fn note_document(note: &Note) -> Value {
    json!({"file": note.file(), "what": note.to_string()})
}

fn snapshot_document(snapshot: &SnapshotRead) -> Value {
    json!({
        "op": snapshot.op,
        "position": snapshot.position,
        "file": snapshot_name(snapshot.op),
        "bytes": snapshot.bytes,
        "digest": snapshot.digest.map(|digest| format!("{digest:016x}")),
        "compared": snapshot.is_compared,
        "starts": snapshot.starts,
    })
}

fn range_document(range: &ReplayedRange) -> Value {
    json!({"snapshot_op": range.snapshot_op, "last_op": range.last_op, "ops": range.ops})
}

pub(super) fn end_document(end: &End) -> Value {
    let reason = match end.reason {
        _ if end.is_moving => "moving",
        EndReason::CleanStop => "clean_stop",
        EndReason::Crash => "crash",
        EndReason::TornTail => "torn_tail",
        EndReason::Start | EndReason::Restore => "start",
        EndReason::Rotated => "rotated",
        EndReason::Truncated => "truncated",
    };
    json!({
        "reason": reason,
        "last_position": end.last_position,
        "file": (end.segment > 0).then(|| segment_name(end.segment)),
        "offset": end.offset,
        "durability": match end.durability {
            Durability::Every => "sync",
            Durability::Interval => "interval",
        },
    })
}
