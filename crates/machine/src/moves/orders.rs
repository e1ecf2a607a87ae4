//! The totals of orders. They follow from what the executor does with the lines of reservations, so no command changes
//! them itself.

use super::grant::Terms;
use super::plan::Booking;
use crate::ledger::record::{LineState, OrderLine, OrderLineRow, OrderRow, Total, Totals};
use crate::ledger::state::State;
use crate::table::NO_SLOT;

/// The most settled orders that one op looks at.
const ENDED_PER_OP: u32 = 4;

impl State {
    /// Makes a new reservation one of those of its order, which is created if there is none. Its units are booked, unless
    /// they are only held.
    pub(super) fn join_order(&mut self, reservation: u32, terms: &Terms<'_>, lines: &[LineState]) {
        let order = match self.find_order(terms.reference) {
            Some(order) => {
                self.begin_order_change(order);
                order
            }
            None => self.create_order(terms),
        };
        self.link_to_order(reservation, order);
        if self.reservations.get(reservation).deadline_s == 0 {
            for line in lines {
                self.book(
                    order,
                    terms.stock,
                    Booking { sku: line.sku, total: Total::Ordered, units: line.granted },
                );
                self.book(
                    order,
                    terms.stock,
                    Booking { sku: line.sku, total: Total::Shipped, units: line.shipped },
                );
            }
        }
        self.end_order_change(order);
    }

    /// A new order, which is not counted yet. At the limit, the oldest settled order ends.
    fn create_order(&mut self, terms: &Terms<'_>) -> u32 {
        if self.order_book.len() >= self.core.configuration.orders_max {
            let oldest = self.order_book.oldest;
            assert!(oldest != NO_SLOT, "the command was checked against the limit of orders");
            self.erase_order(oldest);
        }
        let row = OrderRow::new(terms.ticket.op, terms.owner, terms.reference.as_bytes());
        let order = self.orders.insert(row);
        self.order_book.insert(order, &self.orders);
        order
    }

    /// Adds units to a total of an order, whose change has begun.
    pub(super) fn book(&mut self, order: u32, stock: u32, booking: Booking) {
        if booking.units == 0 {
            return;
        }
        let line = self.order_line_mut(order, stock, booking.sku);
        line.totals.add(booking.total, booking.units);
    }

    fn order_line_mut(&mut self, order: u32, stock: u32, sku: u32) -> &mut OrderLine {
        let new = OrderLine { stock, sku, totals: Totals::default() };
        let row = self.orders.get_mut(order);
        if !row.is_kept() {
            row.set_first(new);
        }
        let (op, mut next) = (row.op, row.more);
        let is_first = row.first().is_some_and(|first| (first.stock, first.sku) == (stock, sku));
        if !is_first {
            while next != NO_SLOT {
                let further = self.order_lines.get(next);
                if (further.line.stock, further.line.sku) == (stock, sku) {
                    return &mut self.order_lines.get_mut(next).line;
                }
                next = further.next;
            }
            let next = self.orders.get(order).more;
            let slot = self.order_lines.insert(OrderLineRow { order: op, next, line: new });
            self.orders.get_mut(order).more = slot;
            return &mut self.order_lines.get_mut(slot).line;
        }
        match self.orders.get_mut(order).first_mut() {
            Some(first) => first,
            None => unreachable!("a kept order has a first line"),
        }
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
