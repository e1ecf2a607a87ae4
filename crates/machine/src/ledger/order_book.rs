//! Which orders there are and how many are unsettled. Everything here is derived from the records of orders and
//! reservations.
//!
//! Time settles orders and ends them, without a command: a hold lapses at its deadline, and an order of which nothing was
//! ever confirmed ends with the record of its last reservation. So both are counted by second, and a second that passes
//! takes all of its orders at once.

use crate::ledger::record::OrderRow;
use crate::table::{DueList, Index, NO_SLOT, Slab};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct OrderBook {
    index: Index,
    /// The settled order that changed first, and the one that changed last.
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// Orders of which units were confirmed.
    kept: u64,
    /// Other orders. They end with their last reservation.
    passing: u64,
    /// Orders with open confirmed units.
    open: u64,
    /// Orders whose only open units are held.
    held: u64,
    /// The number of the latter by the second in which their last hold lapses.
    lapses: BTreeMap<u32, u64>,
    /// The hashes of passing orders by the second in which they end.
    due: DueList,
    /// Orders whose open units are, or may become, other than what the shop expects, by their keys.
    pub(crate) to_check: BTreeMap<u64, u32>,
    /// The op time, in milliseconds, before which no settled order ends.
    pub(crate) upkeep_ms: u64,
    /// The key of the order that was made last by this process.
    pub(crate) last_key: u64,
    /// While a snapshot is loaded: the orders with further parts, by their keys.
    pub(crate) with_further_parts: BTreeMap<u64, u32>,
}

impl OrderBook {
    pub(crate) const fn new() -> Self {
        Self {
            index: Index::new(),
            oldest: NO_SLOT,
            newest: NO_SLOT,
            kept: 0,
            passing: 0,
            open: 0,
            held: 0,
            lapses: BTreeMap::new(),
            due: DueList::new(),
            to_check: BTreeMap::new(),
            upkeep_ms: u64::MAX,
            last_key: 0,
            with_further_parts: BTreeMap::new(),
        }
    }

    /// The number of orders.
    pub(crate) const fn len(&self) -> u64 {
        self.kept.saturating_add(self.passing)
    }

    /// The number of orders with open units.
    pub(crate) const fn unsettled(&self) -> u64 {
        self.open.saturating_add(self.held)
    }

    /// Heap bytes in use, apart from the records.
    pub(crate) fn bytes(&self) -> usize {
        let node = size_of::<(u32, u64)>().saturating_mul(2);
        self.index
            .bytes()
            .saturating_add(self.due.bytes())
            .saturating_add(self.lapses.len().saturating_mul(node))
            .saturating_add(self.to_check.len().saturating_mul(node))
    }

    pub(crate) fn find(&self, number: &[u8], is_match: impl FnMut(u32) -> bool) -> Option<u32> {
        self.index.find(xxh3_64(number), is_match)
    }

    pub(crate) fn insert(&mut self, slot: u32, rows: &Slab<OrderRow>) {
        let hash_of = |slot| xxh3_64(rows.get(slot).number());
        self.index.insert(hash_of(slot), slot, hash_of);
    }

    pub(crate) fn remove(&mut self, slot: u32, number: &[u8]) {
        let was_indexed = self.index.remove(xxh3_64(number), slot);
        assert!(was_indexed, "a stored order is found by its number");
    }

    /// Counts an order with this hash, at this second of hold time.
    pub(crate) fn count(&mut self, row: &OrderRow, hash: u64, now_s: u32) {
        if row.is_kept() {
            self.kept = self.kept.saturating_add(1);
        } else {
            self.passing = self.passing.saturating_add(1);
            self.due.add_hash(row.ends_at_s, hash);
        }
        if row.open_lines > 0 {
            self.open = self.open.saturating_add(1);
        } else if row.held_until_s > now_s {
            self.held = self.held.saturating_add(1);
            let lapsing = self.lapses.entry(row.held_until_s).or_default();
            *lapsing = lapsing.saturating_add(1);
        }
    }

    /// Undoes [`OrderBook::count`] before the order changes.
    pub(crate) fn uncount(&mut self, row: &OrderRow, hash: u64, now_s: u32) {
        if row.is_kept() {
            self.kept = self.kept.saturating_sub(1);
        } else {
            self.passing = self.passing.saturating_sub(1);
            self.due.sub_hash(row.ends_at_s, hash);
        }
        if row.open_lines > 0 {
            self.open = self.open.saturating_sub(1);
        } else if row.held_until_s > now_s {
            self.held = self.held.saturating_sub(1);
            let Some(lapsing) = self.lapses.get_mut(&row.held_until_s) else {
                unreachable!("an order was counted at the second in which its last hold lapses");
            };
            *lapsing = lapsing.saturating_sub(1);
            if *lapsing == 0 {
                self.lapses.remove(&row.held_until_s);
            }
        }
    }

    /// Lets all seconds up to `now_s` pass. Returns the sum of the hashes of the orders that have ended.
    pub(crate) fn pass(&mut self, now_s: u32) -> u64 {
        while let Some(entry) = self.lapses.first_entry().filter(|entry| *entry.key() <= now_s) {
            self.held = self.held.saturating_sub(entry.remove());
        }
        let (hashes, ended) = self.due.take_hashes(now_s);
        self.passing = self.passing.saturating_sub(ended);
        hashes
    }
}
