//! Plays the ledger back in the order of ops and checks whether more was promised than there was at any moment.
//!
//! The sum at the end misses an oversell that was given back later. A hold is removed at the first op by which it
//! *may* have expired, so that uncertainty about the server's clock cannot cause a false alarm.

use crate::facts::SkuFacts;
use crate::ledger::{Entry, EntryState, Ledger};
use crate::shortfall::worst;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use stockhold_protocol::{SkuId, StockId};

/// Groups of more stocks than this are checked only after every 64th grant.
const EVERY_GRANT_STOCKS_MAX: usize = 6;
const LARGE_GROUP_STRIDE: usize = 64;

/// One promise of one SKU.
#[derive(Clone, Copy, Debug)]
struct Promise {
    sku: SkuId,
    since_op: u64,
    /// `u64::MAX`: never closed.
    closed_op: u64,
    stock: StockId,
    quantity: i64,
    /// The earliest time at which it may expire, in milliseconds. `u64::MAX`: never.
    expires_ms: u64,
}

/// For each op, the latest time that it can have had. The deadline and TTL of a later hold bound it.
#[derive(Debug)]
struct LatestTimes(Vec<(u64, u64)>);

impl LatestTimes {
    fn of(entries: &[Entry]) -> Self {
        let holds =
            entries.iter().filter(|entry| entry.code.is_success() && entry.ttl_ms > 0 && entry.answered > 0);
        let mut times: Vec<(u64, u64)> = holds
            .map(|entry| {
                (entry.op, (u64::from(entry.answered) * 1_000).saturating_sub(u64::from(entry.ttl_ms)))
            })
            .collect();
        times.sort_unstable();
        let mut latest = u64::MAX;
        for (_, time) in times.iter_mut().rev() {
            latest = latest.min(*time);
            *time = latest;
        }
        Self(times)
    }

    fn at(&self, op: u64) -> u64 {
        let next = self.0.partition_point(|(known, _)| *known < op);
        self.0.get(next).map_or(u64::MAX, |(_, time)| *time)
    }
}

/// The largest shortfall at any op, in ten-thousandths, with the SKU and the op. `None`: there was none.
#[must_use]
pub fn worst_moment(ledger: &Ledger, facts: &[SkuFacts]) -> Option<(SkuId, u64, i64)> {
    let times = LatestTimes::of(ledger.entries());
    let mut promises: Vec<Promise> = promises(ledger);
    promises.sort_unstable_by_key(|promise| (promise.sku, promise.since_op));
    promises
        .chunk_by(|one, other| one.sku == other.sku)
        .filter_map(|of_sku| {
            let sku = of_sku.first()?.sku;
            let facts = facts.iter().find(|facts| facts.sku == sku)?;
            worst_of_sku(facts, of_sku, &times).map(|(op, lack)| (sku, op, lack))
        })
        .max_by_key(|(_, _, lack)| *lack)
}

fn promises(ledger: &Ledger) -> Vec<Promise> {
    let mut promises = Vec::new();
    for (at, entry) in ledger.entries().iter().enumerate().filter(|(_, entry)| entry.code.is_success()) {
        let stays = entry.state == EntryState::Confirmed || entry.deadline.0 == 0;
        for line in ledger.open_lines(at, entry) {
            promises.push(Promise {
                sku: line.sku,
                since_op: entry.since_op,
                closed_op: if entry.state == EntryState::Closed { entry.closed_op } else { u64::MAX },
                stock: entry.stock,
                quantity: line.quantity.raw(),
                expires_ms: if stays { u64::MAX } else { entry.deadline.timestamp().0 },
            });
        }
    }
    promises
}

/// Plays the promises of one SKU, which are sorted by their first op.
fn worst_of_sku(facts: &SkuFacts, promises: &[Promise], times: &LatestTimes) -> Option<(u64, i64)> {
    let mut sums: BTreeMap<StockId, i64> = BTreeMap::new();
    let mut alive = vec![true; promises.len()];
    // Ends of promises by op, and by time.
    let mut by_op = BinaryHeap::new();
    let mut by_time = BinaryHeap::new();
    let stride = if facts.stocks.len() <= EVERY_GRANT_STOCKS_MAX { 1 } else { LARGE_GROUP_STRIDE };
    let mut worst_yet = None;
    for (at, promise) in promises.iter().enumerate() {
        let op = promise.since_op;
        let latest = times.at(op);
        let mut end = |at: usize| {
            if std::mem::replace(&mut alive[at], false) {
                *sums.entry(promises[at].stock).or_default() -= promises[at].quantity;
            }
        };
        while let Some(ended) = pop_due(&mut by_op, op) {
            end(ended);
        }
        while let Some(ended) = pop_due(&mut by_time, latest) {
            end(ended);
        }
        *sums.entry(promise.stock).or_default() += promise.quantity;
        if promise.closed_op < u64::MAX {
            by_op.push(Reverse((promise.closed_op, at)));
        }
        if promise.expires_ms < u64::MAX {
            by_time.push(Reverse((promise.expires_ms, at)));
        }
        let is_last_of_op = promises.get(at + 1).is_none_or(|next| next.since_op != op);
        if is_last_of_op && (at % stride == 0 || at + 1 == promises.len()) {
            let lack = worst(facts, &sums);
            if lack > worst_yet.map_or(0, |(_, lack)| lack) {
                worst_yet = Some((op, lack));
            }
        }
    }
    worst_yet
}

/// Removes the earliest entry if it is due at `until`.
fn pop_due(heap: &mut BinaryHeap<Reverse<(u64, usize)>>, until: u64) -> Option<usize> {
    let Reverse((due, _)) = heap.peek()?;
    if *due > until { None } else { heap.pop().map(|Reverse((_, at))| at) }
}
