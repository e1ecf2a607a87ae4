//! `mark`: names moments of the log, lists them and drops them.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::lists;
use super::output::table;
use super::questions::wrong_answer;
use crate::restorable::{ARCHIVE_RESTORABLE_FROM_OP, RESTORABLE_FROM_OP};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use stockhold_protocol::command::{Mark, MarkRemoval};
use stockhold_protocol::query::{MarkView, Query, QueryAnswer, Status};
use stockhold_protocol::{Command, Timestamp};

const MARKS: &str = "A restore can go back to the moment that a mark names. A name belongs to one mark. Names that begin \
                     with auto/ are for marks that tools set by themselves: when there are 1,024 marks, the next one removes the \
                     oldest of them. All other marks stay until they are dropped.

Examples:
  stockhold mark set before-black-friday
  stockhold mark list
  stockhold mark drop before-black-friday";

/// `mark`
#[derive(Subcommand, Debug)]
#[command(after_help = MARKS)]
pub(super) enum MarkAction {
    /// Give this moment a name
    Set(SetArguments),
    /// List all marks with their times and whether a restore to them is possible, the oldest first
    #[command(
        after_help = "The server keeps the log that a restore to a mark needs: in its archive as long as archive.keep-* keeps it, without one in the
data directory up to marks.keep-bytes. A restore is possible from where the last column says.

Examples:
  stockhold mark list
  stockhold mark list --json"
    )]
    List,
    /// Drop a mark, so that its name can be given again
    Drop(DropArguments),
    /// A name, as the command took it before there were others
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// `mark set`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold mark set before-black-friday")]
pub(super) struct SetArguments {
    /// The name of the moment, at most 255 bytes
    name: String,
    /// A note for people
    #[cfg(feature = "next-release")]
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// `mark drop`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold mark drop before-black-friday")]
pub(super) struct DropArguments {
    /// The name of the mark
    name: String,
    #[command(flatten)]
    call: Call,
}

pub(super) fn mark(context: Context<'_>, action: &MarkAction) -> Result<Exit, Failure> {
    match action {
        MarkAction::Set(arguments) => {
            let mark = Mark {
                name: arguments.name.clone(),
                #[cfg(feature = "next-release")]
                note: arguments.note.clone(),
            };
            send(context, &mut context.server()?, &arguments.call, Command::Mark(mark))
        }
        MarkAction::List => list(context),
        MarkAction::Drop(arguments) => {
            let removal = MarkRemoval { name: arguments.name.clone() };
            send(context, &mut context.server()?, &arguments.call, Command::Unmark(removal))
        }
        MarkAction::Other(words) => {
            let word = words.first().map_or("", String::as_str);
            Err(Failure::usage(format!(
                "\"{word}\" is none of set, list and drop; to name this moment so: stockhold mark set {word}"
            )))
        }
    }
}

pub(super) fn list(context: Context<'_>) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let marks = lists::marks(&mut server)?;
    let QueryAnswer::Status(status) = server.query(&Query::Status)? else { return Err(wrong_answer()) };
    let place = |mark: &MarkView| place_of_restore(mark.op, &status);
    let mut rows = vec![["name", "set at", "op", "restore from"].map(str::to_owned).to_vec()];
    rows.extend(marks.iter().map(|mark| {
        vec![mark.name.clone(), shown(mark), mark.op.to_string(), place(mark).unwrap_or("-").to_owned()]
    }));
    let text = if marks.is_empty() { "there are no marks".to_owned() } else { table(&rows) };
    let documents: Vec<Value> = marks
        .iter()
        .map(|mark| {
            let is_automatic = mark.name.starts_with(Mark::AUTOMATIC);
            json!({
                "name": mark.name, "time": shown(mark), "op": mark.op, "automatic": is_automatic,
                "restore_from": place(mark),
            })
        })
        .collect();
    context.output.result(&text, &json!({"marks": documents}))?;
    Ok(Exit::Ok)
}

/// From where a restore to this op is possible; `None` = from nowhere that the server knows.
fn place_of_restore(op: u64, status: &Status) -> Option<&'static str> {
    let places = [(RESTORABLE_FROM_OP, "data directory"), (ARCHIVE_RESTORABLE_FROM_OP, "archive")];
    let leads_to = |name: &str| {
        let from = status.metrics.iter().find(|metric| metric.name == name)?;
        u64::try_from(from.value).ok().filter(|from| *from <= op)
    };
    places.into_iter().find(|(name, _)| leads_to(name).is_some()).map(|(_, place)| place)
}

/// When a mark was set, as the wall clock shows it.
fn shown(mark: &MarkView) -> String {
    Timestamp(mark.time_ms.saturating_add_signed(mark.shown_offset_ms)).to_rfc3339()
}
