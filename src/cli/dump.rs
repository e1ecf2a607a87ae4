//! `log dump`: prints what a log says, op by op.

use super::backup::{Choice, Source};
use super::context::Context;
use super::exit::{Exit, Failure, restore_failure};
use super::output::print;
use super::served_log::place_or_served;
use crate::calendar::{parse_rfc3339, rfc3339};
use crate::directory::ReadOnlyDirectory;
use crate::history::{ActorName, Condition, Content, Entry, Key, Recorder, Start};
use crate::named::NamedCommand;
use crate::replica::{Replica, ReplicaError, Target, wall_ms};
use crate::server;
use crate::wal::{Frame, LogError, ReadTo};
use clap::Args;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::batch::{Actor, Batch, Entry as LoggedEntry};
use stockhold_protocol::{CommandId, Envelope};

/// How often `--follow` looks for new ops.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// An op or a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Point {
    Op(u64),
    Time(u64),
}

/// Parses an op or a time such as `2026-11-29T16:07:43Z`.
pub(super) fn point(text: &str) -> Result<Point, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return text.parse().map(Point::Op).map_err(|_| "an op has at most 64 bits".to_owned());
    }
    parse_rfc3339(text).map(Point::Time).map_err(|error| format!("neither an op nor a time: {error}"))
}

/// `log dump`
#[derive(Args, Debug)]
#[command(
    after_help = "Each line has the op, its time by the wall clock, the actor, the command, its id, its body with the names of that moment, and the
outcome, which a replay computes. The replay begins at the newest snapshot before the first wanted op; without --from, at the oldest op
that can be computed. Beside a running server it reads to the current end of the log. With --json it prints one document per line.
Values of one filter are alternatives; different filters add up.

--raw shows the records as they are stored, without a replay: positions in the log instead of ops, and numbers instead of names. It also
reads a log that cannot be replayed.

Examples:
  stockhold log dump
  stockhold log dump data --from 2026-11-29T16:07:43Z --sku BIKE-RED --kind reserve --kind release
  stockhold log dump /backups/stockhold --from 120000 --to 121000 --json
  stockhold log dump data --follow"
)]
pub(super) struct DumpArguments {
    /// The data directory, a copy of one, or an archive; without it, the data directory of the running server
    #[arg(value_name = "DIR|URL")]
    place: Option<String>,
    #[command(flatten)]
    choice: Choice,
    /// The first op, or the first time; without it, the oldest op that can be computed
    #[arg(long, value_name = "OP|RFC3339", value_parser = point)]
    from: Option<Point>,
    /// The last op, or the last time; without it, the end of the log
    #[arg(long, value_name = "OP|RFC3339", value_parser = point)]
    to: Option<Point>,
    /// Only commands that name this SKU
    #[arg(long, value_name = "SKU")]
    sku: Vec<String>,
    /// Only commands that name this stock or a channel of it
    #[arg(long, value_name = "STOCK")]
    stock: Vec<String>,
    /// Only commands that name this source
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Only commands of this kind, such as reserve or count
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Only commands that make or change this reservation
    #[arg(long, value_name = "ID")]
    reservation: Vec<CommandId>,
    /// Only commands with this reference
    #[arg(long, value_name = "TEXT")]
    reference: Vec<String>,
    /// Only commands of this actor
    #[arg(long, value_name = "NAME")]
    actor: Vec<String>,
    /// The maximum number of lines
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Wait for new ops at the end, until the command is interrupted
    #[arg(long, conflicts_with_all = ["to", "raw"])]
    follow: bool,
    /// Print the records as they are stored, without a replay
    #[arg(long, conflicts_with_all = ["sku", "stock", "source", "kind", "reservation", "reference", "actor", "to"])]
    raw: bool,
}

impl DumpArguments {
    /// Whether the server is asked where its log is.
    pub(super) const fn asks_the_server(&self) -> bool {
        self.place.is_none()
    }

    fn conditions(&self) -> Vec<Condition> {
        let reservations: Vec<String> = self.reservation.iter().map(ToString::to_string).collect();
        let lists = [
            (Key::Sku, &self.sku),
            (Key::Stock, &self.stock),
            (Key::Source, &self.source),
            (Key::Kind, &self.kind),
            (Key::Reservation, &reservations),
            (Key::Reference, &self.reference),
            (Key::Actor, &self.actor),
        ];
        lists.iter().flat_map(|(key, list)| list.iter().map(|value| Condition::new(*key, value))).collect()
    }
}

pub(super) fn dump(context: Context<'_>, arguments: &DumpArguments) -> Result<Exit, Failure> {
    let place = place_or_served(context, arguments.place.as_deref())?;
    let source = Source::open(&place, &arguments.choice)?;
    if arguments.raw {
        dump_raw(context, &source, arguments)
    } else {
        dump_entries(context, &source, arguments)
    }
}

/// Prints entries that meet the conditions.
struct Printer {
    is_json: bool,
    conditions: Vec<Condition>,
    left: u64,
    /// Whether an entry was in the range, printed or not.
    is_begun: bool,
    result: Result<(), Failure>,
}

impl Printer {
    fn take(&mut self, entry: &Entry) -> ControlFlow<()> {
        self.is_begun = true;
        let document = serde_json::to_value(entry).unwrap_or_default();
        if !Condition::all_hold(&self.conditions, &document) {
            return ControlFlow::Continue(());
        }
        let line = if self.is_json { document.to_string() } else { entry.line() };
        self.result = print(&line);
        self.left -= 1;
        if self.left == 0 || self.result.is_err() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

fn dump_entries(context: Context<'_>, source: &Source, arguments: &DumpArguments) -> Result<Exit, Failure> {
    let place = Path::new(&source.from);
    let failed = |error: ReplicaError| restore_failure(error.into(), place, place);
    let from = match arguments.from {
        None => Start::Oldest,
        Some(Point::Op(op)) => Start::Op(op),
        Some(Point::Time(ms)) => Start::Time(ms),
    };
    let target = match arguments.to {
        None => Target::End,
        Some(Point::Op(op)) => Target::Op(op),
        Some(Point::Time(ms)) => Target::Time(ms),
    };
    let mut printer = Printer {
        is_json: context.output.is_json(),
        conditions: arguments.conditions(),
        left: arguments.limit.unwrap_or(u64::MAX),
        is_begun: false,
        result: Ok(()),
    };
    if printer.left == 0 {
        return Ok(Exit::Ok);
    }
    let mut directory = source.directory()?;
    let mut replica = from.load(&directory, None).map_err(failed)?;
    loop {
        let is_done = replay(&directory, &mut replica, (from, target), &mut printer).map_err(failed)?;
        std::mem::replace(&mut printer.result, Ok(()))?;
        if is_done || !arguments.follow {
            break;
        }
        std::thread::sleep(FOLLOW_EVERY);
        directory = Source::open(&source.from, &arguments.choice)?.directory()?;
    }
    if !printer.is_begun && arguments.from.is_some() {
        let (op, at) = (replica.machine().op(), rfc3339(wall_ms(replica.machine())));
        return Err(Failure::usage(format!("there is no such op yet: the log ends at op {op}, {at}")));
    }
    Ok(Exit::Ok)
}

/// Replays up to the target or the end of the log. Returns whether everything that was wanted is printed.
fn replay(
    directory: &ReadOnlyDirectory,
    replica: &mut Replica,
    (from, target): (Start, Target),
    printer: &mut Printer,
) -> Result<bool, ReplicaError> {
    let mut on_entry = |entry: Entry| printer.take(&entry);
    let mut recorder = Recorder::new(from, &mut on_entry);
    let replayed = server::with_read_ahead(|spawner| {
        let end = (ReadTo::Present, target);
        replica.replay(directory, end, Some(spawner), &mut recorder, &mut |_| ())
    });
    match replayed {
        Ok(None) => Ok(true),
        Ok(Some(_)) => Ok(recorder.is_done()),
        // What is wanted ends later than the log.
        Err(ReplicaError::TargetTooLate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn dump_raw(context: Context<'_>, source: &Source, arguments: &DumpArguments) -> Result<Exit, Failure> {
    let from = match arguments.from {
        None => None,
        Some(Point::Op(position)) => Some(position),
        Some(Point::Time(_)) => return Err(Failure::usage("with --raw, --from is a position in the log")),
    };
    let directory = source.directory()?;
    let mut log = directory.read_log(from.unwrap_or(1).max(1));
    if let (None, Err(LogError::Missing { oldest_position, .. })) = (from, &log) {
        log = directory.read_log(*oldest_position);
    }
    let mut log = log.map_err(|e| source.failure(e))?;
    // It knows no names, so numbers are shown.
    let nameless = Machine::new(&Genesis::default());
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    while let Some(frame) = log.next_frame().map_err(|e| source.failure(e))? {
        let batch = Batch::decode(frame.payload).map_err(|e| Failure::new(Exit::BadData, e))?;
        let proposed = batch.header.proposed.0;
        let mut actors = Vec::new();
        let mut actor = Actor::SERVER;
        for (entry, position) in batch.entries().zip(frame.first_position..) {
            if let Ok(LoggedEntry { run: Some(run), .. }) = &entry {
                actors.extend(run.introduces);
                actor = actors.get(usize::from(run.actor)).copied().unwrap_or(Actor::SERVER);
            }
            if position < from.unwrap_or(0) {
                continue;
            }
            if left == 0 {
                return Ok(Exit::Ok);
            }
            left -= 1;
            let (id, content) = match entry.and_then(|entry| Envelope::decode(entry.record)) {
                Ok(envelope) => (
                    Some(envelope.id),
                    Content::Command(Box::new(NamedCommand::of(&nameless, &envelope.command))),
                ),
                Err(error) => (None, Content::Unreadable { kind: "unreadable", body: error.to_string() }),
            };
            print(&raw_line(context, &frame, (position, proposed), actor, id, &content))?;
        }
    }
    Ok(Exit::Ok)
}

fn raw_line(
    context: Context<'_>,
    frame: &Frame<'_>,
    (position, proposed_ms): (u64, u64),
    actor: Actor<'_>,
    id: Option<CommandId>,
    content: &Content,
) -> String {
    let mut document = serde_json::to_value(content).unwrap_or_default();
    if context.output.is_json() {
        document["position"] = position.into();
        document["epoch"] = frame.epoch.into();
        document["segment"] = frame.segment.into();
        document["offset"] = frame.offset.into();
        document["proposed_ms"] = proposed_ms.into();
        document["id"] = id.map(|id| id.to_string()).into();
        document["actor"] = actor.name.into();
        document["actor_kind"] = serde_json::to_value(ActorName::from(actor.kind)).unwrap_or_default();
        return document.to_string();
    }
    let (time, body) = (rfc3339(proposed_ms), crate::describe::line(&document["body"]));
    let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let (kind, actor) = (document["kind"].as_str().unwrap_or_default(), crate::describe::actor(Some(actor)));
    format!("{position:>10}  {time}  {}  {kind}  {id}  {body}", actor.escape_debug())
}
