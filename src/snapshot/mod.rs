//! Snapshot files: the state after one op, as checksummed frames of opaque records.
//!
//! This module writes a snapshot so that its name appears only after its bytes are durable and were read back, and
//! reads a snapshot as a stream. It does not interpret records. The pipeline decides when a snapshot is due, and
//! `directory` which snapshots may be removed.

pub mod format;
pub mod reader;
pub mod writer;

use uuid::Uuid;

pub use format::{LogPoint, SectionTotal, SnapshotFault, SnapshotHeader, parse_snapshot_name, snapshot_name};
pub use reader::{SectionFrame, SnapshotReader};
pub use writer::{SnapshotWriter, WrittenSnapshot};

use crate::storage::{ReadFrom, ReadStorage, StorageError};

/// The summary of a complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSummary {
    /// Its head.
    pub header: SnapshotHeader,
    /// The totals of each section, by kind.
    pub sections: Vec<SectionTotal>,
    /// The digest of the machine. It is not interpreted here.
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
    /// The file is damaged.
    #[error("snapshot {name} is damaged at byte {offset}")]
    Damaged {
        /// The file.
        name: String,
        /// The offset of the damage.
        offset: u64,
        /// What is wrong.
        source: SnapshotFault,
    },
    /// The snapshot belongs to another log.
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

/// Reads a whole snapshot and checks every byte of it. `progress` receives the bytes read so far and the bytes in all.
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
