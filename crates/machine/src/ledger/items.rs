//! Source items as they are read: what lies where, what it brings to its pool, and what is missing. Reads only, but for ending the
//! holds whose time is up.

use crate::ledger::record::ItemRow;
use crate::ledger::state::State;
use crate::stock::sharing::Supply;

impl State {
    /// The slot of a source item.
    pub(crate) fn item(&self, sku: u32, source: u32) -> Option<u32> {
        self.items_of(sku).find(|(_, item)| item.source == source).map(|(slot, _)| slot)
    }

    /// What a source item brings to its pool.
    pub(crate) fn supply_of(&self, item: &ItemRow) -> Supply {
        let is_enabled = self.catalog.source(item.source).is_some_and(|source| source.enabled);
        Supply { on_hand: item.on_hand, counts: item.in_stock && is_enabled }
    }

    /// What a source brings of a SKU; the item that would be made where there is none yet.
    pub(crate) fn supply_at(&self, sku: u32, source: u32) -> Supply {
        let made = ItemRow::new(sku, source);
        let item = self.item(sku, source).map_or(made, |slot| *self.items.get(slot));
        self.supply_of(&item)
    }

    /// Units of a SKU that are promised and missing, over all its groups, allowances included.
    pub(crate) fn shortfall_of(&mut self, sku: u32) -> i64 {
        let numbers: Vec<u32> = self.clusters_of(sku).map(|(number, _)| number).collect();
        for number in &numbers {
            self.settle(*number);
        }
        self.shortfall_seen(sku)
    }

    /// As [`State::shortfall_of`], for a reader.
    pub(crate) fn shortfall_seen(&self, sku: u32) -> i64 {
        self.clusters_of(sku).fold(0, |sum: i64, (_, cluster)| {
            let allowed = |index: u32| cluster.place(index).settings.allowance();
            let group = self.catalog.layout.group(cluster.group);
            sum.saturating_add(cluster.pool_at(group, self.now_s()).shortfall(group, allowed))
        })
    }
}
