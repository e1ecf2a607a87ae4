//! Cuts the log of a data directory after a batch. The new manifest decides: with it, the records after the cut are no
//! part of the log. What is left of them is removed afterwards, or by the next process that opens the directory.
//!
//! The segment with the cut keeps its bytes. The segment after it is a new one in the new epoch; it records where the
//! log before it ends, and what follows that end is never read.

use super::{Directory, DirectoryError, EpochReason, Manifest, list_snapshots, push_epoch};
use crate::snapshot::{LogPoint, SnapshotReader, snapshot_name};
use crate::storage::memory::scramble;
use crate::storage::{ReadFrom, ReadStorage, SharedStorage};
use crate::wal::preparer::prepare_opened;
use crate::wal::segment::segment_name;
use crate::wal::segment_list::{UsedSegment, list_segments};
use crate::wal::{Durability, EndReason, LogError, PreviousEnd, SegmentList, SegmentOpening, SegmentTail};

/// Where a log is cut, and which files have something after the cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The last op that stays, and its position.
    pub point: LogPoint,
    /// The segment in which the log will end.
    segment: UsedSegment,
    /// Where it will end.
    end: PreviousEnd,
    /// The segments with bytes after the cut, oldest first. The first of them may be the one in which the log will end.
    pub segments: Vec<u64>,
    /// The snapshots of states after the cut, oldest first.
    pub snapshots: Vec<u64>,
}

impl Cut {
    /// Finds the cut after a point of the log. Segments that cannot be read do not matter if they come after it.
    ///
    /// # Errors
    /// [`DirectoryError::WithinBatch`] if no batch ends at the point.
    pub fn find(
        storage: &dyn ReadStorage,
        manifest: &Manifest,
        point: LogPoint,
    ) -> Result<Self, DirectoryError> {
        let sequences = list_segments(&storage.list()?);
        let (runs, mut faults) = SegmentList::read_runs(storage, manifest.log_uuid, &sequences);
        let unused: Vec<u64> =
            runs.iter().filter_map(|run| run.unused.map(|unused| unused.header.sequence)).collect();
        let used: Vec<UsedSegment> = runs.into_iter().flat_map(|run| run.used).collect();
        let at = used.partition_point(|segment| segment.opening.first_position <= point.position);
        let Some(segment) = used.get(at.saturating_sub(1)).copied() else {
            return Err(faults.pop().map_or(LogError::NoSegments, |(_, fault)| fault).into());
        };
        let (need_position, oldest_position) = (point.position + 1, segment.opening.first_position);
        if oldest_position > need_position {
            return Err(LogError::Missing { need_position, oldest_position }.into());
        }
        let sequence = segment.header.sequence;
        let file = storage.open_to_read(&segment_name(sequence), ReadFrom::Medium)?;
        let mut tail = SegmentTail::new(segment);
        tail.advance(file.as_ref(), point.position)?;
        let missing = point.position.saturating_sub(tail.last_position());
        if missing > 0 {
            return Err(DirectoryError::WithinBatch { op: point.op, before: point.op - missing });
        }
        let end = PreviousEnd {
            sequence,
            end_offset: tail.offset(),
            last_position: tail.last_position(),
            chain: tail.chain(),
            reason: EndReason::Truncated,
        };
        tail.advance(file.as_ref(), u64::MAX)?;
        let first = if tail.offset() > end.end_offset { sequence } else { sequence + 1 };
        let has_bytes = |one: &u64| *one >= first && !unused.contains(one);
        let segments = sequences.into_iter().filter(has_bytes).collect();
        let snapshots = snapshots_after(storage, manifest, point.position)?;
        Ok(Self { point, segment, end, segments, snapshots })
    }
}

impl Directory {
    /// Cuts the log, in a new epoch. Returns the epoch.
    ///
    /// # Errors
    /// [`DirectoryError`]. The log is cut, or as it was.
    pub fn truncate(&mut self, cut: &Cut, now_ms: u64) -> Result<u64, DirectoryError> {
        let position = cut.point.position;
        let mut manifest = self.manifest.clone();
        let epoch = push_epoch(&mut manifest, EpochReason::Truncate, position + 1, now_ms)?;
        // What came after the cut is no part of this log.
        manifest.epochs.retain(|one| one.epoch == epoch || one.first_position <= position);
        manifest.skips.retain(|skip| skip.op <= cut.point.op);
        self.store(manifest)?;
        finish_truncation(&self.storage, &self.manifest)?;
        Ok(epoch)
    }
}

/// Removes what a truncation has cut off, unless that was done.
///
/// # Errors
/// [`DirectoryError`].
pub fn finish_truncation(storage: &SharedStorage, manifest: &Manifest) -> Result<(), DirectoryError> {
    let Some(cut) = manifest.epochs.last().filter(|epoch| epoch.reason == EpochReason::Truncate) else {
        return Ok(());
    };
    let sequences = list_segments(&storage.list()?);
    let (runs, _) = SegmentList::read_runs(storage.as_ref(), manifest.log_uuid, &sequences);
    if runs.iter().flat_map(|run| &run.used).any(|segment| segment.opening.epoch >= cut.epoch) {
        return Ok(());
    }
    let position = cut.first_position - 1;
    let Cut { segment, end, .. } =
        Cut::find(storage.as_ref(), manifest, LogPoint { position, op: position })?;
    for op in snapshots_after(storage.as_ref(), manifest, position)?.into_iter().rev() {
        storage.remove(&snapshot_name(op))?;
        storage.sync_dir()?;
    }
    for sequence in sequences.into_iter().rev().take_while(|one| *one > end.sequence) {
        storage.remove(&segment_name(sequence))?;
        storage.sync_dir()?;
    }
    let opening = |salt| SegmentOpening {
        salt,
        epoch: cut.epoch,
        first_position: cut.first_position,
        // Nothing is answered from this segment before the next start, so nothing can be lost with it.
        durability: Durability::Every,
        previous: end,
    };
    let salt_seed = scramble(cut.time_ms ^ scramble(cut.epoch));
    let like = (manifest.log_uuid, segment.header.segment_bytes, salt_seed);
    prepare_opened(storage, like, end.sequence + 1, cut.time_ms, opening)?;
    Ok(())
}

/// The snapshots of states after a position, oldest first. One that cannot be read is judged by its op, which is never
/// above its position.
fn snapshots_after(
    storage: &dyn ReadStorage,
    manifest: &Manifest,
    position: u64,
) -> Result<Vec<u64>, DirectoryError> {
    let mut after = Vec::new();
    for op in list_snapshots(storage)? {
        let opened = SnapshotReader::open(storage, &snapshot_name(op), manifest.log_uuid, ReadFrom::Cache);
        if opened.map_or(op, |reader| reader.header().position) > position {
            after.push(op);
        }
    }
    after.reverse();
    Ok(after)
}
