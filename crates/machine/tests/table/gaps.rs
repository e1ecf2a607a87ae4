//! Gaps between ops: downtime and wrong clocks shorten neither holds, nor the retention of records, nor
//! that of ids.

use super::reserving::PLAIN;
use super::script::run;

#[test]
fn a_gap_shortens_no_hold_but_time_with_ticks_does() {
    // Proves both sides of the limit, that the returned deadline is hold time, and that each verb uses hold
    // time.
    run(PLAIN).go("
        configure gap=5s
        reserve a WEB 3xBIKE ttl=10s -> ok until=10
        time +5s
        tick
        salable WEB BIKE -> 7
        time +5001ms
        tick
        state a -> held 3xBIKE
        extend a ttl=10s -> ok until=15
        reserve b WEB 1xBIKE ttl=10s -> ok until=15
        // A year without an op.
        time +31536000s
        release b
        confirm a
        salable WEB BIKE -> 7
        reserve c WEB 7xBIKE ttl=1s -> ok until=6
        time +1s
        confirm c -> confirmed_late
    ");
}

#[test]
fn ids_are_kept_for_their_retention_of_hold_time() {
    // Proves that the answer to an id is kept across any gap, that an id made in the gap or before it still
    // executes, that both end when their retention has passed since, and that the horizon then skips the
    // gap.
    run(PLAIN).go("
        configure gap=5s retention=60s
        reserve a WEB 1xBIKE
        time +4s
        time +86400s
        reserve a WEB 1xBIKE -> ok replayed
        reserve late WEB 1xBIKE age=86390s
        reserve within WEB 1xBIKE age=3600s
        release a
        reserve future WEB 1xBIKE ahead=301s -> id_from_future
        ticks 59s
        adjust A1 BIKE 1 id=adjusted age=86440s
        adjust A1 BIKE 1 id=adjusted -> ok replayed
        ticks 30s
        adjust A1 BIKE 1 id=older age=86400s -> id_too_old
        adjust A1 BIKE 1 id=gone age=3600s -> id_too_old
        adjust A1 BIKE 1 id=young age=30s
    ");
}

#[test]
fn records_of_closed_reservations_outlive_a_gap() {
    // Proves that the window of late confirmation is hold time.
    run(PLAIN).go("
        configure gap=5s window=20s
        reserve a WEB 1xBIKE ttl=1s
        time +3600s
        confirm a
        reserve b WEB 1xBIKE ttl=1s
        time +2s
        tick
        state b -> expired 1xBIKE
        time +86400s
        confirm b -> confirmed_late
        reserve c WEB 1xBIKE
        release c
        time +86400s
        confirm c -> already_closed
        ticks 21s
        confirm c -> unknown_reservation
    ");
}

#[test]
fn offsets_of_the_clock_are_state_and_change_nothing_else() {
    // Proves that both commands are applied without affecting a promise, and that only the one that an
    // operator sends is recorded.
    let mut script = run(PLAIN);
    script.go("
        reserve a WEB 1xBIKE ttl=60s -> ok until=60
        wall_offset -1200000 -> ok unrecorded
        accept_clock 1900000000000 id=accepted -> ok recorded
        accept_clock 1900000000000 id=accepted -> ok replayed
        state a -> held 1xBIKE
    ");
    let clock = script.clock();
    assert_eq!((clock.wall_offset_ms, clock.accepted_until.0), (-1_200_000, 1_900_000_000_000));
    assert_eq!(clock.hold_offset_ms, 0);
}
