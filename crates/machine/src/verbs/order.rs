//! What leaves for a customer, and what is taken back off the van: ship, unship.

use super::hold::Standing;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::LineState;
use crate::ledger::state::State;
use crate::moves::{Cause, Plan, Report};
use stockhold_protocol::command::{Ship, Unship};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Lines};

/// Most pairs of a line and a source from which it was shipped, in one reservation.
const SHIPMENTS_MAX: usize = 1_024;

impl State {
    pub(crate) fn plan_ship(&self, ship: &Ship<'_>, plan: &mut Plan) -> Decision {
        self.subject(ship.reservation, plan).and_then(|(_, standing)| match standing {
            Standing::Confirmed => Ok(()),
            Standing::Held => Err(Refusal::new(Code::NotConfirmed)),
            Standing::Expired => Err(Refusal::new(Code::Expired)),
            Standing::Released | Standing::Ended => Err(Refusal::new(Code::AlreadyClosed)),
        })?;
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
            plan.ship(at, ship.source.0, units, index);
        }
        if plan.shipments.len() > SHIPMENTS_MAX {
            return Err(Refusal::limit("shipments of a reservation", SHIPMENTS_MAX));
        }
        plan.close_if_settled();
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
        let LineState { counts, shipped, returned, .. } = plan.lines[at];
        let shipment = plan.shipments.iter_mut().find(|one| (one.sku, one.source) == (sku, source));
        let most = shipment.as_ref().map_or(0, |one| one.units.min(shipped.saturating_sub(returned)));
        let Some(shipment) = shipment.filter(|_| units <= most) else {
            return Err(Refusal::of_line(Code::MoreThanShipped, index).bounded(sku, most, units));
        };
        let beyond = units.min(shipment.beyond);
        let reopened = units.saturating_sub(beyond);
        shipment.units = shipment.units.saturating_sub(units);
        shipment.beyond = shipment.beyond.saturating_sub(beyond);
        let line = &mut plan.lines[at];
        line.shipped = line.shipped.saturating_sub(units);
        line.open = line.open.saturating_add(reopened);
        if counts {
            plan.move_goods(sku, source, units, Cause::Returned, index);
        }
        if reopened == 0 {
            return Ok(());
        }
        plan.confirm();
        if counts {
            if self.promised(sku, stock).saturating_add(reopened) > QUANTITY_MAX {
                let refusal = Refusal::of_line(Code::QuantityOverflow, index);
                return Err(refusal.bounded(sku, QUANTITY_MAX, reopened));
            }
            // A shipment gives nothing back to a quota, so its reversal takes nothing.
            plan.promise(sku, stock, reopened, 0, index);
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
