//! Reading low-stock configurations. This module only reads the state.

use crate::ledger::record::{ALL_STOCKS, NotifyRow};
use crate::ledger::state::State;

impl State {
    /// The low-stock configuration of an item.
    pub(crate) fn notify_of(&self, sku: u32, source: u32) -> Option<&NotifyRow> {
        self.notify_by_item.get(&(sku, source)).map(|slot| self.notifies.get(*slot))
    }

    /// The threshold of the items of a SKU that have none of their own.
    pub(crate) fn inherited_threshold(&self, sku: u32) -> i64 {
        self.settings_of(sku, ALL_STOCKS).notify
    }

    /// The next SKU with a configuration.
    pub(crate) fn next_sku_with_notify(&self, from: u32) -> Option<u32> {
        self.notify_by_item.range((from, 0)..).next().map(|((sku, _), _)| *sku)
    }

    /// The configuration after this one in the order of SKUs and sources, and whether it is what its record says.
    pub(crate) fn next_notify(&self, after: Option<(u32, u32)>) -> Option<((u32, u32), bool)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let (key, slot) = self.notify_by_item.range((from, std::ops::Bound::Unbounded)).next()?;
        let is_sound = self.notifies.contains(*slot) && {
            let row = self.notifies.get(*slot);
            (row.sku, row.source) == *key && self.is_sound_notify(row)
        };
        Some((*key, is_sound))
    }

    /// Whether the SKU and the source of a configuration exist.
    pub(crate) fn is_sound_notify(&self, row: &NotifyRow) -> bool {
        self.has_sku(row.sku) && self.catalog.source(row.source).is_some()
    }
}
