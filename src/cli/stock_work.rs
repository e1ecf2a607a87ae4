//! The commands that change many source items at once: assign, unassign, transfer-many, transfer-lines, count-many.
//!
//! Each sends one command, so all of it happens or nothing. A mark is set before it, so that a restore can undo it.

use super::automatic_mark::AutomaticMark;
use super::context::{Call, Context};
use super::exit::{Exit, ExitWith, Failure};
use super::parse::{CartLine, CountedLine};
use super::questions::unknown_name;
use super::report;
use super::server_connection::ServerConnection;
use clap::{ArgGroup, Args};
use serde_json::json;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use stockhold_protocol::command::{Assign, CountLine, CountMany, TransferLines, TransferMany, Unassign};
use stockhold_protocol::limits::{BULK_LINES_MAX, BULK_PAIRS_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{Command, Line, SkuId, SourceId};

/// The most bytes that are read of a file: more than the longest SKUs with quantities and sources take.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The most SKUs that are listed as passed over.
const SKIPPED_LISTED: usize = 100;

/// SKUs, on the command line or in a file.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("which_skus").args(["skus", "skus_from"]).required(true).multiple(true)))]
struct Chosen {
    /// A SKU; repeat it for more
    #[arg(long = "sku", value_name = "SKU")]
    skus: Vec<String>,
    /// A file with one SKU in each line; - is standard input
    #[arg(long, value_name = "FILE")]
    skus_from: Option<PathBuf>,
    /// Pass over SKUs that the server does not know, and list them
    #[arg(long)]
    skip_unknown: bool,
}

/// What every command here takes.
#[derive(Args, Debug)]
struct Change {
    /// The reason, for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    reason: String,
    /// Set no mark before the change
    #[arg(long)]
    no_mark: bool,
    #[command(flatten)]
    call: Call,
}

/// `assign`
#[derive(Args, Debug)]
#[command(after_help = "Composite SKUs are passed over. Examples:
  stockhold assign --sku BIKE-0001 --sku HELM-0001 --source us-east --source shop-nyc
  stockhold assign --skus-from season.txt --source shop-nyc")]
pub(super) struct AssignArguments {
    #[command(flatten)]
    skus: Chosen,
    /// A source that gets the SKUs; repeat it for more. SKUs times sources may be 10,000
    #[arg(long = "source", required = true, value_name = "CODE")]
    sources: Vec<String>,
    #[command(flatten)]
    change: Change,
}

/// `unassign`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold unassign --sku BIKE-0001 --source shop-nyc
  stockhold unassign --skus-from discontinued.txt --source us-east --source shop-nyc --forced")]
pub(super) struct UnassignArguments {
    #[command(flatten)]
    skus: Chosen,
    /// A source that the SKUs are removed from; repeat it for more. SKUs times sources may be 10,000
    #[arg(long = "source", required = true, value_name = "CODE")]
    sources: Vec<String>,
    /// Remove them even if promises need their goods, and report the shortfall
    #[arg(long)]
    forced: bool,
    #[command(flatten)]
    change: Change,
}

/// `transfer-many`
#[derive(Args, Debug)]
#[command(
    after_help = "The target gets the in-stock flag of the origin. Composite SKUs are passed over. Examples:
  stockhold transfer-many --from us-east --to shop-nyc --sku BIKE-0001 --sku HELM-0001
  stockhold transfer-many --from shop-old --to shop-nyc --skus-from all.txt --unassign"
)]
pub(super) struct TransferManyArguments {
    /// The source of the goods
    #[arg(long, value_name = "CODE")]
    from: String,
    /// Their destination
    #[arg(long, value_name = "CODE")]
    to: String,
    #[command(flatten)]
    skus: Chosen,
    /// Remove the SKUs from the source of the goods; without it they stay there with no units, out of stock
    #[arg(long)]
    unassign: bool,
    /// Move the goods even if promises need them where they are, and report the shortfall
    #[arg(long)]
    forced: bool,
    #[command(flatten)]
    change: Change,
}

/// `transfer-lines`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which_lines").args(["lines", "lines_from"]).required(true).multiple(true)),
    after_help = "The SKU must be at both sources, and is in stock at the destination afterwards. Examples:
  stockhold transfer-lines --from us-east --to shop-nyc --line BIKE-0001=5 --line HELM-0001=2
  stockhold transfer-lines --from us-east --to shop-nyc --lines-from delivery.txt"
)]
pub(super) struct TransferLinesArguments {
    /// The source of the goods
    #[arg(long, value_name = "CODE")]
    from: String,
    /// Their destination
    #[arg(long, value_name = "CODE")]
    to: String,
    /// The units to move; repeat it for more lines, up to 2,048
    #[arg(long = "line", value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// A file with one SKU=QTY in each line; - is standard input
    #[arg(long, value_name = "FILE")]
    lines_from: Option<PathBuf>,
    /// Move the goods even if promises need them where they are, and report the shortfall
    #[arg(long)]
    forced: bool,
    #[command(flatten)]
    change: Change,
}

/// `count-many`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which_lines").args(["lines", "lines_from"]).required(true).multiple(true)),
    after_help = "Examples:
  stockhold count-many --source shop-nyc --line BIKE-0001=18 --line HELM-0001=0 --reason stocktaking
  stockhold count-many --line BIKE-0001=18@shop-nyc --line BIKE-0001=40@us-east
  stockhold count-many --source shop-nyc --lines-from counted.txt --in-stock true"
)]
pub(super) struct CountManyArguments {
    /// The source of the lines that name none
    #[arg(long, value_name = "CODE")]
    source: Option<String>,
    /// The quantity on hand of a SKU; repeat it for more lines, up to 2,048
    #[arg(long = "line", value_name = "SKU=QTY[@SOURCE]")]
    lines: Vec<CountedLine>,
    /// A file with one SKU=QTY or SKU=QTY@SOURCE in each line; - is standard input
    #[arg(long, value_name = "FILE")]
    lines_from: Option<PathBuf>,
    /// The in-stock flag of all lines; without it the flags are unchanged
    #[arg(long, value_name = "true|false")]
    in_stock: Option<bool>,
    /// A document number, at most 32 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    reference: String,
    #[command(flatten)]
    change: Change,
}

/// Reads one value from each line of a file that is not blank.
fn read<T>(file: &Path, most: usize) -> Result<Vec<T>, Failure>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?)
    };
    let mut values = Vec::new();
    for (number, line) in (1_u64..).zip(BufReader::new(input.take(FILE_BYTES_MAX)).lines()) {
        let line = line.map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
        let text = line.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        if values.len() >= most {
            let message = format!("{} has more than {most} lines; divide it", file.display());
            return Err(Failure::usage(message));
        }
        let value = text.parse();
        values.push(value.map_err(|error: T::Err| {
            Failure::usage(format!("{}, line {number}: {error}", file.display()))
        })?);
    }
    Ok(values)
}

/// The SKUs of a command, and those that are passed over.
struct Resolved {
    skus: Vec<SkuId>,
    skipped: Vec<String>,
}

impl Chosen {
    fn resolve(&self, server: &mut ServerConnection) -> Result<Resolved, Failure> {
        let mut names = self.skus.clone();
        if let Some(file) = &self.skus_from {
            names.extend(read::<String>(file, BULK_PAIRS_MAX)?);
        }
        let (skus, unknown) = numbers(server, names)?;
        match unknown.first() {
            Some(first) if !self.skip_unknown => Err(unknown_skus(first, unknown.len())),
            Some(_) if skus.is_empty() => Err(Failure::usage("the server knows none of the SKUs")),
            Some(_) | None => Ok(Resolved { skus, skipped: unknown }),
        }
    }
}

/// The numbers of SKUs, and the names that have none.
fn numbers(server: &mut ServerConnection, skus: Vec<String>) -> Result<(Vec<SkuId>, Vec<String>), Failure> {
    let names: Vec<Name> = skus.iter().map(|sku| Name::Sku(sku.clone())).collect();
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (sku, number) in skus.into_iter().zip(server.resolve(&names)?) {
        match number {
            Some(number) => known.push(SkuId(number)),
            None => unknown.push(sku),
        }
    }
    Ok((known, unknown))
}

fn unknown_skus(first: &str, count: usize) -> Failure {
    let failure = unknown_name(&Name::Sku(first.to_owned()));
    match count {
        1 => failure,
        _ => Failure::usage(format!("{}, and {} more are unknown", failure.error, count.saturating_sub(1))),
    }
}

/// The numbers of the SKUs of lines, each of which must be known.
fn all_numbers(server: &mut ServerConnection, skus: Vec<String>) -> Result<Vec<SkuId>, Failure> {
    let (known, unknown) = numbers(server, skus)?;
    match unknown.first() {
        Some(first) => Err(unknown_skus(first, unknown.len())),
        None => Ok(known),
    }
}

fn sources(server: &mut ServerConnection, codes: &[String]) -> Result<Vec<SourceId>, Failure> {
    codes.iter().map(|code| server.source(code)).collect()
}

/// Sets the mark, sends the command and prints its outcome.
fn send(
    context: Context<'_>,
    server: &mut ServerConnection,
    change: &Change,
    command: Command<'_>,
    skipped: &[String],
) -> Result<Exit, Failure> {
    // What the command line has too much of is said before a mark is set.
    stockhold_protocol::Envelope::new(server.new_id(), command.clone())
        .encode(&mut Vec::new())
        .exit_with(Exit::Usage)?;
    let mut mark = if change.no_mark { AutomaticMark::none() } else { AutomaticMark::before_bulk_change() };
    mark.set(server)?;
    let kind = command.kind();
    let (id, outcome) = server.execute(change.call.id, command).map_err(|failure| mark.explain(failure))?;
    let shown_offset_ms = server.shown_offset_ms();
    let (mut text, mut document) = report::rendered(server, shown_offset_ms, kind, id, &outcome);
    if !skipped.is_empty() {
        let listed = skipped.get(..SKIPPED_LISTED).unwrap_or(skipped);
        text = format!(
            "{text}\n  unknown SKUs that were passed over ({}): {}",
            skipped.len(),
            listed.join(", ")
        );
        document["skipped"] = json!({"count": skipped.len(), "skus": listed});
    }
    let (name, op) = mark.name_and_op().unzip();
    if let (Some(name), Some(op)) = (name, op) {
        text = format!("{text}\n  to undo: restore to mark {name} (op {op})");
    }
    document["mark"] = json!(name);
    document["mark_op"] = json!(op);
    context.output.result(&text, &document)?;
    Ok(report::exit_of(outcome.code))
}

pub(super) fn assign(context: Context<'_>, arguments: &AssignArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let sources = sources(&mut server, &arguments.sources)?;
    let Resolved { skus, skipped } = arguments.skus.resolve(&mut server)?;
    let reason = arguments.change.reason.clone();
    let command = Command::Assign(Box::new(Assign { skus, sources, reason }));
    send(context, &mut server, &arguments.change, command, &skipped)
}

pub(super) fn unassign(context: Context<'_>, arguments: &UnassignArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let sources = sources(&mut server, &arguments.sources)?;
    let Resolved { skus, skipped } = arguments.skus.resolve(&mut server)?;
    let (forced, reason) = (arguments.forced, arguments.change.reason.clone());
    let command = Command::Unassign(Box::new(Unassign { skus, sources, forced, reason }));
    send(context, &mut server, &arguments.change, command, &skipped)
}

pub(super) fn transfer_many(
    context: Context<'_>,
    arguments: &TransferManyArguments,
) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (from, to) = (server.source(&arguments.from)?, server.source(&arguments.to)?);
    let Resolved { skus, skipped } = arguments.skus.resolve(&mut server)?;
    let transfer = TransferMany {
        from,
        to,
        skus,
        unassign: arguments.unassign,
        forced: arguments.forced,
        reason: arguments.change.reason.clone(),
    };
    send(context, &mut server, &arguments.change, Command::TransferMany(Box::new(transfer)), &skipped)
}

pub(super) fn transfer_lines(
    context: Context<'_>,
    arguments: &TransferLinesArguments,
) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (from, to) = (server.source(&arguments.from)?, server.source(&arguments.to)?);
    let mut lines = arguments.lines.clone();
    if let Some(file) = &arguments.lines_from {
        lines.extend(read::<CartLine>(file, BULK_LINES_MAX)?);
    }
    let skus = all_numbers(&mut server, lines.iter().map(|line| line.sku.clone()).collect())?;
    let lines = skus.into_iter().zip(&lines).map(|(sku, line)| Line::new(sku, line.quantity)).collect();
    let (forced, reason) = (arguments.forced, arguments.change.reason.clone());
    let command = Command::TransferLines(Box::new(TransferLines { from, to, lines, forced, reason }));
    send(context, &mut server, &arguments.change, command, &[])
}

pub(super) fn count_many(context: Context<'_>, arguments: &CountManyArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let mut lines = arguments.lines.clone();
    if let Some(file) = &arguments.lines_from {
        lines.extend(read::<CountedLine>(file, BULK_LINES_MAX)?);
    }
    let skus = all_numbers(&mut server, lines.iter().map(|line| line.sku.clone()).collect())?;
    let mut counted = Vec::with_capacity(lines.len());
    for (sku, line) in skus.into_iter().zip(&lines) {
        let Some(code) = line.source.as_ref().or(arguments.source.as_ref()) else {
            let sku = &line.sku;
            return Err(Failure::usage(format!(
                "SKU \"{sku}\": name its source, as SKU=QTY@SOURCE or by --source"
            )));
        };
        let source = server.source(code)?;
        let (quantity, in_stock) = (line.quantity, arguments.in_stock);
        counted.push(CountLine { sku, source, quantity, in_stock });
    }
    let (reason, reference) = (arguments.change.reason.clone(), arguments.reference.clone());
    let command = Command::CountMany(Box::new(CountMany { lines: counted, reason, reference }));
    send(context, &mut server, &arguments.change, command, &[])
}
