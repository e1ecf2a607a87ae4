//! Reads a log for `stockhold log dump`, as far as possible and without judging it. After an invalid frame it continues
//! block by block, so that everything in the file can be seen. [`super::LogReader`] decides what an invalid frame
//! means.

use uuid::Uuid;

use super::LogError;
use super::frame::{FrameFault, FrameHead, FrameKind, block_at};
use super::segment::{SegmentHeader, SegmentOpening, segment_name};
use super::segment_list::{SegmentList, UsedSegment, read_header};
use crate::storage::layout::{BLOCK_BYTES, FRAMES_OFFSET};
use crate::storage::width::length;
use crate::storage::{ReadFrom, ReadableFile, SharedReadStorage};

/// Something found in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DumpItem {
    /// The two head blocks.
    Heads {
        /// Block 0.
        header: SegmentHeader,
        /// Block 1; `None` in a segment that was never used.
        opening: Option<SegmentOpening>,
    },
    /// A valid frame.
    Frame {
        /// Whether it is a batch or an end frame.
        kind: FrameKind,
        /// The position of its first record.
        first_position: u64,
        /// The number of records.
        records: u32,
        /// The payload.
        payload: Vec<u8>,
    },
    /// Consecutive blocks that are not frames.
    Gap {
        /// The length of these blocks.
        bytes: u64,
        /// Why the first of them is not a frame.
        fault: FrameFault,
    },
}

/// An item with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpEntry {
    /// The segment that contains it.
    pub segment: u64,
    /// The offset of its first byte.
    pub offset: u64,
    /// The item itself.
    pub item: DumpItem,
}

/// Reads all segments. Each frame is checked by itself, not against the frame before it.
#[derive(Debug)]
pub struct LogDump {
    storage: SharedReadStorage,
    segments: Vec<(SegmentHeader, Option<SegmentOpening>)>,
    index: usize,
    file: Option<Box<dyn ReadableFile>>,
    offset: u64,
    bytes_before: u64,
}

impl LogDump {
    /// Begins with the segment that contains `from_position`, or with the oldest one.
    pub fn open(storage: SharedReadStorage, log_uuid: Uuid, from_position: u64) -> Result<Self, LogError> {
        let segments = SegmentList::read(storage.as_ref(), log_uuid, true)?;
        let index = segments
            .used
            .partition_point(|segment| segment.opening.first_position <= from_position)
            .saturating_sub(1);
        let used = segments.used.iter().map(|UsedSegment { header, opening, .. }| (*header, Some(*opening)));
        let segments = used.chain(segments.unused.map(|unused| (unused.header, None))).collect();
        Ok(Self { storage, segments, index, file: None, offset: 0, bytes_before: 0 })
    }

    /// The next item; `None` after the last segment.
    pub fn next_entry(&mut self) -> Result<Option<DumpEntry>, LogError> {
        let Some((header, opening)) = self.segments.get(self.index).copied() else { return Ok(None) };
        let segment = header.sequence;
        let Some(file) = self.file.take() else {
            let file = self.storage.open_to_read(&segment_name(segment), ReadFrom::Cache)?;
            read_header(file.as_ref(), segment)?;
            self.file = Some(file);
            self.offset = length(FRAMES_OFFSET);
            return Ok(Some(DumpEntry { segment, offset: 0, item: DumpItem::Heads { header, opening } }));
        };
        let offset = self.offset;
        if offset >= header.segment_bytes {
            self.bytes_before += header.segment_bytes;
            self.index += 1;
            self.offset = 0;
            return self.next_entry();
        }
        let item = match frame_at(file.as_ref(), &header, offset)? {
            Ok((head, payload)) => {
                self.offset += length(head.frame_bytes());
                DumpItem::Frame {
                    kind: head.kind,
                    first_position: head.placement.first_position,
                    records: head.records,
                    payload,
                }
            }
            Err(fault) => {
                self.offset += length(BLOCK_BYTES);
                while self.offset < header.segment_bytes
                    && frame_at(file.as_ref(), &header, self.offset)?.is_err()
                {
                    self.offset += length(BLOCK_BYTES);
                }
                DumpItem::Gap { bytes: self.offset - offset, fault }
            }
        };
        self.file = Some(file);
        Ok(Some(DumpEntry { segment, offset, item }))
    }

    /// The bytes read so far, and the bytes in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let all = self.segments.iter().map(|(header, _)| header.segment_bytes).sum();
        (self.bytes_before + self.offset, all)
    }
}

type Whole = (FrameHead, Vec<u8>);

fn frame_at(
    file: &dyn ReadableFile,
    header: &SegmentHeader,
    offset: u64,
) -> Result<Result<Whole, FrameFault>, LogError> {
    let mut bytes = vec![0; BLOCK_BYTES];
    if file.read_at(offset, &mut bytes)? < BLOCK_BYTES {
        return Ok(Err(FrameFault::Length));
    }
    let head = match FrameHead::decode(&bytes, header.salt) {
        Ok(head) => head,
        Err(fault) => return Ok(Err(fault)),
    };
    if head.placement.block != block_at(offset) {
        return Ok(Err(FrameFault::Place { block: head.placement.block }));
    }
    bytes.resize(head.frame_bytes(), 0);
    if file.read_at(offset, &mut bytes)? < head.frame_bytes() {
        return Ok(Err(FrameFault::Length));
    }
    Ok(head.check_body(&bytes).map(|()| (head, head.payload_of(&bytes).to_vec())))
}
