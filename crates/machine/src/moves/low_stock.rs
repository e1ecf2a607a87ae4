//! Changes low-stock configurations.

use crate::ledger::record::{NotifyRow, Record};
use crate::ledger::state::State;

impl State {
    /// Sets the low-stock configuration of an item.
    pub(crate) fn set_notify(&mut self, row: NotifyRow) {
        self.remove_notify(row.sku, row.source);
        self.add_notify(row);
    }

    /// Removes the low-stock configuration of an item, if it has one.
    pub(crate) fn remove_notify(&mut self, sku: u32, source: u32) {
        if let Some(slot) = self.notify_by_item.remove(&(sku, source)) {
            let row = self.notifies.remove(slot);
            self.digest.sub(row.hash(&mut self.scratch));
        }
    }

    /// Adds the low-stock configuration of an item that has none.
    pub(crate) fn add_notify(&mut self, row: NotifyRow) {
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.notifies.insert(row);
        self.notify_by_item.insert((row.sku, row.source), slot);
    }
}
