//! Verifies a data directory against its log, for `stockhold verify`, the simulator, chaos runs and tests.
//!
//! Verification reads every meaningful byte of every segment and snapshot, also of those that a start would not need.
//! It replays the log from the first op or, if the log was trimmed, from the oldest snapshot that the log continues. It
//! compares the state with each later snapshot and validates the machine at the end. It only reads and takes no lock,
//! so a server may be running, and the directory may be a copy. The bytes after the end of a segment are read only as
//! far as the torn-tail rule requires.
//!
//! At most two machines are in memory: the replaying one, and a snapshot that is compared with it.

mod finding;
mod log_only;
mod meter;
mod note;
mod pass;
mod read;
mod replay;
mod verification;

pub use finding::{Fault, Finding, PassedOverBatch};
pub use log_only::{LogCheck, verify_log};
pub use note::Note;
pub use read::{End, LogRead, ReplayedRange, SnapshotRead};
pub use verification::Verification;

use crate::directory::{DirectoryError, MANIFEST_NAME, ReadOnlyDirectory};
use crate::snapshot::parse_snapshot_name;
use crate::storage::{FileEntry, SharedReadStorage};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::segment_list::list_segments;

/// How often a directory is read again if its files change while it is read.
const ROUNDS_MAX: u32 = 4;

/// Verifies a directory. `progress` receives the bytes done and the bytes in all.
///
/// # Errors
/// [`DirectoryError`] if the directory cannot be listed, is not formatted or has another format version. All other
/// faults are findings, including files that cannot be read.
pub fn verify(
    files: &SharedReadStorage,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verification, DirectoryError> {
    let mut rounds = 0;
    loop {
        let listed = files.list()?;
        let mut report = match ReadOnlyDirectory::open(files.clone()) {
            Ok(directory) => pass::read(&directory, &listed, &mut progress),
            Err(DirectoryError::Manifest(fault)) => {
                Verification { findings: vec![Finding::of_manifest(fault)], ..Verification::default() }
            }
            Err(error) => return Err(error),
        };
        let now = files.list()?;
        // A running server may trim and create files while they are read. That is not damage.
        if !report.is_sound() && rounds < ROUNDS_MAX && !names_of_state(&listed).eq(names_of_state(&now)) {
            rounds += 1;
            continue;
        }
        if rounds > 0 {
            report.notes.push(Note::ReadAgain { rounds });
        }
        note_newer_segments(&listed, &now, &mut report);
        return Ok(report);
    }
}

/// The names of the files that contain state.
fn names_of_state(files: &[FileEntry]) -> impl Iterator<Item = &str> {
    files.iter().map(|file| file.name.as_str()).filter(|name| {
        parse_segment_name(name).is_some() || parse_snapshot_name(name).is_some() || *name == MANIFEST_NAME
    })
}

/// Notes segments that were created while the others were read. They continue the log where the last of them ends.
fn note_newer_segments(listed: &[FileEntry], now: &[FileEntry], report: &mut Verification) {
    let (last, newest) = (list_segments(listed).pop(), list_segments(now).pop());
    if let Some(newest) = newest.filter(|newest| Some(*newest) > last) {
        report.notes.push(Note::NewSegment { file: segment_name(newest) });
        if let Some(end) = &mut report.end {
            end.is_moving = true;
        }
    }
}
