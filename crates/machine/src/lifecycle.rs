//! The life of a reservation after its grant: confirm, release, extend, and how a hold ends.
//!
//! States and answers are the matrix of ARCHITECTURE.md ("Reservation states"). That a hold has expired is
//! never stored: it is a fact of the op's time.

use crate::decision::{Answer, Decision, Refusal};
use crate::machine::Machine;
use crate::record::{LineState, Stage};
use crate::refusal::quantity;
use crate::state::{At, State};
use stockhold_protocol::command::{Extend, Release};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Deadline, Line, ReservationId, SkuId, Timestamp};

impl Machine {
    pub(crate) fn confirm(&mut self, reservation: ReservationId) -> Decision {
        let slot = self.state.reservation(reservation.0)?;
        let row = self.state.reservations.get(slot);
        match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.state.hold_time()) => {
                self.confirm_late(slot)
            }
            Stage::Held => {
                self.confirm_held(slot);
                Ok(Answer::ok(0))
            }
            Stage::Confirmed => Err(Refusal::new(Code::AlreadyConfirmed)),
            Stage::Released | Stage::Shipped | Stage::Replaced => Err(Refusal::new(Code::AlreadyClosed)),
        }
    }

    fn confirm_held(&mut self, slot: u32) {
        self.state.uncount(slot);
        let (stock, deadline_s) = {
            let row = self.state.reservations.get(slot);
            (row.stock, row.deadline_s)
        };
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        for line in lines.iter().filter(|line| line.counts && line.open > 0) {
            let at = self.state.place_of_line(line.sku, stock);
            let quota = self.state.quota_units(at, line.quota_number, line.open);
            self.state.unhold(at, deadline_s, line.open, quota, true);
            self.state.promise(at, line.open, quota);
        }
        self.line_states = lines;
        self.state.become_order(slot);
    }

    /// All lines of an expired hold again, if they still fit.
    fn confirm_late(&mut self, slot: u32) -> Decision {
        let stock = self.state.reservations.get(slot).stock;
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        let misfit = lines.iter().enumerate().find(|(_, line)| !self.state.fits_again(line, stock));
        if let Some((index, line)) = misfit {
            let at = self.state.place_of_line(line.sku, stock);
            let refusal = self.state.too_late(at, Line::new(SkuId(line.sku), quantity(line.open)), index);
            self.line_states = lines;
            return Err(refusal);
        }
        self.state.uncount(slot);
        for line in lines.iter_mut().filter(|line| line.counts && line.open > 0) {
            let at = self.state.place_of_line(line.sku, stock);
            line.counts = self.state.clusters.get(at.cluster).place(at.index).settings.manage_stock;
            if !line.counts {
                // What is not counted any more fits always, and so it must not count against anybody.
                line.quota_number = 0;
                continue;
            }
            line.quota_number = self.state.quota_number(at);
            let quota = self.state.quota_units(at, line.quota_number, line.open);
            self.state.promise(at, line.open, quota);
        }
        self.state.set_lines(slot, &lines);
        self.line_states = lines;
        self.state.become_order(slot);
        Ok(Answer { code: Code::ConfirmedLate, ..Answer::ok(0) })
    }

    pub(crate) fn extend(&mut self, extend: Extend) -> Decision {
        let slot = self.state.reservation(extend.reservation.0)?;
        let row = *self.state.reservations.get(slot);
        let now = self.state.hold_time();
        match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(now) => {
                return Err(Refusal::new(Code::Expired));
            }
            Stage::Held => {}
            Stage::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Stage::Released | Stage::Shipped | Stage::Replaced => {
                return Err(Refusal::new(Code::AlreadyClosed));
            }
        }
        let asked = self.state.deadline_of(extend.ttl_ms, Timestamp(row.origin_ms))?;
        if asked.0 > row.deadline_s {
            self.move_deadline(slot, asked);
        }
        Ok(Answer::ok(asked.0.max(row.deadline_s)))
    }

    fn move_deadline(&mut self, slot: u32, deadline: Deadline) {
        self.state.uncount(slot);
        let (stock, old_s) = {
            let row = self.state.reservations.get(slot);
            (row.stock, row.deadline_s)
        };
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        for line in lines.iter().filter(|line| line.counts && line.open > 0) {
            let at = self.state.place_of_line(line.sku, stock);
            let quota = self.state.quota_units(at, line.quota_number, line.open);
            self.state.unhold(at, old_s, line.open, quota, true);
            self.state.hold(at, deadline.0, line.open, quota);
        }
        self.line_states = lines;
        let erase_at_s = self.state.erase_at(deadline.timestamp());
        let row = self.state.reservations.get_mut(slot);
        row.deadline_s = deadline.0;
        row.erase_at_s = row.erase_at_s.max(erase_at_s);
        self.state.count(slot);
    }

    pub(crate) fn release(&mut self, release: &Release<'_>) -> Decision {
        let slot = self.state.reservation(release.reservation.0)?;
        let row = *self.state.reservations.get(slot);
        let deadline = Deadline(row.deadline_s);
        match row.stage() {
            Stage::Held if deadline.has_passed(self.state.hold_time()) => {
                return Err(Refusal::new(Code::Expired));
            }
            Stage::Held | Stage::Confirmed => {}
            Stage::Released | Stage::Shipped | Stage::Replaced => {
                return Err(Refusal::new(Code::AlreadyClosed));
            }
        }
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        release.lines.merge_into(&mut self.lines);
        let taken = self.planned_release(&lines);
        self.line_states = lines;
        let taken = taken?;
        self.state.uncount(slot);
        let mut lines = std::mem::take(&mut self.line_states);
        for (line, units) in lines.iter_mut().zip(&taken) {
            if *units > 0 {
                self.state.give_back(line, row.stock, row.stage(), row.deadline_s, *units);
            }
        }
        self.state.set_lines(slot, &lines);
        if lines.iter().all(|line| line.open == 0) {
            let shipped = lines.iter().any(|line| line.shipped > 0);
            self.state.close(slot, if shipped { Stage::Shipped } else { Stage::Released });
        }
        self.line_states = lines;
        self.state.count(slot);
        Ok(Answer::ok(0))
    }

    /// How many units each line gives back; all that are open when no line is named.
    fn planned_release(&self, lines: &[LineState]) -> Result<Vec<i64>, Refusal> {
        if self.lines.is_empty() {
            return Ok(lines.iter().map(|line| line.open).collect());
        }
        let mut taken = vec![0; lines.len()];
        for (index, asked) in self.lines.iter().enumerate() {
            let Some(at) = lines.iter().position(|line| line.sku == asked.sku.0) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(asked.sku.0));
            };
            let (open, units) = (lines[at].open, asked.quantity.raw());
            if units > open {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(asked.sku.0, open, units));
            }
            taken[at] = asked.quantity.raw();
        }
        Ok(taken)
    }

    /// Ends the record of a cart that promises nothing any more, because another one stands in its place.
    pub(crate) fn end_lapsed(&mut self, slot: u32) {
        self.state.uncount(slot);
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        // Nothing is given back: what an expired hold promised ended with its deadline.
        for line in &mut lines {
            line.open = 0;
        }
        self.state.set_lines(slot, &lines);
        self.line_states = lines;
        self.state.close(slot, Stage::Replaced);
        self.state.count(slot);
    }

    /// Ends a live hold whose units go to another reservation or back.
    pub(crate) fn end_hold(&mut self, slot: u32, stage: Stage) {
        self.state.uncount(slot);
        let row = *self.state.reservations.get(slot);
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        for line in &mut lines {
            let units = line.open;
            self.state.give_back(line, row.stock, row.stage(), row.deadline_s, units);
        }
        self.state.set_lines(slot, &lines);
        self.line_states = lines;
        self.state.close(slot, stage);
        self.state.count(slot);
    }
}

impl State {
    /// When a hold ends that is to last so long from now on and whose cart began at `origin`.
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

    /// Ends the promise of so many units of a line, and gives back what its quota had given out.
    pub(crate) fn give_back(
        &mut self,
        line: &mut LineState,
        stock: u32,
        stage: Stage,
        deadline_s: u32,
        units: i64,
    ) {
        let at = self.place_of_line(line.sku, stock);
        let quota = self.quota_units(at, line.quota_number, units);
        self.end_promise(line, at, stage, deadline_s, units, quota);
    }

    /// Ends the promise of so many units of a line; `quota` units of them go back to the quota.
    pub(crate) fn end_promise(
        &mut self,
        line: &mut LineState,
        at: At,
        stage: Stage,
        deadline_s: u32,
        units: i64,
        quota: i64,
    ) {
        // A line without open units has left its bucket already.
        let had_open = line.open > 0;
        line.open = line.open.saturating_sub(units);
        if !line.counts || !had_open {
            return;
        }
        if stage == Stage::Held {
            self.unhold(at, deadline_s, units, quota, line.open == 0);
        } else {
            self.promise(at, 0_i64.saturating_sub(units), 0_i64.saturating_sub(quota));
        }
    }

    /// Whether an expired line could be promised again now.
    fn fits_again(&mut self, line: &LineState, stock: u32) -> bool {
        if !line.counts || line.open == 0 {
            return true;
        }
        let at = self.place_of_line(line.sku, stock);
        self.settle(at.cluster);
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let place = cluster.place(at.index);
        let settings = &place.settings;
        if !settings.manage_stock {
            return true;
        }
        let stays_in_range = cluster.pool.promised(group, at.index).saturating_add(line.open) <= QUANTITY_MAX;
        let left = cluster.pool.left(group, at.index);
        let formula =
            if settings.is_unlimited() { i64::MAX } else { left.saturating_sub(settings.eff_min()) };
        let is_in_stock = cluster.pool.any_in_stock(group, at.index);
        is_in_stock && stays_in_range && line.open <= formula.min(self.quota_left(place))
    }

    fn become_order(&mut self, slot: u32) {
        let row = self.reservations.get_mut(slot);
        row.set_stage(Stage::Confirmed);
        row.deadline_s = 0;
        self.count(slot);
    }

    /// Marks an uncounted reservation as closed; its record is kept for the configured window, and no shorter
    /// than it would have been as a hold.
    pub(crate) fn close(&mut self, slot: u32, stage: Stage) {
        let erase_at_s = self.erase_at(self.hold_time());
        let row = self.reservations.get_mut(slot);
        row.set_stage(stage);
        row.erase_at_s = row.erase_at_s.max(erase_at_s);
    }
}
