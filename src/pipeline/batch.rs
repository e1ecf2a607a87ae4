//! A batch on its way between log and applier. Batches circulate through the commit queue and are reused.

use stockhold_machine::DigestPoint;
use stockhold_protocol::Timestamp;
use stockhold_protocol::batch::{BATCH_HEADER_BYTES, RUN_START_BYTES_MAX};

use super::commit_queue::CommitQueue;
use super::submission::{SUBMISSION_BYTES_MAX, Submission};
use crate::metrics::Metrics;
use crate::wal::{FrameBuffer, Positions};

/// The number of batches: one is being filled or written, one is being applied, and two are in the queue.
pub const BATCHES: usize = 4;

/// The minimum capacity of a batch payload.
pub const BATCH_BYTES_MIN: usize = 65 * 1024;
const _: () = assert!(
    BATCH_BYTES_MIN >= BATCH_HEADER_BYTES + RUN_START_BYTES_MAX + SUBMISSION_BYTES_MAX,
    "the longest submission fits into an empty batch"
);

/// Up to this many ops, applying a batch takes less time than waking another thread for it.
pub const SMALL_BATCH_OPS: u32 = 128;

/// A batch with everything that belongs to it. Its buffers are reused.
#[derive(Debug)]
pub struct Batch {
    /// The payload: the header and the records.
    pub frame: FrameBuffer,
    /// The submissions whose records it contains, in order.
    pub submissions: Vec<Box<Submission>>,
    /// The number of records. Each takes an op.
    pub ops: u32,
    /// The log positions of the records.
    pub positions: Positions,
    /// The time that was proposed for its ops.
    pub proposed: Timestamp,
    /// Whether its only record is a tick.
    pub is_tick: bool,
    /// The digest after the batch, which the applier passes back to the sequencer.
    pub digest: Option<DigestPoint>,
    /// When the batch became durable, in microseconds of the monotonic clock.
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

    /// Records the metrics of a batch that was written in `write_us` microseconds.
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

/// The queue of batches between log and applier.
pub type BatchQueue = CommitQueue<Box<Batch>>;
