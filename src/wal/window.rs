//! Reads a segment in large pieces and checks single frames in them. The caller decides what an invalid frame means.

use super::frame::{FrameFault, FrameHead, block_at};
use super::segment_list::UsedSegment;
use crate::storage::layout::{BLOCK_BYTES, FRAME_BYTES_MAX};
use crate::storage::width::{index, length};
use crate::storage::{ReadableFile, StorageError};

/// The piece of the file that was read last.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    offset: u64,
    filled: usize,
}

const WINDOW_BYTES: usize = 2 << 20;
const _: () = assert!(WINDOW_BYTES >= FRAME_BYTES_MAX);

impl Window {
    /// An empty window for segments up to this length.
    pub(super) fn new(segment_bytes: u64) -> Self {
        let bytes = vec![0; WINDOW_BYTES.min(index(segment_bytes))];
        Self { bytes, offset: 0, filled: 0 }
    }

    /// Discards the contents, for another file.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }

    /// Bytes of the piece that was read last.
    pub(super) fn held(&self, offset: u64, bytes: usize) -> &[u8] {
        let start = index(offset - self.offset);
        &self.bytes[start..start + bytes]
    }

    /// All bytes of the piece from `offset` on.
    pub(super) fn bytes_from(&self, offset: u64) -> &[u8] {
        let start = index(offset.saturating_sub(self.offset)).min(self.filled);
        &self.bytes[start..self.filled]
    }

    /// Up to `wanted` bytes from `offset` on; fewer at the end of the file.
    fn get(&mut self, file: &dyn ReadableFile, offset: u64, wanted: usize) -> Result<&[u8], StorageError> {
        let inside = offset >= self.offset && offset + length(wanted) <= self.offset + length(self.filled);
        if !inside {
            self.filled = 0;
            self.filled = file.read_at(offset, &mut self.bytes)?;
            self.offset = offset;
        }
        let start = index(offset - self.offset);
        Ok(&self.bytes[start..self.filled.min(start + wanted)])
    }
}

/// Reads and checks the frame at `offset`. It must begin with the given position and follow the frame with the given
/// checksum.
pub(super) fn read_frame(
    file: &dyn ReadableFile,
    window: &mut Window,
    offset: u64,
    segment: &UsedSegment,
    (next_position, chain): (u64, u64),
) -> Result<Result<FrameHead, FrameFault>, StorageError> {
    let block = window.get(file, offset, BLOCK_BYTES)?;
    if block.len() < BLOCK_BYTES {
        return Ok(Err(FrameFault::Zero));
    }
    let head = match FrameHead::decode(block, segment.header.salt) {
        Ok(head) => head,
        #[cfg(feature = "mutants")]
        Err(_) if crate::mutant::is(crate::mutant::Mutant::AcceptsStaleFrames) => {
            return stale_frame(window, file, offset, next_position);
        }
        Err(fault) => return Ok(Err(fault)),
    };
    if head.placement.block != block_at(offset) {
        return Ok(Err(FrameFault::Place { block: head.placement.block }));
    }
    if head.placement.first_position != next_position {
        return Ok(Err(FrameFault::Position {
            found: head.placement.first_position,
            expected: next_position,
        }));
    }
    if head.placement.previous != chain {
        return Ok(Err(FrameFault::Chain));
    }
    let bytes = window.get(file, offset, head.frame_bytes())?;
    if bytes.len() < head.frame_bytes() {
        return Ok(Err(FrameFault::Length));
    }
    Ok(head.check_body(bytes).map(|()| head))
}

/// Accepts a frame of an earlier use of the file as the next frame.
#[cfg(feature = "mutants")]
fn stale_frame(
    window: &mut Window,
    file: &dyn ReadableFile,
    offset: u64,
    next_position: u64,
) -> Result<Result<FrameHead, FrameFault>, StorageError> {
    use crate::storage::layout::frame::SALT_AT;
    let block = window.get(file, offset, BLOCK_BYTES)?.to_vec();
    let salt = crate::storage::width::u64_at(&block, SALT_AT);
    let mut head = match FrameHead::decode(&block, salt) {
        Ok(head) => head,
        Err(fault) => return Ok(Err(fault)),
    };
    head.placement.first_position = next_position;
    let bytes = window.get(file, offset, head.frame_bytes())?;
    if bytes.len() < head.frame_bytes() {
        return Ok(Err(FrameFault::Length));
    }
    Ok(head.check_body(bytes).map(|()| head))
}
