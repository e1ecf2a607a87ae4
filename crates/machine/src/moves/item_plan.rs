//! The plan of a bulk command: what becomes of many source items and of their low-stock configurations, and the reasons why
//! the command is refused.
//!
//! The changes of one SKU are adjacent, and each source item is changed once. So guard and executor find the items and
//! the clusters of a SKU once, however many there are.

use crate::decision::Refusal;
use crate::ledger::record::NotifyRow;
use crate::refusal::quantity;
use stockhold_protocol::limits::OFFENDERS_MAX;
use stockhold_protocol::{Code, Detail, Offender, SkuId, SourceId};

/// What a bulk command can change of a source item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemValues {
    pub(crate) on_hand: i64,
    pub(crate) in_stock: bool,
}

/// One source item before and after the plan. `None`: it does not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemChange {
    pub(crate) sku: u32,
    pub(crate) source: u32,
    /// The slot of an item that exists before.
    pub(crate) slot: u32,
    pub(crate) before: Option<ItemValues>,
    pub(crate) after: Option<ItemValues>,
}

/// A source item that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundItem {
    pub(crate) source: u32,
    pub(crate) slot: u32,
    pub(crate) values: ItemValues,
}

/// See the module documentation. The buffers are reused for the next command.
#[derive(Debug, Default)]
pub(crate) struct ItemPlan {
    pub(crate) changes: Vec<ItemChange>,
    /// Low-stock configurations that are set. Their items have none yet.
    pub(crate) notifies: Vec<NotifyRow>,
    /// SKU and source of each low-stock configuration that is removed.
    pub(crate) removed_notifies: Vec<(u32, u32)>,
    /// Whether the plan records a fact. A fact is not checked against promises.
    pub(crate) is_fact: bool,
    /// Whether the answer reports the shortfall of the SKUs that are changed.
    pub(crate) reports_shortfall: bool,
    /// The SKU whose changes are planned, and its source items by source.
    sku: u32,
    items: Vec<FoundItem>,
    offenders: Vec<Offender>,
    offenders_found: u32,
}

impl ItemPlan {
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.notifies.clear();
        self.removed_notifies.clear();
        self.is_fact = false;
        self.reports_shortfall = false;
        self.items.clear();
        self.offenders.clear();
        self.offenders_found = 0;
    }

    /// Begins the changes of a SKU. It must have no changes yet.
    pub(crate) fn begin_sku(&mut self, sku: u32, items: impl Iterator<Item = FoundItem>) {
        self.sku = sku;
        self.items.clear();
        self.items.extend(items);
        self.items.sort_unstable_by_key(|item| item.source);
    }

    /// The item of the SKU at a source.
    pub(crate) fn find(&self, source: u32) -> Option<FoundItem> {
        let place = self.items.binary_search_by_key(&source, |item| item.source).ok()?;
        self.items.get(place).copied()
    }

    /// Plans what becomes of the item of the SKU at a source. `before` is the item that [`Self::find`] found.
    pub(crate) fn change(&mut self, source: u32, before: Option<FoundItem>, after: Option<ItemValues>) {
        let slot = before.map_or(crate::table::NO_SLOT, |item| item.slot);
        let before = before.map(|item| item.values);
        self.changes.push(ItemChange { sku: self.sku, source, slot, before, after });
    }

    /// Notes why a source item lets the command be refused.
    #[cold]
    pub(crate) fn offend(&mut self, (sku, source): (u32, u32), code: Code, (bound, value): (i64, i64)) {
        self.offenders_found = self.offenders_found.saturating_add(1);
        if self.offenders.len() < OFFENDERS_MAX {
            self.offenders.push(Offender {
                sku: SkuId(sku),
                source: SourceId(source),
                code: code.number(),
                bound: quantity(bound),
                value: quantity(value),
            });
        }
    }

    /// Whether a reason to refuse the command was found.
    pub(crate) fn has_offenders(&self) -> bool {
        !self.offenders.is_empty()
    }

    /// Refuses the command if a reason was found.
    pub(crate) fn verdict(&self) -> Result<(), Refusal> {
        let Some(offender) = self.offenders.first() else { return Ok(()) };
        let detail = Detail::Offenders { count: self.offenders_found, first: self.offenders.clone() };
        Err(Refusal::new(offender.code()).with(detail))
    }
}
