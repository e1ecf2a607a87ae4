//! Why bytes are refused: a bad field of one command (the connection stays open), or a bad frame (the connection is
//! closed).

use crate::handshake::Versions;

/// One field of a well-framed message violates a rule. The message is answered and the connection stays open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct BadField {
    /// The field's name as PROTOCOL.md spells it.
    pub field: &'static str,
    /// The rule that it violates, as a fragment such as "must be positive" or "is too long".
    pub rule: &'static str,
}

impl BadField {
    /// An error that names a field and the rule that it violates.
    #[must_use]
    pub const fn new(field: &'static str, rule: &'static str) -> Self {
        Self { field, rule }
    }
}

/// The stream of frames is invalid. The peer gets one Error frame and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first two bytes are not the protocol's magic.
    #[error("the frame does not begin with the magic 53 48 (\"SH\"); the peer does not speak this protocol")]
    Magic,
    /// This side does not speak the version in the version byte.
    #[error("frame version {got} is not supported; this side speaks {supported}")]
    Version {
        /// The version in the header.
        got: u8,
        /// The versions that this side speaks.
        supported: Versions,
    },
    /// The version byte differs from the version that was agreed on.
    #[error("frame version {got} is not version {agreed}, which was agreed on")]
    OtherVersion {
        /// The version in the header.
        got: u8,
        /// The version of this connection.
        agreed: u8,
    },
    /// The header's checksum does not match.
    #[error("the frame header's checksum does not match its bytes")]
    HeaderChecksum,
    /// The body's checksum does not match.
    #[error("the frame body's checksum does not match its bytes")]
    BodyChecksum,
    /// The kind byte is unknown.
    #[error("frame kind {0} is unknown")]
    Kind(u8),
    /// The body is longer than allowed.
    #[error("the frame body of {got} bytes is longer than the limit of {max}")]
    TooLong {
        /// The length in the header.
        got: u32,
        /// The limit.
        max: u32,
    },
    /// The count is larger than allowed.
    #[error("the frame counts {got} entries, more than the limit of {max}")]
    TooMany {
        /// The count in the header.
        got: u16,
        /// The limit.
        max: u16,
    },
    /// The body does not contain what the header announces.
    #[error("the frame body does not match its header: {0}")]
    Body(&'static str),
    /// A request has no number.
    #[error("request number 0 is reserved; requests are numbered from 1")]
    RequestZero,
    /// A request has the number of another one that is still being answered.
    #[error("request number {0} is in use: not all answers to that request have been sent")]
    RequestInUse(u64),
    /// This side does not expect such a frame now.
    #[error("the frame kind {0} is not expected here; a connection begins with a Hello")]
    Unexpected(u8),
}
