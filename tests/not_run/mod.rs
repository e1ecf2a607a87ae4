//! What a test says that cannot run on this machine: loudly, because to a test runner it looks like one that has passed. The gate
//! (`.ci/run`) sets `STOCKHOLD_GATE=1` and installs what can be installed, so that there a missing program fails the test.

#![expect(clippy::unwrap_used, reason = "what cannot be said fails the test")]

use std::io::Write;

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A right that only root can have. No gate can give it to itself.
    Right,
    /// A program that the gate installs.
    Program,
}

/// Says that nothing is proved about `subject`, and why. Panics where the gate requires the test to run.
pub(crate) fn not_run(missing: Missing, reason: &str, subject: &str) {
    let is_gate = std::env::var_os("STOCKHOLD_GATE").is_some_and(|value| value == "1");
    let text = format!("NOT RUN: {reason}; NOTHING IS PROVED about {subject}");
    assert!(!is_gate || missing == Missing::Right, "{text}, and the gate requires it (STOCKHOLD_GATE=1)");
    // The test runner captures what the macros print while a test passes, but not this.
    std::io::stderr().write_all(format!("\n{text}\n").as_bytes()).unwrap();
}
