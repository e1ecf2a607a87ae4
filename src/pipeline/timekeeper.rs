//! What the log must know of time besides what every batch carries: when a tick is due, and when the wall clock's offset has changed. It
//! decides; the sequencer appends.

use std::sync::Arc;

use stockhold_protocol::{Command, Timestamp};

use super::feedback::Feedback;
use crate::clock::Clock;

/// How often a tick is logged while no command comes and anything can run out, in milliseconds.
const TICK_MS: u64 = 1_000;
/// The wall clock's offset is logged when it has changed by so much, in milliseconds: people are shown times to the second.
const WALL_OFFSET_STEP_MS: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Timekeeper {
    clock: Arc<Clock>,
    feedback: Arc<Feedback>,
    /// The op of the last record that was added for time alone.
    last_op: u64,
    /// The time that was proposed for the last batch.
    last_proposed: Timestamp,
}

impl Timekeeper {
    /// The first tick is due a second after the start, not at once: starts one after the other log nothing.
    pub(super) fn new(clock: Arc<Clock>, feedback: Arc<Feedback>) -> Self {
        let last_proposed = clock.propose_now();
        Self { clock, feedback, last_op: 0, last_proposed }
    }

    /// When a tick is due: when a deadline is, and each second while anything can run out, so that time that passes is told from a gap.
    pub(super) fn next_tick(&self) -> Option<Timestamp> {
        let regular = self.feedback.needs_ticks().then(|| self.last_proposed.plus_ms(TICK_MS));
        self.feedback.next_due().into_iter().chain(regular).min()
    }

    /// What a batch of so many ops is to end with: the offset where it has changed, or else a tick where one is due and nothing else comes.
    /// Nothing while the record before has not been applied.
    pub(super) fn due(&self, applied_op: u64, ops: u32) -> Option<Command<'static>> {
        if applied_op < self.last_op {
            return None;
        }
        let wall_offset_ms = self.clock.wall_offset_ms();
        if wall_offset_ms.abs_diff(self.feedback.clock().wall_offset_ms) >= WALL_OFFSET_STEP_MS {
            return Some(Command::WallOffset(wall_offset_ms));
        }
        let is_due = ops == 0 && self.next_tick().is_some_and(|due| self.clock.propose_now() >= due);
        is_due.then_some(Command::Tick)
    }

    /// A record that was due becomes this op.
    pub(super) fn add(&mut self, op: u64) {
        self.last_op = op;
    }

    /// A batch was appended.
    pub(super) fn propose(&mut self, time: Timestamp) {
        self.last_proposed = time;
    }

    /// Nothing after this op was appended.
    pub(super) fn withdraw(&mut self, op: u64) {
        self.last_op = self.last_op.min(op);
    }
}
