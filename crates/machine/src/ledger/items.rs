//! Reading source items: the quantity at each source, what an item supplies to its pool, and the shortfall.
//! This module only reads the state.

use crate::ledger::record::ItemRow;
use crate::ledger::state::State;
use crate::stock::sharing::Supply;

impl State {
    /// The slot of a source item.
    pub(crate) fn item(&self, sku: u32, source: u32) -> Option<u32> {
        self.items_of(sku).find(|(_, item)| item.source == source).map(|(slot, _)| slot)
    }

    /// What a source item supplies to its pool.
    pub(crate) fn supply_of(&self, item: &ItemRow) -> Supply {
        let is_enabled = self.catalog.source(item.source).is_some_and(|source| source.enabled);
        Supply { on_hand: item.on_hand, counts: item.in_stock && is_enabled }
    }

    /// What a source supplies of a SKU. If there is no source item yet, it is the supply of a new one.
    pub(crate) fn supply_at(&self, sku: u32, source: u32) -> Supply {
        let new = ItemRow::new(sku, source);
        let item = self.item(sku, source).map_or(new, |slot| *self.items.get(slot));
        self.supply_of(&item)
    }

    /// The shortfall of a SKU over all its groups: units that are promised and missing, allowances
    /// included. Holds whose deadline has passed are no promises.
    pub(crate) fn shortfall_of(&self, sku: u32) -> i64 {
        self.clusters_of(sku).fold(0, |sum: i64, (_, cluster)| {
            let allowed = |index: u32| cluster.place(index).settings.allowance();
            let group = self.catalog.layout.group(cluster.group);
            sum.saturating_add(cluster.pool_at(group, self.now_s()).shortfall(group, allowed))
        })
    }
}
