//! Executes signed rows: promises without reservations, of many orders at once. What the rows end of reservations is part of
//! an ordinary plan.

use super::plan::Plan;
use crate::ledger::record::{Booking, EventHead, NO_ORDER};
use crate::ledger::state::State;
use stockhold_protocol::event::EventKind;

/// Units of a SKU in a stock that are promised without a reservation, or given back if negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnreservedUnits {
    pub(crate) stock: u32,
    pub(crate) sku: u32,
    pub(crate) units: i64,
}

/// What rows change in one order.
#[derive(Debug, Default)]
pub(crate) struct RowsOfOrder {
    pub(crate) number: String,
    /// `None` creates the order.
    pub(crate) order: Option<u32>,
    /// New promises. What is given back is in the plan.
    pub(crate) promised: Vec<UnreservedUnits>,
    /// The events that are recorded, in this order.
    pub(crate) events: Vec<(EventKind, Vec<Booking>)>,
}

/// What the rows of one command change besides reservations.
#[derive(Debug, Default)]
pub(crate) struct RowsPlan {
    pub(crate) orders: Vec<RowsOfOrder>,
    /// Of no order.
    pub(crate) unattributed: Vec<UnreservedUnits>,
}

impl State {
    /// Executes planned rows. `plan` has what they end of the promises of orders.
    pub(crate) fn execute_rows(&mut self, op: u64, plan: &Plan, rows: &RowsPlan) {
        for change in plan.changes() {
            self.remove_from_digest(change.slot);
        }
        // No order is erased meanwhile: the verb has checked that there is room for all.
        let mut orders = Vec::with_capacity(rows.orders.len());
        for of_order in &rows.orders {
            orders.push(match of_order.order {
                Some(order) => {
                    self.begin_order_change(order);
                    order
                }
                None => self.create_order(op, 0, &of_order.number),
            });
        }
        for movement in &plan.movements {
            self.move_units(movement);
        }
        for other in &plan.others {
            self.change_reservation(&other.change, &other.lines, &other.shipments);
        }
        for (order, of_order) in orders.into_iter().zip(&rows.orders) {
            let key = self.orders.get(order).key;
            for UnreservedUnits { stock, sku, units } in &of_order.promised {
                self.promise_unreserved(key, *stock, *sku, *units);
            }
            for (kind, bookings) in &of_order.events {
                let head: EventHead<'_> = self.event_head(*kind);
                self.append_event(order, &head, bookings.iter().copied());
            }
            self.end_order_change(order);
        }
        for UnreservedUnits { stock, sku, units } in &rows.unattributed {
            self.promise_unreserved(NO_ORDER, *stock, *sku, *units);
        }
    }
}
