//! A timeline of an archive as a data directory for reading, so that recovery, `verify` and restore read it with the
//! same code.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ArchiveError;
use super::contents::{Contents, Timeline};
use super::names::{part_name, path, segment_of};
use super::store::{PIECE_BYTES, Store};
use crate::directory::MANIFEST_NAME;
use crate::snapshot::{SnapshotReader, parse_snapshot_name, snapshot_name};
use crate::storage::layout::BLOCK_BYTES;
use crate::storage::width::{index, length};
use crate::storage::{Action, FileEntry, ReadFrom, ReadStorage, ReadableFile, StorageError};
use crate::wal::{SegmentHeader, SegmentList};

/// Consecutive bytes of a file, in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Extent {
    offset: u64,
    bytes: u64,
    path: String,
}

/// A file of the directory, as the objects that it consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct VirtualFile {
    extents: Vec<Extent>,
    /// The length of the file. What no object has is zeros.
    bytes: u64,
}

/// A timeline, for reading.
#[derive(Debug)]
pub struct ArchiveView {
    store: Arc<Store>,
    files: BTreeMap<String, VirtualFile>,
    manifest: Vec<u8>,
}

impl ArchiveView {
    /// Finds the objects of a timeline. The header of each segment is read.
    ///
    /// # Errors
    /// [`ArchiveError`], [`ArchiveError::Gap`] among them.
    pub fn open(store: Arc<Store>, contents: &Contents, timeline: &Timeline) -> Result<Self, ArchiveError> {
        let mut files: BTreeMap<String, VirtualFile> = BTreeMap::new();
        for epoch in &timeline.epochs {
            let Some(objects) = contents.objects(timeline.log_uuid, *epoch) else { continue };
            let extent = |offset: u64, bytes: u64, name: &str| Extent {
                offset,
                bytes,
                path: path(timeline.log_uuid, *epoch, name),
            };
            for (segment, bytes) in &objects.segments {
                let name = segment_of(*segment);
                let extents = vec![extent(0, *bytes, &name)];
                files.insert(name, VirtualFile { extents, bytes: *bytes });
            }
            let mut in_pieces = None;
            for ((segment, offset), bytes) in &objects.parts {
                // A completed segment replaces its pieces, which are removed after it was written.
                if objects.segments.contains_key(segment) {
                    continue;
                }
                let name = segment_of(*segment);
                if in_pieces.replace(*segment) != Some(*segment) {
                    // A start in a new epoch may have replaced a segment of an earlier one.
                    files.insert(name.clone(), VirtualFile::default());
                }
                let file = files.entry(name.clone()).or_default();
                if *offset != file.bytes {
                    return Err(ArchiveError::Gap { segment: name, from: file.bytes, to: *offset });
                }
                file.extents.push(extent(*offset, *bytes, &part_name(*segment, *offset)));
                file.bytes += bytes;
            }
            for (op, bytes) in &objects.snapshots {
                let name = snapshot_name(*op);
                let extents = vec![extent(0, *bytes, &name)];
                files.insert(name, VirtualFile { extents, bytes: *bytes });
            }
        }
        let mut view = Self { store, files, manifest: timeline.manifest.encode() };
        view.leave_out_before_gap(timeline)?;
        view.restore_lengths()?;
        Ok(view)
    }

    /// Leaves out what is before the last gap between segments: the log cannot be read across it. A gap arises when a
    /// server trims its log before it was archived.
    fn leave_out_before_gap(&mut self, timeline: &Timeline) -> Result<(), ArchiveError> {
        let mut sequences: Vec<u64> =
            self.files.keys().filter_map(|name| crate::wal::segment::parse_segment_name(name)).collect();
        sequences.sort_unstable();
        let run = sequences.iter().rev().zip(sequences.iter().rev().skip(1));
        let Some((first, _)) = run.clone().find(|(later, earlier)| **later != **earlier + 1) else {
            return Ok(());
        };
        let first = *first;
        self.files.retain(|name, _| {
            crate::wal::segment::parse_segment_name(name).is_none_or(|sequence| sequence >= first)
        });
        self.restore_lengths()?;
        let segments = SegmentList::read(self, timeline.log_uuid, true)?;
        let first_position = segments.used.first().map_or(0, |segment| segment.opening.first_position);
        let snapshots: Vec<u64> = self.files.keys().filter_map(|name| parse_snapshot_name(name)).collect();
        for op in snapshots {
            let name = snapshot_name(op);
            let opened = SnapshotReader::open(self, &name, timeline.log_uuid, ReadFrom::Cache);
            if opened.is_ok_and(|reader| reader.header().position + 1 < first_position) {
                self.files.remove(&name);
            }
        }
        Ok(())
    }

    /// A segment has the length that its header gives, although the unused rest was not archived.
    fn restore_lengths(&mut self) -> Result<(), ArchiveError> {
        let segments =
            self.files.keys().filter(|name| crate::wal::segment::parse_segment_name(name).is_some());
        for name in segments.cloned().collect::<Vec<_>>() {
            let file = self.open_to_read(&name, ReadFrom::Cache)?;
            let mut block = vec![0; BLOCK_BYTES];
            let read = file.read_at(0, &mut block)?;
            // A damaged header is found by whoever reads the segment.
            if let (Ok(header), Some(file)) =
                (SegmentHeader::decode(&block[..read]), self.files.get_mut(&name))
            {
                file.bytes = file.bytes.max(header.segment_bytes);
            }
        }
        Ok(())
    }
}

impl ReadStorage for ArchiveView {
    fn open_to_read(&self, name: &str, _: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        if name == MANIFEST_NAME {
            return Ok(Box::new(Bytes(self.manifest.clone())));
        }
        let file = self.files.get(name).ok_or_else(|| StorageError::NotFound { name: name.to_owned() })?;
        Ok(Box::new(ViewedFile {
            name: name.to_owned(),
            file: file.clone(),
            store: self.store.clone(),
            piece: Mutex::new((0, bytes::Bytes::new())),
        }))
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        let files = self.files.iter().map(|(name, file)| FileEntry { name: name.clone(), bytes: file.bytes });
        let manifest = FileEntry { name: MANIFEST_NAME.to_owned(), bytes: length(self.manifest.len()) };
        let mut entries: Vec<FileEntry> = files.chain([manifest]).collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }
}

/// A small file in memory.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl ReadableFile for Bytes {
    fn bytes(&self) -> Result<u64, StorageError> {
        Ok(length(self.0.len()))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let rest = self.0.get(index(offset)..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }
}

/// A file that is read from objects, in large pieces.
struct ViewedFile {
    name: String,
    file: VirtualFile,
    store: Arc<Store>,
    /// The piece that was read last, and its offset.
    piece: Mutex<(u64, bytes::Bytes)>,
}

impl std::fmt::Debug for ViewedFile {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("ViewedFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ViewedFile {
    /// Some bytes from `offset` on, which is before the end of the archived bytes.
    fn piece_at(&self, offset: u64) -> Result<bytes::Bytes, StorageError> {
        let mut piece = self.piece.lock();
        let (begin, bytes) = &*piece;
        if offset >= *begin && offset < begin + length(bytes.len()) {
            return Ok(bytes.slice(index(offset - begin)..));
        }
        let extents = &self.file.extents;
        let at = extents.partition_point(|extent| extent.offset <= offset).saturating_sub(1);
        let extent = &extents[at];
        let inner = offset - extent.offset;
        let wanted = length(PIECE_BYTES).min(extent.bytes - inner);
        let bytes = self.store.read(&extent.path, inner, wanted).map_err(|error| StorageError::Io {
            action: Action::Read,
            name: self.name.clone(),
            source: io::Error::other(error),
        })?;
        *piece = (offset, bytes.clone());
        Ok(bytes)
    }
}

impl ReadableFile for ViewedFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        Ok(self.file.bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let archived = self.file.extents.last().map_or(0, |extent| extent.offset + extent.bytes);
        let wanted = buffer.len().min(index(self.file.bytes.saturating_sub(offset)));
        let mut filled = 0;
        while filled < wanted {
            let at = offset + length(filled);
            let rest = &mut buffer[filled..wanted];
            if at >= archived {
                rest.fill(0);
                return Ok(wanted);
            }
            let piece = self.piece_at(at)?;
            let read = piece.len().min(rest.len());
            if read == 0 {
                // The object is shorter than the listing said.
                return Ok(filled);
            }
            rest[..read].copy_from_slice(&piece[..read]);
            filled += read;
        }
        Ok(wanted)
    }
}
