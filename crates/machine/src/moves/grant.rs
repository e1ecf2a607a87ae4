//! Creates a new reservation: its record and the promises of its planned lines.
//!
//! Nearly every command takes this path. The code therefore uses the planned lines directly and builds no list
//! of movements.

use super::plan::{CartPlan, Planned};
use crate::decision::{Answer, Ticket};
use crate::ledger::record::{Grant, LineState, ReservationRow, Stage};
use crate::ledger::state::State;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Deadline, Timestamp};

/// How the units of a new reservation are booked in its order.
#[derive(Clone, Copy)]
pub(crate) struct Joining {
    /// The event: a placement, or a compensation that adds units.
    pub(crate) kind: EventKind,
    /// The hash of a placement's command; 0 = none.
    pub(crate) body: u32,
}

/// The terms of a new reservation besides its lines.
pub(crate) struct Terms<'a> {
    pub(crate) ticket: Ticket,
    pub(crate) stock: u32,
    pub(crate) owner: u64,
    pub(crate) reference: &'a str,
    /// The order with this reference, if there is one.
    pub(crate) order: Option<u32>,
    /// The source that a sale has taken its units from.
    pub(crate) source: Option<u32>,
    pub(crate) joining: Joining,
    pub(crate) origin: Timestamp,
    pub(crate) deadline: Deadline,
}

impl State {
    /// Creates a reservation of one line. Its record contains everything that the answer reports.
    pub(crate) fn grant_single(&mut self, terms: &Terms<'_>, planned: &Planned) {
        self.promise_line(planned, terms.deadline);
        let mut row = self.new_row(terms, 1, false);
        row.set_first_line(planned.granted_line());
        self.place_reservation(row);
    }

    /// Creates a reservation with the promises of a planned cart.
    pub(crate) fn grant(&mut self, terms: &Terms<'_>, cart: &mut CartPlan, answer: &Answer) {
        cart.lines.clear();
        for line in cart.planned.iter().filter(|line| line.granted > 0) {
            cart.lines.push(line.granted_line());
            self.promise_line(line, terms.deadline);
        }
        let is_partial = answer.code == stockhold_protocol::Code::Partial;
        let row = self.new_row(terms, cart.lines.len(), is_partial);
        let slot = self.add_reservation(row, &cart.lines, terms.reference, answer, None);
        if !terms.reference.is_empty() {
            self.join_order(slot, terms, &cart.lines);
        }
    }

    /// Records a point-of-sale sale. Its goods have left the source, so it has no promise.
    pub(crate) fn record_sale(&mut self, terms: &Terms<'_>, lines: &[LineState], answer: &Answer) {
        let mut row = self.new_row(terms, lines.len(), false);
        row.set_stage(Stage::Shipped);
        row.erase_at_s = self.erase_at(self.hold_time());
        let slot = self.add_reservation(row, lines, terms.reference, answer, terms.source);
        if !terms.reference.is_empty() {
            self.join_order(slot, terms, lines);
        }
    }

    /// The record of a new reservation without its lines.
    #[inline]
    fn new_row(&self, terms: &Terms<'_>, lines: usize, partial: bool) -> ReservationRow {
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
}
