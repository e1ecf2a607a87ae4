//! Checks a snapshot while its pieces pass by on their way to the archive, so that a damaged one never gets there.

use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::snapshot::{SnapshotError, SnapshotReader};
use crate::storage::layout::snapshot_frame;
use crate::storage::width::{index, length};
use crate::storage::{ReadableFile, StorageError};

/// A snapshot that passes by.
pub(super) struct PassingSnapshot {
    name: String,
    log_uuid: Uuid,
    window: Window,
    reader: Option<SnapshotReader>,
    is_complete: bool,
}

impl PassingSnapshot {
    /// A snapshot of this length of which nothing has passed yet.
    pub(super) fn new(name: &str, log_uuid: Uuid, bytes: u64) -> Self {
        let seen = Arc::new(Mutex::new((0, Vec::new())));
        let window = Window { seen, file_bytes: bytes };
        Self { name: name.to_owned(), log_uuid, window, reader: None, is_complete: false }
    }

    /// Checks what can be checked with the next piece.
    ///
    /// # Errors
    /// [`SnapshotError`], at the latest with the last piece.
    pub(super) fn pass(&mut self, piece: &[u8]) -> Result<(), SnapshotError> {
        let end = {
            let (begin, seen) = &mut *self.window.seen.lock();
            seen.extend_from_slice(piece);
            *begin + length(seen.len())
        };
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => SnapshotReader::of(Box::new(self.window.clone()), &self.name, self.log_uuid)?,
        };
        let longest = length(snapshot_frame::HEAD_BYTES + snapshot_frame::BYTES_MAX);
        let is_last = end >= self.window.file_bytes;
        while !self.is_complete && (is_last || reader.progress().0 + longest <= end) {
            self.is_complete = reader.next_frame()?.is_none();
        }
        let (begin, seen) = &mut *self.window.seen.lock();
        let used = reader.progress().0.saturating_sub(*begin).min(length(seen.len()));
        seen.drain(..index(used));
        *begin += used;
        self.reader = Some(reader);
        Ok(())
    }
}

/// The part of a file that is in memory.
#[derive(Clone, Debug)]
struct Window {
    /// The offset of the bytes, and the bytes.
    seen: Arc<Mutex<(u64, Vec<u8>)>>,
    file_bytes: u64,
}

impl ReadableFile for Window {
    fn bytes(&self) -> Result<u64, StorageError> {
        Ok(self.file_bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let (begin, seen) = &*self.seen.lock();
        let rest = offset.checked_sub(*begin).and_then(|at| seen.get(index(at)..)).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}
