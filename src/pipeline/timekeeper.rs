//! Decides which records the log needs for time alone: ticks, and changes of the wall clock's offset. The sequencer
//! appends them.

use std::sync::Arc;

use stockhold_protocol::{Command, Timestamp};

use super::feedback::Feedback;
use crate::clock::Clock;

/// The interval of ticks while no commands arrive and something can expire, in milliseconds.
const TICK_MS: u64 = 1_000;
/// The wall clock's offset is logged after a change of this much, in milliseconds, because times are shown to the
/// second.
const WALL_OFFSET_STEP_MS: u64 = 1_000;

/// Decides when a tick or an offset is due.
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
    /// The first tick is due a second after the start, so that repeated starts log nothing.
    pub(super) fn new(clock: Arc<Clock>, feedback: Arc<Feedback>) -> Self {
        let last_proposed = clock.propose_now();
        Self { clock, feedback, last_op: 0, last_proposed }
    }

    /// When the next tick is due: at the next deadline, and each second while something can expire, so that the log
    /// distinguishes elapsed time from a gap.
    pub(super) fn next_tick(&self) -> Option<Timestamp> {
        let regular = self.feedback.needs_ticks().then(|| self.last_proposed.plus_ms(TICK_MS));
        self.feedback.next_due().into_iter().chain(regular).min()
    }

    /// The command to append to a batch of `ops` ops: a changed offset, or else a tick if one is due and the batch is
    /// empty. `None` while the record before it was not applied.
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

    /// Notes that a record for time became this op.
    pub(super) fn add(&mut self, op: u64) {
        self.last_op = op;
    }

    /// Notes that a batch was appended.
    pub(super) fn propose(&mut self, time: Timestamp) {
        self.last_proposed = time;
    }

    /// Notes that no op after this one was appended.
    pub(super) fn withdraw(&mut self, op: u64) {
        self.last_op = self.last_op.min(op);
    }
}
