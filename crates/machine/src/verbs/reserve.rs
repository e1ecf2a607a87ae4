//! The commands reserve, replace and sell (a point-of-sale sale).
//!
//! A command is first planned, which only reads (the rules of a cart are in `cart`), and then executed, which
//! cannot fail.

use super::hold::Status;
use crate::decision::{Answer, Decision, Refusal, Ticket};
use crate::ledger::record::LineState;
use crate::machine::Machine;
use crate::moves::{Cause, Report, Terms};
use stockhold_protocol::command::{PlainCart, Replace, Reserve, Sell, Target};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{BadField, Code, Deadline, Detail, Quantity, SkuId, Timestamp};

impl Machine {
    /// The fast path of [`Machine::reserve`] for a cart of one line. It uses no lists.
    pub(crate) fn reserve_plain(&mut self, ticket: Ticket, cart: &PlainCart) -> Decision {
        let origin = self.state.hold_time();
        let (stock, deadline) = self.terms_of(cart.target, cart.ttl_ms, origin)?;
        self.check_limits(1)?;
        let planned = self.state.plan_single(stock, cart.line)?;
        let terms = Terms { ticket, stock, owner: cart.owner, reference: "", origin, deadline };
        if planned.backordered > 0 {
            // The answer has a detail that the record of a single line cannot store.
            self.planned.clear();
            self.planned.push(planned);
            return Ok(self.grant(&terms, planned.granted, false));
        }
        self.state.grant_single(&terms, &planned);
        Ok(Answer::ok(deadline.0))
    }

    pub(crate) fn reserve(&mut self, ticket: Ticket, reserve: &Reserve<'_>) -> Decision {
        let origin = self.state.hold_time();
        let (stock, deadline) = self.terms_of(reserve.target, reserve.ttl_ms, origin)?;
        let requested = self.merge(reserve)?;
        self.plan_cart(stock, reserve.best_effort, None)?;
        let terms =
            Terms { ticket, stock, owner: reserve.owner, reference: reserve.reference, origin, deadline };
        Ok(self.grant(&terms, requested, reserve.best_effort))
    }

    pub(crate) fn replace(&mut self, ticket: Ticket, replace: &Replace<'_>) -> Decision {
        let slot =
            self.state.find_reservation(replace.old.0).ok_or(Refusal::new(Code::UnknownReservation))?;
        let old = *self.state.reservations.get(slot);
        if old.owner != replace.new.owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        match self.state.status_of(&old) {
            Status::Held => {}
            Status::Expired | Status::Released => return self.revive(ticket, slot, &replace.new),
            Status::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let origin = Timestamp(old.origin_ms);
        let (stock, deadline) = self.terms_of(replace.new.target, replace.new.ttl_ms, origin)?;
        if stock != old.stock {
            let error = BadField::new("target", "must be the stock of the hold that is replaced");
            return Err(Refusal::field(&error));
        }
        let requested = self.merge(&replace.new)?;
        self.plan_cart(stock, replace.new.best_effort, Some(slot))?;
        self.end_replaced(slot);
        let terms = Terms {
            ticket,
            stock,
            owner: replace.new.owner,
            reference: replace.new.reference,
            origin,
            deadline,
        };
        Ok(self.grant(&terms, requested, true))
    }

    /// Replaces an expired or released cart, which is a plain reserve. The old cart is closed as replaced, so
    /// that neither another replace nor a late confirm can revive it again.
    fn revive(&mut self, ticket: Ticket, old: u32, new: &Reserve<'_>) -> Decision {
        let answer = self.reserve(ticket, new)?;
        self.end_replaced(old);
        Ok(answer)
    }

    /// Closes the reservation that a new one replaces.
    fn end_replaced(&mut self, slot: u32) {
        self.plan.clear();
        self.state.plan_replaced(slot, &mut self.plan);
        self.state.execute(&self.plan);
    }

    pub(crate) fn sell(&mut self, ticket: Ticket, sell: &Sell<'_>) -> Decision {
        let stock = self.stock_of(sell.target)?;
        if self.state.catalog.source(sell.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.check_limits(sell.lines.len())?;
        let mut lines = std::mem::take(&mut self.lines);
        sell.lines.merge_into(&mut lines);
        self.lines = lines;
        if sell.forced {
            self.plan_forced(stock)?;
        } else {
            self.plan_cart(stock, false, None)?;
        }
        self.execute_sale(ticket, stock, sell)
    }

    /// The stock of a target. A channel is resolved to its current stock.
    pub(crate) fn stock_of(&self, target: Target) -> Result<u32, Refusal> {
        let catalog = &self.state.catalog;
        let stock = match target {
            Target::Stock(stock) => catalog.has_stock(stock.0).then_some(stock.0),
            Target::Channel(channel) => catalog.channels.get(channel.0 as usize).map(|row| row.stock),
        };
        stock.ok_or_else(|| Refusal::unknown("target"))
    }

    /// Stock and deadline of a cart whose first reserve was at `origin`.
    fn terms_of(
        &self,
        target: Target,
        ttl_ms: Option<u32>,
        origin: Timestamp,
    ) -> Result<(u32, Deadline), Refusal> {
        let stock = self.stock_of(target)?;
        let Some(ttl_ms) = ttl_ms else { return Ok((stock, Deadline::NONE)) };
        Ok((stock, self.state.deadline_of(ttl_ms, origin)?))
    }

    /// Creates the planned reservation. `lists` tells whether the answer lists the granted lines.
    fn grant(&mut self, terms: &Terms<'_>, requested: i64, lists: bool) -> Answer {
        self.line_states.clear();
        let mut granted: i64 = 0;
        for line in self.planned.iter().filter(|line| line.granted > 0) {
            granted = granted.saturating_add(line.granted);
            self.line_states.push(line.granted_line());
        }
        let code = if granted < requested { Code::Partial } else { Code::Ok };
        let answer = Answer { code, value: terms.deadline.0, detail: self.grant_detail(lists) };
        self.state.grant(terms, &self.planned, &self.line_states, &answer);
        answer
    }

    fn grant_detail(&self, lists: bool) -> Detail {
        let backordered = self.backordered();
        if lists {
            Detail::Granted { lines: self.granted_lines(), backordered }
        } else if backordered > Quantity::ZERO {
            Detail::Backordered(backordered)
        } else {
            Detail::None
        }
    }

    fn granted_lines(&self) -> Vec<GrantedLine> {
        let quantity = |raw| Quantity::from_raw(raw).unwrap_or_default();
        let lines = self.planned.iter();
        lines.map(|line| GrantedLine { sku: SkuId(line.sku), quantity: quantity(line.granted) }).collect()
    }

    fn backordered(&self) -> Quantity {
        let sum = self.planned.iter().fold(0, |sum: i64, line| sum.saturating_add(line.backordered));
        Quantity::from_raw(sum).unwrap_or(Quantity::MAX)
    }

    /// Plans and executes the movements of a sale. The goods leave the source, and the quota is charged.
    fn execute_sale(&mut self, ticket: Ticket, stock: u32, sell: &Sell<'_>) -> Decision {
        self.plan.clear();
        self.line_states.clear();
        for (index, line) in self.planned.iter().enumerate() {
            if line.counts {
                let units = 0_i64.saturating_sub(line.granted);
                self.plan.move_goods(line.sku, sell.source.0, units, Cause::Shipped, index);
                if line.quota_number != 0 {
                    self.plan.promise(line.sku, stock, 0, line.granted, index);
                }
            }
            self.line_states.push(LineState { open: 0, shipped: line.granted, ..line.granted_line() });
        }
        self.plan.stock = Some(stock);
        if sell.forced {
            self.plan.is_fact = true;
            self.plan.report = Report::Shortfall;
        }
        self.state.guard(&self.plan)?;
        self.state.execute(&self.plan);
        let answer = self.state.with_report(Answer::ok(0), &self.plan);
        let terms = Terms {
            ticket,
            stock,
            owner: sell.owner,
            reference: sell.reference,
            origin: self.state.hold_time(),
            deadline: Deadline::NONE,
        };
        self.state.record_sale(&terms, &self.line_states, sell.source.0, &answer);
        Ok(answer)
    }
}
