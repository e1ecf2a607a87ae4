//! Commands that name an order: placements, placements that failed, and events.

use super::Machine;
use super::carts::{plan_cart, plan_forced};
use crate::decision::{Answer, Decision, Refusal, Ticket};
use crate::ledger::record::body_of;
use crate::moves::{Joining, RowsPlan, Terms};
use crate::verbs::{CartMode, PlacementCheck};
use stockhold_protocol::command::{
    AppendReservations, EventLine, OrderAction, OrderEvent, PlaceFailed, Placement,
};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{BadField, Code, Deadline, Line, Outcome, Quantity};

/// The value of an answer to a placement that took effect before.
const PLACED_BEFORE: u32 = 1;

impl Machine {
    /// Says what an order has open in a stock. Its live holds there are taken over.
    pub(super) fn place(&mut self, ticket: Ticket, placement: &Placement<'_>) -> Decision {
        let Placement(cart) = placement;
        let stock = self.state.known_stock_of(cart.target)?;
        let requested = self.merge(cart)?;
        let body = body_of(ticket.fingerprint);
        let (reference, owner) = (cart.reference, cart.owner);
        let check = self.state.check_placement((reference, owner), stock, &self.cart.requested, body)?;
        let PlacementCheck::New { holds, origin } = check else { return Ok(Answer::ok(PLACED_BEFORE)) };
        let order = self.state.check_reference(reference, owner, self.cart.requested.len())?;
        let origin = origin.unwrap_or_else(|| self.state.hold_time());
        let deadline = match cart.ttl_ms {
            Some(ttl_ms) => self.state.deadline_of(ttl_ms, origin)?,
            None => Deadline::NONE,
        };
        let mode = CartMode { is_frozen: self.state.is_frozen(cart.target, stock), ..CartMode::WHOLE };
        plan_cart(&mut self.state, &mut self.cart, stock, mode, &holds)?;
        for slot in holds {
            self.end_replaced(slot);
        }
        let joining = Joining { kind: EventKind::OrderPlaced, body };
        let terms = Terms { ticket, stock, owner, reference, order, source: None, joining, origin, deadline };
        Ok(self.grant(&terms, requested, false))
    }

    /// Gives back what is open of a placement. A placement that was not decided yet never will be.
    pub(super) fn place_failed(&mut self, op: u64, failure: &PlaceFailed) -> Decision {
        let id = failure.placement.0;
        if let Some(slot) = self.state.find_reservation(id) {
            return self.plan_and_execute(|state, plan| state.plan_place_failed(slot, &failure.order, plan));
        }
        match self.state.answer_of_known_id(op, id, 0) {
            None => {
                let outcome = Outcome::new(Code::PlaceFailed, 0, op);
                #[cfg(feature = "mutants")]
                if crate::mutant::is(crate::mutant::Mutant::PlacesAfterFailure) {
                    return Ok(Answer::ok(0));
                }
                self.state.record(id, 0, &outcome);
                Ok(Answer::ok(0))
            }
            Some(answer) if matches!(answer.code, Code::IdFromFuture | Code::Busy) => {
                Err(Refusal { code: answer.code, value: answer.value, detail: answer.detail })
            }
            // It was refused, or its id is so old that it can never be executed.
            Some(_) => Ok(Answer::ok(0)),
        }
    }

    /// Executes an event of an order.
    pub(super) fn order_event(&mut self, ticket: Ticket, event: &OrderEvent) -> Decision {
        let order = self.state.order(&event.order)?;
        let body = body_of(ticket.fingerprint);
        if let Some(answer) = self.state.answer_of_document(order, event, body)? {
            return Ok(answer);
        }
        let lines = event.merged_lines();
        if event.action == OrderAction::Edit {
            self.state.settle_lines_of_order(order, &lines);
        }
        self.plan.clear();
        self.plan.event.body = if event.document.is_empty() { 0 } else { body };
        let answer = self.state.plan_order_event(order, event, &lines, &mut self.plan)?;
        self.state.guard(&self.plan)?;
        self.state.check_promised(&self.plan)?;
        self.state.check_event(&self.plan)?;
        let added = self.plan_added(order, event, &lines)?;
        self.state.execute(&self.plan);
        if let Some(stock) = added {
            let (owner, origin) = (self.state.orders.get(order).owner, self.state.hold_time());
            let joining = Joining { kind: EventKind::ManualCompensation, body: 0 };
            let (reference, deadline) = (event.order.as_str(), Deadline::NONE);
            let order = Some(order);
            let terms =
                Terms { ticket, stock, owner, reference, order, source: None, joining, origin, deadline };
            return Ok(self.grant(&terms, 0, false));
        }
        Ok(self.state.with_report(answer, &self.plan))
    }

    /// Appends signed rows.
    #[inline(never)]
    pub(super) fn append_rows(&mut self, op: u64, append: &AppendReservations) -> Decision {
        self.plan.clear();
        let mut rows = RowsPlan::default();
        let answer = self.state.plan_rows(append, &mut self.plan, &mut rows)?;
        self.state.execute_rows(op, &self.plan, &rows);
        Ok(answer)
    }

    /// Plans the units that a compensation adds to the promise, as a cart of its own. Returns their stock.
    fn plan_added(
        &mut self,
        order: u32,
        event: &OrderEvent,
        lines: &[EventLine],
    ) -> Result<Option<u32>, Refusal> {
        let is_added =
            |line: &&EventLine| event.action == OrderAction::Compensate && line.quantity < Quantity::ZERO;
        let added: Vec<&EventLine> = lines.iter().filter(is_added).collect();
        let [first, ..] = added.as_slice() else { return Ok(None) };
        let Some(stock) = first.stock.filter(|_| added.iter().all(|line| line.stock == first.stock)) else {
            let rule = "must be the same one for all lines that add units to an order";
            return Err(Refusal::field(&BadField::new("lines.stock", rule)));
        };
        self.cart.requested.clear();
        for line in &added {
            let units = Quantity::from_raw(0_i64.saturating_sub(line.quantity.raw())).unwrap_or_default();
            self.cart.requested.push(Line::new(line.sku, units));
        }
        self.state.check_cart(added.len())?;
        let owner = self.state.orders.get(order).owner;
        self.state.check_reference(&event.order, owner, added.len())?;
        if event.forced {
            plan_forced(&mut self.state, &mut self.cart, stock.0)?;
        } else {
            let is_frozen = self.state.catalog.frozen().has_stock(stock.0);
            let mode = CartMode { is_frozen, ..CartMode::WHOLE };
            plan_cart(&mut self.state, &mut self.cart, stock.0, mode, &[])?;
        }
        Ok(Some(stock.0))
    }
}
