//! Applies a plan. This cannot fail, because the verb and the guard have made all checks before. Quantities
//! and the digest change together.

use super::plan::{Account, LineCount, Movement, Plan, Planned, Report, ReservationChange};
use crate::decision::Answer;
use crate::ledger::record::{ItemRow, LineState, NO_QUOTA, PositionRow, Record, Shipment, Stage};
use crate::ledger::state::{At, State};
use crate::refusal::quantity;
use crate::stock::sharing::Supply;
use crate::table::NO_SLOT;
use std::collections::BTreeSet;
use stockhold_protocol::{Deadline, Detail};

/// A line is encoded with its quota number and a flag in one u32, so the number has 31 bits.
const QUOTA_NUMBER_MAX: u32 = u32::MAX >> 1;

impl State {
    /// Applies the complete plan.
    pub(crate) fn execute(&mut self, plan: &Plan) {
        let order = plan.order.or_else(|| plan.reservation.and_then(|change| self.order_of(change.slot)));
        for change in plan.changes() {
            self.remove_from_digest(change.slot);
        }
        if let Some(order) = order {
            self.begin_order_change(order);
        }
        for movement in &plan.movements {
            self.move_units(movement);
        }
        for other in &plan.others {
            self.change_reservation(&other.change, &other.lines, &other.shipments);
        }
        if let Some(change) = &plan.reservation {
            self.change_reservation(change, &plan.lines, &plan.shipments);
        }
        if let Some(order) = order {
            self.append_planned_event(order, plan);
            self.end_order_change(order);
        }
    }

    pub(super) fn change_reservation(
        &mut self,
        change: &ReservationChange,
        lines: &[LineState],
        shipments: &[Shipment],
    ) {
        if !shipments.is_empty() {
            self.set_shipments(change.slot, shipments);
        }
        self.change_record(change, lines);
    }

    /// Adds the report of an executed plan to its answer.
    pub(crate) fn with_report(&mut self, answer: Answer, plan: &Plan) -> Answer {
        let mut goods = plan.movements.iter().filter(|one| matches!(one.account, Account::Goods { .. }));
        match plan.report {
            Report::Nothing => answer,
            Report::Shortfall => {
                let skus: BTreeSet<u32> = goods.map(|one| one.sku).collect();
                let sum =
                    skus.into_iter().fold(0, |sum: i64, sku| sum.saturating_add(self.shortfall_of(sku)));
                answer.with(Detail::Shortfall(quantity(sum)))
            }
            Report::Item => {
                let Some(Movement { sku, account: Account::Goods { source, .. }, .. }) = goods.next() else {
                    unreachable!("a plan that reports a source item has a movement of its goods")
                };
                let slot = self.item_or_new(*sku, *source);
                let item = *self.items.get(slot);
                let shortfall = quantity(self.shortfall_of(item.sku));
                let on_hand = quantity(item.on_hand);
                Answer { value: item.version, ..answer }.with(Detail::Item {
                    on_hand,
                    version: item.version,
                    shortfall,
                })
            }
        }
    }

    pub(super) fn move_units(&mut self, movement: &Movement) {
        let Movement { sku, units, account, .. } = *movement;
        match account {
            Account::Order { stock, quota } => {
                let at = self.place_of_line(sku, stock);
                self.settle(at.cluster);
                self.promise(at, units, quota);
            }
            Account::Unreserved { order, stock } => self.promise_unreserved(order, stock, sku, units),
            Account::Hold { stock, deadline_s, quota, line: LineCount::Increases } => {
                let at = self.place_of_line(sku, stock);
                self.hold(at, deadline_s, units, quota);
            }
            Account::Hold { stock, deadline_s, quota, line } => {
                let at = self.place_of_line(sku, stock);
                let (units, quota) = (0_i64.saturating_sub(units), 0_i64.saturating_sub(quota));
                self.unhold(at, deadline_s, units, quota, line == LineCount::Decreases);
            }
            Account::Goods { source, in_stock, .. } => {
                // A source item that is made below zero must not begin to sell backorders by that.
                let is_made_below_zero = units < 0 && self.item(sku, source).is_none();
                let in_stock = in_stock.or(is_made_below_zero.then_some(false));
                let slot = self.item_or_new(sku, source);
                self.change_item(slot, |item| {
                    item.on_hand = item.on_hand.saturating_add(units);
                    item.in_stock = in_stock.unwrap_or(item.in_stock);
                });
            }
        }
    }

    /// Writes the lines, stage and deadline of the reservation and adds it to the digest again.
    fn change_record(&mut self, change: &ReservationChange, lines: &[LineState]) {
        self.set_lines(change.slot, lines);
        let erase_at_s = match change.after {
            Stage::Confirmed => 0,
            // The record is kept for the configured window: after the deadline of a hold, or after the close.
            Stage::Held => self.erase_at(Deadline(change.deadline_after_s).timestamp()),
            Stage::Released | Stage::Shipped | Stage::Replaced => self.erase_at(self.hold_time()),
        };
        let is_moved = change.after != change.before || change.deadline_after_s != change.deadline_before_s;
        let row = self.reservations.get_mut(change.slot);
        row.set_stage(change.after);
        row.deadline_s = change.deadline_after_s;
        if is_moved {
            row.erase_at_s = row.erase_at_s.max(erase_at_s);
        }
        self.add_to_digest(change.slot);
    }

    /// Adds one planned line of a new reservation to the promised units.
    #[inline]
    pub(super) fn promise_line(&mut self, line: &Planned, deadline: Deadline) {
        if !line.counts {
            return;
        }
        let quota = self.quota_units(line.at, line.quota_number, line.granted);
        if deadline == Deadline::NONE {
            self.promise(line.at, line.granted, quota);
        } else {
            self.hold(line.at, deadline.0, line.granted, quota);
        }
    }

    /// Sets or removes a quota. A new quota starts with no units taken.
    pub(crate) fn set_quota(&mut self, sku: u32, stock: u32, limit: Option<i64>) {
        let at = self.place_of_line(sku, stock);
        self.settle(at.cluster);
        let was_set = self.quota_number(at) != 0;
        if was_set != limit.is_some() {
            self.clusters.get_mut(at.cluster).place_mut(at.index).forget_quota();
        }
        self.change_position(at, |row| {
            if !was_set && limit.is_some() {
                row.quota_number = row.quota_number.saturating_add(1) & QUOTA_NUMBER_MAX;
                row.quota_taken = 0;
            }
            row.quota_limit = limit.unwrap_or(NO_QUOTA);
        });
        self.mark_changed(at.cluster);
    }

    /// Changes the position of a place and creates it if it is missing.
    fn change_position(&mut self, at: At, change: impl FnOnce(&mut PositionRow)) {
        let row = self.position_to_change(at);
        change(row);
        let has_quota = row.has_quota();
        self.clusters.get_mut(at.cluster).place_mut(at.index).has_quota = has_quota;
    }

    /// The position of a place for a change. It is not in the digest until the batch ends. The caller must
    /// not change whether it has a quota.
    #[inline]
    fn position_to_change(&mut self, at: At) -> &mut PositionRow {
        let cluster = self.clusters.get_mut(at.cluster);
        let mut slot = cluster.place(at.index).position;
        if slot == NO_SLOT {
            let stock = self.catalog.layout.group(cluster.group).stocks()[at.index as usize];
            let row = PositionRow { is_unsummed: true, ..PositionRow::new(cluster.sku, stock) };
            slot = self.positions.insert(row);
            cluster.place_mut(at.index).position = slot;
            self.unsummed.push(slot);
        }
        let row = self.positions.get_mut(slot);
        if !row.is_unsummed {
            self.digest.sub(row.hash(&mut self.scratch));
            row.is_unsummed = true;
            self.unsummed.push(slot);
        }
        row
    }

    /// Adds units to the confirmed promises, and `quota` of them to the units taken from the quota.
    pub(super) fn promise(&mut self, at: At, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        cluster.pool.add_promise(self.catalog.layout.group(cluster.group), at.index, units);
        self.changed_clusters.push(at.cluster);
        let row = self.position_to_change(at);
        row.confirmed = row.confirmed.saturating_add(units);
        row.quota_taken = row.quota_taken.saturating_add(quota);
    }

    /// Adds a held line to the units that are due at its deadline.
    pub(super) fn hold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        if cluster.hold(group, at.index, deadline_s, units, quota) {
            self.holds_due.push(deadline_s, at.cluster);
        }
        self.mark_changed(at.cluster);
    }

    /// Removes held units of a line. `is_last` means that no unit of the line is held any more.
    fn unhold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64, is_last: bool) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.unhold(group, at.index, deadline_s, units, quota, is_last);
        self.mark_changed(at.cluster);
    }

    fn item_or_new(&mut self, sku: u32, source: u32) -> u32 {
        if let Some(slot) = self.item(sku, source) {
            return slot;
        }
        let row = ItemRow { version: self.core.removed_version, ..ItemRow::new(sku, source) };
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.add_item(row);
        let supply = self.supply_of(&row);
        self.update_pool(&row, None, Some(supply));
        slot
    }

    fn update_pool(&mut self, item: &ItemRow, before: Option<Supply>, after: Option<Supply>) {
        let Some(in_group) = self.source_in_group(item.source) else { return };
        let number = self.cluster_or_new(item.sku, in_group.group);
        let cluster = self.clusters.get_mut(number);
        cluster.pool.change_supply(self.catalog.layout.group(in_group.group), in_group.index, before, after);
        self.mark_changed(number);
    }

    /// Changes a source item, increments its version and updates its pool.
    fn change_item(&mut self, slot: u32, change: impl FnOnce(&mut ItemRow)) {
        let before = *self.items.get(slot);
        let mut after = before;
        change(&mut after);
        after.version = after.version.wrapping_add(1);
        self.digest.sub(before.hash(&mut self.scratch));
        self.digest.add(after.hash(&mut self.scratch));
        *self.items.get_mut(slot) = after;
        let (supply_before, supply_after) = (self.supply_of(&before), self.supply_of(&after));
        self.update_pool(&after, Some(supply_before), Some(supply_after));
    }
}
