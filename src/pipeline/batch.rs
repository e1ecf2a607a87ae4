//! A batch between log and applier. Batches go round on two lanes and are used again.

use stockhold_machine::DigestPoint;
use stockhold_protocol::Timestamp;

use super::lane::Lane;
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
        let range = OpRange { first: 0, last: 0 };
        Self {
            frame,
            submissions: Vec::new(),
            ops: 0,
            range,
            proposed: Timestamp(0),
            is_tick: false,
            digest: None,
            synced_us: 0,
        }
    }
}

/// The lanes between log and applier.
pub type BatchLane = Lane<Box<Batch>>;
