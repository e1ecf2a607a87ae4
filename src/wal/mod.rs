//! The write-ahead log: a sequence of preallocated segments of opaque batch payloads. Each payload covers a range of
//! positions.
//!
//! This module makes a payload durable at the next position with one synced write, and returns the payloads in order
//! after any kind of stop. It does not interpret a payload, and it has no clock, no threads and no randomness: times
//! and seeds are arguments, and the server steps the [`SegmentPreparer`].
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
pub mod tail;
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
pub use tail::SegmentTail;
pub use writer::{LogOptions, LogStart, LogWriter};

use crate::storage::StorageError;

/// A log that assigns positions to a batch and makes it durable. Replication would implement this trait.
pub trait CommitLog: Send {
    /// Makes the payload in `frame` durable as the next `records` records. The buffer keeps its payload. After
    /// [`AppendError::NotReady`] or [`AppendError::Full`] nothing was written and the same buffer may be passed again.
    /// After any other error the log is poisoned.
    fn append(&mut self, frame: &mut FrameBuffer, records: u32) -> Result<Positions, AppendError>;

    /// The first position of the next append.
    fn next_position(&self) -> u64;

    /// The last position that survives a power cut.
    fn durable_position(&self) -> u64;

    /// Makes everything appended durable. It does nothing if every append already is.
    fn sync(&mut self) -> Result<(), AppendError>;

    /// How much space the log has.
    fn space(&self) -> Space;
}

/// A range of positions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The first position.
    pub first: u64,
    /// The last position.
    pub last: u64,
}

/// How much space the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A spare segment is ready, or it is being prepared and the current segment has space for a batch besides the
    /// reserve.
    Normal,
    /// It is not known yet whether there will be a spare segment, and a batch might use the reserve. The caller waits.
    Undecided,
    /// The last segment is in use and no spare can be prepared. Only commands that free space or complete promises
    /// should be appended.
    Reserve,
    /// A frame of full size does not fit any more.
    Full,
}

/// When an appended batch is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When `append` returns.
    #[default]
    Every,
    /// After the next `sync`, which the server calls at an interval.
    Interval,
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The segment is full and the next one is still being prepared. Nothing was written. Step the preparer, or wait on
    /// the pool.
    #[error("the next log segment is still being prepared")]
    NotReady,
    /// The segment is full and there is no space for another one. Nothing was written.
    #[error("there is no space for another log segment")]
    Full,
    /// The write failed. It is unknown how much of it is on the medium, and nothing more is appended.
    #[error("a log write failed")]
    Storage(#[from] StorageError),
    /// An earlier write failed.
    #[error("an earlier log write failed, so nothing more is appended")]
    Poisoned,
}

/// Why a log cannot be read or continued.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The directory has no segment, although every formatted directory has at least one.
    #[error(
        "the directory holds no log segment, though every formatted directory has one: segments were removed"
    )]
    NoSegments,
    /// The log does not reach back far enough.
    #[error(
        "position {need_position} is needed, but the oldest segment begins with position {oldest_position}"
    )]
    Missing {
        /// The position that is needed.
        need_position: u64,
        /// The first position in the log.
        oldest_position: u64,
    },
    /// The log ends before a position that something else was built from.
    #[error(
        "the log ends with position {last_position}, before position {need_position}, which is needed: the end of the log was lost"
    )]
    EndsEarly {
        /// The position that is needed.
        need_position: u64,
        /// The last position in the log.
        last_position: u64,
    },
    /// A segment file is missing.
    #[error("segment {after} follows segment {before}: the segments between them were removed")]
    SequenceGap {
        /// The segment before the gap.
        before: u64,
        /// The segment after it.
        after: u64,
    },
    /// Block 0 of a segment is damaged.
    #[error("the header of segment {segment} cannot be used; nothing was changed: restore from a backup")]
    Header {
        /// The segment.
        segment: u64,
        /// What is wrong.
        source: BlockFault,
    },
    /// A file contains another segment than its name says, or its length differs from its header.
    #[error("the file of segment {segment} has the header of segment {found} with {found_bytes} bytes")]
    Misplaced {
        /// The segment by the file name.
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
    /// Block 1 of a segment that was in use is damaged.
    #[error("the opening block of segment {segment} is damaged")]
    Opening {
        /// The segment.
        segment: u64,
        /// What is wrong.
        source: BlockFault,
    },
    /// A segment records another end of its predecessor than was found.
    #[error(
        "segment {segment} records that its predecessor ended with {recorded:?}, but it ended with {found:?}"
    )]
    Predecessor {
        /// The segment.
        segment: u64,
        /// The recorded end.
        recorded: PreviousEnd,
        /// The end that was found.
        found: PreviousEnd,
    },
    /// The first position or the epoch of a segment does not continue its predecessor.
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
    /// The log has a later epoch than the manifest, so the next segment would not continue it.
    #[error(
        "segment {segment} is of epoch {epoch}, but the manifest knows epochs up to {known} only, so it is older than the log; \
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
    /// Two reads of a possible torn tail differ.
    #[error(
        "two reads of segment {segment} from byte {offset} on differ, so its end cannot be determined; nothing was changed: \
         check the disk, then start again"
    )]
    Unsteady {
        /// The segment.
        segment: u64,
        /// The offset of the second read.
        offset: u64,
    },
    /// An invalid frame is followed by valid data, so it is not a torn tail.
    #[error(
        "segment {segment} is damaged at byte {offset}, before data that was acknowledged{}; \
         nothing was changed: run `stockhold verify` and restore from a backup",
        later_offset.map(|later| format!(" (there is a valid frame at byte {later})")).unwrap_or_default()
    )]
    Damage {
        /// The segment.
        segment: u64,
        /// The offset of the invalid frame.
        offset: u64,
        /// The offset of a valid frame after it; `None` when the proof is in the next segment or in the frame itself.
        later_offset: Option<u64>,
        /// What is wrong with the frame.
        source: FrameFault,
    },
}
