//! The history of an order: its stored events, and those of its holds, which are read from their reservations.

use super::LIST_COST_MAX;
use crate::ledger::orders::is_hold;
use crate::ledger::record::{Booking, EventHead, LineState, ReportedState, ReservationRow, Stage, Total};
use crate::ledger::state::State;
use crate::refusal::quantity;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::query::{LIST_MAX, OrderEventRow, OrderEventView, OrderHistoryView, OrderTotal};
use stockhold_protocol::{Deadline, SkuId, SourceId, StockId};

impl State {
    /// The number of events of an order, those of its holds included.
    pub(super) fn count_events(&self, order: u32) -> u32 {
        let stored = self.visit_events(order, |_, _| {});
        stored.saturating_add(u32::try_from(self.events_of_holds(order).len()).unwrap_or(u32::MAX))
    }

    pub(super) fn order_history(&self, number: &str, after: u32, limit: u32) -> Option<OrderHistoryView> {
        let order = self.find_order(number)?;
        let limit = usize::try_from(limit.clamp(1, LIST_MAX)).unwrap_or(usize::MAX);
        let (mut events, mut rows, mut at) = (Vec::new(), 0_usize, 0_u32);
        let mut take = |event: OrderEventView| {
            let is_meant = at >= after && events.len() < limit && rows < LIST_COST_MAX;
            at = at.saturating_add(1);
            if is_meant {
                rows = rows.saturating_add(event.rows.len());
                events.push(event);
            }
        };
        self.visit_events(order, |head, bookings| take(self.event_view(head, bookings)));
        let mut of_holds = self.events_of_holds(order);
        of_holds.sort_by_key(|event| (event.op, event.kind));
        of_holds.into_iter().for_each(take);
        let wall_offset_ms = self.core.offsets.wall_ms;
        Some(OrderHistoryView { op: self.core.op, events_total: at, wall_offset_ms, events })
    }

    fn event_view(&self, head: &EventHead<'_>, bookings: &[Booking]) -> OrderEventView {
        let (actor_kind, actor) = self.actor_view(head.actor);
        let is_state = head.kind == EventKind::OrderState;
        let reported = ReportedState::of_body(head.body).filter(|_| is_state);
        OrderEventView {
            kind: head.kind.number(),
            op: head.op,
            time_ms: head.time_ms,
            actor_kind,
            actor,
            document: head.document.to_owned(),
            rows: bookings.iter().map(event_row).collect(),
            state: reported.map(|reported| reported.state.number()),
        }
    }

    /// The events of the holds of an order that were never confirmed.
    fn events_of_holds(&self, order: u32) -> Vec<OrderEventView> {
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        for (slot, row) in self.reservations_of_order(order) {
            let is_replaced = row.stage() == Stage::Replaced;
            if row.deadline_s == 0 || !(is_hold(row) || is_replaced) {
                continue;
            }
            self.lines_of(slot, &mut lines);
            events.push(self.event_of_hold(
                EventKind::HoldPlaced,
                row,
                rows_of(row, &lines, |line| line.granted),
            ));
            let mut push = |kind, rows: Vec<OrderEventRow>| {
                if !rows.is_empty() {
                    events.push(self.event_of_hold(kind, row, rows));
                }
            };
            let back = |rows: Vec<OrderEventRow>, total| {
                rows.into_iter().map(move |row| OrderEventRow {
                    total,
                    reservation: quantity(0_i64.saturating_sub(row.reservation.raw())),
                    ..row
                })
            };
            if is_replaced {
                let all = rows_of(row, &lines, |line| line.granted);
                push(EventKind::HoldReplaced, back(all, OrderTotal::Cancelled).collect());
                continue;
            }
            let released = rows_of(row, &lines, |line| line.granted.saturating_sub(line.open));
            push(EventKind::OrderCanceled, back(released, OrderTotal::Cancelled).collect());
            if self.has_lapsed(row) {
                let open = rows_of(row, &lines, |line| line.open);
                push(EventKind::HoldExpired, back(open, OrderTotal::Lapsed).collect());
            }
        }
        events
    }

    fn event_of_hold(
        &self,
        kind: EventKind,
        row: &ReservationRow,
        rows: Vec<OrderEventRow>,
    ) -> OrderEventView {
        let (actor_kind, actor) = self.actor_view(row.actor);
        let at_ms = if kind == EventKind::HoldExpired {
            Deadline(row.deadline_s).timestamp().0
        } else {
            row.origin_ms
        };
        OrderEventView {
            kind: kind.number(),
            op: row.grant().op,
            time_ms: at_ms.saturating_add(self.hold_offset_ms()),
            actor_kind,
            actor,
            document: String::new(),
            rows,
            state: None,
        }
    }
}

/// The lines of a hold as units that were ordered.
fn rows_of(row: &ReservationRow, lines: &[LineState], units: fn(&LineState) -> i64) -> Vec<OrderEventRow> {
    let ordered = |line: &LineState| {
        let booking = Booking {
            stock: row.stock,
            sku: line.sku,
            total: Total::Ordered,
            units: units(line),
            source: None,
        };
        event_row(&booking)
    };
    lines.iter().filter(|line| units(line) != 0).map(ordered).collect()
}

fn event_row(booking: &Booking) -> OrderEventRow {
    let promised = booking.units.saturating_mul(booking.total.sign());
    OrderEventRow {
        stock: StockId(booking.stock),
        sku: SkuId(booking.sku),
        total: order_total(booking.total),
        units: quantity(booking.units),
        reservation: quantity(0_i64.saturating_sub(promised)),
        source: booking.source.map(SourceId),
    }
}

const fn order_total(total: Total) -> OrderTotal {
    match total {
        Total::Ordered => OrderTotal::Ordered,
        Total::Cancelled => OrderTotal::Cancelled,
        Total::Shipped => OrderTotal::Shipped,
        Total::Beyond => OrderTotal::Beyond,
        Total::Returned => OrderTotal::Returned,
        Total::Refunded => OrderTotal::Refunded,
        Total::WrittenOff => OrderTotal::WrittenOff,
        Total::Invoiced => OrderTotal::Invoiced,
        Total::Compensated => OrderTotal::Compensated,
        Total::Reported => OrderTotal::Reported,
    }
}
