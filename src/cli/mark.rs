//! `mark`: names moments of the log, lists them and drops them.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::lists;
use super::output::table;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use stockhold_protocol::command::{Mark, MarkRemoval};
use stockhold_protocol::query::MarkView;
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
    /// List all marks with their times, the oldest first
    #[command(after_help = "Examples:
  stockhold mark list
  stockhold mark list --json")]
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

fn list(context: Context<'_>) -> Result<Exit, Failure> {
    let marks = lists::marks(&mut context.server()?)?;
    let mut rows = vec![["name", "set at", "op"].map(str::to_owned).to_vec()];
    rows.extend(marks.iter().map(|mark| vec![mark.name.clone(), shown(mark), mark.op.to_string()]));
    let text = if marks.is_empty() { "there are no marks".to_owned() } else { table(&rows) };
    let documents: Vec<Value> = marks
        .iter()
        .map(|mark| {
            let is_automatic = mark.name.starts_with(Mark::AUTOMATIC);
            json!({"name": mark.name, "time": shown(mark), "op": mark.op, "automatic": is_automatic})
        })
        .collect();
    context.output.result(&text, &json!({"marks": documents}))?;
    Ok(Exit::Ok)
}

/// When a mark was set, as the wall clock shows it.
fn shown(mark: &MarkView) -> String {
    Timestamp(mark.time_ms.saturating_add_signed(mark.shown_offset_ms)).to_rfc3339()
}
