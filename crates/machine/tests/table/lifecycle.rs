//! The lifecycle of a reservation: the matrix of states and commands, deadlines, extend, replace, release,
//! late confirm.

use super::reserving::PLAIN;
use super::script::run;

/// One reservation in each state, by name: held, confirmed, expired, shipped, released, replaced.
const STATES: &str = "
    reserve expired WEB 1xBIKE ttl=1s owner=7
    time +2s
    reserve held WEB 1xBIKE ttl=1h owner=7
    reserve confirmed WEB 1xBIKE owner=7
    reserve shipped WEB 1xBIKE owner=7
    ship shipped A1 1xBIKE
    reserve released WEB 1xBIKE ttl=1h owner=7
    release released
    reserve replaced WEB 1xBIKE ttl=1h owner=7
    replace successor replaced WEB 1xBIKE ttl=1h owner=7
";

/// Runs one command in each of the states, each time on new machines.
fn row(command: &str, expected: [(&str, &str); 7]) {
    for (state, answer) in expected {
        let line = command.replace('?', state);
        run(PLAIN).go(&format!("{STATES}\n{line} -> {answer}"));
    }
}

#[test]
fn every_state_answers_extend_confirm_and_release() {
    // Proves three rows of the matrix. Each of the three reasons for "closed" is tested.
    row(
        "extend ? ttl=2h",
        [
            ("held", "ok until=7202"),
            ("confirmed", "already_confirmed"),
            ("expired", "expired"),
            ("shipped", "already_closed"),
            ("released", "already_closed"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
    row(
        "confirm ?",
        [
            ("held", "ok"),
            ("confirmed", "already_confirmed"),
            ("expired", "confirmed_late"),
            ("shipped", "already_closed"),
            ("released", "already_closed"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
    row(
        "release ?",
        [
            ("held", "ok"),
            ("confirmed", "ok"),
            ("expired", "expired"),
            ("shipped", "already_closed"),
            ("released", "already_closed"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
}

#[test]
fn every_state_answers_replace_ship_and_refund() {
    // Proves the other three rows, a refund by a part that closes and by one that returns.
    row(
        "replace new ? WEB 2xBIKE ttl=2h owner=7",
        [
            ("held", "ok granted=2xBIKE until=7202"),
            ("confirmed", "already_confirmed"),
            ("expired", "ok bare until=7202"),
            ("shipped", "already_closed"),
            ("released", "ok bare"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
    row(
        "ship ? A1 1xBIKE",
        [
            ("held", "not_confirmed"),
            ("confirmed", "ok"),
            ("expired", "expired"),
            ("shipped", "already_closed"),
            ("released", "already_closed"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
    row(
        "refund ? unshipped:1xBIKE",
        [
            ("held", "not_confirmed"),
            ("confirmed", "ok"),
            ("expired", "expired"),
            ("shipped", "already_closed"),
            ("released", "already_closed"),
            ("replaced", "already_closed"),
            ("missing", "unknown_reservation"),
        ],
    );
    row(
        "refund ? returned@A1:1xBIKE",
        [
            ("held", "not_confirmed"),
            ("confirmed", "more_than_shipped line=0"),
            ("expired", "expired"),
            ("shipped", "ok"),
            ("released", "more_than_shipped"),
            ("replaced", "more_than_shipped"),
            ("missing", "unknown_reservation"),
        ],
    );
}

#[test]
fn a_late_confirm_takes_all_lines_or_none() {
    // Proves confirmed_late, too_late with its line, and that another id can try again while the record is
    // kept.
    let mut script = run(PLAIN);
    script.go("
        sku BELL
        count A1 BELL 5
        reserve r WEB 4xBIKE 5xBELL ttl=10s
        release r 1xBIKE
        time +10s
        tick
        state r -> expired 3xBIKE 5xBELL
        reserve taker WEB 1xBELL
        confirm r id=first -> too_late line=1
        salable WEB BIKE -> 10
        release taker
        confirm r id=first -> too_late replayed
        confirm r id=second -> confirmed_late
        state r -> confirmed 3xBIKE 5xBELL
        salable WEB BIKE -> 7
        confirm r -> already_confirmed
        reserve s WEB 1xBIKE ttl=10s
        time +24h
        time +9s
        tick
        state s -> expired 1xBIKE
        time +1s
        tick
        state s -> unknown
        confirm s -> unknown_reservation
        state r -> confirmed 3xBIKE 5xBELL
    ");
}

#[test]
fn the_record_of_a_closed_reservation_is_kept_for_the_window() {
    // Proves that a closed record is kept for the window and not longer, whether it was closed early or
    // late. Snapshots agree at every step, although the erase list still has the entry for the original
    // deadline.
    let mut script = run(PLAIN);
    script.go("
        configure window=10s
        reserve early WEB 1xBIKE ttl=60s ref=order-1
        reserve order WEB 1xBIKE 1xBIKE
        reserve late WEB 1xBIKE ttl=5s
        time +1s
        release early
        confirm late
        state early -> released 0xBIKE
        time +59s
        release order
        release late
        tick
        time +9s
        tick
        state early -> released 0xBIKE
        state order -> released 0xBIKE
        time +1s
        tick
        state early -> unknown
        state order -> unknown
        state late -> unknown
        release early -> unknown_reservation
        tick
        tick
    ");
    for cart in 0..20 {
        script.go(&format!("reserve many{cart} WEB 1xBIKE ttl=1h\nrelease many{cart}\ntime +3s\ntick"));
    }
}

#[test]
fn extend_never_shortens_and_ends_at_the_maximum_total() {
    // Proves both, and that the origin is kept when a live hold is replaced.
    let mut script = run(PLAIN);
    script.go("
        configure ttl_max=1h ttl_total=2h
        reserve a WEB 2xBIKE ttl=1h -> ok until=3600
        extend a ttl=10s -> ok until=3600
        time +30m
        extend a ttl=1h -> ok until=5400
        time +30m
        extend a ttl=1h -> ok until=7200
        time +1s
        extend a ttl=1h -> beyond_maximum_total recorded
        extend a ttl=3599s -> ok until=7200
        replace b a WEB 1xBIKE ttl=1h -> beyond_maximum_total
        state a -> held 2xBIKE
        replace c a WEB 3xBIKE ttl=10m -> ok until=4201
        state a -> replaced 0xBIKE
        extend c ttl=1h -> beyond_maximum_total
        extend c ttl=59m -> ok until=7141
        time +1h
        tick
        // The hold has expired, so this replace is a plain reserve with a new origin.
        replace d c WEB 3xBIKE ttl=1h -> ok bare until=10801
        extend d ttl=1h -> ok
        time +30m
        extend d ttl=1h -> ok until=12601
    ");
}

#[test]
fn replace_counts_the_net_change() {
    // Proves lines that grow by what is left, lines that do not grow, removed and new lines, the owner, and
    // that a refusal does not change the old hold.
    let mut script = run(PLAIN);
    script.go("
        sku BELL
        count A1 BELL 5
        reserve a WEB 6xBIKE 2xBELL ttl=1h owner=7
        reserve other WEB 4xBIKE
        replace b a WEB 7xBIKE ttl=1h owner=7 -> sold_out line=0 bare
        replace c a WEB 6xBIKE 3xBELL ttl=1h owner=8 -> owner_differs
        replace d a WEB 6xBIKE 3xBELL ttl=1h -> owner_differs
        state a -> held 6xBIKE 2xBELL
        replace e a WEB 6xBIKE 5xBELL ttl=1h owner=7 -> ok granted=6xBIKE,5xBELL
        salable WEB BELL -> 0
        // After the count there is less than is held. A line that does not grow is not refused for that.
        count A1 BIKE 1 -> ok short=9
        set BIKE min_sale=9 max_sale=9
        replace f e WEB 6xBIKE ttl=1h owner=7 -> ok granted=6xBIKE
        salable WEB BELL -> 5
        replace g f WEB 5xBIKE 1xBELL ttl=1h owner=7 -> ok granted=5xBIKE,1xBELL
        count A1 BIKE 1 out
        replace h g WEB 4xBIKE ttl=1h owner=7 -> ok
        replace i h WEB 9xBIKE ttl=1h owner=7 -> no_source_in_stock
        state h -> held 4xBIKE
        // Without a TTL the new reservation is confirmed at once.
        replace j h WEB 4xBIKE owner=7 -> ok value=0
        state j -> confirmed 4xBIKE
        replace k j WEB 4xBIKE owner=7 -> already_confirmed
        stock SHOP
        link SHOP A1
        count A1 BIKE 100 in
        set BIKE min_sale=unset max_sale=unset
        reserve l WEB 1xBIKE ttl=1h
        replace m l SHOP 1xBIKE ttl=1h -> bad_field field=target
        replace n l WEB 1xBIKE ttl=0s -> ttl_out_of_range
        state l -> held 1xBIKE
    ");
}

#[test]
fn replace_by_best_effort_keeps_what_it_has() {
    // Proves that a line grows by what is left and never gets less than it had.
    run(PLAIN).go("
        reserve a WEB 6xBIKE ttl=1h
        reserve b WEB 2xBIKE
        replace c a WEB 20xBIKE ttl=1h best -> partial granted=8xBIKE
        replace d c WEB 20xBIKE ttl=1h best -> partial granted=8xBIKE
        count A1 BIKE 1
        replace e d WEB 20xBIKE ttl=1h best -> partial granted=8xBIKE
        replace f e WEB 3xBIKE ttl=1h best -> ok granted=3xBIKE
    ");
}

#[test]
fn release_gives_back_parts_or_all() {
    // Proves partial release, more_than_open, lines that do not exist, and that releasing the last unit
    // closes the reservation.
    run(PLAIN).go("
        sku BELL
        count A1 BELL 5
        reserve a WEB 6xBIKE 2xBELL ttl=1h
        release a 2xBIKE 1xBELL
        state a -> held 4xBIKE 1xBELL
        release a 5xBIKE -> more_than_open line=0
        release a 1xBIKE 2xBELL -> more_than_open line=1
        sku HORN
        release a 1xHORN -> not_in_reservation line=0
        salable WEB BIKE -> 6
        release a 4xBIKE
        confirm a
        state a -> confirmed 0xBIKE 1xBELL
        release a 1xBIKE -> more_than_open
        release a
        state a -> released 0xBIKE 0xBELL
        salable WEB BELL -> 5
        reserve b WEB 4xBIKE
        ship b A1 1xBIKE
        release b
        state b -> shipped 0xBIKE+1
    ");
}

#[test]
fn manage_stock_is_decided_at_the_grant() {
    // Proves that a line that did not count when it was granted never counts, and that one that counted
    // always does.
    run(PLAIN).go("
        reserve counted WEB 2xBIKE
        set BIKE manage_stock=off
        reserve free WEB 500xBIKE
        sell sold WEB A1 70xBIKE
        set BIKE manage_stock=on
        salable WEB BIKE -> 8
        ship free A1 500xBIKE
        refund free returned@A1:100xBIKE
        salable WEB BIKE -> 8
        set BIKE manage_stock=off
        ship counted A1 2xBIKE
        set BIKE manage_stock=on
        salable WEB BIKE -> 8
        count A1 BIKE 9
        salable WEB BIKE -> 9
        refund free returned@#44:1xBIKE -> unknown_name
        // A hold that does not count, counts after a replace in which it grows.
        set BIKE manage_stock=off
        reserve h WEB 3xBIKE ttl=1h
        set BIKE manage_stock=on
        replace i h WEB 3xBIKE ttl=1h -> ok
        salable WEB BIKE -> 9
        replace j i WEB 4xBIKE ttl=1h -> ok
        salable WEB BIKE -> 5
        state j -> held 4xBIKE
    ");
}
