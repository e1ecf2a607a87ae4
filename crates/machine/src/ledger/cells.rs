//! Cells: the quantity that a stock can still promise of a SKU, as published for readers, and the list of
//! changed cells. This module only reads the state, except that it ends holds whose deadline has passed.

use crate::ledger::changes::{CellChange, Changes, SkuChange};
use crate::ledger::state::State;
use crate::stock::cluster::{Cluster, NEVER, Place};
use crate::stock::settings::NO_DOORS;
use crate::table::{NO_SLOT, PREFETCH_WIDTH};
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, Name};
use stockhold_protocol::{ChannelId, SkuId, StockId};

/// Buffers for the cells of several clusters.
#[derive(Default)]
struct Buffers {
    left: Vec<i64>,
    /// The last SKU and its next deadline. Clusters of one SKU that change together follow each other.
    deadline: Option<(u32, u32)>,
}

impl State {
    /// Computes the cells of changed clusters and moves all changes to `into`.
    pub(crate) fn take_changes(&mut self, into: &mut Changes) {
        self.sum_positions();
        let mut buffers = Buffers::default();
        let mut changes = std::mem::take(&mut self.changes);
        let list = self.changed_clusters.take();
        // The clusters that changed last are first, because they are still in the cache.
        for clusters in list.rchunks(PREFETCH_WIDTH) {
            self.prefetch_clusters(clusters);
            for cluster in clusters {
                // This does not put the cluster on the list of changed clusters again.
                if self.clusters.get(*cluster).next_deadline <= self.now_s() {
                    self.settle_due(*cluster);
                    buffers.deadline = None;
                }
                self.cells_of(*cluster, &mut buffers, &mut changes);
            }
        }
        self.changed_clusters.reuse(list);
        while let Some(name) = self.catalog.next_ended_name(self.core.time) {
            changes.ended_names.push(name);
        }
        self.changes = changes;
        into.clear();
        std::mem::swap(into, &mut self.changes);
        self.put_clock(into);
    }

    /// All cells, names and channels, to fill the published tables after a start.
    pub(crate) fn all_changes(&self, into: &mut Changes) {
        into.clear();
        self.put_clock(into);
        let mut buffers = Buffers::default();
        for number in 0..u32::try_from(self.clusters.len()).unwrap_or(u32::MAX) {
            self.cells_of(number, &mut buffers, into);
            self.doors_of(number, into);
        }
        for row in self.skus.iter() {
            into.names.push((Name::Sku(row.name), row.sku));
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
        let old_names = self.catalog.old_names().iter().map(|(_, old)| old);
        for old in old_names.filter(|old| self.core.time < old.until) {
            into.names.push((old.name.clone(), old.number));
        }
    }

    fn put_clock(&self, into: &mut Changes) {
        into.hold_offset_ms = self.hold_offset_ms();
        into.last_time = (self.core.time, self.shown(self.core.time));
    }

    /// The times of the sales of a cluster, as far as there are any.
    pub(crate) fn doors_of(&self, number: u32, into: &mut Changes) {
        let cluster = self.clusters.get(number);
        let stocks = self.catalog.layout.group(cluster.group).stocks();
        for (stock, place) in stocks.iter().zip(cluster.places.iter()) {
            let times = place.settings.sale_times();
            if times != NO_DOORS {
                into.doors.insert((SkuId(cluster.sku), StockId(*stock)), times);
            }
        }
    }

    fn cells_of(&self, number: u32, buffers: &mut Buffers, into: &mut Changes) {
        let cluster = self.clusters.get(number);
        let group = self.catalog.layout.group(cluster.group);
        let left = &mut buffers.left;
        cluster.pool.left_all(group, left);
        let sku = SkuId(cluster.sku);
        for ((index, stock), left) in (0_u32..).zip(group.stocks()).zip(left.iter()) {
            let value = self.cell_value(cluster, index, *left);
            into.cells.push(CellChange { sku, stock: StockId(*stock), value, upper_bound: false });
        }
        let cells = u32::try_from(group.stocks().len()).unwrap_or(u32::MAX);
        // A SKU can be in several groups; its deadline is the earliest of all of them.
        let next_deadline_s = match buffers.deadline {
            Some((of, second)) if of == cluster.sku => second,
            Some(_) | None => {
                self.ring_of(number).fold(NEVER, |next, (_, other)| next.min(other.next_deadline))
            }
        };
        buffers.deadline = Some((cluster.sku, next_deadline_s));
        into.skus.push(SkuChange { sku, next_deadline_s, cells });
    }

    /// The value of a cell: what the stock can still promise, as published for readers.
    #[inline]
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

    /// The promised units of a SKU in a stock.
    pub(crate) fn promised(&self, sku: u32, stock: u32) -> i64 {
        let Some(at) = self.find(sku, stock) else { return 0 };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.pool_at(group, self.now_s()).promised(group, at.index)
    }

    /// What the quota of a place leaves; `i64::MAX` without a quota.
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
