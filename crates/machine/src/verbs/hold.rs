//! The commands confirm, extend and release, and the deadlines of holds.
//!
//! PROTOCOL.md ("What the commands do") gives the answer of each command in each state. The expiry of a hold is
//! never stored, because it follows from the time of the op.

use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{LineState, ReservationRow, Stage, Total, body_of};
use crate::ledger::state::State;
use crate::moves::{Ending, Plan};
use crate::refusal::quantity;
use crate::stock::settings::Effective;
use stockhold_protocol::command::{Extend, Release};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Deadline, Line, ReservationId, SkuId, Timestamp};

/// The status of a reservation at the time of the op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Held,
    Expired,
    Confirmed,
    Released,
    /// Shipped completely, or replaced by another reservation.
    ShippedOrReplaced,
}

impl State {
    /// Begins a plan that changes a reservation, and loads the lines of the reservation into it. `event` is what happens to
    /// its order.
    pub(crate) fn begin_plan(
        &self,
        event: EventKind,
        reservation: ReservationId,
        plan: &mut Plan,
    ) -> Result<(ReservationRow, Status), Refusal> {
        let slot = self.reservation(reservation.0)?;
        let row = *self.reservations.get(slot);
        self.lines_of(slot, &mut plan.lines);
        plan.begin_change(event, slot, &row);
        Ok((row, self.status_of(&row)))
    }

    pub(crate) fn status_of(&self, row: &ReservationRow) -> Status {
        match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.hold_time()) => Status::Expired,
            Stage::Held => Status::Held,
            Stage::Confirmed => Status::Confirmed,
            Stage::Released => Status::Released,
            Stage::Shipped | Stage::Replaced => Status::ShippedOrReplaced,
        }
    }

    pub(crate) fn plan_confirm(&self, reservation: ReservationId, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::OrderPlaced, reservation, plan)?;
        let is_late = match status {
            Status::Held => false,
            Status::Expired => true,
            Status::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Status::Released | Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        };
        self.plan_confirm_begun(row.stock, is_late, plan)?;
        let code = if is_late { Code::ConfirmedLate } else { Code::Ok };
        Ok(Answer { code, ..Answer::ok(0) })
    }

    /// Confirms the hold that the plan changes.
    pub(super) fn plan_confirm_begun(
        &self,
        stock: u32,
        is_late: bool,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        if is_late {
            self.plan_late_confirm(stock, plan)?;
        } else {
            for at in 0..plan.lines.len() {
                let line = plan.lines[at];
                plan.move_promise(at, self.quota_of(&line, stock, line.open), None);
            }
        }
        plan.confirm();
        if plan.event.kind == EventKind::OrderPlaced
            && let Some(change) = plan.reservation
        {
            // The hold may be a placement that is sent again.
            plan.event.body = body_of(self.reservations.get(change.slot).grant().fingerprint);
        }
        Ok(())
    }

    /// Promises all lines of an expired hold again if they still fit. Opening times do not matter, a freeze does.
    fn plan_late_confirm(&self, stock: u32, plan: &mut Plan) -> Result<(), Refusal> {
        let is_frozen = self.catalog.frozen().has_stock(stock);
        let frozen =
            |line: &LineState| line.open > 0 && (is_frozen || self.settings_at(line.sku, stock).frozen);
        if let Some(index) = plan.lines.iter().position(frozen) {
            return Err(Refusal::of_line(Code::Frozen, index).of_sku(plan.lines[index].sku));
        }
        let misfit = plan.lines.iter().enumerate().find(|(_, line)| !self.still_fits(line, stock));
        if let Some((index, line)) = misfit {
            return Err(self.too_late(stock, Line::new(SkuId(line.sku), quantity(line.open)), index));
        }
        for at in 0..plan.lines.len() {
            let line = &mut plan.lines[at];
            if !line.counts || line.open == 0 {
                continue;
            }
            let (sku, open) = (line.sku, line.open);
            line.counts = self.settings_at(sku, stock).manage_stock;
            if !line.counts {
                // The line is no longer counted, so it fits without a check. It must not take from a quota.
                line.quota_number = 0;
                continue;
            }
            line.quota_number = self.find(sku, stock).map_or(0, |at| self.quota_number(at));
            let quota = self.quota_of(&plan.lines[at], stock, open);
            plan.promise(sku, stock, open, quota, at);
        }
        Ok(())
    }

    pub(crate) fn plan_extend(&self, extend: Extend, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::OrderPlaced, extend.reservation, plan)?;
        match status {
            Status::Held => {}
            Status::Expired => return Err(Refusal::new(Code::Expired)),
            Status::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Status::Released | Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        self.plan_extend_begun(&row, extend.ttl_ms, plan).map(Answer::ok)
    }

    /// Extends the hold that the plan changes. Returns its deadline, which is never an earlier one.
    pub(super) fn plan_extend_begun(
        &self,
        row: &ReservationRow,
        ttl_ms: u32,
        plan: &mut Plan,
    ) -> Result<u32, Refusal> {
        let requested = self.deadline_of(ttl_ms, Timestamp(row.origin_ms))?;
        if requested.0 > row.deadline_s {
            for at in 0..plan.lines.len() {
                let line = plan.lines[at];
                plan.move_promise(at, self.quota_of(&line, row.stock, line.open), Some(requested.0));
            }
            plan.move_deadline(requested.0);
        }
        Ok(requested.0.max(row.deadline_s))
    }

    pub(crate) fn plan_release(&self, release: &Release<'_>, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::OrderCanceled, release.reservation, plan)?;
        match status {
            Status::Held | Status::Confirmed => {}
            Status::Expired => return Err(Refusal::new(Code::Expired)),
            Status::Released | Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        plan.merge_lines(&release.lines);
        if plan.requested.is_empty() {
            self.release_all(row.stock, plan);
        }
        for index in 0..plan.requested.len() {
            let (sku, units) = (plan.requested[index].sku.0, plan.requested[index].quantity.raw());
            let Some(at) = plan.line_of(sku) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
            };
            let line = plan.lines[at];
            if units > line.open {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(sku, line.open, units));
            }
            let quota = self.quota_of(&line, row.stock, units);
            plan.end_promise(at, units, quota, Ending::Counted(Total::Cancelled), index);
        }
        plan.close_if_settled();
        Ok(Answer::ok(0))
    }

    pub(super) fn release_all(&self, stock: u32, plan: &mut Plan) {
        for at in 0..plan.lines.len() {
            let line = plan.lines[at];
            let quota = self.quota_of(&line, stock, line.open);
            plan.end_promise(at, line.open, quota, Ending::Counted(Total::Cancelled), at);
        }
    }

    /// Closes a reservation that another one replaces. The promise of an expired hold has already ended at
    /// its deadline.
    pub(crate) fn plan_replaced(&self, slot: u32, plan: &mut Plan) {
        let row = *self.reservations.get(slot);
        self.lines_of(slot, &mut plan.lines);
        plan.begin_change(EventKind::OrderCanceled, slot, &row);
        if self.status_of(&row) == Status::Held {
            self.release_all(row.stock, plan);
        } else {
            plan.lines.iter_mut().for_each(|line| line.open = 0);
        }
        plan.close(Stage::Replaced);
    }

    /// The deadline of a hold with this TTL from now on. `origin` is the time of the cart's first reserve.
    #[inline]
    pub(crate) fn deadline_of(&self, ttl_ms: u32, origin: Timestamp) -> Result<Deadline, Refusal> {
        let configuration = &self.core.configuration;
        let (min, max) = (configuration.ttl_min_ms, configuration.ttl_max_ms);
        let ttl_ms = u64::from(ttl_ms);
        if !(min..=max).contains(&ttl_ms) {
            return Err(Refusal::out_of_range(Code::TtlOutOfRange, min, max, ttl_ms));
        }
        let deadline = self.hold_time().plus_ms(ttl_ms).round_up();
        let last = origin.plus_ms(configuration.ttl_total_max_ms).round_up();
        if deadline > last {
            let longest = last.timestamp().0.saturating_sub(self.hold_time().0).min(max);
            return Err(Refusal::out_of_range(Code::BeyondMaximumTotal, min, longest, ttl_ms));
        }
        Ok(deadline)
    }

    /// How many of `units` of a line are counted in the quota in force.
    pub(crate) fn quota_of(&self, line: &LineState, stock: u32, units: i64) -> i64 {
        self.find(line.sku, stock).map_or(0, |at| self.quota_units(at, line.quota_number, units))
    }

    /// The effective settings of a SKU in a stock, even if there is no cluster for it.
    pub(crate) fn settings_at(&self, sku: u32, stock: u32) -> Effective {
        match self.find(sku, stock) {
            Some(at) => *self.clusters.get(at.cluster).place(at.index).settings,
            None => self.settings_of(sku, stock),
        }
    }

    /// Whether a line of an expired hold can be promised again now.
    fn still_fits(&self, line: &LineState, stock: u32) -> bool {
        let is_counted = line.counts && line.open > 0;
        !is_counted || self.fits(line.sku, stock, line.open)
    }

    /// Whether `units` more of a SKU can be promised in a stock now.
    pub(crate) fn fits(&self, sku: u32, stock: u32, units: i64) -> bool {
        let Some(at) = self.find(sku, stock) else { return !self.settings_of(sku, stock).manage_stock };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let place = cluster.place(at.index);
        let settings = &place.settings;
        if !settings.manage_stock {
            return true;
        }
        let pool = cluster.pool_at(group, self.now_s());
        let stays_in_range = pool.promised(group, at.index).saturating_add(units) <= QUANTITY_MAX;
        let left = pool.left(group, at.index);
        let formula =
            if settings.is_unlimited() { i64::MAX } else { left.saturating_sub(settings.eff_min()) };
        let is_in_stock = pool.any_in_stock(group, at.index);
        is_in_stock && stays_in_range && units <= formula.min(self.quota_left(place))
    }
}
