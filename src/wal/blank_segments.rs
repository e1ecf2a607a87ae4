//! Finds the segments without content at the end of the log. A start replaces them with one new segment instead of
//! adding another. This module only reads.

use super::LogError;
use super::frame::{FrameHead, FrameKind, block_at};
use super::frame_search::holds_frames;
use super::segment::segment_name;
use super::segment_list::UsedSegment;
use crate::storage::layout::{BLOCK_BYTES, FRAMES_OFFSET, frame};
use crate::storage::width::{is_zero, length, u64_at};
use crate::storage::{ReadFrom, SharedStorage};

/// Returns the blank segments among `without_records`, oldest first. `without_records` are the last segments of the
/// log, and no segment after a blank one has content.
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

/// Whether nothing was ever written after the opening, except perhaps the end frame of a clean stop. A possible torn
/// write is not blank, because its bytes are evidence.
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

/// Whether the block is the beginning of a frame from an earlier use of the file. Sectors are written atomically, so no
/// part of a frame of this use has overwritten it.
fn is_stale(block: &[u8]) -> bool {
    FrameHead::decode(block, u64_at(block, frame::SALT_AT)).is_ok()
}
