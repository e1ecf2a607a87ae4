//! A batch between log and applier. Batches go round on two lanes and are used again.

use stockhold_machine::DigestPoint;
use stockhold_protocol::Timestamp;
use stockhold_protocol::batch::{BATCH_HEADER_BYTES, RUN_START_BYTES_MAX};

use super::commit_queue::CommitQueue;
use super::submission::{SUBMISSION_BYTES_MAX, Submission};
use crate::metrics::Metrics;
use crate::wal::{FrameBuffer, Positions};

/// Batches in existence: one being filled or written, one being applied, two between.
pub const BATCHES: usize = 4;

/// Fewest bytes that a batch payload must be able to hold.
pub const BATCH_BYTES_MIN: usize = 65 * 1024;
const _: () = assert!(
    BATCH_BYTES_MIN >= BATCH_HEADER_BYTES + RUN_START_BYTES_MAX + SUBMISSION_BYTES_MAX,
    "the longest submission fits an empty batch"
);

/// A batch of at most so many ops is applied in less time than it takes to wake another thread for it and to write the next one.
pub const SMALL_BATCH_OPS: u32 = 128;

/// One batch with everything that belongs to it. Its buffers are used again.
#[derive(Debug)]
pub struct Batch {
    /// The payload: header and records.
    pub frame: FrameBuffer,
    /// Whose records they are, in order.
    pub submissions: Vec<Box<Submission>>,
    /// How many records there are; each takes an op.
    pub ops: u32,
    /// The positions that the log gave.
    pub positions: Positions,
    /// The time that was proposed for its ops.
    pub proposed: Timestamp,
    /// Whether the one record is a tick.
    pub is_tick: bool,
    /// What the applier tells the sequencer when the batch comes back.
    pub digest: Option<DigestPoint>,
    /// When it was durable, by the monotonic clock in microseconds.
    pub synced_us: u64,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(frame: FrameBuffer) -> Self {
        let positions = Positions { first: 0, last: 0 };
        Self {
            frame,
            submissions: Vec::new(),
            ops: 0,
            positions,
            proposed: Timestamp(0),
            is_tick: false,
            digest: None,
            synced_us: 0,
        }
    }

    /// Measures a batch that was written in so many microseconds.
    pub(super) fn measure(&self, metrics: &Metrics, write_us: u64) {
        metrics.write_us.record(write_us);
        metrics.batch_ops.record(u64::from(self.ops));
        metrics.batches.add(1);
        metrics.ops_logged.add(u64::from(self.ops));
        metrics.payload_bytes.add(u64::try_from(self.frame.len()).unwrap_or(0));
        metrics.log_bytes.add(u64::try_from(self.frame.frame_bytes()).unwrap_or(0));
        metrics.ticks.add(u64::from(self.is_tick));
    }
}

/// The lanes between log and applier.
pub type BatchQueue = CommitQueue<Box<Batch>>;
