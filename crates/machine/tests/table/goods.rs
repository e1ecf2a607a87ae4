//! Ship, sell, refund, count, adjust, transfer, enabling of sources, and links that merge and split groups.

use super::reserving::{PLAIN, SHARED};
use super::script::run;

#[test]
fn a_shipment_must_break_no_promise() {
    // Proves the guard and its list of sources that could ship instead, and that a forced command skips it
    // and reports the shortfall.
    let mut script = run(SHARED);
    script.go("
        reserve w WEB 10xBIKE
        reserve p POS 20xBIKE
        ship p A2 1xBIKE -> needed_elsewhere line=0 sources=A1
        ship p A2 11xBIKE -> not_enough_at_source
        ship p A1 21xBIKE -> more_than_open line=0
        ship p A1 5xBIKE
        state p -> confirmed 15xBIKE+5
        ship p #9 1xBIKE -> unknown_name
        sku BELL
        ship p A1 1xBELL -> not_in_reservation
        source A9
        ship p A9 1xBIKE -> no_source_item
        ship p A2 4xBIKE forced -> ok short=4
        salable WEB BIKE -> -4
        state p -> confirmed 11xBIKE+9
        ship p A1 12xBIKE forced -> ok short=4
        state p -> shipped 0xBIKE+21
        ship w A2 6xBIKE
        state w -> confirmed 4xBIKE+6
    ");
}

#[test]
fn shipping_checks_goods_but_not_status_or_links() {
    // Proves that a disabled, out-of-stock or unlinked source can ship, if no promise needs the goods.
    run(PLAIN).go("
        source A2
        sku BELL
        count A2 BIKE 3
        count A2 BELL 3
        reserve a WEB 4xBIKE
        ship a A2 1xBIKE
        link WEB A2
        source A2 off -> ok number=1 short=0
        ship a A2 1xBIKE
        source A2
        count A2 BIKE 1 out
        ship a A2 1xBIKE
        state a -> confirmed 1xBIKE+3
        salable WEB BIKE -> 9
    ");
}

#[test]
fn the_guard_considers_allowances() {
    // Proves short(0) and short(n): the goods of a promise stay protected, even if its stock has an
    // allowance.
    run(SHARED).go("
        set BIKE/WEB backorders=on min_qty=-3
        reserve w WEB 10xBIKE -> ok bare
        reserve p POS 20xBIKE
        salable WEB BIKE -> 3
        ship p A2 1xBIKE -> needed_elsewhere sources=A1
        reserve w2 WEB 3xBIKE -> ok backordered=3
        ship w A2 10xBIKE
        ship w2 A2 1xBIKE -> not_enough_at_source
        ship w2 A1 1xBIKE -> needed_elsewhere
        // A1 transfers a unit to A2, which both stocks sell from.
        transfer A1 A2 1xBIKE
        transfer A2 A1 1xBIKE
        transfer A1 A2 1xBIKE
        ship w2 A2 1xBIKE -> needed_elsewhere
        release p 1xBIKE
        ship w2 A2 1xBIKE
    ");
}

#[test]
fn a_sale_at_the_counter_is_reserve_confirm_and_ship() {
    // Proves the checks, the guard and the forced form of a sale, and the reservation that it records.
    run(SHARED).go("
        sell a POS A1 3xBIKE
        state a -> shipped 0xBIKE+3
        sell b POS A1 28xBIKE -> sold_out available=27
        sell c POS A1 18xBIKE -> not_enough_at_source
        reserve w WEB 10xBIKE
        sell d POS A2 1xBIKE -> needed_elsewhere sources=A1
        sell e POS A2 2xBIKE forced -> ok short=2
        sell g POS #9 1xBIKE -> unknown_name
        sell h #9 A1 1xBIKE -> unknown_name
        sell i POS A1 0.5xBIKE -> below_min_sale
        sell j POS A1 0.5xBIKE forced -> ok short=2
        quota POS BIKE 1
        sell k POS A1 2xBIKE -> quota_exceeded
        sell l POS A1 1xBIKE
        quota_taken POS BIKE -> 1/1
        sell m POS A1 2xBIKE forced -> ok
        quota_taken POS BIKE -> 3/1
        refund a returned@A1:2xBIKE
        refund a returned@A2:2xBIKE -> more_than_shipped
        state a -> shipped 0xBIKE+3~2
    ");
}

#[test]
fn a_refund_goes_by_its_parts() {
    // Proves unshipped, returned and lost units, several parts at once, and returns after closing.
    let mut script = run(PLAIN);
    script.go("
        source A2
        count A2 BIKE 5
        reserve a WEB 8xBIKE
        ship a A1 4xBIKE
        refund a unshipped:5xBIKE -> more_than_open line=0
        refund a unshipped:1xBIKE returned@A1:5xBIKE -> more_than_shipped line=1
        refund a unshipped:1xBIKE returned@A2:1xBIKE lost@A1:1xBIKE
        state a -> confirmed 2xBIKE+4~1
        salable WEB BIKE -> 3
        refund a unshipped:1xBIKE unshipped:2xBIKE -> more_than_open line=1
        refund a lost@#9:1xBIKE -> unknown_name line=0
        refund a unshipped:1xBIKE lost@#9:1xBIKE -> unknown_name line=1
        source A3
        refund a lost@A3:1xBIKE -> no_source_item
        count A3 BIKE 1
        refund a lost@A3:2xBIKE -> not_enough_at_source
        sku BELL
        refund a unshipped:1xBELL -> not_in_reservation
        refund a unshipped:2xBIKE
        state a -> shipped 0xBIKE+4~1
        refund a returned@A1:1xBIKE
        refund a lost@A1:1xBIKE -> already_closed line=0
        refund a returned@A1:2xBIKE
        refund a returned@A1:1xBIKE -> more_than_shipped
        salable WEB BIKE -> 8
    ");
}

#[test]
fn parts_of_a_refund_are_checked_together() {
    // Proves that two losses that are each harmless are refused if together they break a promise.
    run("
        source A
        source B
        stock X
        stock Y
        sku BIKE
        link X A
        link X B
        link Y A
        link Y B
        count A BIKE 10
        count B BIKE 10
    ")
    .go("
        source C
        stock Z
        link Z C
        count C BIKE 20
        reserve z Z 12xBIKE
        reserve x X 14xBIKE
        refund z lost@A:5xBIKE lost@B:5xBIKE -> needed_elsewhere line=0
        refund z lost@B:3xBIKE lost@A:3xBIKE
        refund z lost@B:1xBIKE -> needed_elsewhere
        refund z lost@C:1xBIKE unshipped:5xBIKE
        salable Z BIKE -> 19
    ");
}

#[test]
fn returns_stay_in_the_range_of_quantities() {
    // Proves that the parts that arrive at one source are bounded by their sum.
    run(PLAIN).go("
        source A2
        set BIKE max_sale=0
        count A1 BIKE 100
        reserve a WEB 100xBIKE
        ship a A1 100xBIKE
        count A2 BIKE 99999999999
        refund a returned@A2:1xBIKE returned@A2:1xBIKE -> quantity_overflow
        refund a returned@A2:1xBIKE
        refund a returned@A2:1xBIKE id=late -> quantity_overflow
        transfer A1 A2 1xBIKE -> quantity_overflow
    ");
}

#[test]
fn facts_are_accepted_and_their_shortfall_is_reported() {
    // Proves count, adjust, stock status, enabling and unlinking, and that the version counts changes.
    run(SHARED).go("
        reserve w WEB 10xBIKE
        reserve p POS 20xBIKE
        count A1 BIKE 15 -> ok on=15 v=2 short=5
        adjust A1 BIKE -20 -> ok on=-5 v=3 short=20
        count A1 BIKE 20 out -> ok short=20
        count A1 BIKE 20 in -> ok short=0 v=5
        source A2 off -> ok short=10
        salable WEB BIKE -> -10
        salable POS BIKE -> 0
        source A2 -> ok short=0
        unlink POS A1 -> ok short=20
        salable POS BIKE -> -20
        unlink POS A1 -> unknown_link
        link POS A1 -> ok
        salable POS BIKE -> 0
        count #9 BIKE 1 -> unknown_name
        count A1 #9 1 -> unknown_name
        adjust #9 BIKE 1 -> unknown_name
        transfer A1 #9 1xBIKE -> unknown_name
        transfer A1 A2 1x#9 -> unknown_name line=0
        sku BELL
        transfer A1 A2 1xBELL -> no_source_item
        transfer A1 A2 21xBIKE -> not_enough_at_source
        transfer A1 A2 20xBIKE
        transfer A2 A1 1xBIKE
        transfer A2 A1 20xBIKE -> needed_elsewhere
        salable WEB BIKE -> 0
    ");
}

#[test]
fn groups_merge_and_split_with_holds_open() {
    // Proves that promises, holds with deadlines and quotas survive every change of links.
    run("
        source A1
        source A2
        stock WEB
        stock POS
        sku BIKE
        link WEB A1
        link POS A2
        count A1 BIKE 10
        count A2 BIKE 10
        reserve w WEB 4xBIKE ttl=10s
        reserve p POS 6xBIKE
        quota POS BIKE 9
        reserve q POS 2xBIKE ttl=20s
        quota_taken POS BIKE -> 2/9
        link WEB A2
        salable WEB BIKE -> 8
        salable POS BIKE -> 2
        reserve w2 WEB 7xBIKE
        salable POS BIKE -> 1
        time +10s
        tick
        salable POS BIKE -> 2
        unlink WEB A1 -> ok short=5
        salable WEB BIKE -> -5
        quota_taken POS BIKE -> 2/9
        unlink WEB A2 -> ok short=7
        salable WEB BIKE -> not_assigned
        salable POS BIKE -> 2
        time +10s
        tick
        salable POS BIKE -> 4
        link WEB A1 -> ok
        salable WEB BIKE -> 3
        release w2
        confirm q -> confirmed_late
        quota_taken POS BIKE -> 2/9
    ");
}

#[test]
fn names_numbers_and_limits() {
    // Proves upserts, taken names, unknown numbers, and that a second definition changes only what it
    // contains.
    let mut script = run("
        source A1 name=One -> ok number=0
        source A2 name=Two -> ok number=1
        source A2 name=One -> name_taken
        source A1 name=Eins -> ok number=0
        source A2 name=One -> ok number=1
        stock WEB -> ok number=0
        stock WEB -> ok number=0
        stock POS -> ok number=1
        sku BIKE -> ok number=0
        sku BIKE decimals -> ok number=0
        link #5 A1 -> unknown_name
        link WEB #5 -> unknown_name
        unlink #5 A1 -> unknown_link
        channel site:eu #5 -> unknown_name
        channel site:eu WEB -> ok number=0
        channel site:us WEB -> ok number=1
        channel site:eu POS -> ok number=0
        quota #5 BIKE 3 -> unknown_name
        quota WEB #5 3 -> unknown_name
        set #5 min_qty=1 -> unknown_name
        set BIKE/#5 min_qty=1 -> unknown_name
        link WEB A1 priority=3
        link WEB A1 priority=2 -> ok
        count A1 BIKE 3
        reserve a WEB 1.5xBIKE
        sku BIKE composite -> would_break_promises
        sku BIKE -> ok number=0
        rules 3 -> ok value=3
        rules 1 -> not_supported unrecorded min=3 max=3 asked=1
        rules 4 -> not_supported
        mark before-the-sale -> ok
        skip
        tick -> ok unrecorded
        configure lines=2
    ");
    script.go("
        reserve b WEB 1xBIKE 1xBIKE 1xBIKE -> bad_field field=lines
        configure reservations=2
        reserve c WEB 1xBIKE
        reserve d WEB 1xBIKE -> limit_reached recorded limit=reservations_max=2
        sell e WEB A1 1xBIKE -> limit_reached limit=reservations_max=2
        configure window=1s
        release c
        time +1s
        reserve d WEB 1xBIKE -> limit_reached replayed limit=reservations_max=2
        reserve f WEB 1xBIKE -> ok
    ");
}

#[test]
fn the_limit_of_reservations_does_not_depend_on_sweeps() {
    // Proves that records that are waiting for erasure do not count against the limit: a machine that is
    // not swept has dozens of them, and a swept one has none.
    let mut script = run(PLAIN);
    script.go("configure reservations=40 window=1s\ncount A1 BIKE 100");
    for cart in 0..40 {
        script.go(&format!("reserve r{cart} WEB 1xBIKE ttl=1s"));
    }
    script.go("reserve full WEB 1xBIKE -> limit_reached\ntime +3s\nconfigure reservations=3");
    for cart in 0..3 {
        script.go(&format!("reserve s{cart} WEB 1xBIKE ttl=1s"));
    }
    script.go("reserve t WEB 1xBIKE -> limit_reached");
}

#[test]
fn a_forced_sale_and_a_kept_line_do_not_depend_on_derived_state() {
    // Proves that SKUs that lost their sources give the same answers before and after a load.
    run(PLAIN).go("
        sku BELL
        stock SHOP
        count A1 BELL 4
        set BELL manage_stock=off
        reserve a WEB 2xBELL ttl=1h
        reserve b WEB 1xBELL
        unlink WEB A1 -> ok short=0
        release b
        tick
        tick
        replace c a WEB 2xBELL ttl=1h -> ok
        tick
        tick
        tick
        replace d c WEB 3xBELL ttl=1h -> not_assigned
        sell e SHOP A1 1xBIKE -> not_assigned
        sell f SHOP A1 1xBIKE forced -> ok short=0
        tick
        tick
        tick
        sell g WEB A1 1xBIKE 2xBELL forced -> ok
        state g -> shipped 0xBIKE+1 0xBELL+2!
    ");
}

#[test]
fn an_unlink_is_accepted_whatever_group_it_leaves() {
    // Proves that an unlink is accepted even if it leaves a group that no link may make; that this group
    // stays exact; that further links there are refused, but links elsewhere are not; and that the link
    // that makes it small again is accepted.
    let mut script = run("sku BIKE\nstock WEB\nstock REGION");
    for shop in 0..34 {
        script.go(&format!("source S{shop}\nlink WEB S{shop}\ncount S{shop} BIKE 1"));
        script.go(&format!("stock P{shop}\nlink P{shop} S{shop}"));
    }
    script.go("
        source ELSEWHERE
        stock APART
        link REGION S0
        link REGION S1
        unlink WEB S0 -> ok short=0
        salable WEB BIKE -> 33
        salable REGION BIKE -> 2
        reserve a WEB 32xBIKE -> ok
        salable REGION BIKE -> 2
        reserve b REGION 2xBIKE -> ok
        salable WEB BIKE -> 0
        salable P0 BIKE -> 0
        link REGION S2 -> group_too_large
        link APART ELSEWHERE -> ok
        stock AFTER
        configure sharing=independent
        configure sharing=exact -> group_too_large
    ");
    // The group becomes exact again by a link that makes it nested.
    script.go("
        link WEB S0 -> ok
        configure sharing=exact -> ok
        salable WEB BIKE -> 0
    ");
}

#[test]
fn a_forced_shipment_may_exceed_the_promise_and_the_quantity_on_hand() {
    // Proves that a forced ship can make the quantity on hand negative, that it creates a missing source item
    // as out of stock, that it confirms a live hold, and that it ships all units of an expired or closed
    // reservation beyond the promise.
    run(PLAIN).go("
        source A2
        set BIKE backorders=on min_qty=-3
        reserve h WEB 4xBIKE ttl=60s
        ship h A2 3xBIKE forced -> ok short=0
        state h -> confirmed 1xBIKE+3
        adjust A2 BIKE 1 -> ok on=-2 v=2
        link WEB A2
        salable WEB BIKE -> 12
        ship h A1 12xBIKE forced -> ok short=0
        state h -> shipped 0xBIKE+15
        adjust A1 BIKE 2 -> ok on=0 short=0
        ship h A1 2xBIKE forced -> ok short=0
        state h -> shipped 0xBIKE+17
        unship h A1 14xBIKE -> ok short=0
        state h -> confirmed 1xBIKE+3
        reserve e WEB 2xBIKE ttl=1s
        time +2s
        ship e A1 2xBIKE forced -> ok short=0
        state e -> expired 2xBIKE+2
        unship e A1 2xBIKE -> ok
        state e -> expired 2xBIKE
        confirm e -> confirmed_late
        release e
        ship e A1 1xBIKE -> already_closed
        ship e A1 1xBIKE forced -> ok
        state e -> released 0xBIKE+1
        refund e returned@A1:1xBIKE
        ship nobody A1 1xBIKE forced -> unknown_reservation
        ship e #9 1xBIKE forced -> unknown_name
    ");
}

#[test]
fn a_forced_sale_may_make_on_hand_negative() {
    // Proves that a source with a negative quantity on hand supplies nothing, that goods that arrive there
    // first raise it to zero, that a transfer to it is refused if it would break a promise, and that a forced
    // sale is refused only for a composite SKU or a quantity out of range.
    run(SHARED).go("
        sell f POS A1 25xBIKE forced -> ok short=0
        adjust A1 BIKE 1 -> ok on=-4
        adjust A1 BIKE -1
        salable POS BIKE -> 10
        reserve p POS 9xBIKE
        transfer A2 A1 2xBIKE -> source_below_zero line=0 sku=BIKE
        release p
        reserve w WEB 9xBIKE
        transfer A2 A1 2xBIKE -> needed_elsewhere
        release w
        transfer A2 A1 2xBIKE -> ok
        salable POS BIKE -> 8
        count A1 BIKE -99999999999
        sell g POS A1 2xBIKE forced -> quantity_overflow
        sku COMP composite
        sell c POS A1 1xCOMP forced -> composite
        source A3
        sell i POS A3 1xBIKE forced -> ok short=0
        count A3 BIKE 3
        link POS A3
        salable POS BIKE -> 8
    ");
}
