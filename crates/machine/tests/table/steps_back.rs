//! Reversed and returned shipments after a change of `manage_stock`: goods on hand grow by the units that reduced
//! them when they were shipped.

use super::reserving::{PLAIN, SHARED};
use super::script::run;

#[test]
fn goods_come_back_as_they_left_when_an_order_no_longer_counts() {
    // Proves that units which left while they counted come back in the books, by an unship as by a return, although the line
    // has grown since without being counted.
    for back in ["unship a A1 2xBIKE", "refund a returned@A1:2xBIKE"] {
        run(PLAIN).go(&format!(
            "
            reserve a WEB 4xBIKE
            ship a A1 2xBIKE
            set BIKE manage_stock=off
            amend a 6xBIKE -> ok bare
            ship a A1 1xBIKE
            {back}
            adjust A1 BIKE 1 -> ok on=11
        "
        ));
    }
}

#[test]
fn goods_that_left_uncounted_do_not_come_into_the_books() {
    // Proves that units which left while nothing was counted make no goods when they come back, although the line counts since
    // it has grown.
    for back in ["unship a A1 499xBIKE", "refund a returned@A1:499xBIKE"] {
        run(PLAIN).go(&format!(
            "
            set BIKE manage_stock=off
            reserve a WEB 500xBIKE
            ship a A1 499xBIKE
            set BIKE manage_stock=on
            amend a 501xBIKE -> ok bare
            {back}
            adjust A1 BIKE 1 -> ok on=11
        "
        ));
    }
}

#[test]
fn a_forced_shipment_comes_back_after_a_late_confirm_that_counts_nothing() {
    // Proves the same for a hold that is shipped by force after its end and is confirmed late when nothing is counted.
    run(PLAIN).go("
        reserve h WEB 3xBIKE ttl=10s
        time +10s
        ship h A1 2xBIKE forced
        set BIKE manage_stock=off
        confirm h -> confirmed_late
        unship h A1 2xBIKE
        adjust A1 BIKE 1 -> ok on=11
    ");
}

#[test]
fn a_return_uses_up_the_shipments_of_its_source_first() {
    // Proves that units which came back from the customer cannot be taken off the van of the source that they came back to, and
    // that units which no promise asked for are returned first.
    run(SHARED).go("
        reserve p POS 10xBIKE
        ship p A1 5xBIKE
        ship p A2 4xBIKE
        refund p returned@A1:3xBIKE
        unship p A1 3xBIKE -> more_than_shipped sku=BIKE bound=2 asked=3
        unship p A2 4xBIKE -> ok
        unship p A1 2xBIKE -> ok
        state p -> confirmed 7xBIKE+3~3
        release p
        reserve q POS 2xBIKE
        ship q A1 5xBIKE forced
        refund q returned@A2:3xBIKE
        unship q A1 2xBIKE
        state q -> confirmed 2xBIKE+3~3
    ");
}

#[test]
fn a_forced_shipment_keeps_the_shipped_units_in_range() {
    // Proves that only what can be counted is recorded, however often goods arrive and leave by force.
    let mut script = run(PLAIN);
    script.go("reserve a WEB 1xBIKE");
    let most = "100000000xBIKE ".repeat(250);
    for _ in 0..4 {
        script.go(&format!("count A1 BIKE 100000000000\nship a A1 {most} forced"));
    }
    script.go("
        state a -> shipped 0xBIKE+100000000000
        count A1 BIKE 100
        ship a A1 1xBIKE forced -> quantity_overflow line=0 sku=BIKE bound=100000000000 asked=1
        unship a A1 2xBIKE
        ship a A1 2xBIKE forced -> ok
    ");
}

#[test]
fn a_fact_that_makes_a_source_item_below_zero_begins_no_backorders() {
    // Proves that an adjustment or a count below zero makes a missing source item out of stock, unless it says otherwise.
    for (fact, salable) in [
        ("adjust A2 BIKE -1", 0),
        ("count A2 BIKE -1", 0),
        ("count A2 BIKE -1 in", 3),
        ("count A2 BIKE 0", 3),
    ] {
        run(PLAIN).go(&format!(
            "
            source A2
            stock SHOP
            link SHOP A2
            set BIKE backorders=on min_qty=-3
            {fact}
            salable SHOP BIKE -> {salable}
        "
        ));
    }
}

#[test]
fn a_quota_far_beyond_its_limit_is_not_shown_as_unused() {
    // Proves that what forced sales took from a quota is shown as the largest quantity when it is more than that.
    let mut script = run(PLAIN);
    script.go("quota WEB BIKE 5");
    let most = "100000000xBIKE ".repeat(256);
    for sale in 0..5 {
        script.go(&format!("count A1 BIKE 100000000000\nsell s{sale} WEB A1 {most} forced"));
    }
    script.go("quota_taken WEB BIKE -> 100000000000/5");
}
