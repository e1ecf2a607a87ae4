//! Why a connection ends. Refusals of the server are not here: they are data, see `answer`.

use stockhold_protocol::{BadField, FrameError};

/// A connection that cannot go on. What was in flight on it has an unknown outcome.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The operating system refused a read, a write or a connect.
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Closed,
    /// The handshake did not end in time.
    #[error("the server did not answer the handshake within {0:?}")]
    HandshakeTimeout(std::time::Duration),
    /// The stream of frames is broken.
    #[error("the server's stream of frames is broken")]
    Frame(#[from] FrameError),
    /// A frame holds something that this client cannot read.
    #[error("the server sent a frame that cannot be read")]
    Malformed(#[from] BadField),
    /// The server says that this client broke the protocol.
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
