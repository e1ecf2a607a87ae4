//! The server: gives each stage its thread, takes connections, and stops in good order. The only file, with its two helpers, that starts
//! threads and tasks; it decides nothing else.

mod network;
mod news;
mod open_files;
mod readers;
mod short_way;
mod signals;
mod stages;
mod threads;

pub use news::Stopper;
pub use signals::stop_on_signals;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use stockhold_machine::Genesis;
use tokio::sync::watch;

use crate::assembly::{Assembly, Surroundings, assemble, format};
use crate::clock::SystemTimeSource;
use crate::config::{Config, DurabilityChoice, WritePathChoice};
use crate::error::StartError;
use crate::net::Gate;
use crate::pipeline::{Bell, ServerState};
use crate::recovery::{RecoveryProgress, RecoveryReport};
use crate::status_board::StatusBoard;
use crate::storage::{FsStorage, SharedStorage, WritePath};
use crate::wal::SegmentPool;
use news::{Event, News};
use threads::{Flags, spawn};

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to stop and did, in good order.
    Clean,
    /// The log cannot go on: a write of it failed, and what was in flight then is unknown; or no further segment can be made, and
    /// it was ended in good order while it still could be.
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

/// A server at work.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
    report: RecoveryReport,
    status: Arc<StatusBoard>,
    gate: Arc<Gate>,
    flags: Arc<Flags>,
    applier_bell: Bell,
    keeper_bell: Bell,
    pool: Arc<SegmentPool>,
    net_stop: watch::Sender<bool>,
    news: News,
    network: Vec<JoinHandle<()>>,
    log: JoinHandle<()>,
    applier: JoinHandle<()>,
    keeper: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    checks_after_failure: Duration,
    directory: crate::directory::Directory,
}

/// The way to the real files of a data directory.
///
/// # Errors
/// [`StartError`] when the directory does not exist, or cannot be written the way that is demanded.
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

/// Makes `config.data_dir` the data directory of a new log; the directory is created if need be.
///
/// # Errors
/// [`StartError`] when there is something in it already, or it cannot be written.
pub fn format_directory(config: &Config, genesis: &Genesis) -> Result<(), StartError> {
    config.check()?;
    crate::storage::fs::make_directory(&config.data_dir)?;
    let storage = open_storage(&config.data_dir, config.log.write_path)?;
    drop(format(storage, genesis, config.log.segment_bytes, uuid::Uuid::new_v4(), salt_seed())?);
    Ok(())
}

/// A random number for segment salts.
fn salt_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

/// Starts a server on a formatted directory. When it returns, connections are taken.
///
/// # Errors
/// [`StartError`] says what is in the way; the data directory is as it was, but for unfinished files.
pub fn start(config: &Config, progress: impl FnMut(RecoveryProgress)) -> Result<RunningServer, StartError> {
    config.check()?;
    let storage = open_storage(&config.data_dir, config.log.write_path)?;
    start_on(storage, config, progress)
}

/// Starts a server on any storage.
///
/// # Errors
/// [`StartError`] says what is in the way.
pub fn start_on(
    storage: SharedStorage,
    config: &Config,
    progress: impl FnMut(RecoveryProgress),
) -> Result<RunningServer, StartError> {
    let listen = |source| StartError::Listen { address: config.listen, source };
    let listener = std::net::TcpListener::bind(config.listen).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let fitted = open_files::fit(config.limits.connections);
    let mut config = config.clone();
    config.limits.connections = fitted.connections;
    let config = &config;
    let threads = network_threads(config.threads.network);
    let readers = readers::Readers::default();
    let surroundings = Surroundings {
        time: Arc::new(SystemTimeSource::new()),
        salt_seed: salt_seed(),
        helper: Some(Box::new(readers.clone())),
    };
    let assembly = assemble(storage, config, threads, surroundings, progress);
    // Whatever came of it: who reads for nobody ends.
    join_all(readers.take());
    let assembly = assembly?;
    if let Some(warning) = fitted.warning {
        tracing::warn!("{warning}");
        assembly.status.warn(warning);
    }
    run_assembly(assembly, config, listener, address)
}

fn run_assembly(
    assembly: Assembly,
    config: &Config,
    listener: std::net::TcpListener,
    address: SocketAddr,
) -> Result<RunningServer, StartError> {
    let Assembly { directory, sequencer, applier, keeper, preparer, pool, gate, mailboxes, sleepers, .. } =
        assembly;
    let (status, report, lane) = (assembly.status, assembly.report, assembly.snapshot_lane);
    let (applier_bell, keeper_bell) = (assembly.applier_bell, assembly.keeper_bell);
    let news = News::default();
    let flags = Arc::new(Flags {
        log_may_end: AtomicBool::new(false),
        log_ended: AtomicBool::new(false),
        applier_ended: AtomicBool::new(false),
    });
    let (net_stop, stopped) = watch::channel(false);
    let grace = Duration::from_millis(config.stop.grace_ms);
    let at_stop = config.snapshot.at_stop;
    let shared_log: stages::SharedLog = Arc::new(Mutex::new(sequencer));
    let shared_applier: stages::SharedApplier = Arc::new(Mutex::new(applier));
    let is_short = mailboxes.count() == 1 && config.log.durability == DurabilityChoice::Sync;
    let short_way =
        is_short.then(|| short_way::ShortWay::new(shared_log.clone(), shared_applier.clone(), gate.clone()));
    let network = network::spawn(listener, &gate, &mailboxes, &stopped, grace, &news, short_way)?;
    let (log_flags, log_news) = (flags.clone(), news.clone());
    let log_applier = shared_applier.clone();
    let log = spawn("log", &news, move || {
        stages::run_log(shared_log, &log_applier, &sleepers.sequencer, &log_flags, &log_news);
    })?;
    let applier_flags = flags.clone();
    let applier = spawn("applier", &news, move || {
        stages::run_applier(&shared_applier, &sleepers.applier, &applier_flags, at_stop);
    })?;
    let keeper_flags = flags.clone();
    let keeper = spawn("snapshot", &news, move || {
        stages::run_keeper(keeper, &lane, &sleepers.keeper, &keeper_flags);
    })?;
    let (clock, metrics) = (gate.clock.clone(), gate.metrics.clone());
    let housekeeping = stages::Housekeeping {
        preparer,
        pool: pool.clone(),
        clock,
        feedback: gate.feedback.clone(),
        metrics,
        status: status.clone(),
        news: news.clone(),
    };
    let housekeeping = spawn("housekeeping", &news, move || housekeeping.run())?;
    tracing::info!(%address, op = report.recovered_ops, "the server takes connections");
    Ok(RunningServer {
        address,
        report,
        status,
        gate,
        flags,
        applier_bell,
        keeper_bell,
        pool: pool.clone(),
        net_stop,
        news,
        network,
        log,
        applier,
        keeper,
        housekeeping,
        checks_after_failure: Duration::from_millis(config.stop.checks_after_failure_ms),
        directory,
    })
}

/// How many network threads: one on up to two cores, else two cores fewer than there are, at most four.
fn network_threads(configured: usize) -> usize {
    if configured > 0 {
        return configured;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(2).clamp(1, 4)
}

impl RunningServer {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What recovery did.
    #[must_use]
    pub fn report(&self) -> &RecoveryReport {
        &self.report
    }

    /// What connections share: for looking at a server from inside its process.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// What status tells.
    #[must_use]
    pub fn status(&self) -> &Arc<StatusBoard> {
        &self.status
    }

    /// The log's identity and epoch.
    #[must_use]
    pub fn identity(&self) -> (uuid::Uuid, u64) {
        (self.directory.manifest().log_uuid, self.directory.manifest().epoch())
    }

    /// Asks it to stop, from any thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { news: self.news.clone() }
    }

    /// Waits until it is asked to stop or cannot go on, then ends it: connections get their last answers, what was taken is logged,
    /// synced, applied and answered, and the log gets its end frame. Bounded in time.
    #[must_use]
    pub fn wait(self) -> Exit {
        let exit = match self.news.wait() {
            Event::LogFailed => {
                self.news.wait_for_stop(std::time::Instant::now() + self.checks_after_failure);
                Exit::LogFailed
            }
            Event::StopAsked => Exit::Clean,
            Event::Panicked => return self.surface_panic(),
        };
        if exit == Exit::Clean {
            self.gate.feedback.worsen(ServerState::Stopping);
        }
        // Watchers that are gone have ended already.
        self.net_stop.send(true).ok();
        join_all(self.network);
        self.flags.log_may_end.store(true, Ordering::Release);
        self.gate.ingress.close();
        join_all([self.log]);
        let has_failed = self.gate.feedback.state() == ServerState::LogFailed;
        self.flags.log_ended.store(true, Ordering::Release);
        self.applier_bell.ring();
        join_all([self.applier]);
        self.flags.applier_ended.store(true, Ordering::Release);
        self.keeper_bell.ring();
        join_all([self.keeper]);
        self.pool.close();
        join_all([self.housekeeping]);
        if has_failed { Exit::LogFailed } else { exit }
    }

    /// Stops it and waits.
    #[must_use]
    pub fn stop(self) -> Exit {
        self.stopper().stop();
        self.wait()
    }

    /// Where a panic does not abort the process, the one who waits must see it.
    fn surface_panic(self) -> Exit {
        let threads = [self.log, self.applier, self.keeper, self.housekeeping];
        for thread in threads.into_iter().chain(self.network) {
            // The thread that panicked is about to end, the others are left behind.
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

/// Lets the last words of a program that stops inside an op name that op, so that an operator can have it skipped.
pub fn install_panic_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(op) = crate::pipeline::apply::applying_op() {
            tracing::error!(
                op,
                "the server stops while it applies this op; `stockhold log skip --op {op}` leaves it out"
            );
        }
        before(panic);
    }));
}
