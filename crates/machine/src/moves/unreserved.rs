//! Changes units that are promised without a reservation.

use crate::ledger::record::{Record, UnreservedRow};
use crate::ledger::state::State;

impl State {
    /// Adds promised units of a SKU in a stock to an order, or to no order. Negative ones are given back.
    pub(crate) fn promise_unreserved(&mut self, order: u64, stock: u32, sku: u32, units: i64) {
        let at = self.place_of_line(sku, stock);
        self.settle(at.cluster);
        self.promise(at, units, 0);
        let units = self.remove_unreserved(order, stock, sku).saturating_add(units);
        if units != 0 {
            self.add_unreserved(UnreservedRow { order, stock, sku, units });
        }
    }

    /// Removes the record of units, and returns how many there were.
    fn remove_unreserved(&mut self, order: u64, stock: u32, sku: u32) -> i64 {
        let Some(slot) = self.unreserved_by_key.remove(&(order, stock, sku)) else { return 0 };
        self.recount_unreserved(slot);
        let row = self.unreserved.remove(slot);
        self.digest.sub(row.hash(&mut self.scratch));
        row.units
    }

    /// Adds the record of units that have none.
    pub(crate) fn add_unreserved(&mut self, row: UnreservedRow) {
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.unreserved.insert(row);
        self.pass_unreserved(slot);
        self.unreserved_by_key.insert((row.order, row.stock, row.sku), slot);
    }
}
