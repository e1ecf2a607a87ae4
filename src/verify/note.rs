//! What is worth knowing about a directory and is not wrong: what is left over, what a copy or a server at work explains, what was done by
//! order.

use std::fmt;

use super::finding::PassedOverBatch;

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Unfinished, or waiting to be used again. A start removes it.
    Temporary {
        /// The file.
        file: String,
    },
    /// Not of this directory; it was not read.
    Foreign {
        /// The file.
        file: String,
    },
    /// A segment that was prepared and never used. What it holds behind its header means nothing.
    Unused {
        /// The file.
        file: String,
        /// Whether a crash tore the write that was to take it into use.
        is_torn: bool,
    },
    /// The log begins behind a snapshot, so that nothing can start from it: as in a copy that was taken while the server trimmed.
    Unreached {
        /// The file.
        file: String,
        /// The first position in the log.
        first_position: u64,
    },
    /// The end of the log changed while it was looked at.
    Moving,
    /// A segment came while the others were read; it was not read.
    NewSegment {
        /// The file.
        file: String,
    },
    /// Files came and went while they were read, so all was read again.
    ReadAgain {
        /// How often.
        rounds: u32,
    },
    /// An op is left out by order.
    Skipped {
        /// The op.
        op: u64,
        /// The epoch that began with the order.
        epoch: u64,
        /// Why, in the operator's words.
        reason: String,
    },
    /// An epoch began because answers before it may have been lost.
    Unclean {
        /// The epoch.
        epoch: u64,
        /// Its first position in the log.
        first_position: u64,
    },
    /// A batch was applied before, so it was passed over.
    PassedOver {
        /// The file.
        file: String,
        /// The byte where it stands.
        offset: u64,
        /// Which.
        batch: PassedOverBatch,
    },
    /// The last run answered before it synced and did not stop in good order: its last answers may be lost.
    MayHaveLost {
        /// The last position.
        last_position: u64,
    },
    /// The directory was restored.
    Restored {
        /// To this op.
        base_op: u64,
    },
}

impl Note {
    /// The file, where it is about one.
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
                write!(formatter, "{file} is unfinished or waits to be used again; a start removes it")
            }
            Self::Foreign { file } => write!(formatter, "{file} is no file of a data directory; it was not read"),
            Self::Unused { file, is_torn: false } => write!(formatter, "{file} was prepared and never used"),
            Self::Unused { file, is_torn: true } => {
                write!(formatter, "{file} was never used: the write that was to begin it was cut off")
            }
            Self::Unreached { file, first_position } => write!(
                formatter,
                "the log begins with position {first_position}, so nothing can start from {file}: as in a copy that was taken while \
                 the server trimmed"
            ),
            Self::Moving => formatter.write_str(
                "the end of the log changed while it was looked at: a server is at work, or the medium does not give \
                 the same bytes twice",
            ),
            Self::NewSegment { file } => {
                write!(formatter, "{file} came while the others were read; it was not read")
            }
            Self::ReadAgain { rounds } => {
                write!(formatter, "files came and went while they were read; all was read again {rounds} times")
            }
            Self::Skipped { op, epoch, reason } => {
                write!(formatter, "op {op} is left out by order since epoch {epoch}: {reason}")
            }
            Self::Unclean { epoch, first_position } => write!(
                formatter,
                "epoch {epoch} began with position {first_position} of the log after an unclean stop with log.durability = interval: the last \
                 answers before it may have been lost"
            ),
            Self::PassedOver { file, offset, batch } => write!(formatter, "{file}, byte {offset}: {batch}"),
            Self::MayHaveLost { last_position } => write!(
                formatter,
                "the last run answered before it synced and did not stop in good order: what was answered \
                 after position {last_position} of the log may be lost, and the next start begins a new epoch"
            ),
            Self::Restored { base_op } => {
                write!(formatter, "the directory was restored to op {base_op}; its log begins after it")
            }
        }
    }
}
