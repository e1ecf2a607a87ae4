//! Idempotency: replays, reused ids, ids that are too old or from the future, the horizon, and full outcome
//! memory.

use super::reserving::PLAIN;
use super::script::run;
use stockhold_machine::config::BATCH_RULES;
use stockhold_machine::{BatchVerdict, Genesis, Machine};
use stockhold_protocol::batch::BatchHeader;
use stockhold_protocol::command::EpochStart;
use stockhold_protocol::{Code, Command, CommandId, Envelope, Timestamp};

#[test]
fn the_same_id_and_body_get_the_recorded_outcome_again() {
    // Proves the replay of grants, refusals with details, facts and definitions, and that nothing executes
    // twice.
    run(PLAIN).go("
        sku BELL
        count A1 BELL 9
        reserve a WEB 3xBIKE 2xBELL ttl=60s -> ok until=60
        time +5s
        reserve a WEB 3xBIKE 2xBELL ttl=60s -> ok until=60 replayed
        // Splitting or reordering lines, and the fresh flag, do not change the fingerprint.
        reserve a WEB 2xBELL 1xBIKE 2xBIKE ttl=60s fresh -> ok until=60 replayed
        reserve a WEB 3xBIKE 1xBELL ttl=60s -> id_reused unrecorded
        reserve a WEB 3xBIKE 2xBELL ttl=61s -> id_reused
        reserve a WEB 3xBIKE 2xBELL -> id_reused
        reserve a WEB 3xBIKE 2xBELL ttl=60s owner=1 -> id_reused
        reserve a WEB 3xBIKE 2xBELL ttl=60s best -> id_reused
        confirm a id=a -> id_reused
        reserve b WEB 8xBIKE -> sold_out line=0 available=7 recorded
        release a
        reserve b WEB 8xBIKE -> sold_out line=0 available=7 recorded replayed
        reserve c WEB 8xBIKE best -> ok granted=8xBIKE
        reserve c WEB 8xBIKE best -> ok granted=8xBIKE replayed
        salable WEB BIKE -> 2
        adjust A1 BIKE 5 id=adj -> ok on=15 v=2
        adjust A1 BIKE 5 id=adj -> ok on=15 v=2 replayed
        adjust A1 BIKE 6 id=adj -> id_reused
        salable WEB BIKE -> 7
        ship c A1 8xBIKE id=s
        ship c A1 8xBIKE id=s -> ok replayed
        release a id=rel -> already_closed
        release a id=rel -> already_closed replayed
        channel site:eu WEB
        reserve d @site:eu 1xBIKE
        stock POS
        channel site:eu POS
        // The fingerprint contains the channel as it was sent, whatever stock it sells from now.
        reserve d @site:eu 1xBIKE -> ok replayed
        reserve d WEB 1xBIKE -> id_reused
    ");
}

#[test]
fn an_unrecorded_answer_does_not_use_up_the_id() {
    // Proves this for unknown names, a TTL out of range, an invalid configuration and ids from the future.
    run(PLAIN).go("
        reserve a #9 1xBIKE -> unknown_name unrecorded
        reserve a WEB 1xBIKE ttl=0s -> ttl_out_of_range unrecorded
        reserve a WEB 1xBIKE
        reserve b WEB 1xBIKE ahead=301s -> id_from_future unrecorded
        time +1s
        reserve b WEB 1xBIKE -> ok
        reserve c WEB 1xBIKE ahead=5m -> ok
    ");
}

#[test]
fn an_id_below_the_horizon_never_executes() {
    // Proves id_too_old, and that a kept reservation answers its own id at any age, but only with the same
    // fingerprint.
    run(PLAIN).go("
        reserve old WEB 1xBIKE age=16m -> id_too_old unrecorded
        reserve young WEB 1xBIKE age=14m -> ok
        reserve sold WEB 99xBIKE -> sold_out
        reserve live WEB 2xBIKE ttl=1h best ref=o-1 -> ok until=3600 granted=2xBIKE
        reserve plain WEB 1xBIKE
        adjust A1 BIKE 1 id=fact -> ok on=11
        time +16m
        reserve sold WEB 99xBIKE -> id_too_old
        adjust A1 BIKE 1 id=fact -> id_too_old
        reserve live WEB 2xBIKE ttl=1h best ref=o-1 -> ok until=3600 granted=2xBIKE replayed recorded
        reserve live WEB 3xBIKE ttl=1h best ref=o-1 -> id_reused
        reserve plain WEB 1xBIKE -> ok replayed
        confirm live id=plain -> id_reused
        salable WEB BIKE -> 7
        time +48h
        reserve live WEB 2xBIKE ttl=1h best ref=o-1 -> id_too_old
        reserve plain WEB 1xBIKE -> ok replayed
    ");
}

#[test]
fn a_reservation_gives_its_full_answer_after_the_outcome_is_dropped() {
    // Proves that details that the lines do not contain (backordered units, lines without a grant, the
    // shortfall of a sale) are stored with the reservation, also in snapshots.
    let mut script = run(PLAIN);
    script.go("
        sku BELL
        count A1 BELL 0
        set BIKE/WEB backorders=on min_qty=-5
        reserve waits WEB 12xBIKE ttl=1h ref=order-number-of-thirty-two-bytes -> ok backordered=2
        reserve parts WEB 2xBELL 1xBIKE ttl=1h best -> partial granted=1xBIKE,0xBELL backordered=1
        replace grown waits WEB 13xBIKE ttl=1h -> ok granted=13xBIKE backordered=1
        replace same grown WEB 13xBIKE ttl=1h -> ok granted=13xBIKE backordered=0
        sku ROPE
        count A1 ROPE 1
        reserve promised WEB 1xROPE
        sell till WEB A1 1xROPE forced -> ok short=1
    ");
    for (sku, name) in (0..20).map(|sku| (sku, format!("S{sku}"))) {
        script.go(&format!("sku {name}\ncount A1 {name} {sku}"));
    }
    let cart = (0..20).map(|sku| format!("2xS{sku}")).collect::<Vec<_>>().join(" ");
    script.go(&format!("reserve long WEB {cart} ttl=1h best -> partial"));
    script.go("
        time +16m
        reserve waits WEB 12xBIKE ttl=1h ref=order-number-of-thirty-two-bytes -> ok replayed backordered=2
        reserve parts WEB 2xBELL 1xBIKE ttl=1h best -> partial replayed granted=1xBIKE,0xBELL backordered=1
        replace grown waits WEB 13xBIKE ttl=1h -> ok replayed granted=13xBIKE backordered=1
        replace same grown WEB 13xBIKE ttl=1h -> ok replayed granted=13xBIKE backordered=0
        sell till WEB A1 1xROPE forced -> ok replayed short=1
    ");
    let granted: Vec<String> = (0..20).map(|sku| format!("{}xS{sku}", sku.min(2))).collect();
    script.go(&format!(
        "reserve long WEB {cart} ttl=1h best -> partial replayed granted={}",
        granted.join(",")
    ));
}

#[test]
fn the_horizon_moves_with_the_retention_and_never_back() {
    // Proves that a longer retention does not restore ids that were dropped.
    run(PLAIN).go("
        reserve a WEB 99xBIKE -> sold_out
        time +10m
        configure retention=2m
        tick
        reserve a WEB 99xBIKE -> id_too_old
        configure retention=24h
        reserve a WEB 99xBIKE -> id_too_old
        reserve b WEB 1xBIKE age=1m -> ok
        reserve c WEB 1xBIKE age=3m -> id_too_old
        configure retention=25h -> bad_field
        configure retention_min=59s -> bad_field
    ");
}

#[test]
fn full_outcome_memory_is_busy_and_changes_nothing() {
    // Proves busy while all ids are within the minimum retention, and that older ones are dropped to make
    // room.
    let mut script = run(PLAIN);
    script.go("configure outcome_bytes=65536");
    let mut taken = 0;
    loop {
        script.go(&format!("// {taken}"));
        let free = script.machines.plain.stats().outcome_bytes + 8_192 <= 65_536;
        if !free {
            break;
        }
        script.go(&format!("reserve r{taken} WEB 99xBIKE -> sold_out"));
        taken += 1;
    }
    assert!(taken > 500, "{taken} outcomes fit 64 KiB");
    script.go("
        reserve full WEB 1xBIKE -> busy unrecorded value=1000
        confirm full -> busy
        salable WEB BIKE -> 10
        reserve r0 WEB 99xBIKE -> sold_out replayed
        time +59s
        reserve full WEB 1xBIKE -> busy
        time +17s
        reserve full WEB 1xBIKE -> id_too_old
        reserve next WEB 1xBIKE -> ok
        reserve r0 WEB 99xBIKE -> id_too_old
        salable WEB BIKE -> 9
    ");
}

#[test]
fn a_batch_is_applied_once_and_gaps_are_refused() {
    // Proves duplicates, gaps, new and old sessions, and the limit of writers.
    let mut machine = Machine::new(&Genesis::default());
    let mut begin = |writer, session, number| {
        let proposed = Timestamp(0);
        machine.begin_batch(&BatchHeader {
            rules: BATCH_RULES,
            count: 0,
            writer,
            session,
            number,
            proposed,
            feature_level: 1,
            applied_op: 0,
            digest_op: 0,
            digest: 0,
        })
    };
    assert_eq!(begin(1, 5, 2), BatchVerdict::Gap { expected: 1 });
    assert_eq!(begin(1, 5, 1), BatchVerdict::Apply);
    assert_eq!(begin(1, 5, 1), BatchVerdict::Duplicate);
    assert_eq!(begin(1, 5, 3), BatchVerdict::Gap { expected: 2 });
    assert_eq!(begin(1, 5, 2), BatchVerdict::Apply);
    assert_eq!(begin(1, 6, 2), BatchVerdict::Gap { expected: 1 });
    assert_eq!(begin(1, 6, 1), BatchVerdict::Apply);
    assert_eq!(begin(1, 5, 3), BatchVerdict::OldSession { known: 6 });
    assert_eq!(
        begin(1, 5, 1),
        BatchVerdict::OldSession { known: 6 },
        "batches of older sessions are not known"
    );
    assert_eq!(begin(1, 6, 0), BatchVerdict::Duplicate);
    assert_eq!(begin(1, 6, u64::MAX), BatchVerdict::Gap { expected: 2 });
    for writer in 2..=64 {
        assert_eq!(begin(writer, 1, 1), BatchVerdict::Apply);
    }
    assert_eq!(begin(65, 1, 1), BatchVerdict::TooManyWriters);
    assert_eq!(begin(64, 1, 2), BatchVerdict::Apply);
}

#[test]
fn an_epoch_is_state_and_never_goes_back() {
    // Proves that the epoch follows from the log alone, however often it is begun.
    let mut machine = Machine::new(&Genesis::default());
    assert_eq!(machine.epoch(), 1);
    for (begun, known) in [(3, 3), (3, 3), (2, 3), (4, 4)] {
        let before = machine.digest();
        let mut record = Vec::new();
        Envelope::new(CommandId::NONE, Command::BeginEpoch(EpochStart { epoch: begun, restored: false }))
            .encode(&mut record)
            .unwrap();
        let outcome = machine.apply(Timestamp(0), &record);
        assert_eq!((outcome.code, outcome.recorded), (Code::Ok, false));
        assert_eq!(machine.epoch(), known);
        assert_ne!(machine.digest(), before);
    }
}
