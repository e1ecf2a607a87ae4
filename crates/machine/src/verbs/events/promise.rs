//! Events that change what is promised: confirm, extend, cancel, edit and compensate.

use super::{Candidate, Take, Want, more_than, take};
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{OrderLine, Total};
use crate::ledger::state::State;
use crate::moves::{Ending, Plan};
use crate::refusal::quantity;
use crate::table::NO_SLOT;
use crate::verbs::hold::Status;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{BadField, Code, Line, SkuId};

impl State {
    /// Confirms all holds. At most one of them may have expired: several could fit one by one and not together.
    pub(super) fn plan_confirm_order(&self, order: u32, plan: &mut Plan) -> Decision {
        let candidates = self.candidates(order);
        let is_hold = |candidate: &&Candidate| matches!(candidate.status, Status::Held | Status::Expired);
        let holds: Vec<&Candidate> = candidates.iter().filter(is_hold).collect();
        if holds.is_empty() {
            let is_confirmed = candidates.iter().any(|candidate| candidate.status == Status::Confirmed);
            let code = if is_confirmed { Code::AlreadyConfirmed } else { Code::AlreadyClosed };
            return Err(Refusal::new(code));
        }
        let expired = holds.iter().filter(|candidate| candidate.status == Status::Expired).count();
        if expired > 1 {
            return Err(Refusal::new(Code::Expired));
        }
        for hold in holds {
            let row = *self.reservations.get(hold.slot);
            self.lines_of(hold.slot, &mut plan.lines);
            plan.begin_change(EventKind::OrderPlaced, hold.slot, &row);
            self.plan_confirm_begun(row.stock, hold.status == Status::Expired, plan)?;
            plan.end_change();
        }
        let code = if expired > 0 { Code::ConfirmedLate } else { Code::Ok };
        Ok(Answer { code, ..Answer::ok(0) })
    }

    /// Extends all live holds. The answer has the earliest of their deadlines.
    pub(super) fn plan_extend_order(&self, order: u32, ttl_ms: u32, plan: &mut Plan) -> Decision {
        let candidates = self.candidates(order);
        let mut earliest: Option<u32> = None;
        for hold in candidates.iter().filter(|candidate| candidate.status == Status::Held) {
            let row = *self.reservations.get(hold.slot);
            self.lines_of(hold.slot, &mut plan.lines);
            plan.begin_change(EventKind::OrderPlaced, hold.slot, &row);
            let deadline_s = self.plan_extend_begun(&row, ttl_ms, plan)?;
            plan.end_change();
            earliest = Some(earliest.map_or(deadline_s, |known| known.min(deadline_s)));
        }
        if let Some(deadline_s) = earliest {
            return Ok(Answer::ok(deadline_s));
        }
        let has = |status: Status| candidates.iter().any(|candidate| candidate.status == status);
        let code = if has(Status::Confirmed) {
            Code::AlreadyConfirmed
        } else if has(Status::Expired) {
            Code::Expired
        } else {
            Code::AlreadyClosed
        };
        Err(Refusal::new(code))
    }

    /// Gives open units back: confirmed ones first, those that were invoiced not at all. Of a line with more units than may be
    /// cancelled, as many as may are.
    pub(super) fn plan_cancel_order(&self, order: u32, mut wants: Vec<Want>, plan: &mut Plan) -> Decision {
        let is_all = wants.is_empty();
        let lines = self.order_lines_of(order);
        let mut candidates = self.candidates(order);
        let has = |want: &Want| {
            let of_holds =
                candidates.iter().flat_map(|one| one.lines.iter().map(|line| (one.stock, line.sku)));
            let mut all = lines.iter().map(|line| (line.stock, line.sku)).chain(of_holds);
            all.any(|(stock, sku)| want.is_of(stock, sku))
        };
        if let Some(want) = wants.iter().find(|want| !has(want)) {
            return Err(Refusal::of_line(Code::NotInReservation, want.index).of_sku(want.sku));
        }
        candidates.retain(|candidate| matches!(candidate.status, Status::Held | Status::Confirmed));
        candidates.sort_by_key(|candidate| (candidate.status == Status::Held, candidate.op));
        if is_all {
            let every = candidates.iter().flat_map(|candidate| &candidate.lines).map(|line| line.sku);
            wants = every.map(|sku| Want { sku, stock: None, left: i64::MAX, index: 0 }).collect();
            wants.sort_unstable_by_key(|want| want.sku);
            wants.dedup_by_key(|want| want.sku);
        }
        let mut left: Vec<(u32, u32, i64)> =
            lines.iter().map(|line| (line.stock, line.sku, cancellable(line))).collect();
        let takes = take(&candidates, &mut wants, |candidate, line| {
            if candidate.status == Status::Held {
                return line.open;
            }
            let of_line =
                left.iter_mut().find(|(stock, sku, _)| (*stock, *sku) == (candidate.stock, line.sku));
            let Some((_, _, left)) = of_line else { return 0 };
            let units = line.open.min(*left);
            *left = left.saturating_sub(units);
            units
        });
        self.plan_endings(EventKind::OrderCanceled, &takes, Ending::Counted(Total::Cancelled), plan)?;
        if !is_all && wants.iter().any(|want| want.left > 0) {
            plan.event.code = Code::Partial;
        }
        Ok(Answer::ok(0))
    }

    /// Ends the promise of units, which are given back to their quotas.
    pub(super) fn plan_endings(
        &self,
        kind: EventKind,
        takes: &[Take],
        ending: Ending,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        self.plan_takes(kind, takes, plan, |take, stock, plan| {
            let quota = self.quota_of(&plan.lines[take.at], stock, take.units);
            plan.end_promise(take.at, take.units, quota, ending, take.index);
            Ok(())
        })
    }

    /// Takes open units from the order, as a positive row of Magento's compensations does. Rows that add units are a cart of
    /// their own, which the machine plans.
    pub(super) fn plan_compensation(
        &self,
        order: u32,
        mut wants: Vec<Want>,
        forced: bool,
        plan: &mut Plan,
    ) -> Decision {
        wants.retain(|want| want.left > 0);
        let asked = wants.clone();
        let mut candidates = self.candidates(order);
        candidates.retain(|candidate| candidate.status == Status::Confirmed);
        let takes = take(&candidates, &mut wants, |_, line| line.open);
        if let Some((want, asked)) = wants.iter().zip(&asked).find(|(want, _)| want.left > 0) {
            if !forced {
                let found = asked.left.saturating_sub(want.left);
                return Err(more_than(Code::MoreThanOpen, &self.order_lines_of(order), want, found));
            }
            plan.event.code = Code::Partial;
        }
        self.plan_endings(EventKind::ManualCompensation, &takes, Ending::Compensated, plan)?;
        Ok(Answer::ok(0))
    }

    /// Changes the total quantities of lines in one stock. A decrease cancels open units, of the oldest grant first. An
    /// increase goes to the newest confirmed reservation, and must fit.
    pub(super) fn plan_edit_order(&self, order: u32, wants: &[Want], plan: &mut Plan) -> Decision {
        if wants.windows(2).any(|pair| matches!(pair, [a, b] if a.sku == b.sku)) {
            let error = BadField::new("lines.sku", "must be named once: an edit changes one stock at a time");
            return Err(Refusal::field(&error));
        }
        let order_lines = self.order_lines_of(order);
        let stock = stock_of_edit(&order_lines, wants)?;
        let mut candidates = self.candidates(order);
        candidates.retain(|candidate| candidate.stock == stock);
        let confirmed =
            |candidate: &&Candidate| candidate.status == Status::Confirmed && candidate.slot != NO_SLOT;
        let Some(newest) = candidates.iter().rfind(confirmed).map(|candidate| candidate.slot) else {
            let is_held = candidates.iter().any(|candidate| candidate.status == Status::Held);
            return Err(Refusal::new(if is_held { Code::NotConfirmed } else { Code::AlreadyClosed }));
        };
        candidates.retain(|candidate| candidate.status == Status::Confirmed);
        let mut growths: Vec<(usize, Line)> = Vec::new();
        let mut shrinks: Vec<Want> = Vec::new();
        for want in wants {
            let of_line = order_lines.iter().find(|line| (line.stock, line.sku) == (stock, want.sku));
            let (ordered, least) = of_line.map_or((0, 0), units_of_edit);
            if of_line.is_none() && want.left == 0 {
                return Err(Refusal::of_line(Code::NotInReservation, want.index).of_sku(want.sku));
            }
            if want.left < least {
                let refusal = Refusal::of_line(Code::MoreThanOpen, want.index);
                let (open, asked) = (ordered.saturating_sub(least), ordered.saturating_sub(want.left));
                return Err(refusal.bounded(want.sku, open, asked));
            }
            if want.left > ordered {
                let growth = want.left.saturating_sub(ordered);
                growths.push((want.index, Line::new(SkuId(want.sku), quantity(growth))));
            } else {
                shrinks.push(Want { left: ordered.saturating_sub(want.left), stock: Some(stock), ..*want });
            }
        }
        let mut takes = take(&candidates, &mut shrinks, |_, line| line.open);
        // The newest reservation comes last, so its decreases and its increases are one change.
        let of_newest: Vec<Take> = takes.extract_if(.., |take| take.slot == newest).collect();
        self.plan_endings(EventKind::OrderEdited, &takes, Ending::Counted(Total::Cancelled), plan)?;
        let row = *self.reservations.get(newest);
        self.lines_of(newest, &mut plan.lines);
        plan.begin_change(EventKind::OrderEdited, newest, &row);
        for take in &of_newest {
            let quota = self.quota_of(&plan.lines[take.at], stock, take.units);
            plan.end_promise(take.at, take.units, quota, Ending::Counted(Total::Cancelled), take.index);
        }
        plan.requested.clear();
        for (_, growth) in &growths {
            let own = plan.line_of(growth.sku.0).map_or(0, |at| {
                let line = plan.lines[at];
                line.open.saturating_add(line.shipped)
            });
            let total = own.saturating_add(growth.quantity.raw());
            plan.requested.push(Line::new(growth.sku, quantity(total)));
        }
        let mut backordered: i64 = 0;
        for (at, (index, _)) in growths.iter().enumerate() {
            let more = self.plan_amend_line(stock, at, plan);
            let index = u32::try_from(*index).unwrap_or(u32::MAX);
            let more = more.map_err(|refusal| Refusal { value: index, ..refusal })?;
            backordered = backordered.saturating_add(more);
        }
        plan.close_if_settled();
        plan.end_change();
        Ok(Answer::ok(0).with_backordered(backordered))
    }
}

/// The one stock that an edit changes.
fn stock_of_edit(order_lines: &[OrderLine], wants: &[Want]) -> Result<u32, Refusal> {
    let mut stocks: Vec<u32> = wants.iter().filter_map(|want| want.stock).collect();
    if wants.iter().any(|want| want.stock.is_none()) {
        stocks.extend(order_lines.iter().map(|line| line.stock));
    }
    stocks.sort_unstable();
    stocks.dedup();
    match stocks.as_slice() {
        [stock] => Ok(*stock),
        [] => Err(Refusal::new(Code::NotConfirmed)),
        _ => {
            let error = BadField::new("lines.stock", "must be one stock: an edit changes one at a time");
            Err(Refusal::field(&error))
        }
    }
}

/// The units of a line that a cancel may give back: what was ordered, and neither cancelled nor shipped or invoiced (msi.md
/// 4.3).
fn cancellable(line: &OrderLine) -> i64 {
    let of = |total| line.totals.of(total);
    let kept = of(Total::Shipped).max(of(Total::Invoiced));
    let left = of(Total::Ordered).saturating_sub(of(Total::Cancelled)).saturating_sub(kept);
    left.min(line.totals.open()).max(0)
}

/// The total quantity of a line as an edit counts it, and the least that an edit may make of it.
fn units_of_edit(line: &OrderLine) -> (i64, i64) {
    let shipped = line.totals.of(Total::Shipped);
    let invoiced = line.totals.of(Total::Invoiced);
    let ordered = line.totals.open().saturating_add(shipped);
    (ordered, shipped.max(invoiced).min(ordered))
}
