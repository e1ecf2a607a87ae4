//! Which files of a data directory are no longer needed, and their removal: all snapshots except the newest ones, those
//! that marks need, and the log that no kept snapshot needs.

use std::collections::BTreeSet;

use super::{DirectoryError, Manifest};
use crate::snapshot::{LogPoint, SnapshotError, SnapshotReader, parse_snapshot_name, snapshot_name};
use crate::storage::{FileEntry, ReadFrom, ReadStorage, SharedStorage, StorageError};
use crate::wal::preparer::recycled_name;
use crate::wal::segment::segment_name;
use crate::wal::segment_list::UsedSegment;
use crate::wal::{SegmentList, SegmentPool};

/// The number of verified snapshots that are kept.
pub const SNAPSHOTS_KEPT: usize = 2;

/// A mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkPoint {
    /// The op that it names.
    pub op: u64,
    /// Whether a tool has set it.
    pub is_automatic: bool,
}

/// The marks that a restore must be able to go back to, and the space that may be kept for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkNeeds<'a> {
    /// The marks.
    pub marks: &'a [MarkPoint],
    /// The maximum length of the snapshots and segments that only marks need.
    pub bytes_max: u64,
}

/// Files that are no longer needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrimPlan {
    /// The ops of the snapshots, oldest first.
    pub snapshots: Vec<u64>,
    /// The segments, oldest first.
    pub segments: Vec<u64>,
    /// The length of the files that stay only because marks need them.
    pub kept_bytes: u64,
}

/// A state that a replay can begin with: a snapshot, or the first op of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    point: LogPoint,
    /// The length of the snapshot.
    bytes: u64,
}

/// The snapshots of a directory, newest first.
pub fn list_snapshots(storage: &dyn ReadStorage) -> Result<Vec<u64>, StorageError> {
    let mut ops: Vec<u64> =
        storage.list()?.iter().filter_map(|entry| parse_snapshot_name(&entry.name)).collect();
    ops.sort_unstable_by(|left, right| right.cmp(left));
    Ok(ops)
}

/// Plans which files to remove: all snapshots except the two newest of `verified` and those that marks need, and the
/// segments that the oldest of these does not need. With fewer than two verified snapshots, nothing is removed.
/// `verified` has the points of the snapshots that this process has written or read completely.
pub fn plan_trim(
    storage: &SharedStorage,
    manifest: &Manifest,
    verified: &[LogPoint],
    needs: MarkNeeds<'_>,
) -> Result<TrimPlan, DirectoryError> {
    let present = list_snapshots(storage.as_ref())?;
    let mut kept = present.iter().filter_map(|op| verified.iter().find(|point| point.op == *op));
    let Some(oldest_kept) = kept.nth(SNAPSHOTS_KEPT - 1).copied() else { return Ok(TrimPlan::default()) };
    let mut snapshots: Vec<u64> = present.into_iter().filter(|op| *op < oldest_kept.op).collect();
    snapshots.reverse();
    // A server that writes to the log may open the last segment at any moment. That does not matter here.
    let segments = SegmentList::read(storage.as_ref(), manifest.log_uuid, true)?.used;
    let obsolete = unneeded(&segments, oldest_kept.position + 1);
    let (kept_starts, kept_bytes) = if needs.marks.iter().any(|mark| mark.op < oldest_kept.op) {
        let starts = starts(storage.as_ref(), manifest, &segments, &snapshots)?;
        keep_for_marks(&starts, &segments[..obsolete], needs, oldest_kept)
    } else {
        (Vec::new(), 0)
    };
    snapshots.retain(|op| kept_starts.iter().all(|start| start.op != *op));
    let first_kept = kept_starts.first().map_or(obsolete, |start| unneeded(&segments, start.position + 1));
    let segments = segments[..first_kept].iter().map(|segment| segment.header.sequence).collect();
    Ok(TrimPlan { snapshots, segments, kept_bytes })
}

/// The length of the files that a server which starts keeps only for marks.
///
/// # Errors
/// [`DirectoryError`].
pub fn kept_for_marks(
    storage: &SharedStorage,
    manifest: &Manifest,
    marks: &[MarkPoint],
) -> Result<u64, DirectoryError> {
    let segments = SegmentList::read(storage.as_ref(), manifest.log_uuid, true)?.used;
    let mut ops = list_snapshots(storage.as_ref())?;
    ops.reverse();
    let starts = starts(storage.as_ref(), manifest, &segments, &ops)?;
    let Some(oldest_kept) = starts.len().checked_sub(SNAPSHOTS_KEPT).map(|at| starts[at].point) else {
        return Ok(0);
    };
    let obsolete = unneeded(&segments, oldest_kept.position + 1);
    let needs = MarkNeeds { marks, bytes_max: u64::MAX };
    Ok(keep_for_marks(&starts, &segments[..obsolete], needs, oldest_kept).1)
}

/// The op of the oldest state that the directory can be restored to; `None` if there is none. It can be restored to
/// every later one too, because the log has no gap.
///
/// # Errors
/// [`DirectoryError`].
pub fn oldest_restorable_op(
    storage: &dyn ReadStorage,
    manifest: &Manifest,
) -> Result<Option<u64>, DirectoryError> {
    let segments = SegmentList::read(storage, manifest.log_uuid, true)?.used;
    let mut ops = list_snapshots(storage)?;
    ops.reverse();
    if segments.is_empty() {
        // A directory that was never started.
        return Ok(Some(ops.first().copied().unwrap_or(manifest.base.op)));
    }
    Ok(starts(storage, manifest, &segments, &ops)?.first().map(|start| start.point.op))
}

/// The number of segments that a replay from this position does not need.
fn unneeded(segments: &[UsedSegment], position: u64) -> usize {
    segments.partition_point(|segment| segment.opening.first_position <= position).saturating_sub(1)
}

/// The states, oldest first, from which a replay comes to the end of the log. `ops` are those of the snapshots to look
/// at, ascending. A damaged snapshot is none.
fn starts(
    storage: &dyn ReadStorage,
    manifest: &Manifest,
    segments: &[UsedSegment],
    ops: &[u64],
) -> Result<Vec<Start>, DirectoryError> {
    let Some(first_position) = segments.first().map(|segment| segment.opening.first_position) else {
        return Ok(Vec::new());
    };
    let mut starts = Vec::new();
    if manifest.base == LogPoint::default() && first_position == 1 {
        starts.push(Start { point: LogPoint::default(), bytes: 0 });
    }
    for op in ops {
        let name = snapshot_name(*op);
        let opened = SnapshotReader::open(storage, &name, manifest.log_uuid, ReadFrom::Cache);
        let point = match opened {
            Ok(reader) => reader.header().point(),
            Err(SnapshotError::Storage(error)) => return Err(error.into()),
            Err(SnapshotError::Damaged { .. } | SnapshotError::ForeignLog { .. }) => continue,
        };
        if point.position + 1 >= first_position {
            let bytes = storage.open_to_read(&name, ReadFrom::Cache)?.bytes()?;
            starts.push(Start { point, bytes });
        }
    }
    Ok(starts)
}

/// The states to keep for marks, oldest first, and the length of their files and of the log that only they need. If they
/// are too long, the oldest marks lose first, automatic ones before those that people have named.
fn keep_for_marks(
    starts: &[Start],
    obsolete: &[UsedSegment],
    needs: MarkNeeds<'_>,
    oldest_kept: LogPoint,
) -> (Vec<LogPoint>, u64) {
    let (mut named, mut automatic) = (BTreeSet::new(), BTreeSet::new());
    for mark in needs.marks.iter().filter(|mark| mark.op < oldest_kept.op) {
        let Some(start) = starts.partition_point(|start| start.point.op <= mark.op).checked_sub(1) else {
            continue;
        };
        (if mark.is_automatic { &mut automatic } else { &mut named }).insert(start);
    }
    let bytes = |kept: &BTreeSet<usize>| -> u64 {
        let Some(oldest) = kept.first() else { return 0 };
        let first = unneeded(obsolete, starts[*oldest].point.position + 1);
        let segments: u64 = obsolete[first..].iter().map(|segment| segment.header.segment_bytes).sum();
        segments + kept.iter().map(|start| starts[*start].bytes).sum::<u64>()
    };
    let mut kept = named;
    while bytes(&kept) > needs.bytes_max {
        kept.pop_first();
    }
    for start in automatic.into_iter().rev() {
        if kept.insert(start) && bytes(&kept) > needs.bytes_max {
            kept.remove(&start);
            break;
        }
    }
    let bytes = bytes(&kept);
    (kept.into_iter().map(|start| starts[start].point).collect(), bytes)
}

/// Removes the planned files one by one, oldest first and each durably, so that no crash leaves a gap in the log. The
/// pool takes as many segments as it needs for reuse. Returns the number of bytes that were removed.
pub fn trim(
    storage: &SharedStorage,
    plan: &TrimPlan,
    pool: Option<&SegmentPool>,
) -> Result<u64, StorageError> {
    let mut removed_bytes = 0;
    for op in &plan.snapshots {
        removed_bytes += storage.open_to_read(&snapshot_name(*op), ReadFrom::Cache)?.bytes()?;
        storage.remove(&snapshot_name(*op))?;
    }
    if !plan.snapshots.is_empty() {
        storage.sync_dir()?;
    }
    for segment in &plan.segments {
        let bytes = storage.open_to_read(&segment_name(*segment), ReadFrom::Cache)?.bytes()?;
        // The file is durably renamed first. Its contents change only when it is no longer a segment.
        let name = recycled_name(*segment);
        storage.rename(&segment_name(*segment), &name)?;
        storage.sync_dir()?;
        let refused = match pool {
            Some(pool) => pool.offer(FileEntry { name, bytes }),
            None => Some(FileEntry { name, bytes }),
        };
        if let Some(refused) = refused {
            storage.remove(&refused.name)?;
            removed_bytes += bytes;
        }
    }
    Ok(removed_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::{Durability, EndReason, PreviousEnd, SegmentHeader, SegmentOpening};

    /// A segment of 100 bytes for ten positions.
    fn segment(number: u64) -> UsedSegment {
        let previous = PreviousEnd {
            sequence: number,
            end_offset: 0,
            last_position: number * 10,
            chain: 0,
            reason: EndReason::Rotated,
        };
        let header = SegmentHeader {
            log_uuid: uuid::Uuid::nil(),
            sequence: number + 1,
            salt: 0,
            segment_bytes: 100,
            created_ms: 0,
        };
        let opening = SegmentOpening {
            salt: 0,
            epoch: 1,
            first_position: number * 10 + 1,
            durability: Durability::Every,
            previous,
        };
        UsedSegment { header, opening, opening_chain: 0 }
    }

    fn kept(marks: &[(u64, bool)], bytes_max: u64) -> (Vec<u64>, u64) {
        let segments: Vec<UsedSegment> = (0..10).map(segment).collect();
        let start = |op: u64| Start { point: LogPoint { position: op, op }, bytes: op.min(1) * 7 };
        let starts = [0, 20, 40, 60, 80].map(start);
        let marks: Vec<MarkPoint> = marks
            .iter()
            .map(|(op, is_automatic)| MarkPoint { op: *op, is_automatic: *is_automatic })
            .collect();
        let needs = MarkNeeds { marks: &marks, bytes_max };
        let obsolete = &segments[..unneeded(&segments, 91)];
        let (kept, bytes) = keep_for_marks(&starts, obsolete, needs, LogPoint { position: 90, op: 90 });
        (kept.into_iter().map(|point| point.op).collect(), bytes)
    }

    #[test]
    fn marks_lose_their_log_oldest_first_and_automatic_ones_before_named_ones() {
        // Proves what each mark needs, the sums, the bound at its very byte, and who loses first.
        let (named, automatic) = (false, true);
        assert_eq!(kept(&[], 0), (vec![], 0));
        assert_eq!(kept(&[(90, named), (95, named)], 0), (vec![], 0), "the newest states are kept anyway");
        assert_eq!(kept(&[(39, named), (20, named)], 1_000), (vec![20], 707));
        assert_eq!(kept(&[(19, named)], 1_000), (vec![0], 900), "the beginning of the log is a state");
        assert_eq!(kept(&[(25, named), (45, named)], 714), (vec![20, 40], 714));
        assert_eq!(kept(&[(25, named), (45, named)], 713), (vec![40], 507));
        assert_eq!(kept(&[(25, named), (45, named)], 506), (vec![], 0));
        // The older one has a name, so the younger one loses its snapshot first; the log leads to it all the same.
        assert_eq!(kept(&[(25, named), (45, automatic)], 713), (vec![20], 707));
        assert_eq!(kept(&[(25, automatic), (45, named)], 713), (vec![40], 507));
        assert_eq!(kept(&[(25, automatic), (45, automatic)], 713), (vec![40], 507));
        // One that cannot be kept takes nothing from the others.
        assert_eq!(kept(&[(25, named), (65, automatic)], 706), (vec![60], 307));
    }
}
