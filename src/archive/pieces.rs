//! The pieces of the segment in use: whether those in the archive are pieces of the segment that the data directory has.
//! A start replaces a segment in which nothing was logged by another one with the same number.

use uuid::Uuid;

use super::ArchiveError;
use super::names::{EpochName, part_name, path, segment_of};
use super::pass::Archiver;
use super::view::Bytes;
use crate::storage::ReadableFile;
use crate::storage::layout::{FRAME_BYTES_MAX, FRAMES_OFFSET, opening};
use crate::storage::width::length;
use crate::wal::segment_list::UsedSegment;
use crate::wal::{SegmentHeader, SegmentOpening, SegmentTail};

impl Archiver {
    /// The offsets of the archived pieces of a segment, and the end of the bytes that follow each other.
    pub(super) fn pieces(&mut self, log_uuid: Uuid, epoch: EpochName, sequence: u64) -> (Vec<u64>, u64) {
        let (mut offsets, mut end) = (Vec::new(), 0);
        let parts = &self.objects(log_uuid, epoch).parts;
        for ((_, offset), bytes) in parts.range((sequence, 0)..=(sequence, u64::MAX)) {
            offsets.push(*offset);
            if *offset <= end {
                end = end.max(offset + bytes);
            }
        }
        (offsets, end)
    }

    /// Removes the archived pieces of a segment, at most so many.
    pub(super) fn remove_pieces(
        &mut self,
        log_uuid: Uuid,
        epoch: EpochName,
        sequence: u64,
        most: usize,
    ) -> Result<(), ArchiveError> {
        let (offsets, _) = self.pieces(log_uuid, epoch, sequence);
        // The last one first, so that what an error leaves is a beginning.
        for offset in offsets.into_iter().rev().take(most) {
            self.store().remove(&path(log_uuid, epoch, &part_name(sequence, offset)))?;
            self.objects(log_uuid, epoch).parts.remove(&(sequence, offset));
        }
        Ok(())
    }

    /// Removes the archived pieces of a segment that this one has replaced.
    ///
    /// # Errors
    /// [`ArchiveError::OtherRecords`] if they have records.
    pub(super) fn remove_replaced(
        &mut self,
        log_uuid: Uuid,
        epoch: EpochName,
        segment: &UsedSegment,
        file: &dyn ReadableFile,
    ) -> Result<(), ArchiveError> {
        let sequence = segment.header.sequence;
        let (_, end) = self.pieces(log_uuid, epoch, sequence);
        if end == 0 {
            return Ok(());
        }
        let mut local = vec![0; FRAMES_OFFSET];
        file.read_at(0, &mut local)?;
        let beginning = self.beginning(log_uuid, epoch, sequence, end)?;
        if beginning.get(..FRAMES_OFFSET) == Some(&local[..]) {
            return Ok(());
        }
        if has_records(beginning)? {
            return Err(other_records(log_uuid, epoch, sequence));
        }
        self.remove_pieces(log_uuid, epoch, sequence, usize::MAX)
    }

    /// Checks that the archived pieces of a segment have no records after its end.
    ///
    /// # Errors
    /// [`ArchiveError::OtherRecords`].
    pub(super) fn check_end(
        &mut self,
        log_uuid: Uuid,
        epoch: EpochName,
        sequence: u64,
        end_offset: u64,
    ) -> Result<(), ArchiveError> {
        let (_, end) = self.pieces(log_uuid, epoch, sequence);
        if end <= end_offset {
            return Ok(());
        }
        let beginning = self.beginning(log_uuid, epoch, sequence, end)?;
        if has_records(beginning)? { Err(other_records(log_uuid, epoch, sequence)) } else { Ok(()) }
    }

    /// The archived head blocks and the first frame of a segment.
    fn beginning(
        &self,
        log_uuid: Uuid,
        epoch: EpochName,
        sequence: u64,
        end: u64,
    ) -> Result<Vec<u8>, ArchiveError> {
        let wanted = end.min(length(FRAMES_OFFSET + FRAME_BYTES_MAX));
        let mut beginning = Vec::new();
        while length(beginning.len()) < wanted {
            let offset = length(beginning.len());
            let objects = self.known_objects(log_uuid, epoch);
            let mut parts =
                objects.iter().flat_map(|one| one.parts.range((sequence, 0)..=(sequence, offset)));
            let covering = parts.rfind(|((_, begin), bytes)| begin + **bytes > offset);
            let Some(((_, piece), _)) = covering else { break };
            let piece = *piece;
            let at = path(log_uuid, epoch, &part_name(sequence, piece));
            let read = self.store().read(&at, offset - piece, wanted - offset)?;
            if read.is_empty() {
                break;
            }
            beginning.extend_from_slice(&read);
        }
        Ok(beginning)
    }
}

fn other_records(log_uuid: Uuid, epoch: EpochName, sequence: u64) -> ArchiveError {
    let name = segment_of(sequence);
    let segment = path(log_uuid, epoch, name.split('.').next().unwrap_or_default());
    ArchiveError::OtherRecords { segment }
}

/// Whether a record follows the head blocks.
fn has_records(beginning: Vec<u8>) -> Result<bool, ArchiveError> {
    let Some((header, block)) =
        beginning.get(..FRAMES_OFFSET).map(|head| head.split_at(opening::OPENING_OFFSET))
    else {
        return Ok(false);
    };
    let Ok(header) = SegmentHeader::decode(header) else { return Ok(false) };
    let Ok((opening, opening_chain)) = SegmentOpening::decode(block, header.salt) else { return Ok(false) };
    let before = opening.previous.last_position;
    let mut tail = SegmentTail::new(UsedSegment { header, opening, opening_chain });
    tail.advance(&Bytes(beginning), u64::MAX)?;
    Ok(tail.last_position() > before)
}
