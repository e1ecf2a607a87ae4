//! The results of reading: the log, its end, the snapshots, and the replayed ranges.

use crate::wal::{Durability, EndReason, LogTally};

/// The summary of reading the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    /// The segments, frames and bytes that are valid.
    pub tally: LogTally,
    /// The first position in the log; 0 if there is none.
    pub first_position: u64,
    /// The number of records.
    pub records: u64,
}

/// Where and why the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The last used segment; 0 if there is none.
    pub segment: u64,
    /// The offset after its last frame.
    pub offset: u64,
    /// The last position.
    pub last_position: u64,
    /// Why the log ends there.
    pub reason: EndReason,
    /// The durability of the last run.
    pub durability: Durability,
    /// Whether the end changed while it was read, because a server is running. Later records were not read.
    pub is_moving: bool,
}

/// The result for one snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotRead {
    /// The op of the snapshot.
    pub op: u64,
    /// Its log position, if its head can be read.
    pub position: Option<u64>,
    /// The length of the file.
    pub bytes: u64,
    /// The digest of the loaded machine, if it could be loaded.
    pub digest: Option<u64>,
    /// Whether a replay reached its op with the same digest.
    pub is_compared: bool,
    /// Whether a start from it reaches the end of the log.
    pub starts: bool,
}

/// A range of ops that were replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedRange {
    /// The snapshot with which it began; `None` if it began with the first op.
    pub snapshot_op: Option<u64>,
    /// The last op that was applied.
    pub last_op: u64,
    /// The number of ops that were applied.
    pub ops: u64,
}
