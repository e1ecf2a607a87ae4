//! A list of reservations that match a filter, the oldest first.

use super::{ReservationState, ReservationView};
use crate::id::{SkuId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// Which reservations are meant. A filter that says nothing means all whose records are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct ReservationFilter {
    /// Only those with a line of this SKU.
    pub sku: Option<SkuId>,
    /// Only those of this stock.
    pub stock: Option<StockId>,
    /// Only those in these states: the sum of [`ReservationFilter::bit`] of each; 0 = any.
    pub states: u8,
    /// Only those that promise units now: counted open units, of the SKU if one is named.
    pub is_promised: bool,
    /// Only those of this owner.
    pub owner: Option<u64>,
    /// Only those whose cart was first reserved at least this long ago, in milliseconds of hold time.
    pub older_than_ms: u64,
}

impl ReservationFilter {
    /// The bit of a state in `states`.
    #[must_use]
    pub const fn bit(state: ReservationState) -> u8 {
        match state {
            ReservationState::Held => 1,
            ReservationState::Confirmed => 1 << 1,
            ReservationState::Expired => 1 << 2,
            ReservationState::Shipped => 1 << 3,
            ReservationState::Released => 1 << 4,
            ReservationState::Replaced => 1 << 5,
        }
    }

    /// Whether reservations in this state are meant.
    #[must_use]
    pub const fn has_state(&self, state: ReservationState) -> bool {
        self.states == 0 || self.states & Self::bit(state) != 0
    }
}

/// Reservations, the oldest first, and the number of all that match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReservationsView {
    /// The last op whose reservations are listed. The list is made in steps: each reservation is as it was when the
    /// step reached it, at or after this op.
    pub op: u64,
    /// The number of reservations after the cursor that match.
    pub matched: u64,
    /// The units that they promise, of the SKU if one is named.
    pub promised: Quantity,
    /// The oldest of them, by op. If there are fewer than `matched`, more follow after the last one.
    pub reservations: Vec<ReservationView>,
}
tagged!(ReservationsView { 1 op value, 2 matched value, 3 promised value, 4 reservations list });
