//! Snapshot files: the state after one op, as checksummed frames of opaque records.
//!
//! This module is for writing such a file so that its name appears only when its bytes are durable and were read back, and for
//! reading it as a stream. It is not for what a record means, nor for when a snapshot is due or may go (`directory` decides that).

pub mod format;
pub mod reader;
pub mod writer;

use uuid::Uuid;

pub use format::{LogPoint, SectionTotal, SnapshotFault, SnapshotHeader, parse_snapshot_name, snapshot_name};
pub use reader::{SectionFrame, SnapshotReader};
pub use writer::{SnapshotWriter, WrittenSnapshot};

use crate::storage::{ReadFrom, ReadStorage, StorageError};

/// A whole snapshot, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Its head.
    pub header: SnapshotHeader,
    /// What each section holds, by kind.
    pub sections: Vec<SectionTotal>,
    /// What the machine said its state sums up to: opaque here.
    pub digest: [u8; 16],
    /// The length of the file.
    pub bytes: u64,
}

/// Why a snapshot cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The file is not what was written.
    #[error("snapshot {name} is damaged at byte {offset}")]
    Damaged {
        /// The file.
        name: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        source: SnapshotFault,
    },
    /// A snapshot of another log.
    #[error("snapshot {name} belongs to log {found}, not to {expected}")]
    ForeignLog {
        /// The file.
        name: String,
        /// The log by its head.
        found: Uuid,
        /// The log by the manifest.
        expected: Uuid,
    },
}

/// Reads a whole snapshot and checks every byte of it. `progress` gets the bytes done and the bytes in all.
pub fn verify(
    storage: &dyn ReadStorage,
    name: &str,
    log_uuid: Uuid,
    from: ReadFrom,
    mut progress: impl FnMut(u64, u64),
) -> Result<SnapshotSummary, SnapshotError> {
    let mut reader = SnapshotReader::open(storage, name, log_uuid, from)?;
    while reader.next_frame()?.is_some() {
        let (done, all) = reader.progress();
        progress(done, all);
    }
    reader.into_summary()
}
