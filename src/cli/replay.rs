//! `replay`: puts commands back that a restore has undone, or says how they would be decided now.
//!
//! Commands are sent one after the other, in the order of their old ops: the server takes each at most once and only in this
//! order, so a replay that was interrupted continues where it stopped.

use super::context::Context;
use super::exit::{Exit, ExitWith, Failure, file_failure, restore_failure};
use super::output::{Output, Text, table};
use super::past::{Past, with_progress};
use super::server_connection::ServerConnection;
use crate::history::Condition;
use crate::named::{NamedCommand, NamedError};
use crate::replica::Target;
use crate::restore::{RestoreError, UndoneCommand, UndoneHeader, replica_at};
use crate::server;
use clap::Args;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use stockhold_machine::Machine;
use stockhold_protocol::command::Readmit;
use stockhold_protocol::query::Name;
use stockhold_protocol::{Code, Command, CommandId, Detail, Envelope, Outcome, Timestamp};

/// The maximum number of commands that are listed of each kind. The rest is only counted.
const LISTED_MAX: usize = 10_000;
/// The maximum number of them in text.
const ROWS_MAX: usize = 20;
/// The maximum number of names that are remembered.
const NAMES_MAX: usize = 1 << 20;
/// How often one command is sent again because names have changed.
const NAME_TRIES_MAX: u32 = 5;

/// `replay`
#[derive(Args, Debug)]
#[command(
    after_help = "A restore writes undone.jsonl to the new directory: the commands after its point, with the outcomes that they had. Start the server
on that directory, and put the right ones back. Commands keep their ids, so clients that repeat theirs get the answer. Those that had
no effect are left out. A command may be decided differently now; these are listed. Without --only, all commands are chosen but those
of --not. Values of one key are alternatives; different keys of --only add up. Keys: kind, actor, sku, stock, source, reservation,
reference.

A pass goes upwards: what it leaves out cannot be put back by a later pass, so choose everything at once. A dry run changes nothing and
asks no server: it decides on a copy of the state, from the data directory.

Examples:
  stockhold replay restored/undone.jsonl --not actor=erp --dry-run --data-dir restored
  stockhold replay restored/undone.jsonl --not actor=erp
  stockhold replay restored/undone.jsonl --only kind=reserve --only kind=confirm --only stock=web-us"
)]
pub(super) struct ReplayArguments {
    /// The file that the restore has written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only commands that meet this condition
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<Condition>,
    /// No commands that meet this condition
    #[arg(long, value_name = "KEY=VALUE")]
    not: Vec<Condition>,
    /// Change nothing, and say how the commands would be decided now
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    past: Past,
}

impl ReplayArguments {
    /// Whether a place is named, so that no server is asked.
    pub(super) fn reads_a_place(&self) -> bool {
        self.dry_run && self.past.is_given()
    }

    fn chooses(&self, document: &Value) -> bool {
        Condition::all_hold(&self.only, document) && !self.not.iter().any(|one| one.holds(document))
    }
}

pub(super) fn run(context: Context<'_>, arguments: &ReplayArguments) -> Result<Exit, Failure> {
    match (arguments.dry_run, arguments.past.is_given()) {
        (false, true) => Err(Failure::usage("--data-dir and --from are for a dry run only; add --dry-run")),
        (true, _) => arguments.past.in_child(context, |source, place| {
            let directory = source.directory()?;
            let start = directory.manifest().epoch_start();
            let replica = with_progress(context, |progress| {
                server::with_read_ahead(|spawner| {
                    replica_at(&directory, Target::End, Some(spawner), progress)
                })
            });
            let replica =
                replica.map_err(|error| restore_failure(RestoreError::Replica(error), place, place))?;
            let mut copy = Copy(replica.into_machine());
            if start.epoch > copy.0.epoch() {
                // No server has begun the epoch yet.
                copy.apply(CommandId::NONE, Command::BeginEpoch(start))?;
            }
            pass(context, arguments, &mut copy)
        }),
        (false, false) => pass(context, arguments, &mut context.server()?),
    }
}

/// Whoever executes the commands: a server, or a copy of its state.
trait Executing {
    /// Executes a command under an id.
    fn apply(&mut self, id: CommandId, command: Command<'_>) -> Result<Outcome, Failure>;

    /// The number of a name.
    fn number(&mut self, name: &Name) -> Result<Option<u32>, Failure>;

    /// Whether names may have changed since the last call.
    fn take_names(&mut self) -> bool;
}

impl Executing for ServerConnection {
    fn apply(&mut self, id: CommandId, command: Command<'_>) -> Result<Outcome, Failure> {
        Ok(self.execute(Some(id), command)?.1)
    }

    fn number(&mut self, name: &Name) -> Result<Option<u32>, Failure> {
        Ok(self.resolve(std::slice::from_ref(name))?.first().copied().flatten())
    }

    fn take_names(&mut self) -> bool {
        ServerConnection::take_names(self)
    }
}

/// A copy of the state, for a dry run.
struct Copy(Machine);

impl Executing for Copy {
    fn apply(&mut self, id: CommandId, command: Command<'_>) -> Result<Outcome, Failure> {
        let mut record = Vec::new();
        Envelope::new(id, command).encode(&mut record).exit_with(Exit::BadData)?;
        Ok(self.0.apply(Timestamp(stockhold_client::wall_clock_ms()), &record))
    }

    fn number(&mut self, name: &Name) -> Result<Option<u32>, Failure> {
        Ok(self.0.resolve(name))
    }

    fn take_names(&mut self) -> bool {
        // Asking costs nothing, so nothing is remembered.
        true
    }
}

/// What a pass has found.
#[derive(Default)]
struct Report {
    chosen: u64,
    left_out: u64,
    without_effect: u64,
    as_before: u64,
    /// Readmitted by an earlier pass, or repeated by their clients.
    already: u64,
    different: u64,
    impossible: u64,
    differences: Vec<Value>,
    impossibilities: Vec<Value>,
}

/// Reads the file and executes what is chosen of it.
fn pass(context: Context<'_>, arguments: &ReplayArguments, to: &mut impl Executing) -> Result<Exit, Failure> {
    let path = &arguments.file;
    let failed = |error| file_failure(path, error);
    let file = File::open(path).map_err(failed)?;
    let bar = context.output.progress(file.metadata().map_err(failed)?.len(), "replay");
    let mut lines = BufReader::new(file).lines();
    let first = lines.next().transpose().map_err(failed)?.unwrap_or_default();
    let header: UndoneHeader =
        serde_json::from_str(&first).map_err(|error| bad_line(path, 1, &error.to_string()))?;
    let mut report = Report::default();
    let mut sender = Sender { to, epoch: header.epoch, from_op: 0, numbers: HashMap::new() };
    for (number, line) in (2_u64..).zip(lines) {
        let line = line.map_err(failed)?;
        bar.inc(u64::try_from(line.len()).unwrap_or(0) + 1);
        let document: Value =
            serde_json::from_str(&line).map_err(|error| bad_line(path, number, &error.to_string()))?;
        if !arguments.chooses(&document) {
            report.left_out += 1;
            continue;
        }
        let undone = UndoneCommand::read(&document).map_err(|error| bad_line(path, number, &error))?;
        report.take(&mut sender, &undone)?;
    }
    bar.finish_and_clear();
    report.print(context.output, arguments, &header)?;
    Ok(if report.different + report.impossible > 0 { Exit::Refused } else { Exit::Ok })
}

fn bad_line(path: &Path, number: u64, reason: &str) -> Failure {
    Failure::new(Exit::BadData, anyhow::anyhow!("line {number} of {}: {reason}", path.display()))
}

/// Sends commands with the numbers that their names have now.
struct Sender<'a, E> {
    to: &'a mut E,
    epoch: u64,
    /// Earlier ops were readmitted before.
    from_op: u64,
    numbers: HashMap<Name, u32>,
}

impl<E: Executing> Sender<'_, E> {
    /// Executes a command; `None` if it was readmitted before.
    fn send(
        &mut self,
        undone: &UndoneCommand,
        command: &NamedCommand,
    ) -> Result<Result<Option<Outcome>, NamedError>, Failure> {
        if undone.op < self.from_op {
            return Ok(Ok(None));
        }
        for _ in 0..NAME_TRIES_MAX {
            let record = match self.record(undone.id, command)? {
                Ok(record) => record,
                Err(error) => return Ok(Err(error)),
            };
            let actor = undone.actor.clone();
            let readmit = Readmit { epoch: self.epoch, op: undone.op, actor, record };
            let outcome = self.to.apply(undone.id, Command::Readmit(readmit))?;
            if self.to.take_names() || outcome.code == Code::NamesChanged {
                self.numbers.clear();
            }
            match (outcome.code, &outcome.detail) {
                (Code::NamesChanged, _) => {}
                (Code::AlreadyReadmitted, Detail::Range { min, .. }) => {
                    self.from_op = *min;
                    return Ok(Ok(None));
                }
                (Code::NotRestored, Detail::Range { min, .. }) => {
                    return Err(Failure::usage(format!(
                        "the file is of the restore that began epoch {}, but the log is in epoch {min}{}",
                        self.epoch,
                        if *min == self.epoch { ", which no restore began" } else { "" }
                    )));
                }
                _ => return Ok(Ok(Some(outcome))),
            }
        }
        Err(Failure::new(
            Exit::Unreachable,
            anyhow::anyhow!("names change all the time; run the command again"),
        ))
    }

    /// The record of a command.
    fn record(
        &mut self,
        id: CommandId,
        command: &NamedCommand,
    ) -> Result<Result<Vec<u8>, NamedError>, Failure> {
        loop {
            let mut record = Vec::new();
            let put = command.put_record(id, &mut |name| self.numbers.get(name).copied(), &mut record);
            let Err(NamedError::UnknownName(name)) = put else { return Ok(put.map(|()| record)) };
            let Some(number) = self.to.number(&name)? else { return Ok(Err(NamedError::UnknownName(name))) };
            if self.numbers.len() >= NAMES_MAX {
                self.numbers.clear();
            }
            self.numbers.insert(name, number);
        }
    }
}

impl Report {
    fn take(
        &mut self,
        sender: &mut Sender<'_, impl Executing>,
        undone: &UndoneCommand,
    ) -> Result<(), Failure> {
        let Some(command) = undone.command.as_ref().filter(|_| undone.has_effect) else {
            self.without_effect += 1;
            return Ok(());
        };
        self.chosen += 1;
        let about = |name: &str, value: &str| {
            let document = serde_json::to_value(command).unwrap_or_default();
            json!({
                "op": undone.op, "id": undone.id.to_string(), "kind": document["kind"], "then": undone.outcome,
                name: value,
            })
        };
        match sender.send(undone, command)? {
            Err(error) => {
                self.impossible += 1;
                push(&mut self.impossibilities, || about("reason", &error.to_string()));
            }
            Ok(None) => self.already += 1,
            Ok(Some(outcome)) if outcome.code.name() != undone.outcome => {
                self.different += 1;
                push(&mut self.differences, || about("now", outcome.code.name()));
            }
            Ok(Some(outcome)) if outcome.replayed => self.already += 1,
            Ok(Some(_)) => self.as_before += 1,
        }
        Ok(())
    }

    fn print(
        &self,
        output: Output,
        arguments: &ReplayArguments,
        header: &UndoneHeader,
    ) -> Result<(), Failure> {
        let would = if arguments.dry_run { "would be" } else { "were" };
        let mut text = Text::default();
        text.line(&format!(
            "of {} commands after op {} that had an effect and are chosen, {} {would} decided as before, {} differently, {} cannot be put back, and {} were done already",
            self.chosen, header.kept_op, self.as_before, self.different, self.impossible, self.already
        ));
        text.line(&format!("{} are not chosen, {} had no effect then", self.left_out, self.without_effect));
        for (heading, list, last) in [
            ("decided differently", &self.differences, "now"),
            ("not put back", &self.impossibilities, "reason"),
        ] {
            if list.is_empty() {
                continue;
            }
            let row = |one: &Value| ["op", "kind", "id", "then", last].map(|name| plain(&one[name])).to_vec();
            let heads = vec![["op", "command", "id", "then", last].map(str::to_owned).to_vec()];
            let rows: Vec<Vec<String>> =
                heads.into_iter().chain(list.iter().take(ROWS_MAX).map(row)).collect();
            text.line("");
            text.line(&format!("{heading}:"));
            text.line(table(&rows).trim_end());
            if list.len() > ROWS_MAX {
                text.line("and more; --json lists them");
            }
        }
        let document = json!({
            "dry_run": arguments.dry_run, "epoch": header.epoch, "kept_op": header.kept_op, "chosen": self.chosen,
            "left_out": self.left_out, "without_effect": self.without_effect, "as_before": self.as_before,
            "already": self.already, "different": self.different, "impossible": self.impossible,
            "differences": self.differences, "impossibilities": self.impossibilities,
        });
        output.result(&text.into_string(), &document)
    }
}

fn push(list: &mut Vec<Value>, one: impl FnOnce() -> Value) {
    if list.len() < LISTED_MAX {
        list.push(one());
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
