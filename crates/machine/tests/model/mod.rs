//! The machine against a naive model: random lives in which every outcome is predicted, and every invariant is
//! checked after every step.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a room does not know belongs to the next room"
)]

mod drive;
mod nested;
mod step;

use drive::Life;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use stockhold_model::{SKUS, SOURCES, STOCKS, Step};

/// Which links there are, and what lies where, at the beginning of a life.
type Shop = (Vec<bool>, Vec<Option<i64>>);

fn shop() -> impl Strategy<Value = Shop> {
    let links = (STOCKS * SOURCES) as usize;
    let items = (SKUS * SOURCES) as usize;
    (
        proptest::collection::vec(proptest::bool::weighted(0.5), links),
        proptest::collection::vec(
            proptest::option::weighted(0.85, (0_i64..20).prop_map(|units| units * 2)),
            items,
        ),
    )
}

fn open(shop: &Shop) -> Life {
    let mut life = Life::begin(1);
    let pairs = |of: u32| (0..of).flat_map(|one| (0..SOURCES).map(move |source| (one, source)));
    for ((stock, source), is_linked) in pairs(STOCKS).zip(&shop.0) {
        if *is_linked {
            life.take(0, &Step::Link(stock, source, 1), 0);
        }
    }
    for ((sku, source), held) in pairs(SKUS).zip(&shop.1) {
        if let Some(held) = held {
            life.take(0, &Step::Count(source, sku, *held, None), 0);
        }
    }
    life
}

/// A whole life: the shop at its beginning, then pauses, steps, budgets of sweeping and of a snapshot's walk.
type Steps = Vec<(u64, Step, u32, u32)>;

fn steps() -> impl Strategy<Value = Steps> {
    proptest::collection::vec((step::pause(), step::step(), 0_u32..4, 0_u32..12), 1..120)
}

/// Lives a life to its end.
fn live(shop: &Shop, steps: &Steps) -> Life {
    let mut life = open(shop);
    for (pause, step, budget, walked) in steps {
        life.take(*pause, step, *budget);
        if *walked > 3 {
            life.walk(*walked);
        }
        life.validate_on(4 * *walked + 1);
    }
    while life.loaded == 0 {
        life.walk(1_000);
    }
    life
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_outcome_is_the_models(
        shop in shop(),
        steps in steps(),
    ) {
        // Proves: all codes, values and details; no grant raises a shortfall; a refusal would not have fitted;
        // sweeps change nothing; a snapshot taken in steps while commands go on loads to its mark, and replays
        // the rest alike; a validation in steps finds nothing, whatever commands come between.
        live(&shop, &steps);
    }
}

/// Answers that random lives meet, by command.
const MET: &[(&str, &[&str])] = &[
    (
        "reserve",
        &["ok", "partial", "sold_out", "quota_exceeded", "no_source_in_stock", "not_assigned", "id_reused"],
    ),
    (
        "reserve",
        &["below_min_sale", "above_max_sale", "not_an_increment", "decimals_not_allowed", "id_too_old"],
    ),
    (
        "replace",
        &["ok", "partial", "sold_out", "quota_exceeded", "owner_differs", "already_confirmed", "replayed"],
    ),
    ("confirm", &["ok", "confirmed_late", "too_late", "already_confirmed", "already_closed"]),
    ("extend", &["ok", "expired", "already_confirmed", "already_closed"]),
    ("release", &["ok", "expired", "already_closed", "more_than_open", "not_in_reservation"]),
    (
        "ship",
        &["ok", "not_confirmed", "needed_elsewhere", "not_enough_at_source", "no_source_item", "expired"],
    ),
    ("sell", &["ok", "needed_elsewhere", "sold_out", "quota_exceeded", "not_enough_at_source"]),
    ("refund", &["ok", "more_than_open", "more_than_shipped", "already_closed", "not_confirmed"]),
    ("transfer", &["ok", "needed_elsewhere", "not_enough_at_source"]),
    ("unlink", &["ok", "unknown_link"]),
    ("pause", &["gap"]),
];

#[test]
fn random_lives_meet_every_answer() {
    // Proves that the property above is about something: each of these answers occurs in 400 lives.
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut validated = 0;
    for _ in 0..400 {
        let (shop, steps) = (shop(), steps()).new_tree(&mut runner).unwrap().current();
        let life = live(&shop, &steps);
        validated += life.validated;
        for (answer, times) in life.seen {
            *seen.entry(answer).or_default() += times;
        }
    }
    assert!(validated >= 400, "only {validated} validations came to their end");
    for (kind, answers) in MET {
        for answer in *answers {
            assert!(seen.contains_key(&(*kind, *answer)), "no {kind} was answered {answer}: {seen:?}");
        }
    }
}
