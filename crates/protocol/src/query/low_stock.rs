//! Low stock: the configuration of a source item, and the items that are low.

use crate::id::{SkuId, SourceId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The low-stock configuration of a SKU at a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotifyView {
    /// Whether there is a configuration. Only items with one are in the low-stock report.
    pub is_set: bool,
    /// Its own threshold, if it has one.
    pub own: Option<Quantity>,
    /// The threshold in force: its own one, or the `notify_stock_qty` of the SKU.
    pub threshold: Quantity,
}
tagged!(NotifyView { 1 is_set value, 2 own option, 3 threshold value });

/// Which low items are meant. A filter that says nothing means all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct LowStockFilter {
    /// Only items of this SKU.
    pub sku: Option<SkuId>,
    /// Only items of this source.
    pub source: Option<SourceId>,
}

/// The place of an entry in the order of the report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, SchemaRead, SchemaWrite)]
pub struct LowStockCursor {
    /// Its quantity.
    pub on_hand: Quantity,
    /// Its SKU.
    pub sku: SkuId,
    /// Its source.
    pub source: SourceId,
}

/// A source item that is low.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LowStockItem {
    /// The SKU.
    pub sku: SkuId,
    /// The source.
    pub source: SourceId,
    /// The quantity: above 0, and below the threshold.
    pub on_hand: Quantity,
    /// The threshold in force.
    pub threshold: Quantity,
}
tagged!(LowStockItem { 1 sku value, 2 source value, 3 on_hand value, 4 threshold value });

impl LowStockItem {
    /// The cursor that continues after this entry.
    #[must_use]
    pub const fn cursor(&self) -> LowStockCursor {
        LowStockCursor { on_hand: self.on_hand, sku: self.sku, source: self.source }
    }
}

/// Source items that are low: in stock, at an enabled source, with a configuration, and with a quantity above 0 and below the
/// threshold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LowStockView {
    /// The op at which the scan ended. It is made in steps: each item is as it was when a step reached it.
    pub op: u64,
    /// The number of items after the cursor that match.
    pub matched: u64,
    /// The lowest of them, by quantity, SKU and source. If there are fewer than `matched`, more follow after the last one.
    pub items: Vec<LowStockItem>,
}
tagged!(LowStockView { 1 op value, 2 matched value, 3 items list });
