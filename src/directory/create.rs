//! Creates a data directory: empty, or with a restored state.

use stockhold_protocol::limits::FEATURE_LEVEL;
use uuid::Uuid;

use super::first_segment::is_unused_first_segment;
use super::{
    Directory, DirectoryError, Epoch, EpochReason, LOCK_NAME, MANIFEST_NAME, Manifest, STANDBY_NAME,
    push_epoch_after,
};
use crate::snapshot::LogPoint;
use crate::storage::layout::manifest as bounds;
use crate::storage::{DirectoryLock, FileEntry, SharedStorage, TEMPORARY_SUFFIX};
use crate::wal::preparer::prepare_first;
use crate::wal::segment::segment_name;

/// The parameters of a new directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatOptions {
    /// The UUID of the log; a restored directory keeps that of the original log.
    pub log_uuid: Uuid,
    /// The first epoch: 1, or for a restored directory one that no history of the log has.
    pub epoch: u64,
    /// [`EpochReason::Format`] or [`EpochReason::Restore`].
    pub reason: EpochReason,
    /// The point before the first record: zeros, or the point that was restored to.
    pub base: LogPoint,
    /// The time of the wall clock.
    pub now_ms: u64,
    /// A random seed for the salts of segments.
    pub salt_seed: u64,
    /// The length of segments.
    pub segment_bytes: u64,
    /// The encoded genesis of the machine, at most 1 MiB.
    pub genesis: Vec<u8>,
}

/// The parameters of a restored directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The time of the wall clock.
    pub now_ms: u64,
    /// A random seed for the salts of segments.
    pub salt_seed: u64,
    /// The length of segments.
    pub segment_bytes: u64,
    /// The highest epoch of the log that is known, in other histories too. The new epoch comes after it, so that no
    /// client takes one history for another.
    pub known_epoch: u64,
}

impl Directory {
    /// Formats an empty directory. The manifest is written last, so a crash leaves either a complete directory or one
    /// that can be formatted again.
    pub fn format(storage: SharedStorage, options: FormatOptions) -> Result<Self, DirectoryError> {
        let lock = storage.lock(LOCK_NAME)?;
        let FormatOptions { log_uuid, epoch, reason, base, now_ms, salt_seed, segment_bytes, genesis } =
            options;
        let first_position = base.position + 1;
        let manifest = Manifest {
            feature_level: FEATURE_LEVEL,
            log_uuid,
            created_ms: now_ms,
            base,
            epochs: vec![Epoch { epoch, first_position, time_ms: now_ms, reason }],
            skips: Vec::new(),
            genesis,
        };
        prepare(&storage, &manifest, salt_seed, segment_bytes)?;
        finish(storage, lock, manifest)
    }

    /// Creates a directory that continues the log of `original` after `base`, in a new epoch. `write_snapshot` writes
    /// the state at `base`; it gets the manifest of the new directory. The manifest is written last, so a crash leaves no
    /// directory that could be started.
    ///
    /// # Errors
    /// [`DirectoryError`], or the error of `write_snapshot`.
    pub fn restore<E: From<DirectoryError>>(
        storage: SharedStorage,
        original: &Manifest,
        base: LogPoint,
        options: RestoreOptions,
        write_snapshot: impl FnOnce(&SharedStorage, &Manifest) -> Result<(), E>,
    ) -> Result<Self, E> {
        let lock = storage.lock(LOCK_NAME).map_err(DirectoryError::from)?;
        let mut manifest = Manifest {
            feature_level: FEATURE_LEVEL,
            created_ms: options.now_ms,
            base,
            skips: original.skips.iter().filter(|skip| skip.op <= base.op).cloned().collect(),
            ..original.clone()
        };
        let known = options.known_epoch.max(manifest.epoch());
        let begin = (EpochReason::Restore, base.position + 1);
        let epoch = push_epoch_after(&mut manifest, known, begin, options.now_ms)?;
        // What came after the point is no part of this log.
        manifest.epochs.retain(|one| one.epoch == epoch || one.first_position <= base.position);
        prepare(&storage, &manifest, options.salt_seed, options.segment_bytes)?;
        write_snapshot(&storage, &manifest)?;
        Ok(finish(storage, lock, manifest)?)
    }
}

/// Checks that the directory is empty, except for what an interrupted format leaves, and prepares the first segment.
fn prepare(
    storage: &SharedStorage,
    manifest: &Manifest,
    salt_seed: u64,
    segment_bytes: u64,
) -> Result<(), DirectoryError> {
    if manifest.genesis.len() > bounds::GENESIS_BYTES_MAX {
        return Err(DirectoryError::TooMany { what: "genesis bytes", max: bounds::GENESIS_BYTES_MAX });
    }
    for name in unfinished_files(storage)? {
        storage.remove(&name)?;
    }
    storage.sync_dir()?;
    prepare_first(storage, manifest.log_uuid, segment_bytes, salt_seed, manifest.created_ms)?;
    Ok(())
}

/// The files of an otherwise empty directory that an interrupted format leaves.
///
/// # Errors
/// [`DirectoryError::NotEmpty`] if there are other files.
pub fn unfinished_files(storage: &SharedStorage) -> Result<Vec<String>, DirectoryError> {
    let mut unfinished = Vec::new();
    for FileEntry { name, .. } in storage.list()? {
        if name == LOCK_NAME || name == STANDBY_NAME {
            continue;
        }
        let is_unfinished = name.ends_with(TEMPORARY_SUFFIX)
            || (name == segment_name(1) && is_unused_first_segment(storage.as_ref())?);
        if !is_unfinished {
            return Err(DirectoryError::NotEmpty { name });
        }
        unfinished.push(name);
    }
    Ok(unfinished)
}

fn finish(
    storage: SharedStorage,
    lock: Box<dyn DirectoryLock>,
    manifest: Manifest,
) -> Result<Directory, DirectoryError> {
    storage.replace(MANIFEST_NAME, &manifest.encode())?;
    Ok(Directory { storage, manifest, level: FEATURE_LEVEL, _lock: lock })
}
