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

/// What the log holds was not written by this program: a bug of ours or a log that was put together by hand.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The payload's header cannot be read.
    #[error("the batch at position {position} has a header that this program cannot read")]
    Header {
        /// The position of the batch's first record.
        position: u64,
        /// What is wrong with it.
        source: stockhold_protocol::BadField,
    },
    /// The batch was decided by other rules than those in force here.
    #[error(
        "the batch at position {position} is one of rules version {found}, this program executes version {executed}"
    )]
    Rules {
        /// The position of the batch's first record.
        position: u64,
        /// The version that its writer executed.
        found: u16,
        /// The version in force here.
        executed: u32,
    },
    /// The batch was written by a program that knows more.
    #[error(
        "the batch at position {position} is one of feature level {found}, this program knows levels up to {FEATURE_LEVEL}"
    )]
    FeatureLevel {
        /// The position of the batch's first record.
        position: u64,
        /// The level of its writer.
        found: u32,
    },
    /// The payload holds another number of records than its header or its frame says.
    #[error("the batch at position {position} holds {found} records instead of {expected}")]
    Count {
        /// The position of the batch's first record.
        position: u64,
        /// Records found.
        found: u64,
        /// Records of the frame.
        expected: u32,
    },
}

/// Why a batch is passed over: it takes no op and no time, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassedOver {
    /// It was applied before.
    #[error("batch {number} of session {session} of writer {writer} was applied before")]
    Duplicate {
        /// Its writer.
        writer: u64,
        /// Its session.
        session: u64,
        /// Its number.
        number: u64,
    },
    /// The writer has begun a later session since.
    #[error("it is of session {found} of writer {writer}, which has begun session {known} since")]
    OldSession {
        /// Its writer.
        writer: u64,
        /// Its session.
        found: u64,
        /// The latest session of its writer.
        known: u64,
    },
    /// The writer's numbers have a gap.
    #[error("it has number {found} of its session of writer {writer}, expected {expected}")]
    Gap {
        /// Its writer.
        writer: u64,
        /// Its number.
        found: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// There are more writers than a machine remembers.
    #[error("it is of writer {writer}, one too many; {WRITERS_MAX} are remembered")]
    Writers {
        /// Its writer.
        writer: u64,
    },
}

/// What applying a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The header of the batch.
    pub header: BatchHeader,
    /// The digest after it, if one is due.
    pub digest: Option<DigestPoint>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchResult {
    /// Each of its records took an op.
    Applied(Applied),
    /// None did.
    PassedOver(PassedOver),
}

/// Applies one payload of `records` records, the first of which stands at `position`. `is_skipped` names ops that pass without effect; `each`
/// gets the outcomes in order.
///
/// # Errors
/// [`ApplyError`] when the payload cannot be of this log; the machine may have applied a part of it then and must be thrown away.
pub fn apply_payload(
    machine: &mut Machine,
    (position, records): (u64, u32),
    payload: &[u8],
    is_skipped: impl Fn(u64) -> bool,
    mut each: impl FnMut(Outcome),
) -> Result<BatchResult, ApplyError> {
    let batch = Batch::decode(payload).map_err(|source| ApplyError::Header { position, source })?;
    let header = batch.header;
    if header.count != records {
        return Err(ApplyError::Count { position, found: u64::from(header.count), expected: records });
    }
    let executed = machine.rules_version();
    if u32::from(header.rules) != executed {
        return Err(ApplyError::Rules { position, found: header.rules, executed });
    }
    if header.feature_level > FEATURE_LEVEL {
        return Err(ApplyError::FeatureLevel { position, found: header.feature_level });
    }
    if let Some(reason) = begin_batch(machine, &header) {
        return Ok(BatchResult::PassedOver(reason));
    }
    let first_op = machine.op() + 1;
    let mut found = 0_u64;
    let mut ahead = batch.records();
    for entry in batch.entries() {
        if found.is_multiple_of(AHEAD as u64) {
            machine.prefetch(ahead.by_ref().take(AHEAD).flatten());
        }
        if found == u64::from(records) {
            // Whatever follows, it is too much.
            found += 1;
            break;
        }
        let Ok(entry) = entry else { break };
        let op = first_op + found;
        found += 1;
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
    if found != u64::from(records) {
        return Err(ApplyError::Count { position, found, expected: records });
    }
    Ok(BatchResult::Applied(Applied { header, digest: machine.end_batch() }))
}

/// Whether the machine does not take a batch with this header, and why.
fn begin_batch(machine: &mut Machine, header: &BatchHeader) -> Option<PassedOver> {
    let BatchHeader { writer, session, number, .. } = *header;
    match machine.begin_batch(header) {
        BatchVerdict::Apply => None,
        BatchVerdict::Duplicate => Some(PassedOver::Duplicate { writer, session, number }),
        BatchVerdict::OldSession { known } => Some(PassedOver::OldSession { writer, found: session, known }),
        BatchVerdict::Gap { expected } => Some(PassedOver::Gap { writer, found: number, expected }),
        BatchVerdict::TooManyWriters => Some(PassedOver::Writers { writer }),
    }
}
