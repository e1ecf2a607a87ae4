//! The events of orders. What they book follows from what the executor does with the lines of reservations, so no command
//! changes a total itself.

use super::grant::{Joining, Terms};
use super::plan::Plan;
use crate::decision::Refusal;
use crate::ledger::record::{
    Booking, EVENT_BYTES_MAX, EventHead, LineState, OrderPartRow, OrderRow, Total, event_bytes_max, order_key,
};
use crate::ledger::state::State;
use crate::table::NO_SLOT;
use stockhold_protocol::Code;
use stockhold_protocol::event::EventKind;

/// The most settled orders that one op looks at.
const ENDED_PER_OP: u32 = 4;

impl State {
    /// Makes a new reservation one of those of its order, which is created if there is none. Its units are booked, unless
    /// they are only held.
    pub(super) fn join_order(&mut self, reservation: u32, terms: &Terms<'_>, lines: &[LineState]) {
        let order = match terms.order {
            Some(order) => {
                self.begin_order_change(order);
                order
            }
            None => self.create_order(terms.ticket.op, terms.owner, terms.reference),
        };
        self.link_to_order(reservation, order);
        if self.reservations.get(reservation).deadline_s == 0 {
            let booked = |line: &LineState, total, units| Booking {
                stock: terms.stock,
                sku: line.sku,
                total,
                units,
                source: None,
            };
            let Joining { kind, body } = terms.joining;
            let is_compensation = kind == EventKind::ManualCompensation;
            let total = if is_compensation { Total::Compensated } else { Total::Ordered };
            let ordered = lines.iter().map(|line| booked(line, total, line.granted));
            self.append_event(order, &EventHead { body, ..self.event_head(kind) }, ordered);
            if let Some(source) = terms.source {
                let shipped = lines.iter().map(|line| Booking {
                    source: line.counts.then_some(source),
                    ..booked(line, Total::Shipped, line.shipped)
                });
                self.append_event(order, &self.event_head(EventKind::ShipmentCreated), shipped);
            }
        }
        self.end_order_change(order);
    }

    /// An event of the current op without a document.
    pub(super) fn event_head(&self, kind: EventKind) -> EventHead<'static> {
        EventHead {
            kind,
            code: Code::Ok,
            op: self.core.op,
            time_ms: self.core.time.0,
            actor: self.actor,
            document: "",
            body: 0,
        }
    }

    /// Refuses a plan whose event would be beyond the limit of its order's events.
    pub(crate) fn check_event(&self, plan: &Plan) -> Result<(), Refusal> {
        let order = plan.order.or_else(|| plan.reservation.and_then(|change| self.order_of(change.slot)));
        order.map_or(Ok(()), |order| self.check_event_room(order, plan.bookings.len(), EVENT_BYTES_MAX))
    }

    /// Whether an order has room for an event with so many bookings, up to a number of bytes.
    pub(crate) fn check_event_room(&self, order: u32, bookings: usize, most: usize) -> Result<(), Refusal> {
        self.check_event_bytes(order, event_bytes_max(bookings), most)
    }

    /// Whether an order has room for so many bytes of events, up to a number of bytes.
    pub(crate) fn check_event_bytes(&self, order: u32, bytes: usize, most: usize) -> Result<(), Refusal> {
        let used = usize::try_from(self.orders.get(order).event_bytes).unwrap_or(usize::MAX);
        if used.saturating_add(bytes) > most {
            return Err(Refusal::limit("order_event_bytes_max", most));
        }
        Ok(())
    }

    /// Appends the event of a plan to its order, if the plan changes totals or names a document.
    pub(super) fn append_planned_event(&mut self, order: u32, plan: &Plan) {
        let event = &plan.event;
        let is_kept = self.orders.get(order).is_kept();
        let is_state = event.kind == EventKind::OrderState;
        if plan.bookings.is_empty() && !is_state && (event.document.is_empty() || !is_kept) {
            return;
        }
        let (code, document, body) = (event.code, event.document.as_str(), event.body);
        let head = EventHead { code, document, body, ..self.event_head(event.kind) };
        self.append_event(order, &head, plan.bookings.iter().copied());
    }

    /// Appends an event to an order, whose change has begun.
    pub(super) fn append_event(
        &mut self,
        order: u32,
        head: &EventHead<'_>,
        bookings: impl Iterator<Item = Booking>,
    ) {
        let bytes = self.encode_event(order, head, bookings);
        self.append_order_bytes(order, &bytes);
        self.keep_event_buffer(bytes);
    }

    fn append_order_bytes(&mut self, order: u32, bytes: &[u8]) {
        let row = self.orders.get_mut(order);
        let (key, mut rest) = (row.key, row.append(bytes));
        if rest.is_empty() {
            return;
        }
        let (mut last, mut next, mut parts) = (NO_SLOT, row.more, 0);
        while next != NO_SLOT {
            (last, next) = (next, self.order_parts.get(next).next);
            parts = u16::saturating_add(parts, 1);
        }
        if last != NO_SLOT {
            rest = self.order_parts.get_mut(last).append(rest);
        }
        while !rest.is_empty() {
            let mut part = OrderPartRow::new(key, parts);
            rest = part.append(rest);
            let slot = self.order_parts.insert(part);
            match last {
                NO_SLOT => self.orders.get_mut(order).more = slot,
                last => self.order_parts.get_mut(last).next = slot,
            }
            (last, parts) = (slot, parts.saturating_add(1));
        }
    }

    /// A new order, which is not counted yet. At the limit, the oldest settled order ends.
    pub(super) fn create_order(&mut self, op: u64, owner: u64, number: &str) -> u32 {
        if self.order_book.len() >= self.core.configuration.orders_max {
            let oldest = self.order_book.oldest;
            assert!(oldest != NO_SLOT, "the command was checked against the limit of orders");
            self.erase_order(oldest);
        }
        let key = order_key(op).max(self.order_book.last_key.saturating_add(1));
        self.order_book.last_key = key;
        let row = OrderRow::new(key, owner, number.as_bytes());
        let order = self.orders.insert(row);
        self.order_book.insert(order, &self.orders);
        self.begin_new_order(order);
        order
    }

    /// Ends settled orders whose retention has passed: at most a few per op, so that a million of them cause no pause. It
    /// depends on the state alone, so every machine ends them at the same op.
    #[inline]
    pub(crate) fn end_old_orders(&mut self) {
        if self.core.time.0 >= self.order_book.upkeep_ms {
            self.end_due_orders();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_due_orders(&mut self) {
        for _ in 0..ENDED_PER_OP {
            let order = self.order_book.oldest;
            if order == NO_SLOT {
                break;
            }
            let configuration = &self.core.configuration;
            let age_ms = self.core.time.0.saturating_sub(self.orders.get(order).settled_ms);
            let is_due = age_ms >= configuration.order_retention_ms;
            let may_go = age_ms >= configuration.order_retention_min_ms;
            let excess = self.order_book.len().saturating_sub(configuration.orders_max);
            let is_full = self.order_book.len() >= configuration.orders_max;
            if !(is_due || may_go && is_full) {
                break;
            }
            if self.has_known_reservation(order) {
                // Its reservation may still be shipped back. It is looked at again after another retention.
                self.begin_order_change(order);
                self.end_order_change(order);
            } else if is_due || excess > 0 {
                self.erase_order(order);
            } else {
                // It makes room when a further order is created.
                break;
            }
        }
        self.plan_upkeep();
    }
}
