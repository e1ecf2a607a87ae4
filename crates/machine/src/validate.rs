//! The machine's own invariants, checked from the records up: what recovery, tests and operators run.
//!
//! Slow on purpose: it counts everything again and compares. It changes nothing; holds that have ended but
//! are not yet swept are taken into account.

use crate::machine::Machine;
use crate::record::{Record, Stage};
use crate::sharing::Pool;
use crate::state::State;
use crate::table::{Digest, NO_SLOT};
use std::collections::BTreeMap;
use stockhold_protocol::Deadline;

/// Violations that are told at most; a broken state has many, and the first ones say enough.
const TOLD_MAX: usize = 100;

/// What is promised in one stock of one SKU: to orders, and to holds that stand in a bucket.
#[derive(Default, PartialEq, Eq, Debug, Clone, Copy)]
struct Sums {
    confirmed: i64,
    held: i64,
}

impl Machine {
    /// Broken invariants, as sentences; empty when all hold.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut say = |sentence: String| {
            if told.len() < TOLD_MAX {
                told.push(sentence);
            }
        };
        let sums = self.state.check_reservations(&mut say);
        self.state.check_clusters(&sums, &mut say);
        self.state.check_digest(&mut say);
        told
    }
}

impl State {
    /// Checks every reservation and sums what they promise, by (SKU, stock).
    fn check_reservations(&self, say: &mut dyn FnMut(String)) -> BTreeMap<(u32, u32), Sums> {
        let mut sums: BTreeMap<(u32, u32), Sums> = BTreeMap::new();
        let mut lines = Vec::new();
        for (slot, row) in self.reservations.iter() {
            let id = row.id();
            if self.slot_of(id) != Some(slot) {
                say(format!("reservation {id} does not stand in the index"));
            }
            self.lines_of(slot, &mut lines);
            if lines.len() != usize::from(row.grant().lines) {
                say(format!("reservation {id} has {} lines instead of {}", lines.len(), row.grant().lines));
            }
            let is_open = matches!(row.stage, Stage::Held | Stage::Confirmed);
            for line in &lines {
                let in_range = line.open >= 0 && line.returned >= 0 && line.returned <= line.shipped;
                if !in_range || (!is_open && line.open != 0) {
                    say(format!("reservation {id} has a line out of range: {line:?}"));
                }
                if !line.counts {
                    continue;
                }
                let sum = sums.entry((line.sku, row.stock)).or_default();
                match row.stage {
                    Stage::Confirmed => sum.confirmed = sum.confirmed.saturating_add(line.open),
                    Stage::Held if !Deadline(row.deadline_s).has_passed(self.core.time) => {
                        sum.held = sum.held.saturating_add(line.open);
                    }
                    Stage::Held | Stage::Released | Stage::Shipped | Stage::Replaced => {}
                }
            }
        }
        sums
    }

    /// Compares clusters with what reservations and items say.
    fn check_clusters(&self, sums: &BTreeMap<(u32, u32), Sums>, say: &mut dyn FnMut(String)) {
        let mut unseen = sums.clone();
        unseen.retain(|_, sum| *sum != Sums::default());
        for cluster in self.clusters.iter() {
            let group = self.catalog.layout.group(cluster.group);
            let mut pool = Pool::new(group);
            for (_, item) in self.items_of(cluster.sku) {
                if let Some(seat) =
                    self.seat_of_source(item.source).filter(|seat| seat.group == cluster.group)
                {
                    pool.change_supply(group, seat.index, None, Some(self.supply_of(item)));
                }
            }
            for (index, stock) in (0_u32..).zip(group.stocks()) {
                let place = cluster.place(index);
                let name = (cluster.sku, *stock);
                unseen.remove(&name);
                let sum = sums.get(&name).copied().unwrap_or_default();
                let confirmed =
                    if place.position == NO_SLOT { 0 } else { self.positions.get(place.position).confirmed };
                let has_quota = place.position != NO_SLOT && self.positions.get(place.position).has_quota();
                if place.has_quota != has_quota {
                    say(format!("sku {} in stock {stock} is wrong about its quota", cluster.sku));
                }
                pool.add_promise(group, index, confirmed.saturating_add(place.units_held()));
                let swept = cluster.next_deadline > self.now_s();
                if confirmed != sum.confirmed || (swept && place.units_held() != sum.held) {
                    say(format!(
                        "sku {} in stock {stock} counts {confirmed} and {} but its reservations promise {sum:?}",
                        cluster.sku,
                        place.units_held()
                    ));
                }
                if place.sums() != (place.units_held(), place.quota_held()) {
                    say(format!("sku {} in stock {stock} sums its buckets wrongly", cluster.sku));
                }
            }
            if pool != cluster.pool {
                say(format!(
                    "the pool of sku {} in group {} differs from its items and promises",
                    cluster.sku, cluster.group
                ));
            }
        }
        for ((sku, stock), sum) in unseen {
            say(format!("sku {sku} in stock {stock} is promised {sum:?} but stands in no cluster"));
        }
    }

    fn check_digest(&self, say: &mut dyn FnMut(String)) {
        let mut digest = Digest::EMPTY;
        let mut bytes = Vec::new();
        let mut add = |hash: u64| digest.add(hash);
        self.skus.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.settings.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.items.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.positions.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        for (_, row) in self.reservations.iter() {
            if row.ends_at_s() != 0 && row.ends_at_s() <= self.now_s() {
                continue;
            }
            add(row.hash(&mut bytes));
            let mut next = row.more;
            while next != NO_SLOT {
                let line = self.lines.get(next);
                add(line.hash(&mut bytes));
                next = line.next;
            }
            let mut next = row.notes;
            while next != NO_SLOT {
                let note = self.notes.get(next);
                add(note.hash(&mut bytes));
                next = note.next;
            }
        }
        self.outcomes.for_each(|row, arena| {
            add(row.hash(if row.has_side() { arena.get(row.value()) } else { &[] }, &mut bytes));
        });
        for (_, row) in self.reservations.iter() {
            if let Some(outcome) = self.outcome_of_grant(row) {
                add(outcome.hash(&[], &mut bytes));
            }
        }
        let running = self.whole_digest();
        if digest != running {
            say(format!("the running digest {running} differs from that of the records, {digest}"));
        }
    }
}
