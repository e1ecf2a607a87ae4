//! Removes the files of a data directory that a new snapshot makes unnecessary, and that the archive has.

use std::sync::Arc;

use crate::archive::ArchiveProgress;
use crate::directory::{Manifest, TrimPlan, plan_trim, trim};
use crate::pipeline::snapshots::Trim;
use crate::recovery::RecoveryReport;
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
}

impl Trimmer {
    pub(super) fn new(
        storage: &SharedStorage,
        manifest: &Manifest,
        pool: &Arc<SegmentPool>,
        report: &RecoveryReport,
        archive: Option<(Arc<ArchiveProgress>, u64)>,
    ) -> Self {
        let verified = report.snapshot.into_iter().collect();
        Self { storage: storage.clone(), manifest: manifest.clone(), pool: pool.clone(), verified, archive }
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
}

impl Trim for Trimmer {
    fn trim(&mut self, point: LogPoint) -> Result<(), SnapshotError> {
        // A snapshot of the same op replaces the earlier one, and may be at a later position.
        self.verified.retain(|known| known.op != point.op);
        self.verified.push(point);
        let mut plan = match plan_trim(&self.storage, &self.manifest, &self.verified) {
            Ok(plan) => plan,
            Err(error) => {
                tracing::warn!(%error, "nothing was trimmed");
                return Ok(());
            }
        };
        self.hold(&mut plan)?;
        let removed_bytes = trim(&self.storage, &plan, Some(&self.pool))?;
        self.verified.retain(|known| !plan.snapshots.contains(&known.op));
        tracing::info!(
            removed_bytes,
            segments = plan.segments.len(),
            "old snapshots and segments were removed"
        );
        Ok(())
    }
}
