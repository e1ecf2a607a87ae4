//! From a data directory to a machine: the newest valid snapshot, then the log behind it, through the same path as a running server
//! applies batches. It writes nothing; making durable what it relied on is the first act of the log writer.

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

/// Steps of sweeping after each batch, so that replay needs no more memory than the run that wrote the log.
pub(crate) const SWEEP_BUDGET: u32 = 1_024;
/// So many batches that were passed over are told one by one; the others are counted.
const PASSED_OVER_TOLD_MAX: u64 = 16;

/// What recovery did, for people and for `status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecoveryReport {
    /// Where the snapshot stands that was loaded; `None` when it began with the first op.
    pub snapshot: Option<LogPoint>,
    /// Snapshots that could not be used, each with the reason.
    pub snapshots_refused: Vec<String>,
    /// Ops replayed from the log.
    pub replayed_ops: u64,
    /// The last op.
    pub recovered_ops: u64,
    /// Ops that were left out by order.
    pub skipped_ops: u64,
    /// Digests in the log that were compared with those of the replay; all were equal.
    pub digests_compared: u64,
    /// Batches that the machine did not take.
    pub passed_over: PassedOverTally,
    /// Whether the log ended in a write that was cut off.
    pub torn_tail: bool,
    /// Whether the last stop was in good order.
    pub clean_stop: bool,
    /// Milliseconds that it took.
    pub elapsed_ms: u64,
    /// The digest of the state.
    pub digest: u64,
}

impl RecoveryReport {
    /// The op of the snapshot that was loaded; `None` when it began with the first op.
    #[must_use]
    pub fn snapshot_op(&self) -> Option<u64> {
        self.snapshot.map(|point| point.op)
    }
}

/// Batches of a log that the machine did not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOverTally {
    /// How many.
    pub batches: u64,
    /// Their records.
    pub records: u64,
}

impl PassedOverTally {
    pub(crate) fn count(&mut self, records: u32) {
        self.batches += 1;
        self.records += u64::from(records);
    }

    /// What an operator is told of them, if there are any.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Self { batches, records } = self;
        (*batches > 0).then(|| {
            format!(
                "{batches} batches of the log ({records} records) did not come next and were passed over: run `stockhold verify`."
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
    /// The log is damaged or in disorder.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// The log holds what this program did not write.
    #[error("the log cannot be applied")]
    Apply(#[from] ApplyError),
    /// The replay came to another state than the server that wrote the log.
    #[error(
        "the log was decided otherwise by the server that wrote it; nothing was changed: run `stockhold verify`"
    )]
    Diverged(#[from] Divergence),
    /// The manifest's genesis cannot be read.
    #[error("the configuration that the directory was formatted with cannot be read")]
    Genesis(#[source] stockhold_protocol::BadField),
    /// The directory is one of other rules than this program executes.
    #[error(
        "the data directory is one of rules version {found}, this program executes version {RULES_VERSION}; \
         nothing was changed: use the release of stockhold that wrote it"
    )]
    Rules {
        /// Their version.
        found: u32,
    },
    /// A snapshot was written by a later release.
    #[error(
        "the snapshot of op {op} has feature level {found}, this program knows levels up to {FEATURE_LEVEL}; \
         nothing was changed: use the release of stockhold that wrote it or a later one"
    )]
    FeatureLevel {
        /// The snapshot.
        op: u64,
        /// Its level.
        found: u32,
    },
    /// A batch of the log was written by a later release.
    #[error(
        "the log has feature level {found}, this program knows levels up to {FEATURE_LEVEL}; \
         nothing was changed: use the release of stockhold that wrote it or a later one"
    )]
    LogLevel {
        /// Its level.
        found: u32,
    },
    /// No snapshot can be used and the log does not reach back to the first op.
    #[error(
        "no snapshot can be used ({}), and the log begins only with position {oldest_position}; nothing was changed: \
         run `stockhold verify` and restore from a backup",
        refused.join("; ")
    )]
    NoStart {
        /// The snapshots and what is wrong with them.
        refused: Vec<String>,
        /// The first position in the log.
        oldest_position: u64,
    },
    /// The machine finds its own invariants broken.
    #[error("the recovered state breaks its own invariants: {}", violations.join("; "))]
    Invalid {
        /// What is broken.
        violations: Vec<String>,
    },
}

/// A machine as it was when the last committed op had been applied.
#[derive(Debug)]
pub struct Recovered {
    /// The machine.
    pub machine: Machine,
    /// Where the log ended.
    pub end: LogEnd,
    /// What was done.
    pub report: RecoveryReport,
}

impl Recovered {
    /// The same, if the machine finds all its invariants held. It counts the whole state again, which takes time in
    /// proportion to it; what was read is compared with its checksums and digests in any case.
    ///
    /// # Errors
    /// [`RecoveryError::Invalid`] names what is broken.
    pub fn validated(self) -> Result<Self, RecoveryError> {
        self.validated_up_to(u64::MAX)
    }

    /// As [`Recovered::validated`], if it has at most so many reservations.
    ///
    /// # Errors
    /// [`RecoveryError::Invalid`] names what is broken.
    pub fn validated_up_to(self, reservations: u64) -> Result<Self, RecoveryError> {
        if self.machine.stats().reservations > reservations {
            return Ok(self);
        }
        let violations = self.machine.validate();
        if violations.is_empty() { Ok(self) } else { Err(RecoveryError::Invalid { violations }) }
    }
}

/// How far recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    /// Bytes of the log read.
    pub bytes_done: u64,
    /// Bytes of the log in all.
    pub bytes_all: u64,
    /// The op reached.
    pub op: u64,
}

/// Recovers the state after the last op of the log.
///
/// # Errors
/// [`RecoveryError`]; nothing was changed.
pub fn recover(
    directory: &Directory,
    progress: impl FnMut(RecoveryProgress),
) -> Result<Recovered, RecoveryError> {
    recover_with(directory, None, progress)
}

/// As [`recover`]; the spawner reads ahead, if there is one.
///
/// # Errors
/// [`RecoveryError`]; nothing was changed.
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
    let mut trail = DigestComparison::after(machine.op());
    let mut reading = Reading::begin(log, spawner);
    while let Some(batch) = reading.next()? {
        let place = (batch.first_position, batch.records);
        let before = machine.op();
        let is_skipped = |op: u64| skips.contains_key(&op);
        let result =
            apply_payload(&mut machine, place, &batch.payload, is_skipped, |_| ()).map_err(of_apply)?;
        match result {
            BatchResult::Applied(Applied { header, digest }) => {
                trail.compare(&header, machine.epoch())?;
                trail.push(digest);
                for (_, epoch) in skips.range(before + 1..=machine.op()) {
                    trail.skip_before_epoch(*epoch);
                    report.skipped_ops += 1;
                }
                report.replayed_ops += machine.op() - before;
            }
            BatchResult::PassedOver(reason) => pass_over(&mut report.passed_over, place, reason),
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
    report.digests_compared = trail.compared();
    report.digest = machine.digest();
    report.elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Recovered { machine, end, report })
}

/// Counts a batch that the machine did not take, and tells of the first of them.
fn pass_over(tally: &mut PassedOverTally, (position, records): (u64, u32), reason: PassedOver) {
    tally.count(records);
    if tally.batches <= PASSED_OVER_TOLD_MAX {
        tracing::warn!(position, records, %reason, "A BATCH OF THE LOG WAS PASSED OVER");
    }
}

/// What is told of a batch that cannot be applied.
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
    #[error("it has feature level {found}, this program knows levels up to {FEATURE_LEVEL}")]
    FeatureLevel { found: u32 },
    #[error("the machine does not take it: {0}")]
    Machine(#[from] LoadError),
    #[error("the state sums up to {found:016x}, the file says {said:?}")]
    Digest { found: u64, said: [u8; 16] },
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

/// Reads a snapshot to its end and makes a machine of it; `on_piece` gets the length of each piece.
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
        return Err(LoadFault::Digest { found: machine.digest(), said: summary.digest });
    }
    Ok(machine)
}
