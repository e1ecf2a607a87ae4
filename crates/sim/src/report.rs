//! What a run met, for people and for tests that prove that worlds are about something.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counted in one world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ops: u64,
    pub(crate) codes: BTreeMap<&'static str, u64>,
    pub(crate) events: BTreeMap<&'static str, u64>,
    /// Faults of the disk arranged in the present process.
    pub(crate) faults_armed: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, event: &'static str) {
        *self.events.entry(event).or_default() += 1;
    }
}

/// What one seed met.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Ops that were decided.
    pub ops: u64,
    /// Commands that clients wanted done.
    pub commands: u64,
    /// Turns of the world.
    pub turns: u64,
    /// A hash over everything that happened.
    pub trace: u64,
    /// How often each outcome was decided.
    pub codes: BTreeMap<&'static str, u64>,
    /// How often each thing went wrong or was met.
    pub events: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Adds another seed's.
    pub fn add(&mut self, other: &Self) {
        self.ops += other.ops;
        self.commands += other.commands;
        self.turns += other.turns;
        self.trace ^= other.trace.rotate_left(1);
        for (name, count) in &other.codes {
            *self.codes.entry(name).or_default() += count;
        }
        for (name, count) in &other.events {
            *self.events.entry(name).or_default() += count;
        }
    }
}
