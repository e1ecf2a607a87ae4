//! Deliberate bugs, and how soon the simulator finds them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use stockhold::mutant as shell;
use stockhold::storage::recording;
use stockhold_machine::mutant as machine;
use stockhold_sim::{Options, run};

/// Every bug must be found within this many seeds.
const SEEDS: u64 = 200;

/// The first seed that finds the bug: by a violation, or by an assertion of the server itself.
fn caught_by(options: Options) -> Option<u64> {
    let is_caught = |seed: &u64| {
        let run = catch_unwind(AssertUnwindSafe(|| run(*seed, options)));
        run.map_or(true, |run| run.violation.is_some())
    };
    (1..=SEEDS).find(is_caught)
}

fn assert_caught(name: &str, options: Options) {
    let caught = caught_by(options);
    assert!(caught.is_some(), "{SEEDS} seeds passed with a server that {name}");
}

fn assert_machine_mutant_is_caught(name: &str, mutant: machine::Mutant) {
    machine::set(Some(mutant));
    assert_caught(name, Options::default());
    machine::set(None);
}

fn assert_shell_mutant_is_caught(name: &str, mutant: shell::Mutant) {
    shell::set(Some(mutant));
    assert_caught(name, Options::default());
    shell::set(None);
}

#[test]
fn a_server_that_skips_the_sync_is_caught() {
    // Proves that power cuts lose what was not synced.
    let medium_mutant = Some(recording::Mutant::SkipDurableWrite);
    assert_caught("skips the sync", Options { medium_mutant, ..Options::default() });
}

#[test]
fn a_server_that_answers_before_the_commit_is_caught() {
    // Proves that a batch answered too early is found, although the next sync makes it durable.
    assert_shell_mutant_is_caught("answers before the commit", shell::Mutant::AnswersBeforeCommit);
}

#[test]
fn a_server_that_accepts_stale_tail_frames_is_caught() {
    // Proves that recycled segments are used again with their old contents.
    assert_shell_mutant_is_caught("accepts stale tail frames", shell::Mutant::AcceptsStaleFrames);
}

#[test]
fn a_machine_that_forgets_refusals_is_caught() {
    // Proves that refused commands are repeated.
    assert_machine_mutant_is_caught("forgets refusals", machine::Mutant::ForgetsRefusals);
}

#[test]
fn a_machine_that_ignores_other_stocks_is_caught() {
    // Proves that stocks share sources and sell them out.
    assert_machine_mutant_is_caught("ignores other stocks' promises", machine::Mutant::IgnoresOtherStocks);
}

#[test]
fn a_machine_that_keeps_the_horizon_is_caught() {
    // Proves that ids are used again after their outcomes are gone.
    assert_machine_mutant_is_caught(
        "drops outcomes without moving the horizon",
        machine::Mutant::KeepsTheHorizon,
    );
}

#[test]
fn a_machine_that_repeats_documents_is_caught() {
    // Proves that documents are sent again under other ids.
    assert_machine_mutant_is_caught("executes a document twice", machine::Mutant::RepeatsDocuments);
}

#[test]
fn a_machine_that_unships_without_a_promise_is_caught() {
    // Proves that shipments are reversed.
    assert_machine_mutant_is_caught("unships without a promise", machine::Mutant::UnshipsWithoutPromise);
}

#[test]
fn a_machine_that_refunds_beyond_the_totals_is_caught() {
    // Proves that credit memos ask for more than their orders have.
    assert_machine_mutant_is_caught("refunds beyond the totals", machine::Mutant::RefundsBeyondTotals);
}

#[test]
fn a_machine_that_places_after_a_failure_is_caught() {
    // Proves that a report of a failed placement overtakes it.
    assert_machine_mutant_is_caught("places what has failed", machine::Mutant::PlacesAfterFailure);
}

#[test]
fn a_machine_that_opens_sales_early_is_caught() {
    // Proves that shoppers come just before a sale opens.
    assert_machine_mutant_is_caught("opens sales early", machine::Mutant::OpensEarly);
}
