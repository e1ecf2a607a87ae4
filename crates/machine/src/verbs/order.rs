//! What becomes of an order: amend, ship, and what is taken back off the van: unship.

use super::cart::{Kept, Stop};
use super::hold::Standing;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{LineState, Shipment};
use crate::ledger::state::{At, State};
use crate::machine::Machine;
use crate::moves::{Cause, Plan, Report};
use crate::refusal::quantity;
use stockhold_protocol::command::{Amend, Ship, Unship};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Detail, Lines, Quantity};

/// Most pairs of a line and a source from which it was shipped, in one reservation.
const SHIPMENTS_MAX: usize = 1_024;

impl Machine {
    /// Changes a confirmed order; what is planned is as of now.
    pub(crate) fn amend(&mut self, amend: &Amend) -> Decision {
        let stock = self.state.find_reservation(amend.reservation.0);
        let stock = stock.map(|slot| self.state.reservations.get(slot).stock);
        for line in &amend.lines {
            let known = stock.filter(|_| self.state.has_sku(line.sku.0));
            if let Some(at) = known.and_then(|stock| self.state.find(line.sku.0, stock)) {
                self.state.settle(at.cluster);
            }
        }
        self.perform(|state, plan| state.plan_amend(amend, plan))
    }
}

impl State {
    fn plan_amend(&self, amend: &Amend, plan: &mut Plan) -> Decision {
        let (row, standing) = self.subject(amend.reservation, plan)?;
        match standing {
            Standing::Confirmed => {}
            Standing::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Standing::Expired => return Err(Refusal::new(Code::Expired)),
            Standing::Released | Standing::Ended => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        plan.ask(&Lines::Slice(&amend.lines));
        let mut backordered: i64 = 0;
        for index in 0..plan.asked.len() {
            let more = self.plan_amended(row.stock, index, plan)?;
            backordered = backordered.saturating_add(more);
        }
        plan.close_if_settled();
        let backordered = quantity(backordered);
        let is_backordered = backordered > Quantity::ZERO;
        let detail = if is_backordered { Detail::Backordered(backordered) } else { Detail::None };
        Ok(Answer::ok(0).with(detail))
    }

    /// Plans one line of an amend; returns how many of its units lean on an allowance.
    fn plan_amended(&self, stock: u32, index: usize, plan: &mut Plan) -> Result<i64, Refusal> {
        let asked = plan.asked[index];
        let (sku, total) = (asked.sku.0, asked.quantity.raw());
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
            plan.end_promise(at, cancelled, self.quota_of(&line, stock, cancelled), index);
            return Ok(0);
        }
        let refused = |code: Code, at: Option<At>| self.refused_line(Stop { code, at }, asked, index);
        let place = self.place_to_sell(sku, stock).map_err(|code| refused(code, None))?;
        // What was not counted so far must fit as a whole; what has left needs no room.
        let units = if line.counts { ordered } else { line.shipped };
        let kept = Kept { units, counts: true, quota_number: line.quota_number };
        let planned = self.plan_line(place, asked, false, kept).map_err(|code| refused(code, Some(place)))?;
        let open = total.saturating_sub(line.shipped);
        let lines_max = self.core.configuration.lines_max;
        let at = known.unwrap_or(plan.lines.len());
        if known.is_none() {
            if at >= lines_max as usize {
                return Err(Refusal::limit("lines_max", lines_max));
            }
            plan.lines.push(line);
        }
        // As in a replace, a line that grows takes from the quota in force as a whole.
        plan.end_promise(at, line.open, self.quota_of(&line, stock, line.open), index);
        let quota_number = if planned.counts { planned.quota_number } else { 0 };
        plan.lines[at] = LineState { counts: planned.counts, quota_number, open, ..line };
        if planned.counts {
            plan.promise(sku, stock, open, self.quota_units(place, quota_number, open), index);
        }
        Ok(planned.backordered)
    }

    pub(crate) fn plan_ship(&self, ship: &Ship<'_>, plan: &mut Plan) -> Decision {
        let (row, standing) = self.subject(ship.reservation, plan)?;
        match standing {
            Standing::Confirmed => {}
            Standing::Held if ship.forced => {
                for at in 0..plan.lines.len() {
                    let line = plan.lines[at];
                    plan.keep_promise(at, self.quota_of(&line, row.stock, line.open), None);
                }
                plan.confirm();
            }
            // Nothing of it is promised any more: all that leaves is beyond.
            Standing::Expired | Standing::Released | Standing::Ended if ship.forced => {}
            Standing::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Standing::Expired => return Err(Refusal::new(Code::Expired)),
            Standing::Released | Standing::Ended => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let is_promised = matches!(standing, Standing::Confirmed | Standing::Held);
        if self.catalog.source(ship.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.with_shipments(plan);
        plan.ask(&ship.lines);
        for index in 0..plan.asked.len() {
            let (sku, units) = (plan.asked[index].sku.0, plan.asked[index].quantity.raw());
            let Some(at) = plan.line_of(sku) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
            };
            let open = plan.lines[at].open;
            if units > open && !ship.forced {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(sku, open, units));
            }
            let ended = if is_promised { units.min(open) } else { 0 };
            plan.ship(at, ship.source.0, units, ended, index);
        }
        if plan.shipments.len() > SHIPMENTS_MAX {
            return Err(Refusal::limit("shipments of a reservation", SHIPMENTS_MAX));
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

    /// A fact: it is bounded by what the source shipped, and a shortfall is reported.
    pub(crate) fn plan_unship(&self, unship: &Unship, plan: &mut Plan) -> Decision {
        let (row, standing) = self.subject(unship.reservation, plan)?;
        if standing == Standing::Held {
            return Err(Refusal::new(Code::NotConfirmed));
        }
        if self.catalog.source(unship.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.with_shipments(plan);
        plan.ask(&Lines::Slice(&unship.lines));
        for index in 0..plan.asked.len() {
            self.plan_taken_back(row.stock, unship.source.0, index, plan)?;
        }
        plan.is_fact = true;
        plan.report = Report::Shortfall;
        Ok(Answer::ok(0))
    }

    /// Plans one line of an unship. Units that no promise asked for come back first, and nothing is promised for them.
    fn plan_taken_back(&self, stock: u32, source: u32, index: usize, plan: &mut Plan) -> Result<(), Refusal> {
        let (sku, units) = (plan.asked[index].sku.0, plan.asked[index].quantity.raw());
        let Some(at) = plan.line_of(sku) else {
            return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
        };
        let LineState { counts, shipped, returned, quota_number, .. } = plan.lines[at];
        let of_line = |one: &Shipment| (one.sku, one.source) == (sku, source);
        let from_source = plan.shipments.iter().filter(|one| of_line(one));
        let most = from_source.fold(0, |sum: i64, one| sum.saturating_add(one.units));
        let most = most.min(shipped.saturating_sub(returned));
        if units > most {
            return Err(Refusal::of_line(Code::MoreThanShipped, index).bounded(sku, most, units));
        }
        let (mut left, mut charged_already) = (units, 0);
        for shipment in plan.shipments.iter_mut().filter(|one| of_line(one)) {
            let beyond = left.min(shipment.beyond);
            shipment.beyond = shipment.beyond.saturating_sub(beyond);
            shipment.units = shipment.units.saturating_sub(beyond);
            left = left.saturating_sub(beyond);
        }
        let reopened = left;
        // A shipment gives nothing back to its quota, so its reversal takes nothing from it; but the line may have come under
        // another one since, or under none.
        for is_of_quota in [true, false] {
            let wanted =
                |one: &&mut Shipment| of_line(one) && (one.quota_number == quota_number) == is_of_quota;
            for shipment in plan.shipments.iter_mut().filter(wanted) {
                let promised = left.min(shipment.units.saturating_sub(shipment.beyond));
                shipment.units = shipment.units.saturating_sub(promised);
                left = left.saturating_sub(promised);
                if is_of_quota {
                    charged_already = promised;
                }
            }
        }
        let line = &mut plan.lines[at];
        line.shipped = line.shipped.saturating_sub(units);
        line.open = line.open.saturating_add(reopened);
        let line = *line;
        if counts {
            plan.move_goods(sku, source, units, Cause::Returned, index);
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

    /// Units of a SKU that a stock has promised.
    fn promised(&self, sku: u32, stock: u32) -> i64 {
        let Some(at) = self.find(sku, stock) else { return 0 };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.pool_at(group, self.now_s()).promised(group, at.index)
    }

    /// Lets the plan change what each source has shipped.
    fn with_shipments(&self, plan: &mut Plan) {
        if let Some(subject) = &plan.subject {
            self.shipments_of(subject.slot, &mut plan.shipments);
        }
    }
}
