//! The commands that change many source items, with names: their bodies, and both directions.

use super::numbers::{NamedError, Numbers};
use super::{Line, NamedCommand, Text, is_default};
use crate::describe::{sku, source};
use serde::{Deserialize, Serialize};
use stockhold_machine::Machine;
use stockhold_protocol::command as numbered;
use stockhold_protocol::{Command, Line as NumberedLine, Quantity, SkuId, SourceId};

/// The counted quantity of one source item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountLine {
    /// The SKU.
    pub sku: String,
    /// The source.
    pub source: String,
    /// The quantity on hand.
    pub quantity: Text<Quantity>,
    /// The in-stock flag; `None` keeps it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_stock: Option<bool>,
}

/// The body of `count_many`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountMany {
    /// The lines.
    pub lines: Vec<CountLine>,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: String,
    /// A document number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reference: String,
}

/// The body of `assign` and, with `forced`, of `unassign`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The SKUs.
    pub skus: Vec<String>,
    /// The sources.
    pub sources: Vec<String>,
    /// Whether items are removed even if promises need their goods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forced: bool,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: String,
}

/// The body of `transfer_many`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferMany {
    /// The source that the goods leave.
    pub from: String,
    /// The source that the goods go to.
    pub to: String,
    /// The SKUs.
    pub skus: Vec<String>,
    /// Whether the items are removed from the source that the goods leave.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unassign: bool,
    /// Whether the goods are moved even if promises need them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forced: bool,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: String,
}

/// The body of `transfer_lines`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferLines {
    /// The source that the goods leave.
    pub from: String,
    /// The source that the goods go to.
    pub to: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// Whether the goods are moved even if promises need them.
    #[serde(default, skip_serializing_if = "is_default")]
    pub forced: bool,
    /// The reason, for people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: String,
}

/// Lines with the names that the machine knows now.
pub(super) fn lines(machine: &Machine, lines: impl Iterator<Item = NumberedLine>) -> Vec<Line> {
    lines.map(|line| Line { sku: sku(machine, line.sku), quantity: Text(line.quantity) }).collect()
}

/// A command with the names that the machine knows now. `None`: it is no command of this module.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are those of other modules")]
pub(super) fn of(machine: &Machine, command: &Command<'_>) -> Option<NamedCommand> {
    let skus = |skus: &[SkuId]| skus.iter().map(|one| sku(machine, *one)).collect();
    let sources = |sources: &[SourceId]| sources.iter().map(|one| source(machine, *one)).collect();
    Some(match command {
        Command::CountMany(count) => {
            let line = |line: &numbered::CountLine| CountLine {
                sku: sku(machine, line.sku),
                source: source(machine, line.source),
                quantity: Text(line.quantity),
                in_stock: line.in_stock,
            };
            NamedCommand::CountMany(CountMany {
                lines: count.lines.iter().map(line).collect(),
                reason: count.reason.clone(),
                reference: count.reference.clone(),
            })
        }
        Command::Assign(assign) => NamedCommand::Assign(Pairs {
            skus: skus(&assign.skus),
            sources: sources(&assign.sources),
            forced: false,
            reason: assign.reason.clone(),
        }),
        Command::Unassign(unassign) => NamedCommand::Unassign(Pairs {
            skus: skus(&unassign.skus),
            sources: sources(&unassign.sources),
            forced: unassign.forced,
            reason: unassign.reason.clone(),
        }),
        Command::TransferMany(transfer) => NamedCommand::TransferMany(TransferMany {
            from: source(machine, transfer.from),
            to: source(machine, transfer.to),
            skus: skus(&transfer.skus),
            unassign: transfer.unassign,
            forced: transfer.forced,
            reason: transfer.reason.clone(),
        }),
        Command::TransferLines(transfer) => NamedCommand::TransferLines(TransferLines {
            from: source(machine, transfer.from),
            to: source(machine, transfer.to),
            lines: lines(machine, transfer.lines.iter().copied()),
            forced: transfer.forced,
            reason: transfer.reason.clone(),
        }),
        _ => return None,
    })
}

/// The command of one of these bodies. `None`: it is no command of this module.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are those of other modules")]
pub(super) fn command(
    named: &NamedCommand,
    numbers: &mut Numbers<'_>,
) -> Result<Option<Command<'static>>, NamedError> {
    Ok(Some(match named {
        NamedCommand::CountMany(count) => {
            let mut lines = Vec::with_capacity(count.lines.len());
            for line in &count.lines {
                let (sku, source) = (numbers.sku(&line.sku)?, numbers.source(&line.source)?);
                let (quantity, in_stock) = (line.quantity.0, line.in_stock);
                lines.push(numbered::CountLine { sku, source, quantity, in_stock });
            }
            let (reason, reference) = (count.reason.clone(), count.reference.clone());
            Command::CountMany(Box::new(numbered::CountMany { lines, reason, reference }))
        }
        NamedCommand::Assign(pairs) => {
            let (skus, sources) = numbers_of(pairs, numbers)?;
            Command::Assign(Box::new(numbered::Assign { skus, sources, reason: pairs.reason.clone() }))
        }
        NamedCommand::Unassign(pairs) => {
            let (skus, sources) = numbers_of(pairs, numbers)?;
            let (forced, reason) = (pairs.forced, pairs.reason.clone());
            Command::Unassign(Box::new(numbered::Unassign { skus, sources, forced, reason }))
        }
        NamedCommand::TransferMany(transfer) => Command::TransferMany(Box::new(numbered::TransferMany {
            from: numbers.source(&transfer.from)?,
            to: numbers.source(&transfer.to)?,
            skus: transfer.skus.iter().map(|sku| numbers.sku(sku)).collect::<Result<_, _>>()?,
            unassign: transfer.unassign,
            forced: transfer.forced,
            reason: transfer.reason.clone(),
        })),
        NamedCommand::TransferLines(transfer) => Command::TransferLines(Box::new(numbered::TransferLines {
            from: numbers.source(&transfer.from)?,
            to: numbers.source(&transfer.to)?,
            lines: numbers.lines(&transfer.lines)?,
            forced: transfer.forced,
            reason: transfer.reason.clone(),
        })),
        _ => return Ok(None),
    }))
}

fn numbers_of(pairs: &Pairs, numbers: &mut Numbers<'_>) -> Result<(Vec<SkuId>, Vec<SourceId>), NamedError> {
    let skus = pairs.skus.iter().map(|sku| numbers.sku(sku)).collect::<Result<_, _>>()?;
    let sources = pairs.sources.iter().map(|source| numbers.source(source)).collect::<Result<_, _>>()?;
    Ok((skus, sources))
}
