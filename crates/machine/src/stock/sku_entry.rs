//! The derived data of a SKU: where its source items and its clusters begin. How they are found from there
//! is in `ledger::places`.

use crate::table::NO_SLOT;

/// The derived data of a SKU.
#[derive(Debug)]
pub(crate) struct SkuEntry {
    /// The slot of its first source item, which links to the others; [`NO_SLOT`] if it has none.
    pub(crate) first_item: u32,
    /// The number of its first cluster, which is part of the ring of its clusters; [`NO_SLOT`] if it has
    /// none.
    pub(crate) first_cluster: u32,
    /// The SKU has no units of its own. The SKU's record contains this too, but a sale does not read that.
    pub(crate) is_composite: bool,
}

impl SkuEntry {
    pub(crate) const fn new(is_composite: bool) -> Self {
        Self { first_item: NO_SLOT, first_cluster: NO_SLOT, is_composite }
    }
}
