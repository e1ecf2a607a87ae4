//! Opens a data directory and builds the stages of a server without starting threads. The server gives each stage a
//! thread; tests and the simulator step them by hand.

mod trimmer;

use std::sync::Arc;

use parking_lot::Mutex;
use stockhold_machine::{Genesis, Machine, RULES_VERSION};
use trimmer::Trimmer;
use uuid::Uuid;

use crate::archive::ArchiveProgress;
use crate::clock::{Allowance, Clock, TimeSource};
use crate::config::{Config, DurabilityChoice};
use crate::directory::trim::kept_for_marks;
use crate::directory::{Directory, EpochReason, FormatOptions, oldest_restorable_op, skips_warning};
use crate::error::StartError;
use crate::geonames::{self, Addresses};
use crate::metrics::{Metrics, metric};
use crate::net::connection_permits::{ConnectionPermits, LOCAL_CONNECTIONS_MAX};
use crate::net::{NetContext, NetLimits};
use crate::pipeline::batch::BATCHES;
use crate::pipeline::links::{ApplierLinks, SequencerLinks};
use crate::pipeline::question::Questions;
use crate::pipeline::snapshots::{SnapshotPolicy, SnapshotQueue, SnapshotStage, Snapshotter};
use crate::pipeline::{
    Applier, Batch, BatchQueue, Feedback, Ingress, IngressLimits, ReplyQueues, Sequencer, SequencerOptions,
    Sleeper, Waker, Watermarks,
};
use crate::published::Published;
use crate::recovery::{Recovered, RecoveryReport, recover_with};
use crate::replica::{ReadAheadSpawner, ReplayProgress};
use crate::restorable::{Restorable, mark_points};
use crate::snapshot::LogPoint;
use crate::status_board::StatusBoard;
use crate::storage::{ReadFrom, SharedStorage};
use crate::wal::{LogStart, LogWriter, SegmentPool, SegmentPreparer};
use crate::warning::Warning;

/// The number of the only writer of a log.
const WRITER: u64 = 1;
/// The position of the epoch in a session number. The bits below it hold more segments than an epoch will ever have.
const SESSION_EPOCH_SHIFT: u32 = 40;

/// The inputs from outside, so that a test can choose them.
pub struct Environment {
    /// The clocks.
    pub time: Arc<dyn TimeSource>,
    /// A random number, new for each start.
    pub salt_seed: u64,
    /// Runs readers beside recovery; without it recovery reads by itself.
    pub spawner: Option<Box<dyn ReadAheadSpawner>>,
}

/// All stages of one server, not running yet.
pub struct Assembly {
    /// The data directory, which stays locked as long as this value lives.
    pub directory: Directory,
    /// Makes batches and appends them to the log.
    pub sequencer: Sequencer<LogWriter>,
    /// Applies batches.
    pub applier: Applier,
    /// Writes snapshots.
    pub snapshotter: Snapshotter,
    /// Prepares segments.
    pub preparer: SegmentPreparer,
    /// Holds the spare segment.
    pub pool: Arc<SegmentPool>,
    /// What connections share.
    pub context: Arc<NetContext>,
    /// The answers to connections.
    pub reply_queues: ReplyQueues,
    /// The sleepers of the stage threads.
    pub sleepers: Sleepers,
    /// Wakes the applier.
    pub applier_waker: Waker,
    /// Wakes the snapshotter.
    pub snapshotter_waker: Waker,
    /// The parts of a snapshot on their way to the snapshotter.
    pub snapshot_queue: Arc<SnapshotQueue>,
    /// The progress of ops through the stages.
    pub watermarks: Arc<Watermarks>,
    /// The fixed part of the status.
    pub status: Arc<StatusBoard>,
    /// The report of recovery.
    pub report: RecoveryReport,
    /// How far the archive is, if there is one.
    pub archive: Option<Arc<ArchiveProgress>>,
}

/// The sleepers of the stage threads.
pub struct Sleepers {
    /// The sleeper of the sequencer.
    pub sequencer: Sleeper,
    /// The sleeper of the applier.
    pub applier: Sleeper,
    /// The sleeper of the snapshotter.
    pub snapshotter: Sleeper,
}

/// Formats an empty directory as the data directory of a new log. The caller draws its UUID and the seed of its salts.
///
/// # Errors
/// [`StartError`] when the directory is not empty or cannot be written.
pub fn format(
    storage: SharedStorage,
    genesis: &Genesis,
    segment_bytes: u64,
    log_uuid: Uuid,
    salt_seed: u64,
) -> Result<Directory, StartError> {
    let options = FormatOptions {
        log_uuid,
        epoch: 1,
        reason: EpochReason::Format,
        base: LogPoint::default(),
        now_ms: genesis.formatted_at.0,
        salt_seed,
        segment_bytes,
        genesis: genesis.encode(),
    };
    Ok(Directory::format(storage, options)?)
}

/// Opens and recovers the directory, makes everything that recovery relied on durable, begins a new segment, and builds
/// the stages.
///
/// # Errors
/// [`StartError`] when the server cannot start. Nothing was truncated.
pub fn assemble(
    storage: SharedStorage,
    config: &Config,
    reply_queues: usize,
    environment: Environment,
    progress: impl FnMut(ReplayProgress),
) -> Result<Assembly, StartError> {
    config.check()?;
    let mut directory = Directory::open(storage.clone())?;
    let Recovered { machine, end, report } =
        recover_with(&directory, environment.spawner.as_deref(), progress)?
            .validated_up_to(config.recovery.validate_reservations)?;
    let clock = Arc::new(start_clock(environment.time, config, &machine));
    let now_ms = clock.wall_ms();
    if end.needs_new_epoch() {
        directory.bump_epoch(EpochReason::UncleanStop, end.last_position() + 1, now_ms)?;
    }
    let (log_uuid, epoch) = (directory.manifest().log_uuid, directory.manifest().epoch());
    let start = LogStart { log_uuid, epoch, now_ms, salt_seed: environment.salt_seed };
    let restorable = restorable(config, &directory, &machine)?;
    let (log, preparer) = directory.begin_log(config.log_options(), start, &end)?;

    let (sequencer_waker, sequencer) = Waker::new();
    let (applier_waker, applier) = Waker::new();
    let (snapshotter_waker, snapshotter) = Waker::new();
    let sleepers = Sleepers { sequencer, applier, snapshotter };
    let status = Arc::new(status_board(config, &directory, &report, clock.monotonic_ms()));
    let point = LogPoint { op: machine.op(), position: end.last_position() };
    let wakers = (sequencer_waker, applier_waker.clone());
    let addresses = Arc::new(geonames::load(storage.as_ref())?);
    let shared = (clock, status.clone(), Arc::new(restorable), addresses);
    let links = links(config, &log, wakers, reply_queues, shared, point);
    note_snapshot(&directory, &report, &links.metrics);
    let snapshot_queue = SnapshotQueue::new(snapshotter_waker.clone(), applier_waker.clone());
    let pool = log.pool().clone();
    let trimmer = trimmer(config, &storage, &directory, &pool, &report, &links);
    let snapshotter = Snapshotter::new(
        snapshot_queue.clone(),
        storage,
        (log_uuid, epoch),
        links.metrics.clone(),
        Box::new(trimmer),
        (links.watermarks.clone(), links.clock.clone()),
    );
    let last_snapshot_op = report.snapshot.unwrap_or(directory.manifest().base).op;
    let stage = SnapshotStage::new(
        snapshot_queue.clone(),
        snapshot_policy(config),
        last_snapshot_op,
        links.clock.monotonic_ms(),
    );
    let options = SequencerOptions {
        writer: WRITER,
        session: (epoch << SESSION_EPOCH_SHIFT) | log.segment(),
        epoch_to_begin: (epoch > machine.epoch()).then(|| directory.manifest().epoch_start()),
        batch_ops_max: config.log.batch_ops,
        sync_interval_ms: (config.log.durability == DurabilityChoice::Interval)
            .then_some(config.log.interval_ms),
    };
    Ok(Assembly {
        sequencer: Sequencer::new(log, options, sequencer_links(&links)),
        context: Arc::new(context(config, &links, (log_uuid, epoch))),
        reply_queues: links.reply_queues.clone(),
        watermarks: links.watermarks.clone(),
        archive: links.archive.clone(),
        applier: Applier::new(machine, end.last_position(), links, stage),
        snapshotter,
        preparer,
        pool,
        sleepers,
        applier_waker,
        snapshotter_waker,
        snapshot_queue,
        status,
        report,
        directory,
    })
}

fn start_clock(time: Arc<dyn TimeSource>, config: &Config, machine: &Machine) -> Clock {
    // Before the first op there is no hold that a jump of the clock could expire.
    let allowance = if machine.op() == 0 { Allowance::ANY } else { machine.clock().into() };
    Clock::start(time, machine.time(), config.clock.alarm_ms, allowance)
}

fn links(
    config: &Config,
    log: &LogWriter,
    (sequencer, applier): (Waker, Waker),
    reply_queues: usize,
    (clock, status, restorable, addresses): (Arc<Clock>, Arc<StatusBoard>, Arc<Restorable>, Arc<Addresses>),
    point: LogPoint,
) -> ApplierLinks {
    let limits = IngressLimits {
        submissions: config.queues.submissions,
        commands: config.queues.commands,
        bytes: config.queues.bytes,
    };
    let batches = (0..BATCHES).map(|_| Box::new(Batch::new(log.frame_buffer()))).collect();
    ApplierLinks {
        commit_queue: BatchQueue::new(batches, applier.clone(), sequencer.clone()),
        ingress: Arc::new(Ingress::new(limits, sequencer)),
        reply_queues: ReplyQueues::new(reply_queues),
        watermarks: Arc::new(Watermarks::at(point.op)),
        feedback: Arc::new(Feedback::default()),
        published: Arc::new(Published::default()),
        questions: Arc::new(Questions::new(config.queues.questions, applier)),
        archive: archive_progress(config, point, &clock),
        clock,
        metrics: Arc::new(Metrics::default()),
        status,
        restorable,
        addresses,
    }
}

fn archive_progress(config: &Config, point: LogPoint, clock: &Clock) -> Option<Arc<ArchiveProgress>> {
    let required_lag_ms = config.archive.required.then_some(config.archive.required_lag_ms);
    let is_configured = !config.archive.url.is_empty();
    let now_ms = clock.monotonic_ms();
    is_configured.then(|| Arc::new(ArchiveProgress::new(point, required_lag_ms, now_ms)))
}

fn trimmer(
    config: &Config,
    storage: &SharedStorage,
    directory: &Directory,
    pool: &Arc<SegmentPool>,
    report: &RecoveryReport,
    links: &ApplierLinks,
) -> Trimmer {
    let archive = links.archive.clone().map(|progress| (progress, config.archive.hold_bytes));
    Trimmer::new(storage, directory.manifest(), pool, report, archive, links.restorable.clone())
}

/// How far back a restore of the directory can go now.
fn restorable(config: &Config, directory: &Directory, machine: &Machine) -> Result<Restorable, StartError> {
    let (storage, manifest) = (directory.storage(), directory.manifest());
    let from_op = oldest_restorable_op(storage.as_ref(), manifest)?.unwrap_or_else(|| machine.op());
    let kept_bytes = kept_for_marks(storage, manifest, &mark_points(machine))?;
    Ok(Restorable::new(from_op, kept_bytes, config.marks.keep_bytes))
}

fn sequencer_links(links: &ApplierLinks) -> SequencerLinks {
    SequencerLinks {
        ingress: links.ingress.clone(),
        commit_queue: links.commit_queue.clone(),
        reply_queues: links.reply_queues.clone(),
        watermarks: links.watermarks.clone(),
        feedback: links.feedback.clone(),
        clock: links.clock.clone(),
        metrics: links.metrics.clone(),
        archive: links.archive.clone(),
    }
}

fn context(config: &Config, links: &ApplierLinks, (log_uuid, epoch): (Uuid, u64)) -> NetContext {
    let limits = NetLimits {
        connections: config.limits.connections,
        in_flight: config.limits.in_flight,
        questions: config.limits.questions_in_flight,
        outbox_bytes: config.limits.outbox_bytes,
        frame_body_bytes: config.limits.frame_body_bytes,
        handshake_ms: config.limits.handshake_ms,
        slow_reader_ms: config.limits.slow_reader_ms,
        frame_ms: config.limits.frame_ms,
        buffer_bytes: config.limits.buffer_bytes,
        check_wait_ms: config.limits.check_wait_ms,
        retry_after_ms: config.limits.retry_after_ms,
    };
    NetContext {
        ingress: links.ingress.clone(),
        questions: links.questions.clone(),
        published: links.published.clone(),
        clock: links.clock.clone(),
        feedback: links.feedback.clone(),
        metrics: links.metrics.clone(),
        limits,
        log_uuid: *log_uuid.as_bytes(),
        epoch,
        rules_version: RULES_VERSION,
        permits: ConnectionPermits::new(limits.connections, links.reply_queues.count()),
    }
}

/// Notes from which snapshot the server started, for its age.
fn note_snapshot(directory: &Directory, report: &RecoveryReport, metrics: &Metrics) {
    let Some(op) = report.snapshot_op() else { return };
    metrics.snapshot_op.set(op);
    // It was read a moment ago. Without its time it has no age.
    if let Ok(snapshot) = directory.to_read().read_snapshot(op, ReadFrom::Cache) {
        metrics.snapshot_time_ms.set(snapshot.header().time_ms);
    }
}

fn snapshot_policy(config: &Config) -> SnapshotPolicy {
    SnapshotPolicy {
        ops: config.snapshot.ops,
        interval_ms: config.snapshot.interval_seconds.saturating_mul(1_000),
        log_bytes: config.snapshot.log_bytes,
    }
}

fn status_board(
    config: &Config,
    directory: &Directory,
    report: &RecoveryReport,
    started_ms: u64,
) -> StatusBoard {
    let durability = match config.log.durability {
        DurabilityChoice::Sync => "sync".to_owned(),
        DurabilityChoice::Interval => {
            format!("interval (up to {} ms of answered commands may be lost)", config.log.interval_ms)
        }
    };
    let size = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let fixed = vec![
        metric("connections_max", "connections", size(config.limits.connections)),
        metric("connections_local_max", "connections", size(LOCAL_CONNECTIONS_MAX)),
        metric("in_flight_max", "commands", u64::from(config.limits.in_flight)),
        metric("segment_bytes", "bytes", config.log.segment_bytes),
        metric("recovered_ops", "ops", report.recovered_ops),
        metric("recovery_replayed_ops", "ops", report.replayed_ops),
        metric("recovery_skipped_ops", "ops", report.skipped_ops),
        metric("skipped_ops", "ops", size(directory.manifest().skips.len())),
        metric("recovery_passed_over", "batches", report.passed_over.batches),
        metric("recovery_snapshot_op", "op", report.snapshot_op().unwrap_or(0)),
        metric("recovery_ms", "ms", report.elapsed_ms),
        metric("recovery_torn_tail", "bool", u64::from(report.torn_tail)),
    ];
    let medium = directory.storage().medium();
    let mut warnings: Vec<String> = report
        .snapshots_refused
        .iter()
        .map(|text| Warning::SnapshotNotUsed.about(format!("Not used: {text}.")))
        .collect();
    warnings.extend(report.passed_over.warning());
    warnings.extend(skips_warning(&directory.manifest().skips));
    warnings.extend(medium.warning());
    if config.log.durability == DurabilityChoice::Interval {
        let found = "Commands are answered before they are durable (log.durability = interval).";
        warnings.push(Warning::AnswersBeforeSync.about(found));
    }
    StatusBoard {
        log_uuid: *directory.manifest().log_uuid.as_bytes(),
        epoch: directory.manifest().epoch(),
        data_dir: std::path::absolute(&config.data_dir)
            .unwrap_or_else(|_| config.data_dir.clone())
            .display()
            .to_string(),
        started_ms,
        segment_bytes: config.log.segment_bytes,
        durability,
        fixed,
        warnings: Mutex::new(warnings),
    }
}
