//! Which segments at the end of the log hold nothing: a start puts one new segment in their place instead of adding another. It only
//! looks.

use super::LogError;
use super::frame::{FrameHead, FrameKind, block_at};
use super::frame_search::holds_frames;
use super::segment::segment_name;
use super::segment_list::UsedSegment;
use crate::storage::layout::{BLOCK_BYTES, FRAMES_OFFSET, frame};
use crate::storage::width::{is_zero, length, u64_at};
use crate::storage::{ReadFrom, SharedStorage};

/// The blank segments among those `without_records`, which end the log, oldest first: those behind which there is none that holds anything.
pub(super) fn blank_run(
    storage: &SharedStorage,
    without_records: &[UsedSegment],
) -> Result<Vec<UsedSegment>, LogError> {
    let mut begin = without_records.len();
    while begin > 0 && is_blank(storage, &without_records[begin - 1])? {
        begin -= 1;
    }
    Ok(without_records[begin..].to_vec())
}

/// Whether nothing was ever written behind the opening, or the end frame of a clean stop alone. What may be a torn write is not
/// blank: its bytes are evidence.
fn is_blank(storage: &SharedStorage, segment: &UsedSegment) -> Result<bool, LogError> {
    let file = storage.open_to_read(&segment_name(segment.header.sequence), ReadFrom::Cache)?;
    let mut block = vec![0; BLOCK_BYTES];
    let read = file.read_at(length(FRAMES_OFFSET), &mut block)?;
    let rest_offset = length(FRAMES_OFFSET + BLOCK_BYTES);
    if read < BLOCK_BYTES {
        return Ok(false);
    }
    let is_untouched = match FrameHead::decode(&block, segment.header.salt) {
        Ok(head) => is_first_end_frame(&head, &block, segment),
        Err(_) => is_zero(&block) || is_stale(&block),
    };
    Ok(is_untouched && !holds_frames(file.as_ref(), &segment.header, rest_offset)?)
}

fn is_first_end_frame(head: &FrameHead, block: &[u8], segment: &UsedSegment) -> bool {
    head.kind == FrameKind::End
        && head.placement.block == block_at(length(FRAMES_OFFSET))
        && head.placement.first_position == segment.opening.first_position
        && head.placement.previous == segment.opening_chain
        && head.check_body(block).is_ok()
}

/// Whether the block is the beginning of a frame of an earlier use of the file. A sector is written wholly or not at all, so no part of
/// a frame of this use has come over it.
fn is_stale(block: &[u8]) -> bool {
    FrameHead::decode(block, u64_at(block, frame::SALT_AT)).is_ok()
}
