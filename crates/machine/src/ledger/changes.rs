//! Changes that readers must see: cells of SKUs in stocks, deadlines, names and channels.
//!
//! The applier takes them after a batch and publishes them before it sends any answer of the batch. They
//! are not part of the state.

use std::collections::BTreeMap;
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, SkuId, StockId, Timestamp};

/// One SKU whose cells changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SkuChange {
    /// Which SKU.
    pub sku: SkuId,
    /// The earliest second of hold time at which one of its holds ends; `u32::MAX` = none. Until then its
    /// cells are exact.
    pub next_deadline_s: u32,
    /// How many of [`Changes::cells`] belong to this SKU. They follow in the order of the SKUs.
    pub cells: u32,
}

/// One SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CellChange {
    /// Which SKU.
    pub sku: SkuId,
    /// In which stock.
    pub stock: StockId,
    /// The quantity that can still be promised, in ten-thousandths, or a `CELL_` sentinel of the protocol.
    pub value: i64,
    /// The value is an upper bound: a check that it affects must ask the applier.
    pub upper_bound: bool,
}

/// The opening and the closing of a sale by the wall clock; 0 = it has no such time.
pub type SaleTimes = (Timestamp, Timestamp);

/// All changes since they were last taken.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Changed SKUs.
    pub skus: Vec<SkuChange>,
    /// Their cells.
    pub cells: Vec<CellChange>,
    /// New names and their numbers.
    pub names: Vec<(Name, u32)>,
    /// Old names whose grace has ended, so that they mean nothing any more. None of them is in `names`.
    pub ended_names: Vec<Name>,
    /// Changed channels and the stocks that they sell from now.
    pub channels: Vec<(ChannelId, StockId)>,
    /// Op time minus hold time as of the last op, in milliseconds. Deadlines are in hold time.
    pub hold_offset_ms: u64,
    /// Changed times of sales, by SKU and stock.
    pub doors: BTreeMap<(SkuId, StockId), SaleTimes>,
    /// The time of the last op, by the log and by the wall clock.
    pub last_time: (Timestamp, Timestamp),
}

impl Changes {
    /// Removes everything and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.skus.clear();
        self.cells.clear();
        self.names.clear();
        self.ended_names.clear();
        self.channels.clear();
        self.doors.clear();
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skus.is_empty()
            && self.names.is_empty()
            && self.ended_names.is_empty()
            && self.channels.is_empty()
            && self.doors.is_empty()
    }
}

/// A set of the clusters whose cells must be published again.
#[derive(Debug, Default)]
pub(crate) struct ChangedClusters {
    list: Vec<u32>,
    /// A bit for each cluster on the list.
    listed: Vec<u64>,
}

impl ChangedClusters {
    /// Adds a cluster, if it is not on the list already.
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

    /// Takes the list. The caller returns its memory with [`reuse`](Self::reuse).
    pub(crate) fn take(&mut self) -> Vec<u32> {
        for cluster in &self.list {
            self.listed[(cluster / u64::BITS) as usize] &= !(1 << (cluster % u64::BITS));
        }
        std::mem::take(&mut self.list)
    }

    pub(crate) fn reuse(&mut self, mut list: Vec<u32>) {
        list.clear();
        self.list = list;
    }

    /// Removes all clusters.
    pub(crate) fn clear(&mut self) {
        let list = self.take();
        self.reuse(list);
    }
}
