//! `sharing = independent`: only the quantity at the source decides whether goods may leave it.

use super::reserving::SHARED;
use super::script::run;

/// One unit in A2, from which both stocks sell, is promised twice.
const LAST_UNIT: &str = "
    count A1 BIKE 0
    count A2 BIKE 1
    configure sharing=independent
    reserve w WEB 1xBIKE
    reserve p POS 1xBIKE
    salable WEB BIKE -> 0
    salable POS BIKE -> 0
";

#[test]
fn two_orders_for_the_last_unit_do_not_wait_for_each_other() {
    // Proves MSI's case `seed000.last_item_oversell` with either order first: one order ships; the other is
    // refused because the unit is gone, and ships when goods have arrived.
    for (first, second) in [("w", "p"), ("p", "w")] {
        let mut script = run(SHARED);
        script.go(LAST_UNIT);
        script.go(&format!(
            "
            ship {first} A2 1xBIKE
            state {first} -> shipped 0xBIKE+1
            ship {second} A2 1xBIKE -> not_enough_at_source line=0 sku=BIKE bound=0 asked=1
            adjust A2 BIKE 1
            ship {second} A2 1xBIKE
            state {second} -> shipped 0xBIKE+1
        "
        ));
    }
}

#[test]
fn goods_may_leave_a_source_whatever_others_promised() {
    // Proves this for a sale, a write-off and a transfer, each of which the exact mode refuses. Goods that
    // do not exist leave in neither mode.
    let exact = [
        "sell s POS A2 1xBIKE -> needed_elsewhere sources=A1",
        "refund p lost@A2:1xBIKE -> needed_elsewhere line=0 sku=BIKE",
        "transfer A2 A1 1xBIKE -> needed_elsewhere line=0 sku=BIKE",
    ];
    for refused in exact {
        let command = refused.split(" ->").next().unwrap();
        for (mode, line) in [("exact", refused), ("independent", command)] {
            let mut script = run(SHARED);
            script.go(&format!("configure sharing={mode}"));
            script.go("reserve w WEB 10xBIKE\nreserve p POS 2xBIKE");
            script.go(line);
        }
    }
    run(SHARED).go("
        configure sharing=independent
        reserve p POS 20xBIKE
        sell s POS A2 11xBIKE -> sold_out available=10
        sell t POS A2 10xBIKE
        sell u WEB A2 1xBIKE -> sold_out
        refund p lost@A2:1xBIKE -> not_enough_at_source line=0 sku=BIKE bound=0 asked=1
        transfer A2 A1 1xBIKE -> not_enough_at_source line=0 sku=BIKE bound=0 asked=1
        // Facts are accepted in this mode too.
        unlink POS A1 -> ok short=20
    ");
}

#[test]
fn the_exact_mode_guards_again_when_it_is_switched_on() {
    // Proves that the guard depends on the mode, and that its list of other sources can be empty in exact
    // mode.
    run(SHARED).go("
        count A1 BIKE 0
        configure sharing=independent
        reserve w WEB 10xBIKE
        reserve p POS 1xBIKE
        configure sharing=exact
        // One unit is missing already, and shipping POS does not increase the shortfall.
        ship p A2 1xBIKE
        reserve refused POS 1xBIKE -> sold_out
        count A1 BIKE 3
        reserve q POS 3xBIKE
        count A1 BIKE 2 -> ok short=2
        // No other source of the stock has all three units, so the list is empty. Fewer units can be
        // shipped from elsewhere.
        ship q A2 3xBIKE -> needed_elsewhere line=0 sources=
        ship q A1 2xBIKE
    ");
}
