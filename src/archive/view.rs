//! A timeline of an archive as a data directory for reading, so that recovery, `verify` and restore read it with the
//! same code.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ArchiveError;
use super::contents::{Contents, EpochObjects, Timeline};
use super::names::{EpochName, part_name, path, segment_of};
use super::store::{PIECE_BYTES, Store};
use crate::directory::{EpochReason, MANIFEST_NAME};
use crate::snapshot::{SnapshotHeader, SnapshotReader, parse_snapshot_name, snapshot_name};
use crate::storage::layout::opening::OPENING_OFFSET;
use crate::storage::layout::{FRAMES_OFFSET, SEGMENT_BYTES_MAX, snapshot};
use crate::storage::width::{index, length};
use crate::storage::{Action, FileEntry, ReadFrom, ReadStorage, ReadableFile, StorageError};
use crate::wal::segment::parse_segment_name;
use crate::wal::{SegmentHeader, SegmentList, SegmentOpening};

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
    /// The end of the segment before this one, as this one records it; 0 for other files.
    previous_end: u64,
}

impl VirtualFile {
    fn of(extent: Extent) -> Self {
        Self { bytes: extent.bytes, extents: vec![extent], previous_end: 0 }
    }

    /// The end of what the archive has.
    fn archived_bytes(&self) -> u64 {
        self.extents.last().map_or(0, |extent| extent.offset + extent.bytes)
    }
}

/// A timeline, for reading.
#[derive(Debug)]
pub struct ArchiveView {
    store: Arc<Store>,
    files: BTreeMap<String, VirtualFile>,
    manifest: Vec<u8>,
}

/// The first position of an epoch that began because the log was cut.
fn cut_before(timeline: &Timeline, epoch: EpochName) -> Option<u64> {
    let mut epochs = timeline.manifest.epochs.iter();
    let found = epochs.find(|one| EpochName::of(one) == epoch)?;
    (found.reason == EpochReason::Truncate).then_some(found.first_position)
}

/// Leaves out what earlier epochs have of the log that was cut off: segments that this epoch has replaced or that came
/// after them, and snapshots of later states.
fn leave_out_cut_off(
    store: &Store,
    files: &mut BTreeMap<String, VirtualFile>,
    objects: &EpochObjects,
    first_position: u64,
) -> Result<(), ArchiveError> {
    if let Some(first) = objects.first_segment() {
        files.retain(|name, _| parse_segment_name(name).is_none_or(|segment| segment < first));
    }
    let snapshots: Vec<(String, u64)> =
        files.keys().filter_map(|name| Some((name.clone(), parse_snapshot_name(name)?))).collect();
    for (name, op) in snapshots {
        let Some(extent) = files.get(&name).and_then(|file| file.extents.first()) else { continue };
        let head = store.read(&extent.path, 0, length(snapshot::HEAD_BYTES))?;
        // One that cannot be read is judged by its op, which is never above its position.
        let position = SnapshotHeader::decode(&head).map_or(op, |header| header.position);
        if position >= first_position {
            files.remove(&name);
        }
    }
    Ok(())
}

impl ArchiveView {
    /// Finds the objects of a timeline. The header of each segment is read.
    ///
    /// # Errors
    /// [`ArchiveError`], [`ArchiveError::Gap`] among them.
    pub fn open(store: Arc<Store>, contents: &Contents, timeline: &Timeline) -> Result<Self, ArchiveError> {
        let mut files: BTreeMap<String, VirtualFile> = BTreeMap::new();
        let mut gaps = BTreeMap::new();
        for epoch in &timeline.epochs {
            let Some(objects) = contents.objects(timeline.log_uuid, *epoch) else { continue };
            let extent = |offset: u64, bytes: u64, name: &str| Extent {
                offset,
                bytes,
                path: path(timeline.log_uuid, *epoch, name),
            };
            if let Some(first_position) = cut_before(timeline, *epoch) {
                leave_out_cut_off(&store, &mut files, objects, first_position)?;
                let first = objects.first_segment().unwrap_or(u64::MAX);
                gaps.retain(|segment, _| *segment < first);
            }
            for (segment, bytes) in &objects.segments {
                let name = segment_of(*segment);
                files.insert(name.clone(), VirtualFile::of(extent(0, *bytes, &name)));
                gaps.remove(segment);
            }
            for (segment, file) in joined_pieces(objects, &extent) {
                let name = segment_of(segment);
                // A start in a new epoch may have replaced a segment of an earlier one.
                files.remove(&name);
                gaps.remove(&segment);
                match file {
                    Ok(file) => drop(files.insert(name, file)),
                    Err(gap) => drop(gaps.insert(segment, gap)),
                }
            }
            for (op, bytes) in &objects.snapshots {
                let name = snapshot_name(*op);
                files.insert(name.clone(), VirtualFile::of(extent(0, *bytes, &name)));
            }
            for (file, bytes) in &objects.addresses {
                let name = file.name();
                files.insert(name.clone(), VirtualFile::of(extent(0, *bytes, &name)));
            }
        }
        // Only the newest segment is needed by every state that can be restored.
        if let Some((segment, gap)) = gaps.pop_last()
            && files.keys().filter_map(|name| parse_segment_name(name)).all(|other| other < segment)
        {
            return Err(gap);
        }
        let mut view = Self { store, files, manifest: timeline.manifest.encode() };
        view.read_heads()?;
        view.leave_out_before_gap(timeline)?;
        Ok(view)
    }

    /// Leaves out what is before the last gap in the log: it cannot be read across it. A gap arises when a server trims its
    /// log before it was archived.
    fn leave_out_before_gap(&mut self, timeline: &Timeline) -> Result<(), ArchiveError> {
        let mut sequences: Vec<u64> = self.files.keys().filter_map(|name| parse_segment_name(name)).collect();
        sequences.sort_unstable();
        let mut pairs = sequences.windows(2).rev().map(|pair| (pair[0], pair[1]));
        let gap = pairs.find(|(earlier, later)| *later != earlier + 1 || self.is_short(*earlier, *later));
        let Some((_, first)) = gap else { return Ok(()) };
        self.files.retain(|name, _| parse_segment_name(name).is_none_or(|sequence| sequence >= first));
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

    /// Whether the archive lacks the end of a segment that the next one records.
    fn is_short(&self, segment: u64, next: u64) -> bool {
        let file = |segment| self.files.get(&segment_of(segment));
        let (Some(file), Some(next)) = (file(segment), file(next)) else { return false };
        next.previous_end > file.archived_bytes()
    }

    /// Reads the head blocks of the segments. A segment has the length that its header gives, although the unused rest was
    /// not archived.
    fn read_heads(&mut self) -> Result<(), ArchiveError> {
        let segments = self.files.keys().filter(|name| parse_segment_name(name).is_some());
        for name in segments.cloned().collect::<Vec<_>>() {
            let file = self.open_to_read(&name, ReadFrom::Cache)?;
            let mut head = vec![0; FRAMES_OFFSET];
            file.read_at(0, &mut head)?;
            let (block, opening) = head.split_at(OPENING_OFFSET);
            // A damaged header is found by whoever reads the segment.
            if let (Ok(header), Some(file)) = (SegmentHeader::decode(block), self.files.get_mut(&name)) {
                file.bytes = file.bytes.max(header.segment_bytes.min(SEGMENT_BYTES_MAX));
                file.previous_end = SegmentOpening::decode(opening, header.salt)
                    .map_or(0, |(opening, _)| opening.previous.end_offset);
            }
        }
        Ok(())
    }
}

/// The segments of which an epoch has pieces only, or what is missing of them. Bytes that two pieces have are the same in
/// both.
fn joined_pieces(
    objects: &EpochObjects,
    extent: &impl Fn(u64, u64, &str) -> Extent,
) -> BTreeMap<u64, Result<VirtualFile, ArchiveError>> {
    let mut joined: BTreeMap<u64, Result<VirtualFile, ArchiveError>> = BTreeMap::new();
    for ((segment, offset), bytes) in &objects.parts {
        // A completed segment replaces its pieces, which are removed after it was written.
        if objects.segments.contains_key(segment) {
            continue;
        }
        let entry = joined.entry(*segment).or_insert_with(|| Ok(VirtualFile::default()));
        let Ok(file) = entry else { continue };
        let end = offset.saturating_add(*bytes);
        if *offset > file.bytes {
            *entry = Err(ArchiveError::Gap { segment: segment_of(*segment), from: file.bytes, to: *offset });
        } else if end > file.bytes {
            file.extents.push(extent(*offset, *bytes, &part_name(*segment, *offset)));
            file.bytes = end;
        }
    }
    joined
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
    fn piece_at(&self, offset: u64, needed: usize) -> Result<bytes::Bytes, StorageError> {
        let mut piece = self.piece.lock();
        let (begin, bytes) = &*piece;
        let end = begin + length(bytes.len());
        if offset >= *begin && offset < end {
            return Ok(bytes.slice(index(offset - begin)..));
        }
        // Only what is read in order is read ahead: of many files only the head is wanted.
        let ahead = if offset == end { bytes.len().saturating_mul(4).min(PIECE_BYTES) } else { 0 };
        let extents = &self.file.extents;
        let at = extents.partition_point(|extent| extent.offset <= offset).saturating_sub(1);
        let extent = &extents[at];
        let inner = offset - extent.offset;
        let wanted = length(ahead.max(needed)).min(extent.bytes - inner);
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
        let archived = self.file.archived_bytes();
        let wanted = buffer.len().min(index(self.file.bytes.saturating_sub(offset)));
        let mut filled = 0;
        while filled < wanted {
            let at = offset + length(filled);
            let rest = &mut buffer[filled..wanted];
            if at >= archived {
                rest.fill(0);
                return Ok(wanted);
            }
            let piece = self.piece_at(at, rest.len())?;
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
