//! Recovers the machine from a data directory: a replica that has come to the end of the log, and a report. Recovery
//! writes nothing. The log writer makes durable what recovery relied on.

use std::time::Instant;

use stockhold_machine::Machine;

use crate::directory::Directory;
use crate::replica::{
    PassedOverTally, ReadAheadSpawner, ReplayProgress, ReplayTally, Replica, ReplicaError, Target,
};
use crate::snapshot::LogPoint;
use crate::wal::{EndReason, LogEnd, ReadTo};

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

/// Why the state cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The directory cannot be replayed.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
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

/// Recovers the state after the last op of the log.
///
/// # Errors
/// [`RecoveryError`]. Nothing was changed.
pub fn recover(
    directory: &Directory,
    progress: impl FnMut(ReplayProgress),
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
    mut progress: impl FnMut(ReplayProgress),
) -> Result<Recovered, RecoveryError> {
    let started = Instant::now();
    let directory = directory.to_read();
    let mut replica = Replica::load(&directory, Target::End, spawner)?;
    let mut observer = |_: &Machine, _| ();
    let to_end = (ReadTo::End, Target::End);
    let end = replica.replay(&directory, to_end, spawner, &mut observer, &mut progress)?;
    let Some(end) = end else { unreachable!("nothing ends the replay before the end of the log") };
    if let Some(warning) = replica.tally.passed_over.warning() {
        tracing::warn!("{warning}");
    }
    let tally = std::mem::take(&mut replica.tally);
    let machine = replica.into_machine();
    let ReplayTally { snapshot, snapshots_refused, replayed_ops, skipped_ops, digests_compared, passed_over } =
        tally;
    let clean_stop = match end.previous.reason {
        EndReason::CleanStop | EndReason::Start | EndReason::Restore => true,
        EndReason::Crash | EndReason::TornTail | EndReason::Rotated | EndReason::Truncated => false,
    };
    let report = RecoveryReport {
        snapshot,
        snapshots_refused,
        replayed_ops,
        recovered_ops: machine.op(),
        skipped_ops,
        digests_compared,
        passed_over,
        torn_tail: end.previous.reason == EndReason::TornTail,
        clean_stop,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        digest: machine.digest(),
    };
    Ok(Recovered { machine, end, report })
}
