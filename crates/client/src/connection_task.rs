//! The task behind one connection. It connects, writes what is queued, completes calls, and reconnects when the
//! connection ends. It never retries a command; `call` does.

use crate::connection::{HANDSHAKE_MS, PipelinedConnection};
use crate::error::ConnectionError;
use crate::job::{Job, JobError};
use crate::multiplexer::Multiplexer;
use crate::names::{LogIdentity, NameCache};
use crate::options::{Dialer, Options, Stream, within};
use crate::server_clock::ServerClock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long one attempt to connect may take, the handshake included.
const HANDSHAKE: Duration = Duration::from_millis(HANDSHAKE_MS);
/// The maximum number of jobs that wait inside the task. Further jobs wait in the queue, and then in their callers.
const WAITING_MAX: usize = 4_096;
/// The maximum number of jobs in the queue of one connection.
pub(crate) const QUEUE_MAX: usize = 4_096;

/// See the module.
pub(crate) struct ConnectionTask {
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) dialer: Dialer,
    pub(crate) options: Arc<Options>,
    pub(crate) names: Arc<NameCache>,
    pub(crate) clock: Arc<ServerClock>,
}

impl ConnectionTask {
    /// Runs until no handle of the client is left. `first` is a connection that is already open.
    pub(crate) async fn run(mut self, first: Option<PipelinedConnection<Box<dyn Stream>>>) {
        let mut waiting = VecDeque::new();
        let mut ready = first;
        let mut failures = 0;
        let mut not_before = Instant::now();
        // Whether the waiting jobs have already been moved to a new connection once.
        let mut has_moved = false;
        loop {
            if waiting.is_empty() && ready.is_none() {
                let Some(job) = self.jobs.recv().await else { return };
                waiting.push_back(job);
                has_moved = false;
            }
            let connected = if let Some(connection) = ready.take() {
                Ok(connection)
            } else {
                sleep_until(not_before).await;
                dial(HANDSHAKE, &self.dialer, &self.options.client_name, &self.clock).await
            };
            let error = match connected {
                Ok(connection) => {
                    failures = 0;
                    let mut multiplexer = Multiplexer::new(connection);
                    self.names.on_connect(multiplexer.identity);
                    let Err(error) = self.serve(&mut multiplexer, &mut waiting).await else { return };
                    if multiplexer.in_flight() == 0 && (multiplexer.has_answered || !has_moved) {
                        has_moved = true;
                        // An idle connection ended because the server closed it or stopped. Nothing is lost: jobs
                        // that arrived at that moment move to a new connection.
                        not_before = Instant::now() + self.options.retry.pause(0);
                        continue;
                    }
                    let error = Arc::new(error);
                    multiplexer.lose(&error);
                    error
                }
                Err(error) => Arc::new(error),
            };
            not_before = Instant::now() + self.options.retry.pause(failures);
            failures += 1;
            // Callers are notified at once. They know their deadlines and may use another connection.
            while let Ok(job) = self.jobs.try_recv() {
                waiting.push_back(job);
            }
            waiting.drain(..).for_each(|job| job.fail(JobError::NotSent(Arc::clone(&error))));
        }
    }

    /// Passes replies on, and drops cached numbers when the server reports a new name generation.
    fn take_replies(&self, multiplexer: &mut Multiplexer) -> Result<(), ConnectionError> {
        let before = multiplexer.identity;
        let taken = multiplexer.take_replies();
        if multiplexer.identity != before {
            self.names.on_connect(multiplexer.identity);
        }
        taken
    }

    /// Works until the connection ends (an error) or no handle is left.
    async fn serve(
        &mut self,
        multiplexer: &mut Multiplexer,
        waiting: &mut VecDeque<Job>,
    ) -> Result<(), ConnectionError> {
        let stall = self.options.stall;
        let mut last_read = Instant::now();
        let mut arrived = Vec::new();
        loop {
            let now = Instant::now();
            if multiplexer.in_flight() == 0 {
                last_read = now;
            }
            if multiplexer.in_flight() == 0 && !waiting.is_empty() {
                // Nothing may be sent on a connection that ended while it was idle. Input is only seen after a turn
                // of the runtime, because the runtime of a blocking client has not run since the last call.
                yield_now().await;
                if multiplexer.connection.read_now().await? {
                    self.take_replies(multiplexer)?;
                }
            }
            multiplexer.submit(waiting, now);
            if multiplexer.connection.is_stopping() && multiplexer.in_flight() == 0 {
                return Err(ConnectionError::Closed);
            }
            let stalled = last_read + stall;
            tokio::select! {
                biased;
                count = self.jobs.recv_many(&mut arrived, WAITING_MAX), if waiting.len() < WAITING_MAX => {
                    if count == 0 {
                        return Ok(());
                    }
                    waiting.extend(arrived.drain(..));
                }
                moved = multiplexer.connection.read_more() => {
                    moved?;
                    last_read = Instant::now();
                    self.take_replies(multiplexer)?;
                }
                () = sleep_until(stalled), if multiplexer.in_flight() > 0 => {
                    return Err(ConnectionError::Stalled(stall));
                }
            }
        }
    }
}

/// Connects and performs the handshake within `limit`.
async fn dial(
    limit: Duration,
    dialer: &Dialer,
    client_name: &str,
    clock: &Arc<ServerClock>,
) -> Result<PipelinedConnection<Box<dyn Stream>>, ConnectionError> {
    let connected = timeout(limit, async {
        let stream = dialer().await?;
        PipelinedConnection::handshake_with(stream, client_name, clock.clone()).await
    });
    connected.await.unwrap_or(Err(ConnectionError::HandshakeTimeout(limit)))
}

/// Makes the first connection, so that every client has reached its server once. With `connect_within` it is tried
/// again until that time is over.
pub(crate) async fn first_connection(
    dialer: &Dialer,
    options: &Options,
    names: &NameCache,
    clock: &Arc<ServerClock>,
) -> Result<PipelinedConnection<Box<dyn Stream>>, ConnectionError> {
    let begun = Instant::now();
    let time = options.connect_within.unwrap_or(HANDSHAKE);
    let mut tries = 0;
    let connection = loop {
        let left = time.saturating_sub(begun.elapsed());
        match dial(left.min(HANDSHAKE), dialer, &options.client_name, clock).await {
            Ok(connection) => break connection,
            Err(error) => {
                if options.connect_within.is_none() || !error.may_pass() {
                    return Err(error);
                }
                let left = time.saturating_sub(begun.elapsed());
                sleep(within(left, options.retry.pause(tries))).await;
                tries = tries.saturating_add(1);
                if begun.elapsed() >= time {
                    return Err(error);
                }
            }
        }
    };
    names.on_connect(LogIdentity::of(connection.welcome()));
    Ok(connection)
}
