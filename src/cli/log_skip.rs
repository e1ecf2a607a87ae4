//! `log skip` and `log skips`: shows an op and its outcome, lets recovery skip it, takes that back, and lists all.

use super::advice::shell_word;
use super::context::Context;
use super::exit::{Exit, Failure, start_failure};
use super::opened::{open, read_only};
use super::output::{Text, table};
use crate::calendar::rfc3339;
use crate::describe;
use crate::directory::{Directory, DirectoryError, ReadOnlyDirectory, Skip};
use crate::named::NamedCommand;
use crate::pipeline::apply::{Observer, Step};
use crate::recovery::RecoveryError;
use crate::replica::{OnProgress, Replica, Target, wall_ms};
use crate::server;
use crate::snapshot::LogPoint;
use crate::wal::{LogError, ReadTo};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use stockhold_machine::Machine;
use stockhold_protocol::batch::Batch;
use stockhold_protocol::{Envelope, Outcome};

/// The maximum number of lines that are shown of what a process said before an op ended it.
const COMPLAINT_LINES_MAX: usize = 3;

/// `log skip`
#[derive(Args, Debug)]
#[command(
    after_help = "The command of the op and the outcome that it has now are shown first; --dry-run changes nothing. They come from a replay
in a process of its own, so an op that ends every server is shown too. An op that was acknowledged is refused: clients know its outcome,
and others build on it. It was if a later batch was logged after it was applied, or if a snapshot contains it. With --acknowledged it is
skipped all the same, and the snapshots that contain it are set aside. The next start begins a new epoch.

Examples:
  stockhold log skip data --op 1042 --reason 'the server panics, see incident 17' --dry-run
  stockhold log skip data --op 1042 --reason 'the server panics, see incident 17'
  stockhold log skip data --undo 1042"
)]
pub(super) struct SkipArguments {
    /// The data directory; no server may be using it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The op that the server named when it panicked
    #[arg(long, value_name = "OP", required_unless_present = "undo")]
    op: Option<u64>,
    /// The reason; it is stored in the directory
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["undo", "dry_run", "replay_only"])]
    reason: Option<String>,
    /// Skip the op although it was acknowledged
    #[arg(long)]
    acknowledged: bool,
    /// Show the op and its outcome, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Take back that this op is skipped; possible until the next start
    #[arg(long, value_name = "OP", conflicts_with_all = ["op", "reason", "acknowledged", "dry_run"])]
    undo: Option<u64>,
    /// Replay to the op in this process, and print it and its outcome
    #[arg(long, hide = true)]
    replay_only: bool,
}

/// `log skips`
#[derive(Args, Debug)]
#[command(
    after_help = "The list is complete, for as long as the directory and what is restored from it live.

Examples:
  stockhold log skips data
  stockhold log skips data --json"
)]
pub(super) struct SkipsArguments {
    /// The data directory; a server may be using it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn skip(context: Context<'_>, arguments: &SkipArguments) -> Result<Exit, Failure> {
    let path = &arguments.directory;
    match (arguments.undo, arguments.op) {
        (Some(op), _) => undo(context, path, op),
        (None, Some(op)) if arguments.replay_only => replay_only(context, path, op),
        (None, Some(op)) => skip_op(context, arguments, op),
        (None, None) => Err(Failure::usage("--op OP is missing")),
    }
}

fn undo(context: Context<'_>, path: &Path, op: u64) -> Result<Exit, Failure> {
    let skip = open(path)?.remove_skip(op).map_err(|error| start_failure(error, path))?;
    let text = format!("op {op} is no longer skipped; the reason was: {}", skip.reason);
    context.output.result(&text, &json!({"op": op, "undone": true, "reason": skip.reason}))?;
    Ok(Exit::Ok)
}

fn skip_op(context: Context<'_>, arguments: &SkipArguments, op: u64) -> Result<Exit, Failure> {
    let path = &arguments.directory;
    let reason = arguments.reason.as_deref().unwrap_or_default();
    if reason.trim().is_empty() && !arguments.dry_run {
        return Err(Failure::usage("--reason needs a text, which is stored in the directory"));
    }
    let mut directory = open(path)?;
    if directory.manifest().skips.iter().any(|skip| skip.op == op) {
        return Err(Failure::usage(format!(
            "op {op} is skipped already; `stockhold log skips {}` lists all",
            shell_word(path)
        )));
    }
    let (end, acknowledged) = judge(&directory, path, op)?;
    let base_op = directory.manifest().base.op;
    if op <= base_op || op > end.op {
        return Err(start_failure(DirectoryError::CannotSkip { op, base_op, last_op: end.op }, path));
    }
    let shown = show(path, op)?;
    let text = shown_text(op, &shown, acknowledged.as_deref());
    if let Some(why) = acknowledged.as_ref().filter(|_| !arguments.acknowledged && !arguments.dry_run) {
        let lost = "clients know its outcome, and later ones build on it";
        return Err(Failure::usage(format!(
            "{text}op {op} was acknowledged: {why}; {lost}; --acknowledged skips it all the same"
        )));
    }
    let mut document = json!({
        "op": op, "stopped": shown.stopped, "reason": reason, "last_position": end.position, "command": shown.command,
        "outcome": shown.outcome, "acknowledged": acknowledged, "dry_run": arguments.dry_run,
    });
    if arguments.dry_run {
        context.output.result(&format!("{text}nothing was changed"), &document)?;
        return Ok(Exit::Ok);
    }
    let set_aside = directory.set_aside_from(op).map_err(|error| start_failure(error, path))?;
    let now_ms = stockhold_client::wall_clock_ms();
    let epoch = directory.add_skip(op, reason, end, now_ms).map_err(|error| start_failure(error, path))?;
    document["epoch"] = json!(epoch);
    document["snapshots_set_aside"] = json!(set_aside);
    let aside = match set_aside.len() {
        0 => String::new(),
        count => format!("{count} snapshots that contain it were set aside\n"),
    };
    let text = format!(
        "{text}op {op} is skipped from the next start on; epoch {epoch} begins after position {}\n{aside}\
         to take it back before the next start: stockhold log skip {} --undo {op}",
        end.position,
        shell_word(path)
    );
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}

/// The end of the log, and how it is known that the op was acknowledged, if it was.
fn judge(directory: &Directory, path: &Path, op: u64) -> Result<(LogPoint, Option<String>), Failure> {
    let log_failure = |error: LogError| start_failure(error, path);
    let snapshots = directory.snapshots().map_err(|error| start_failure(error, path))?;
    let mut acknowledged = snapshots
        .iter()
        .find(|snapshot| op <= **snapshot)
        .map(|snapshot| format!("the snapshot of op {snapshot} contains its effects"));
    let newest = snapshots.first().and_then(|op| directory.read_snapshot(*op).ok());
    let base = directory.manifest().base;
    let mut log = directory.read_log(base.position + 1, ReadTo::End);
    if let Err(LogError::Missing { oldest_position, .. }) = log {
        log = directory.read_log(oldest_position, ReadTo::End);
    }
    let mut log = log.map_err(log_failure)?;
    let mut position = base.position;
    while let Some(frame) = log.next_frame().map_err(log_failure)? {
        if acknowledged.is_none()
            && let Ok(batch) = Batch::decode(frame.payload)
            && batch.header.applied_op >= op
        {
            let applied = batch.header.applied_op;
            acknowledged = Some(format!(
                "the batch at position {} was logged when op {applied} was applied",
                frame.first_position
            ));
        }
        position = frame.first_position + u64::from(frame.records) - 1;
    }
    // Only applying the log shows which op is the last one.
    let known = newest.map_or(base, |snapshot| snapshot.header().point());
    Ok((LogPoint { position, op: known.op_max_at(position) }, acknowledged))
}

/// An op as the replay shows it.
struct Shown {
    command: Value,
    /// Null if the op ended the replay.
    outcome: Value,
    /// How the replay ended, if the op ended it.
    stopped: Option<String>,
}

/// Replays to the op in a process of its own: the op may end it.
fn show(path: &Path, op: u64) -> Result<Shown, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(Exit::Disk, error))?;
    let child = Command::new(program)
        .args(["--json", "log", "skip"])
        .arg(path)
        .args(["--op", &op.to_string(), "--replay-only"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let child = child.map_err(|error| Failure::new(Exit::Unreachable, error))?;
    let lines = String::from_utf8_lossy(&child.stdout).into_owned();
    let mut documents = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let complaint = String::from_utf8_lossy(&child.stderr).into_owned();
    let Some(command) = documents.next() else {
        let told = serde_json::from_str::<Value>(&complaint).unwrap_or_default();
        let why = told["error"].as_str().map_or(complaint, str::to_owned);
        let exit = if child.status.code() == Some(2) { Exit::Usage } else { Exit::BadData };
        return Err(Failure { exit, error: anyhow::anyhow!("op {op} cannot be shown: {why}") });
    };
    let outcome = documents.next().unwrap_or_default();
    let last_words = complaint.lines().take(COMPLAINT_LINES_MAX).collect::<Vec<_>>().join(" ");
    let stopped = outcome.is_null().then(|| format!("{}: {last_words}", child.status));
    Ok(Shown { command, outcome, stopped })
}

fn shown_text(op: u64, shown: &Shown, acknowledged: Option<&str>) -> String {
    let word = |document: &Value, key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let command = &shown.command;
    let mut text = Text::default();
    text.line(&format!(
        "op {op}, {}: {} {} {}",
        word(command, "time"),
        word(command, "kind"),
        word(command, "id"),
        describe::line(&command["body"])
    ));
    match &shown.stopped {
        Some(status) => text.line(&format!("its outcome: none, it ends the server ({status})")),
        None => text.line(&format!(
            "its outcome: {} (actor {})",
            word(&shown.outcome, "code"),
            word(&shown.outcome, "actor")
        )),
    }
    match acknowledged {
        Some(why) => text.line(&format!("it was acknowledged: {why}")),
        None => text.line("nothing shows that it was acknowledged"),
    }
    text.into_string()
}

fn replay_only(context: Context<'_>, path: &Path, op: u64) -> Result<Exit, Failure> {
    let directory = ReadOnlyDirectory::open(read_only(path)?).map_err(|error| start_failure(error, path))?;
    let bar = context.output.progress(0, "replay");
    let mut progress = |progress: crate::replica::ReplayProgress| {
        bar.set_length(progress.bytes_all);
        bar.set_position(progress.bytes_done);
    };
    let is_seen = server::with_read_ahead(|spawner| {
        let before = Target::Op(op.saturating_sub(1));
        let mut replica = Replica::load(&directory, before, Some(spawner))?;
        let mut watcher = Watcher { op, is_seen: false };
        let to_end = (ReadTo::Present, Target::End);
        let progress: &mut OnProgress<'_> = &mut progress;
        replica.replay(&directory, to_end, Some(spawner), &mut watcher, progress)?;
        Ok(watcher.is_seen)
    });
    bar.finish_and_clear();
    let is_seen = is_seen.map_err(|error| start_failure(RecoveryError::Replica(error), path))?;
    if is_seen {
        return Ok(Exit::Ok);
    }
    Err(Failure::usage(format!(
        "op {op} is not in the log; `stockhold log dump {}` prints it",
        shell_word(path)
    )))
}

/// Prints an op before and after it is applied.
struct Watcher {
    op: u64,
    is_seen: bool,
}

impl Watcher {
    fn print(document: &Value) {
        // Without a reader, nobody waits for it.
        writeln!(std::io::stdout(), "{document}").ok();
        std::io::stdout().flush().ok();
    }
}

impl Observer for Watcher {
    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        if step.op > self.op {
            return ControlFlow::Break(());
        }
        if step.op == self.op {
            let shown = match Envelope::decode(step.record) {
                Ok(envelope) => json!({
                    "kind": envelope.command.kind().name(), "id": envelope.id.to_string(),
                    "body": NamedCommand::of(machine, &envelope.command).body(),
                }),
                Err(error) => json!({"kind": "unreadable", "id": "", "body": {"reason": error.to_string()}}),
            };
            let shift = machine.clock().wall_offset_ms;
            let at_ms = machine.time().max(step.proposed).0.saturating_add_signed(shift);
            let mut document = json!({"op": step.op, "time": rfc3339(at_ms)});
            for key in ["kind", "id", "body"] {
                document[key] = shown[key].clone();
            }
            Self::print(&document);
        }
        ControlFlow::Continue(())
    }

    fn after(&mut self, machine: &Machine, step: &Step<'_>, outcome: Outcome) {
        if step.op == self.op {
            self.is_seen = true;
            Self::print(&json!({
                "code": outcome.code.name(), "value": outcome.value, "actor": describe::actor(machine.actor()),
                "time": rfc3339(wall_ms(machine)),
            }));
        }
    }
}

pub(super) fn skips(context: Context<'_>, arguments: &SkipsArguments) -> Result<Exit, Failure> {
    let path = &arguments.directory;
    let directory = ReadOnlyDirectory::open(read_only(path)?).map_err(|error| start_failure(error, path))?;
    let mut rows = vec![["op", "since", "epoch", "state", "reason"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for Skip { op, epoch, time_ms, reason } in &directory.manifest().skips {
        let skip = Skip { op: *op, epoch: *epoch, time_ms: *time_ms, reason: reason.clone() };
        let in_force = directory.is_in_force(&skip).map_err(|error| start_failure(error, path))?;
        let state = if in_force { "in force" } else { "from the next start on" };
        let since = rfc3339(*time_ms);
        rows.push(vec![op.to_string(), since.clone(), epoch.to_string(), state.to_owned(), reason.clone()]);
        documents
            .push(json!({"op": op, "time": since, "epoch": epoch, "in_force": in_force, "reason": reason}));
    }
    let text = if documents.is_empty() { "no op is skipped".to_owned() } else { table(&rows) };
    context.output.result(&text, &json!({"skips": documents}))?;
    Ok(Exit::Ok)
}
