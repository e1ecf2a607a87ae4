//! Seeds on a correct build: no violation occurs, a seed is reproducible, and all kinds of faults occur.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use stockhold_sim::{Options, Report, run};

/// The seeds of every test run.
const SEEDS: u64 = 48;

/// Events that must occur in these seeds, so that the run is meaningful.
const MET: [&str; 28] = [
    "answers: busy",
    "answers: deadline passed",
    "answers: read only",
    "answers: replayed",
    "batches with a full memory for outcomes",
    "bits flipped",
    "cells compared",
    "clean stops",
    "clock steps",
    "connections lost with the log",
    "connections refused",
    "disk faults",
    "edge refusals",
    "error frames",
    "full disks",
    "connections cut",
    "peers overdue",
    "power cuts",
    "power cuts while starting",
    "power cuts within a step",
    "processes ended by a failed log",
    "processes killed",
    "reads postponed",
    "slow readers cut",
    "snapshots answered",
    "starts refused",
    "request bursts",
    "losses allowed by the interval",
];

/// Outcomes that must have been decided.
const DECIDED: [&str; 18] = [
    "ok",
    "bad_field",
    "beyond_maximum_total",
    "busy",
    "ttl_out_of_range",
    "partial",
    "sold_out",
    "quota_exceeded",
    "confirmed_late",
    "too_late",
    "needed_elsewhere",
    "id_reused",
    "id_too_old",
    "id_from_future",
    "expired",
    "unknown_reservation",
    "owner_differs",
    "limit_reached",
];

#[test]
fn healthy_seeds_break_no_promise_and_meet_everything() {
    // Proves that worlds with all of these faults end without a violation.
    let next = AtomicU64::new(1);
    let all = Mutex::new(Report::default());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            threads.spawn(|| {
                while let Some(seed) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed <= SEEDS)
                {
                    let run = run(seed, Options::default());
                    assert_eq!(run.violation, None, "to see it again: stockhold-sim --seed {seed} --trace");
                    all.lock().unwrap().add(&run.report);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    for event in MET {
        assert!(all.events.get(event).is_some_and(|count| *count > 0), "{event} was not met: {all:#?}");
    }
    for code in DECIDED {
        assert!(all.codes.contains_key(code), "nothing was decided {code}: {all:#?}");
    }
}

#[test]
fn a_seed_always_happens_alike() {
    // Proves that a violation is reproducible: two runs of a seed have the same trace, byte for byte.
    for seed in [3, 14, 159] {
        let (one, other) = (run(seed, Options::default()), run(seed, Options::default()));
        assert!(one.trace.len() > 10_000, "a trace of seed {seed} says what happened");
        assert!(one.trace == other.trace, "seed {seed} happened in two ways");
        assert_eq!(one.report.trace, other.report.trace);
    }
    let other = run(4, Options::default());
    assert_ne!(other.report.trace, run(3, Options::default()).report.trace);
}
