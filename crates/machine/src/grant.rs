//! Making promises: reserve, replace, and the sale at a counter.
//!
//! Plan first, reading only (the rules of a cart stand in `cart`); then execute, which cannot fail.

use crate::decision::{Answer, Decision, Refusal, Ticket};
use crate::machine::Machine;
use crate::plan::Planned;
use crate::record::{Grant, LineState, ReservationRow, Stage};
use crate::state::State;
use stockhold_protocol::command::{PlainCart, Replace, Reserve, Sell, Target};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{BadField, Code, Deadline, Detail, Quantity, SkuId, Timestamp};

/// The terms of a new reservation besides its lines.
struct Terms<'a> {
    ticket: Ticket,
    stock: u32,
    owner: u64,
    reference: &'a str,
    origin: Timestamp,
    deadline: Deadline,
    /// Whether the answer lists the lines.
    lists: bool,
}

impl Machine {
    /// What [`Machine::reserve`] does with a cart of one line, without the lists that longer ones need.
    pub(crate) fn reserve_plain(&mut self, ticket: Ticket, cart: &PlainCart) -> Decision {
        let origin = self.state.hold_time();
        let (stock, deadline) = self.terms_of(cart.target, cart.ttl_ms, origin)?;
        self.check_room(1)?;
        let planned = self.state.plan_single(stock, cart.line)?;
        let terms = Terms { ticket, stock, owner: cart.owner, reference: "", origin, deadline, lists: false };
        if planned.backordered > 0 {
            // The answer says more than the record of a line does.
            self.planned.clear();
            self.planned.push(planned);
            return Ok(self.grant(&terms, planned.granted));
        }
        self.state.promise_line(&planned, deadline);
        let mut row = self.state.row_of(&terms, 1, false);
        row.set_first_line(planned.granted_line());
        self.state.place_reservation(row);
        Ok(Answer::ok(deadline.0))
    }

    pub(crate) fn reserve(&mut self, ticket: Ticket, reserve: &Reserve<'_>) -> Decision {
        let origin = self.state.hold_time();
        let (stock, deadline) = self.terms_of(reserve.target, reserve.ttl_ms, origin)?;
        let asked = self.merge(reserve)?;
        self.plan_cart(stock, reserve.best_effort, None)?;
        let terms = Terms {
            ticket,
            stock,
            owner: reserve.owner,
            reference: reserve.reference,
            origin,
            deadline,
            lists: reserve.best_effort,
        };
        Ok(self.grant(&terms, asked))
    }

    pub(crate) fn replace(&mut self, ticket: Ticket, replace: &Replace<'_>) -> Decision {
        let now = self.state.hold_time();
        let slot =
            self.state.find_reservation(replace.old.0).ok_or(Refusal::new(Code::UnknownReservation))?;
        let old = *self.state.reservations.get(slot);
        if old.owner != replace.new.owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        match old.stage() {
            Stage::Held if Deadline(old.deadline_s).has_passed(now) => {
                return self.revive(ticket, slot, &replace.new);
            }
            Stage::Held => {}
            Stage::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Stage::Released => return self.revive(ticket, slot, &replace.new),
            Stage::Shipped | Stage::Replaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let origin = Timestamp(old.origin_ms);
        let (stock, deadline) = self.terms_of(replace.new.target, replace.new.ttl_ms, origin)?;
        if stock != old.stock {
            let error = BadField::new("target", "must be the stock of the hold that is replaced");
            return Err(Refusal::field(&error));
        }
        let asked = self.merge(&replace.new)?;
        self.plan_cart(stock, replace.new.best_effort, Some(slot))?;
        self.end_hold(slot, Stage::Replaced);
        let terms = Terms {
            ticket,
            stock,
            owner: replace.new.owner,
            reference: replace.new.reference,
            origin,
            deadline,
            lists: true,
        };
        Ok(self.grant(&terms, asked))
    }

    /// A plain reserve in place of a cart that has expired or was released. That cart is replaced then, so it is not
    /// revived a second time: neither by another replace nor by a late confirm.
    fn revive(&mut self, ticket: Ticket, old: u32, new: &Reserve<'_>) -> Decision {
        let answer = self.reserve(ticket, new)?;
        self.end_lapsed(old);
        Ok(answer)
    }

    pub(crate) fn sell(&mut self, ticket: Ticket, sell: &Sell<'_>) -> Decision {
        let stock = self.stock_of(sell.target)?;
        if self.state.catalog.source(sell.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.check_room(sell.lines.len())?;
        let mut lines = std::mem::take(&mut self.lines);
        sell.lines.merge_into(&mut lines);
        self.lines = lines;
        if sell.forced {
            self.plan_forced(stock)?;
        } else {
            self.plan_cart(stock, false, None)?;
        }
        self.plan_departure(sell.source.0, stock, sell.forced)?;
        Ok(self.execute_sale(ticket, stock, sell))
    }

    /// The stock that a target stands for now.
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

    /// Executes the plan: a new reservation with its promises.
    fn grant(&mut self, terms: &Terms<'_>, asked: i64) -> Answer {
        let Self { state, planned, line_states: lines, .. } = self;
        lines.clear();
        let mut granted: i64 = 0;
        for line in planned.iter().filter(|line| line.granted > 0) {
            state.promise_line(line, terms.deadline);
            granted = granted.saturating_add(line.granted);
            lines.push(line.granted_line());
        }
        let partial = granted < asked;
        let row = state.row_of(terms, lines.len(), partial);
        let code = if partial { Code::Partial } else { Code::Ok };
        let answer = Answer { code, value: terms.deadline.0, detail: self.grant_detail(terms.lists) };
        self.state.add_reservation(row, &self.line_states, terms.reference, &answer);
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

    /// Units that are promised and missing of the counted SKUs of the plan in hand.
    fn shortfall_of_plan(&mut self) -> Quantity {
        let skus = self.planned.iter().filter(|line| line.counts).map(|line| line.sku);
        let sum = skus.fold(0, |sum: i64, sku| sum.saturating_add(self.state.shortfall_of(sku)));
        Quantity::from_raw(sum).unwrap_or(Quantity::MAX)
    }

    fn execute_sale(&mut self, ticket: Ticket, stock: u32, sell: &Sell<'_>) -> Answer {
        let planned = std::mem::take(&mut self.planned);
        let mut lines = std::mem::take(&mut self.line_states);
        lines.clear();
        for line in &planned {
            if line.counts {
                self.state.take_from_item(line.sku, sell.source.0, line.granted);
                if line.quota_number != 0 {
                    let units = line.granted;
                    self.state.change_position(line.at, |row| {
                        row.quota_taken = row.quota_taken.saturating_add(units);
                    });
                    self.state.mark_changed(line.at.cluster);
                }
            }
            lines.push(LineState { open: 0, shipped: line.granted, ..line.granted_line() });
        }
        self.planned = planned;
        let mut row = ReservationRow::new(ticket.id, stock);
        row.actor = self.state.actor;
        row.owner = sell.owner;
        row.origin_ms = self.state.hold_time().0;
        row.set_grant(Grant {
            fingerprint: ticket.fingerprint,
            op: ticket.op,
            deadline_s: 0,
            lines: u16::try_from(lines.len()).unwrap_or(u16::MAX),
            partial: false,
            listed: false,
        });
        row.set_stage(Stage::Shipped);
        row.erase_at_s = self.state.erase_at(self.state.hold_time());
        let detail = if sell.forced { Detail::Shortfall(self.shortfall_of_plan()) } else { Detail::None };
        let answer = Answer::ok(0).with(detail);
        self.state.add_reservation(row, &lines, sell.reference, &answer);
        self.line_states = lines;
        answer
    }
}

impl State {
    /// The record of a new reservation, still without its lines.
    #[inline]
    fn row_of(&self, terms: &Terms<'_>, lines: usize, partial: bool) -> ReservationRow {
        let mut row = ReservationRow::new(terms.ticket.id, terms.stock);
        row.actor = self.actor;
        row.owner = terms.owner;
        row.origin_ms = terms.origin.0;
        row.set_grant(Grant {
            fingerprint: terms.ticket.fingerprint,
            op: terms.ticket.op,
            deadline_s: terms.deadline.0,
            lines: u16::try_from(lines).unwrap_or(u16::MAX),
            partial,
            listed: false,
        });
        if terms.deadline != Deadline::NONE {
            row.set_stage(Stage::Held);
            row.erase_at_s = self.erase_at(terms.deadline.timestamp());
        }
        row
    }

    /// Counts one planned line.
    fn promise_line(&mut self, line: &Planned, deadline: Deadline) {
        if !line.counts {
            return;
        }
        let quota = self.quota_units(line.at, line.quota_number, line.granted);
        if deadline == Deadline::NONE {
            self.promise(line.at, line.granted, quota);
        } else {
            self.hold(line.at, deadline.0, line.granted, quota);
        }
    }
}
