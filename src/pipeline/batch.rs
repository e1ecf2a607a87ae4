//! A batch between log and applier, and the two bounded lanes on which batches go round: filled ones forward, empty ones back.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::bell::Bell;
use super::submission::Submission;
use crate::wal::{FrameBuffer, OpRange};

/// Batches in existence: one being filled or written, one being applied, two between.
pub const BATCHES: usize = 4;

/// One batch with everything that belongs to it. Its buffers are used again.
#[derive(Debug)]
pub struct Batch {
    /// The payload: header and records.
    pub frame: FrameBuffer,
    /// Whose records they are, in order.
    pub submissions: Vec<Box<Submission>>,
    /// How many records there are.
    pub ops: u32,
    /// The positions that the log gave.
    pub range: OpRange,
    /// Whether the one record is a tick.
    pub is_tick: bool,
    /// When it was durable, by the monotonic clock in microseconds.
    pub synced_us: u64,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(frame: FrameBuffer) -> Self {
        let range = OpRange { first: 0, last: 0 };
        Self { frame, submissions: Vec::new(), ops: 0, range, is_tick: false, synced_us: 0 }
    }
}

/// The lanes; clones are the same lanes.
#[derive(Clone, Debug)]
pub struct BatchLane {
    filled: Arc<ArrayQueue<Box<Batch>>>,
    empty: Arc<ArrayQueue<Box<Batch>>>,
    applier: Bell,
    sequencer: Bell,
}

impl BatchLane {
    /// Lanes for these batches.
    #[must_use]
    pub fn new(batches: Vec<Box<Batch>>, applier: Bell, sequencer: Bell) -> Self {
        assert!(!batches.is_empty(), "something must go round");
        let lane = Self {
            filled: Arc::new(ArrayQueue::new(batches.len())),
            empty: Arc::new(ArrayQueue::new(batches.len())),
            applier,
            sequencer,
        };
        for batch in batches {
            lane.give_back(batch);
        }
        lane
    }

    /// Hands a durable batch to the applier.
    pub fn commit(&self, batch: Box<Batch>) {
        let refused = self.filled.push(batch);
        assert!(refused.is_ok(), "a lane holds every batch there is");
        self.applier.ring();
    }

    /// The next durable batch.
    #[must_use]
    pub fn take_filled(&self) -> Option<Box<Batch>> {
        self.filled.pop()
    }

    /// Hands an applied batch back.
    pub fn give_back(&self, batch: Box<Batch>) {
        let refused = self.empty.push(batch);
        assert!(refused.is_ok(), "a lane holds every batch there is");
        self.sequencer.ring();
    }

    /// An empty batch, if the applier is not behind.
    #[must_use]
    pub fn take_empty(&self) -> Option<Box<Batch>> {
        self.empty.pop()
    }

    /// Whether no durable batch waits for the applier.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.filled.is_empty()
    }

    /// Whether an empty batch waits for the sequencer.
    #[must_use]
    pub fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }
}
