//! Searches the blocks after an invalid frame for a frame that proves that the invalid one was once valid.
//! [`super::LogReader`] decides what a result means.

use super::frame::{FrameFault, FrameHead, block_at};
use super::segment::SegmentHeader;
use crate::storage::layout::BLOCK_BYTES;
use crate::storage::width::{index, length};
use crate::storage::{ReadableFile, StorageError};

const WINDOW_BYTES: usize = 1 << 20;

/// Whether any block of an unopened segment, from `offset` on, begins with a frame head of the current use of the
/// segment. The head may be in the wrong place and its fields may be out of range.
///
/// Only a writer that has opened the segment knows its salt. So any head with that salt and a matching checksum proves
/// that the segment was in use.
pub fn holds_frames(
    file: &dyn ReadableFile,
    header: &SegmentHeader,
    offset: u64,
) -> Result<bool, StorageError> {
    let is_of_this_use =
        |head: Result<FrameHead, FrameFault>, _| head.map_or_else(|fault| !fault.may_be_torn(), |_| true);
    Ok(find_head(file, header, offset, is_of_this_use)?.is_some())
}

/// Searches each block from `offset` on for a valid frame head of the current use of the segment, at its own place,
/// that was written when more than `hole_block` blocks were already durable. Returns its offset.
///
/// Such a head proves that the frame in block `hole_block` had been acknowledged. A head with a lower mark proves
/// nothing, because with `durability = interval` a later block may reach the medium before an earlier one. The payload
/// of the found frame does not matter.
pub fn find_frame(
    file: &dyn ReadableFile,
    header: &SegmentHeader,
    offset: u64,
    hole_block: u32,
) -> Result<Option<u64>, StorageError> {
    find_head(file, header, offset, |head, at| {
        head.is_ok_and(|head| {
            head.placement.block == block_at(at) && head.placement.synced_block > hole_block
        })
    })
}

fn find_head(
    file: &dyn ReadableFile,
    header: &SegmentHeader,
    offset: u64,
    is_it: impl Fn(Result<FrameHead, FrameFault>, u64) -> bool,
) -> Result<Option<u64>, StorageError> {
    let mut window = vec![0; WINDOW_BYTES.min(index(header.segment_bytes))];
    let mut start = offset;
    while start < header.segment_bytes {
        let wanted = index((header.segment_bytes - start).min(length(window.len())));
        let read = file.read_at(start, &mut window[..wanted])?;
        for (place, block) in window[..read].chunks_exact(BLOCK_BYTES).enumerate() {
            let at = start + length(place * BLOCK_BYTES);
            if is_it(FrameHead::decode(block, header.salt), at) {
                return Ok(Some(at));
            }
        }
        if read < wanted {
            break;
        }
        start += length(wanted);
    }
    Ok(None)
}
