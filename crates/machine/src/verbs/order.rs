//! The commands of a confirmed order: amend, ship, and unship, which reverses a shipment.

use super::cart::{CartMode, ExistingPromise, RefusalReason};
use super::hold::Status;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{LineState, Shipment, Total};
use crate::ledger::state::{At, State};
use crate::moves::{Cause, Ending, Plan, Report};
use stockhold_protocol::command::{Amend, Ship, Unship};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Lines};

/// The most shipments that a reservation stores: one for each SKU, source and quota number.
const SHIPMENTS_MAX: usize = 1_024;

impl State {
    /// Plans the change of a confirmed order. The clusters of its lines must be settled.
    pub(crate) fn plan_amend(&self, amend: &Amend, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::OrderEdited, amend.reservation, plan)?;
        match status {
            Status::Confirmed => {}
            Status::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Status::Expired => return Err(Refusal::new(Code::Expired)),
            Status::Released | Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        plan.merge_lines(&Lines::Slice(&amend.lines));
        let mut backordered: i64 = 0;
        for index in 0..plan.requested.len() {
            let more = self.plan_amend_line(row.stock, index, plan)?;
            backordered = backordered.saturating_add(more);
        }
        plan.close_if_settled();
        Ok(Answer::ok(0).with_backordered(backordered))
    }

    /// Plans one line of an amend. Returns how many of its units only an allowance covers.
    pub(super) fn plan_amend_line(&self, stock: u32, index: usize, plan: &mut Plan) -> Result<i64, Refusal> {
        let requested = plan.requested[index];
        let (sku, total) = (requested.sku.0, requested.quantity.raw());
        let known = plan.line_of(sku);
        let line = known.map_or(LineState { sku, ..LineState::default() }, |at| plan.lines[at]);
        let ordered = line.open.saturating_add(line.shipped);
        if known.is_none() && total == 0 {
            return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
        }
        if let Some(at) = known.filter(|_| total <= ordered) {
            let cancelled = ordered.saturating_sub(total);
            if cancelled > line.open {
                let refusal = Refusal::of_line(Code::MoreThanOpen, index);
                return Err(refusal.bounded(sku, line.open, cancelled));
            }
            let quota = self.quota_of(&line, stock, cancelled);
            plan.end_promise(at, cancelled, quota, Ending::Counted(Total::Cancelled), index);
            return Ok(0);
        }
        let refused =
            |code: Code, at: Option<At>| self.line_refusal(RefusalReason { code, at }, requested, index);
        let place = self.place_to_sell(sku, stock).map_err(|code| refused(code, None))?;
        // Shipped units need no promise. Open units need a new one only if the line was not counted so far.
        let units = if line.counts { ordered } else { line.shipped };
        let existing = ExistingPromise { units, counts: true, quota_number: line.quota_number };
        let mode = CartMode { is_frozen: self.catalog.frozen().has_stock(stock), ..CartMode::WHOLE };
        let planned =
            self.plan_line(place, requested, mode, existing).map_err(|code| refused(code, Some(place)))?;
        let open = total.saturating_sub(line.shipped);
        let lines_max = self.core.configuration.lines_max;
        let at = known.unwrap_or(plan.lines.len());
        if known.is_none() {
            if let Some(order) = plan.reservation.and_then(|change| self.order_of(change.slot)) {
                self.check_order_lines(order, plan.requested.len())?;
            }
            if at >= lines_max as usize {
                return Err(Refusal::limit("lines_max", lines_max));
            }
            plan.lines.push(line);
        }
        // As in a replace, all open units of a line that grows are charged to the quota in force.
        plan.end_promise(at, line.open, self.quota_of(&line, stock, line.open), Ending::Renewed, index);
        plan.book(sku, Total::Ordered, open.saturating_sub(line.open), None);
        let quota_number = if planned.counts { planned.quota_number } else { 0 };
        plan.lines[at] = LineState { counts: planned.counts, quota_number, open, ..line };
        if planned.counts {
            plan.promise(sku, stock, open, self.quota_units(place, quota_number, open), index);
        }
        Ok(planned.backordered)
    }

    pub(crate) fn plan_ship(&self, ship: &Ship<'_>, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::ShipmentCreated, ship.reservation, plan)?;
        match status {
            Status::Confirmed => {}
            Status::Held if ship.forced => {
                self.plan_confirm_begun(row.stock, false, plan)?;
            }
            // The reservation has no promise any more, so all units are shipped beyond it.
            Status::Expired | Status::Released | Status::ShippedOrReplaced if ship.forced => {}
            Status::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Status::Expired => return Err(Refusal::new(Code::Expired)),
            Status::Released | Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let is_promised = matches!(status, Status::Confirmed | Status::Held);
        if self.catalog.source(ship.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.load_shipments(plan);
        plan.merge_lines(&ship.lines);
        for index in 0..plan.requested.len() {
            let (sku, units) = (plan.requested[index].sku.0, plan.requested[index].quantity.raw());
            let Some(at) = plan.line_of(sku) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
            };
            let open = plan.lines[at].open;
            if units > open && !ship.forced {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(sku, open, units));
            }
            if plan.lines[at].shipped.saturating_add(units) > QUANTITY_MAX {
                let refusal = Refusal::of_line(Code::QuantityOverflow, index);
                return Err(refusal.bounded(sku, QUANTITY_MAX, units));
            }
            let promised = if is_promised { units.min(open) } else { 0 };
            plan.ship(at, ship.source.0, units, promised, index);
        }
        if plan.shipments.len() > SHIPMENTS_MAX {
            return Err(Refusal::limit("shipments_max", SHIPMENTS_MAX));
        }
        if is_promised {
            plan.close_if_settled();
        }
        if ship.forced {
            plan.is_fact = true;
            plan.report = Report::Shortfall;
        }
        Ok(Answer::ok(0))
    }

    /// Plans the reversal of a shipment. It is a fact: it is limited only by the units that the source
    /// shipped, and its shortfall is reported.
    pub(crate) fn plan_unship(&self, unship: &Unship, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::ShipmentReversed, unship.reservation, plan)?;
        if status == Status::Held {
            return Err(Refusal::new(Code::NotConfirmed));
        }
        if self.catalog.source(unship.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.load_shipments(plan);
        plan.merge_lines(&Lines::Slice(&unship.lines));
        for index in 0..plan.requested.len() {
            self.plan_unship_line(row.stock, unship.source.0, index, plan)?;
        }
        plan.is_fact = true;
        plan.report = Report::Shortfall;
        Ok(Answer::ok(0))
    }

    /// Plans one line of an unship. Units shipped beyond the promise are reversed first, and they are not
    /// promised again.
    pub(super) fn plan_unship_line(
        &self,
        stock: u32,
        source: u32,
        index: usize,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let (sku, units) = (plan.requested[index].sku.0, plan.requested[index].quantity.raw());
        let Some(at) = plan.line_of(sku) else {
            return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
        };
        let LineState { counts, quota_number, .. } = plan.lines[at];
        let of_line = |one: &Shipment| (one.sku, one.source) == (sku, source);
        let from_source = plan.shipments.iter().filter(|one| of_line(one));
        let most = from_source.fold(0, |sum: i64, one| sum.saturating_add(one.units));
        if units > most {
            return Err(Refusal::of_line(Code::MoreThanShipped, index).bounded(sku, most, units));
        }
        // Goods on hand grow by the units that reduced them when they were shipped, whatever the line does now.
        let (mut left, mut goods, mut charged_already) = (units, 0_i64, 0);
        for shipment in plan.shipments.iter_mut().filter(|one| of_line(one)) {
            let beyond = shipment.take_beyond(left);
            left = left.saturating_sub(beyond);
            goods = goods.saturating_add(if shipment.counts { beyond } else { 0 });
        }
        let reopened = left;
        #[cfg(feature = "mutants")]
        let reopened =
            if crate::mutant::is(crate::mutant::Mutant::UnshipsWithoutPromise) { 0 } else { reopened };
        // A shipment returns nothing to its quota, so its reversal takes nothing from the same quota. The
        // line may have moved to another quota, or to none, since the shipment.
        for is_of_quota in [true, false] {
            let wanted =
                |one: &&mut Shipment| of_line(one) && (one.quota_number == quota_number) == is_of_quota;
            for shipment in plan.shipments.iter_mut().filter(wanted) {
                let promised = shipment.take_promised(left);
                left = left.saturating_sub(promised);
                goods = goods.saturating_add(if shipment.counts { promised } else { 0 });
                if is_of_quota {
                    charged_already = promised.saturating_add(charged_already);
                }
            }
        }
        let to = (goods > 0).then_some(source);
        plan.book(sku, Total::Beyond, reopened.saturating_sub(units), to);
        plan.book(sku, Total::Shipped, 0_i64.saturating_sub(reopened), to);
        let line = &mut plan.lines[at];
        line.shipped = line.shipped.saturating_sub(units);
        line.open = line.open.saturating_add(reopened);
        let line = *line;
        if goods > 0 {
            plan.move_goods(sku, source, goods, Cause::Returned, index);
        }
        if reopened > 0 {
            plan.confirm();
        }
        if counts && reopened > 0 {
            if self.promised(sku, stock).saturating_add(reopened) > QUANTITY_MAX {
                let refusal = Refusal::of_line(Code::QuantityOverflow, index);
                return Err(refusal.bounded(sku, QUANTITY_MAX, reopened));
            }
            let quota = self.quota_of(&line, stock, reopened.saturating_sub(charged_already));
            plan.promise(sku, stock, reopened, quota, index);
        }
        Ok(())
    }

    /// Loads the shipments of the reservation into the plan, so that it can change them.
    pub(crate) fn load_shipments(&self, plan: &mut Plan) {
        if let Some(change) = &plan.reservation {
            self.shipments_of(change.slot, &mut plan.shipments);
        }
    }
}
