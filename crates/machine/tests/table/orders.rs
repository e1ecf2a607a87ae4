//! Confirmed orders that are changed: unship, amend, and shipments beyond the promise.

use super::reserving::{PLAIN, SHARED};
use super::script::run;

#[test]
fn an_unship_is_limited_by_what_its_source_shipped() {
    // Proves that one unship restores the quantity on hand and the promise, and that it is limited by what
    // the source shipped and what was not returned.
    run(SHARED).go("
        count A1 BIKE 20
        reserve p POS 12xBIKE
        unship p A1 1xBIKE -> more_than_shipped line=0 sku=BIKE bound=0 asked=1
        ship p A1 5xBIKE
        ship p A2 7xBIKE
        state p -> shipped 0xBIKE+12
        salable POS BIKE -> 18
        unship p A1 6xBIKE -> more_than_shipped bound=5 asked=6
        unship p A1 4xBIKE 1xBIKE -> ok short=0
        state p -> confirmed 5xBIKE+7
        adjust A1 BIKE 1 -> ok on=21
        adjust A1 BIKE -1
        salable POS BIKE -> 18
        refund p returned@A1:6xBIKE
        unship p A2 2xBIKE -> more_than_shipped bound=1 asked=2
        unship p A2 1xBIKE
        state p -> confirmed 6xBIKE+6~6
        ship p A1 6xBIKE
        release p -> already_closed
    ");
}

#[test]
fn an_unship_is_a_fact() {
    // Proves that an unship with a shortfall is accepted, that a hold has no shipment to reverse, that a
    // closed order is open again and is kept beyond the window, and that a sale can be reversed like an
    // order.
    run(PLAIN).go("
        reserve a WEB 10xBIKE
        ship a A1 10xBIKE
        state a -> shipped 0xBIKE+10
        unship a A1 10xBIKE -> ok short=0
        count A1 BIKE 4 -> ok short=6
        ship a A1 4xBIKE
        unship a A1 1xBIKE -> ok short=6
        state a -> confirmed 7xBIKE+3
        time +30h
        state a -> confirmed 7xBIKE+3
        release a
        state a -> shipped 0xBIKE+3
        unship a A1 1xBIKE -> ok short=0
        state a -> confirmed 1xBIKE+2
        unship a #9 1xBIKE -> unknown_name
        unship nobody A1 1xBIKE -> unknown_reservation
        reserve h WEB 1xBIKE ttl=60s
        unship h A1 1xBIKE -> not_confirmed
        count A1 BIKE 9
        sell s WEB A1 2xBIKE
        unship s A1 3xBIKE -> more_than_shipped bound=2
        unship s A1 2xBIKE -> ok short=0
        state s -> confirmed 2xBIKE
        adjust A1 BIKE 1 -> ok on=10
    ");
}

#[test]
fn units_shipped_beyond_the_promise_are_never_promised_again() {
    // Proves that units of a forced ship beyond the promise are reversed first, and that neither a shipment
    // nor its reversal changes the units taken from a quota.
    run(PLAIN).go("
        quota WEB BIKE 6
        reserve a WEB 4xBIKE
        ship a A1 6xBIKE forced -> ok short=0
        state a -> shipped 0xBIKE+6
        salable WEB BIKE -> 2
        unship a A1 1xBIKE
        state a -> shipped 0xBIKE+5
        unship a A1 2xBIKE
        state a -> confirmed 1xBIKE+3
        salable WEB BIKE -> 2
        release a
        salable WEB BIKE -> 3
    ");
}

#[test]
fn an_amend_changes_all_lines_or_none() {
    // Proves decreases, increases, new lines and cancelled lines, and that a line that does not fit refuses
    // the complete amend.
    run(PLAIN).go("
        sku BELL
        sku COMP composite
        count A1 BELL 5
        reserve a WEB 4xBIKE ref=4711
        amend a 6xBIKE 2xBELL -> ok bare
        state a -> confirmed 6xBIKE 2xBELL
        salable WEB BIKE -> 4
        amend a 1xBIKE 6xBELL -> sold_out line=1 sku=BELL available=3
        amend a 11xBIKE -> sold_out available=4
        ship a A1 3xBIKE
        amend a 2xBIKE -> more_than_open line=0 sku=BIKE bound=3 asked=4
        amend a 3xBIKE 0xBELL -> ok
        state a -> shipped 0xBIKE+3 0xBELL
        amend a 4xBIKE -> already_closed
        unship a A1 1xBIKE
        amend a 0xBELL 5xBIKE
        state a -> confirmed 3xBIKE+2 0xBELL
        amend a 1xCOMP -> composite
        amend a 1x#9 -> unknown_name
        reserve b WEB 1xBIKE ttl=60s
        amend b 2xBIKE -> not_confirmed
        amend nobody 1xBIKE -> unknown_reservation
        configure lines=2
        sku GLUE
        count A1 GLUE 1
        amend a 1xGLUE -> limit_reached
        amend b 0xGLUE -> not_confirmed
        amend a 0xGLUE -> not_in_reservation
    ");
}

#[test]
fn an_amended_line_is_checked_with_its_new_total() {
    // Proves that the sale rules apply to the new total, that only the increase is checked against the quota,
    // and that no rule refuses a line that does not grow.
    run(PLAIN).go("
        quota WEB BIKE 6
        reserve a WEB 4xBIKE
        set BIKE min_sale=3 max_sale=5
        amend a 2xBIKE -> ok
        amend a 6xBIKE -> above_max_sale bound=5 asked=6
        amend a 5xBIKE -> ok
        salable WEB BIKE -> 1
        set BIKE max_sale=unset backorders=on min_qty=-4
        quota WEB BIKE none
        reserve b WEB 4xBIKE -> ok
        amend a 8xBIKE -> ok backordered=2
        salable WEB BIKE -> 2
        ship a A1 5xBIKE
        quota WEB BIKE 8
        amend a 9xBIKE -> ok backordered=1
        salable WEB BIKE -> 1
        release a
        salable WEB BIKE -> 5
        unship a A1 5xBIKE -> ok short=0
        salable WEB BIKE -> 3
    ");
}

#[test]
fn an_amended_order_still_gives_its_first_answer() {
    // Proves that a repeated id of the first command gets the lines as they were granted, whether its outcome is
    // kept or the reservation answers for it.
    run(PLAIN).go("
        sku BELL
        count A1 BELL 5
        reserve a WEB 4xBIKE best -> ok granted=4xBIKE
        amend a 1xBIKE 2xBELL
        reserve a WEB 4xBIKE best -> ok granted=4xBIKE replayed
        time +2h
        tick
        tick
        amend a 7xBIKE -> ok
        reserve a WEB 4xBIKE best -> ok granted=4xBIKE replayed
        state a -> confirmed 7xBIKE 2xBELL
    ");
}

#[test]
fn the_sources_of_one_reservation_are_limited() {
    // Proves the answer at the limit of pairs of a line and a source, and that nothing is shipped then.
    let mut script = run("sku BIKE\nstock WEB");
    for source in 0..1_025 {
        script.go(&format!("source S{source}\ncount S{source} BIKE 1"));
    }
    script.go("link WEB S0\ncount S0 BIKE 2000\nreserve a WEB 1100xBIKE");
    for source in 1..=1_024 {
        script.go(&format!("ship a S{source} 1xBIKE"));
    }
    script.go("
        ship a S0 1xBIKE -> limit_reached limit=shipments_max=1024
        state a -> confirmed 76xBIKE+1024
        ship a S7 1xBIKE forced -> ok
    ");
}
