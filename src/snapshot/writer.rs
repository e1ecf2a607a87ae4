//! Writes a snapshot under a temporary name, makes it durable and reads it back. Only then does the file get its name.

use super::format::{FrameHead, SectionTotal, SnapshotHeader, count_frame, encode_footer, snapshot_name};
use super::{SnapshotError, SnapshotReader, SnapshotSummary};
use crate::storage::layout::{snapshot, snapshot_footer, snapshot_frame};
use crate::storage::width::length;
use crate::storage::{Access, ReadFrom, SharedStorage, StorageError, StoredFile, TEMPORARY_SUFFIX};

/// At most this many bytes are unsynced. A sync of the whole snapshot at the end would delay the log's writes on the
/// same disk by hundreds of milliseconds.
const UNSYNCED_BYTES_MAX: u64 = 2 << 20;

/// A snapshot that is being written. If it is dropped before [`SnapshotWriter::finish`], as in a crash, it leaves a
/// temporary file. The next snapshot of that op or the next start removes the file; [`SnapshotWriter::abandon`] removes
/// it at once.
#[derive(Debug)]
pub struct SnapshotWriter {
    storage: SharedStorage,
    file: Box<dyn StoredFile>,
    header: SnapshotHeader,
    offset: u64,
    /// Everything before this offset is synced.
    synced_offset: u64,
    frames: u64,
    sections: Vec<SectionTotal>,
    piece: Vec<u8>,
}

impl SnapshotWriter {
    /// Begins the snapshot after `header.op`.
    pub fn create(storage: SharedStorage, header: SnapshotHeader) -> Result<Self, SnapshotError> {
        let name = temporary_name(&header);
        match storage.remove(&name) {
            Ok(()) | Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let mut file = storage.create(&name, 0, Access::Cached)?;
        let written = file.write(0, &header.encode());
        let offset = length(snapshot::HEAD_BYTES);
        let writer = Self {
            storage,
            file,
            header,
            offset,
            synced_offset: 0,
            frames: 0,
            sections: Vec::new(),
            piece: Vec::new(),
        };
        match written {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.abandon();
                Err(error.into())
            }
        }
    }

    /// Appends a frame of `records` records of one section. A frame has at most 1 MiB, and a snapshot at most 256 kinds
    /// of sections.
    pub fn push_frame(&mut self, kind: u16, records: u32, payload: &[u8]) -> Result<(), SnapshotError> {
        assert!(payload.len() <= snapshot_frame::BYTES_MAX, "the caller splits sections into frames");
        self.piece.clear();
        self.piece.extend_from_slice(&FrameHead::encode(kind, records, self.frames, payload));
        self.piece.extend_from_slice(payload);
        self.file.write(self.offset, &self.piece)?;
        self.offset += length(self.piece.len());
        if self.offset - self.synced_offset >= UNSYNCED_BYTES_MAX {
            self.file.sync()?;
            self.synced_offset = self.offset;
        }
        self.frames += 1;
        count_frame(&mut self.sections, kind, records, payload.len());
        assert!(self.sections.len() <= snapshot_footer::SECTIONS_MAX, "there are few kinds of sections");
        Ok(())
    }

    /// The op of the snapshot.
    #[must_use]
    pub fn op(&self) -> u64 {
        self.header.op
    }

    /// The number of bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.offset
    }

    /// Completes the snapshot. When it returns, the file is durable, was read back and checked, and has its name; or it
    /// was removed.
    pub fn finish(self, digest: [u8; 16]) -> Result<SnapshotSummary, SnapshotError> {
        let mut written = self.end(digest)?;
        loop {
            match written.check() {
                Ok(true) => {}
                Ok(false) => return written.publish(),
                Err(error) => {
                    written.abandon();
                    return Err(error);
                }
            }
        }
    }

    /// Writes the footer and makes the file durable. The result is then read back and checked.
    pub fn end(mut self, digest: [u8; 16]) -> Result<WrittenSnapshot, SnapshotError> {
        match self.read_back(&digest) {
            Ok(reader) => Ok(WrittenSnapshot { writer: self, reader }),
            Err(error) => {
                self.abandon();
                Err(error)
            }
        }
    }

    fn read_back(&mut self, digest: &[u8; 16]) -> Result<SnapshotReader, SnapshotError> {
        let footer = encode_footer(&self.sections, self.frames, digest);
        self.file.write(self.offset, &footer)?;
        self.file.sync()?;
        let name = temporary_name(&self.header);
        SnapshotReader::open(self.storage.as_ref(), &name, self.header.log_uuid, ReadFrom::MediumWhole)
    }

    /// Abandons the snapshot and removes its file, which may take all the remaining space.
    pub fn abandon(self) {
        drop(self.file);
        // If the file cannot be removed now, the next start removes it. The earlier error is the one to report.
        drop(self.storage.remove(&temporary_name(&self.header)));
    }
}

/// A durable snapshot that is being read back before it gets its name.
#[derive(Debug)]
pub struct WrittenSnapshot {
    writer: SnapshotWriter,
    reader: SnapshotReader,
}

impl WrittenSnapshot {
    /// Reads and checks the next frame. Returns false when everything was checked.
    pub fn check(&mut self) -> Result<bool, SnapshotError> {
        self.reader.next_frame().map(|frame| frame.is_some())
    }

    /// Checks what is left and gives the file its name. When it returns, the name is durable, or the file was removed.
    pub fn publish(self) -> Result<SnapshotSummary, SnapshotError> {
        let Self { writer, reader } = self;
        let named = reader.into_summary().and_then(|summary| {
            let storage = writer.storage.as_ref();
            storage.rename(&temporary_name(&writer.header), &snapshot_name(writer.header.op))?;
            Ok(summary)
        });
        match named {
            Ok(summary) => {
                writer.storage.sync_dir()?;
                Ok(summary)
            }
            Err(error) => {
                writer.abandon();
                Err(error)
            }
        }
    }

    /// Abandons the snapshot, as [`SnapshotWriter::abandon`].
    pub fn abandon(self) {
        self.writer.abandon();
    }
}

fn temporary_name(header: &SnapshotHeader) -> String {
    format!("{}{TEMPORARY_SUFFIX}", snapshot_name(header.op))
}
