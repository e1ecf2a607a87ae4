//! A data directory: its lock, its manifest, and which of its files are still needed. It does not interpret the
//! contents of log and snapshots.
//!
//! ```text
//! LOCK                              held by the one server that uses the directory
//! MANIFEST                          identity of the log, its epochs, skipped ops, the machine's genesis
//! 0000000000000001.segment …        the log
//! 00000000000000001234.snapshot …   the state after op 1234
//! DE-0001763800000123.geonames …    addresses of a country; no part of the state
//! *.tmp                             unfinished; removed at start
//! ```

mod create;
mod first_segment;
pub mod manifest;
pub mod read_only;
mod skips;
pub mod trim;
mod truncate;

pub use create::{FormatOptions, RestoreOptions, unfinished_files};
use first_segment::is_unused_first_segment;
pub use manifest::{Epoch, EpochReason, Manifest, ManifestFault, Skip};
pub use read_only::ReadOnlyDirectory;
pub use skips::skips_warning;
use stockhold_protocol::limits::FEATURE_LEVEL;
pub use trim::{
    MarkNeeds, MarkPoint, SNAPSHOTS_KEPT, TrimPlan, list_snapshots, oldest_restorable_op, plan_trim, trim,
};
pub use truncate::{Cut, finish_truncation};

use crate::snapshot::{LogPoint, SnapshotError, SnapshotReader, parse_snapshot_name, snapshot_name};
use crate::storage::layout::{CHECKSUM_BYTES, FORMAT_VERSION, manifest as bounds};
use crate::storage::width::index;
use crate::storage::{
    DirectoryLock, FileEntry, ReadFrom, ReadStorage, SharedReadStorage, SharedStorage, StorageError,
    TEMPORARY_SUFFIX,
};
use crate::wal::segment::{parse_segment_name, segment_name};
use crate::wal::{
    EndReason, LogEnd, LogError, LogOptions, LogReader, LogStart, LogWriter, PreviousEnd, ReadTo,
    SegmentPreparer,
};

/// The name of the lock file.
pub const LOCK_NAME: &str = "LOCK";
/// The name of the manifest.
pub const MANIFEST_NAME: &str = "MANIFEST";
/// The copy of an archive that a standby has beside the files of its data directory.
pub const STANDBY_NAME: &str = "archive";

/// Why a directory cannot be formatted, opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The log is inconsistent.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// The directory is not empty.
    #[error("the directory is not empty: it contains {name}")]
    NotEmpty {
        /// One of the files.
        name: String,
    },
    /// The directory has no manifest.
    #[error("the directory is not formatted: run `stockhold format` first")]
    NotFormatted,
    /// The directory has no manifest, but files that only a formatted directory has.
    #[error(
        "the file MANIFEST is missing, although the directory contains {name}; nothing was changed: restore it from a backup or a copy of this directory"
    )]
    NoManifest {
        /// One of the files.
        name: String,
    },
    /// The directory has another format version. It is intact, but this program cannot read it.
    #[error(
        "the directory has format version {found}, but this program reads version {FORMAT_VERSION}; nothing was changed: \
         use the release of stockhold that wrote it, or export there and import into a new directory"
    )]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// A later release has written the directory. It is intact, but may contain records that this program does not
    /// know.
    #[error(
        "the directory has feature level {found}, but this program knows levels up to {known} only; nothing was changed: \
         use the release of stockhold that wrote it or a later one"
    )]
    FeatureLevel {
        /// The level that was found.
        found: u32,
        /// The highest level that this program knows.
        known: u32,
    },
    /// The manifest is damaged.
    #[error("the manifest is damaged; nothing was changed: restore from a backup")]
    Manifest(#[source] ManifestFault),
    /// A limit of the manifest is reached.
    #[error("the manifest can contain at most {max} {what}")]
    TooMany {
        /// The kind of entry.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The op is skipped already, or is not in this log.
    #[error(
        "op {op} cannot be skipped: either it is not in the log, which contains ops after {base_op} up to at most {last_op}, or it is skipped already"
    )]
    CannotSkip {
        /// The op.
        op: u64,
        /// The op before the first op of the log.
        base_op: u64,
        /// The highest op that the log can contain.
        last_op: u64,
    },
    /// The log can only be cut where a batch ends.
    #[error(
        "op {op} is within a batch, and a log is cut after a whole one: the last op before it that ends one is {before}"
    )]
    WithinBatch {
        /// The op.
        op: u64,
        /// The last op before it that ends a batch.
        before: u64,
    },
    /// That an op is skipped cannot be taken back.
    #[error("that op {op} is skipped cannot be taken back: {reason}")]
    CannotUndoSkip {
        /// The op.
        op: u64,
        /// Why not.
        reason: &'static str,
    },
}

impl From<ManifestFault> for DirectoryError {
    fn from(fault: ManifestFault) -> Self {
        match fault {
            ManifestFault::Version { found } => Self::Version { found },
            ManifestFault::FeatureLevel { found, known } => Self::FeatureLevel { found, known },
            ManifestFault::Length { .. }
            | ManifestFault::Magic
            | ManifestFault::Checksum
            | ManifestFault::Field { .. } => Self::Manifest(fault),
        }
    }
}

/// A data directory that this process has locked.
#[derive(Debug)]
pub struct Directory {
    storage: SharedStorage,
    manifest: Manifest,
    /// The feature level of what this process writes.
    level: u32,
    _lock: Box<dyn DirectoryLock>,
}

impl Directory {
    /// Opens and locks a formatted directory, removes unfinished files, and finishes a truncation that was interrupted.
    pub fn open(storage: SharedStorage) -> Result<Self, DirectoryError> {
        Self::open_at_level(storage, FEATURE_LEVEL)
    }

    /// As [`Directory::open`], for a program of feature level `level`.
    pub fn open_at_level(storage: SharedStorage, level: u32) -> Result<Self, DirectoryError> {
        let lock = storage.lock(LOCK_NAME)?;
        let manifest = read_manifest_at_level(storage.as_ref(), level)?;
        for entry in storage.list()? {
            if entry.name.ends_with(TEMPORARY_SUFFIX) {
                storage.remove(&entry.name)?;
            }
        }
        finish_truncation(&storage, &manifest)?;
        Ok(Self { storage, manifest, level, _lock: lock })
    }

    /// The files.
    #[must_use]
    pub fn storage(&self) -> &SharedStorage {
        &self.storage
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The same directory, for reading only.
    #[must_use]
    pub fn to_read(&self) -> ReadOnlyDirectory {
        ReadOnlyDirectory { files: self.storage.clone(), manifest: self.manifest.clone() }
    }

    /// The predecessor that the first segment of this log records.
    #[must_use]
    pub fn base(&self) -> PreviousEnd {
        base_of(&self.manifest)
    }

    /// Reads the log from the frame that contains `from_position`.
    pub fn read_log(&self, from_position: u64, read_to: ReadTo) -> Result<LogReader, LogError> {
        read_log(self.storage.clone(), &self.manifest, from_position, read_to)
    }

    /// Begins a new epoch at `first_position` and returns its number. The epoch is durable when this returns.
    pub fn bump_epoch(
        &mut self,
        reason: EpochReason,
        first_position: u64,
        now_ms: u64,
    ) -> Result<u64, DirectoryError> {
        let mut manifest = self.manifest.clone();
        let epoch = push_epoch(&mut manifest, reason, first_position, now_ms)?;
        self.store(manifest)?;
        Ok(epoch)
    }

    /// Continues the log after its end, as [`LogWriter::begin`] does. A manifest with a lower feature level is replaced
    /// first, so that no earlier release opens a directory whose records it may not know.
    pub fn begin_log(
        &mut self,
        options: LogOptions,
        start: LogStart,
        end: &LogEnd,
    ) -> Result<(LogWriter, SegmentPreparer), DirectoryError> {
        self.claim_level()?;
        Ok(LogWriter::begin(&self.storage, options, start, end)?)
    }

    fn claim_level(&mut self) -> Result<(), DirectoryError> {
        if self.manifest.feature_level == self.level { Ok(()) } else { self.store(self.manifest.clone()) }
    }

    /// Replaces the manifest. The new one has the feature level of this program.
    fn store(&mut self, mut manifest: Manifest) -> Result<(), DirectoryError> {
        manifest.feature_level = self.level;
        self.storage.replace(MANIFEST_NAME, &manifest.encode())?;
        self.manifest = manifest;
        Ok(())
    }

    /// The snapshots, newest first. A snapshot gets its name only after it was read back, so each was complete once.
    pub fn snapshots(&self) -> Result<Vec<u64>, StorageError> {
        list_snapshots(self.storage.as_ref())
    }

    /// Opens the snapshot after `op`.
    pub fn read_snapshot(&self, op: u64) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::open(
            self.storage.as_ref(),
            &snapshot_name(op),
            self.manifest.log_uuid,
            ReadFrom::Cache,
        )
    }

    /// As the function [`plan_trim`].
    pub fn plan_trim(&self, verified: &[LogPoint], needs: MarkNeeds<'_>) -> Result<TrimPlan, DirectoryError> {
        plan_trim(&self.storage, &self.manifest, verified, needs)
    }
}

/// Reads the manifest of a directory, even while a server has it locked.
pub fn read_manifest(storage: &dyn ReadStorage) -> Result<Manifest, DirectoryError> {
    read_manifest_at_level(storage, FEATURE_LEVEL)
}

fn read_manifest_at_level(storage: &dyn ReadStorage, level: u32) -> Result<Manifest, DirectoryError> {
    let file = match storage.open_to_read(MANIFEST_NAME, ReadFrom::Cache) {
        Ok(file) => file,
        Err(StorageError::NotFound { .. }) => return Err(without_manifest(storage)?),
        Err(error) => return Err(error.into()),
    };
    let longest = bounds::HEAD_BYTES
        + bounds::EPOCHS_MAX * bounds::EPOCH_BYTES
        + bounds::SKIPS_MAX * (bounds::SKIP_BYTES + bounds::SKIP_REASON_BYTES_MAX)
        + bounds::GENESIS_BYTES_MAX
        + CHECKSUM_BYTES;
    let have = index(file.bytes()?);
    if have > longest {
        return Err(ManifestFault::Length { have, need: longest }.into());
    }
    let mut bytes = vec![0; have];
    let read = file.read_at(0, &mut bytes)?;
    Ok(Manifest::decode_at_level(&bytes[..read], level)?)
}

/// Why a directory has no manifest: it is not formatted, which includes an interrupted format, or it has lost it.
fn without_manifest(storage: &dyn ReadStorage) -> Result<DirectoryError, StorageError> {
    for FileEntry { name, .. } in storage.list()? {
        let is_state = parse_snapshot_name(&name).is_some() || parse_segment_name(&name).is_some();
        if is_state && !(name == segment_name(1) && is_unused_first_segment(storage)?) {
            return Ok(DirectoryError::NoManifest { name });
        }
    }
    Ok(DirectoryError::NotFormatted)
}

/// Reads a log from the frame that contains `from_position`.
fn read_log(
    storage: SharedReadStorage,
    manifest: &Manifest,
    from_position: u64,
    read_to: ReadTo,
) -> Result<LogReader, LogError> {
    let reader = LogReader::open(storage, manifest.log_uuid, base_of(manifest), from_position, read_to)?;
    let known = manifest.epoch();
    match reader.last_epoch() {
        Some((segment, epoch)) if epoch > known => Err(LogError::LaterEpoch { segment, epoch, known }),
        Some(_) | None => Ok(reader),
    }
}

fn base_of(manifest: &Manifest) -> PreviousEnd {
    PreviousEnd {
        sequence: 0,
        end_offset: 0,
        last_position: manifest.base.position,
        chain: 0,
        reason: if manifest.restored().is_some() { EndReason::Restore } else { EndReason::Start },
    }
}

fn push_epoch(
    manifest: &mut Manifest,
    reason: EpochReason,
    first_position: u64,
    now_ms: u64,
) -> Result<u64, DirectoryError> {
    push_epoch_after(manifest, manifest.epoch(), (reason, first_position), now_ms)
}

/// Adds an epoch with the number after `known`, which is the number of the current one or more.
fn push_epoch_after(
    manifest: &mut Manifest,
    known: u64,
    (reason, first_position): (EpochReason, u64),
    now_ms: u64,
) -> Result<u64, DirectoryError> {
    if manifest.epochs.len() >= bounds::EPOCHS_MAX {
        return Err(DirectoryError::TooMany { what: "epochs", max: bounds::EPOCHS_MAX });
    }
    let epoch = known + 1;
    manifest.epochs.push(Epoch { epoch, first_position, time_ms: now_ms, reason });
    Ok(epoch)
}
