//! A data directory that is only looked at. It is not held: a server may use it meanwhile. Nothing can be written through it.

use super::{DirectoryError, Manifest, base_of, list_snapshots, read_log, read_manifest};
use crate::snapshot::{SnapshotError, SnapshotReader, snapshot_name};
use crate::storage::{ReadFrom, SharedReadStorage, StorageError};
use crate::wal::{LogError, LogReader, PreviousEnd, ReadTo};

/// A directory that this process reads.
#[derive(Clone, Debug)]
pub struct ReadOnlyDirectory {
    files: SharedReadStorage,
    manifest: Manifest,
}

impl ReadOnlyDirectory {
    /// Reads the manifest.
    pub fn open(files: SharedReadStorage) -> Result<Self, DirectoryError> {
        let manifest = read_manifest(files.as_ref())?;
        Ok(Self { files, manifest })
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &SharedReadStorage {
        &self.files
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the first segment of this log records as its predecessor.
    #[must_use]
    pub fn base(&self) -> PreviousEnd {
        base_of(&self.manifest)
    }

    /// Reads the log from the frame that holds `from_position` to the end that it has now.
    pub fn read_log(&self, from_position: u64) -> Result<LogReader, LogError> {
        read_log(self.files.clone(), &self.manifest, from_position, ReadTo::Present)
    }

    /// The snapshots, newest first.
    pub fn snapshots(&self) -> Result<Vec<u64>, StorageError> {
        list_snapshots(self.files.as_ref())
    }

    /// Opens the snapshot after `op`.
    pub fn read_snapshot(&self, op: u64, from: ReadFrom) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::open(self.files.as_ref(), &snapshot_name(op), self.manifest.log_uuid, from)
    }
}
