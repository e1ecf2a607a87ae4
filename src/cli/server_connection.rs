//! A connection to a server: it resolves names, executes commands and asks questions.
//!
//! A call that loses its connection is retried *with the same id* until its timeout. Only then is its outcome unknown,
//! and the failure names the id for a repetition. For many commands there is `bulk`.

use super::exit::{Exit, ExitWith, Failure};
use super::parse::{ChannelName, milliseconds};
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stockhold_client::{
    CommandBatch, ConnectionError, IdGenerator, Outcomes, PipelinedConnection, Reply, SendError,
};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{ChannelId, Code, Command, CommandId, Envelope, Outcome, SkuId, SourceId, StockId};
use tokio::runtime::Runtime;

/// The client name in the server's log.
const CLIENT_NAME: &str = concat!("stockhold-cli/", env!("CARGO_PKG_VERSION"));
/// The pause before the first retry. It doubles up to the maximum.
const PAUSE_MS: u64 = 20;
const PAUSE_MS_MAX: u64 = 1_000;
/// How long the first connection is retried.
const OPEN_MS: u64 = 1_000;
/// The maximum number of names in a frame.
const NAMES_PER_FRAME: usize = 1_000;
/// The maximum number of checks in a frame.
const CHECKS_PER_FRAME: usize = 4_096;

/// A connection to one server.
pub(super) struct ServerConnection {
    runtime: Runtime,
    address: String,
    timeout: Duration,
    connection: Option<PipelinedConnection>,
    ids: IdGenerator,
    /// The names of SKUs by number that were asked for, for printing outcomes.
    sku_names: BTreeMap<SkuId, String>,
}

impl ServerConnection {
    /// Connects, and waits a moment for a server that is just starting.
    pub(super) fn open(address: &str, timeout: Duration) -> Result<Self, Failure> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().exit_with(Exit::Disk)?;
        let mut server = Self {
            runtime,
            address: address.to_owned(),
            timeout,
            connection: None,
            ids: IdGenerator::new(),
            sku_names: BTreeMap::new(),
        };
        let deadline = Instant::now() + timeout.min(Duration::from_millis(OPEN_MS));
        server.ensure_connected(deadline).map_err(|error| server.unreachable(error))?;
        Ok(server)
    }

    /// Allows calls to take longer, for queries that read the whole state.
    pub(super) fn allow(&mut self, timeout: Duration) {
        self.timeout = self.timeout.max(timeout);
    }

    /// A new id for a command, based on the server's time.
    pub(super) fn new_id(&mut self) -> CommandId {
        let now_ms = self.now_ms();
        self.ids.next_at(now_ms)
    }

    /// The server's time.
    pub(super) fn now_ms(&self) -> u64 {
        match &self.connection {
            Some(connection) => connection.server_clock().now_ms(),
            None => stockhold_client::wall_clock_ms(),
        }
    }

    /// Wall clock minus hold time, in milliseconds. It is added to deadlines that are printed.
    pub(super) fn shown_offset_ms(&self) -> i64 {
        self.connection.as_ref().map_or(0, |connection| connection.welcome().shown_offset_ms)
    }

    /// Returns whether the server has reported a new name generation since the last call. If so, numbers from before must be
    /// resolved again. Commands carry the new generation from now on.
    pub(super) fn take_names(&mut self) -> bool {
        self.connection.as_mut().is_some_and(PipelinedConnection::take_names)
    }

    /// Closes the connection and opens a new one.
    pub(super) fn reconnect(&mut self) -> Result<(), Failure> {
        self.connection = None;
        self.ensure_connected(Instant::now() + self.timeout).map_err(|error| self.unreachable(error))
    }

    /// Runs a future with the open connection.
    pub(super) fn with_connection<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PipelinedConnection) -> Result<T, ConnectionError>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.timeout;
        self.ensure_connected(deadline).map_err(|error| self.unreachable(error))?;
        let Self { runtime, connection, .. } = self;
        let left = deadline.saturating_duration_since(Instant::now());
        let result = match connection.as_mut() {
            Some(connection) => runtime.block_on(async {
                tokio::time::timeout(left, work(connection)).await.unwrap_or_else(|_| Err(timed_out()))
            }),
            None => Err(ConnectionError::Closed),
        };
        result.map_err(|error| {
            self.connection = None;
            self.unreachable(error)
        })
    }

    /// As [`ServerConnection::with_connection`] for a query, which is safe to repeat. It is repeated once on a new
    /// connection if the open one has ended, because a server closes idle connections to make room for others.
    fn ask<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut PipelinedConnection) -> Result<T, ConnectionError>,
    ) -> Result<T, Failure> {
        let was_open = self.connection.is_some();
        match self.with_connection(async |connection| work(connection).await) {
            Err(failure) if was_open && has_ended(&failure) => {
                self.with_connection(async |connection| work(connection).await)
            }
            answer => answer,
        }
    }

    /// Ensures that there is a connection, with retries until `deadline`.
    fn ensure_connected(&mut self, deadline: Instant) -> Result<(), ConnectionError> {
        let mut pause = PAUSE_MS;
        while self.connection.as_ref().is_none_or(PipelinedConnection::is_stopping) {
            match self.runtime.block_on(PipelinedConnection::connect(self.address.as_str(), CLIENT_NAME)) {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => {
                    let wait = Duration::from_millis(pause);
                    if !is_worth_another_try(&error) || Instant::now() + wait >= deadline {
                        return Err(error);
                    }
                    self.pause(wait);
                    pause = (pause * 2).min(PAUSE_MS_MAX);
                }
            }
        }
        Ok(())
    }

    /// Waits. The timer must be created inside the runtime.
    fn pause(&self, wait: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(wait).await });
    }

    /// Explains why there is no answer: no server is reachable, or a server refuses to talk.
    fn unreachable(&self, error: ConnectionError) -> Failure {
        let address = &self.address;
        let (exit, sentence) = match &error {
            ConnectionError::Refused(_) => {
                (Exit::ConnectionRefused, format!("the server at {address} refused the connection"))
            }
            ConnectionError::ByServer(_) => {
                (Exit::Unreachable, format!("the server at {address} gave no answer"))
            }
            ConnectionError::ClosedInHandshake => (
                Exit::Unreachable,
                format!(
                    "the peer at {address} closed the connection; is it a Stockhold server, or is it stopping?"
                ),
            ),
            ConnectionError::Io(_)
            | ConnectionError::Closed
            | ConnectionError::HandshakeTimeout(_)
            | ConnectionError::Stalled(_)
            | ConnectionError::Frame(_)
            | ConnectionError::Malformed(_)
            | ConnectionError::Version(_)
            | ConnectionError::UnexpectedAnswer(_) => (
                Exit::Unreachable,
                format!("the server at {address} cannot be reached; is it running, and is --server right?"),
            ),
        };
        Failure { exit, error: anyhow::Error::new(error).context(sentence) }
    }

    /// Executes one command. With an id it is a repetition, without one it is a first attempt.
    pub(super) fn execute(
        &mut self,
        id: Option<CommandId>,
        command: Command<'_>,
    ) -> Result<(CommandId, Outcome), Failure> {
        let fresh = id.is_none();
        let id = id.unwrap_or_else(|| self.new_id());
        let mut batch = CommandBatch::new();
        batch.push(&Envelope { fresh, ..Envelope::new(id, command) }).exit_with(Exit::Usage)?;
        batch.set_deadline_ms(u32::try_from(milliseconds(self.timeout)).unwrap_or(u32::MAX));
        let deadline = Instant::now() + self.timeout;
        let mut pause = PAUSE_MS;
        let mut was_sent = false;
        loop {
            let failure = match self.try_once(&batch, deadline, &mut was_sent) {
                Ok(outcome) if outcome.code == Code::Busy => {
                    pause = u64::from(outcome.value).max(pause);
                    if Instant::now() + Duration::from_millis(pause) >= deadline {
                        return Ok((id, outcome));
                    }
                    None
                }
                Ok(outcome) => return Ok((id, outcome)),
                Err(SendError::Submit(error)) => return Err(Failure::new(Exit::Usage, error)),
                Err(SendError::Connection(error)) => Some(error),
            };
            batch.mark_retry();
            let wait = Duration::from_millis(pause);
            if let Some(error) = failure
                && Instant::now() + wait >= deadline
            {
                self.connection = None;
                return Err(if was_sent { self.unknown(id, error) } else { self.unreachable(error) });
            }
            self.pause(wait);
            pause = (pause * 2).min(PAUSE_MS_MAX);
        }
    }

    fn unknown(&self, id: CommandId, error: ConnectionError) -> Failure {
        let sentence = format!(
            "the outcome is unknown: the server at {} did not answer in time; repeat the command with --id {id}, \
             which can never take effect twice",
            self.address
        );
        Failure { exit: Exit::Unreachable, error: anyhow::Error::new(error).context(sentence) }
    }

    fn try_once(
        &mut self,
        batch: &CommandBatch,
        deadline: Instant,
        was_sent: &mut bool,
    ) -> Result<Outcome, SendError> {
        self.ensure_connected(deadline)?;
        *was_sent = true;
        let Some(connection) = self.connection.as_mut() else { return Err(ConnectionError::Closed.into()) };
        let mut outcomes = Outcomes::new();
        let left = deadline.saturating_duration_since(Instant::now());
        let sent = self.runtime.block_on(async {
            let send = connection.send(batch, &mut outcomes);
            tokio::time::timeout(left, send).await.unwrap_or_else(|_| Err(timed_out().into()))
        });
        if sent.is_err() {
            self.connection = None;
        }
        sent?;
        outcomes.get(0).cloned().ok_or_else(|| ConnectionError::Closed.into())
    }

    /// Asks one query.
    pub(super) fn query(&mut self, query: &Query) -> Result<QueryAnswer, Failure> {
        let answer = self.ask(async |connection| {
            connection.submit_query(query).map_err(|_| ConnectionError::Closed)?;
            loop {
                connection.turn().await?;
                while let Some(reply) = connection.next_reply()? {
                    if let Reply::Answer { answer, .. } = reply {
                        return Ok(*answer);
                    }
                }
            }
        })?;
        if let QueryAnswer::Failed(sentence) = answer {
            return Err(Failure { exit: Exit::Unreachable, error: anyhow!(sentence) });
        }
        Ok(answer)
    }

    /// The salable quantity of each pair, and the op of these values.
    pub(super) fn check(
        &mut self,
        pairs: &[(SkuId, StockId)],
        min_op: u64,
    ) -> Result<(u64, Vec<i64>), Failure> {
        let deadline_ms = u32::try_from(milliseconds(self.timeout)).unwrap_or(u32::MAX);
        let (mut last_op, mut cells) = (0, Vec::with_capacity(pairs.len()));
        for chunk in pairs.chunks(CHECKS_PER_FRAME) {
            let answered = self.ask(async |connection| {
                connection.submit_checks(chunk, min_op, deadline_ms).map_err(|_| ConnectionError::Closed)?;
                while connection.in_flight() > 0 {
                    connection.turn().await?;
                    while let Some(reply) = connection.next_reply()? {
                        match reply {
                            Reply::Cells(frame) => {
                                return Ok(Ok((frame.op, frame.raw().collect::<Vec<_>>())));
                            }
                            Reply::Outcomes(frame) => {
                                let first = frame.iter().next().transpose()?;
                                return Ok(Err(first.map_or(Code::Behind, |(_, outcome)| outcome.code)));
                            }
                            Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => {}
                        }
                    }
                }
                Err(ConnectionError::Closed)
            })?;
            match answered {
                Ok((op, mut some)) => {
                    last_op = op;
                    cells.append(&mut some);
                }
                Err(code) => {
                    return Err(Failure { exit: Exit::Unreachable, error: anyhow!(code.sentence()) });
                }
            }
        }
        Ok((last_op, cells))
    }

    /// The numbers of names; `None` for an unknown name.
    pub(super) fn resolve(&mut self, names: &[Name]) -> Result<Vec<Option<u32>>, Failure> {
        let mut numbers = Vec::with_capacity(names.len());
        for chunk in names.chunks(NAMES_PER_FRAME) {
            let mut some = self.ask(async |connection| {
                connection.submit_resolve(chunk).map_err(|_| ConnectionError::Closed)?;
                loop {
                    connection.turn().await?;
                    while let Some(reply) = connection.next_reply()? {
                        if let Reply::Resolved { numbers, .. } = reply {
                            return Ok(numbers);
                        }
                    }
                }
            })?;
            numbers.append(&mut some);
        }
        for (name, number) in names.iter().zip(&numbers) {
            if let (Name::Sku(sku), Some(number)) = (name, number) {
                self.sku_names.insert(SkuId(*number), sku.clone());
            }
        }
        Ok(numbers)
    }

    fn one(&mut self, name: &Name) -> Result<u32, Failure> {
        let numbers = self.resolve(std::slice::from_ref(name))?;
        numbers.first().copied().flatten().ok_or_else(|| unknown_name(name))
    }

    /// The number of a SKU.
    pub(super) fn sku(&mut self, sku: &str) -> Result<SkuId, Failure> {
        self.one(&Name::Sku(sku.to_owned())).map(SkuId)
    }

    /// The number of a stock.
    pub(super) fn stock(&mut self, name: &str) -> Result<StockId, Failure> {
        self.one(&Name::Stock(name.to_owned())).map(StockId)
    }

    /// The number of a source.
    pub(super) fn source(&mut self, code: &str) -> Result<SourceId, Failure> {
        self.one(&Name::Source(code.to_owned())).map(SourceId)
    }

    /// The number of a channel.
    pub(super) fn channel(&mut self, channel: &ChannelName) -> Result<ChannelId, Failure> {
        self.one(&Name::Channel(channel.kind.clone(), channel.code.clone())).map(ChannelId)
    }

    /// The name of a SKU by its number.
    pub(super) fn sku_name(&mut self, sku: SkuId) -> Result<String, Failure> {
        if let Some(name) = self.sku_names.get(&sku) {
            return Ok(name.clone());
        }
        let QueryAnswer::Sku(view) = self.query(&Query::Sku(sku))? else { return Err(wrong_answer()) };
        let name = view.map_or_else(|| format!("#{sku}"), |view| view.sku);
        self.sku_names.insert(sku, name.clone());
        Ok(name)
    }
}

/// The failure for an unknown name.
pub(super) fn unknown_name(name: &Name) -> Failure {
    Failure::usage(match name {
        Name::Sku(sku) => format!("there is no SKU \"{sku}\""),
        Name::Stock(stock) => format!("there is no stock \"{stock}\""),
        Name::Source(code) => format!("there is no source \"{code}\""),
        Name::Channel(kind, code) => format!("there is no channel \"{kind}/{code}\""),
    })
}

/// The failure for an answer of the wrong kind. The peer is not a valid server.
pub(super) fn wrong_answer() -> Failure {
    Failure { exit: Exit::Unreachable, error: anyhow!("the server gave an answer of the wrong kind") }
}

/// Whether the connection has ended, as opposed to a timeout.
fn has_ended(failure: &Failure) -> bool {
    failure.error.downcast_ref::<ConnectionError>().is_some_and(|error| match error {
        ConnectionError::Closed | ConnectionError::ByServer(_) => true,
        ConnectionError::Io(error) => error.kind() != std::io::ErrorKind::TimedOut,
        ConnectionError::Refused(_)
        | ConnectionError::ClosedInHandshake
        | ConnectionError::HandshakeTimeout(_)
        | ConnectionError::Stalled(_)
        | ConnectionError::Frame(_)
        | ConnectionError::Malformed(_)
        | ConnectionError::Version(_)
        | ConnectionError::UnexpectedAnswer(_) => false,
    })
}

fn timed_out() -> ConnectionError {
    ConnectionError::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

/// Whether a retry may succeed. It may not if the peer does not speak the protocol. A full server may have a free
/// connection later.
const fn is_worth_another_try(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Io(_)
        | ConnectionError::Closed
        | ConnectionError::Refused(_)
        | ConnectionError::ClosedInHandshake
        | ConnectionError::Stalled(_)
        | ConnectionError::HandshakeTimeout(_) => true,
        ConnectionError::Frame(_)
        | ConnectionError::Malformed(_)
        | ConnectionError::ByServer(_)
        | ConnectionError::Version(_)
        | ConnectionError::UnexpectedAnswer(_) => false,
    }
}
