//! Recovers the machine from a data directory: it loads the newest valid snapshot and replays the log after it, with
//! the same code by which a running server applies batches. Recovery writes nothing. The log writer makes durable what
//! recovery relied on.

mod read_ahead;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use stockhold_machine::{Genesis, GenesisError, LoadError, Loader, Machine, RULES_VERSION, SnapshotMark};
use stockhold_protocol::Timestamp;
use stockhold_protocol::limits::FEATURE_LEVEL;

pub use read_ahead::ReadAheadSpawner;
use read_ahead::Reading;

use crate::directory::Directory;
use crate::pipeline::apply::{Applied, ApplyError, BatchResult, PassedOver, apply_payload};
use crate::pipeline::digests::{DigestComparison, Divergence};
use crate::pipeline::snapshots::digest_bytes;
use crate::snapshot::{LogPoint, SnapshotError, SnapshotReader};
use crate::storage::StorageError;
use crate::wal::{EndReason, LogEnd, LogError, ReadTo};

/// The number of sweep steps after each batch, so that replay needs no more memory than the server that wrote the log.
pub(crate) const SWEEP_BUDGET: u32 = 1_024;
/// The number of passed-over batches that are logged one by one. The rest is only counted.
const PASSED_OVER_LOGGED_MAX: u64 = 16;

/// What recovery did, for the operator and for `status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryReport {
    /// The point of the loaded snapshot; `None` if replay began with the first op.
    pub snapshot: Option<LogPoint>,
    /// Snapshots that could not be used, with the reason.
    pub snapshots_refused: Vec<String>,
    /// The number of ops replayed from the log.
    pub replayed_ops: u64,
    /// The last recovered op.
    pub recovered_ops: u64,
    /// The number of ops that an operator had skipped.
    pub skipped_ops: u64,
    /// The number of digests in the log that were compared with those of the replay. All were equal.
    pub digests_compared: u64,
    /// The batches that were passed over.
    pub passed_over: PassedOverTally,
    /// Whether the log ended in an interrupted write.
    pub torn_tail: bool,
    /// Whether the last stop was clean.
    pub clean_stop: bool,
    /// How long recovery took, in milliseconds.
    pub elapsed_ms: u64,
    /// The digest of the state.
    pub digest: u64,
}

impl RecoveryReport {
    /// The op of the loaded snapshot; `None` if replay began with the first op.
    #[must_use]
    pub fn snapshot_op(&self) -> Option<u64> {
        self.snapshot.map(|point| point.op)
    }
}

/// The batches that a replay passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOverTally {
    /// The number of batches.
    pub batches: u64,
    /// The number of their records.
    pub records: u64,
}

impl PassedOverTally {
    pub(crate) fn count(&mut self, records: u32) {
        self.batches += 1;
        self.records += u64::from(records);
    }

    /// The warning for the operator, if any batches were passed over.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Self { batches, records } = self;
        (*batches > 0).then(|| {
            format!(
                "{batches} batches of the log ({records} records) were passed over, because they are not the next ones of their writers: run `stockhold verify`."
            )
        })
    }
}

/// Why the state cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The log is damaged or inconsistent.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// The log contains a batch that this program did not write.
    #[error("the log cannot be applied")]
    Apply(#[from] ApplyError),
    /// The replay computed another state than the server that wrote the log.
    #[error(
        "the replay computed another state than the server that wrote the log; nothing was changed: run `stockhold verify`"
    )]
    Diverged(#[from] Divergence),
    /// The genesis in the manifest cannot be read.
    #[error("the configuration that the directory was formatted with cannot be read")]
    Genesis(#[source] stockhold_protocol::BadField),
    /// The directory has another rules version than this program.
    #[error(
        "the data directory has rules version {found}, this program executes version {RULES_VERSION}; \
         nothing was changed: use the release of stockhold that wrote it"
    )]
    Rules {
        /// The rules version of the directory.
        found: u32,
    },
    /// A snapshot was written by a later release.
    #[error(
        "the snapshot of op {op} has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only; \
         nothing was changed: use the release of stockhold that wrote it or a later one"
    )]
    FeatureLevel {
        /// The snapshot.
        op: u64,
        /// Its feature level.
        found: u32,
    },
    /// A batch of the log was written by a later release.
    #[error(
        "the log has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only; \
         nothing was changed: use the release of stockhold that wrote it or a later one"
    )]
    LogLevel {
        /// Its feature level.
        found: u32,
    },
    /// No snapshot can be used, and the log does not reach back to the first op.
    #[error(
        "no snapshot can be used ({}), and the log begins at position {oldest_position}; nothing was changed: \
         run `stockhold verify` and restore from a backup",
        refused.join("; ")
    )]
    NoStart {
        /// The snapshots, with the reasons.
        refused: Vec<String>,
        /// The first position in the log.
        oldest_position: u64,
    },
    /// The recovered state violates invariants of the machine.
    #[error("the recovered state violates invariants: {}", violations.join("; "))]
    Invalid {
        /// The violated invariants.
        violations: Vec<String>,
    },
}

/// The recovered machine, with all committed ops applied.
#[derive(Debug)]
pub struct Recovered {
    /// The machine.
    pub machine: Machine,
    /// Where the log ended.
    pub end: LogEnd,
    /// What recovery did.
    pub report: RecoveryReport,
}

impl Recovered {
    /// Returns itself if all invariants of the machine hold. Validation recounts the whole state, which takes time in
    /// proportion to its size. Checksums and digests were compared in any case.
    ///
    /// # Errors
    /// [`RecoveryError::Invalid`] with the violated invariants.
    pub fn validated(self) -> Result<Self, RecoveryError> {
        self.validated_up_to(u64::MAX)
    }

    /// As [`Recovered::validated`], but only if there are at most this many reservations.
    ///
    /// # Errors
    /// [`RecoveryError::Invalid`] with the violated invariants.
    pub fn validated_up_to(self, reservations: u64) -> Result<Self, RecoveryError> {
        if self.machine.stats().reservations > reservations {
            return Ok(self);
        }
        let violations = self.machine.validate();
        if violations.is_empty() { Ok(self) } else { Err(RecoveryError::Invalid { violations }) }
    }
}

/// The progress of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// The number of log bytes that were read.
    pub bytes_done: u64,
    /// The total number of log bytes.
    pub bytes_all: u64,
    /// The last replayed op.
    pub op: u64,
}

/// Recovers the state after the last op of the log.
///
/// # Errors
/// [`RecoveryError`]. Nothing was changed.
pub fn recover(
    directory: &Directory,
    progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, RecoveryError> {
    recover_with(directory, None, progress)
}

/// As [`recover`], with a spawner that lets another thread read ahead.
///
/// # Errors
/// [`RecoveryError`]. Nothing was changed.
pub fn recover_with(
    directory: &Directory,
    spawner: Option<&dyn ReadAheadSpawner>,
    mut progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, RecoveryError> {
    let started = Instant::now();
    let mut report = RecoveryReport::default();
    let (mut machine, position) = load_newest(directory, spawner, &mut report)?;
    let skips: BTreeMap<u64, u64> =
        directory.manifest().skips.iter().map(|skip| (skip.op, skip.epoch)).collect();
    let log = match directory.read_log(position + 1, ReadTo::End) {
        Ok(log) => log,
        Err(LogError::Missing { oldest_position, .. }) if report.snapshot.is_none() => {
            return Err(RecoveryError::NoStart { refused: report.snapshots_refused, oldest_position });
        }
        Err(error) => return Err(error.into()),
    };
    let mut digests = DigestComparison::after(machine.op());
    let mut reading = Reading::begin(log, spawner);
    while let Some(batch) = reading.next()? {
        let span = (batch.first_position, batch.records);
        let before = machine.op();
        let is_skipped = |op: u64| skips.contains_key(&op);
        let result =
            apply_payload(&mut machine, span, &batch.payload, is_skipped, |_, _| ()).map_err(of_apply)?;
        match result {
            BatchResult::Applied(Applied { header, digest }) => {
                digests.compare(&header, machine.epoch())?;
                digests.push(digest);
                for (_, epoch) in skips.range(before + 1..=machine.op()) {
                    digests.skip_before_epoch(*epoch);
                    report.skipped_ops += 1;
                }
                report.replayed_ops += machine.op() - before;
            }
            BatchResult::PassedOver(reason) => pass_over(&mut report.passed_over, span, reason),
        }
        machine.sweep(SWEEP_BUDGET);
        let (bytes_done, bytes_all) = batch.progress;
        progress(RecoveryProgress { bytes_done, bytes_all, op: machine.op() });
    }
    let Some(end) = reading.into_source().into_end() else {
        unreachable!("a log that was read to its end has one")
    };
    report.recovered_ops = machine.op();
    if let Some(warning) = report.passed_over.warning() {
        tracing::warn!("{warning}");
    }
    report.torn_tail = end.previous.reason == EndReason::TornTail;
    report.clean_stop = match end.previous.reason {
        EndReason::CleanStop | EndReason::Start | EndReason::Restore => true,
        EndReason::Crash | EndReason::TornTail | EndReason::Rotated => false,
    };
    report.digests_compared = digests.compared();
    report.digest = machine.digest();
    report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Recovered { machine, end, report })
}

/// Counts a batch that was passed over, and logs the first of them.
fn pass_over(tally: &mut PassedOverTally, (position, records): (u64, u32), reason: PassedOver) {
    tally.count(records);
    if tally.batches <= PASSED_OVER_LOGGED_MAX {
        tracing::warn!(position, records, %reason, "A BATCH OF THE LOG WAS PASSED OVER");
    }
}

/// Converts an error to the one that the operator sees.
fn of_apply(error: ApplyError) -> RecoveryError {
    match error {
        ApplyError::Rules { found, .. } => RecoveryError::Rules { found: found.into() },
        ApplyError::FeatureLevel { found, .. } => RecoveryError::LogLevel { found },
        other @ (ApplyError::Header { .. } | ApplyError::Count { .. }) => RecoveryError::Apply(other),
    }
}

fn load_newest(
    directory: &Directory,
    spawner: Option<&dyn ReadAheadSpawner>,
    report: &mut RecoveryReport,
) -> Result<(Machine, u64), RecoveryError> {
    for op in directory.snapshots()? {
        let opened = directory.read_snapshot(op).map_err(LoadFault::from);
        let loaded = opened.and_then(|reader| {
            let point = reader.header().point();
            load(reader, spawner, |_| ()).map(|machine| (machine, point))
        });
        match loaded {
            Ok((machine, point)) => {
                report.snapshot = Some(point);
                return Ok((machine, point.position));
            }
            Err(LoadFault::Storage(error)) => return Err(error.into()),
            Err(LoadFault::Machine(LoadError::Rules { found })) => {
                return Err(RecoveryError::Rules { found });
            }
            Err(LoadFault::FeatureLevel { found }) => return Err(RecoveryError::FeatureLevel { op, found }),
            Err(fault) => {
                tracing::error!(op, %fault, "A SNAPSHOT CANNOT BE USED; falling back to an older one");
                report.snapshots_refused.push(format!("snapshot of op {op}: {fault}"));
            }
        }
    }
    let base = directory.manifest().base;
    if base != LogPoint::default() {
        let refused = std::mem::take(&mut report.snapshots_refused);
        return Err(RecoveryError::NoStart { refused, oldest_position: base.position + 1 });
    }
    let genesis = Genesis::decode(&directory.manifest().genesis).map_err(|error| match error {
        GenesisError::Rules { found } => RecoveryError::Rules { found },
        GenesisError::Field(error) => RecoveryError::Genesis(error),
    })?;
    Ok((Machine::new(&genesis), 0))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadFault {
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    #[error("{error}{}", error.source().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Snapshot { error: SnapshotError },
    #[error("it has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only")]
    FeatureLevel { found: u32 },
    #[error("the machine cannot load it: {0}")]
    Machine(#[from] LoadError),
    #[error("the loaded state has digest {found:016x}, but the file records {recorded:?}")]
    Digest { found: u64, recorded: [u8; 16] },
}

impl From<SnapshotError> for LoadFault {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Storage(error) => Self::Storage(error),
            other @ (SnapshotError::Damaged { .. } | SnapshotError::ForeignLog { .. }) => {
                Self::Snapshot { error: other }
            }
        }
    }
}

/// Reads a snapshot to its end and builds the machine. `on_piece` receives the length of each piece.
pub(crate) fn load(
    reader: SnapshotReader,
    spawner: Option<&dyn ReadAheadSpawner>,
    mut on_piece: impl FnMut(usize),
) -> Result<Machine, LoadFault> {
    let header = *reader.header();
    if header.feature_level > FEATURE_LEVEL {
        return Err(LoadFault::FeatureLevel { found: header.feature_level });
    }
    if header.rules_version != RULES_VERSION {
        return Err(LoadError::Rules { found: header.rules_version }.into());
    }
    let mut loader: Loader = Machine::loader();
    let mut reading = Reading::begin(reader, spawner);
    while let Some(frame) = reading.next()? {
        loader.section(frame.kind, frame.records, &frame.payload)?;
        on_piece(frame.payload.len());
    }
    let summary = reading.into_source().into_summary()?;
    let [a, b, c, d, e, f, g, h, ..] = summary.digest;
    let digest = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mark = SnapshotMark {
        op: header.op,
        time: Timestamp(header.time_ms),
        digest,
        rules_version: header.rules_version,
    };
    let machine = loader.finish(&mark)?;
    if digest_bytes(machine.digest()) != summary.digest {
        return Err(LoadFault::Digest { found: machine.digest(), recorded: summary.digest });
    }
    Ok(machine)
}
