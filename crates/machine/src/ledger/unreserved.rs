//! Finding units that are promised without a reservation. This module only reads the state.

use crate::ledger::record::{LineState, NO_ORDER, UnreservedRow};
use crate::ledger::state::State;

impl State {
    /// The units of a SKU in a stock that are promised to the order with this key and are in no reservation.
    pub(crate) fn unreserved_units(&self, order: u64, stock: u32, sku: u32) -> i64 {
        let slot = self.unreserved_by_key.get(&(order, stock, sku));
        slot.map_or(0, |slot| self.unreserved.get(*slot).units)
    }

    /// The units of an order that are in no reservation, by stock and SKU.
    pub(crate) fn unreserved_of(&self, order: u64) -> impl Iterator<Item = &UnreservedRow> {
        let all = self.unreserved_by_key.range((order, 0, 0)..=(order, u32::MAX, u32::MAX));
        all.map(|(_, slot)| self.unreserved.get(*slot))
    }

    /// The units of an order in a stock that are in no reservation, as lines of one. `lines` is overwritten.
    pub(crate) fn unreserved_lines(&self, order: u64, stock: u32, lines: &mut Vec<LineState>) {
        let line = |row: &UnreservedRow| LineState {
            sku: row.sku,
            quota_number: 0,
            counts: true,
            granted: row.units,
            open: row.units,
            shipped: 0,
            returned: 0,
        };
        lines.clear();
        lines.extend(self.unreserved_of(order).filter(|row| row.stock == stock).map(line));
    }

    /// Whether more units were given back without an order than were promised so. No more can be than are promised once
    /// stocks that share sources limit each other.
    pub(crate) fn has_negative_sums(&self) -> bool {
        self.unreserved_of(NO_ORDER).any(|row| row.units < 0)
    }

    /// Whether SKU, stock and order of units exist.
    pub(crate) fn is_sound_unreserved(&self, row: &UnreservedRow) -> bool {
        self.has_sku(row.sku) && self.catalog.has_stock(row.stock)
    }
}
