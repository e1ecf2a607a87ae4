//! A machine that replays the log of a data directory: it loads a snapshot and applies the batches after it, with the
//! same code by which a running server applies them. The replay goes to the end of the log or to an earlier op or time.
//! Recovery, restore and questions about the past use it. It writes nothing.

pub(crate) mod load;
mod read_ahead;
mod recurrence;
mod target;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use stockhold_machine::{Genesis, GenesisError, LoadError, Machine, RULES_VERSION};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Outcome, Timestamp};

pub use read_ahead::ReadAheadSpawner;
use read_ahead::Reading;
pub use target::{Target, wall_ms};

use crate::calendar::rfc3339;
use crate::directory::ReadOnlyDirectory;
use crate::pipeline::apply::{Applied, ApplyError, BatchResult, Observer, PassedOver, Step, apply_payload};
use crate::pipeline::digests::{DigestComparison, Divergence};
use crate::snapshot::LogPoint;
use crate::storage::StorageError;
use crate::wal::{LogEnd, LogError, ReadTo};
use crate::warning::Warning;
use load::{LoadFault, load};

/// The number of sweep steps after each batch, so that replay needs no more memory than the server that wrote the log.
pub(crate) const SWEEP_BUDGET: u32 = 1_024;
/// The number of passed-over batches that are logged one by one. The rest is only counted.
const PASSED_OVER_LOGGED_MAX: u64 = 16;

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
            Warning::BatchesPassedOver.about(format!(
                "{batches} batches of the log ({records} records) were passed over, because they are not the next ones of their writers."
            ))
        })
    }
}

/// Why a directory cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] StorageError),
    /// The log is damaged or inconsistent.
    #[error("the log cannot be read")]
    Log(#[from] LogError),
    /// The log contains a batch that this program did not write.
    #[error("the log cannot be applied")]
    Apply(#[source] ApplyError),
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
    /// The target is before the oldest state that can be reached.
    #[error(
        "{target} is before the oldest state that can be reached: the state after op {oldest_op}, {}",
        rfc3339(*.oldest_ms)
    )]
    TargetTooEarly {
        /// The target.
        target: Target,
        /// The op of the oldest snapshot.
        oldest_op: u64,
        /// Its time by the wall clock, in milliseconds.
        oldest_ms: u64,
    },
    /// The target is after the end of the log.
    #[error("{target} is after the end of the log: the last op is {last_op}, {}", rfc3339(*.last_ms))]
    TargetTooLate {
        /// The target.
        target: Target,
        /// The last op.
        last_op: u64,
        /// Its time by the wall clock, in milliseconds.
        last_ms: u64,
    },
    /// The wall clock was set back, so the target is two moments.
    #[error(
        "{target} occurs twice in the log, because the wall clock was set back after op {op}: \
         name the op; `stockhold log dump` shows the ops with their times"
    )]
    TargetTwice {
        /// The target.
        target: Target,
        /// The last op of the first moment.
        op: u64,
    },
}

impl ReplicaError {
    /// Whether a file was removed that was there when the directory was looked at, as a server does when it trims its
    /// log. Reading again may succeed.
    #[must_use]
    pub fn is_vanished(&self) -> bool {
        matches!(
            self,
            Self::Storage(StorageError::NotFound { .. })
                | Self::Log(
                    LogError::Storage(StorageError::NotFound { .. })
                        | LogError::SequenceGap { .. }
                        | LogError::Missing { .. }
                )
        )
    }
}

/// The progress of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The number of log bytes that were read.
    pub bytes_done: u64,
    /// The total number of log bytes.
    pub bytes_all: u64,
    /// The last replayed op.
    pub op: u64,
}

/// A machine after a prefix of the log.
#[derive(Debug)]
pub struct Replica {
    machine: Machine,
    position: u64,
    skips: BTreeMap<u64, u64>,
    digests: DigestComparison,
    /// What the replay did.
    pub tally: ReplayTally,
}

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayTally {
    /// The point of the loaded snapshot; `None` if the replay began with the first op.
    pub snapshot: Option<LogPoint>,
    /// Snapshots that could not be used, with the reason.
    pub snapshots_refused: Vec<String>,
    /// The number of replayed ops.
    pub replayed_ops: u64,
    /// The number of ops that an operator had skipped.
    pub skipped_ops: u64,
    /// The number of digests in the log that were compared with those of the replay. All were equal.
    pub digests_compared: u64,
    /// The batches that were passed over.
    pub passed_over: PassedOverTally,
}

/// The number of bytes of log that a replay has read, as its caller sees it.
pub type OnProgress<'a> = dyn FnMut(ReplayProgress) + 'a;

impl Replica {
    /// Loads the newest valid snapshot that is not beyond the target, or begins with the first op.
    ///
    /// # Errors
    /// [`ReplicaError`], [`ReplicaError::TargetTooEarly`] among them.
    pub fn load(
        directory: &ReadOnlyDirectory,
        target: Target,
        spawner: Option<&dyn ReadAheadSpawner>,
    ) -> Result<Self, ReplicaError> {
        let mut tally = ReplayTally::default();
        let (machine, position) = match load_newest(directory, target, spawner, &mut tally)? {
            Some((machine, point)) => {
                tally.snapshot = Some(point);
                (machine, point.position)
            }
            None => (first_machine(directory)?, 0),
        };
        if target.is_passed_by(&machine) {
            let (oldest_op, oldest_ms) = (machine.op(), wall_ms(&machine));
            return Err(ReplicaError::TargetTooEarly { target, oldest_op, oldest_ms });
        }
        let digests = DigestComparison::after(machine.op());
        Ok(Self { machine, position, skips: skips_of(directory), digests, tally })
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The machine, to be used further.
    #[must_use]
    pub fn into_machine(self) -> Machine {
        self.machine
    }

    /// The machine, to write a snapshot of it.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The point in the log up to which it was replayed.
    #[must_use]
    pub fn point(&self) -> LogPoint {
        LogPoint { position: self.position, op: self.machine.op() }
    }

    /// Replays the log up to the target. Returns the end of the log if the replay has come to it.
    ///
    /// # Errors
    /// [`ReplicaError`]. If the log ends before the target, it is [`ReplicaError::TargetTooLate`].
    pub fn replay(
        &mut self,
        directory: &ReadOnlyDirectory,
        (read_to, target): (ReadTo, Target),
        spawner: Option<&dyn ReadAheadSpawner>,
        observer: &mut impl Observer,
        progress: &mut OnProgress<'_>,
    ) -> Result<Option<LogEnd>, ReplicaError> {
        self.skips = skips_of(directory);
        let log = match directory.read_log_to(self.position + 1, read_to) {
            Ok(log) => log,
            Err(LogError::Missing { oldest_position, .. }) if self.tally.snapshot.is_none() => {
                let refused = std::mem::take(&mut self.tally.snapshots_refused);
                return Err(ReplicaError::NoStart { refused, oldest_position });
            }
            Err(error) => return Err(error.into()),
        };
        let mut reading = Reading::begin(log, spawner);
        let mut bounded = Bounded { target, observer };
        while let Some(batch) = reading.next()? {
            let span = (batch.first_position, batch.records);
            if self.apply(span, &batch.payload, &mut bounded)?.is_break() {
                return Ok(None);
            }
            self.machine.sweep(SWEEP_BUDGET);
            let (bytes_done, bytes_all) = batch.progress;
            progress(ReplayProgress { bytes_done, bytes_all, op: self.machine.op() });
        }
        let Some(end) = reading.into_source().into_end() else {
            unreachable!("a log that was read to its end has one")
        };
        if target.is_reached_by(&self.machine) {
            Ok(Some(end))
        } else {
            let (last_op, last_ms) = (self.machine.op(), wall_ms(&self.machine));
            Err(ReplicaError::TargetTooLate { target, last_op, last_ms })
        }
    }

    /// Refuses a time that occurs again after the point of this replica.
    ///
    /// # Errors
    /// [`ReplicaError::TargetTwice`], or the log cannot be opened.
    pub fn refuse_recurring(
        &self,
        directory: &ReadOnlyDirectory,
        target: Target,
    ) -> Result<(), ReplicaError> {
        let Target::Time(last_ms) = target else { return Ok(()) };
        let log = directory.read_log(self.position + 1)?;
        match recurrence::occurs_again(log, (&self.machine, self.position), last_ms) {
            Some(_) => Err(ReplicaError::TargetTwice { target, op: self.machine.op() }),
            None => Ok(()),
        }
    }

    /// Applies one batch. `Break` means that the target was reached before its end.
    fn apply(
        &mut self,
        span: (u64, u32),
        payload: &[u8],
        observer: &mut Bounded<'_, impl Observer>,
    ) -> Result<ControlFlow<()>, ReplicaError> {
        let before = self.machine.op();
        let is_skipped = |op: u64| self.skips.contains_key(&op);
        let result = apply_payload(&mut self.machine, span, payload, is_skipped, &mut *observer)?;
        let (first_position, records) = span;
        self.tally.replayed_ops += self.machine.op() - before;
        match result {
            BatchResult::Applied(Applied { header, digest }) => {
                self.digests.compare(&header, self.machine.epoch())?;
                self.digests.push(digest);
                self.tally.digests_compared = self.digests.compared();
                for (_, epoch) in self.skips.range(before + 1..=self.machine.op()) {
                    self.digests.skip_before_epoch(*epoch);
                    self.tally.skipped_ops += 1;
                }
            }
            BatchResult::PassedOver(reason) => pass_over(&mut self.tally.passed_over, span, reason),
            BatchResult::Stopped { records } => {
                self.position = first_position + records - 1;
                return Ok(ControlFlow::Break(()));
            }
        }
        self.position = first_position + u64::from(records) - 1;
        Ok(ControlFlow::Continue(()))
    }
}

/// Ends a replay at its target.
struct Bounded<'a, O> {
    target: Target,
    observer: &'a mut O,
}

impl<O: Observer> Observer for &mut Bounded<'_, O> {
    fn before_batch(&mut self, machine: &Machine, op: u64, proposed: Timestamp) -> ControlFlow<()> {
        if self.target.is_before(machine, op, proposed) {
            return ControlFlow::Break(());
        }
        self.observer.before_batch(machine, op, proposed)
    }

    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        if self.target.is_before(machine, step.op, step.proposed) {
            return ControlFlow::Break(());
        }
        self.observer.before(machine, step)
    }

    fn after(&mut self, machine: &Machine, step: &Step<'_>, outcome: Outcome) {
        self.observer.after(machine, step, outcome);
    }
}

/// The skipped ops, with the epochs that began with the skips.
fn skips_of(directory: &ReadOnlyDirectory) -> BTreeMap<u64, u64> {
    directory.manifest().skips.iter().map(|skip| (skip.op, skip.epoch)).collect()
}

/// Counts a batch that was passed over, and logs the first of them.
fn pass_over(tally: &mut PassedOverTally, (position, records): (u64, u32), reason: PassedOver) {
    tally.count(records);
    if tally.batches <= PASSED_OVER_LOGGED_MAX {
        tracing::warn!(position, records, %reason, "A BATCH OF THE LOG WAS PASSED OVER");
    }
}

impl From<ApplyError> for ReplicaError {
    /// Converts an error to the one that the operator sees.
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Rules { found, .. } => Self::Rules { found: found.into() },
            ApplyError::FeatureLevel { found, .. } => Self::LogLevel { found },
            other @ (ApplyError::Header { .. } | ApplyError::Count { .. }) => Self::Apply(other),
        }
    }
}

/// The newest valid snapshot that is not beyond the target; `None` if the replay can only begin with the first op.
fn load_newest(
    directory: &ReadOnlyDirectory,
    target: Target,
    spawner: Option<&dyn ReadAheadSpawner>,
    tally: &mut ReplayTally,
) -> Result<Option<(Machine, LogPoint)>, ReplicaError> {
    let mut oldest_beyond = None;
    for op in directory.snapshots()? {
        if matches!(target, Target::Op(last) if op > last) {
            oldest_beyond = Some(op);
            continue;
        }
        let opened = directory.read_snapshot(op, crate::storage::ReadFrom::Cache).map_err(LoadFault::from);
        let loaded = opened.and_then(|reader| {
            let point = reader.header().point();
            load(reader, spawner, |_| ()).map(|machine| (machine, point))
        });
        match loaded {
            Ok((machine, _)) if target.is_passed_by(&machine) => oldest_beyond = Some(op),
            Ok(loaded) => return Ok(Some(loaded)),
            Err(LoadFault::Storage(error)) => return Err(error.into()),
            Err(LoadFault::Machine(LoadError::Rules { found })) => {
                return Err(ReplicaError::Rules { found });
            }
            Err(LoadFault::FeatureLevel { found }) => return Err(ReplicaError::FeatureLevel { op, found }),
            Err(fault) => {
                tracing::error!(op, %fault, "A SNAPSHOT CANNOT BE USED; falling back to an older one");
                tally.snapshots_refused.push(format!("snapshot of op {op}: {fault}"));
            }
        }
    }
    let base = directory.manifest().base;
    let begins_with_log = base == LogPoint::default() && directory.read_log_to(1, ReadTo::Present).is_ok();
    match oldest_beyond {
        _ if begins_with_log => Ok(None),
        Some(oldest_op) => {
            let opened = directory.read_snapshot(oldest_op, crate::storage::ReadFrom::Cache);
            let oldest = opened.map_err(LoadFault::from).and_then(|reader| load(reader, spawner, |_| ()));
            let oldest_ms = oldest.map_or(0, |machine| wall_ms(&machine));
            Err(ReplicaError::TargetTooEarly { target, oldest_op, oldest_ms })
        }
        None if base == LogPoint::default() => Ok(None),
        None => {
            let refused = std::mem::take(&mut tally.snapshots_refused);
            Err(ReplicaError::NoStart { refused, oldest_position: base.position + 1 })
        }
    }
}

fn first_machine(directory: &ReadOnlyDirectory) -> Result<Machine, ReplicaError> {
    let genesis = Genesis::decode(&directory.manifest().genesis).map_err(|error| match error {
        GenesisError::Rules { found } => ReplicaError::Rules { found },
        GenesisError::Field(error) => ReplicaError::Genesis(error),
    })?;
    Ok(Machine::new(&genesis))
}
