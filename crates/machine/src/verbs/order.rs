//! What leaves for a customer: ship.

use super::hold::Standing;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::state::State;
use crate::moves::{Plan, Report};
use stockhold_protocol::Code;
use stockhold_protocol::command::Ship;

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

    /// Lets the plan change what each source has shipped.
    fn with_shipments(&self, plan: &mut Plan) {
        if let Some(subject) = &plan.subject {
            self.shipments_of(subject.slot, &mut plan.shipments);
        }
    }
}
