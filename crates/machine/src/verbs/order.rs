//! What leaves for a customer, and what is taken back off the van: ship, unship.

use super::hold::Standing;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{LineState, Shipment};
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
