//! Compares every order with the model's, and asserts that its open units are what the totals leave.

use stockhold_machine::Machine;
use stockhold_model::{Model, ORDERS, order_number};
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{LIST_MAX, OrderFilter, Query, QueryAnswer};

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
            assert_eq!(line.open.raw(), line.ordered.raw() - ended, "of order {order}");
            assert!(line.open >= Quantity::ZERO);
        }
        expected.extend(view);
    }
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
