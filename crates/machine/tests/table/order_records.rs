//! Records of orders: what makes them, their totals after every command, their owner, when they end, and their limits.

use super::reserving::{PLAIN, SHARED};
use super::script::{Script, run};
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{OrderFilter, Query, QueryAnswer};

/// An order as one line: `open BIKE ordered=3 shipped=1 open=2; 2 reservations`. Totals of 0 are left out.
pub(crate) fn order_text(script: &Script, number: &str) -> String {
    let Some(QueryAnswer::Order(view)) = script.machines.plain.query(&Query::Order(number.to_owned())) else {
        panic!("a machine answers questions about orders")
    };
    let Some(view) = view else { return "unknown".into() };
    let mut words = vec![if view.settled { "settled" } else { "open" }.to_owned()];
    for line in &view.lines {
        words.push(script.sku_name(line.sku));
        let totals = [
            ("ordered", line.ordered),
            ("lapsed", line.lapsed),
            ("cancelled", line.cancelled),
            ("shipped", line.shipped),
            ("beyond", line.beyond),
            ("returned", line.returned),
            ("refunded", line.refunded),
            ("lost", line.written_off),
            ("open", line.open),
        ];
        let shown = totals.into_iter().filter(|(_, units)| *units != Quantity::ZERO);
        words.extend(shown.map(|(name, units)| format!("{name}={units}")));
    }
    words.join(" ")
}

#[test]
fn totals_follow_every_command() {
    // Proves the totals after each command that moves units of an order, and that the open units always follow from them.
    run(PLAIN).go("
        orders -> 0 unsettled=0
        reserve a WEB 10xBIKE ttl=60s ref=12
        order 12 -> open BIKE ordered=10 open=10
        release a 1xBIKE
        order 12 -> open BIKE ordered=10 cancelled=1 open=9
        confirm a
        order 12 -> open BIKE ordered=10 cancelled=1 open=9
        release a 1xBIKE
        amend a 7xBIKE
        order 12 -> open BIKE ordered=10 cancelled=3 open=7
        amend a 8xBIKE
        order 12 -> open BIKE ordered=11 cancelled=3 open=8
        ship a A1 4xBIKE
        order 12 -> open BIKE ordered=11 cancelled=3 shipped=4 open=4
        unship a A1 1xBIKE -> ok
        order 12 -> open BIKE ordered=11 cancelled=3 shipped=3 open=5
        refund a unshipped:1xBIKE returned@A1:2xBIKE lost@A1:1xBIKE
        order 12 -> open BIKE ordered=11 cancelled=3 shipped=3 returned=2 refunded=1 lost=1 open=3
        orders -> 1 unsettled=1
        ship a A1 5xBIKE forced
        order 12 -> settled BIKE ordered=11 cancelled=3 shipped=6 beyond=2 returned=2 refunded=1 lost=1
        orders -> 1 unsettled=0
        unship a A1 3xBIKE -> ok
        order 12 -> open BIKE ordered=11 cancelled=3 shipped=5 returned=2 refunded=1 lost=1 open=1
        count A1 BIKE 10
        sell s WEB A1 2xBIKE ref=12
        order 12 -> open BIKE ordered=13 cancelled=3 shipped=7 returned=2 refunded=1 lost=1 open=1
        orders -> 1 unsettled=1
    ");
}

#[test]
fn an_order_is_made_by_a_command_that_takes_effect() {
    // Proves that a refused command makes no order, that a command without a reference makes none, and that a repeated
    // command makes none again.
    run(PLAIN).go("
        reserve a WEB 99xBIKE ref=1 -> sold_out
        order 1 -> unknown
        sell a2 WEB A1 99xBIKE ref=1 -> sold_out
        reserve b WEB 1xBIKE
        orders -> 0 unsettled=0
        reserve c WEB 1xBIKE ref=1
        reserve c WEB 1xBIKE ref=1 -> ok replayed
        order 1 -> open BIKE ordered=1 open=1
        replace d c WEB 2xBIKE ref=2 -> already_confirmed
        order 2 -> unknown
        orders -> 1 unsettled=1
    ");
}

#[test]
fn an_order_has_one_owner() {
    // Proves that no command of another owner, or of none, joins an order, while it is there.
    run(PLAIN).go("
        reserve a WEB 1xBIKE ttl=60s ref=1 owner=7
        reserve b WEB 1xBIKE ref=1 owner=8 -> owner_differs bare recorded
        reserve c WEB 1xBIKE ref=1 -> owner_differs
        sell d WEB A1 1xBIKE ref=1 -> owner_differs
        replace e a WEB 1xBIKE ttl=60s ref=1 owner=8 -> owner_differs
        reserve f WEB 1xBIKE ttl=60s ref=2 owner=8
        replace g a WEB 1xBIKE ttl=60s ref=2 owner=7 -> owner_differs
        state a -> held 1xBIKE
        reserve h WEB 2xBIKE ref=1 owner=7
        order 1 -> open BIKE ordered=3 open=3
        release h
        release a
        time +25h
        reserve i WEB 1xBIKE ref=2
        order 2 -> open BIKE ordered=1 open=1
        reserve j WEB 1xBIKE ref=1 owner=8 -> owner_differs
    ");
}

#[test]
fn a_replaced_hold_is_counted_once() {
    // Proves that a cart that is edited, given back or revived is counted with its present units only.
    run(PLAIN).go("
        reserve a WEB 5xBIKE ttl=60s ref=1
        replace b a WEB 3xBIKE ttl=60s ref=1
        order 1 -> open BIKE ordered=3 open=3
        time +61s
        order 1 -> open BIKE ordered=3 open=3
        tick
        order 1 -> settled BIKE ordered=3 lapsed=3
        orders -> 1 unsettled=0
        replace c b WEB 4xBIKE ttl=60s ref=1
        order 1 -> open BIKE ordered=4 open=4
        replace d c WEB 4xBIKE ttl=60s ref=2
        order 1 -> settled
        order 2 -> open BIKE ordered=4 open=4
        orders -> 2 unsettled=1
        time +61s
        confirm d -> confirmed_late
        order 2 -> open BIKE ordered=4 open=4
        time +48h
        tick
        order 1 -> unknown
        order 2 -> open BIKE ordered=4 open=4
    ");
}

#[test]
fn an_order_ends_with_its_last_reservation_or_after_its_retention() {
    // Proves both ends of an order, on both sides of the second, and that its number is free then.
    run(PLAIN).go("
        configure order_retention=48h order_retention_min=1h
        reserve a WEB 1xBIKE ttl=60s ref=1 owner=7
        time +24h
        tick
        order 1 -> settled BIKE ordered=1 lapsed=1
        time +59s
        tick
        order 1 -> settled BIKE ordered=1 lapsed=1
        time +1s
        tick
        order 1 -> unknown
        orders -> 0 unsettled=0
        reserve b WEB 1xBIKE ref=1
        order 1 -> open BIKE ordered=1 open=1
        time +480h
        tick
        order 1 -> open BIKE ordered=1 open=1
        release b
        order 1 -> settled BIKE ordered=1 cancelled=1
        time +172799s
        tick
        order 1 -> settled BIKE ordered=1 cancelled=1
        time +1s
        tick
        order 1 -> unknown
        orders -> 0 unsettled=0
    ");
}

#[test]
fn an_order_stays_as_long_as_a_record_of_its_reservations() {
    // Proves that an order outlives its retention while a reservation of it can still be shipped back, and that its last
    // change counts.
    run(PLAIN).go("
        configure order_retention=1h order_retention_min=1h
        reserve a WEB 2xBIKE ref=1
        ship a A1 2xBIKE
        time +2h
        tick
        order 1 -> settled BIKE ordered=2 shipped=2
        time +21h
        refund a returned@A1:1xBIKE
        time +59m
        tick
        order 1 -> settled BIKE ordered=2 shipped=2 returned=1
        time +1m
        tick
        order 1 -> unknown
        state a -> unknown
    ");
}

#[test]
fn settled_orders_make_room_at_the_limit() {
    // Proves the limit of orders: below it, at it, and that the oldest settled order goes first, not before its minimum
    // retention.
    run(PLAIN).go("
        configure orders=2 order_retention=90h order_retention_min=30h
        reserve a WEB 1xBIKE ref=1
        reserve b WEB 1xBIKE ref=2
        reserve c WEB 1xBIKE ref=3 -> limit_reached limit=orders_max=2
        sell d WEB A1 1xBIKE ref=3 -> limit_reached
        reserve e WEB 1xBIKE ref=2
        reserve f WEB 1xBIKE
        release b
        release e
        release a
        time +1s
        reserve g WEB 1xBIKE ref=3 -> limit_reached
        time +30h
        reserve h WEB 1xBIKE ref=3
        order 2 -> unknown
        order 1 -> settled BIKE ordered=1 cancelled=1
        orders -> 2 unsettled=1
        configure orders=1
        tick
        order 1 -> unknown
        reserve i WEB 1xBIKE ref=4 -> limit_reached limit=orders_max=1
    ");
}

#[test]
fn an_order_has_a_bounded_number_of_reservations() {
    // Proves it below the limit, at the limit and beyond it.
    let mut script = run(PLAIN);
    script.go("count A1 BIKE 9000");
    for number in 0..1_024 {
        script.go(&format!("reserve r{number} WEB 1xBIKE ref=1"));
    }
    script.go("
        reserve more WEB 1xBIKE ref=1 -> limit_reached limit=order_reservations_max=1024
        order 1 -> open BIKE ordered=1024 open=1024
        release r7
        time +24h
        reserve again WEB 1xBIKE ref=1
        order 1 -> open BIKE ordered=1025 cancelled=1 open=1024
    ");
}

#[test]
fn an_order_keeps_its_lines_by_stock_and_sku() {
    // Proves that one order has lines of several stocks and SKUs, that each is counted, and that lists filter by owner and by
    // open units.
    let mut script = run(SHARED);
    script.go("
        sku BELL
        count A1 BELL 5
        reserve a POS 2xBIKE 1xBELL ref=1 owner=7
        reserve b WEB 3xBIKE ttl=60s ref=1 owner=7
        order 1 -> open BIKE ordered=3 open=3 BIKE ordered=2 open=2 BELL ordered=1 open=1
        ship a A1 1xBELL
        release b
        order 1 -> open BIKE ordered=3 cancelled=3 BIKE ordered=2 open=2 BELL ordered=1 shipped=1
        reserve c WEB 1xBIKE ref=2
        release c
        orders -> 2 unsettled=1
    ");
    let listed = |is_unsettled, owner| {
        let filter = OrderFilter { is_unsettled, owner };
        let query = Query::Orders { filter, after: 0, limit: 10 };
        let Some(QueryAnswer::Orders(page)) = script.machines.plain.query(&query) else { panic!("no list") };
        assert_eq!((page.total, page.unsettled, page.next), (2, 1, 0));
        page.orders.into_iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(listed(false, None), ["1", "2"]);
    assert_eq!(listed(true, None), ["1"]);
    assert_eq!(listed(false, Some(0)), ["2"]);
    assert_eq!(listed(true, Some(0)), Vec::<String>::new());
}
