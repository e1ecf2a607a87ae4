//! What leaves for a customer: ship.

use super::hold::Standing;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::state::State;
use crate::moves::{Cause, Plan, Report};
use stockhold_protocol::Code;
use stockhold_protocol::command::Ship;

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
        plan.ask(&ship.lines);
        for index in 0..plan.asked.len() {
            let (sku, units) = (plan.asked[index].sku.0, plan.asked[index].quantity.raw());
            let Some(at) = plan.line_of(sku) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
            };
            let line = &mut plan.lines[at];
            if units > line.open && !ship.forced {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(sku, line.open, units));
            }
            line.shipped = line.shipped.saturating_add(units);
            let (ended, counts) = (units.min(line.open), line.counts);
            // A quota is not given back by a shipment: the budget is spent.
            plan.end_promise(at, ended, 0, index);
            if counts {
                let units = 0_i64.saturating_sub(units);
                plan.move_goods(sku, ship.source.0, units, Cause::Shipped, index);
            }
        }
        plan.close_if_settled();
        if ship.forced {
            plan.is_fact = true;
            plan.report = Report::Shortfall;
        }
        Ok(Answer::ok(0))
    }
}
