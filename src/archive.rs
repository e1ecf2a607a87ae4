//! A copy of a log and its snapshots at a second place: a directory or an object store. [`pass`] brings it up to date,
//! [`stage`] does so while a server runs, [`retention`] removes what is too old, and [`view`] reads it as if it were a data directory. It does not replay anything.
//!
//! ```text
//! ROOT/LOG-UUID/EPOCH-TIME/MANIFEST                                    as of this epoch
//! ROOT/LOG-UUID/EPOCH-TIME/0000000000000007.segment                    head blocks and frames, without the unused rest
//! ROOT/LOG-UUID/EPOCH-TIME/0000000000000008.000000008192.part          a piece of the segment in use, from this offset
//! ROOT/LOG-UUID/EPOCH-TIME/00000000000000001234.snapshot               as in the data directory
//! ROOT/LOG-UUID/EPOCH-TIME/DE-0001763800000123.geonames                as in the data directory
//! ```
//!
//! An epoch has a directory of its own, named with the time at which it began. So two data directories that were restored
//! from the same archive never write to the same place, although their ops have the same numbers.

mod addresses;
pub mod contents;
mod log;
pub mod mirror;
mod names;
pub mod pass;
mod passing;
mod pieces;
pub mod progress;
mod reach;
pub mod retention;
pub mod stage;
pub mod store;
pub mod view;

pub use contents::{Contents, Timeline};
pub use mirror::{Mirror, Mirrored};
pub use pass::{Archiver, PassGuide, Passed};
pub use progress::ArchiveProgress;
pub use retention::Retention;
pub use stage::{ArchivePolicy, ArchiveStage};
pub use store::Store;
pub use view::ArchiveView;

use crate::directory::DirectoryError;
use crate::snapshot::SnapshotError;
use crate::storage::StorageError;
use crate::wal::LogError;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The location cannot be used.
    #[error("`{url}` is no place for an archive: {reason}")]
    Location {
        /// The location as it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A call on the store failed.
    #[error("cannot {action} {path} in the archive")]
    Store {
        /// The call.
        action: &'static str,
        /// The object.
        path: String,
        /// The error of the store.
        source: object_store::Error,
    },
    /// A call on the store took too long.
    #[error("cannot {action} {path} in the archive within {seconds} s")]
    Timeout {
        /// The call.
        action: &'static str,
        /// The object.
        path: String,
        /// The limit.
        seconds: u64,
    },
    /// The server stops.
    #[error("the archive was interrupted, because the server stops")]
    Interrupted,
    /// The archive has no log, or not the one that was asked for.
    #[error("the archive has no log{}", wanted.as_ref().map(|log| format!(" {log}")).unwrap_or_default())]
    NoLog {
        /// The log that was asked for.
        wanted: Option<String>,
    },
    /// The archive has several logs or timelines, and none was chosen.
    #[error("the archive has several {what}: choose one of {} with {flag}", choices.join(", "))]
    Several {
        /// Logs or epochs.
        what: &'static str,
        /// Their names.
        choices: Vec<String>,
        /// The flag that chooses one.
        flag: &'static str,
    },
    /// The archive has no such epoch.
    #[error("the archive has no epoch {wanted}: it has {}", choices.join(", "))]
    NoEpoch {
        /// The epoch that was asked for.
        wanted: String,
        /// Those that exist.
        choices: Vec<String>,
    },
    /// The pieces of a segment do not follow each other.
    #[error("the archive lacks bytes {from} to {to} of {segment}")]
    Gap {
        /// The segment.
        segment: String,
        /// The first missing byte.
        from: u64,
        /// The byte after the last missing one.
        to: u64,
    },
    /// A manifest is not that of the epoch in whose directory it is.
    #[error("{path} in the archive is the manifest of another log or epoch")]
    Misplaced {
        /// The object.
        path: String,
    },
    /// A snapshot of the data directory is damaged, and was not archived.
    #[error("a snapshot of the data directory is damaged and was not archived")]
    Damaged(#[source] SnapshotError),
    /// An object that was read back differs from what was written.
    #[error("{path} in the archive differs from what was written")]
    Differs {
        /// The object.
        path: String,
    },
    /// The archive has records of a segment that the data directory lacks.
    #[error(
        "the archive has records in the pieces of {segment} that the data directory lacks: another server may archive to the same \
         place, or the data directory has lost the end of its log; nothing was changed there: archive to another place"
    )]
    OtherRecords {
        /// The path of the segment, without its end.
        segment: String,
    },
    /// The data directory cannot be read.
    #[error("the data directory cannot be read")]
    Storage(#[from] StorageError),
    /// The log of the data directory cannot be read.
    #[error("the log of the data directory cannot be read")]
    Log(#[from] LogError),
    /// The manifest cannot be read.
    #[error("the manifest cannot be read")]
    Directory(#[from] DirectoryError),
}

impl ArchiveError {
    /// Whether something was removed after it was listed, so that a new listing helps.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        matches!(
            self,
            Self::Store { source: object_store::Error::NotFound { .. }, .. }
                | Self::Storage(StorageError::NotFound { .. })
                | Self::Log(LogError::Storage(StorageError::NotFound { .. }) | LogError::SequenceGap { .. })
        )
    }
}
