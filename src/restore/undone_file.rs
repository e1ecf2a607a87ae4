//! The file of what a restore has undone: one JSON document per line, the first of them about the restore, each further one
//! about a command after the point of the restore, with the outcome that it had. `stockhold replay` reads it.
//!
//! Names stand in it, not numbers, because numbers may mean something else after the restore.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stockhold_protocol::CommandId;

use super::replay_rest;
use crate::directory::ReadOnlyDirectory;
use crate::history::{Recorder, Start};
use crate::named::{NamedCommand, Text};
use crate::replica::{OnProgress, ReadAheadSpawner, Replica, ReplicaError};

/// The name of the file in the directory that a restore has written.
pub const UNDONE_NAME: &str = "undone.jsonl";

/// The first line of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UndoneHeader {
    /// The log.
    pub log_uuid: String,
    /// The epoch that the restore began. Commands are readmitted in it.
    pub epoch: u64,
    /// The last op that the restore kept.
    pub kept_op: u64,
    /// Its time by the wall clock.
    pub kept_time: String,
}

/// What was written.
#[derive(Debug)]
pub struct WrittenUndone {
    /// The number of commands.
    pub commands: u64,
    /// Why the log could not be read further, if it could not.
    pub ended_by: Option<ReplicaError>,
}

/// Replays what comes after a point and writes it. The first directory of the history contains the point; each further one
/// was restored from the one before it. Commands that servers made are left out.
///
/// # Errors
/// The file cannot be written. A log that cannot be read further is none: what comes before is written.
pub fn write_undone(
    history: &[ReadOnlyDirectory],
    replica: &mut Replica,
    header: &UndoneHeader,
    out: &mut impl Write,
    spawner: Option<&dyn ReadAheadSpawner>,
    progress: &mut OnProgress<'_>,
) -> io::Result<WrittenUndone> {
    serde_json::to_writer(&mut *out, header)?;
    writeln!(out)?;
    let (mut commands, mut result) = (0, Ok(()));
    let mut on_entry = |entry: crate::history::Entry| {
        if entry.id.is_none() {
            return ControlFlow::Continue(());
        }
        commands += 1;
        result =
            serde_json::to_writer(&mut *out, &entry).map_err(io::Error::from).and_then(|()| writeln!(out));
        if result.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut recorder = Recorder::new(Start::Oldest, &mut on_entry);
    let replayed = replay_rest(history, replica, spawner, &mut recorder, progress);
    result?;
    out.flush()?;
    Ok(WrittenUndone { commands, ended_by: replayed.err() })
}

/// A command of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UndoneCommand {
    /// Its op.
    pub op: u64,
    /// Its id.
    pub id: CommandId,
    /// The client name of its actor; empty if it had none.
    pub actor: String,
    /// Whether it took effect then, and was no repetition.
    pub has_effect: bool,
    /// Its outcome.
    pub outcome: String,
    /// The command. It is not read if it had no effect.
    pub command: Option<NamedCommand>,
}

#[derive(Deserialize)]
struct Line {
    op: u64,
    id: Text<CommandId>,
    actor: String,
    accepted: bool,
    repeated: bool,
    outcome: String,
}

impl UndoneCommand {
    /// Reads a line of the file.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn read(document: &Value) -> Result<Self, String> {
        let line: Line = Line::deserialize(document).map_err(|error| error.to_string())?;
        let has_effect = line.accepted && !line.repeated;
        let (mut command, mut actor) = (None, line.actor);
        if has_effect {
            let alone = json!({"kind": document["kind"], "body": document["body"]});
            let read: NamedCommand = serde_json::from_value(alone).map_err(|error| error.to_string())?;
            // What was readmitted and is undone again is the command itself.
            command =
                Some(if let NamedCommand::Readmit { command: Some(undone), actor: sender, .. } = read {
                    actor = sender;
                    *undone
                } else {
                    read
                });
        }
        // The names of actors without one are in parentheses.
        if actor.starts_with('(') {
            actor.clear();
        }
        Ok(Self { op: line.op, id: line.id.0, actor, has_effect, outcome: line.outcome, command })
    }
}
