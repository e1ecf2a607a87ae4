//! One order by its number, and a list of orders.
//!
//! A list visits the records of orders in no particular order, a bounded number for each answer. Its cursor is the number of
//! the next record, which is meaningful only to this process.

use super::LIST_COST_MAX;
use crate::ledger::expected::expected_units;
use crate::ledger::record::{OrderRow, Total};
use crate::ledger::state::State;
use crate::refusal::quantity;
use stockhold_protocol::query::{LIST_MAX, OrderEntry, OrderFilter, OrderLineView, OrderView, OrdersView};
use stockhold_protocol::{SkuId, StockId};

/// How many records that are only skipped cost as much as one that is read with its lines.
const SKIPPED_PER_COST: usize = 8;

impl State {
    pub(super) fn order_view(&self, number: &str) -> Option<OrderView> {
        let order = self.find_order(number)?;
        let row = self.orders.get(order);
        let mut reservations: Vec<_> =
            self.reservations_of_order(order).map(|(_, row)| (row.grant().op, row.id().to_bytes())).collect();
        reservations.sort_unstable();
        let reported = self.reported_state(order);
        let mut open_lines: u32 = 0;
        let lines = self.units_of_order(order).into_iter().map(|((stock, sku), units)| {
            let of = |total| quantity(units.totals.of(total));
            open_lines = open_lines.saturating_add(u32::from(units.open() > 0));
            OrderLineView {
                stock: StockId(stock),
                sku: SkuId(sku),
                ordered: of(Total::Ordered),
                lapsed: quantity(units.lapsed),
                cancelled: of(Total::Cancelled),
                shipped: of(Total::Shipped),
                beyond: of(Total::Beyond),
                returned: of(Total::Returned),
                refunded: of(Total::Refunded),
                written_off: of(Total::WrittenOff),
                open: quantity(units.open()),
                invoiced: of(Total::Invoiced),
                compensated: of(Total::Compensated),
                expected: quantity(expected_units(reported, &units.totals, units.lapsed)),
            }
        });
        let lines = lines.collect();
        Some(OrderView {
            number: number.to_owned(),
            op: row.op(),
            owner: row.owner,
            settled: self.is_settled(row),
            open_lines,
            events: self.count_events(order),
            lines,
            reservations: reservations.into_iter().map(|(_, id)| id).collect(),
            state: reported.map_or(0, |reported| reported.state.number()),
        })
    }

    pub(super) fn orders_view(&self, filter: OrderFilter, after: u64, limit: u32) -> OrdersView {
        let limit = usize::try_from(limit.clamp(1, LIST_MAX)).unwrap_or(usize::MAX);
        let mut orders = Vec::new();
        let mut slot = u32::try_from(after).unwrap_or(u32::MAX);
        let (mut cost, mut skipped) = (0_usize, 0_usize);
        while slot < self.orders.slots() && orders.len() < limit && cost < LIST_COST_MAX {
            if self.is_listed(slot, filter) {
                let (entry, entry_cost) = self.order_entry(slot);
                orders.push(entry);
                cost = cost.saturating_add(entry_cost);
            } else {
                skipped = skipped.saturating_add(1);
                cost = cost.saturating_add(usize::from(skipped.is_multiple_of(SKIPPED_PER_COST)));
            }
            slot = slot.saturating_add(1);
        }
        OrdersView {
            op: self.core.op,
            total: self.order_book.len(),
            unsettled: self.order_book.unsettled(),
            orders,
            next: if slot < self.orders.slots() { slot.into() } else { 0 },
        }
    }

    fn is_listed(&self, slot: u32, filter: OrderFilter) -> bool {
        if !self.orders.contains(slot) {
            return false;
        }
        let row = self.orders.get(slot);
        self.is_present(row)
            && !(filter.is_unsettled && self.is_settled(row))
            && filter.owner.is_none_or(|owner| owner == row.owner)
    }

    fn order_entry(&self, slot: u32) -> (OrderEntry, usize) {
        let row = self.orders.get(slot);
        let units = self.units_of_order(slot);
        let sum = |units_of: fn(&crate::ledger::orders::OrderUnits) -> i64| {
            quantity(units.values().map(units_of).fold(0, i64::saturating_add))
        };
        let entry = OrderEntry {
            number: String::from_utf8_lossy(row.number()).into_owned(),
            op: row.op(),
            owner: row.owner,
            settled: self.is_settled(row),
            ordered: sum(|units| units.totals.of(Total::Ordered)),
            open: sum(crate::ledger::orders::OrderUnits::open),
        };
        (entry, units.len().saturating_add(2))
    }

    fn is_settled(&self, row: &OrderRow) -> bool {
        row.open_lines == 0 && row.held_until_s <= self.now_s()
    }
}
