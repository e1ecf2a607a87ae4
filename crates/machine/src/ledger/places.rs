//! Finding the source items and clusters of a SKU. The source items form a linked list that begins in the
//! SKU's entry. The clusters form a ring that can be entered at any of them.
//!
//! List and ring are used because nearly every SKU has few of both: a separate list for each SKU would take
//! more memory than they do. The ring has the advantage that a cluster that is the only one of its SKU
//! links to itself.

use crate::ledger::record::ItemRow;
use crate::ledger::state::{At, State};
use crate::stock::cluster::{Cluster, Place, Places};
use crate::stock::settings::Overrides;
use crate::stock::sku_entry::SkuEntry;
use crate::table::NO_SLOT;
use stockhold_protocol::Code;

impl State {
    /// The place of a SKU in a stock, if its cluster exists.
    pub(crate) fn find(&self, sku: u32, stock: u32) -> Option<At> {
        let in_group = self.catalog.layout.stock_in_group(stock)?;
        self.cluster_of(sku, in_group.group).map(|cluster| At { cluster, index: in_group.index })
    }

    pub(crate) fn cluster_of(&self, sku: u32, group: u32) -> Option<u32> {
        self.cluster_on(self.sku_entries.find(sku)?, group)
    }

    #[inline]
    fn cluster_on(&self, entry: &SkuEntry, group: u32) -> Option<u32> {
        let first = entry.first_cluster;
        if first == NO_SLOT {
            return None;
        }
        let mut number = first;
        loop {
            let cluster = self.clusters.get(number);
            if cluster.group == group {
                return Some(number);
            }
            number = cluster.next;
            if number == first {
                return None;
            }
        }
    }

    /// The clusters of a SKU with their numbers, in no meaningful order.
    pub(crate) fn clusters_of(&self, sku: u32) -> impl Iterator<Item = (u32, &Cluster)> {
        let first = self.sku_entries.get(sku).first_cluster;
        (first != NO_SLOT).then(|| self.ring_of(first)).into_iter().flatten()
    }

    /// All clusters of a SKU, beginning with this one and following the ring.
    pub(crate) fn ring_of(&self, first: u32) -> impl Iterator<Item = (u32, &Cluster)> {
        let at = |number: u32| (number, self.clusters.get(number));
        std::iter::successors(Some(at(first)), move |(_, cluster)| {
            (cluster.next != first).then(|| at(cluster.next))
        })
    }

    /// The source items of a SKU with their slots, in the order of their creation.
    pub(crate) fn items_of(&self, sku: u32) -> impl Iterator<Item = (u32, &ItemRow)> {
        let at = |slot: u32| (slot != NO_SLOT).then(|| (slot, self.items.get(slot)));
        std::iter::successors(at(self.sku_entries.get(sku).first_item), move |(_, item)| at(item.next))
    }

    /// Stores a new source item at the end of the list of its SKU.
    pub(crate) fn add_item(&mut self, row: ItemRow) -> u32 {
        let last = self.items_of(row.sku).last().map(|(slot, _)| slot);
        self.add_item_after(last, row)
    }

    /// Stores new source items of one SKU at the end of its list.
    pub(crate) fn add_items(&mut self, sku: u32, rows: &[ItemRow]) {
        let mut last = self.items_of(sku).last().map(|(slot, _)| slot);
        for row in rows {
            last = Some(self.add_item_after(last, *row));
        }
    }

    fn add_item_after(&mut self, last: Option<u32>, row: ItemRow) -> u32 {
        let slot = self.items.insert(ItemRow { next: NO_SLOT, ..row });
        match last {
            Some(last) => self.items.get_mut(last).next = slot,
            None => self.sku_entries.get_mut(row.sku).first_item = slot,
        }
        slot
    }

    /// Removes source items of one SKU. Their slots must be sorted.
    pub(crate) fn remove_items(&mut self, sku: u32, slots: &[u32]) -> Vec<ItemRow> {
        let (mut removed, mut kept) = (Vec::with_capacity(slots.len()), NO_SLOT);
        let mut slot = std::mem::replace(&mut self.sku_entries.get_mut(sku).first_item, NO_SLOT);
        while slot != NO_SLOT {
            let next = self.items.get(slot).next;
            if slots.binary_search(&slot).is_ok() {
                removed.push(self.items.remove(slot));
            } else {
                match kept {
                    NO_SLOT => self.sku_entries.get_mut(sku).first_item = slot,
                    kept => self.items.get_mut(kept).next = slot,
                }
                kept = slot;
            }
            slot = next;
        }
        if kept != NO_SLOT {
            self.items.get_mut(kept).next = NO_SLOT;
        }
        removed
    }

    /// The place of a line of a cart, or the reason why the SKU cannot be sold there at all.
    pub(crate) fn place_to_sell(&self, sku: u32, stock: u32) -> Result<At, Code> {
        let entry = self.entry_to_sell(sku)?;
        let in_group = self.catalog.layout.stock_in_group(stock).ok_or(Code::NotAssigned)?;
        let cluster = self.cluster_on(entry, in_group.group).ok_or(Code::NotAssigned)?;
        Ok(At { cluster, index: in_group.index })
    }

    /// The entry of a SKU that has units of its own.
    pub(crate) fn entry_to_sell(&self, sku: u32) -> Result<&SkuEntry, Code> {
        let entry = self.sku_entries.find(sku).ok_or(Code::UnknownName)?;
        if entry.is_composite { Err(Code::Composite) } else { Ok(entry) }
    }

    /// The cluster of a SKU in a group. It is created if it does not exist.
    pub(crate) fn cluster_or_new(&mut self, sku: u32, group: u32) -> u32 {
        if let Some(cluster) = self.cluster_of(sku, group) {
            return cluster;
        }
        self.new_cluster(sku, group)
    }

    /// Makes the cluster of a SKU in a group. It must not exist.
    pub(crate) fn new_cluster(&mut self, sku: u32, group: u32) -> u32 {
        let stocks = self.catalog.layout.group(group).stocks().iter();
        let settings: Vec<_> = stocks.map(|stock| self.settings_of(sku, *stock)).collect();
        let places: Places =
            settings.into_iter().map(|settings| Place::new(self.settings_in_force.share(settings))).collect();
        let cluster = Cluster::new(sku, group, self.catalog.layout.group(group), places);
        let number = self.clusters.push(cluster);
        // The new cluster is linked behind the first one, or to itself. A walk to the last one would make a SKU in many
        // groups cost the square of their number.
        let first = self.sku_entries.get(sku).first_cluster;
        let next = if first == NO_SLOT {
            self.sku_entries.get_mut(sku).first_cluster = number;
            number
        } else {
            std::mem::replace(&mut self.clusters.get_mut(first).next, number)
        };
        self.clusters.get_mut(number).next = next;
        let mut changes = std::mem::take(&mut self.changes);
        self.doors_of(number, &mut changes);
        self.changes = changes;
        number
    }

    /// The settings in force for a SKU in a stock.
    pub(crate) fn settings_of(&self, sku: u32, stock: u32) -> crate::stock::settings::Effective {
        let level = |scope: (u32, u32)| -> Option<&Overrides> {
            self.settings_by_scope.get(&scope).map(|slot| &self.settings.get(*slot).values)
        };
        let decimals = self.skus.decimals(sku);
        let special = if self.settings_by_scope.is_empty() {
            [None, None]
        } else {
            [level((sku, crate::ledger::record::ALL_STOCKS)), level((sku, stock))]
        };
        crate::stock::settings::Effective::merge(
            [Some(&self.catalog.global), special[0], special[1]],
            decimals,
        )
    }
}
