//! Compares every order with the model's, and asserts that its open units are what the totals leave.

use std::collections::BTreeSet;
use stockhold_machine::Machine;
use stockhold_model::{Model, ORDERS, order_number};
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{LIST_MAX, OrderFilter, OrderView, Query, QueryAnswer};

pub(crate) fn check(machine: &Machine, model: &Model) {
    let mut expected = Vec::new();
    for order in 0..ORDERS {
        let number = order_number(order);
        let view = model.order_view(order);
        let Some(QueryAnswer::Order(found)) = machine.query(&Query::Order(number)) else {
            panic!("a machine answers questions about orders");
        };
        assert_eq!(found, view, "machine (left) and model (right) differ in order {order}");
        for line in found.iter().flat_map(|view| &view.lines) {
            let ended = [line.lapsed, line.cancelled, line.shipped, line.refunded, line.written_off];
            let ended: i64 = ended.into_iter().map(Quantity::raw).sum();
            let added = line.ordered.raw() + line.compensated.raw();
            assert_eq!(line.open.raw(), added - ended, "of order {order}");
            assert!(line.open >= Quantity::ZERO);
        }
        if let Some(view) = &view {
            check_history(machine, view);
        }
        expected.extend(view);
    }
    assert_eq!(inconsistencies(machine), model.inconsistencies());
    let stats = machine.stats();
    assert_eq!((stats.orders, stats.orders_unsettled), model.order_counts());
    for is_unsettled in [false, true] {
        let mut listed = listed(machine, OrderFilter { is_unsettled, owner: None });
        listed.sort();
        let mut meant: Vec<String> = expected
            .iter()
            .filter(|view| !(is_unsettled && view.settled))
            .map(|view| view.number.clone())
            .collect();
        meant.sort();
        assert_eq!(listed, meant);
    }
}

/// Asserts that the rows of an order's history add up to its open units.
fn check_history(machine: &Machine, view: &OrderView) {
    let query = Query::OrderHistory { number: view.number.clone(), after: 0, limit: LIST_MAX };
    let Some(QueryAnswer::OrderHistory(Some(history))) = machine.query(&query) else {
        panic!("a machine has the history of an order");
    };
    assert_eq!(history.events_total, view.events);
    assert_eq!(history.events.len(), view.events as usize);
    for line in &view.lines {
        let rows = history.events.iter().flat_map(|event| &event.rows);
        let of_line = rows.filter(|row| (row.stock, row.sku) == (line.stock, line.sku));
        let sum: i64 = of_line.map(|row| row.reservation.raw()).sum();
        assert_eq!(sum, -line.open.raw(), "of {line:?} in {history:?}");
    }
}

/// The numbers of all orders that match, page by page.
fn listed(machine: &Machine, filter: OrderFilter) -> Vec<String> {
    let (mut numbers, mut after) = (Vec::new(), 0);
    loop {
        let Some(QueryAnswer::Orders(page)) =
            machine.query(&Query::Orders { filter, after, limit: LIST_MAX })
        else {
            panic!("a machine lists orders");
        };
        numbers.extend(page.orders.into_iter().map(|entry| entry.number));
        if page.next == 0 {
            return numbers;
        }
        after = page.next;
    }
}

/// All inconsistencies, one order after the other: number, stock, SKU, what is missing.
fn inconsistencies(machine: &Machine) -> BTreeSet<(String, u32, u32, i64)> {
    let (mut found, mut after) = (BTreeSet::new(), 0);
    loop {
        let query = Query::Inconsistencies { is_final: None, after, limit: 2 };
        let Some(QueryAnswer::Inconsistencies(page)) = machine.query(&query) else {
            panic!("a machine lists inconsistencies");
        };
        for item in page.items {
            assert!(found.insert((item.order, item.stock.0, item.sku.0, item.quantity.raw())));
        }
        if page.next == 0 {
            return found;
        }
        after = page.next;
    }
}
