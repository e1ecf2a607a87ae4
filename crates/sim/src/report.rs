//! Counters of a run, for people, and for tests that check that the faults and outcomes really occurred.

use std::collections::BTreeMap;

use serde::Serialize;

/// The counters of one world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ops: u64,
    pub(crate) codes: BTreeMap<&'static str, u64>,
    pub(crate) events: BTreeMap<&'static str, u64>,
    /// Disk faults armed in the current process.
    pub(crate) faults_armed: u64,
}

impl Counts {
    pub(crate) fn count(&mut self, event: &'static str) {
        *self.events.entry(event).or_default() += 1;
    }
}

/// The report of one seed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Ops that were decided.
    pub ops: u64,
    /// Commands that clients made.
    pub commands: u64,
    /// Turns of the world.
    pub turns: u64,
    /// A hash over the whole trace.
    pub trace: u64,
    /// How often each outcome was decided.
    pub codes: BTreeMap<&'static str, u64>,
    /// How often each event occurred.
    pub events: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Adds the report of another seed.
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
