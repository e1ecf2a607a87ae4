//! What a verification has read: the log, its end, snapshots, and the stretches that were replayed.

use crate::wal::{Durability, EndReason, LogTally};

/// What was read of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    /// Segments, frames and bytes that were found well.
    pub tally: LogTally,
    /// The first position in the log; 0 when there is none.
    pub first_position: u64,
    /// How many records were read.
    pub records: u64,
}

/// Where and why a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The last used segment; 0 when there is none.
    pub segment: u64,
    /// The byte after its last frame.
    pub offset: u64,
    /// The last position.
    pub last_position: u64,
    /// Why it ends there.
    pub reason: EndReason,
    /// When frames of the last run were durable.
    pub durability: Durability,
    /// Whether the end changed while it was looked at: a server is at work. What came later was not read.
    pub is_moving: bool,
}

/// What was found in one snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRead {
    /// The op that it stands after.
    pub op: u64,
    /// The position in the log that it stands after, if its head can be read.
    pub position: Option<u64>,
    /// The length of the file.
    pub bytes: u64,
    /// The digest of the machine that was loaded from it, if that could be done.
    pub digest: Option<u64>,
    /// Whether a replay came to its op with the same digest.
    pub is_compared: bool,
    /// Whether a start from it reaches the end of the log.
    pub starts: bool,
}

/// A run of ops that were replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The snapshot that it began from; none where it began from the first op.
    pub snapshot_op: Option<u64>,
    /// The last op that was applied.
    pub last_op: u64,
    /// How many were applied.
    pub ops: u64,
}
