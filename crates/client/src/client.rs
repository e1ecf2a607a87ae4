//! The client handle: how it is built, shared and configured for one call. The calls themselves are in `commands`,
//! `merchant` and `queries`. Retries are in `call`.

use crate::connection_task::{ConnectionTask, QUEUE_MAX, first_connection};
use crate::error::ConnectionError;
use crate::ids::IdGenerator;
use crate::job::Job;
use crate::names::{LogIdentity, NameCache};
use crate::options::{Dialer, Options, RetryPolicy, Stream};
use crate::server_clock::ServerClock;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stockhold_protocol::CommandId;
use stockhold_protocol::handshake::Welcome;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

/// Options of a client.
///
/// ```no_run
/// use std::time::Duration;
/// use stockhold_client::{Client, RetryPolicy};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder()
///     .connections(4)
///     .deadline(Duration::from_secs(2))
///     .retry(RetryPolicy::default())
///     .connect("127.0.0.1:7411")
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientBuilder {
    options: Options,
}

impl ClientBuilder {
    /// The client's name in the server's logs. Default: `stockhold-client`. At most 255 bytes.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.client_name = name.into();
        self
    }

    /// The number of connections. A call uses the connection with the fewest open calls, so a quiet client uses only
    /// one. Default: 2. Minimum: 1.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.options.connections = connections.max(1);
        self
    }

    /// Makes `connect` wait for a server that is not there yet. The first connection is tried again until `time` is
    /// over, and the last error is returned then. A peer that does not speak the protocol is an error at once. Without
    /// this, `connect` tries once and gives up after [`HANDSHAKE_MS`](crate::HANDSHAKE_MS).
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use stockhold_client::Client;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = Client::builder().connect_within(Duration::from_secs(30)).connect("127.0.0.1:7411").await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub const fn connect_within(mut self, time: Duration) -> Self {
        self.options.connect_within = Some(time);
        self
    }

    /// How long one call may take, including retries and new connections. A call is tried until then. Default: 5 s.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline;
        self
    }

    /// How calls are retried.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.options.retry = RetryPolicy { tries_max: retry.tries_max.max(1), ..retry };
        self
    }

    /// The maximum number of commands, over all tasks, that wait for answers. Further calls wait until there is room,
    /// at most until their deadline. Default: 8,192. Minimum: 1.
    #[must_use]
    pub fn in_flight_max(mut self, in_flight_max: u32) -> Self {
        self.options.in_flight_max = in_flight_max.max(1);
        self
    }

    /// How long the server may send nothing while answers are due. After that the connection is given up. Default: 30
    /// s.
    #[must_use]
    pub const fn stall(mut self, stall: Duration) -> Self {
        self.options.stall = stall;
        self
    }

    /// Connects over TCP to `host:port`. The first connection is made now, the others when they are needed.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached, within the time of [`Self::connect_within`] if that was
    /// called, or when it does not speak the protocol.
    pub async fn connect(self, address: impl Into<String>) -> Result<Client, ConnectionError> {
        let address: Arc<str> = address.into().into();
        let dialer: Dialer = Arc::new(move || {
            let address = Arc::clone(&address);
            Box::pin(async move {
                let stream = TcpStream::connect(&*address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream) as Box<dyn Stream>)
            })
        });
        self.connect_with(dialer).await
    }

    /// Connects over streams that the caller's dialer opens.
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub async fn connect_with(self, dialer: Dialer) -> Result<Client, ConnectionError> {
        let options = Arc::new(self.options);
        let names = Arc::new(NameCache::default());
        let clock = Arc::new(ServerClock::new());
        let connection = first_connection(&dialer, &options, &names, &clock).await?;
        let welcome = connection.welcome().clone();
        let mut ready = Some(connection);
        let queues = (0..options.connections).map(|_| {
            let (sender, jobs) = mpsc::channel(QUEUE_MAX);
            let task = ConnectionTask {
                jobs,
                dialer: Arc::clone(&dialer),
                options: Arc::clone(&options),
                names: Arc::clone(&names),
                clock: Arc::clone(&clock),
            };
            // The task ends when the last handle drops its end of the queue.
            drop(tokio::spawn(task.run(ready.take())));
            ConnectionQueue { jobs: sender, open_calls: AtomicU32::new(0) }
        });
        let queues = queues.collect();
        let permits = usize::try_from(options.in_flight_max).unwrap_or(Semaphore::MAX_PERMITS);
        let shared = Shared {
            queues,
            names,
            in_flight_permits: Semaphore::new(permits.min(Semaphore::MAX_PERMITS)),
            ids: Mutex::new(IdGenerator::new()),
            clock,
            welcome,
            options: Arc::clone(&options),
        };
        let call = CallOptions { deadline: options.deadline, id: None, min_op: 0 };
        Ok(Client { shared: Arc::new(shared), call })
    }
}

/// The queue of one connection, and how many calls use it.
#[derive(Debug)]
pub(crate) struct ConnectionQueue {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) open_calls: AtomicU32,
}

/// State that all handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queues: Vec<ConnectionQueue>,
    pub(crate) names: Arc<NameCache>,
    pub(crate) in_flight_permits: Semaphore,
    pub(crate) ids: Mutex<IdGenerator>,
    clock: Arc<ServerClock>,
    pub(crate) options: Arc<Options>,
    welcome: Welcome,
}

impl Shared {
    /// The connection with the fewest open calls. It is not `avoid` if there is another one.
    pub(crate) fn least_loaded(&self, avoid: Option<usize>) -> usize {
        let allowed = |at: &usize| self.queues.len() == 1 || Some(*at) != avoid;
        let load = |at: &usize| {
            self.queues.get(*at).map_or(u32::MAX, |queue| queue.open_calls.load(Ordering::Relaxed))
        };
        (0..self.queues.len()).filter(allowed).min_by_key(load).unwrap_or(0)
    }
}

/// Options of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallOptions {
    pub(crate) deadline: Duration,
    /// The id to use, and whether it was never sent before.
    pub(crate) id: Option<(CommandId, bool)>,
    pub(crate) min_op: u64,
}

/// A handle for many tasks. Cloning it is cheap; clones share connections, names and limits.
///
/// A call is sent together with other calls that are queued at that moment. It is retried under its own id when the
/// server is busy or the connection breaks, and it ends at its deadline at the latest.
///
/// ```no_run
/// use std::time::Duration;
/// use stockhold_client::{Answer, Cart, Client};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect("127.0.0.1:7411").await?;
/// let cart = Cart::from_stock("web-us").line("BIKE-0001", 1).hold_for(Duration::from_mins(15));
/// match client.reserve(&cart).await? {
///     Answer::Done(reserved) => {
///         client.confirm(reserved.reservation).await?.into_result()?;
///     }
///     Answer::Refused(refusal) => {
///         let _left = refusal.available();
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: CallOptions,
}

impl Client {
    /// Connects over TCP to `host:port` with the defaults of [`ClientBuilder`].
    ///
    /// # Errors
    /// [`ConnectionError`] when the server cannot be reached or does not speak the protocol.
    pub async fn connect(address: impl Into<String>) -> Result<Self, ConnectionError> {
        ClientBuilder::default().connect(address).await
    }

    /// A builder with all defaults.
    #[must_use]
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A handle whose calls have another deadline.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { call: CallOptions { deadline, ..self.call }, ..self.clone() }
    }

    /// A handle for one call that repeats an earlier one. The same command under the same id takes effect once; the
    /// recorded answer is returned and marked as replayed.
    #[must_use]
    pub fn retry(&self, id: CommandId) -> Self {
        Self { call: CallOptions { id: Some((id, false)), ..self.call }, ..self.clone() }
    }

    /// A handle for one call under an id that the caller made and that was never sent before. A caller that stores
    /// the id first can repeat the call even after it has crashed.
    #[must_use]
    pub fn first_try(&self, id: CommandId) -> Self {
        Self { call: CallOptions { id: Some((id, true)), ..self.call }, ..self.clone() }
    }

    /// A handle whose checks wait until the server has applied `op`, so that they see its effect.
    #[must_use]
    pub fn not_before(&self, op: u64) -> Self {
        Self { call: CallOptions { min_op: op, ..self.call }, ..self.clone() }
    }

    /// The server's time, from which ids are made.
    #[must_use]
    pub fn server_clock(&self) -> &ServerClock {
        &self.shared.clock
    }

    /// A new id, larger than all earlier ids of this client, with the server's time.
    #[must_use]
    pub fn new_id(&self) -> CommandId {
        let now_ms = self.shared.clock.now_ms();
        self.shared.ids.lock().next_at(now_ms)
    }

    /// The Welcome frame of the first connection.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// The identity of the log, as of the latest connection. Dense numbers are valid within it.
    #[must_use]
    pub fn identity(&self) -> Option<LogIdentity> {
        self.shared.names.identity()
    }

    /// How many names are cached.
    #[must_use]
    pub fn names_cached(&self) -> usize {
        self.shared.names.len()
    }
}
