//! `log verify`: prints the report of a check of all segments without a replay.

use super::advice::shell_word;
use super::backup::{Choice, Source};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Text;
use super::verify::{end_document, end_text, exit_of, finding_document};
use crate::verify::{Finding, LogCheck, verify_log};
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;

/// `log verify`
#[derive(Args, Debug)]
#[command(
    after_help = "Reads every segment: head blocks, frames, checksums, positions and lengths, the headers of batches, and whether they record
digests. It replays nothing, so it needs little memory and is as fast as the disk; `stockhold verify` also replays the log and compares
the digests. It only reads, and a server may be running. The first damage is named by segment and offset. Exit code 4 when something is
wrong, 74 when a file cannot be read, 2 when only permissions are missing.

Examples:
  stockhold log verify data
  stockhold log verify /backups/stockhold --json"
)]
pub(super) struct LogVerifyArguments {
    /// A data directory, a copy of one, or an archive
    #[arg(value_name = "DIR|URL")]
    from: String,
    #[command(flatten)]
    choice: Choice,
}

pub(super) fn verify(context: Context<'_>, arguments: &LogVerifyArguments) -> Result<Exit, Failure> {
    let source = Source::open(&arguments.from, &arguments.choice)?;
    let bar = context.output.progress(0, "verify");
    let check = verify_log(&source.files, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let check = check.map_err(|error| source.failure(error))?;
    let next = next(&check, &arguments.from);
    context.output.result(&text(&check, &next), &document(&check, &next))?;
    Ok(exit_of(&check.findings))
}

/// What to run next.
fn next(check: &LogCheck, from: &str) -> String {
    let word = shell_word(Path::new(from));
    let is_directory = Path::new(from).join(crate::directory::MANIFEST_NAME).exists();
    let replay = if is_directory { "verify" } else { "backup verify" };
    if check.findings.is_empty() {
        return format!("`stockhold {replay} {word}` also replays the log and compares the digests");
    }
    let next =
        format!("`stockhold {replay} {word}` says whether a server can start from a state after the damage");
    if is_directory {
        let archive = "`stockhold restore --from ARCHIVE --to-dir NEW --latest`";
        let cut = format!("`stockhold log truncate {word} --at OP --keep-as NEW --dry-run`");
        return format!(
            "{next}; if not, {archive}, or {cut} to give up what comes after an op before the damage"
        );
    }
    format!(
        "{next}; `stockhold restore --from {word} --to-dir NEW --to-op OP` restores a state before the damage"
    )
}

fn text(check: &LogCheck, next: &str) -> String {
    let mut text = Text::default();
    if let Some(manifest) = &check.manifest {
        text.line(&format!("log {}, epoch {}", manifest.log_uuid, manifest.epoch()));
        let (log, tally) = (&check.log, &check.log.tally);
        text.line(&format!(
            "{} segments read: {} bytes in {} frames, {} records from position {} on",
            tally.segments, tally.bytes, tally.frames, log.records, log.first_position
        ));
        text.line(&match check.digests {
            0 => "no digest is recorded".to_owned(),
            count => format!("{count} digests are recorded, the last one as of op {}", check.last_digest_op),
        });
        match &check.end {
            Some(end) => text.line(&end_text(end)),
            None => text.line("the end of the log was not found"),
        }
    }
    if let Some(first) = check.findings.first() {
        text.line(&format!("first damage: {first}"));
    }
    for finding in check.findings.iter().skip(1) {
        text.line(&format!("finding: {finding}"));
    }
    text.line(if check.findings.is_empty() { "sound, not replayed" } else { "NOT SOUND" });
    text.line(&format!("next: {next}"));
    text.into_string()
}

fn document(check: &LogCheck, next: &str) -> Value {
    let first = |finding: &Finding| json!({"file": finding.file, "offset": finding.offset});
    json!({
        "sound": check.findings.is_empty(),
        "findings": check.findings.iter().map(finding_document).collect::<Vec<_>>(),
        "first_damage": check.findings.first().map(first),
        "log_uuid": check.manifest.as_ref().map(|manifest| manifest.log_uuid.to_string()),
        "epoch": check.manifest.as_ref().map(crate::directory::Manifest::epoch),
        "log": {
            "segments": check.log.tally.segments,
            "frames": check.log.tally.frames,
            "bytes": check.log.tally.bytes,
            "first_position": check.log.first_position,
            "records": check.log.records,
        },
        "digests": {"recorded": check.digests, "last_op": check.last_digest_op},
        "end": check.end.as_ref().map(end_document),
        "next": next,
    })
}
