//! What changed for readers: cells of SKUs in stocks, deadlines, names, channels.
//!
//! The applier takes these after a batch and publishes them before any answer of the batch leaves. Nothing
//! here is state.

use crate::ahead::AHEAD;
use crate::cluster::{Cluster, NEVER, Place};
use crate::state::State;
use crate::table::NO_SLOT;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, Name};
use stockhold_protocol::{ChannelId, SkuId, StockId};

/// One SKU whose cells changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SkuChange {
    /// Which SKU.
    pub sku: SkuId,
    /// The earliest second of hold time in which a hold of it ends; `u32::MAX` = none. Until then the cells are exact.
    pub next_deadline_s: u32,
    /// How many of [`Changes::cells`] belong to it, in order.
    pub cells: u32,
}

/// One SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellChange {
    /// Which SKU.
    pub sku: SkuId,
    /// In which stock.
    pub stock: StockId,
    /// What can still be promised, in ten-thousandths; or a `CELL_` sentinel of the protocol.
    pub value: i64,
    /// The value is an upper bound: a check that meets it asks the applier.
    pub upper_bound: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Changed SKUs.
    pub skus: Vec<SkuChange>,
    /// Their cells.
    pub cells: Vec<CellChange>,
    /// New names and their numbers.
    pub names: Vec<(Name, u32)>,
    /// Channels and the stocks that they now sell from.
    pub channels: Vec<(ChannelId, StockId)>,
    /// Op time minus hold time, in milliseconds, as of the last op: deadlines are in hold time.
    pub hold_offset_ms: u64,
}

impl Changes {
    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.skus.clear();
        self.cells.clear();
        self.names.clear();
        self.channels.clear();
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skus.is_empty() && self.names.is_empty() && self.channels.is_empty()
    }
}

/// Clusters whose cells readers must see anew, each once.
#[derive(Debug, Default)]
pub(crate) struct ChangedClusters {
    list: Vec<u32>,
    /// A bit for each cluster on the list.
    listed: Vec<u64>,
}

impl ChangedClusters {
    /// Puts a cluster on the list.
    #[inline]
    pub(crate) fn push(&mut self, cluster: u32) {
        let word = (cluster / u64::BITS) as usize;
        if word >= self.listed.len() {
            self.listed.resize(word.saturating_add(1), 0);
        }
        let bit = 1 << (cluster % u64::BITS);
        if self.listed[word] & bit == 0 {
            self.listed[word] |= bit;
            self.list.push(cluster);
        }
    }

    /// Takes the list; whoever does gives its memory back by [`reuse`](Self::reuse).
    fn take(&mut self) -> Vec<u32> {
        for cluster in &self.list {
            self.listed[(cluster / u64::BITS) as usize] &= !(1 << (cluster % u64::BITS));
        }
        std::mem::take(&mut self.list)
    }

    fn reuse(&mut self, mut list: Vec<u32>) {
        list.clear();
        self.list = list;
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        let list = self.take();
        self.reuse(list);
    }
}

impl State {
    /// Computes the cells of changed clusters and swaps the changes out.
    pub(crate) fn take_changes(&mut self, into: &mut Changes) {
        self.sum_positions();
        let mut left = Vec::new();
        let mut changes = std::mem::take(&mut self.changes);
        let list = self.changed_clusters.take();
        // Those that changed last come first: they are still in the cache.
        for some in list.rchunks(AHEAD) {
            self.look_at_clusters(some);
            for cluster in some {
                // Not listed again: it is on the list.
                if self.clusters.get(*cluster).next_deadline <= self.now_s() {
                    self.settle_due(*cluster);
                }
                self.cells_of(*cluster, &mut left, &mut changes);
            }
        }
        self.changed_clusters.reuse(list);
        self.changes = changes;
        into.clear();
        std::mem::swap(into, &mut self.changes);
        into.hold_offset_ms = self.hold_offset_ms();
    }

    /// Everything that readers must know, for filling them after a start.
    pub(crate) fn all_changes(&self, into: &mut Changes) {
        into.clear();
        into.hold_offset_ms = self.hold_offset_ms();
        let mut left = Vec::new();
        for number in 0..u32::try_from(self.clusters.len()).unwrap_or(u32::MAX) {
            self.cells_of(number, &mut left, into);
        }
        for (_, row) in self.skus.iter() {
            into.names.push((Name::Sku(row.name().to_owned()), row.sku));
        }
        for (number, stock) in (0..).zip(&self.catalog.stocks) {
            into.names.push((Name::Stock(stock.clone()), number));
        }
        for (number, source) in (0..).zip(&self.catalog.sources) {
            into.names.push((Name::Source(source.code.clone()), number));
        }
        for (number, channel) in (0..).zip(&self.catalog.channels) {
            into.names.push((Name::Channel(channel.channel_type.clone(), channel.code.clone()), number));
            into.channels.push((ChannelId(number), StockId(channel.stock)));
        }
    }

    fn cells_of(&self, number: u32, left: &mut Vec<i64>, into: &mut Changes) {
        let cluster = self.clusters.get(number);
        let group = self.catalog.layout.group(cluster.group);
        cluster.pool.left_all(group, left);
        let sku = SkuId(cluster.sku);
        for ((index, stock), left) in (0_u32..).zip(group.stocks()).zip(left.iter()) {
            let value = self.cell_value(cluster, index, *left);
            into.cells.push(CellChange { sku, stock: StockId(*stock), value, upper_bound: false });
        }
        let cells = u32::try_from(group.stocks().len()).unwrap_or(u32::MAX);
        // A SKU may stand in several groups; its deadline is the earliest of all of them.
        let next_deadline_s =
            self.ring_of(number).fold(NEVER, |next, (_, other)| next.min(other.next_deadline));
        into.skus.push(SkuChange { sku, next_deadline_s, cells });
    }

    /// What can still be promised, as readers see it.
    pub(crate) fn cell_value(&self, cluster: &Cluster, index: u32, left: i64) -> i64 {
        let group = self.catalog.layout.group(cluster.group);
        if !cluster.pool.is_assigned(group, index) {
            return CELL_NOT_ASSIGNED;
        }
        let place = cluster.place(index);
        if !place.settings.manage_stock {
            return CELL_UNLIMITED;
        }
        let formula = left.saturating_sub(place.settings.eff_min());
        if !cluster.pool.any_in_stock(group, index) {
            return formula.min(0);
        }
        let formula = if place.settings.is_unlimited() { CELL_UNLIMITED } else { formula };
        formula.min(self.quota_left(place))
    }

    /// What the quota of a place leaves; the largest number where there is none.
    #[inline]
    pub(crate) fn quota_left(&self, place: &Place) -> i64 {
        if !place.has_quota || place.position == NO_SLOT {
            return i64::MAX;
        }
        let row = self.positions.get(place.position);
        let (_, ended) = place.ended_at(self.now_s());
        let held = place.quota_held().saturating_sub(ended);
        row.quota_limit.saturating_sub(row.quota_taken).saturating_sub(held)
    }
}
