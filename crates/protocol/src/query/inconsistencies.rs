//! Orders whose open units are not what the shop expects.

use crate::event::OrderState;
use crate::id::{SkuId, StockId};
use crate::quantity::Quantity;
use crate::tagged;

/// Units of one SKU in one stock of an order that should be open and are not, or the other way round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inconsistency {
    /// The number of the order.
    pub order: String,
    /// The number of its state, as the shop has reported it last; 0 = it has not, which counts as open.
    pub state: u8,
    /// The stock.
    pub stock: StockId,
    /// The SKU.
    pub sku: SkuId,
    /// What should be open, less what is. Positive units are missing, negative ones are promised in vain. A row of
    /// reservations with the same sign settles it.
    pub quantity: Quantity,
    /// Units of it whose hold has expired.
    pub lapsed: Quantity,
}
tagged!(Inconsistency { 1 order value, 2 state value, 3 stock value, 4 sku value, 5 quantity value, 6 lapsed value });

impl Inconsistency {
    /// The state, if the shop has reported one that this program knows.
    #[must_use]
    pub const fn order_state(&self) -> Option<OrderState> {
        OrderState::from_number(self.state)
    }
}

/// A part of a list of inconsistencies, by the age of their orders. It may be empty although more follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InconsistenciesView {
    /// The op after which they were listed.
    pub op: u64,
    /// How many orders are looked at for the whole list.
    pub orders: u64,
    /// Those of the orders that were looked at.
    pub items: Vec<Inconsistency>,
    /// The cursor with which the list continues; 0 at its end.
    pub next: u64,
}
tagged!(InconsistenciesView { 1 op value, 2 orders value, 3 items list, 4 next value });
