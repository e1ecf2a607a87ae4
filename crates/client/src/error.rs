//! Errors: why a connection ended, a request was not accepted, or a call has no answer. Refusals of the server are
//! not errors; see `answer`.

use std::fmt;
use std::sync::Arc;
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, CommandId, FrameError, Quantity};

/// A connection that can no longer be used. The outcomes of what was in flight are unknown.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The operating system reported an error in a read, a write or a connect.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Closed,
    /// The server refused the connection and reported why: it is full, or there is no common protocol version.
    #[error("the server refused the connection: {0}")]
    Refused(String),
    /// The connection ended before the server answered the Hello.
    #[error("the connection was closed before the server answered the Hello")]
    ClosedInHandshake,
    /// The handshake took too long.
    #[error("the server did not answer the handshake within {0:?}")]
    HandshakeTimeout(std::time::Duration),
    /// Answers are due, and the server sent nothing for a long time.
    #[error("the server has sent nothing for {0:?} although answers are due")]
    Stalled(std::time::Duration),
    /// The stream of frames is invalid.
    #[error("the server's stream of frames is broken")]
    Frame(#[from] FrameError),
    /// A frame contains a value that this client cannot read.
    #[error("the server sent a frame that cannot be read")]
    Malformed(#[from] BadField),
    /// The server ended the connection and reported why: to make room for others, or because this client violated the
    /// protocol.
    #[error("the server ended the connection: {0}")]
    ByServer(String),
    /// The server chose a version that this client does not speak.
    #[error("the server chose protocol version {0}, which this client does not speak")]
    Version(u8),
    /// The server sent an answer that the request does not wait for.
    #[error("the server answered request {0}, which expects no such answer")]
    UnexpectedAnswer(u64),
}

impl ConnectionError {
    /// Whether a later connection may succeed. It may not if the peer does not speak the protocol. A server that is
    /// full may have a free connection later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Io(_)
            | Self::Closed
            | Self::Refused(_)
            | Self::ClosedInHandshake
            | Self::HandshakeTimeout(_)
            | Self::Stalled(_) => true,
            Self::Frame(_)
            | Self::Malformed(_)
            | Self::ByServer(_)
            | Self::Version(_)
            | Self::UnexpectedAnswer(_) => false,
        }
    }
}

/// A limit of one frame that a request exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request has {value} {what}, and a frame takes 1 to {max}")]
pub struct FrameLimit {
    /// What is counted: bytes, or entries such as commands, checks and names.
    pub what: &'static str,
    /// How many the request has.
    pub value: u64,
    /// How many a frame may have.
    pub max: u64,
}

impl FrameLimit {
    pub(crate) fn new(what: &'static str, value: usize, max: usize) -> Self {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self { what, value: number(value), max: number(max) }
    }
}

/// Why a request was not accepted. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The limit of the server or of the options is reached. Take answers first.
    #[error("{in_flight} commands and checks are in flight and the limit is {max}; take answers first")]
    InFlight {
        /// Commands, checks and queries that wait for answers.
        in_flight: u32,
        /// The limit.
        max: u32,
    },
    /// The request is empty.
    #[error("the request is empty")]
    Empty,
    /// The request is larger than the server accepts in one frame.
    #[error("{0}")]
    TooLarge(FrameLimit),
    /// The server is stopping and reads nothing new.
    #[error("the server is stopping and accepts nothing new on this connection")]
    Goodbye,
}

/// Why a call has no answer. A *decision* of the server is never an error: refusals are data ([`crate::Refusal`]).
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The outcome is unknown: the command may or may not have taken effect. Retry the same command under the same id
    /// ([`crate::Client::retry`]); it takes effect only once.
    #[error("the outcome of {id} is unknown; retry with the same id")]
    Unknown {
        /// The id to retry with.
        id: CommandId,
    },
    /// The command took effect in a way that only later versions of this client know. This is neither a success nor a
    /// refusal. Find out what happened with a query, or with a client of the server's release.
    #[error("{id} took effect in a way that this client does not know; query the server for the result")]
    UnknownEffect {
        /// The command's id.
        id: CommandId,
    },
    /// The command certainly had no effect. It may be sent again, under this id or another one.
    #[error("{id} had no effect: {why}")]
    NotDone {
        /// The id, which is unused.
        id: CommandId,
        /// The reason.
        why: NotDone,
    },
    /// The server does not know this name.
    #[error("the server does not know the {}", Named(.0))]
    UnknownName(Name),
    /// A field violates a rule of the protocol. Nothing was sent.
    #[error("{0}; nothing was sent")]
    BadField(BadField),
    /// The quantity of a line violates a rule of the protocol. Nothing was sent.
    #[error("SKU {sku}: the quantity {quantity} {}; nothing was sent", field.rule)]
    BadLine {
        /// The SKU as the caller gave it: its name in quotes, or its number.
        sku: String,
        /// The quantity.
        quantity: Quantity,
        /// The field and its rule.
        field: BadField,
    },
    /// The identity or epoch of the log has changed, or a name was given to another thing, and the call uses dense numbers from
    /// before. Nothing happened after the change; resolve the names again. If `earlier` is set, an earlier try may have
    /// taken effect.
    #[error("the log's epoch or names have changed; dense numbers must be resolved again")]
    EpochChanged {
        /// The id of an earlier try whose outcome is unknown.
        earlier: Option<CommandId>,
    },
    /// A query was not answered. It changes nothing and may be repeated.
    #[error("the query was not answered: {0}")]
    NotAnswered(NotDone),
    /// The server could not answer a query, and reported why.
    #[error("the server could not answer: {0}")]
    Failed(String),
    /// The server has not yet applied the op that a check waits for.
    #[error("the server has only reached op {op}, and the check requires op {min_op}")]
    Behind {
        /// The op that the server has reached.
        op: u64,
        /// The op that the check requires.
        min_op: u64,
    },
}

impl From<BadField> for CallError {
    fn from(field: BadField) -> Self {
        Self::BadField(field)
    }
}

/// A name as people read it.
struct Named<'a>(&'a Name);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Name::Sku(sku) => write!(f, "SKU \"{sku}\""),
            Name::Stock(stock) => write!(f, "stock \"{stock}\""),
            Name::Source(code) => write!(f, "source \"{code}\""),
            Name::Channel(channel_type, code) => write!(f, "channel \"{channel_type}/{code}\""),
        }
    }
}

impl CallError {
    /// The server answered a query with an answer of another kind.
    pub(crate) fn other_answer() -> Self {
        Self::Failed("the server sent the answer to another query".to_owned())
    }
}

/// Why a command had no effect or a query no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotDone {
    /// The server was at a limit until the deadline of the call.
    #[error("the server was busy until the deadline")]
    Busy,
    /// No connection could be made or kept open.
    #[error("the server could not be reached")]
    Unreachable(#[source] Arc<ConnectionError>),
    /// The call's deadline passed before the command was sent or logged.
    #[error("the deadline passed before the request was sent or logged")]
    DeadlinePassed,
    /// The request does not fit one frame of this server.
    #[error("{0}")]
    TooLarge(FrameLimit),
}
