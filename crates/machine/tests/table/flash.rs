//! Flash sales: freezes, opening and closing times.

use super::machines::START_S;
use super::reserving::PLAIN;
use super::script::run;

/// A time so many seconds after the start, in milliseconds.
fn ms(seconds: u64) -> u64 {
    (START_S + seconds) * 1_000
}

#[test]
fn a_sale_opens_and_closes_by_the_wall_clock() {
    // Proves the bounds of a sale to the millisecond, that the answer names both times, that only growth is bound, and that
    // holds are confirmed and extended after the closing, late confirms included.
    let mut script = run(PLAIN);
    script.go(&format!(
        "
        set BIKE/WEB opens=10s closes=40s
        reserve a WEB 1xBIKE -> not_open line=0 min={} max={} asked={} recorded
        salable WEB BIKE -> 10
        time +9999ms
        reserve b WEB 1xBIKE -> not_open asked={}
        time +1ms
        reserve a2 WEB 2xBIKE ttl=20s
        reserve b2 WEB 3xBIKE
        time +15s
        reserve c WEB 2xBIKE ttl=20s
        time +14999ms
        reserve d WEB 1xBIKE
        time +1ms
        reserve e WEB 1xBIKE -> not_open min={} max={} asked={}
        replace f c WEB 3xBIKE ttl=20s -> not_open
        replace f2 c WEB 1xBIKE ttl=20s -> ok
        sell s WEB A1 1xBIKE -> not_open
        sell t WEB A1 1xBIKE forced -> ok
        amend b2 4xBIKE -> not_open
        amend b2 2xBIKE
        extend f2 ttl=20s
        confirm f2
        confirm a2 -> confirmed_late
        ship b2 A1 1xBIKE
        unship b2 A1 1xBIKE
        set BIKE/WEB closes=0s
        reserve g WEB 1xBIKE
    ",
        ms(10),
        ms(40) - 1,
        ms(0),
        ms(10) - 1,
        ms(10),
        ms(40) - 1,
        ms(40),
    ));
}

#[test]
fn doors_are_inherited_and_can_be_unset_or_removed() {
    // Proves the levels of the settings, that 0 removes an inherited time, and that an unset one is inherited again.
    run(PLAIN).go("
        set global opens=1h
        reserve a WEB 1xBIKE -> not_open
        set BIKE opens=0s
        reserve a2 WEB 1xBIKE
        set BIKE/WEB opens=2h
        reserve b WEB 1xBIKE -> not_open
        set BIKE/WEB opens=unset
        reserve b2 WEB 1xBIKE
        set BIKE opens=unset
        reserve c WEB 1xBIKE -> not_open
        ticks 1h
        reserve c2 WEB 1xBIKE
    ");
}

#[test]
fn what_is_frozen_promises_nothing_new_and_the_rest_goes_on() {
    // Proves a freeze of a SKU, of a stock and of a channel: which commands it refuses, in which order it comes with other
    // refusals, and that what is promised is confirmed, extended, shipped and refunded.
    for (freeze, lift) in [
        ("set BIKE/WEB frozen=on", "set BIKE/WEB frozen=unset"),
        ("set BIKE frozen=on", "set BIKE frozen=off"),
        ("freeze WEB", "lift WEB"),
    ] {
        run(PLAIN).go(&format!(
            "
            reserve h WEB 2xBIKE ttl=10s
            reserve o WEB 3xBIKE
            reserve x WEB 1xBIKE ttl=1s
            time +1s
            {freeze}
            salable WEB BIKE -> 5
            reserve a WEB 1xBIKE -> frozen
            reserve a1 WEB 50xBIKE -> frozen
            reserve a2 WEB 1xBIKE best -> frozen
            sell s WEB A1 1xBIKE -> frozen
            sell t WEB A1 1xBIKE forced -> ok
            replace r h WEB 3xBIKE ttl=10s -> frozen sku=BIKE
            replace r1 h WEB 2xBIKE ttl=10s -> ok
            replace r2 r1 WEB 4xBIKE ttl=10s best -> partial granted=2xBIKE
            amend o 4xBIKE -> frozen sku=BIKE line=0
            amend o 2xBIKE
            confirm x -> frozen sku=BIKE
            extend r2 ttl=10s
            confirm r2
            ship o A1 1xBIKE
            unship o A1 1xBIKE
            release o 1xBIKE
            {lift}
            confirm x -> confirmed_late
            reserve b WEB 1xBIKE
        "
        ));
    }
}

#[test]
fn a_frozen_channel_refuses_what_names_it() {
    // Proves that a channel is frozen and not its stock, that a frozen stock closes its channels, and that a freeze of a
    // thing that does not exist is refused.
    run(PLAIN).go("
        channel site:eu WEB
        channel site:us WEB
        freeze @site:eu
        reserve a @site:eu 1xBIKE -> frozen field=target
        reserve b @site:us 1xBIKE ttl=10s
        reserve c WEB 1xBIKE ttl=10s
        replace d c @site:eu 2xBIKE ttl=10s -> frozen sku=BIKE
        replace e c @site:eu 1xBIKE ttl=10s -> ok
        sell s @site:eu A1 1xBIKE -> frozen field=target
        sell s2 @site:eu A1 1xBIKE forced
        lift @site:us
        freeze WEB
        reserve f @site:us 1xBIKE -> frozen field=target
        lift @site:eu
        reserve g @site:eu 1xBIKE -> frozen field=target
        lift WEB
        reserve g2 @site:eu 1xBIKE
        freeze #9 -> unknown_name field=scope
        freeze @#9 -> unknown_name field=scope
    ");
}

#[test]
fn best_effort_grants_what_is_open() {
    // Proves that a line that is not open gets nothing and the others what they ask for, and that the reason is named if
    // nothing is left.
    run(PLAIN).go("
        sku LAMP
        count A1 LAMP 5
        set BIKE opens=1h
        reserve a WEB 2xBIKE 3xLAMP best -> partial granted=0xBIKE,3xLAMP
        reserve b WEB 2xBIKE best -> not_open
        reserve c WEB 2xBIKE 3xLAMP -> not_open line=0
        set LAMP frozen=on
        reserve d WEB 2xBIKE 3xLAMP best -> not_open line=0
        set BIKE opens=0s
        reserve e WEB 2xBIKE 3xLAMP -> frozen line=1 sku=LAMP
    ");
}

#[test]
fn doors_bind_what_is_not_counted_and_backorders() {
    // Proves that neither manage_stock off nor backorders open a door.
    run(PLAIN).go("
        set BIKE opens=1h manage_stock=off
        reserve a WEB 500xBIKE -> not_open
        set BIKE manage_stock=on backorders=on
        reserve b WEB 500xBIKE -> not_open
        set BIKE opens=0s
        reserve c WEB 500xBIKE -> ok backordered=490
    ");
}
