//! A directory against its log: the one verification, for `stockhold verify`, the simulator, chaos runs and tests.
//!
//! It reads every byte of every segment and snapshot that means something, also of those that a start would not need; replays the log from
//! its first op or, where it was trimmed, from the oldest snapshot that it reaches back to; compares the state with each later snapshot;
//! and validates the machine at the end. It only reads, and it takes no lock: a server may be at work, and a directory may be a copy. What a
//! segment holds behind its end means nothing and is not looked at, but for what the torn-tail rule asks.
//!
//! At most two machines are in memory: the one that replays, and a snapshot that is compared with it.

mod finding;
mod note;
mod pass;
mod replay;

pub use finding::{Fault, Finding, PassedOverBatch};
pub use note::Note;

use crate::directory::{DirectoryError, MANIFEST_NAME, Manifest, ReadOnlyDirectory};
use crate::recovery::PassedOverTally;
use crate::snapshot::parse_snapshot_name;
use crate::storage::{FileEntry, SharedReadStorage};
use crate::wal::catalog::list_segments;
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::{Durability, EndReason, LogTally};

/// How often a directory is read again whose files came and went while it was read.
const ROUNDS_MAX: u32 = 4;

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

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies a directory. `progress` gets the bytes done and the bytes in all.
///
/// # Errors
/// [`DirectoryError`] when the directory cannot be listed, is not formatted or is of another format version. Everything else that is wrong,
/// a file that cannot be read among it, is a finding.
pub fn verify(
    files: &SharedReadStorage,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verification, DirectoryError> {
    let mut rounds = 0;
    loop {
        let listed = files.list()?;
        let mut answer = match ReadOnlyDirectory::open(files.clone()) {
            Ok(directory) => pass::read(&directory, &listed, &mut progress),
            Err(DirectoryError::Manifest(fault)) => {
                Verification { findings: vec![Finding::of_manifest(fault)], ..Verification::default() }
            }
            Err(error) => return Err(error),
        };
        let now = files.list()?;
        // What a server trims or begins while it is read is not damage.
        if !answer.is_sound() && rounds < ROUNDS_MAX && !names_of_state(&listed).eq(names_of_state(&now)) {
            rounds += 1;
            continue;
        }
        if rounds > 0 {
            answer.notes.push(Note::ReadAgain { rounds });
        }
        tell_newer(&listed, &now, &mut answer);
        return Ok(answer);
    }
}

/// The files that hold state, by name.
fn names_of_state(files: &[FileEntry]) -> impl Iterator<Item = &str> {
    files.iter().map(|file| file.name.as_str()).filter(|name| {
        parse_segment_name(name).is_some() || parse_snapshot_name(name).is_some() || *name == MANIFEST_NAME
    })
}

/// A segment that came while the others were read goes on where the last of them ends.
fn tell_newer(listed: &[FileEntry], now: &[FileEntry], answer: &mut Verification) {
    let (last, newest) = (list_segments(listed).pop(), list_segments(now).pop());
    if let Some(newest) = newest.filter(|newest| Some(*newest) > last) {
        answer.notes.push(Note::NewSegment { file: segment_name(newest) });
        if let Some(end) = &mut answer.end {
            end.is_moving = true;
        }
    }
}
