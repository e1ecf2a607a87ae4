//! The report of a verification.

use super::finding::Finding;
use super::note::Note;
use super::read::{End, LogRead, ReplayedRange, SnapshotRead};
use crate::directory::Manifest;
use crate::replica::PassedOverTally;

/// The report of a verification.
#[derive(Debug, Default)]
pub struct Verification {
    /// The faults; empty if the directory is sound.
    pub findings: Vec<Finding>,
    /// The notes.
    pub notes: Vec<Note>,
    /// The manifest, if it can be read. Nothing else can be checked without it.
    pub manifest: Option<Manifest>,
    /// The summary of the log.
    pub log: LogRead,
    /// Where and why the log ends, if it was read to its end.
    pub end: Option<End>,
    /// The snapshots, oldest first.
    pub snapshots: Vec<SnapshotRead>,
    /// The replayed ranges in order. There is more than one if damage separates them.
    pub replayed: Vec<ReplayedRange>,
    /// The number of ops that an operator had skipped.
    pub skipped_ops: u64,
    /// The batches that were passed over. Each of the first 1,024 has a note or a finding.
    pub passed_over: PassedOverTally,
    /// The last op and the digest of the state after it, if the replay got there.
    pub state: Option<(u64, u64)>,
}

impl Verification {
    /// Whether there are no findings.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
