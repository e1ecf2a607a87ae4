//! Notes about a directory that are not faults: leftover files, effects of a copy or a running server, and requests of
//! operators.

use std::fmt;

use super::finding::PassedOverBatch;

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A file is unfinished or is kept for reuse. A start removes it.
    Temporary {
        /// The file.
        file: String,
    },
    /// A file does not belong to a data directory. It was not read.
    Foreign {
        /// The file.
        file: String,
    },
    /// A segment was prepared and never used. Only its header has a meaning.
    Unused {
        /// The file.
        file: String,
        /// Whether a crash tore the write that takes the segment into use.
        is_torn: bool,
    },
    /// The log begins after a snapshot, so no server can start from the snapshot. This happens in a copy that was made
    /// while the server trimmed.
    Unreached {
        /// The file.
        file: String,
        /// The first position in the log.
        first_position: u64,
    },
    /// The end of the log changed while it was read.
    Moving,
    /// A segment was created while the others were read. It was not read.
    NewSegment {
        /// The file.
        file: String,
    },
    /// Files changed while they were read, so everything was read again.
    ReadAgain {
        /// How often.
        rounds: u32,
    },
    /// An operator has had an op skipped.
    Skipped {
        /// The op.
        op: u64,
        /// The epoch that began with the skip.
        epoch: u64,
        /// The reason that the operator gave.
        reason: String,
    },
    /// An epoch began because an operator has cut the log.
    Truncated {
        /// The epoch.
        epoch: u64,
        /// Its first position in the log.
        first_position: u64,
    },
    /// An epoch began because earlier answered commands may have been lost.
    Unclean {
        /// The epoch.
        epoch: u64,
        /// Its first position in the log.
        first_position: u64,
    },
    /// A batch was passed over because it was applied before.
    PassedOver {
        /// The file.
        file: String,
        /// The offset of the batch.
        offset: u64,
        /// The batch.
        batch: PassedOverBatch,
    },
    /// The last run answered commands before they were synced and did not stop cleanly, so the last answered commands
    /// may be lost.
    MayHaveLost {
        /// The last position.
        last_position: u64,
    },
    /// The directory was restored from a backup.
    Restored {
        /// The op that it was restored to.
        base_op: u64,
    },
}

impl Note {
    /// The file that the note is about, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::Temporary { file }
            | Self::Foreign { file }
            | Self::Unused { file, .. }
            | Self::Unreached { file, .. }
            | Self::PassedOver { file, .. }
            | Self::NewSegment { file } => Some(file),
            Self::Moving
            | Self::ReadAgain { .. }
            | Self::Skipped { .. }
            | Self::Truncated { .. }
            | Self::Unclean { .. }
            | Self::MayHaveLost { .. }
            | Self::Restored { .. } => None,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Temporary { file } => {
                write!(formatter, "{file} is unfinished or kept for reuse; the next start removes it")
            }
            Self::Foreign { file } => write!(formatter, "{file} does not belong to a data directory; it was not read"),
            Self::Unused { file, is_torn: false } => write!(formatter, "{file} was prepared and never used"),
            Self::Unused { file, is_torn: true } => {
                write!(formatter, "{file} was never used, because the write of its opening was interrupted")
            }
            Self::Unreached { file, first_position } => write!(
                formatter,
                "the log begins with position {first_position}, so no server can start from {file}; this happens in a copy that was made while \
                 the server trimmed"
            ),
            Self::Moving => formatter.write_str(
                "the end of the log changed while it was read: a server is running, or two reads of the medium \
                 differ",
            ),
            Self::NewSegment { file } => {
                write!(formatter, "{file} was created while the others were read; it was not read")
            }
            Self::ReadAgain { rounds } => {
                write!(formatter, "files changed while they were read; everything was read again {rounds} times")
            }
            Self::Skipped { op, epoch, reason } => {
                write!(formatter, "op {op} is skipped since epoch {epoch} at the request of an operator: {reason}")
            }
            Self::Truncated { epoch, first_position } => write!(
                formatter,
                "epoch {epoch} began with position {first_position} of the log because an operator had cut off what came after the position before"
            ),
            Self::Unclean { epoch, first_position } => write!(
                formatter,
                "epoch {epoch} began with position {first_position} of the log after an unclean stop with log.durability = interval: the last commands \
                 answered before it may have been lost"
            ),
            Self::PassedOver { file, offset, batch } => write!(formatter, "{file}, byte {offset}: {batch}"),
            Self::MayHaveLost { last_position } => write!(
                formatter,
                "the last run answered commands before they were synced and did not stop cleanly: commands answered \
                 after position {last_position} of the log may be lost, and the next start begins a new epoch"
            ),
            Self::Restored { base_op } => {
                write!(formatter, "the directory was restored to op {base_op}; its log begins after it")
            }
        }
    }
}
