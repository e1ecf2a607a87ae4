//! What is derived per SKU: where its source items and its clusters begin. How they are found from there stands in `seats`.

use crate::table::NO_SLOT;

/// What is derived per SKU: where its items and clusters are.
#[derive(Debug)]
pub(crate) struct SkuEntry {
    /// Slot of its first source item, which leads to the others; [`NO_SLOT`] if it has none.
    pub(crate) first_item: u32,
    /// The number of its first cluster, which leads to the others and round; [`NO_SLOT`] if it has none.
    pub(crate) first_cluster: u32,
    /// It has no units of its own. Stands in the SKU's record too, which is large and looked at for its name.
    pub(crate) is_composite: bool,
}

impl SkuEntry {
    pub(crate) const fn new(is_composite: bool) -> Self {
        Self { first_item: NO_SLOT, first_cluster: NO_SLOT, is_composite }
    }
}
