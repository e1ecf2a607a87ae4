//! Commands that make a reservation: reserve, replace and sell. The machine settles the places of a cart, lets `verbs`
//! plan its lines one after the other, and lets `moves` create the reservation.

use super::Machine;
use crate::decision::{Answer, Decision, Refusal, Ticket};
use crate::ledger::state::State;
use crate::moves::{CartPlan, Joining, Planned, Terms};
use crate::verbs::{CartMode, ExistingPromise, RefusalReason, Replacement, grant_answer, plan_sale};
use stockhold_protocol::command::{PlainCart, Replace, Reserve, Sell};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Deadline, Line};

/// How a reservation of these commands joins its order.
const PLACED: Joining = Joining { kind: EventKind::OrderPlaced, body: 0 };

impl Machine {
    /// The fast path of [`Machine::reserve`] for a cart of one line. It uses no lists.
    pub(super) fn reserve_plain(&mut self, ticket: Ticket, cart: &PlainCart) -> Decision {
        let state = &mut self.state;
        let origin = state.hold_time();
        let (stock, deadline) = state.terms_of(cart.target, cart.ttl_ms, origin)?;
        state.check_cart(1)?;
        let planned = plan_line(state, stock, cart.line, CartMode::WHOLE, ExistingPromise::default())
            .map_err(|reason| state.line_refusal(reason, cart.line, 0))?;
        let terms = Terms {
            ticket,
            stock,
            owner: cart.owner,
            reference: "",
            order: None,
            source: None,
            joining: PLACED,
            origin,
            deadline,
        };
        if planned.backordered > 0 {
            // The answer has a detail that the record of a single line cannot store.
            self.cart.planned.clear();
            self.cart.planned.push(planned);
            return Ok(self.grant(&terms, planned.granted, false));
        }
        state.grant_single(&terms, &planned);
        Ok(Answer::ok(deadline.0))
    }

    pub(super) fn reserve(&mut self, ticket: Ticket, reserve: &Reserve<'_>) -> Decision {
        let origin = self.state.hold_time();
        let (stock, deadline) = self.state.terms_of(reserve.target, reserve.ttl_ms, origin)?;
        let requested = self.merge(reserve)?;
        let order =
            self.state.check_reference(reserve.reference, reserve.owner, self.cart.requested.len())?;
        let mode = CartMode { best_effort: reserve.best_effort, is_frozen: false };
        plan_cart(&mut self.state, &mut self.cart, stock, mode, &[])?;
        let (owner, reference) = (reserve.owner, reserve.reference);
        let terms =
            Terms { ticket, stock, owner, reference, order, source: None, joining: PLACED, origin, deadline };
        Ok(self.grant(&terms, requested, reserve.best_effort))
    }

    pub(super) fn replace(&mut self, ticket: Ticket, replace: &Replace<'_>) -> Decision {
        let new = &replace.new;
        match self.state.check_replace(replace)? {
            Replacement::OfEnded { slot } => {
                // The old cart is closed as replaced, so that neither another replace nor a late confirm can
                // revive it again.
                let answer = self.reserve(ticket, new)?;
                self.end_replaced(slot);
                Ok(answer)
            }
            Replacement::OfHold { slot, stock, origin, deadline } => {
                let requested = self.merge(new)?;
                let order =
                    self.state.check_reference(new.reference, new.owner, self.cart.requested.len())?;
                let is_frozen = self.state.is_frozen(new.target, stock);
                let mode = CartMode { best_effort: new.best_effort, is_frozen };
                plan_cart(&mut self.state, &mut self.cart, stock, mode, &[slot])?;
                self.end_replaced(slot);
                let (owner, reference) = (new.owner, new.reference);
                let terms = Terms {
                    ticket,
                    stock,
                    owner,
                    reference,
                    order,
                    source: None,
                    joining: PLACED,
                    origin,
                    deadline,
                };
                Ok(self.grant(&terms, requested, true))
            }
        }
    }

    pub(super) fn sell(&mut self, ticket: Ticket, sell: &Sell<'_>) -> Decision {
        let stock = self.state.check_sell(sell)?;
        sell.lines.merge_into(&mut self.cart.requested);
        let order = self.state.check_reference(sell.reference, sell.owner, self.cart.requested.len())?;
        if sell.forced {
            plan_forced(&mut self.state, &mut self.cart, stock)?;
        } else {
            plan_cart(&mut self.state, &mut self.cart, stock, CartMode::WHOLE, &[])?;
        }
        self.plan.clear();
        plan_sale(sell, stock, &mut self.cart, &mut self.plan);
        self.state.guard(&self.plan)?;
        self.state.execute(&self.plan);
        let answer = self.state.with_report(Answer::ok(0), &self.plan);
        let (owner, reference, origin) = (sell.owner, sell.reference, self.state.hold_time());
        let (source, deadline) = (Some(sell.source.0), Deadline::NONE);
        let terms =
            Terms { ticket, stock, owner, reference, order, source, joining: PLACED, origin, deadline };
        self.state.record_sale(&terms, &self.cart.lines, &answer);
        Ok(answer)
    }

    /// Sums the cart's lines by SKU. Returns the total requested quantity in ten-thousandths.
    pub(super) fn merge(&mut self, reserve: &Reserve<'_>) -> Result<i64, Refusal> {
        self.state.check_cart(reserve.lines.len())?;
        let requested = &mut self.cart.requested;
        reserve.lines.merge_into(requested);
        Ok(requested.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity.raw())))
    }

    /// Creates the planned reservation. `lists` tells whether the answer lists the granted lines.
    pub(super) fn grant(&mut self, terms: &Terms<'_>, requested: i64, lists: bool) -> Answer {
        let answer = grant_answer(&self.cart, terms.deadline, requested, lists);
        self.state.grant(terms, &mut self.cart, &answer);
        answer
    }

    /// Closes the reservation that a new one replaces.
    pub(super) fn end_replaced(&mut self, slot: u32) {
        self.plan.clear();
        self.state.plan_replaced(slot, &mut self.plan);
        self.state.execute(&self.plan);
    }
}

/// Plans a line of a cart at the place of its SKU in a stock.
#[expect(clippy::inline_always, reason = "see `State::plan_line`, whose result it returns")]
#[inline(always)]
fn plan_line(
    state: &mut State,
    stock: u32,
    line: Line,
    mode: CartMode,
    existing: ExistingPromise,
) -> Result<Planned, RefusalReason> {
    let at = state.settled_place(line.sku.0, stock, existing.units > 0);
    let at = at.map_err(|code| RefusalReason { code, at: None })?;
    let planned = state.plan_line(at, line, mode, existing);
    planned.map_err(|code| RefusalReason { code, at: Some(at) })
}

/// Plans every merged line of the cart in a stock. The units of replaced holds count as already promised.
pub(super) fn plan_cart(
    state: &mut State,
    cart: &mut CartPlan,
    stock: u32,
    mode: CartMode,
    replaced: &[u32],
) -> Result<(), Refusal> {
    cart.planned.clear();
    for (index, line) in cart.requested.iter().enumerate() {
        let existing = match replaced {
            [] => ExistingPromise::default(),
            replaced => state.existing_promises(replaced, line.sku.0),
        };
        match plan_line(state, stock, *line, mode, existing) {
            Ok(planned) => cart.planned.push(planned),
            Err(reason) => return Err(state.line_refusal(reason, *line, index)),
        }
    }
    state.require_grant(cart, mode)
}

/// Plans a forced sale. The goods have left, so only SKUs whose quantity cannot be recorded are refused.
pub(super) fn plan_forced(state: &mut State, cart: &mut CartPlan, stock: u32) -> Result<(), Refusal> {
    cart.planned.clear();
    for (index, line) in cart.requested.iter().enumerate() {
        if let Err(code) = state.entry_to_sell(line.sku.0) {
            return Err(state.line_refusal(RefusalReason { code, at: None }, *line, index));
        }
        let at = state.place_of_line(line.sku.0, stock);
        cart.planned.push(state.plan_forced_line(at, *line));
    }
    Ok(())
}
