//! The machine against a naive model: random runs in which every outcome is predicted, and every invariant
//! is checked after every step.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a module does not handle is handled by the next one"
)]

mod drive;
mod nested;
mod step;

use drive::ModelRun;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use stockhold_model::{Cart, ORDERS, SKUS, SOURCES, STOCKS, Step, mark_name};
use stockhold_protocol::StockId;
use stockhold_protocol::command::{Configure, Target};

/// The links and source items at the beginning of a run.
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

fn start(shop: &Shop) -> ModelRun {
    let mut run = ModelRun::new(1);
    let pairs = |of: u32| (0..of).flat_map(|one| (0..SOURCES).map(move |source| (one, source)));
    for ((stock, source), is_linked) in pairs(STOCKS).zip(&shop.0) {
        if *is_linked {
            run.step(0, &Step::Link(stock, source, 1), 0);
        }
    }
    for ((sku, source), held) in pairs(SKUS).zip(&shop.1) {
        if let Some(held) = held {
            run.step(0, &Step::Count(source, sku, *held, None), 0);
        }
    }
    run
}

/// The steps of a run: each with a pause, a budget of sweeping and a budget of a snapshot.
type Steps = Vec<(u64, Step, u32, u32)>;

fn steps() -> impl Strategy<Value = Steps> {
    proptest::collection::vec((step::pause(), step::step(), 0_u32..4, 0_u32..12), 1..120)
}

/// Applies all steps of a run.
fn run(shop: &Shop, steps: &Steps) -> ModelRun {
    let mut run = start(shop);
    for (pause, step, budget, copied) in steps {
        run.step(*pause, step, *budget);
        if *copied > 3 {
            run.advance_snapshot(*copied);
        }
        run.advance_validation(4 * *copied + 1);
    }
    while run.loaded == 0 {
        run.advance_snapshot(1_000);
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn every_outcome_is_the_models(
        shop in shop(),
        steps in steps(),
    ) {
        // Proves that the machine returns the codes, values and details of the model; that no grant
        // increases a shortfall; that a refused cart would not have fitted; that sweeps change no answer;
        // that a snapshot taken in steps while commands are applied loads to the state of its mark and
        // replays the rest alike; and that a validation in steps finds nothing, whatever commands come
        // between.
        run(&shop, &steps);
    }
}

/// Answers that must occur in random runs, by command.
const EXPECTED_ANSWERS: &[(&str, &[&str])] = &[
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
    (
        "append_reservations",
        &["ok", "sold_out", "more_than_open", "not_in_reservation", "no_source_in_stock", "not_assigned"],
    ),
    ("order_state", &["ok", "known", "unknown_order", "not_in_reservation", "unknown_name", "id_reused"]),
    ("append_reservations", &["replayed", "id_reused", "unknown_name"]),
    ("count_many", &["ok", "unknown_name"]),
    ("assign", &["ok", "unknown_name", "replayed"]),
    ("unassign", &["ok", "needed_elsewhere", "unknown_name", "id_reused"]),
    ("transfer_many", &["ok", "needed_elsewhere", "unknown_name"]),
    ("transfer_lines", &["ok", "needed_elsewhere", "not_enough_at_source", "no_source_item"]),
    ("unlink", &["ok", "unknown_link"]),
    ("rename", &["ok", "name_taken", "unknown_name", "names_changed", "replayed"]),
    ("mark", &["ok", "name_taken", "replayed"]),
    ("unmark", &["ok", "unknown_name", "replayed", "id_reused"]),
    ("reserve", &["names_changed"]),
    ("define_source", &["name_taken"]),
    ("channel", &["new"]),
    ("reserve", &["owner_differs", "limit_reached"]),
    ("sell", &["owner_differs"]),
    ("notify", &["ok", "unknown_name", "replayed", "id_reused"]),
    ("low_stock", &["listed"]),
    ("freeze", &["ok", "unknown_name"]),
    ("reserve", &["frozen", "not_open"]),
    ("replace", &["frozen", "not_open"]),
    ("confirm", &["frozen"]),
    ("sell", &["frozen", "not_open"]),
    ("amend", &["frozen", "not_open"]),
    ("order_placed", &["frozen", "not_open"]),
    ("order", &["ended"]),
    (
        "order_placed",
        &["ok", "sold_out", "order_exists", "owner_differs", "place_failed", "limit_reached", "replayed"],
    ),
    ("order_place_failed", &["ok", "bad_field"]),
    ("order_confirm", &["ok", "confirmed_late", "already_confirmed", "already_closed", "unknown_order"]),
    ("order_extend", &["ok", "expired", "already_confirmed", "already_closed"]),
    ("order_cancel", &["ok", "partial", "repeated"]),
    (
        "order_ship",
        &[
            "ok",
            "more_than_open",
            "not_confirmed",
            "needed_elsewhere",
            "repeated",
            "document_reused",
            "no_source_item",
        ],
    ),
    ("order_invoice", &["ok", "partial", "not_enough_at_source", "not_in_reservation", "repeated"]),
    ("order_refund", &["ok", "not_in_reservation", "document_reused", "repeated"]),
    ("order_compensate", &["ok", "partial", "more_than_open", "sold_out", "bad_field"]),
    ("order_edit", &["ok", "sold_out", "more_than_open", "not_confirmed", "already_closed", "bad_field"]),
    ("order_unship", &["ok", "more_than_shipped"]),
    ("pause", &["gap"]),
];

#[test]
fn random_runs_produce_every_answer() {
    // Proves that the property above covers the rules: each of these answers occurs in 2,500 runs.
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut validated = 0;
    for _ in 0..2_500 {
        let (shop, steps) = (shop(), steps()).new_tree(&mut runner).unwrap().current();
        let run = run(&shop, &steps);
        validated += run.validated;
        for (answer, times) in run.seen {
            *seen.entry(answer).or_default() += times;
        }
    }
    assert!(validated >= 2_500, "only {validated} validations were completed");
    for (kind, answers) in EXPECTED_ANSWERS {
        for answer in *answers {
            let times = seen.get(&(*kind, *answer)).copied().unwrap_or(0);
            assert!(times > 0, "no {kind} got the answer {answer}: {seen:?}");
        }
    }
}

#[test]
fn a_full_set_of_marks_is_the_models() {
    // Proves that the machine makes room and refuses as the model does when there are as many marks as may be kept, and that
    // such a set survives a snapshot.
    let mut run = ModelRun::new(500);
    let name = |number: u32| mark_name(if number.is_multiple_of(60) { number } else { 3 * number + 1 });
    for number in 0..1_060 {
        run.step(1, &Step::Mark(name(number)), 0);
    }
    for number in 0..60 {
        run.step(1, &Step::Mark(name(2_000 + 30 * number)), 1);
        if number.is_multiple_of(7) {
            run.step(1, &Step::Unmark(name(2 * number + 1)), 0);
        }
        run.advance_snapshot(200);
    }
    assert!(run.loaded > 1);
    for answer in ["ok", "limit_reached"] {
        assert!(run.seen.contains_key(&("mark", answer)), "no mark got the answer {answer}: {:?}", run.seen);
    }
}

#[test]
fn a_full_set_of_orders_is_the_models() {
    // Proves that the machine makes room for new orders and refuses them as the model does when there are as many as may be
    // kept, and that such a set survives a snapshot.
    let mut run = ModelRun::new(1);
    run.step(0, &Step::Link(0, 0, 1), 0);
    run.step(0, &Step::Count(0, 0, 2_000, None), 0);
    let (orders_max, window) = (Some(4), Some(2_000));
    run.step(
        0,
        &Step::Configure(Configure { orders_max, late_confirm_window_ms: window, ..Configure::default() }),
        0,
    );
    let target = Target::Stock(StockId(0));
    for number in 0_u32..400 {
        let pause_ms = [0, 900, 7_000, 20_000][number as usize % 4];
        let cart = |ttl_ms| Cart {
            target,
            lines: vec![(0, 2)],
            best_effort: false,
            ttl_ms,
            owner: 0,
            order: Some(number * 7 % ORDERS),
        };
        let step = match number % 7 {
            0 | 3 => Step::Sell(target, 0, vec![(0, i64::from(number % 5) * 2 + 2)], false),
            1 => Step::Reserve(cart(Some(5_000))),
            2 => Step::Confirm(0),
            4 => Step::Reserve(cart(None)),
            _ => Step::Release(0, Vec::new()),
        };
        run.step(pause_ms, &step, number % 3);
        run.advance_snapshot(3);
    }
    assert!(run.loaded > 1);
    for (kind, answer) in [("order", "made_room"), ("reserve", "limit_reached"), ("sell", "limit_reached")] {
        let times = run.seen.get(&(kind, answer)).copied().unwrap_or(0);
        assert!(times > 0, "no {kind} got the answer {answer}: {:?}", run.seen);
    }
}
