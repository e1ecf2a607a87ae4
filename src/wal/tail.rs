//! Follows the frames of one segment while a server may be appending to it: how many of its bytes are a valid prefix.
//! An invalid frame ends the prefix for now; whether it is damage is for the reader to judge.

use super::segment_list::UsedSegment;
use super::window::{Window, read_frame};
use crate::storage::layout::FRAMES_OFFSET;
use crate::storage::width::length;
use crate::storage::{ReadableFile, StorageError};

/// The valid prefix of a segment.
#[derive(Debug)]
pub struct SegmentTail {
    segment: UsedSegment,
    window: Window,
    offset: u64,
    next_position: u64,
    chain: u64,
}

impl SegmentTail {
    /// Begins before the first frame.
    #[must_use]
    pub fn new(segment: UsedSegment) -> Self {
        Self {
            segment,
            window: Window::new(segment.header.segment_bytes),
            offset: length(FRAMES_OFFSET),
            next_position: segment.opening.first_position,
            chain: segment.opening_chain,
        }
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> &UsedSegment {
        &self.segment
    }

    /// The offset after the last frame that was found valid.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The checksum of the last frame in the prefix, or of the opening.
    #[must_use]
    pub fn chain(&self) -> u64 {
        self.chain
    }

    /// The position of the last record in the prefix, or before the segment.
    #[must_use]
    pub fn last_position(&self) -> u64 {
        self.next_position - 1
    }

    /// Passes the valid frames whose records are all at or before `last_position`.
    ///
    /// # Errors
    /// [`StorageError`] if the file cannot be read.
    pub fn advance(&mut self, file: &dyn ReadableFile, last_position: u64) -> Result<(), StorageError> {
        // What was read before may have been written since.
        self.window.forget();
        loop {
            let after = (self.next_position, self.chain);
            let Ok(head) = read_frame(file, &mut self.window, self.offset, &self.segment, after)? else {
                return Ok(());
            };
            let next_position = self.next_position + u64::from(head.records);
            if next_position > last_position.saturating_add(1) {
                return Ok(());
            }
            self.offset += length(head.frame_bytes());
            (self.next_position, self.chain) = (next_position, head.checksum);
        }
    }
}
