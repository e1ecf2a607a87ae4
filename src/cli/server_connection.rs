//! A connection to a server: it connects, executes commands and repeats what was not answered.
//!
//! A call that loses its connection is retried *with the same id* until its timeout. Only then is its outcome unknown,
//! and the failure names the id for a repetition. The timeout is neither cut short nor exceeded, whatever the server
//! does. For questions there is `questions`, for many commands `bulk`.

use super::exit::{Exit, ExitWith, Failure, OutcomeUnknown};
use super::output::Output;
use super::times::milliseconds;
use super::tries::{Timeout, Tries};
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use stockhold_client::{
    CommandBatch, ConnectionError, HANDSHAKE_MS, IdGenerator, Outcomes, PipelinedConnection, SendError,
};
use stockhold_protocol::{Code, Command, CommandId, Envelope, Outcome, SkuId};
use tokio::runtime::Runtime;

/// The client name in the server's log.
const CLIENT_NAME: &str = concat!("stockhold-cli/", env!("CARGO_PKG_VERSION"));
/// How long one attempt to connect may take, name resolution and handshake included. Further attempts follow.
const ATTEMPT_MAX: Duration = Duration::from_millis(HANDSHAKE_MS);
/// A person is told that there is no server yet after this time.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// A connection to one server.
pub(super) struct ServerConnection {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    output: Output,
    address: String,
    timeout: Timeout,
    /// When the present wait ends.
    until: Instant,
    connection: Option<PipelinedConnection>,
    ids: IdGenerator,
    /// The names of SKUs by number that were asked for, for printing outcomes.
    pub(super) sku_names: BTreeMap<SkuId, String>,
}

/// The answer to a question.
pub(super) enum Asked<T> {
    Answered(T),
    /// The server cannot answer yet and may be asked again after this time.
    NotYet {
        code: Code,
        after_ms: u32,
    },
}

impl ServerConnection {
    /// Connects, and waits for a server that is not there yet.
    pub(super) fn open(address: &str, timeout: Timeout, output: Output) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .exit_with(Exit::Unreachable)?;
        let mut server = Self {
            runtime: Some(runtime),
            output,
            address: address.to_owned(),
            timeout,
            until: Instant::now() + timeout.span(),
            connection: None,
            ids: IdGenerator::new(),
            sku_names: BTreeMap::new(),
        };
        server.ensure_connected().map_err(|error| server.unreachable(error))?;
        Ok(server)
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

    /// Begins to wait for an answer. A timeout for each answer begins again.
    pub(super) fn begin_wait(&mut self) {
        if let Timeout::Answer(span) = self.timeout {
            self.until = Instant::now() + span;
        }
    }

    /// The tries of one call.
    pub(super) const fn tries(&self) -> Tries {
        Tries::until(self.until)
    }

    /// Pauses before the next try, at least as long as the server asked for. Returns whether there is time for one.
    pub(super) fn pause(&self, tries: &mut Tries, asked: Duration) -> bool {
        let Some(pause) = tries.next_pause(Instant::now(), asked) else { return false };
        std::thread::sleep(pause);
        !self.left().is_zero()
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn left_ms(&self) -> u32 {
        u32::try_from(milliseconds(self.left())).unwrap_or(u32::MAX).max(1)
    }

    /// Closes the connection and opens a new one.
    pub(super) fn reconnect(&mut self) -> Result<(), Failure> {
        self.connection = None;
        self.ensure_connected().map_err(|error| self.unreachable(error))
    }

    /// Runs a future with the open connection. It is not repeated.
    pub(super) fn with_connection<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PipelinedConnection) -> Result<T, ConnectionError>,
    ) -> Result<T, Failure> {
        self.try_once(work).map_err(|error| self.unreachable(error))
    }

    /// Asks until there is an answer or the time is over. `work` gets the milliseconds that are left.
    pub(super) fn ask<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut PipelinedConnection, u32) -> Result<Asked<T>, ConnectionError>,
    ) -> Result<T, Failure> {
        self.begin_wait();
        let (mut tries, mut before) = (self.tries(), None);
        loop {
            let left_ms = self.left_ms();
            let (failure, asked_ms) = match self.try_once(async |connection| work(connection, left_ms).await)
            {
                Ok(Asked::Answered(answer)) => return Ok(answer),
                Ok(Asked::NotYet { code, after_ms }) => {
                    (Failure { exit: Exit::Unreachable, error: anyhow!(code.sentence()) }, after_ms)
                }
                // A server closes idle connections to make room for others.
                Err(error) if error.may_pass() || matches!(error, ConnectionError::ByServer(_)) => {
                    (self.unreachable(error), 0)
                }
                Err(error) => return Err(self.unreachable(error)),
            };
            // A try that was cut short by the timeout tells less than the one before it.
            let is_cut_short = self.left().is_zero();
            let failure = if is_cut_short { before.take().unwrap_or(failure) } else { failure };
            if !self.pause(&mut tries, Duration::from_millis(u64::from(asked_ms))) {
                return Err(failure);
            }
            before = Some(failure);
        }
    }

    fn try_once<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PipelinedConnection) -> Result<T, ConnectionError>,
    ) -> Result<T, ConnectionError> {
        self.ensure_connected()?;
        let left = self.left();
        let Self { runtime: Some(runtime), connection: Some(connection), .. } = self else {
            return Err(ConnectionError::Closed);
        };
        let result = runtime.block_on(async {
            tokio::time::timeout(left, work(connection)).await.unwrap_or_else(|_| Err(timed_out()))
        });
        if result.is_err() {
            self.connection = None;
        }
        result
    }

    /// Ensures that there is a connection, with retries until the time is over.
    fn ensure_connected(&mut self) -> Result<(), ConnectionError> {
        let (mut tries, begun, mut is_told) = (self.tries(), Instant::now(), false);
        while self.connection.as_ref().is_none_or(PipelinedConnection::is_stopping) {
            let Some(runtime) = &self.runtime else { return Err(ConnectionError::Closed) };
            let limit = self.left().min(ATTEMPT_MAX);
            let connecting = PipelinedConnection::connect_within(limit, self.address.as_str(), CLIENT_NAME);
            match runtime.block_on(connecting) {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => {
                    if !is_told && error.may_pass() && begun.elapsed() >= TOLD_AFTER {
                        self.output.note(&format!(
                            "waiting for a server at {}, at most {:?} in all (--timeout)",
                            self.address,
                            self.timeout.span()
                        ));
                        is_told = true;
                    }
                    if !error.may_pass() || !self.pause(&mut tries, Duration::ZERO) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
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
            // How long the last attempt took tells nothing.
            ConnectionError::HandshakeTimeout(_) => {
                let span = self.timeout.span();
                let error = anyhow!(
                    "nothing at {address} answered within {span:?}; is it a Stockhold server, and is --server right?"
                );
                return Failure { exit: Exit::Unreachable, error };
            }
            ConnectionError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => (
                Exit::Unreachable,
                format!("the server at {address} did not answer within {:?}", self.timeout.span()),
            ),
            ConnectionError::Io(_)
            | ConnectionError::Closed
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
        self.begin_wait();
        let mut tries = self.tries();
        let (mut was_sent, mut is_open) = (false, false);
        loop {
            batch.set_deadline_ms(self.left_ms());
            let (last, asked_ms) = match self.send_once(&batch, &mut was_sent) {
                Ok(outcome) if outcome.code == Code::Busy => {
                    let asked_ms = outcome.value;
                    (Ok(outcome), asked_ms)
                }
                // An earlier try that got no answer may have taken effect.
                Ok(outcome) if is_open && tells_of_this_try(outcome.code) => {
                    return Err(self.unknown(id, None));
                }
                Ok(outcome) => return Ok((id, outcome)),
                Err(SendError::Submit(error)) => return Err(Failure::new(Exit::Usage, error)),
                Err(SendError::Connection(error)) => {
                    is_open = was_sent;
                    (Err(error), 0)
                }
            };
            batch.mark_retry();
            let is_hopeless = last.as_ref().is_err_and(|error| !is_open && !error.may_pass());
            if is_hopeless || !self.pause(&mut tries, Duration::from_millis(u64::from(asked_ms))) {
                return match last {
                    _ if is_open => Err(self.unknown(id, last.err())),
                    Ok(outcome) => Ok((id, outcome)),
                    Err(error) => Err(self.unreachable(error)),
                };
            }
        }
    }

    fn unknown(&self, id: CommandId, error: Option<ConnectionError>) -> Failure {
        let sentence = format!(
            "the outcome is unknown: the server at {} did not answer within {:?}; repeat the command with --id {id}, \
             which can never take effect twice",
            self.address,
            self.timeout.span()
        );
        let unknown = OutcomeUnknown { id, sentence };
        let error = match error {
            Some(error) => anyhow::Error::new(error).context(unknown),
            None => unknown.into(),
        };
        Failure { exit: Exit::Unreachable, error }
    }

    fn send_once(&mut self, batch: &CommandBatch, was_sent: &mut bool) -> Result<Outcome, SendError> {
        self.ensure_connected()?;
        *was_sent = true;
        let mut refused = None;
        let outcome = self.try_once(async |connection| {
            let mut outcomes = Outcomes::new();
            match connection.send(batch, &mut outcomes).await {
                Ok(()) => outcomes.get(0).cloned().ok_or(ConnectionError::Closed),
                Err(SendError::Connection(error)) => Err(error),
                Err(SendError::Submit(error)) => {
                    refused = Some(error);
                    Err(ConnectionError::Closed)
                }
            }
        });
        match refused {
            Some(error) => Err(SendError::Submit(error)),
            None => Ok(outcome?),
        }
    }
}

impl Drop for ServerConnection {
    /// Does not wait for a name that is still being resolved, which a drop of the runtime would.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether a code only says that *this* try had no effect.
const fn tells_of_this_try(code: Code) -> bool {
    matches!(
        code,
        Code::DeadlinePassed | Code::ReadOnly | Code::IdTooOld | Code::IdFromFuture | Code::UnknownAnswer
    )
}

fn timed_out() -> ConnectionError {
    ConnectionError::Io(std::io::Error::from(std::io::ErrorKind::TimedOut))
}
