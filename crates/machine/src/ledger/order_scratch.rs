//! The buffers for the events of the order that is being changed. How they are filled is in `orders`.

use crate::ledger::record::OrderSums;
use crate::table::NO_SLOT;

/// The events of one order and their sums, read once for each change of the order. The buffers are reused.
#[derive(Debug)]
pub(crate) struct OrderScratch {
    /// The order that the sums are those of, or `NO_SLOT`.
    pub(crate) order: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) sums: OrderSums,
}

impl OrderScratch {
    pub(crate) const fn new() -> Self {
        Self { order: NO_SLOT, bytes: Vec::new(), sums: OrderSums::new() }
    }
}
