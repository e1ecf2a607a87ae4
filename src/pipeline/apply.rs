//! The one way from a logged payload to the machine: the applier goes it with answers to give, recovery without. It decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use stockhold_machine::config::WRITERS_MAX;
use stockhold_machine::{AHEAD, BatchVerdict, DigestPoint, Machine};
use stockhold_protocol::Outcome;
use stockhold_protocol::batch::{Batch, BatchHeader};
use stockhold_protocol::limits::FEATURE_LEVEL;

/// The op that is being applied, for the last words of a program that stops inside it; 0 between ops.
static APPLYING: AtomicU64 = AtomicU64::new(0);

/// The op that some machine of this process is applying right now.
#[must_use]
pub fn applying_op() -> Option<u64> {
    Some(APPLYING.load(Ordering::Relaxed)).filter(|op| *op > 0)
}

/// What the log holds does not belong to this machine: a bug of ours or a log that was put together by hand.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The payload's header cannot be read.
    #[error("the batch at op {op} has a header that this program cannot read")]
    Header {
        /// The first op of the batch.
        op: u64,
        /// What is wrong with it.
        source: stockhold_protocol::BadField,
    },
    /// The batch was decided by other rules than those in force here.
    #[error("the batch at op {op} is one of rules version {found}, this program executes version {executed}")]
    Rules {
        /// The first op of the batch.
        op: u64,
        /// The version that its writer executed.
        found: u16,
        /// The version in force here.
        executed: u32,
    },
    /// The batch was written by a program that knows more.
    #[error(
        "the batch at op {op} is one of feature level {found}, this program knows levels up to {FEATURE_LEVEL}"
    )]
    FeatureLevel {
        /// The first op of the batch.
        op: u64,
        /// The level of its writer.
        found: u32,
    },
    /// The writer has begun a later session since.
    #[error(
        "the batch at op {op} is of session {found} of its writer, which has begun session {known} since"
    )]
    OldSession {
        /// The first op of the batch.
        op: u64,
        /// Its session.
        found: u64,
        /// The latest session of its writer.
        known: u64,
    },
    /// The writer's numbers have a gap.
    #[error("the batch at op {op} has number {found} of its writer's session, expected {expected}")]
    Gap {
        /// The first op of the batch.
        op: u64,
        /// Its number.
        found: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// More writers than a machine remembers.
    #[error("the batch at op {op} is of a writer too many; {WRITERS_MAX} are remembered")]
    Writers {
        /// The first op of the batch.
        op: u64,
    },
    /// The payload holds another number of records than the frame has ops.
    #[error("the batch at op {op} holds {found} records for {expected} ops")]
    Count {
        /// The first op of the batch.
        op: u64,
        /// Records found.
        found: u64,
        /// Ops of the frame.
        expected: u32,
    },
    /// The machine is not at the op before the batch.
    #[error("the batch begins with op {op}, but the machine stands at op {at}")]
    Position {
        /// The first op of the batch.
        op: u64,
        /// Where the machine stands.
        at: u64,
    },
}

/// Applies one payload of `ops` ops of which the first is `first_op`. `is_skipped` names ops that pass without effect; `each` gets the
/// outcomes in order.
///
/// # Errors
/// [`ApplyError`] when the payload cannot be of this log; the machine may have applied a part of it then and must be thrown away.
pub fn apply_payload(
    machine: &mut Machine,
    (first_op, ops): (u64, u32),
    payload: &[u8],
    is_skipped: impl Fn(u64) -> bool,
    mut each: impl FnMut(Outcome),
) -> Result<Applied, ApplyError> {
    let batch = Batch::decode(payload).map_err(|source| ApplyError::Header { op: first_op, source })?;
    let header = batch.header;
    if header.count != ops {
        return Err(ApplyError::Count { op: first_op, found: u64::from(header.count), expected: ops });
    }
    if machine.op() + 1 != first_op {
        return Err(ApplyError::Position { op: first_op, at: machine.op() });
    }
    let executed = machine.rules_version();
    if u32::from(header.rules) != executed {
        return Err(ApplyError::Rules { op: first_op, found: header.rules, executed });
    }
    if header.feature_level > FEATURE_LEVEL {
        return Err(ApplyError::FeatureLevel { op: first_op, found: header.feature_level });
    }
    match machine.begin_batch(&header) {
        BatchVerdict::Apply => {}
        BatchVerdict::Duplicate => {
            // A batch that this machine has applied before: its ops pass, its commands do nothing.
            for _ in 0..ops {
                each(machine.skip(header.proposed));
            }
            return Ok(Applied { header, digest: machine.end_batch() });
        }
        BatchVerdict::OldSession { known } => {
            return Err(ApplyError::OldSession { op: first_op, found: header.session, known });
        }
        BatchVerdict::Gap { expected } => {
            return Err(ApplyError::Gap { op: first_op, found: header.number, expected });
        }
        BatchVerdict::TooManyWriters => return Err(ApplyError::Writers { op: first_op }),
    }
    let mut applied = 0_u64;
    let mut ahead = batch.records();
    for entry in batch.entries() {
        if applied.is_multiple_of(AHEAD as u64) {
            machine.look_ahead(ahead.by_ref().take(AHEAD).flatten());
        }
        let op = first_op + applied;
        applied += 1;
        let Some(entry) = entry.ok().filter(|_| applied <= u64::from(ops)) else { break };
        if let Some(run) = &entry.run {
            machine.begin_run(run);
        }
        let outcome = if is_skipped(op) {
            machine.skip(header.proposed)
        } else {
            APPLYING.store(op, Ordering::Relaxed);
            machine.apply(header.proposed, entry.record)
        };
        each(outcome);
    }
    APPLYING.store(0, Ordering::Relaxed);
    if machine.op() + 1 != first_op + u64::from(ops) {
        return Err(ApplyError::Count { op: first_op, found: applied, expected: ops });
    }
    Ok(Applied { header, digest: machine.end_batch() })
}

/// What applying a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The header of the batch.
    pub header: BatchHeader,
    /// The digest after it, if one is due.
    pub digest: Option<DigestPoint>,
}
