//! A cart that has expired or was released can be revived once: the replace that revives it ends the old
//! record.

use super::reserving::PLAIN;
use super::script::run;

/// The answers of every command that names a revived cart.
const IS_CLOSED: &str = "
    state h -> replaced 0xBIKE
    replace again h WEB 1xBIKE ttl=1h owner=7 -> already_closed
    confirm h -> already_closed
    extend h ttl=2h -> already_closed
    release h -> already_closed
    ship h A1 1xBIKE -> already_closed
    refund h unshipped:1xBIKE -> already_closed
    state h -> replaced 0xBIKE
";

#[test]
fn an_expired_cart_is_promised_once_however_often_it_is_replaced() {
    // Proves that a second replace and the late confirm of an expired hold are refused once a replace was
    // granted. Before, the cart was promised three times.
    let mut script = run(PLAIN);
    script.go("
        reserve h WEB 3xBIKE ttl=10s owner=7
        time +10s
        tick
        state h -> expired 3xBIKE
        salable WEB BIKE -> 10
        replace r h WEB 3xBIKE ttl=1h owner=7 -> ok bare
        salable WEB BIKE -> 7
        replace s h WEB 3xBIKE ttl=1h owner=7 -> already_closed
    ");
    script.go(IS_CLOSED);
    script.go("
        confirm r
        salable WEB BIKE -> 7
        // Both ids still return their recorded answers.
        reserve h WEB 3xBIKE ttl=10s owner=7 -> ok replayed until=10
        replace r h WEB 3xBIKE ttl=1h owner=7 -> ok replayed
    ");
}

#[test]
fn a_released_cart_is_revived_once() {
    // Proves the same for a hold and for an order that was released, in any stock, and for a cart of
    // several lines.
    for how in ["ttl=1h", ""] {
        let mut script = run(PLAIN);
        script.go(&format!(
            "
            sku BELL
            count A1 BELL 5
            stock SHOP
            link SHOP A1
            reserve h WEB 3xBIKE {how} owner=7
            release h
            replace r h SHOP 2xBIKE 1xBELL ttl=1h owner=7 -> ok bare
        "
        ));
        script.go(IS_CLOSED);
        script.go("release r\nreplace s r WEB 2xBIKE owner=7 -> ok bare\nstate r -> replaced 0xBIKE 0xBELL");
    }
}

#[test]
fn a_refused_revival_leaves_the_old_record_alone() {
    // Proves that a refused reserve leaves the hold expired, whatever the reason is: it can still be
    // confirmed late.
    let mut script = run(PLAIN);
    script.go("
        reserve h WEB 3xBIKE ttl=10s owner=7
        time +10s
        replace a h WEB 11xBIKE ttl=1h owner=7 -> sold_out available=10
        replace b h WEB 3xBIKE ttl=1h owner=8 -> owner_differs
        replace c h WEB 3xBIKE ttl=0s owner=7 -> ttl_out_of_range
        replace d h #9 3xBIKE ttl=1h owner=7 -> unknown_name
        configure reservations=1
        replace e h WEB 3xBIKE ttl=1h owner=7 -> limit_reached
        configure reservations=9
        tick
        state h -> expired 3xBIKE
        confirm h -> confirmed_late
        state h -> confirmed 3xBIKE
        salable WEB BIKE -> 7
    ");
}

#[test]
fn the_record_of_a_revived_cart_is_kept_for_the_window_from_then_on() {
    // Proves that the record is kept like that of any closed reservation: from the replace on, or from the
    // old deadline if that is later.
    let mut script = run(PLAIN);
    script.go("
        configure window=10s
        reserve h WEB 1xBIKE ttl=5s owner=7
        reserve i WEB 1xBIKE ttl=60s owner=7
        release i
        time +8s
        replace r h WEB 1xBIKE owner=7
        replace s i WEB 1xBIKE owner=7
        quota WEB BIKE 5
        time +9s
        tick
        state h -> replaced 0xBIKE
        time +1s
        tick
        state h -> unknown
        state i -> replaced 0xBIKE
        time +51s
        tick
        state i -> replaced 0xBIKE
        time +1s
        tick
        state i -> unknown
        replace t i WEB 1xBIKE owner=7 -> unknown_reservation
        salable WEB BIKE -> 5
    ");
}

#[test]
fn a_revival_takes_from_quotas_once() {
    // Proves that the units of an expired hold went back to its quota when it expired, and are not given
    // back again.
    run(PLAIN).go("
        quota WEB BIKE 6
        reserve h WEB 4xBIKE ttl=10s
        time +10s
        replace r h WEB 5xBIKE ttl=10s -> ok
        quota_taken WEB BIKE -> 5/6
        time +10s
        replace s r WEB 20xBIKE best -> partial granted=6xBIKE
        state r -> replaced 0xBIKE
        quota_taken WEB BIKE -> 6/6
    ");
}
