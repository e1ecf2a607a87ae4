//! One TCP connection with many frames in flight. Its owner drives it: it uses no task, no lock and no future for
//! each cart. It does not retry, reconnect or cache names; [`crate::Client`] does.

use crate::command_batch::CommandBatch;
use crate::error::{ConnectionError, SubmitError};
use crate::reply::{Outcomes, Reply};
use crate::sans_io::SansIoConnection;
use crate::server_clock::ServerClock;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::{Name, Query};
use stockhold_protocol::{SkuId, StockId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, ToSocketAddrs};

/// How long [`PipelinedConnection::connect`] waits for the connection and the handshake together.
pub const HANDSHAKE_MS: u64 = 5_000;

/// Why [`PipelinedConnection::send`] returned no outcomes.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing was sent.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The connection broke, so the outcome of the batch is unknown. Call [`CommandBatch::mark_retry`] and send the
    /// batch again on another connection.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// A connection for callers that keep many carts in flight themselves.
///
/// The loop is always the same: call `submit` for each request, `turn` to exchange bytes, and `next_reply` until it
/// returns `None`.
///
/// ```no_run
/// use stockhold_client::{CommandBatch, IdGenerator, PipelinedConnection, Reply};
/// use stockhold_protocol::{Line, Quantity, SkuId, StockId, command::Target};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut connection = PipelinedConnection::connect("127.0.0.1:7411", "example").await?;
/// let (mut ids, mut batch) = (IdGenerator::new(), CommandBatch::new());
/// let line = Line::new(SkuId(0), Quantity::units(1).unwrap());
/// let mut granted = 0;
/// for _ in 0..4 {
///     batch.clear();
///     let now_ms = connection.server_clock().now_ms();
///     for _ in 0..128 {
///         batch.push_reserve(ids.next_at(now_ms), Target::Stock(StockId(0)), &[line], None)?;
///     }
///     connection.submit(&batch)?;
/// }
/// while connection.in_flight() > 0 {
///     connection.turn().await?;
///     while let Some(reply) = connection.next_reply()? {
///         if let Reply::Outcomes(frame) = reply {
///             for entry in frame.iter() {
///                 let (_index, outcome) = entry?;
///                 granted += u32::from(outcome.code.is_success());
///             }
///         }
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PipelinedConnection<S = TcpStream> {
    stream: S,
    protocol: SansIoConnection,
    welcome: Welcome,
    clock: Arc<ServerClock>,
}

impl PipelinedConnection<TcpStream> {
    /// Connects and performs the handshake within [`HANDSHAKE_MS`].
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub async fn connect(address: impl ToSocketAddrs, client_name: &str) -> Result<Self, ConnectionError> {
        Self::connect_within(Duration::from_millis(HANDSHAKE_MS), address, client_name).await
    }

    /// Connects and performs the handshake within `limit`, name resolution included. It tries once.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub async fn connect_within(
        limit: Duration,
        address: impl ToSocketAddrs,
        client_name: &str,
    ) -> Result<Self, ConnectionError> {
        let connected = tokio::time::timeout(limit, async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Self::handshake(stream, client_name).await
        });
        connected.await.unwrap_or(Err(ConnectionError::HandshakeTimeout(limit)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> PipelinedConnection<S> {
    /// Performs the handshake on a connected stream, without a time limit.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server does not speak the protocol.
    pub async fn handshake(stream: S, client_name: &str) -> Result<Self, ConnectionError> {
        Self::handshake_with(stream, client_name, Arc::default()).await
    }

    /// Like [`Self::handshake`], with a clock that other connections share.
    pub(crate) async fn handshake_with(
        mut stream: S,
        client_name: &str,
        clock: Arc<ServerClock>,
    ) -> Result<Self, ConnectionError> {
        let mut protocol = SansIoConnection::new(client_name)?;
        loop {
            if let Some(welcome) = protocol.welcome()? {
                clock.on_welcome(&welcome);
                return Ok(Self { stream, protocol, welcome, clock });
            }
            let exchanged = poll_fn(|context| poll_exchange(&mut stream, &mut protocol, true, context)).await;
            exchanged.map_err(in_handshake)?;
        }
    }

    /// The Welcome frame of the server: log, epoch, rules, limits.
    #[must_use]
    pub const fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// The server's time, from which ids are made.
    #[must_use]
    pub fn server_clock(&self) -> &ServerClock {
        &self.clock
    }

    /// How many commands, checks, names and queries wait for answers.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.protocol.in_flight()
    }

    /// How many more could be submitted now.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.protocol.room()
    }

    /// Whether the server has said Goodbye. It accepts nothing new but still sends its answers.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.protocol.is_stopping()
    }

    /// Appends a batch to the output as one frame and returns its request number. The bytes leave with the next
    /// [`Self::turn`]. The batch may be cleared and reused at once.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit(&mut self, batch: &CommandBatch) -> Result<u64, SubmitError> {
        self.protocol.submit(batch)
    }

    /// Queries availability; see [`SansIoConnection::submit_checks`].
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_checks(
        &mut self,
        pairs: &[(SkuId, StockId)],
        min_op: u64,
        deadline_ms: u32,
    ) -> Result<u64, SubmitError> {
        self.protocol.submit_checks(pairs, min_op, deadline_ms)
    }

    /// Queries the dense numbers of names.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_resolve(&mut self, names: &[Name]) -> Result<u64, SubmitError> {
        self.protocol.submit_resolve(names)
    }

    /// Submits a query.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was queued.
    pub fn submit_query(&mut self, query: &Query) -> Result<u64, SubmitError> {
        self.protocol.submit_query(query)
    }

    /// Writes pending output and reads available input. Returns when something was read, or at once when everything
    /// is written and nothing is in flight. Take all replies before the next turn. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ConnectionError`]: the connection can no longer be used, and the outcomes of what is in flight are unknown.
    pub async fn turn(&mut self) -> Result<(), ConnectionError> {
        poll_fn(|context| poll_exchange(&mut self.stream, &mut self.protocol, false, context)).await
    }

    /// Like [`Self::turn`], but waits for bytes from the server even when nothing is in flight.
    pub(crate) async fn read_more(&mut self) -> Result<(), ConnectionError> {
        poll_fn(|context| poll_exchange(&mut self.stream, &mut self.protocol, true, context)).await
    }

    /// Like [`Self::read_more`], but does not wait. Returns whether anything was read.
    pub(crate) async fn read_now(&mut self) -> Result<bool, ConnectionError> {
        poll_fn(|context| {
            let polled = poll_exchange(&mut self.stream, &mut self.protocol, true, context);
            Poll::Ready(if let Poll::Ready(read) = polled { read.map(|()| true) } else { Ok(false) })
        })
        .await
    }

    /// Returns whether the server has reported another name generation than the one that commands of this connection give. If so,
    /// they give the new one from now on. Resolve names again before sending their numbers.
    pub const fn take_names(&mut self) -> bool {
        let told = self.protocol.told_names();
        let is_new = self.protocol.names() != told;
        self.protocol.know_names(told);
        is_new
    }

    pub(crate) const fn protocol(&mut self) -> &mut SansIoConnection {
        &mut self.protocol
    }

    /// The next complete reply among the bytes that were read.
    ///
    /// # Errors
    /// [`ConnectionError`]: the connection can no longer be used.
    pub fn next_reply(&mut self) -> Result<Option<Reply<'_>>, ConnectionError> {
        let reply = self.protocol.next_reply()?;
        if let Some(Reply::Outcomes(frame)) = &reply {
            self.clock.note(frame.time_s);
        }
        Ok(reply)
    }

    /// Sends one batch and waits for all of its outcomes, which replace the contents of `outcomes`. Nothing else may
    /// be in flight.
    ///
    /// # Errors
    /// [`SendError`] reports whether the batch was sent.
    pub async fn send(&mut self, batch: &CommandBatch, outcomes: &mut Outcomes) -> Result<(), SendError> {
        let in_flight = self.in_flight();
        if in_flight > 0 {
            return Err(SubmitError::InFlight { in_flight, max: 0 }.into());
        }
        outcomes.reset(batch.len());
        self.submit(batch)?;
        while self.in_flight() > 0 {
            self.turn().await?;
            while let Some(reply) = self.next_reply()? {
                if let Reply::Outcomes(frame) = reply {
                    outcomes.take(&frame)?;
                }
            }
        }
        Ok(())
    }
}

/// Maps the end of the stream before the server has answered to its own error: the server is reachable, but closed
/// the connection.
fn in_handshake(error: ConnectionError) -> ConnectionError {
    let has_ended = matches!(error, ConnectionError::Closed)
        || matches!(&error, ConnectionError::Io(error) if is_end(error.kind()));
    if has_ended { ConnectionError::ClosedInHandshake } else { error }
}

fn is_end(kind: ErrorKind) -> bool {
    [
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
    ]
    .contains(&kind)
}

/// Writes pending output and reads input. It is ready when something was read. Unless `read_needed`, it is also ready
/// when everything is written and nothing is in flight.
///
/// It polls the socket as a stream instead of waiting for readiness first. A read that does not fill the buffer then
/// tells the runtime that the socket is empty, which saves one failing read each time.
fn poll_exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    protocol: &mut SansIoConnection,
    read_needed: bool,
    context: &mut Context<'_>,
) -> Poll<Result<(), ConnectionError>> {
    while !protocol.output().is_empty() {
        match Pin::new(&mut *stream).poll_write(context, protocol.output()) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(ConnectionError::Closed)),
            Poll::Ready(Ok(count)) => protocol.advance_output(count),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
            Poll::Pending => break,
        }
    }
    if !read_needed && protocol.in_flight() == 0 && protocol.output().is_empty() {
        return Poll::Ready(Ok(()));
    }
    let mut buffer = ReadBuf::new(protocol.input_space());
    match Pin::new(stream).poll_read(context, &mut buffer) {
        Poll::Ready(Ok(())) => {
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
            protocol.advance_input(count);
            Poll::Ready(Ok(()))
        }
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
        Poll::Pending => Poll::Pending,
    }
}
