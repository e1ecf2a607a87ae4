//! The log: a row of preallocated segments of opaque batch payloads, each of which covers a run of positions.
//!
//! This module is for making a payload durable at the next position with one synced write, and for giving the payloads back in
//! order after a stop of any kind. It is not for what a payload means: it never knows what a reservation is, and it has no
//! clock, no thread and no randomness (times and seeds are passed in; the server steps the [`SegmentPreparer`]).
//!
//! ```text
//!   FrameBuffer ──append──► LogWriter ──one durable write──► segment n        LogReader ──► frames, then LogEnd
//!                               │ full: takes the spare          │                 │
//!                          SegmentPool ◄──spare── SegmentPreparer┘                 └─ LogWriter::begin (a new segment)
//! ```
//!
//! FORMAT.md at the root of the repository describes the bytes.

mod blank_segments;
pub mod dump;
pub mod frame;
pub mod frame_search;
pub mod pool;
pub mod preparer;
pub mod reader;
pub mod segment;
pub mod segment_list;
mod window;
pub mod writer;

use uuid::Uuid;

pub use dump::{DumpEntry, DumpItem, LogDump};
pub use frame::{FrameBuffer, FrameFault, FrameKind};
pub use pool::SegmentPool;
pub use preparer::{Progress, SegmentPreparer};
pub use reader::{Frame, LogEnd, LogReader, LogTally, ReadTo};
pub use segment::{BlockFault, EndReason, PreviousEnd, SegmentHeader, SegmentOpening};
pub use segment_list::SegmentList;
pub use writer::{LogOptions, LogStart, LogWriter};

use crate::storage::StorageError;

/// The place where replication plugs in: something that gives a batch its positions and makes it last.
pub trait CommitLog: Send {
    /// Makes the payload in `frame` durable as the next `records` records; the buffer keeps its payload. After an error of kind
    /// [`AppendError::NotReady`] or [`AppendError::Full`] nothing has happened and the same buffer may be offered again; after any
    /// other the log is poisoned.
    fn append(&mut self, frame: &mut FrameBuffer, records: u32) -> Result<Positions, AppendError>;

    /// The position that the next append begins with.
    fn next_position(&self) -> u64;

    /// The last position that a power cut cannot take back.
    fn durable_position(&self) -> u64;

    /// Makes everything appended durable; nothing to do where every append already is.
    fn sync(&mut self) -> Result<(), AppendError>;

    /// How much room there is.
    fn space(&self) -> Space;
}

/// A run of positions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The first position.
    pub first: u64,
    /// The last position.
    pub last: u64,
}

/// How much room the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A spare segment is ready, or is being made and this one holds the reserve besides a batch.
    Normal,
    /// Whether there will be a spare segment is not known yet, and a batch would go into what may have to be the reserve: wait.
    Undecided,
    /// The last segment is in use and no spare can be made: only what frees or finishes should still be appended.
    Reserve,
    /// No frame of full size fits any more.
    Full,
}

/// When an appended batch is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When `append` returns.
    #[default]
    Every,
    /// After the next `sync`, which the server calls on a timer.
    Interval,
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The segment is full and the next is still being prepared; nothing was written. Step the preparer, or wait on the pool.
    #[error("the next log segment is still being prepared")]
    NotReady,
    /// The segment is full and there is no space for another; nothing was written.
    #[error("there is no space for another log segment")]
    Full,
    /// The write failed. What the medium holds of it is not known, and nothing more is appended.
    #[error("a log write failed")]
    Storage(#[from] StorageError),
    /// An earlier write failed.
    #[error("an earlier log write failed, so nothing more is appended")]
    Poisoned,
}

/// Why a log cannot be read or taken up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// A formatted directory has at least one segment.
    #[error(
        "the directory holds no log segment, though every formatted directory has one: segments were removed"
    )]
    NoSegments,
    /// The log no longer reaches back far enough.
    #[error(
        "position {need_position} is needed, but the oldest segment begins with position {oldest_position}"
    )]
    Missing {
        /// The position asked for.
        need_position: u64,
        /// The first position there is.
        oldest_position: u64,
    },
    /// The log ends earlier than something that was built from it.
    #[error(
        "the log ends with position {last_position}, before position {need_position}, from which reading was to go on: the end of the log was lost"
    )]
    EndsEarly {
        /// The position asked for.
        need_position: u64,
        /// The last position there is.
        last_position: u64,
    },
    /// A file of the row is missing.
    #[error("segment {after} follows segment {before}: the ones between were removed")]
    SequenceGap {
        /// The segment before the gap.
        before: u64,
        /// The segment after it.
        after: u64,
    },
    /// Block 0 of a segment is not what was written.
    #[error("the header of segment {segment} cannot be used; nothing was changed: restore from a backup")]
    Header {
        /// The segment.
        segment: u64,
        /// What is wrong.
        source: BlockFault,
    },
    /// A file holds another segment than its name says, or has another length than its header says.
    #[error("the file of segment {segment} says that it is segment {found} of {found_bytes} bytes")]
    Misplaced {
        /// The segment by the name.
        segment: u64,
        /// The segment by the header.
        found: u64,
        /// The length by the header.
        found_bytes: u64,
    },
    /// A segment of another log.
    #[error("segment {segment} belongs to log {found}, not to {expected}")]
    ForeignLog {
        /// The segment.
        segment: u64,
        /// The log by the header.
        found: Uuid,
        /// The log by the manifest.
        expected: Uuid,
    },
    /// Block 1 of a segment that was in use is not what was written.
    #[error("the opening block of segment {segment} is damaged")]
    Opening {
        /// The segment.
        segment: u64,
        /// What is wrong.
        source: BlockFault,
    },
    /// A segment says something else of its predecessor than the predecessor does.
    #[error("segment {segment} says of its predecessor: {said:?}; found: {found:?}")]
    Predecessor {
        /// The segment.
        segment: u64,
        /// What it says.
        said: PreviousEnd,
        /// What was found.
        found: PreviousEnd,
    },
    /// A segment begins with another position, or in an earlier epoch, than its predecessor allows.
    #[error(
        "segment {segment} begins with position {first_position} in epoch {epoch}, which does not continue its predecessor"
    )]
    Discontinuous {
        /// The segment.
        segment: u64,
        /// Its first position.
        first_position: u64,
        /// Its epoch.
        epoch: u64,
    },
    /// The log is of a later epoch than the manifest knows: what is written next would not continue it.
    #[error(
        "segment {segment} is of epoch {epoch}, but the manifest knows epochs up to {known} only: it is older than its log; \
         nothing was changed: restore the manifest that belongs to this log"
    )]
    LaterEpoch {
        /// The segment.
        segment: u64,
        /// Its epoch.
        epoch: u64,
        /// The last epoch of the manifest.
        known: u64,
    },
    /// What looks like a torn tail looks different when it is read again.
    #[error(
        "two reads of segment {segment} from byte {offset} on differ, so its end cannot be told; nothing was changed: \
         check the disk, then start again"
    )]
    Unsteady {
        /// The segment.
        segment: u64,
        /// Where what was read first ends.
        offset: u64,
    },
    /// An invalid frame in front of valid data: not a torn tail.
    #[error(
        "segment {segment} is damaged at byte {offset}, in front of data that was acknowledged{}; \
         nothing was changed: run `stockhold verify` and restore from a backup",
        later_offset.map(|later| format!(" (a valid frame stands at byte {later})")).unwrap_or_default()
    )]
    Damage {
        /// The segment.
        segment: u64,
        /// Where the invalid frame stands.
        offset: u64,
        /// Where a valid frame stands after it; none when the proof is in the following segment or in the frame itself.
        later_offset: Option<u64>,
        /// What is wrong with the frame.
        source: FrameFault,
    },
}
