//! Counts the promises of reservations again, as of one op, and compares them with the promises that
//! clusters count.
//!
//! A reservation adds its open units to a sum per SKU and stock. A cluster subtracts the units that it
//! counts there. So every sum must be zero at the end. Each reservation and cluster is visited once, in any
//! order: either by a cursor, or just before its first change since the mark (`State::recount_reservation`,
//! `State::recount_cluster`). So commands can be applied between two steps, and each command pays at most
//! for the records that it is the first to change.

use crate::ledger::findings::{Findings, SUMS_MAX};
use crate::ledger::record::Stage;
use crate::ledger::recount_progress::{Recount, Sums, VisitOnce};
use crate::ledger::state::State;
use crate::stock::sharing::Pool;
use crate::table::{NO_SLOT, Progress};
use std::collections::BTreeMap;
use stockhold_protocol::Deadline;

impl Recount {
    /// A recount as of the last op.
    pub(crate) fn new(state: &State) -> Self {
        let clusters = u32::try_from(state.clusters.len()).unwrap_or(u32::MAX);
        Self {
            op: state.core.op,
            time: state.hold_time(),
            reservations: VisitOnce::new(state.reservations.slots()),
            unreserved: VisitOnce::new(state.unreserved.slots()),
            clusters: VisitOnce::new(clusters),
            cluster_checks: VisitOnce::new(clusters),
            orders: VisitOnce::new(state.orders.slots()),
            old_names: 0,
            notifies: None,
            sums: BTreeMap::new(),
            findings: Findings::default(),
            has_overflowed: false,
        }
    }

    /// Checks records until about `budget` have been checked.
    pub(crate) fn step(&mut self, state: &State, budget: u32) -> Progress {
        let mut left = budget;
        while left > 0 {
            let cost = if let Some(slot) = self.reservations.next() {
                self.visit_reservation(state, slot)
            } else if let Some(slot) = self.unreserved.next() {
                self.visit_unreserved(state, slot)
            } else if let Some(number) = self.clusters.next() {
                self.visit_cluster(state, number)
            } else if let Some(number) = self.cluster_checks.next() {
                self.check_cluster(state, number)
            } else if let Some(slot) = self.orders.next() {
                self.check_order(state, slot)
            } else if let Some(op) = state.catalog.old_names().next_op(self.old_names) {
                self.check_old_name(state, op)
            } else if let Some((item, is_sound)) = state.next_notify(self.notifies) {
                self.check_notify(item, is_sound)
            } else if self.sums.pop_first().is_some_and(|entry| self.report(entry)) {
                1
            } else {
                return Progress::Done;
            };
            left = left.saturating_sub(cost);
        }
        Progress::More
    }

    /// The findings, after the last step.
    pub(crate) fn finish(mut self) -> Findings {
        if self.has_overflowed {
            self.findings.add(|| {
                format!(
                    "more than {SUMS_MAX} SKUs in stocks have promises: too many to compare them here; `stockhold verify` \
                     compares a copy of the directory with its log"
                )
            });
        }
        self.findings
    }

    fn check_old_name(&mut self, state: &State, op: u64) -> u32 {
        self.old_names = op;
        if !state.is_sound_old_name(op) {
            self.findings.add(|| {
                format!("the old name of op {op} belongs to no thing, or another thing has the name")
            });
        }
        1
    }

    fn check_notify(&mut self, (sku, source): (u32, u32), is_sound: bool) -> u32 {
        self.notifies = Some((sku, source));
        if !is_sound {
            self.findings
                .add(|| format!("the low-stock configuration of sku {sku} at source {source} is wrong"));
        }
        1
    }

    /// Checks one reservation as of the mark and adds its promises. Returns the cost.
    fn visit_reservation(&mut self, state: &State, slot: u32) -> u32 {
        // The slot is free, or it was given to a reservation after the mark.
        if !state.reservations.contains(slot) || state.reservations.get(slot).grant().op > self.op {
            return 1;
        }
        let row = state.reservations.get(slot);
        let id = row.id();
        if state.slot_of(id) != Some(slot) {
            self.findings.add(|| format!("reservation {id} is not in the index"));
        }
        let mut lines = Vec::new();
        state.lines_of(slot, &mut lines);
        if lines.len() < usize::from(row.grant().lines) {
            let (found, expected) = (lines.len(), row.grant().lines);
            self.findings.add(|| format!("reservation {id} has {found} lines instead of {expected}"));
        }
        let mut shipments = Vec::new();
        state.shipments_of(slot, &mut shipments);
        let out = lines.iter().map(|line| line.shipped.saturating_sub(line.returned));
        let (out, noted) = (out.fold(0, i64::saturating_add), shipments.iter().map(|one| one.units));
        let noted = noted.fold(0, i64::saturating_add);
        if out != noted {
            self.findings.add(|| {
                format!(
                    "reservation {id} has {out} ten-thousandths at customers, but its sources shipped {noted}"
                )
            });
        }
        let is_open = matches!(row.stage(), Stage::Held | Stage::Confirmed);
        for line in &lines {
            let in_range = line.open >= 0 && line.returned >= 0 && line.returned <= line.shipped;
            if !in_range || (!is_open && line.open != 0) {
                self.findings.add(|| format!("reservation {id} has a line out of range: {line:?}"));
            }
            if !line.counts {
                continue;
            }
            let promised = match row.stage() {
                Stage::Confirmed => Sums { confirmed: line.open, held: 0 },
                Stage::Held if !Deadline(row.deadline_s).has_passed(self.time) => {
                    Sums { confirmed: 0, held: line.open }
                }
                Stage::Held | Stage::Released | Stage::Shipped | Stage::Replaced => continue,
            };
            if promised != Sums::default() && state.find(line.sku, row.stock).is_none() {
                let (sku, stock) = (line.sku, row.stock);
                self.findings.add(|| {
                    format!("sku {sku} in stock {stock} is promised {promised:?} but is in no cluster")
                });
                continue;
            }
            self.add((line.sku, row.stock), promised);
        }
        u32::try_from(lines.len()).unwrap_or(u32::MAX)
    }

    /// Adds units that are promised without a reservation, as of the mark. Returns the cost.
    fn visit_unreserved(&mut self, state: &State, slot: u32) -> u32 {
        if state.unreserved.contains(slot) {
            let row = state.unreserved.get(slot);
            self.add((row.sku, row.stock), Sums { confirmed: row.units, held: 0 });
        }
        1
    }

    /// Subtracts the promises that one cluster counts, as of the mark. Returns the cost.
    fn visit_cluster(&mut self, state: &State, number: u32) -> u32 {
        let cluster = state.clusters.get(number);
        let group = state.catalog.layout.group(cluster.group);
        for (place, stock) in cluster.places.iter().zip(group.stocks()) {
            let confirmed =
                if place.position == NO_SLOT { 0 } else { state.positions.get(place.position).confirmed };
            let (ended, _) = place.ended_at(self.time.second());
            let held = place.units_held().saturating_sub(ended);
            let counted =
                Sums { confirmed: 0_i64.saturating_sub(confirmed), held: 0_i64.saturating_sub(held) };
            self.add((cluster.sku, *stock), counted);
        }
        u32::try_from(cluster.places.len()).unwrap_or(u32::MAX)
    }

    fn add(&mut self, position: (u32, u32), more: Sums) {
        if more == Sums::default() || self.has_overflowed {
            return;
        }
        let sum = self.sums.entry(position).or_default();
        sum.confirmed = sum.confirmed.saturating_add(more.confirmed);
        sum.held = sum.held.saturating_add(more.held);
        if *sum == Sums::default() {
            self.sums.remove(&position);
        } else if self.sums.len() > SUMS_MAX {
            self.has_overflowed = true;
        }
    }

    /// Reports a sum that is not zero. Always returns true, so that the caller continues.
    fn report(&mut self, ((sku, stock), sum): ((u32, u32), Sums)) -> bool {
        if !self.has_overflowed {
            self.findings.add(|| {
                format!(
                    "the reservations and rows of sku {sku} in stock {stock} promise {} confirmed and {} held units \
                     (in ten-thousandths) more than the stock counts",
                    sum.confirmed, sum.held
                )
            });
        }
        true
    }

    /// Compares the numbers of one cluster with its source items and places, as of now. Returns the cost.
    fn check_cluster(&mut self, state: &State, number: u32) -> u32 {
        let cluster = state.clusters.get(number);
        let group = state.catalog.layout.group(cluster.group);
        let mut pool = Pool::new(group);
        let mut cost = cluster.places.len().saturating_add(1);
        for (_, item) in state.items_of(cluster.sku) {
            cost = cost.saturating_add(1);
            if let Some(in_group) =
                state.source_in_group(item.source).filter(|in_group| in_group.group == cluster.group)
            {
                pool.change_supply(group, in_group.index, None, Some(state.supply_of(item)));
            }
        }
        for (index, stock) in (0_u32..).zip(group.stocks()) {
            let place = cluster.place(index);
            let row = (place.position != NO_SLOT).then(|| state.positions.get(place.position));
            if place.has_quota != row.is_some_and(crate::ledger::record::PositionRow::has_quota) {
                self.findings.add(|| format!("sku {} in stock {stock} has a wrong quota flag", cluster.sku));
            }
            let confirmed = row.map_or(0, |row| row.confirmed);
            pool.add_promise(group, index, confirmed.saturating_add(place.units_held()));
            if place.sums() != (place.units_held(), place.quota_held()) {
                self.findings
                    .add(|| format!("sku {} in stock {stock} has wrong sums of its holds", cluster.sku));
            }
        }
        if pool != cluster.pool {
            self.findings.add(|| {
                format!(
                    "the pool of sku {} in group {} differs from its source items and promises",
                    cluster.sku, cluster.group
                )
            });
        }
        u32::try_from(cost).unwrap_or(u32::MAX)
    }
}

impl State {
    /// Must be called before a reservation changes or is erased. A recount in progress then counts it as it
    /// was at the mark.
    #[inline]
    pub(crate) fn recount_reservation(&mut self, slot: u32) {
        if self.recount.is_some() {
            self.with_recount(|recount, state| {
                if recount.reservations.is_first_visit(slot) {
                    recount.visit_reservation(state, slot);
                }
            });
        }
    }

    /// Must be called before the record of units without a reservation is removed.
    pub(crate) fn recount_unreserved(&mut self, slot: u32) {
        if self.recount.is_some() {
            self.with_recount(|recount, state| {
                if recount.unreserved.is_first_visit(slot) {
                    recount.visit_unreserved(state, slot);
                }
            });
        }
    }

    /// Must be called after such a record was made. A recount in progress then does not count it.
    pub(crate) fn pass_unreserved(&mut self, slot: u32) {
        if let Some(recount) = &mut self.recount {
            recount.unreserved.is_first_visit(slot);
        }
    }

    /// Must be called before the promises of a cluster change.
    #[inline]
    pub(crate) fn recount_cluster(&mut self, number: u32) {
        if self.recount.is_some() {
            self.with_recount(|recount, state| {
                if recount.clusters.is_first_visit(number) {
                    recount.visit_cluster(state, number);
                }
            });
        }
    }

    /// Must be called before clusters are rebuilt. Everything that is left is counted and compared now. The
    /// duration is proportional to the size of the state, as is that of rebuilding the clusters.
    pub(crate) fn recount_rest(&mut self) {
        self.with_recount(|recount, state| {
            while let Some(slot) = recount.reservations.next() {
                recount.visit_reservation(state, slot);
            }
            while let Some(slot) = recount.unreserved.next() {
                recount.visit_unreserved(state, slot);
            }
            while let Some(number) = recount.clusters.next() {
                recount.visit_cluster(state, number);
            }
            while let Some(number) = recount.cluster_checks.next() {
                recount.check_cluster(state, number);
            }
        });
    }

    #[cold]
    #[inline(never)]
    fn with_recount(&mut self, visit: impl FnOnce(&mut Recount, &Self)) {
        if let Some(mut recount) = self.recount.take() {
            visit(&mut recount, self);
            self.recount = Some(recount);
        }
    }
}
