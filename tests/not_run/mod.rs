//! Reports a test that cannot run on this machine on standard error, because a test runner shows it as passed. The gate
//! (`.ci/run`) sets `STOCKHOLD_GATE=1` and installs what can be installed, so that a missing program fails the test
//! there.

#![expect(clippy::unwrap_used, reason = "what cannot be said fails the test")]

use std::io::Write;

/// What is missing on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A right that only root has. The gate cannot grant it to itself.
    Right,
    /// A program that the gate installs.
    Program,
}

/// Reports that nothing is proved about `subject`, and why. Panics if the gate requires the test to run.
pub(crate) fn not_run(missing: Missing, reason: &str, subject: &str) {
    let is_gate = std::env::var_os("STOCKHOLD_GATE").is_some_and(|value| value == "1");
    let text = format!("NOT RUN: {reason}; NOTHING IS PROVED about {subject}");
    assert!(!is_gate || missing == Missing::Right, "{text}, and the gate requires it (STOCKHOLD_GATE=1)");
    // The test runner captures the output of the print macros, but not this.
    std::io::stderr().write_all(format!("\n{text}\n").as_bytes()).unwrap();
}
