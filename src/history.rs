//! The history of a log: each op with its time, its actor, its command with names, and its outcome, as a replay computes
//! them. `log dump` prints it, and a restore keeps the part that it undoes.
//!
//! Nothing is decided here. What happens to the entries is the caller's affair.

mod condition;

use std::ops::ControlFlow;

use serde::Serialize;
use stockhold_machine::Machine;
use stockhold_protocol::batch::ActorKind;
use stockhold_protocol::command::{Command, Target};
use stockhold_protocol::{CommandId, Envelope, Outcome, Timestamp};

pub use condition::{Condition, Key};

use crate::calendar::rfc3339;
use crate::describe;
use crate::directory::ReadOnlyDirectory;
use crate::named::{NamedCommand, Text};
use crate::pipeline::apply::{Observer, Step};
use crate::replica::{self, ReadAheadSpawner, Replica, ReplicaError, wall_ms};
use crate::wal::LogError;

/// How the name of an actor was established.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorName {
    /// The server itself.
    Server,
    /// The client said it.
    Claimed,
    /// A token proved it.
    Proved,
    /// There are more actors than the machine remembers.
    Others,
}

impl From<ActorKind> for ActorName {
    fn from(kind: ActorKind) -> Self {
        match kind {
            ActorKind::Server => Self::Server,
            ActorKind::Claimed => Self::Claimed,
            ActorKind::Proved => Self::Proved,
        }
    }
}

/// A command, or why its record cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// A command.
    Command(Box<NamedCommand>),
    /// A record that cannot be read. It had no effect.
    Unreadable {
        /// Always `unreadable`.
        kind: &'static str,
        /// The reason.
        body: String,
    },
}

/// One op.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// The op.
    pub op: u64,
    /// Its time by the wall clock.
    pub time: String,
    /// Who sent the command.
    pub actor: String,
    /// How that is known.
    pub actor_kind: ActorName,
    /// The id; none for a command that a server made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Text<CommandId>>,
    /// The command.
    #[serde(flatten)]
    pub content: Content,
    /// The stock of the channel that the command named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock: Option<String>,
    /// The outcome.
    pub outcome: &'static str,
    /// Whether the command took effect.
    pub accepted: bool,
    /// Whether the id had been answered before, so that nothing happened.
    pub repeated: bool,
}

impl Entry {
    /// The kind of command.
    #[must_use]
    pub fn kind(&self) -> String {
        let document = serde_json::to_value(&self.content).unwrap_or_default();
        document["kind"].as_str().unwrap_or_default().to_owned()
    }

    /// The entry on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let document = serde_json::to_value(&self.content).unwrap_or_default();
        let (kind, body) = (document["kind"].as_str().unwrap_or_default(), describe::line(&document["body"]));
        let id = self.id.map_or_else(|| "-".to_owned(), |id| id.0.to_string());
        // Clients choose their names, so what could steer a terminal is escaped.
        let actor = self.actor.escape_debug();
        let repeated = if self.repeated { " (repeated)" } else { "" };
        let Self { op, time, outcome, .. } = self;
        format!("{op:>10}  {time}  {actor}  {kind}  {id}  {body}  → {outcome}{repeated}")
    }
}

/// The first op that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The oldest op whose effects can be computed.
    Oldest,
    /// This op.
    Op(u64),
    /// The first op at or after this time of the wall clock, in milliseconds since 1970.
    Time(u64),
}

impl Start {
    /// A replica that has not yet come to the first wanted op.
    ///
    /// # Errors
    /// [`ReplicaError`]; [`ReplicaError::TargetTooEarly`] if the log does not reach so far back.
    pub fn load(
        self,
        directory: &ReadOnlyDirectory,
        spawner: Option<&dyn ReadAheadSpawner>,
    ) -> Result<Replica, ReplicaError> {
        match self {
            Self::Op(op) => Replica::load(directory, replica::Target::Op(op.saturating_sub(1)), spawner),
            Self::Time(ms) => Replica::load(directory, replica::Target::Time(ms.saturating_sub(1)), spawner),
            Self::Oldest => load_oldest(directory, spawner),
        }
    }

    /// Whether an op at this time is wanted.
    #[must_use]
    pub const fn includes(self, op: u64, at_ms: u64) -> bool {
        match self {
            Self::Oldest => true,
            Self::Op(first) => op >= first,
            Self::Time(first_ms) => at_ms >= first_ms,
        }
    }
}

/// A replica before the oldest op whose effects can be computed: an empty one if the log still has its first op,
/// otherwise the oldest snapshot that is valid.
fn load_oldest(
    directory: &ReadOnlyDirectory,
    spawner: Option<&dyn ReadAheadSpawner>,
) -> Result<Replica, ReplicaError> {
    match directory.read_log(1) {
        Ok(_) => return Replica::load(directory, replica::Target::Op(0), spawner),
        Err(LogError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut oldest_first = directory.snapshots()?;
    oldest_first.reverse();
    let mut last = None;
    for op in oldest_first {
        match Replica::load(directory, replica::Target::Op(op), spawner) {
            Ok(replica) if replica.tally.snapshot.is_some() => return Ok(replica),
            Ok(_) => {}
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error),
        None => Replica::load(directory, replica::Target::End, spawner),
    }
}

/// Receives the entries. `Break` ends the replay.
pub type OnEntry<'a> = dyn FnMut(Entry) -> ControlFlow<()> + 'a;

/// The command that is being applied, with the names from before it.
struct Current {
    id: Option<CommandId>,
    content: Content,
    stock: Option<String>,
}

impl Current {
    fn of(machine: &Machine, record: &[u8]) -> Self {
        match Envelope::decode(record) {
            Ok(envelope) => Self {
                id: (!envelope.command.is_of_servers()).then_some(envelope.id),
                content: Content::Command(Box::new(NamedCommand::of(machine, &envelope.command))),
                stock: stock_of_channel(machine, &envelope.command),
            },
            Err(error) => Self {
                id: Envelope::id_of(record),
                content: Content::Unreadable { kind: "unreadable", body: error.to_string() },
                stock: None,
            },
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only carts name a channel to sell through")]
fn stock_of_channel(machine: &Machine, command: &Command<'_>) -> Option<String> {
    let target = match command {
        Command::Reserve(cart) => cart.target,
        Command::Replace(replace) => replace.new.target,
        Command::Sell(sell) => sell.target,
        _ => return None,
    };
    match target {
        Target::Stock(_) => None,
        Target::Channel(channel) => {
            machine.channel_stock(channel).map(|stock| describe::stock(machine, stock))
        }
    }
}

/// Makes the entries during a replay, from the first wanted op on.
pub struct Recorder<'a> {
    from: Start,
    on_entry: &'a mut OnEntry<'a>,
    current: Option<Current>,
    is_done: bool,
}

impl<'a> Recorder<'a> {
    /// A recorder that passes entries on.
    pub fn new(from: Start, on_entry: &'a mut OnEntry<'a>) -> Self {
        Self { from, on_entry, current: None, is_done: false }
    }

    /// Whether the receiver has ended the replay.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Observer for Recorder<'_> {
    fn before_batch(&mut self, _: &Machine, _: u64, _: Timestamp) -> ControlFlow<()> {
        if self.is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        if self.is_done {
            return ControlFlow::Break(());
        }
        let is_wanted = match self.from {
            Start::Op(first) => step.op >= first,
            // The time of the op is known after it.
            Start::Oldest | Start::Time(_) => true,
        };
        self.current = is_wanted.then(|| Current::of(machine, step.record));
        ControlFlow::Continue(())
    }

    fn after(&mut self, machine: &Machine, step: &Step<'_>, outcome: Outcome) {
        let Some(Current { id, content, stock }) = self.current.take() else { return };
        let at_ms = wall_ms(machine);
        if !self.from.includes(step.op, at_ms) {
            return;
        }
        let actor = machine.actor();
        let entry = Entry {
            op: step.op,
            time: rfc3339(at_ms),
            actor: describe::actor(actor),
            actor_kind: actor.map_or(ActorName::Others, |actor| actor.kind.into()),
            id: id.map(Text),
            content,
            stock,
            outcome: outcome.code.name(),
            accepted: outcome.code.is_success(),
            repeated: outcome.replayed,
        };
        self.is_done = (self.on_entry)(entry).is_break();
    }
}
