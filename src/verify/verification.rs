//! The answer of a verification.

use super::finding::Finding;
use super::note::Note;
use super::read::{End, LogRead, SnapshotRead, Stretch};
use crate::directory::Manifest;
use crate::recovery::PassedOverTally;

/// What was read, and what is wrong.
#[derive(Debug, Default)]
pub struct Verification {
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
    /// What is worth knowing and is not wrong.
    pub notes: Vec<Note>,
    /// The manifest, if it can be read; nothing else can be checked without it.
    pub manifest: Option<Manifest>,
    /// What was read of the log.
    pub log: LogRead,
    /// Where and why the log ends, if it was read to its end.
    pub end: Option<End>,
    /// The snapshots, oldest first.
    pub snapshots: Vec<SnapshotRead>,
    /// What was replayed, in its order; more than one where damage stands between.
    pub replayed: Vec<Stretch>,
    /// Ops that were left out by order.
    pub skipped_ops: u64,
    /// Batches that the machine did not take; a note or a finding tells of each of the first 1,024.
    pub passed_over: PassedOverTally,
    /// The last op and the digest of the state after it, if the replay got there.
    pub state: Option<(u64, u64)>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}
