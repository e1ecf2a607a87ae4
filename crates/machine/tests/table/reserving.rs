//! Salable quantities, grants and their limits.

use super::script::{Script, run};

/// The two sources and two stocks of the golden vectors.
pub(crate) const SHARED: &str = "
    source A1
    source A2
    stock WEB
    stock POS
    sku BIKE -> ok number=0
    link WEB A2
    link POS A1 priority=1
    link POS A2 priority=2
    count A1 BIKE 20 -> ok on=20 v=1 short=0
    count A2 BIKE 10 -> ok on=10 v=1 short=0
";

/// One source and one stock, with one SKU.
pub(crate) const PLAIN: &str = "
    source A1
    stock WEB
    sku BIKE
    link WEB A1
    count A1 BIKE 10
";

fn shared() -> Script {
    run(SHARED)
}

#[test]
fn the_simplest_cart_is_promised_and_refused() {
    // Proves a grant, a refusal with the quantity that is left, a confirm and a release on one stock.
    let mut script = run(PLAIN);
    script.go("
        salable WEB BIKE -> 10
        reserve r1 WEB 3xBIKE ttl=60s -> ok until=60 bare
        salable WEB BIKE -> 7
        reserve r2 WEB 8xBIKE ttl=60s -> sold_out line=0 available=7 sku=BIKE
        confirm r1
        state r1 -> confirmed 3xBIKE
        release r1
        state r1 -> released 0xBIKE
        salable WEB BIKE -> 10
        reserve r3 WEB 10xBIKE
        reserve r4 WEB 1xBIKE -> sold_out bare
    ");
}

#[test]
fn the_golden_vectors_hold() {
    // Proves the five sequences of grants over the two shared sources.
    shared().go("
        reserve a WEB 3xBIKE best -> ok granted=3xBIKE
        reserve b POS 5xBIKE best -> ok granted=5xBIKE
        reserve c WEB 7xBIKE best -> ok granted=7xBIKE
        salable WEB BIKE -> 0
        salable POS BIKE -> 15
    ");
    shared().go("
        reserve a POS 5xBIKE best -> ok granted=5xBIKE
        reserve b WEB 10xBIKE best -> ok granted=10xBIKE
    ");
    shared().go("
        reserve a WEB 10xBIKE best -> ok granted=10xBIKE
        reserve b POS 30xBIKE best -> partial granted=20xBIKE
    ");
    shared().go("
        reserve a POS 30xBIKE best -> ok granted=30xBIKE
        reserve b WEB 10xBIKE best -> sold_out
    ");
    shared().go("
        reserve a POS 12xBIKE best -> ok granted=12xBIKE
        reserve b WEB 10xBIKE best -> ok granted=10xBIKE
        reserve c POS 8xBIKE best -> ok granted=8xBIKE
        reserve d POS 1xBIKE best -> sold_out
    ");
}

#[test]
fn a_quota_limits_one_stock_of_a_shared_source() {
    // Proves quota 10 of 30: on hand / web / shops only = 30/10/20, then 27/7/20, 22/7/15, 15/0/15.
    let mut script = run("
        source A1
        stock WEB
        stock SHOP
        sku BIKE
        link WEB A1
        link SHOP A1
        count A1 BIKE 30
        quota WEB BIKE 10
        salable WEB BIKE -> 10
        reserve w1 WEB 3xBIKE
        ship w1 A1 3xBIKE
        salable WEB BIKE -> 7
        quota_taken WEB BIKE -> 3/10
        sell s1 SHOP A1 5xBIKE
        salable WEB BIKE -> 7
        salable SHOP BIKE -> 22
        reserve w2 WEB 8xBIKE -> quota_exceeded line=0 available=7
        reserve w3 WEB 7xBIKE
        ship w3 A1 7xBIKE
        salable WEB BIKE -> 0
        salable SHOP BIKE -> 15
        reserve w4 WEB 1xBIKE -> quota_exceeded bare
    ");
    script.go("sell s2 SHOP A1 15xBIKE
        sell s3 SHOP A1 1xBIKE -> sold_out");
}

#[test]
fn a_stock_in_shortfall_does_not_block_unshared_goods_of_another() {
    // Proves the vector Web={A2,A3}, POS={A2}: A2=0 after a recount, A3=10, POS promised 5 -> Web 10.
    run("
        source A2
        source A3
        stock WEB
        stock POS
        sku BIKE
        link WEB A2
        link WEB A3
        link POS A2
        count A2 BIKE 5
        count A3 BIKE 10
        reserve p POS 5xBIKE
        count A2 BIKE 0 -> ok on=0 v=2 short=5
        salable WEB BIKE -> 10
        salable POS BIKE -> -5
        reserve w WEB 10xBIKE
        reserve q POS 1xBIKE -> sold_out bare
        // New goods reduce the shortfall first.
        adjust A2 BIKE 4 -> ok on=4 short=1
        salable POS BIKE -> -1
        adjust A2 BIKE 3 -> ok on=7 short=0
        salable POS BIKE -> 2
        salable WEB BIKE -> 2
        reserve q2 POS 2xBIKE
        reserve w2 WEB 1xBIKE -> sold_out
    ");
}

#[test]
fn backorders_have_their_bounds() {
    // Proves that 10 on hand with min_qty −5 gives 15, unlimited backorders, and that a SKU without any
    // item in stock is refused.
    let mut script = run(PLAIN);
    script.go("
        set BIKE backorders=on min_qty=-5
        salable WEB BIKE -> 15
        reserve a WEB 8xBIKE -> ok bare
        reserve b WEB 4xBIKE -> ok backordered=2
        reserve c WEB 3xBIKE -> ok backordered=3
        reserve d WEB 1xBIKE -> sold_out
        release c
        // Promises within the allowance are not a shortfall. Promises beyond it are.
        adjust A1 BIKE -1 -> ok on=9 short=0
        adjust A1 BIKE -3 -> ok on=6 short=1
        salable WEB BIKE -> -1
        set BIKE backorders=on min_qty=0
        salable WEB BIKE -> unlimited
        reserve e WEB 1000xBIKE -> ok backordered=1000
        count A1 BIKE 6 out
        reserve f WEB 1xBIKE -> no_source_in_stock line=0
        set BIKE manage_stock=off
        salable WEB BIKE -> unlimited
        reserve g WEB 1xBIKE -> ok bare
        state g -> confirmed 1xBIKE!
        // Backorders are off again, so a negative threshold has no effect.
        set BIKE manage_stock=unset backorders=off min_qty=-5
        count A1 BIKE 5000 in
        salable WEB BIKE -> 3988
    ");
}

#[test]
fn a_threshold_holds_back_for_its_own_stock_only() {
    // Proves positive thresholds, and the inheritance global, SKU, SKU in stock, where unset differs from
    // 0.
    let mut script = run(SHARED);
    script.go("
        set global min_qty=2
        salable WEB BIKE -> 8
        salable POS BIKE -> 28
        set BIKE min_qty=4
        salable WEB BIKE -> 6
        set BIKE/WEB min_qty=0
        salable WEB BIKE -> 10
        salable POS BIKE -> 26
        set BIKE min_qty=unset
        salable POS BIKE -> 28
        salable WEB BIKE -> 10
        set BIKE/WEB min_qty=unset
        salable WEB BIKE -> 8
        // A threshold does not reserve goods against other stocks.
        reserve p POS 28xBIKE
        salable WEB BIKE -> 0
        reserve w WEB 1xBIKE -> sold_out bare
    ");
}

#[test]
fn a_line_must_be_one_that_may_be_sold() {
    // Proves minimum, maximum, increments, decimals, composites, assignment and unknown numbers, in order.
    let mut script = run(PLAIN);
    script.go("
        sku ROPE decimals
        sku SET composite
        sku BELL
        count A1 ROPE 5
        count A1 SET 5 -> composite
        adjust A1 SET 5 -> composite
        count A1 BELL 20000
        reserve a WEB 0.5xBIKE -> below_min_sale line=0
        reserve b WEB 1.5xBIKE -> decimals_not_allowed line=0
        reserve c WEB 0.5xROPE -> below_min_sale
        reserve d WEB 1.5xROPE -> ok
        reserve e WEB 1xSET -> composite line=0
        reserve f WEB 10001xBELL -> above_max_sale
        reserve g WEB 10000xBELL -> ok
        set BELL increments=on increment=6 min_sale=12 max_sale=0
        reserve h WEB 6xBELL -> below_min_sale
        reserve i WEB 13xBELL -> not_an_increment
        reserve j WEB 12xBELL
        reserve k WEB 1xBIKE 12xBELL 9xROPE -> sold_out line=1 sku=ROPE available=3.5
        reserve l #9 1xBIKE -> unknown_name unrecorded
        reserve m WEB 1x#77 -> unknown_name line=0 unrecorded
        reserve n @#3 1xBIKE -> unknown_name unrecorded
        stock EMPTY
        reserve o EMPTY 1xBIKE -> not_assigned line=0
        salable EMPTY BIKE -> not_assigned
        set BIKE manage_stock=off
        reserve p EMPTY 1xBIKE -> not_assigned
        sku SET2
        reserve q WEB 1xSET2 -> not_assigned
    ");
}

#[test]
fn best_effort_grants_whole_units_and_increments() {
    // Proves rounding down, a minimum that prevents a grant, partial carts and the refusal of a cart that
    // gets nothing.
    let mut script = run(PLAIN);
    script.go("
        sku ROPE decimals
        sku BELL
        count A1 BIKE 2.5
        count A1 ROPE 2.5
        count A1 BELL 17
        reserve a WEB 9xBIKE 9xROPE best ttl=1h -> partial granted=2xBIKE,2.5xROPE until=3600
        release a
        set BELL increments=on increment=6
        reserve b WEB 16xBELL 1xBIKE best -> partial granted=1xBIKE,12xBELL
        reserve c WEB 7xBELL 3xBIKE best -> partial granted=1xBIKE,0xBELL
        state c -> confirmed 1xBIKE
        reserve d WEB 7xBELL 3xBIKE best -> sold_out line=0 available=0.5
        release b 12xBELL
        set BELL min_sale=18
        reserve e WEB 18xBELL best -> sold_out available=17
        reserve f WEB 1xBIKE 1x#88 best -> unknown_name
        // The increment is not a whole number of units; whole units take precedence.
        set BELL increments=on increment=1.5 min_sale=1
        reserve g WEB 17xBELL best -> partial granted=15xBELL
        set ROPE manage_stock=off
        reserve h WEB 2.75xROPE best -> ok granted=2.75xROPE
        // A line that asks for less than a whole unit gets nothing.
        count A1 BIKE 100
        reserve i WEB 1.5xBIKE best -> partial granted=1xBIKE
    ");
}

#[test]
fn the_same_sku_twice_is_its_sum() {
    // Proves that lines are added up before they are decided, and that a channel means the stock that it
    // sells from now.
    let mut script = run(PLAIN);
    script.go("
        reserve a WEB 6xBIKE 5xBIKE -> sold_out available=10
        reserve b WEB 3xBIKE 4xBIKE ttl=9s
        state b -> held 7xBIKE
        stock SHOP
        channel site:eu SHOP -> ok number=0
        reserve c @site:eu 1xBIKE -> not_assigned
        channel site:eu WEB -> ok number=0
        reserve d @site:eu 1xBIKE
        salable WEB BIKE -> 2
        ship d A1 1xBIKE 1xBIKE -> more_than_open
    ");
}

#[test]
fn a_ttl_is_refused_or_rounded_up_but_never_clamped() {
    // Proves 0, below the minimum, above the maximum, rounding, and that the limits are state.
    let mut script = run(PLAIN);
    script.go("
        reserve a WEB 1xBIKE ttl=0s -> ttl_out_of_range unrecorded
        reserve a WEB 1xBIKE ttl=999ms -> ttl_out_of_range
        reserve a WEB 1xBIKE ttl=86400001ms -> ttl_out_of_range
        reserve a WEB 1xBIKE ttl=86400000ms -> ok until=86400
        time +1ms
        reserve b WEB 1xBIKE ttl=1s -> ok until=2
        time +1998ms
        state b -> held 1xBIKE
        salable WEB BIKE -> 8
        time +1ms
        tick
        state b -> expired 1xBIKE
        salable WEB BIKE -> 9
        configure ttl_max=10m
        reserve c WEB 1xBIKE ttl=11m -> ttl_out_of_range
        configure ttl_min=20m -> bad_field field=ttl_max_ms unrecorded
        configure ttl_total=5m -> bad_field field=ttl_total_max_ms
        extend a ttl=11m -> ttl_out_of_range
        extend a ttl=0s -> ttl_out_of_range
    ");
}

#[test]
fn a_grant_stays_in_the_range_of_quantities() {
    // Proves that unlimited backorders end where a promise would exceed the range of quantities, and that
    // facts are bounded too.
    let mut script = run(PLAIN);
    script.go("
        set BIKE backorders=on max_sale=0
        count A1 BIKE 100000000000
        adjust A1 BIKE 0.0001 -> quantity_overflow
        count A1 BIKE -100000000000
        adjust A1 BIKE -1 -> quantity_overflow
        set BIKE backorders=on
    ");
    let big = "100000000xBIKE ".repeat(250);
    for cart in 0..4 {
        script.go(&format!("reserve big{cart} WEB {big}"));
    }
    script.go("
        reserve more WEB 1xBIKE -> quantity_overflow
        release big0
        reserve hold WEB 5xBIKE ttl=1s
        time +2s
        reserve fill WEB 9xBIKE
    ");
    script.go(&format!("reserve big4 WEB {big} -> quantity_overflow"));
    script.go(&format!("release fill\nreserve big5 WEB {big}"));
    // The expired hold does not fit into the range any more if it counts, and does if it does not count.
    script.go("
        confirm hold -> too_late line=0
        set BIKE manage_stock=off
        confirm hold id=again -> confirmed_late
        state hold -> confirmed 5xBIKE!
    ");
}

#[test]
fn independent_sharing_is_the_plain_sum() {
    // Proves the per-stock quantity of MSI, in which a negative source item is subtracted, and the change
    // back to exact with a shortfall.
    let mut script = run(SHARED);
    script.go("
        configure sharing=independent
        salable WEB BIKE -> 10
        reserve a WEB 10xBIKE
        salable POS BIKE -> 30
        reserve b POS 30xBIKE
        count A1 BIKE -4 -> ok on=-4 short=24
        salable POS BIKE -> -24
        salable WEB BIKE -> 0
        count A1 BIKE 20 -> ok short=0
        configure sharing=exact
        salable WEB BIKE -> -10
        salable POS BIKE -> -10
        adjust A1 BIKE 5 -> ok short=5
        reserve c WEB 1xBIKE -> sold_out
        reserve d POS 1xBIKE -> sold_out
    ");
}
