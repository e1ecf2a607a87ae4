//! The faults that a verification can find, with file and offset.

use std::error::Error;
use std::fmt;

use stockhold_machine::GenesisError;
use stockhold_machine::LoadError;
use stockhold_protocol::limits::FEATURE_LEVEL;

use super::read::End;
use crate::directory::{MANIFEST_NAME, ManifestFault};
use crate::geonames::AddressFileError;
use crate::pipeline::apply::{ApplyError, PassedOver};
use crate::pipeline::digests::Divergence;
use crate::replica::load::LoadFault;
use crate::snapshot::{SnapshotError, SnapshotFault, snapshot_name};
use crate::storage::StorageError;
use crate::storage::layout::{header, opening, snapshot};
use crate::storage::width::length;
use crate::wal::segment::segment_name;
use crate::wal::{FrameFault, LogError};

/// A fault in a file.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The offset of the fault, if there is one.
    pub offset: Option<u64>,
    /// The fault.
    pub fault: Fault,
}

/// The kinds of faults.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read, so its contents are unknown.
    #[error("the file cannot be read")]
    Unreadable(#[source] StorageError),
    /// The manifest is damaged. Nothing else can be checked without it.
    #[error("the manifest is damaged; nothing else was read")]
    Manifest(#[source] ManifestFault),
    /// The genesis of the machine cannot be read.
    #[error("the configuration that the directory was formatted with cannot be read")]
    Genesis(#[source] GenesisError),
    /// A segment is missing.
    #[error("the segment is missing, although a later one exists")]
    Missing,
    /// A frame is damaged. The rest of its segment was not read.
    #[error("a frame is damaged{}", later_offset.map(|at| format!(", before a valid one at byte {at}")).unwrap_or_default())]
    Frame {
        /// The offset of a valid frame after it; `None` when the proof is in the next segment or in the frame itself.
        later_offset: Option<u64>,
        /// What is wrong with the frame.
        source: FrameFault,
    },
    /// Any other fault of the log. A segment with invalid head blocks was not read further.
    #[error(transparent)]
    Log(LogError),
    /// The log ends before a snapshot that was built from it.
    #[error(
        "the log ends with position {last_position}, but there is a snapshot of op {snapshot_op} at position \
         {snapshot_position}: the end of the log was lost"
    )]
    EndsEarly {
        /// The last position.
        last_position: u64,
        /// The newest snapshot.
        snapshot_op: u64,
        /// Its position.
        snapshot_position: u64,
    },
    /// A batch cannot be applied.
    #[error("the batch cannot be applied")]
    Apply(#[source] ApplyError),
    /// The replay computed another state than the server that wrote the log.
    #[error("the batch differs from the replay")]
    Diverged(#[source] Divergence),
    /// A batch was passed over. A server never writes such a batch.
    #[error("{0}")]
    PassedOver(PassedOverBatch),
    /// A batch names an op that it cannot know.
    #[error("the batch at position {position} names op {op}, which comes after it")]
    Ahead {
        /// The op.
        op: u64,
        /// The position of the batch's first record.
        position: u64,
    },
    /// The batches of a long part of the log record no digest.
    #[error("no batch from position {from} to position {to} records a digest, although many are due")]
    NoDigest {
        /// The position of the last batch with a digest, or the first one that was read.
        from: u64,
        /// The position of this batch.
        to: u64,
    },
    /// A file of addresses cannot be read. No state depends on it.
    #[error("the addresses of this country cannot be read; import them again")]
    Addresses(#[source] AddressFileError),
    /// A snapshot is damaged.
    #[error("the snapshot is damaged")]
    Snapshot(#[source] SnapshotFault),
    /// A snapshot belongs to another log.
    #[error("the snapshot belongs to another log")]
    ForeignSnapshot(#[source] SnapshotError),
    /// A later release has written a snapshot.
    #[error(
        "the snapshot has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only: use the release of stockhold \
         that wrote it or a later one"
    )]
    SnapshotLevel {
        /// Its feature level.
        found: u32,
    },
    /// The manifest does not know the epoch of a snapshot.
    #[error("the snapshot is of epoch {epoch}, but the manifest knows epochs up to {known} only")]
    SnapshotEpoch {
        /// Its epoch.
        epoch: u64,
        /// The last epoch of the manifest.
        known: u64,
    },
    /// The machine cannot load the contents of a snapshot.
    #[error("the machine cannot load it")]
    Load(#[source] LoadError),
    /// The digest of a snapshot differs from its contents.
    #[error("the contents have digest {found:016x}, but the footer records {recorded:016x}")]
    Sum {
        /// The digest of the contents.
        found: u64,
        /// The digest in the footer.
        recorded: u64,
    },
    /// A snapshot differs from the state that the replay computed.
    #[error("the snapshot has digest {found:016x}, but the replay of the log computed {replayed:016x}")]
    Digest {
        /// The digest of the snapshot.
        found: u64,
        /// The digest of the replay.
        replayed: u64,
    },
    /// No batch ends at the position of a snapshot.
    #[error("no batch ends at the position of this snapshot, so no server can start from it")]
    WithinBatch,
    /// The log cannot be replayed to its end, neither from the first op nor from a snapshot.
    #[error(
        "no server can start: the log begins with position {first_position}, and it cannot be replayed to its end from any snapshot"
    )]
    NoStart {
        /// The first position in the log.
        first_position: u64,
    },
    /// The machine violates its invariants.
    #[error("the state after the last op violates an invariant: {0}")]
    Invariant(String),
}

/// A batch that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch at position {position} ({records} records) was passed over: {reason}")]
pub struct PassedOverBatch {
    /// The position of its first record.
    pub position: u64,
    /// How many records it holds.
    pub records: u32,
    /// Why it was passed over.
    pub reason: PassedOver,
}

impl Finding {
    pub(super) fn of_manifest(fault: ManifestFault) -> Self {
        let offset = match fault {
            ManifestFault::Field { offset } => length(offset),
            ManifestFault::Length { .. }
            | ManifestFault::Magic
            | ManifestFault::Version { .. }
            | ManifestFault::FeatureLevel { .. }
            | ManifestFault::Checksum => 0,
        };
        Self { file: MANIFEST_NAME.to_owned(), offset: Some(offset), fault: Fault::Manifest(fault) }
    }

    pub(super) fn of_genesis(source: GenesisError) -> Self {
        Self { file: MANIFEST_NAME.to_owned(), offset: None, fault: Fault::Genesis(source) }
    }

    /// Converts an error that occurred while `segment` was read.
    pub(super) fn of_log(segment: u64, error: LogError) -> Self {
        let opening_at = Some(length(opening::OPENING_OFFSET));
        let (segment, offset) = match &error {
            LogError::Header { segment, .. } | LogError::Misplaced { segment, .. } => (*segment, Some(0)),
            LogError::ForeignLog { segment, .. } => (*segment, Some(length(header::UUID_AT))),
            LogError::Opening { segment, .. }
            | LogError::Predecessor { segment, .. }
            | LogError::Discontinuous { segment, .. }
            | LogError::LaterEpoch { segment, .. } => (*segment, opening_at),
            LogError::Unsteady { segment, offset } | LogError::Damage { segment, offset, .. } => {
                (*segment, Some(*offset))
            }
            LogError::SequenceGap { before, .. } => (before + 1, None),
            LogError::Storage(_)
            | LogError::NoSegments
            | LogError::Missing { .. }
            | LogError::EndsEarly { .. } => (segment, None),
        };
        Self { file: segment_name(segment), offset, fault: Fault::of_log(error) }
    }

    pub(super) fn of_snapshot(op: u64, fault: LoadFault) -> Self {
        let file = snapshot_name(op);
        match fault {
            LoadFault::Storage(error) => Self { file, offset: None, fault: Fault::Unreadable(error) },
            LoadFault::Snapshot { error: SnapshotError::Storage(error) } => {
                Self { file, offset: None, fault: Fault::Unreadable(error) }
            }
            LoadFault::Snapshot { error: SnapshotError::Damaged { offset, source, .. } } => {
                Self { file, offset: Some(offset), fault: Fault::Snapshot(source) }
            }
            LoadFault::Snapshot { error: error @ SnapshotError::ForeignLog { .. } } => {
                Self { file, offset: Some(0), fault: Fault::ForeignSnapshot(error) }
            }
            LoadFault::FeatureLevel { found } => {
                let offset = Some(length(snapshot::FEATURE_LEVEL_AT));
                Self { file, offset, fault: Fault::SnapshotLevel { found } }
            }
            LoadFault::Machine(error) => Self { file, offset: None, fault: Fault::Load(error) },
            LoadFault::Digest { found, recorded } => {
                let [a, b, c, d, e, f, g, h, ..] = recorded;
                let recorded = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
                Self { file, offset: None, fault: Fault::Sum { found, recorded } }
            }
        }
    }
}

impl Fault {
    fn of_log(error: LogError) -> Self {
        match error {
            LogError::Storage(error) => Self::Unreadable(error),
            LogError::SequenceGap { .. } => Self::Missing,
            LogError::Damage { later_offset, source, .. } => Self::Frame { later_offset, source },
            other @ (LogError::NoSegments
            | LogError::Missing { .. }
            | LogError::EndsEarly { .. }
            | LogError::Header { .. }
            | LogError::Misplaced { .. }
            | LogError::ForeignLog { .. }
            | LogError::Opening { .. }
            | LogError::Predecessor { .. }
            | LogError::Discontinuous { .. }
            | LogError::LaterEpoch { .. }
            | LogError::Unsteady { .. }) => Self::Log(other),
        }
    }

    /// The kind as a word for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::Manifest(_) => "manifest",
            Self::Genesis(_) => "genesis",
            Self::Missing => "missing",
            Self::Frame { .. } => "frame",
            Self::Log(_) => "log",
            Self::EndsEarly { .. } => "ends_early",
            Self::Apply(_) => "apply",
            Self::Diverged(_) => "diverged",
            Self::PassedOver(_) => "passed_over",
            Self::Ahead { .. } => "ahead",
            Self::NoDigest { .. } => "no_digest",
            Self::Addresses(_) => "addresses",
            Self::Snapshot(_) => "snapshot",
            Self::ForeignSnapshot(_) => "foreign_snapshot",
            Self::SnapshotEpoch { .. } => "snapshot_epoch",
            Self::SnapshotLevel { .. } => "snapshot_level",
            Self::Load(_) => "load",
            Self::Sum { .. } => "sum",
            Self::Digest { .. } => "digest",
            Self::WithinBatch => "within_batch",
            Self::NoStart { .. } => "no_start",
            Self::Invariant(_) => "invariant",
        }
    }

    /// The message with its causes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(formatter, "{}, byte {offset}: {}", self.file, self.fault.text()),
            None => write!(formatter, "{}: {}", self.file, self.fault.text()),
        }
    }
}

/// A finding at the end of the log.
pub(super) fn at_end(end: &End, fault: Fault) -> Finding {
    Finding { file: segment_name(end.segment.max(1)), offset: Some(end.offset), fault }
}
