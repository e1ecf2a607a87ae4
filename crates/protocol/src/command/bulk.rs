//! Stock work on many source items at once: each command is one op, all or nothing.

use super::check::{ColdBody, check_notes, check_range, check_text};
use super::fingerprint::Scratch;
use crate::error::BadField;
use crate::id::{SkuId, SourceId};
use crate::limits::{BULK_LINES_MAX, BULK_PAIRS_MAX};
use crate::line::{Line, check_quantity};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The counted quantity of one source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct CountLine {
    /// The SKU.
    pub sku: SkuId,
    /// The source.
    pub source: SourceId,
    /// The quantity. MSI allows a negative one.
    pub quantity: Quantity,
    /// The in-stock flag; `None` keeps it (a new source item is in stock).
    pub in_stock: Option<bool>,
}

/// Records the absolute quantities of many source items. This is a fact, like a count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountMany {
    /// 1..=2,048 lines, each of another source item.
    pub lines: Vec<CountLine>,
    /// The reason, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}
tagged!(CountMany { 1 lines value, 2 reason value, 3 reference value });

/// Makes the source items of SKUs at sources that are missing, with no units and out of stock. Others stay as they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assign {
    /// The SKUs. Composite ones are passed over. SKUs times sources is at most 10,000.
    pub skus: Vec<SkuId>,
    /// The sources.
    pub sources: Vec<SourceId>,
    /// The reason, for people.
    pub reason: String,
}
tagged!(Assign { 1 skus value, 2 sources value, 3 reason value });

/// Removes the source items of SKUs at sources. This is a decision, unless it is forced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unassign {
    /// The SKUs. SKUs times sources is at most 10,000.
    pub skus: Vec<SkuId>,
    /// The sources.
    pub sources: Vec<SourceId>,
    /// Whether the items are removed even if promises need their goods.
    pub forced: bool,
    /// The reason, for people.
    pub reason: String,
}
tagged!(Unassign { 1 skus value, 2 sources value, 3 forced value, 4 reason value });

/// Moves all units of SKUs from one source to another, with the in-stock flag. This is a decision, unless it is forced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferMany {
    /// The source that the goods leave.
    pub from: SourceId,
    /// The source that the goods go to; it must be another one.
    pub to: SourceId,
    /// 1..=10,000 SKUs. Composite ones are passed over.
    pub skus: Vec<SkuId>,
    /// Whether the source items are removed from the source that the goods leave.
    pub unassign: bool,
    /// Whether the goods are moved even if promises need them where they are.
    pub forced: bool,
    /// The reason, for people.
    pub reason: String,
}
tagged!(TransferMany { 1 from value, 2 to value, 3 skus value, 4 unassign value, 5 forced value, 6 reason value });

/// Moves units between source items that both exist; the target is in stock then. This is a decision, unless it is forced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferLines {
    /// The source that the goods leave.
    pub from: SourceId,
    /// The source that the goods go to; it must be another one.
    pub to: SourceId,
    /// 1..=2,048 lines; the same SKU twice counts as its sum.
    pub lines: Vec<Line>,
    /// Whether the goods are moved even if promises need them where they are.
    pub forced: bool,
    /// The reason, for people.
    pub reason: String,
}
tagged!(TransferLines { 1 from value, 2 to value, 3 lines value, 4 forced value, 5 reason value });

impl ColdBody for CountMany {
    fn check(&self) -> Result<(), BadField> {
        check_lines(self.lines.len())?;
        self.lines.iter().try_for_each(|line| check_range("lines.quantity", line.quantity))?;
        let mut items: Vec<_> = self.lines.iter().map(|line| (line.sku, line.source)).collect();
        items.sort_unstable();
        if items.is_sorted_by(|one, next| one < next) {
            check_notes(&self.reason, &self.reference)
        } else {
            Err(BadField::new("lines", "must not name a source item twice"))
        }
    }
}

impl ColdBody for Assign {
    fn check(&self) -> Result<(), BadField> {
        check_pairs(&self.skus, &self.sources)?;
        check_text("reason", &self.reason)
    }
}

impl ColdBody for Unassign {
    fn check(&self) -> Result<(), BadField> {
        check_pairs(&self.skus, &self.sources)?;
        check_text("reason", &self.reason)
    }
}

impl ColdBody for TransferMany {
    fn check(&self) -> Result<(), BadField> {
        check_ends(self.from, self.to)?;
        check_pairs(&self.skus, &[self.from])?;
        check_text("reason", &self.reason)
    }
}

impl ColdBody for TransferLines {
    fn check(&self) -> Result<(), BadField> {
        check_ends(self.from, self.to)?;
        check_lines(self.lines.len())?;
        self.lines.iter().try_for_each(|line| check_quantity(line.quantity.raw()))?;
        check_text("reason", &self.reason)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_transfer_lines(self);
    }
}

fn check_ends(from: SourceId, to: SourceId) -> Result<(), BadField> {
    if from == to {
        return Err(BadField::new("to", "must not be the source from which the goods come"));
    }
    Ok(())
}

fn check_lines(count: usize) -> Result<(), BadField> {
    match count {
        0 => Err(BadField::new("lines", "must hold at least one entry")),
        1..=BULK_LINES_MAX => Ok(()),
        _ => Err(BadField::new("lines", "must hold at most 2,048 entries")),
    }
}

fn check_pairs(skus: &[SkuId], sources: &[SourceId]) -> Result<(), BadField> {
    if skus.is_empty() {
        return Err(BadField::new("skus", "must hold at least one entry"));
    }
    if sources.is_empty() {
        return Err(BadField::new("sources", "must hold at least one entry"));
    }
    if skus.len().saturating_mul(sources.len()) > BULK_PAIRS_MAX {
        return Err(BadField::new("skus", "must make at most 10,000 pairs of a SKU and a source"));
    }
    Ok(())
}
