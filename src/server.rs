//! The server: it starts a thread for each stage, accepts connections and shuts down cleanly. Only this module and its
//! submodules start threads and tasks.

mod archive_thread;
mod events;
mod inline_path;
mod listeners;
mod network;
mod open_files;
mod read_ahead_threads;
mod sampler;
mod signals;
mod stages;
mod supervisor;
mod threads;

pub use events::Stopper;
pub use signals::stop_on_signals;
pub use supervisor::Supervisor;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use stockhold_machine::Genesis;
use tokio::sync::watch;

use crate::archive::{ArchivePolicy, ArchiveStage, Retention, Store};
use crate::assembly::{Assembly, Environment, assemble, format};
use crate::clock::SystemTimeSource;
use crate::config::{Config, DurabilityChoice, WritePathChoice};
use crate::error::StartError;
use crate::net::NetContext;
use crate::pipeline::{ServerState, Waker};
use crate::recovery::RecoveryReport;
use crate::replica::{ReadAheadSpawner, ReplayProgress};
use crate::status_board::StatusBoard;
use crate::storage::{FsStorage, SharedStorage, WritePath};
use crate::wal::SegmentPool;
use archive_thread::ArchiveThread;
use events::{Event, ServerEvents};
use listeners::Listeners;
use sampler::Sampler;
use threads::{ShutdownFlags, spawn};

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to stop and shut down cleanly.
    Clean,
    /// The log cannot continue. Either a write failed, and the outcome of commands in flight is unknown; or no further
    /// segment can be prepared, and the server shut down while nothing was lost.
    LogFailed,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::LogFailed => 74,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct RunningServer {
    addresses: Vec<SocketAddr>,
    report: RecoveryReport,
    status: Arc<StatusBoard>,
    context: Arc<NetContext>,
    flags: Arc<ShutdownFlags>,
    applier_waker: Waker,
    snapshotter_waker: Waker,
    pool: Arc<SegmentPool>,
    net_stop: watch::Sender<bool>,
    events: ServerEvents,
    network: Vec<JoinHandle<()>>,
    log: JoinHandle<()>,
    applier: JoinHandle<()>,
    snapshotter: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    archive: Option<ArchiveThread>,
    checks_after_failure: Duration,
    directory: crate::directory::Directory,
}

/// Opens the files of a data directory.
///
/// # Errors
/// [`StartError`] when the directory does not exist, or does not support the requested write path.
pub fn open_storage(data_dir: &Path, choice: WritePathChoice) -> Result<SharedStorage, StartError> {
    let wanted = match choice {
        WritePathChoice::Auto | WritePathChoice::Direct => WritePath::Direct,
        WritePathChoice::Fdatasync => WritePath::Fdatasync,
    };
    let storage: SharedStorage = Arc::new(FsStorage::open(data_dir, wanted)?);
    if choice == WritePathChoice::Direct && storage.medium().write_path != WritePath::Direct {
        return Err(StartError::NotDirect);
    }
    Ok(storage)
}

/// Formats `config.data_dir` as the data directory of a new log, and creates the directory if needed.
///
/// # Errors
/// [`StartError`] when the directory is not empty or cannot be written.
pub fn format_directory(config: &Config, genesis: &Genesis) -> Result<(), StartError> {
    let storage = create_storage(config)?;
    drop(format(storage, genesis, config.log.segment_bytes, uuid::Uuid::new_v4(), salt_seed())?);
    Ok(())
}

/// Creates the data directory if it does not exist, and opens its files.
///
/// # Errors
/// [`StartError`] when the configuration is invalid or the directory cannot be created.
pub fn create_storage(config: &Config) -> Result<SharedStorage, StartError> {
    config.check()?;
    crate::storage::fs::make_directory(&config.data_dir)?;
    open_storage(&config.data_dir, config.log.write_path)
}

/// Runs a replay with threads that read ahead for it, and joins them.
pub fn with_read_ahead<T>(replay: impl FnOnce(&dyn ReadAheadSpawner) -> T) -> T {
    let readers = read_ahead_threads::ReadAheadThreads::default();
    let result = replay(&readers);
    for reader in readers.take() {
        // A thread that panicked has been reported, and the replay panicked with it.
        drop(reader.join());
    }
    result
}

/// A random seed for the salts of segments.
#[must_use]
pub fn salt_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// Starts a server on a formatted directory. The server accepts connections when this returns.
///
/// # Errors
/// [`StartError`] when the server cannot start. The data directory is then unchanged, except that unfinished files are
/// removed.
pub fn start(config: &Config, progress: impl FnMut(ReplayProgress)) -> Result<RunningServer, StartError> {
    config.check()?;
    let storage = open_storage(&config.data_dir, config.log.write_path)?;
    start_on(storage, config, progress)
}

/// Starts a server on any storage.
///
/// # Errors
/// [`StartError`] when the server cannot start.
pub fn start_on(
    storage: SharedStorage,
    config: &Config,
    progress: impl FnMut(ReplayProgress),
) -> Result<RunningServer, StartError> {
    let listeners = listeners::open(&config.listen)?;
    let fitted = open_files::fit(config.limits.connections);
    let mut config = config.clone();
    config.limits.connections = fitted.connections;
    let config = &config;
    let threads = network_threads(config.threads.network);
    let readers = read_ahead_threads::ReadAheadThreads::default();
    let environment = Environment {
        time: Arc::new(SystemTimeSource::new()),
        salt_seed: salt_seed(),
        spawner: Some(Box::new(readers.clone())),
    };
    let assembly = assemble(storage, config, threads, environment, progress);
    // The threads end by themselves when recovery no longer reads from them, also after an error.
    join_all(readers.take());
    let assembly = assembly?;
    if let Some(warning) = fitted.warning {
        tracing::warn!("{warning}");
        assembly.status.warn(warning);
    }
    let running = run_assembly(assembly, config, listeners)?;
    let (addresses, op) = (&running.addresses, running.report.recovered_ops);
    tracing::info!(?addresses, op, "the server accepts connections");
    Ok(running)
}

/// Opens the archive, if one is configured. A place that cannot be used ends the start; one that does not answer does not.
fn archive_stage(assembly: &Assembly, config: &Config) -> Result<Option<ArchiveStage>, StartError> {
    let Some(progress) = assembly.archive.clone() else { return Ok(None) };
    let section = &config.archive;
    let timeout = Duration::from_millis(section.timeout_ms);
    let store = Store::open(&section.url, true).map_err(StartError::Archive)?.with_timeout(timeout);
    let policy = ArchivePolicy {
        interval_ms: section.interval_ms,
        retention: Retention {
            snapshots: section.keep_snapshots,
            age_ms: section.keep_hours.saturating_mul(3_600_000),
        },
        budget_bytes: section.budget_bytes,
    };
    let files = assembly.directory.storage().clone();
    let links = (assembly.watermarks.clone(), assembly.context.clock.clone());
    Ok(Some(ArchiveStage::new(files, Arc::new(store), policy, progress, links)))
}

fn run_assembly(
    assembly: Assembly,
    config: &Config,
    listeners: Listeners,
) -> Result<RunningServer, StartError> {
    let archive_stage = archive_stage(&assembly, config)?;
    let Assembly { directory, sequencer, applier, snapshotter, preparer, pool, .. } = assembly;
    let (context, reply_queues, sleepers) = (assembly.context, assembly.reply_queues, assembly.sleepers);
    let (status, report, snapshot_queue) = (assembly.status, assembly.report, assembly.snapshot_queue);
    let (applier_waker, snapshotter_waker) = (assembly.applier_waker, assembly.snapshotter_waker);
    let events = ServerEvents::default();
    let flags = Arc::new(ShutdownFlags {
        log_may_end: AtomicBool::new(false),
        log_ended: AtomicBool::new(false),
        applier_ended: AtomicBool::new(false),
    });
    let (net_stop, stopped) = watch::channel(false);
    let grace = Duration::from_millis(config.stop.grace_ms);
    let at_stop = config.snapshot.at_stop;
    let shared_log: stages::SharedLog = Arc::new(Mutex::new(sequencer));
    let shared_applier: stages::SharedApplier = Arc::new(Mutex::new(applier));
    let is_inline = reply_queues.count() == 1 && config.log.durability == DurabilityChoice::Sync;
    let inline_path = is_inline
        .then(|| inline_path::InlinePath::new(shared_log.clone(), shared_applier.clone(), context.clone()));
    let network =
        network::spawn(listeners.sockets, &context, &reply_queues, &stopped, grace, &events, inline_path)?;
    let (log_flags, log_events) = (flags.clone(), events.clone());
    let log_applier = shared_applier.clone();
    let log = spawn("log", &events, move || {
        stages::run_log(shared_log, &log_applier, &sleepers.sequencer, &log_flags, &log_events);
    })?;
    let applier_flags = flags.clone();
    let applier = spawn("applier", &events, move || {
        stages::run_applier(&shared_applier, &sleepers.applier, &applier_flags, at_stop);
    })?;
    let snapshotter_flags = flags.clone();
    let snapshotter = spawn("snapshot", &events, move || {
        stages::run_snapshotter(snapshotter, &snapshot_queue, &sleepers.snapshotter, &snapshotter_flags);
    })?;
    let housekeeping = stages::Housekeeping {
        preparer,
        pool: pool.clone(),
        clock: context.clock.clone(),
        feedback: context.feedback.clone(),
        metrics: context.metrics.clone(),
        status: status.clone(),
        events: events.clone(),
        sampler: Sampler::new(directory.storage().clone(), context.metrics.clone()),
    };
    let housekeeping = spawn("housekeeping", &events, move || housekeeping.run())?;
    let archive = archive_stage.map(|stage| ArchiveThread::spawn(stage, grace, &events)).transpose()?;
    Ok(RunningServer {
        addresses: listeners.addresses,
        report,
        status,
        context,
        flags,
        applier_waker,
        snapshotter_waker,
        pool: pool.clone(),
        net_stop,
        events,
        network,
        log,
        applier,
        snapshotter,
        housekeeping,
        archive,
        checks_after_failure: Duration::from_millis(config.stop.checks_after_failure_ms),
        directory,
    })
}

/// The number of network threads. The default is one on up to two cores, otherwise two fewer than the number of cores
/// and at most four.
fn network_threads(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(2).clamp(1, 4)
}

impl RunningServer {
    /// The first address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All addresses on which the server listens; at least one.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The report of recovery.
    #[must_use]
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// What connections share, for inspection from inside the process.
    #[must_use]
    pub fn context(&self) -> &Arc<NetContext> {
        &self.context
    }

    /// The fixed part of the status.
    #[must_use]
    pub fn status(&self) -> &Arc<StatusBoard> {
        &self.status
    }

    /// The UUID and the epoch of the log.
    #[must_use]
    pub fn identity(&self) -> (uuid::Uuid, u64) {
        (self.directory.manifest().log_uuid, self.directory.manifest().epoch())
    }

    /// A handle that stops the server from any thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { events: self.events.clone() }
    }

    /// Waits until the server is asked to stop or cannot continue, then shuts it down within bounded time. Everything
    /// that was received is logged, synced, applied and answered, and the log gets its end frame.
    #[must_use]
    pub fn wait(self) -> Exit {
        self.wait_and_tell(&Supervisor::none())
    }

    /// As [`RunningServer::wait`], and tells the supervisor when the server begins to stop.
    #[must_use]
    pub fn wait_and_tell(self, supervisor: &Supervisor) -> Exit {
        let event = self.events.wait();
        supervisor.stopping();
        let exit = match event {
            Event::LogFailed => {
                self.events.wait_for_stop(std::time::Instant::now() + self.checks_after_failure);
                Exit::LogFailed
            }
            Event::StopAsked => Exit::Clean,
            Event::Panicked => return self.surface_panic(),
        };
        if exit == Exit::Clean {
            self.context.feedback.worsen(ServerState::Stopping);
        }
        // A long upload is given up. The end of the log is archived when the log has ended.
        self.archive.iter().for_each(ArchiveThread::interrupt);
        // A receiver that is gone belongs to a thread that has ended already.
        self.net_stop.send(true).ok();
        join_all(self.network);
        self.flags.log_may_end.store(true, Ordering::Release);
        self.context.ingress.close();
        join_all([self.log]);
        let has_failed = self.context.feedback.state() == ServerState::LogFailed;
        self.flags.log_ended.store(true, Ordering::Release);
        self.applier_waker.wake();
        join_all([self.applier]);
        self.flags.applier_ended.store(true, Ordering::Release);
        self.snapshotter_waker.wake();
        join_all([self.snapshotter]);
        self.pool.close();
        join_all([self.housekeeping]);
        // The end of the log is archived too.
        join_all(self.archive.map(ArchiveThread::finish));
        if has_failed { Exit::LogFailed } else { exit }
    }

    /// Stops the server and waits for its end.
    #[must_use]
    pub fn stop(self) -> Exit {
        self.stopper().stop();
        self.wait()
    }

    /// Where a panic does not abort the process, it is passed on to the caller that waits.
    fn surface_panic(self) -> Exit {
        let threads = [self.log, self.applier, self.snapshotter, self.housekeeping];
        for thread in
            threads.into_iter().chain(self.network).chain(self.archive.map(|archive| archive.thread))
        {
            // The thread that panicked ends soon. The other threads are left running.
            for _ in 0..100 {
                if thread.is_finished() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                join_all([thread]);
            }
        }
        Exit::LogFailed
    }
}

fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Makes a panic during an op report that op, so that an operator can have it skipped.
pub fn install_panic_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(op) = crate::pipeline::apply::applying_op() {
            tracing::error!(
                op,
                "the server panics while it applies this op; `stockhold log skip --op {op}` skips it"
            );
        }
        before(panic);
    }));
}
