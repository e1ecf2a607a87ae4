//! A directory against its log: the one verification, for `stockhold verify`, the simulator, chaos runs and tests.
//!
//! It reads every byte of every segment and snapshot that means something, also of those that a start would not need; replays the log from
//! its first op or, where it was trimmed, from the oldest snapshot that it reaches back to; compares the state with each later snapshot;
//! and validates the machine at the end. It only reads, and it takes no lock: a server may be at work, and a directory may be a copy. What a
//! segment holds behind its end means nothing and is not looked at, but for what the torn-tail rule asks.
//!
//! At most two machines are in memory: the one that replays, and a snapshot that is compared with it.

mod finding;
mod meter;
mod note;
mod pass;
mod read;
mod replay;
mod verification;

pub use finding::{Fault, Finding, PassedOverBatch};
pub use note::Note;
pub use read::{End, LogRead, SnapshotRead, Stretch};
pub use verification::Verification;

use crate::directory::{DirectoryError, MANIFEST_NAME, ReadOnlyDirectory};
use crate::snapshot::parse_snapshot_name;
use crate::storage::{FileEntry, SharedReadStorage};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::segment_list::list_segments;

/// How often a directory is read again whose files came and went while it was read.
const ROUNDS_MAX: u32 = 4;

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
