//! The search behind an invalid frame: is there anything that proves it was once valid? The decision what that means is the
//! reader's; this file only looks.

use super::frame::{FrameFault, FrameHead, block_at};
use super::segment::SegmentHeader;
use crate::storage::layout::BLOCK_BYTES;
use crate::storage::width::{index, length};
use crate::storage::{ReadableFile, StorageError};

const WINDOW_BYTES: usize = 1 << 20;

/// Whether a block of an unopened segment, from `offset` on, begins with a frame head of this use of it: at its own place or
/// not, with fields in range or not.
///
/// Nobody but a writer that had opened the segment knows its salt, so any head with that salt and a matching checksum proves
/// that it was in use.
pub fn holds_frames(
    file: &dyn ReadableFile,
    header: &SegmentHeader,
    offset: u64,
) -> Result<bool, StorageError> {
    let is_of_this_use =
        |head: Result<FrameHead, FrameFault>, _| head.map_or_else(|fault| !fault.may_be_torn(), |_| true);
    Ok(find_head(file, header, offset, is_of_this_use)?.is_some())
}

/// Looks at each block from `offset` on for a whole frame head of this use of the segment, at its own place, that was written
/// when more than `hole_block` blocks were already durable. Answers where it stands.
///
/// Such a head proves that the frame in block `hole_block` had been acknowledged. One with a lower mark proves nothing: with
/// `durability = interval` a later block may reach the medium before an earlier one. A head is proof enough without its payload.
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
