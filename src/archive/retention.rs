//! How much an archive keeps: snapshots by number and by age, and the log from the oldest of them on.

use super::contents::EpochObjects;
use super::names::{EpochName, part_name, path, segment_of};
use super::pass::Archiver;
use super::{ArchiveError, Store};
use crate::directory::ReadOnlyDirectory;
use crate::snapshot::{SnapshotHeader, snapshot_name};
use crate::storage::ReadFrom;
use crate::storage::layout::{BLOCK_BYTES, opening, snapshot};
use crate::storage::width::length;
use crate::wal::{SegmentHeader, SegmentOpening};

/// What is kept. What either limit asks for stays; without limits, everything does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The number of newest snapshots; 0 = no limit.
    pub snapshots: u64,
    /// The age in milliseconds up to which every state can be restored; 0 = no limit.
    pub age_ms: u64,
}

impl Retention {
    /// The index of the oldest snapshot to keep among these, whose times ascend; `None` = keep everything.
    fn oldest_kept(self, times_ms: &[u64], now_ms: u64) -> Option<usize> {
        let newest = times_ms.len().checked_sub(1)?;
        if self == Self::default() {
            return None;
        }
        let by_number = match self.snapshots {
            0 => newest,
            most => times_ms.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX)).min(newest),
        };
        // A state of this age is reached from the last snapshot before it.
        let by_age = match self.age_ms {
            0 => newest,
            age_ms => {
                times_ms.iter().rposition(|time_ms| *time_ms <= now_ms.saturating_sub(age_ms)).unwrap_or(0)
            }
        };
        Some(by_number.min(by_age))
    }
}

impl Archiver {
    /// Removes what need not be kept of the history of this data directory, oldest first. A history before a restore is
    /// not touched. Ages count back from the newest snapshot: the times of snapshots are op times, from which the wall clock
    /// may differ.
    ///
    /// # Errors
    /// [`ArchiveError`]. What was removed stays removed.
    pub fn retain(&mut self, retention: Retention) -> Result<(), ArchiveError> {
        let headers = self.archived_headers(retention)?;
        self.retain_of(retention, &headers, &[])
    }

    /// Removes what need not be kept once the snapshots are archived that the data directory has and the archive lacks.
    /// The newest archived snapshot stays until then.
    ///
    /// # Errors
    /// [`ArchiveError`]. What was removed stays removed.
    pub(super) fn make_room(&mut self, retention: Retention) -> Result<(), ArchiveError> {
        let headers = self.archived_headers(retention)?;
        let coming = self.coming(&headers)?;
        self.retain_of(retention, &headers, &coming)
    }

    /// Whether older snapshots can be removed once those are archived that the data directory has and the archive lacks.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn has_relief(&mut self, retention: Retention) -> Result<bool, ArchiveError> {
        let headers = self.archived_headers(retention)?;
        let coming = self.coming(&headers)?;
        let times = headers.iter().map(|(_, header)| header.time_ms);
        let times: Vec<u64> = times.chain(coming.iter().map(|header| header.time_ms)).collect();
        let newest_ms = times.last().copied().unwrap_or_default();
        Ok(!coming.is_empty() && retention.oldest_kept(&times, newest_ms).is_some_and(|oldest| oldest > 0))
    }

    /// The heads of the archived snapshots of this history, oldest first; none if everything is kept.
    fn archived_headers(
        &mut self,
        retention: Retention,
    ) -> Result<Vec<(EpochName, SnapshotHeader)>, ArchiveError> {
        let mut headers = Vec::new();
        if retention == Retention::default() {
            return Ok(headers);
        }
        let (log_uuid, epochs) = self.history()?;
        for epoch in &epochs {
            let ops: Vec<u64> = self.objects(log_uuid, *epoch).snapshots.keys().copied().collect();
            for op in ops {
                let at = path(log_uuid, *epoch, &snapshot_name(op));
                let head = self.store().read(&at, 0, length(snapshot::HEAD_BYTES))?;
                // A damaged snapshot is no reason to remove anything.
                if let Ok(header) = SnapshotHeader::decode(&head) {
                    headers.push((*epoch, header));
                }
            }
        }
        Ok(headers)
    }

    /// The snapshots of the data directory that are newer than those in the archive, oldest first.
    fn coming(&self, headers: &[(EpochName, SnapshotHeader)]) -> Result<Vec<SnapshotHeader>, ArchiveError> {
        let directory = ReadOnlyDirectory::open(self.files.clone())?;
        let newest = headers.last().map_or(0, |(_, header)| header.op);
        let ops = directory.snapshots()?.into_iter().rev().filter(|op| *op > newest);
        let readers = ops.filter_map(|op| directory.read_snapshot(op, ReadFrom::Cache).ok());
        Ok(readers.map(|reader| *reader.header()).collect())
    }

    fn retain_of(
        &mut self,
        retention: Retention,
        snapshots: &[(EpochName, SnapshotHeader)],
        coming: &[SnapshotHeader],
    ) -> Result<(), ArchiveError> {
        let times = snapshots.iter().map(|(_, header)| header.time_ms);
        let times: Vec<u64> = times.chain(coming.iter().map(|header| header.time_ms)).collect();
        let newest_ms = times.last().copied().unwrap_or_default();
        let Some(oldest) = retention.oldest_kept(&times, newest_ms) else { return Ok(()) };
        let Some(newest_archived) = snapshots.len().checked_sub(1) else { return Ok(()) };
        let oldest = oldest.min(newest_archived);
        let (log_uuid, epochs) = self.history()?;
        let kept = snapshots[oldest].1.point();
        self.keep_from(kept);
        for (epoch, header) in &snapshots[..oldest] {
            self.store().remove(&path(log_uuid, *epoch, &snapshot_name(header.op)))?;
            self.objects(log_uuid, *epoch).snapshots.remove(&header.op);
        }
        self.remove_segments_before(log_uuid, &epochs, kept.position + 1)
    }

    /// Removes the segments whose successor begins at or before this position.
    fn remove_segments_before(
        &mut self,
        log_uuid: uuid::Uuid,
        epochs: &[EpochName],
        position: u64,
    ) -> Result<(), ArchiveError> {
        let mut segments: Vec<(u64, EpochName)> = Vec::new();
        for epoch in epochs {
            let objects: &EpochObjects = self.objects(log_uuid, *epoch);
            segments.extend(objects.segments.keys().map(|segment| (*segment, *epoch)));
            let parts = objects.parts.keys().filter(|(_, offset)| *offset == 0);
            segments.extend(
                parts
                    .filter(|(segment, _)| !objects.segments.contains_key(segment))
                    .map(|(one, _)| (*one, *epoch)),
            );
        }
        segments.sort_unstable();
        let mut first_kept = segments.first().map_or(0, |(segment, _)| *segment);
        for pair in segments.windows(2) {
            let ((segment, epoch), (next, next_epoch)) = (pair[0], pair[1]);
            let name = if self.objects(log_uuid, next_epoch).segments.contains_key(&next) {
                segment_of(next)
            } else {
                part_name(next, 0)
            };
            let first_position = first_position(self.store(), &path(log_uuid, next_epoch, &name))?;
            if first_position.is_none_or(|first| first > position) {
                break;
            }
            self.store().remove(&path(log_uuid, epoch, &segment_of(segment)))?;
            self.objects(log_uuid, epoch).segments.remove(&segment);
            first_kept = next;
        }
        for epoch in epochs {
            let parts = self.objects(log_uuid, *epoch).parts.range(..(first_kept, 0));
            let mut in_pieces: Vec<u64> = parts.map(|((segment, _), _)| *segment).collect();
            in_pieces.dedup();
            for segment in in_pieces {
                self.remove_pieces(log_uuid, *epoch, segment, usize::MAX)?;
            }
        }
        Ok(())
    }
}

/// The first position of an archived segment; `None` if its head blocks cannot be used.
pub(super) fn first_position(store: &Store, path: &str) -> Result<Option<u64>, ArchiveError> {
    let head = store.read(path, 0, length(opening::OPENING_OFFSET + BLOCK_BYTES))?;
    let Some((header, block)) = head.split_at_checked(opening::OPENING_OFFSET) else { return Ok(None) };
    let Ok(header) = SegmentHeader::decode(header) else { return Ok(None) };
    Ok(SegmentOpening::decode(block, header.salt).ok().map(|(opening, _)| opening.first_position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_kept_snapshot_satisfies_both_limits() {
        // Proves number, age, both, none, and that the newest snapshot always stays.
        let times = [100, 200, 300, 400];
        let kept = |snapshots, age_ms| Retention { snapshots, age_ms }.oldest_kept(&times, 1_000);
        assert_eq!(kept(0, 0), None);
        assert_eq!((kept(1, 0), kept(2, 0), kept(4, 0), kept(9, 0)), (Some(3), Some(2), Some(0), Some(0)));
        // States back to 350 are reached from the snapshot of 300.
        assert_eq!(
            (kept(0, 650), kept(0, 700), kept(0, 900), kept(0, 950)),
            (Some(2), Some(2), Some(0), Some(0))
        );
        assert_eq!((kept(0, 1), kept(3, 1), kept(1, 750)), (Some(3), Some(1), Some(1)));
        assert_eq!(Retention { snapshots: 1, age_ms: 0 }.oldest_kept(&[], 1_000), None);
    }
}
