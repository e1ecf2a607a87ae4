//! Removes the files of a data directory that a new snapshot makes unnecessary, that the archive has, and that no mark
//! needs.

use std::sync::Arc;

use crate::archive::ArchiveProgress;
use crate::directory::{
    DirectoryError, Manifest, MarkNeeds, MarkPoint, TrimPlan, oldest_restorable_op, plan_trim, trim,
};
use crate::pipeline::snapshots::Trim;
use crate::recovery::RecoveryReport;
use crate::restorable::Restorable;
use crate::snapshot::{LogPoint, SnapshotError};
use crate::storage::{ReadFrom, SharedStorage, StorageError};
use crate::wal::SegmentPool;
use crate::wal::segment::segment_name;

/// Removes snapshots and segments that are no longer needed.
pub(super) struct Trimmer {
    storage: SharedStorage,
    manifest: Manifest,
    pool: Arc<SegmentPool>,
    /// Snapshots that this server has written or loaded.
    verified: Vec<LogPoint>,
    /// How far the archive is, and how many bytes may be kept for it.
    archive: Option<(Arc<ArchiveProgress>, u64)>,
    restorable: Arc<Restorable>,
}

impl Trimmer {
    pub(super) fn new(
        storage: &SharedStorage,
        manifest: &Manifest,
        pool: &Arc<SegmentPool>,
        report: &RecoveryReport,
        archive: Option<(Arc<ArchiveProgress>, u64)>,
        restorable: Arc<Restorable>,
    ) -> Self {
        let verified = report.snapshot.into_iter().collect();
        let (storage, manifest, pool) = (storage.clone(), manifest.clone(), pool.clone());
        Self { storage, manifest, pool, verified, archive, restorable }
    }

    /// Keeps the segments that the archive lacks, unless they take too much space.
    fn hold(&self, plan: &mut TrimPlan) -> Result<(), StorageError> {
        let Some((progress, hold_bytes)) = &self.archive else { return Ok(()) };
        let archived = plan.segments.partition_point(|segment| *segment < progress.segment());
        let mut trimmed = plan.segments.len();
        let mut held_bytes = 0_u64;
        while trimmed > archived {
            let name = segment_name(plan.segments[trimmed - 1]);
            held_bytes += self.storage.open_to_read(&name, ReadFrom::Cache)?.bytes()?;
            if held_bytes > *hold_bytes {
                let lost = (trimmed - archived) as u64;
                tracing::error!(
                    segments = lost,
                    "LOG IS TRIMMED THAT THE ARCHIVE LACKS, because archive.hold-bytes is reached"
                );
                progress.trimmed_unarchived(lost);
                break;
            }
            trimmed -= 1;
        }
        plan.segments.truncate(trimmed);
        Ok(())
    }

    /// What can be removed. The archive keeps what marks need that it leads back to.
    fn plan(&self, marks: &[MarkPoint]) -> Result<TrimPlan, DirectoryError> {
        let archive_from = self.archive.as_ref().and_then(|(progress, _)| progress.restorable_from());
        let marks: Vec<MarkPoint> =
            marks.iter().filter(|mark| archive_from.is_none_or(|from| mark.op < from)).copied().collect();
        let needs = MarkNeeds { marks: &marks, bytes_max: self.restorable.kept_bytes_max() };
        let mut plan = plan_trim(&self.storage, &self.manifest, &self.verified, needs)?;
        self.hold(&mut plan)?;
        Ok(plan)
    }
}

impl Trim for Trimmer {
    fn trim(&mut self, point: Option<LogPoint>, marks: &[MarkPoint]) -> Result<(), SnapshotError> {
        if let Some(point) = point {
            // A snapshot of the same op replaces the earlier one, and may be at a later position.
            self.verified.retain(|known| known.op != point.op);
            self.verified.push(point);
        }
        let plan = match self.plan(marks) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::warn!(%error, "nothing was trimmed");
                return Ok(());
            }
        };
        let removed_bytes = trim(&self.storage, &plan, Some(&self.pool))?;
        self.verified.retain(|known| !plan.snapshots.contains(&known.op));
        if let Ok(Some(from_op)) = oldest_restorable_op(self.storage.as_ref(), &self.manifest) {
            self.restorable.trimmed(from_op, plan.kept_bytes);
        }
        tracing::info!(
            removed_bytes,
            segments = plan.segments.len(),
            kept_for_marks_bytes = plan.kept_bytes,
            "old snapshots and segments were removed"
        );
        Ok(())
    }
}
