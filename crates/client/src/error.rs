//! Why a connection ends, a request is not taken, a call has no answer. Refusals of the server are not
//! here: they are data, see `answer`.

use std::sync::Arc;
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, CommandId, FrameError};

/// A connection that cannot go on. What was in flight on it has an unknown outcome.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The operating system refused a read, a write or a connect.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Closed,
    /// The server refused the connection and says why: it has no place for it, or speaks no common version.
    #[error("the server refused the connection: {0}")]
    Refused(String),
    /// The connection ended before the server had answered the hello.
    #[error("the connection was closed before the server answered the hello")]
    ClosedInHandshake,
    /// The handshake did not end in time.
    #[error("the server did not answer the handshake within {0:?}")]
    HandshakeTimeout(std::time::Duration),
    /// Answers are due and nothing came for a long time.
    #[error("the server has sent nothing for {0:?} although answers are due")]
    Stalled(std::time::Duration),
    /// The stream of frames is broken.
    #[error("the server's stream of frames is broken")]
    Frame(#[from] FrameError),
    /// A frame holds something that this client cannot read.
    #[error("the server sent a frame that cannot be read")]
    Malformed(#[from] BadField),
    /// The server says why it ended the connection: to make room for others, or because this client broke the protocol.
    #[error("the server ended the connection: {0}")]
    ByServer(String),
    /// The server chose a version that this client does not speak.
    #[error("the server chose protocol version {0}, which this client does not speak")]
    Version(u8),
    /// An answer came to a request that does not wait for it.
    #[error("the server answered request {0}, which does not wait for such an answer")]
    UnexpectedAnswer(u64),
}

/// Why a request was not taken. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As much is in flight as the server or the options allow; take answers first.
    #[error("{in_flight} commands and checks are in flight and the limit is {max}; take answers first")]
    InFlight {
        /// Commands, checks and questions that wait for answers.
        in_flight: u32,
        /// The limit.
        max: u32,
    },
    /// The request holds nothing.
    #[error("the request is empty")]
    Empty,
    /// The request is larger than the server takes in one frame.
    #[error("the request does not fit one frame of this server")]
    TooLarge,
    /// The server is stopping and reads nothing new.
    #[error("the server is stopping and takes nothing new on this connection")]
    Goodbye,
}

/// Why a call has no answer. What the server *decided* is never here: refusals are data
/// ([`crate::Refusal`]).
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The outcome is unknown: the command may have taken effect or not. Ask again under the same id with
    /// the same command ([`crate::Client::retry`]): it takes effect once, however often it is asked.
    #[error("the outcome of {id} is unknown; retry with the same id")]
    Unknown {
        /// The id to retry with.
        id: CommandId,
    },
    /// The command took effect in a way that only later versions of this client know: neither a yes nor a no. Ask the
    /// server what became of it, with a question or a program of its own release.
    #[error("{id} took effect in a way that this client does not know; ask the server what became of it")]
    UnknownEffect {
        /// The command's id.
        id: CommandId,
    },
    /// The command had no effect, for certain. It may be sent again, with this id or another.
    #[error("{id} had no effect: {why}")]
    NotDone {
        /// The id, which is unused.
        id: CommandId,
        /// Why.
        why: NotDone,
    },
    /// The server knows no such name.
    #[error("the server knows no {0:?}")]
    UnknownName(Name),
    /// A field breaks a rule of the wire; nothing was sent.
    #[error("a field breaks a rule; nothing was sent")]
    BadField(#[from] BadField),
    /// The log's identity or epoch has changed and the call named things by dense numbers of the old one.
    /// Nothing was sent since; resolve the names again. With `earlier`, an earlier try may have taken effect.
    #[error("the log's epoch has changed; dense numbers must be resolved again")]
    EpochChanged {
        /// The id of an earlier try whose outcome is unknown.
        earlier: Option<CommandId>,
    },
    /// A question was not answered; it changes nothing, so it may simply be asked again.
    #[error("the question was not answered: {0}")]
    NotAnswered(NotDone),
    /// The server could not answer a question, and says why.
    #[error("the server could not answer: {0}")]
    Failed(String),
    /// The server has not applied the op that a check asked for.
    #[error("the server has reached op {op}, not the op that the check asks for")]
    Behind {
        /// The op that it has reached.
        op: u64,
    },
}

impl CallError {
    /// The server broke the protocol in a way that only the caller of a question can see.
    pub(crate) fn other_answer() -> Self {
        Self::Failed("the server answered another question".to_owned())
    }
}

/// Why nothing happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotDone {
    /// The server was at a limit until the call's deadline.
    #[error("the server was busy until the deadline")]
    Busy,
    /// No connection could be made or kept.
    #[error("the server could not be reached")]
    Unreachable(#[source] Arc<ConnectionError>),
    /// The call's deadline passed before the command was sent or logged.
    #[error("the deadline passed before it was sent or logged")]
    DeadlinePassed,
    /// It does not fit one frame of this server.
    #[error("it does not fit one frame of this server")]
    TooLarge,
}
