//! A data directory for reading only. It is not locked, so a server may use it at the same time.

use super::{DirectoryError, Manifest, base_of, list_snapshots, read_log, read_manifest};
use crate::snapshot::{SnapshotError, SnapshotReader, snapshot_name};
use crate::storage::{ReadFrom, SharedReadStorage, StorageError};
use crate::wal::segment::segment_name;
use crate::wal::{LogError, LogReader, PreviousEnd, ReadTo, SegmentList, SegmentTail};

/// A data directory for reading only.
#[derive(Clone, Debug)]
pub struct ReadOnlyDirectory {
    pub(super) files: SharedReadStorage,
    pub(super) manifest: Manifest,
}

impl ReadOnlyDirectory {
    /// Opens a directory and reads its manifest.
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

    /// The predecessor that the first segment of this log records.
    #[must_use]
    pub fn base(&self) -> PreviousEnd {
        base_of(&self.manifest)
    }

    /// Reads the log from the frame that contains `from_position` to its current end.
    pub fn read_log(&self, from_position: u64) -> Result<LogReader, LogError> {
        self.read_log_to(from_position, ReadTo::Present)
    }

    /// Reads the log from the frame that contains `from_position`.
    pub fn read_log_to(&self, from_position: u64, read_to: ReadTo) -> Result<LogReader, LogError> {
        read_log(self.files.clone(), &self.manifest, from_position, read_to)
    }

    /// The highest op that the log can contain. Only the frames of the last segment are read.
    pub fn last_op_max(&self) -> Result<u64, LogError> {
        let segments = SegmentList::read(self.files.as_ref(), self.manifest.log_uuid, true)?;
        let base = self.manifest.base;
        let Some(last) = segments.used.last() else { return Ok(base.op) };
        let file = self.files.open_to_read(&segment_name(last.header.sequence), ReadFrom::Cache)?;
        let mut tail = SegmentTail::new(*last);
        tail.advance(file.as_ref(), u64::MAX)?;
        Ok(base.op_max_at(tail.last_position()))
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
