//! The details of refusals besides their code: the bound, the range, the limit, the SKU; and that a replay
//! returns the same details.

use super::reserving::{PLAIN, SHARED};
use super::script::run;

#[test]
fn a_refusal_names_the_bound_and_the_quantity() {
    // Proves this for every code about a quantity, with the SKU of the refused line.
    run(PLAIN).go("
        sku BELL
        sku GAS decimals
        count A1 BELL 5
        count A1 GAS 5
        set BELL min_sale=3 max_sale=8 increments=on increment=2
        reserve a WEB 1xBIKE 2xBELL -> below_min_sale line=1 sku=BELL bound=3 asked=2
        reserve b WEB 10xBELL -> above_max_sale line=0 sku=BELL bound=8 asked=10
        reserve c WEB 5xBELL -> not_an_increment line=0 sku=BELL bound=2 asked=5
        reserve d WEB 1.5xBIKE -> decimals_not_allowed line=0 sku=BIKE bound=1 asked=1.5
        reserve d WEB 1.5xBIKE -> decimals_not_allowed replayed line=0 sku=BIKE bound=1 asked=1.5
        reserve e WEB 4xBIKE 0.5xGAS -> below_min_sale line=1 sku=GAS bound=1 asked=0.5
        reserve o WEB 4xBIKE 2xGAS
        release o 5xBIKE -> more_than_open line=0 sku=BIKE bound=4 asked=5
        ship o A1 1xBIKE 3xGAS -> more_than_open line=1 sku=GAS bound=2 asked=3
        ship o A1 1xBELL -> not_in_reservation line=0 sku=BELL
        release o 1xBELL -> not_in_reservation line=0 sku=BELL
        refund o unshipped:1xBELL -> not_in_reservation line=0 sku=BELL
        refund o unshipped:3xBIKE unshipped:2xBIKE -> more_than_open line=1 sku=BIKE bound=1 asked=2
        ship o A1 2xBIKE
        refund o returned@A1:1xBIKE returned@A1:2xBIKE -> more_than_shipped line=1 sku=BIKE bound=1 asked=2
        count A1 BIKE 1
        ship o A1 2xBIKE -> not_enough_at_source line=0 sku=BIKE bound=1 asked=2
        refund o lost@A1:2xBIKE -> not_enough_at_source line=0 sku=BIKE bound=1 asked=2
        source A2
        ship o A2 1xBIKE -> no_source_item line=0 sku=BIKE
        transfer A2 A1 1xBIKE -> no_source_item line=0 sku=BIKE
        transfer A1 A2 2xBIKE -> not_enough_at_source line=0 sku=BIKE bound=1 asked=2
        count A1 BELL 99999999999
        adjust A1 BELL 2 -> quantity_overflow sku=BELL bound=100000000000 asked=2
        count A1 BELL -99999999999
        adjust A1 BELL -2 -> quantity_overflow sku=BELL bound=-100000000000 asked=-2
    ");
}

#[test]
fn a_refusal_names_the_sku_that_cannot_be_sold() {
    // Proves this for lines that are refused with any quantity.
    run(PLAIN).go("
        sku BELL
        sku SET composite
        reserve a WEB 1xBIKE 1xBELL -> not_assigned line=1 sku=BELL
        reserve b WEB 1xBIKE 1xBELL best -> not_assigned line=1 sku=BELL
        reserve c WEB 1xBIKE 1xSET -> composite line=1 sku=SET
        reserve d WEB 1xBIKE 1x#9 best -> unknown_name line=1 field=lines
        count A1 SET 1 -> composite sku=SET
        count A1 BELL 5 out
        reserve e WEB 1xBELL -> no_source_in_stock line=0 sku=BELL
        reserve e WEB 1xBELL -> no_source_in_stock replayed sku=BELL
        reserve h WEB 3xBIKE ttl=10s
        time +10s
        reserve i WEB 8xBIKE
        confirm h -> too_late line=0 sku=BIKE available=2
        reserve j WEB 2xBIKE
        confirm h -> too_late line=0 bare
    ");
}

#[test]
fn a_best_effort_that_gets_nothing_reports_the_reason() {
    // Proves that the refusal names the rule of sale if no part of the line can satisfy it, and otherwise
    // what is missing.
    run(PLAIN).go("
        set BIKE min_sale=4
        reserve a WEB 3xBIKE best -> below_min_sale line=0 sku=BIKE bound=4 asked=3
        set BIKE min_sale=1 increments=on increment=5
        reserve b WEB 3xBIKE best -> not_an_increment line=0 sku=BIKE bound=5 asked=3
        set BIKE increments=off min_sale=0
        reserve c WEB 0.5xBIKE best -> decimals_not_allowed line=0 sku=BIKE bound=1 asked=0.5
        set BIKE min_sale=3 max_sale=2
        reserve d WEB 9xBIKE best -> above_max_sale line=0 sku=BIKE bound=2 asked=9
        set BIKE min_sale=1 max_sale=unset
        quota WEB BIKE 0
        reserve e WEB 3xBIKE best -> quota_exceeded line=0
        quota WEB BIKE none
        count A1 BIKE 9 out
        reserve f WEB 3xBIKE best -> no_source_in_stock line=0 sku=BIKE
        count A1 BIKE 2 in
        set BIKE min_sale=3
        reserve g WEB 3xBIKE best -> sold_out line=0 available=2
        set BIKE min_sale=1
        reserve h WEB 3xBIKE best -> partial granted=2xBIKE
        reserve i WEB 3xBIKE best -> sold_out line=0 bare
        set BIKE manage_stock=off min_sale=4
        reserve j WEB 3xBIKE best -> below_min_sale line=0 sku=BIKE bound=4 asked=3
    ");
}

#[test]
fn a_refusal_names_the_range_of_times() {
    // Proves this for TTLs and for ids. The longest TTL that is named is accepted; one millisecond more is
    // refused.
    let mut script = run(PLAIN);
    script.go("
        configure ttl_max=1h ttl_total=2h
        reserve a WEB 1xBIKE ttl=0s -> ttl_out_of_range unrecorded min=1000 max=3600000 asked=0
        reserve b WEB 1xBIKE ttl=3601s -> ttl_out_of_range min=1000 max=3600000 asked=3601000
        reserve h WEB 1xBIKE ttl=1h
        extend h ttl=999ms -> ttl_out_of_range min=1000 max=3600000 asked=999
        time +3599s
        extend h ttl=1h
        time +3500500ms
        extend h ttl=1h -> beyond_maximum_total recorded min=1000 max=100500 asked=3600000
        replace i h WEB 1xBIKE ttl=100501ms -> beyond_maximum_total min=1000 max=100500 asked=100501
        replace j h WEB 1xBIKE ttl=100500ms -> ok until=7200
        time +99900ms
        extend j ttl=1s -> beyond_maximum_total min=1000 max=600 asked=1000
    ");
    script.go("
        reserve k WEB 1xBIKE ahead=301s -> id_from_future unrecorded asked=1763807500400
        time +1h
        reserve l WEB 1xBIKE age=2h -> id_too_old unrecorded asked=1763803599400
    ");
}

#[test]
fn a_refusal_names_the_limit_or_the_field() {
    // Proves this for limits on the number of things, for unknown names, and for other fields that are
    // refused.
    run(SHARED).go("
        reserve a #9 1xBIKE -> unknown_name field=target
        sell b WEB #9 1xBIKE -> unknown_name field=source
        sell c #9 A1 1xBIKE -> unknown_name field=target
        reserve o POS 1xBIKE
        ship o #9 1xBIKE -> unknown_name field=source
        refund o lost@#9:1xBIKE -> unknown_name line=0 field=parts
        count #9 BIKE 1 -> unknown_name field=source
        count A1 #9 1 -> unknown_name field=sku
        transfer A1 #9 1xBIKE -> unknown_name field=to
        transfer #9 A1 1xBIKE -> unknown_name field=from
        link #5 A1 -> unknown_name field=stock
        link WEB #5 -> unknown_name field=source
        channel site:eu #5 -> unknown_name field=stock
        quota #5 BIKE 3 -> unknown_name field=stock
        quota WEB #5 3 -> unknown_name field=sku
        set #5 min_qty=1 -> unknown_name field=sku
        set BIKE/#5 min_qty=1 -> unknown_name field=stock
        set #5/WEB min_qty=1 -> unknown_name field=sku
        source A3 name=A1 -> name_taken field=name
        sku BIKE composite -> would_break_promises field=kind
        configure lines=1
        reserve d POS 1xBIKE 1xBIKE -> bad_field field=lines
        configure reservations=1
        reserve e POS 1xBIKE -> limit_reached recorded limit=reservations_max=1
        replace f o POS 1xBIKE -> already_confirmed
    ");
}

#[test]
fn backorder_allowances_over_shared_sources_depend_on_the_order_of_promises() {
    // Proves the figures in PROTOCOL.md: ten units in A2, and both stocks with an allowance of five. Each
    // stock is charged what the group is missing at the margin, so the order of promises decides how much
    // of the allowances can be used.
    const BOTH: &str = "
        count A1 BIKE 0
        set BIKE backorders=on min_qty=-5
        salable WEB BIKE -> 15
        salable POS BIKE -> 15
    ";
    let mut script = run(SHARED);
    script.go(BOTH);
    script.go("
        reserve w WEB 12xBIKE -> ok backordered=2
        salable WEB BIKE -> 3
        salable POS BIKE -> 5
        reserve p POS 5xBIKE -> ok backordered=5
        salable WEB BIKE -> -2
        salable POS BIKE -> 0
    ");
    let mut script = run(SHARED);
    script.go(BOTH);
    script.go("
        reserve p POS 5xBIKE -> ok bare
        salable WEB BIKE -> 10
        salable POS BIKE -> 10
        reserve w WEB 12xBIKE -> sold_out available=10
        reserve v WEB 10xBIKE -> ok backordered=5
        salable WEB BIKE -> 0
        salable POS BIKE -> 0
    ");
}
