//! Carries out a plan. It cannot fail: verb and guard have asked everything before. Every quantity and the digest change here.

use super::plan::{Account, Cause, LineCount, Movement, Plan, Planned, Report, Subject};
use crate::decision::Answer;
use crate::ledger::record::{ItemRow, LineState, NO_QUOTA, PositionRow, Record, Stage};
use crate::ledger::state::{At, State};
use crate::refusal::quantity;
use crate::stock::sharing::Supply;
use crate::table::NO_SLOT;
use stockhold_protocol::{Deadline, Detail};

/// The quota number shares its word with a flag in a line's bytes.
const QUOTA_NUMBER_MAX: u32 = u32::MAX >> 1;

impl State {
    /// Carries out the whole plan.
    pub(crate) fn execute(&mut self, plan: &Plan) {
        if let Some(subject) = &plan.subject {
            self.remove_from_digest(subject.slot);
        }
        for movement in &plan.movements {
            self.move_units(movement);
        }
        if let Some(subject) = &plan.subject {
            if !plan.shipments.is_empty() {
                self.set_shipments(subject.slot, &plan.shipments);
            }
            self.change_record(subject, &plan.lines);
        }
    }

    /// Adds to an answer what the plan's command says of the state after it.
    pub(crate) fn reported(&mut self, answer: Answer, plan: &Plan) -> Answer {
        let mut goods = plan.movements.iter().filter(|one| matches!(one.account, Account::Goods { .. }));
        match plan.report {
            Report::Nothing => answer,
            Report::Shortfall => {
                let sum = goods.fold(0, |sum: i64, one| sum.saturating_add(self.shortfall_of(one.sku)));
                answer.with(Detail::Shortfall(quantity(sum)))
            }
            Report::Item => {
                let Some(Movement { sku, account: Account::Goods { source, .. }, .. }) = goods.next() else {
                    unreachable!("a command about a source item moves its goods")
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

    fn move_units(&mut self, movement: &Movement) {
        let Movement { sku, units, account, .. } = *movement;
        match account {
            Account::Order { stock, quota } => {
                let at = self.place_of_line(sku, stock);
                self.settle(at.cluster);
                self.promise(at, units, quota);
            }
            Account::Hold { stock, deadline_s, quota, line: LineCount::Joins } => {
                let at = self.place_of_line(sku, stock);
                self.hold(at, deadline_s, units, quota);
            }
            Account::Hold { stock, deadline_s, quota, line } => {
                let at = self.place_of_line(sku, stock);
                let (units, quota) = (0_i64.saturating_sub(units), 0_i64.saturating_sub(quota));
                self.unhold(at, deadline_s, units, quota, line == LineCount::Leaves);
            }
            Account::Goods { source, cause, in_stock } => {
                // Goods that left a source which had none: it must not begin to sell backorders by that.
                let is_made_by_force = cause == Cause::Shipped && self.item(sku, source).is_none();
                let in_stock = if is_made_by_force { Some(false) } else { in_stock };
                let slot = self.item_or_new(sku, source);
                self.change_item(slot, |item| {
                    item.on_hand = item.on_hand.saturating_add(units);
                    item.in_stock = in_stock.unwrap_or(item.in_stock);
                });
            }
        }
    }

    /// Puts the reservation back into the digest as it is from here on.
    fn change_record(&mut self, subject: &Subject, lines: &[LineState]) {
        self.set_lines(subject.slot, lines);
        let erase_at_s = match subject.after {
            Stage::Confirmed => 0,
            // The record of a hold is kept for the configured window from its deadline on, a closed one from now on.
            Stage::Held => self.erase_at(Deadline(subject.deadline_after_s).timestamp()),
            Stage::Released | Stage::Shipped | Stage::Replaced => self.erase_at(self.hold_time()),
        };
        let is_moved =
            subject.after != subject.before || subject.deadline_after_s != subject.deadline_before_s;
        let row = self.reservations.get_mut(subject.slot);
        row.set_stage(subject.after);
        row.deadline_s = subject.deadline_after_s;
        if is_moved {
            row.erase_at_s = row.erase_at_s.max(erase_at_s);
        }
        self.add_to_digest(subject.slot);
    }

    /// Promises one planned line of a new reservation.
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

    /// Sets or lifts a quota. One that is set where there is none begins with nothing taken.
    pub(crate) fn set_quota(&mut self, sku: u32, stock: u32, limit: Option<i64>) {
        let at = self.place_of_line(sku, stock);
        self.settle(at.cluster);
        let is_set = self.quota_number(at) != 0;
        if is_set != limit.is_some() {
            self.clusters.get_mut(at.cluster).place_mut(at.index).forget_quota();
        }
        self.change_position(at, |row| {
            if !is_set && limit.is_some() {
                row.quota_number = row.quota_number.saturating_add(1) & QUOTA_NUMBER_MAX;
                row.quota_taken = 0;
            }
            row.quota_limit = limit.unwrap_or(NO_QUOTA);
        });
        self.mark_changed(at.cluster);
    }

    /// Changes the position of a place; the record is made when there is none.
    fn change_position(&mut self, at: At, change: impl FnOnce(&mut PositionRow)) {
        let row = self.position_to_change(at);
        change(row);
        let has_quota = row.has_quota();
        self.clusters.get_mut(at.cluster).place_mut(at.index).has_quota = has_quota;
    }

    /// The position of a place, out of the digest until the batch ends. Whether it has a quota must stay as it is.
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

    /// Adds to the promises of orders and to what the quota has given out.
    fn promise(&mut self, at: At, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        cluster.pool.add_promise(self.catalog.layout.group(cluster.group), at.index, units);
        self.changed_clusters.push(at.cluster);
        let row = self.position_to_change(at);
        row.confirmed = row.confirmed.saturating_add(units);
        row.quota_taken = row.quota_taken.saturating_add(quota);
    }

    /// Counts a held line under its deadline.
    pub(super) fn hold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        if cluster.hold(group, at.index, deadline_s, units, quota) {
            self.holds_due.push(deadline_s, at.cluster);
        }
        self.mark_changed(at.cluster);
    }

    /// Takes units of a held line back; `ends` when the line is no longer held at all.
    fn unhold(&mut self, at: At, deadline_s: u32, units: i64, quota: i64, ends: bool) {
        self.recount_cluster(at.cluster);
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.unhold(group, at.index, deadline_s, units, quota, ends);
        self.mark_changed(at.cluster);
    }

    fn item_or_new(&mut self, sku: u32, source: u32) -> u32 {
        if let Some(slot) = self.item(sku, source) {
            return slot;
        }
        let row = ItemRow::new(sku, source);
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

    /// Changes a source item, its pool and its version.
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
