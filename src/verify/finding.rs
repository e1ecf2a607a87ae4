//! What can be wrong with a directory: the file, the place in it, and what is wrong there.

use std::error::Error;
use std::fmt;

use stockhold_machine::GenesisError;
use stockhold_machine::LoadError;
use stockhold_protocol::limits::FEATURE_LEVEL;

use super::read::End;
use crate::directory::{MANIFEST_NAME, ManifestFault};
use crate::pipeline::apply::{ApplyError, PassedOver};
use crate::pipeline::digests::Divergence;
use crate::recovery::LoadFault;
use crate::snapshot::{SnapshotError, SnapshotFault, snapshot_name};
use crate::storage::StorageError;
use crate::storage::layout::{header, opening, snapshot};
use crate::storage::width::length;
use crate::wal::segment::segment_name;
use crate::wal::{FrameFault, LogError};

/// Something that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// The byte where it shows, where it shows at one.
    pub offset: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read: nothing is known of what it holds.
    #[error("it cannot be read")]
    Unreadable(#[source] StorageError),
    /// With the manifest; nothing else can be checked without it.
    #[error("the manifest is damaged; nothing else was read")]
    Manifest(#[source] ManifestFault),
    /// What the machine was formatted with cannot be read.
    #[error("the configuration that the directory was formatted with cannot be read")]
    Genesis(#[source] GenesisError),
    /// A segment of the row is not there.
    #[error("the segment is missing, though one after it is there")]
    Missing,
    /// A frame is not what was written. The rest of its segment was not read.
    #[error("a frame is damaged{}", later_offset.map(|at| format!(", in front of a valid one at byte {at}")).unwrap_or_default())]
    Frame {
        /// Where a valid frame stands behind it; none when the proof is in the next segment or in the frame itself.
        later_offset: Option<u64>,
        /// What is wrong with it.
        source: FrameFault,
    },
    /// Anything else that is wrong with the log. A segment whose head blocks do not hold was not read further.
    #[error(transparent)]
    Log(LogError),
    /// The log ends before a snapshot that was built from it.
    #[error(
        "the log ends with position {last_position}, though there is a snapshot of op {snapshot_op}, taken at position \
         {snapshot_position}: its end was lost"
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
    /// The replay came to another state than the server that wrote the log.
    #[error("the batch does not agree with the replay")]
    Diverged(#[source] Divergence),
    /// A batch does not come next, so it was passed over: no server writes one like it.
    #[error("{0}")]
    PassedOver(PassedOverBatch),
    /// A snapshot is not what was written.
    #[error("the snapshot is damaged")]
    Snapshot(#[source] SnapshotFault),
    /// A snapshot of another log.
    #[error("it belongs to another log")]
    ForeignSnapshot(#[source] SnapshotError),
    /// A snapshot that a later release wrote.
    #[error(
        "the snapshot has feature level {found}, this program knows levels up to {FEATURE_LEVEL}: use the release of stockhold \
         that wrote it or a later one"
    )]
    SnapshotLevel {
        /// Its level.
        found: u32,
    },
    /// A snapshot of an epoch that the manifest does not know.
    #[error("the snapshot is of epoch {epoch}, but the manifest knows epochs up to {known} only")]
    SnapshotEpoch {
        /// Its epoch.
        epoch: u64,
        /// The last epoch of the manifest.
        known: u64,
    },
    /// The machine does not take what a snapshot holds.
    #[error("the machine does not take it")]
    Load(#[source] LoadError),
    /// A snapshot holds another state than it says.
    #[error("what it holds sums up to {found:016x}, it says {said:016x}")]
    Sum {
        /// The digest of what it holds.
        found: u64,
        /// The digest in its footer.
        said: u64,
    },
    /// A snapshot holds another state than the log leads to.
    #[error("the snapshot holds the digest {found:016x}, the log replays to {replayed:016x}")]
    Digest {
        /// The digest of the snapshot.
        found: u64,
        /// The digest of the replay.
        replayed: u64,
    },
    /// No batch ends at the position of a snapshot.
    #[error("no batch ends at the position of this snapshot: nothing can start from it")]
    WithinBatch,
    /// Neither from the first op nor from a snapshot does the log lead to its end without a break.
    #[error(
        "no server can start: the log begins with position {first_position}, and leads to its end from no snapshot without a break"
    )]
    NoStart {
        /// The first position in the log.
        first_position: u64,
    },
    /// The machine finds its own invariants broken.
    #[error("the state after the last op breaks its own invariants: {0}")]
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
    /// Why.
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

    /// `segment` is the one that was being read.
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
            LoadFault::Digest { found, said } => {
                let [a, b, c, d, e, f, g, h, ..] = said;
                let said = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
                Self { file, offset: None, fault: Fault::Sum { found, said } }
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

    /// One word for programs.
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

    /// The sentence and its causes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.ends_with(&said) {
                text = format!("{text}: {said}");
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

/// Names the last segment: what is wrong shows at the end of the log.
pub(super) fn at_end(end: &End, fault: Fault) -> Finding {
    Finding { file: segment_name(end.segment.max(1)), offset: Some(end.offset), fault }
}
