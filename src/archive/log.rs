//! Archives the log of a data directory: completed segments, and pieces of the segment in use. While something large is
//! copied, the log goes on in pieces, so that nothing waits for the copy.

use super::ArchiveError;
use super::names::{EpochName, part_name, path};
use super::pass::{Archiver, Between, Completed, Run, epoch_of, read_range};
use crate::storage::layout::FRAMES_OFFSET;
use crate::storage::width::length;
use crate::storage::{ReadFrom, ReadableFile, StorageError};
use crate::wal::segment::segment_name;
use crate::wal::segment_list::UsedSegment;
use crate::wal::{SegmentList, SegmentTail};

/// The number of pieces of a completed segment that one pass removes. There may be thousands, and nothing needs it soon.
const PIECES_REMOVED_MAX: usize = 256;

impl Archiver {
    /// Archives what is missing of the log, oldest first.
    pub(super) fn archive_log(
        &mut self,
        run: &mut Run<'_>,
        completed: Completed,
    ) -> Result<(), ArchiveError> {
        let last_position = run.guide.last_position();
        let segments = SegmentList::read(self.files.as_ref(), run.manifest.log_uuid, true)?;
        for (at, segment) in segments.used.iter().enumerate() {
            let Some(epoch) = epoch_of(run.manifest, segment.opening.epoch) else { continue };
            let Some(next) = segments.used.get(at + 1) else {
                self.archive_tail(run, epoch, segment, last_position)?;
                break;
            };
            if !self.is_removed(next) {
                self.archive_completed(run, (epoch, segment, next), completed)?;
            }
            run.passed.last_position = next.opening.previous.last_position;
            run.guide.written(run.passed.bytes);
        }
        run.guide.log_archived(&run.passed);
        Ok(())
    }

    /// Copies the completed segments of which the archive has pieces only, and removes the pieces.
    pub(super) fn join_pieces(&mut self, run: &mut Run<'_>) -> Result<(), ArchiveError> {
        let log_uuid = run.manifest.log_uuid;
        let segments = SegmentList::read(self.files.as_ref(), log_uuid, true)?;
        for pair in segments.used.windows(2) {
            let (segment, next) = (&pair[0], &pair[1]);
            let Some(epoch) = epoch_of(run.manifest, segment.opening.epoch) else { continue };
            let sequence = segment.header.sequence;
            let is_joined = self.objects(log_uuid, epoch).segments.contains_key(&sequence);
            if self.is_removed(next)
                || !(is_joined || self.copy_segment(run, epoch, (segment, next), Between::Log)?)
            {
                continue;
            }
            self.remove_pieces(log_uuid, epoch, sequence, PIECES_REMOVED_MAX)?;
            run.guide.written(run.passed.bytes);
        }
        Ok(())
    }

    /// Whether the segment before this one was removed from the archive because nothing needs it.
    fn is_removed(&self, next: &UsedSegment) -> bool {
        self.kept_from.is_some_and(|kept| next.opening.first_position <= kept.position + 1)
    }

    /// Archives what is missing of a segment that has a successor.
    fn archive_completed(
        &mut self,
        run: &mut Run<'_>,
        (epoch, segment, next): (EpochName, &UsedSegment, &UsedSegment),
        completed: Completed,
    ) -> Result<(), ArchiveError> {
        let (log_uuid, sequence) = (run.manifest.log_uuid, segment.header.sequence);
        if self.objects(log_uuid, epoch).segments.contains_key(&sequence) {
            return Ok(());
        }
        let end = end_of(next);
        if next.opening.epoch == segment.opening.epoch {
            self.check_end(log_uuid, epoch, sequence, end)?;
        }
        let file = match self.files.open_to_read(&segment_name(sequence), ReadFrom::Cache) {
            Ok(file) => file,
            // The segment was trimmed since it was listed. A later snapshot makes it unnecessary.
            Err(StorageError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if self.tail.as_ref().is_none_or(|tail| tail.segment() != segment) {
            self.remove_replaced(log_uuid, epoch, segment, file.as_ref())?;
        }
        let (_, archived) = self.pieces(log_uuid, epoch, sequence);
        if archived == 0 && completed == Completed::Whole {
            return self.copy_segment(run, epoch, (segment, next), Between::Nothing).map(drop);
        }
        self.archive_pieces(run, (epoch, sequence), file.as_ref(), archived..end)
    }

    /// Archives a segment as a whole. Returns false if it was trimmed while it was read.
    fn copy_segment(
        &mut self,
        run: &mut Run<'_>,
        epoch: EpochName,
        (segment, next): (&UsedSegment, &UsedSegment),
        between: Between,
    ) -> Result<bool, ArchiveError> {
        let (log_uuid, sequence) = (run.manifest.log_uuid, segment.header.sequence);
        let (name, bytes) = (segment_name(sequence), end_of(next));
        if !self.copy(run, (&name, &path(log_uuid, epoch, &name)), bytes, between)? {
            return Ok(false);
        }
        self.objects(log_uuid, epoch).segments.insert(sequence, bytes);
        run.passed.segments += 1;
        run.passed.bytes += bytes;
        Ok(true)
    }

    /// Archives the new bytes of the segment in use.
    fn archive_tail(
        &mut self,
        run: &mut Run<'_>,
        epoch: EpochName,
        segment: &UsedSegment,
        last_position: u64,
    ) -> Result<(), ArchiveError> {
        let (log_uuid, sequence) = (run.manifest.log_uuid, segment.header.sequence);
        // What the pass before has read is not read again, so it leaves the cache.
        let file = self.files.open_to_read(&segment_name(sequence), ReadFrom::Medium)?;
        let mut tail = match self.tail.take() {
            Some(tail) if tail.segment() == segment => tail,
            Some(_) | None => {
                self.remove_replaced(log_uuid, epoch, segment, file.as_ref())?;
                SegmentTail::new(*segment)
            }
        };
        tail.advance(file.as_ref(), last_position)?;
        let (_, archived) = self.pieces(log_uuid, epoch, sequence);
        self.archive_pieces(run, (epoch, sequence), file.as_ref(), archived..tail.offset())?;
        run.passed.last_position = tail.last_position();
        run.passed.segment_in_use = sequence;
        self.tail = Some(tail);
        Ok(())
    }

    /// Archives a range of a segment as pieces.
    fn archive_pieces(
        &mut self,
        run: &mut Run<'_>,
        (epoch, sequence): (EpochName, u64),
        file: &dyn ReadableFile,
        range: std::ops::Range<u64>,
    ) -> Result<(), ArchiveError> {
        let log_uuid = run.manifest.log_uuid;
        let mut begin = range.start;
        while begin < range.end {
            let end = range.end.min(begin + length(self.store().piece_bytes()));
            let bytes = read_range(file, begin, end)?;
            // A segment is renamed before it is reused, so while it has its name, what was read was right.
            if length(bytes.len()) < end - begin || self.file_bytes(&segment_name(sequence))?.is_none() {
                return Ok(());
            }
            self.write(&path(log_uuid, epoch, &part_name(sequence, begin)), bytes)?;
            self.objects(log_uuid, epoch).parts.insert((sequence, begin), end - begin);
            run.passed.parts += 1;
            run.passed.bytes += end - begin;
            begin = end;
        }
        Ok(())
    }
}

/// The end of the segment before this one.
fn end_of(next: &UsedSegment) -> u64 {
    next.opening.previous.end_offset.max(length(FRAMES_OFFSET))
}
