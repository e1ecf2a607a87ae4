//! Ops that recovery skips: how they are added, and taken back as long as no server has started since.

use super::{Directory, DirectoryError, EpochReason, Skip, push_epoch};
use crate::snapshot::{LogPoint, parse_snapshot_name, snapshot_name};
use crate::storage::StorageError;
use crate::storage::layout::manifest as bounds;
use crate::wal::SegmentList;
use crate::warning::Warning;

/// The maximum number of ops that a warning names.
const OPS_SHOWN_MAX: usize = 5;

impl Directory {
    /// Records that recovery skips `op`, in a new epoch that begins after the last record of the log. Returns the
    /// epoch. `end` is the end of the log with the highest op that the log can contain.
    pub fn add_skip(
        &mut self,
        op: u64,
        reason: &str,
        end: LogPoint,
        now_ms: u64,
    ) -> Result<u64, DirectoryError> {
        let base_op = self.manifest.base.op;
        if op <= base_op || op > end.op || self.manifest.skips.iter().any(|skip| skip.op == op) {
            return Err(DirectoryError::CannotSkip { op, base_op, last_op: end.op });
        }
        if self.manifest.skips.len() >= bounds::SKIPS_MAX {
            return Err(DirectoryError::TooMany { what: "skips", max: bounds::SKIPS_MAX });
        }
        if reason.len() > bounds::SKIP_REASON_BYTES_MAX {
            return Err(DirectoryError::TooMany {
                what: "bytes of reason",
                max: bounds::SKIP_REASON_BYTES_MAX,
            });
        }
        let mut manifest = self.manifest.clone();
        let epoch = push_epoch(&mut manifest, EpochReason::Skip, end.position + 1, now_ms)?;
        manifest.skips.push(Skip { op, epoch, time_ms: now_ms, reason: reason.to_owned() });
        self.store(manifest)?;
        Ok(epoch)
    }

    /// Takes back that recovery skips `op`, as long as no server has started since: clients may know the state without
    /// the op then. Returns what was taken back.
    ///
    /// # Errors
    /// [`DirectoryError::CannotUndoSkip`].
    pub fn remove_skip(&mut self, op: u64) -> Result<Skip, DirectoryError> {
        let refused = |reason| DirectoryError::CannotUndoSkip { op, reason };
        let mut manifest = self.manifest.clone();
        let at = manifest.skips.iter().position(|skip| skip.op == op);
        let skip = manifest.skips.remove(at.ok_or(refused("it is not skipped"))?);
        if self.is_in_force(&skip)? {
            return Err(refused("a server has started since, and clients may know the state without it"));
        }
        manifest.epochs.retain(|epoch| epoch.epoch != skip.epoch);
        self.store(manifest)?;
        self.bring_back(op)?;
        Ok(skip)
    }

    /// Whether a server has started since an op is skipped.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn is_in_force(&self, skip: &Skip) -> Result<bool, DirectoryError> {
        self.to_read().is_in_force(skip)
    }

    /// Renames the snapshots that contain an op that is to be skipped, because a start would load the newest of them.
    /// Returns their ops, newest first.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn set_aside_from(&self, op: u64) -> Result<Vec<u64>, StorageError> {
        let mut snapshots = self.snapshots()?;
        snapshots.retain(|snapshot| *snapshot >= op);
        // The newest one goes first, so that a crash leaves a state which the log continues.
        for snapshot in &snapshots {
            let name = snapshot_name(*snapshot);
            self.storage.rename(&name, &aside_name(&name, op))?;
            self.storage.sync_dir()?;
        }
        Ok(snapshots)
    }

    /// Gives the snapshots that were renamed for an op their names back.
    fn bring_back(&self, op: u64) -> Result<(), StorageError> {
        let end = aside_name("", op);
        for file in self.storage.list()? {
            if let Some(name) = file.name.strip_suffix(&end)
                && parse_snapshot_name(name).is_some()
            {
                self.storage.rename(&file.name, name)?;
            }
        }
        self.storage.sync_dir()
    }
}

impl super::ReadOnlyDirectory {
    /// Whether a server has started since an op is skipped.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn is_in_force(&self, skip: &Skip) -> Result<bool, DirectoryError> {
        let segments = SegmentList::read(self.files.as_ref(), self.manifest.log_uuid, true)?;
        Ok(segments.used.last().is_some_and(|last| last.opening.epoch >= skip.epoch))
    }
}

/// The sentence for `status` if ops are skipped.
#[must_use]
pub fn skips_warning(skips: &[Skip]) -> Option<String> {
    let last = skips.last()?;
    let ops: Vec<String> = skips.iter().rev().take(OPS_SHOWN_MAX).map(|skip| skip.op.to_string()).collect();
    let more = match skips.len().saturating_sub(OPS_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(Warning::OpsSkipped.about(format!(
        "Ops are skipped at the request of an operator: {}{more}; the last reason: {}.",
        ops.join(", "),
        last.reason
    )))
}

/// The name of a snapshot that contains a skipped op. Files with such names have no meaning.
fn aside_name(name: &str, op: u64) -> String {
    format!("{name}.contains-skipped-{op}")
}
