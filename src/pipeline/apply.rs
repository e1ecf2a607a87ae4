//! Applies the payload of a logged batch to the machine. The applier uses it with answers to send, recovery and
//! `verify` without. It decides nothing.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use stockhold_machine::config::WRITERS_MAX;
use stockhold_machine::{BatchVerdict, DigestPoint, Machine, PREFETCH_WIDTH};
use stockhold_protocol::batch::{Batch, BatchHeader};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Outcome, Timestamp};

/// The op that is being applied, for the report of a panic; 0 between ops.
static APPLYING: AtomicU64 = AtomicU64::new(0);

/// The op that a machine of this process is applying at this moment.
#[must_use]
pub fn applying_op() -> Option<u64> {
    Some(APPLYING.load(Ordering::Relaxed)).filter(|op| *op > 0)
}

/// This program did not write what the log contains: we have a bug, or the log was modified.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The header of the payload cannot be read.
    #[error("the batch at position {position} has a header that this program cannot read")]
    Header {
        /// The position of the batch's first record.
        position: u64,
        /// What is wrong with it.
        source: stockhold_protocol::BadField,
    },
    /// The batch was decided by rules other than those in force here.
    #[error(
        "the batch at position {position} has rules version {found}, this program executes version {executed}"
    )]
    Rules {
        /// The position of the batch's first record.
        position: u64,
        /// The version that its writer executed.
        found: u16,
        /// The version in force here.
        executed: u32,
    },
    /// The batch was written by a later release.
    #[error(
        "the batch at position {position} has feature level {found}, but this program knows levels up to {FEATURE_LEVEL} only"
    )]
    FeatureLevel {
        /// The position of the batch's first record.
        position: u64,
        /// The level of its writer.
        found: u32,
    },
    /// The number of records differs from the one in the header or in the frame.
    #[error("the batch at position {position} holds {found} records instead of {expected}")]
    Count {
        /// The position of the batch's first record.
        position: u64,
        /// Records found.
        found: u64,
        /// The number of records of the frame.
        expected: u32,
    },
}

/// Why a batch is passed over. Such a batch takes no op and no time, and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassedOver {
    /// The batch was applied before.
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
    #[error("it belongs to session {found} of writer {writer}, which has begun session {known} since")]
    OldSession {
        /// Its writer.
        writer: u64,
        /// Its session.
        found: u64,
        /// The latest session of its writer.
        known: u64,
    },
    /// The batch numbers of the writer have a gap.
    #[error("its number in the session of writer {writer} is {found}, expected {expected}")]
    Gap {
        /// Its writer.
        writer: u64,
        /// Its number.
        found: u64,
        /// The number that was expected.
        expected: u64,
    },
    /// There are more writers than a machine remembers.
    #[error("its writer {writer} is one too many: at most {WRITERS_MAX} are remembered")]
    Writers {
        /// Its writer.
        writer: u64,
    },
}

/// An applied batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The header of the batch.
    pub header: BatchHeader,
    /// The digest after the batch, if one is due.
    pub digest: Option<DigestPoint>,
}

/// The result of applying a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchResult {
    /// Each record took an op.
    Applied(Applied),
    /// No record took an op.
    PassedOver(PassedOver),
    /// The observer has ended the replay before or within the batch, after this many of its records.
    Stopped {
        /// The number of records that took an op.
        records: u64,
    },
}

/// A record of a batch, with the op that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The op.
    pub op: u64,
    /// The proposed time of the batch.
    pub proposed: Timestamp,
    /// The bytes of the command.
    pub record: &'a [u8],
}

/// Receives what happens while a batch is applied. A function of machine and outcome is one, too.
pub trait Observer {
    /// Called before a batch is begun, with the op that its first record will take if it is applied. `Break` ends the
    /// replay there.
    fn before_batch(&mut self, machine: &Machine, op: u64, proposed: Timestamp) -> ControlFlow<()> {
        let _ = (machine, op, proposed);
        ControlFlow::Continue(())
    }

    /// Called before a record is applied, with the machine after the record before it. `Break` ends the replay there.
    fn before(&mut self, machine: &Machine, step: &Step<'_>) -> ControlFlow<()> {
        let _ = (machine, step);
        ControlFlow::Continue(())
    }

    /// Called with the outcome of a record, and the machine after it.
    fn after(&mut self, machine: &Machine, step: &Step<'_>, outcome: Outcome);
}

impl<F: FnMut(&Machine, Outcome)> Observer for F {
    fn after(&mut self, machine: &Machine, _: &Step<'_>, outcome: Outcome) {
        self(machine, outcome);
    }
}

/// Applies one payload of `records` records that begins at `position`. `is_skipped` returns whether an op is to be
/// skipped without effect. The observer receives the outcomes in order.
///
/// # Errors
/// [`ApplyError`] when the payload cannot belong to this log. The machine may have applied a part of it and must be
/// discarded.
pub fn apply_payload(
    machine: &mut Machine,
    (position, records): (u64, u32),
    payload: &[u8],
    is_skipped: impl Fn(u64) -> bool,
    mut observer: impl Observer,
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
    if observer.before_batch(machine, machine.op() + 1, header.proposed).is_break() {
        return Ok(BatchResult::Stopped { records: 0 });
    }
    if let Some(reason) = begin_batch(machine, &header) {
        return Ok(BatchResult::PassedOver(reason));
    }
    let first_op = machine.op() + 1;
    let mut found = 0_u64;
    let mut ahead = batch.records();
    for entry in batch.entries() {
        if found.is_multiple_of(PREFETCH_WIDTH as u64) {
            machine.prefetch(ahead.by_ref().take(PREFETCH_WIDTH).flatten());
        }
        if found == u64::from(records) {
            // There are more records than announced.
            found += 1;
            break;
        }
        let Ok(entry) = entry else { break };
        let step = Step { op: first_op + found, proposed: header.proposed, record: entry.record };
        if observer.before(machine, &step).is_break() {
            APPLYING.store(0, Ordering::Relaxed);
            return Ok(BatchResult::Stopped { records: found });
        }
        found += 1;
        if let Some(run) = &entry.run {
            machine.begin_run(run);
        }
        let outcome = if is_skipped(step.op) {
            machine.skip(header.proposed)
        } else {
            APPLYING.store(step.op, Ordering::Relaxed);
            #[cfg(feature = "mutants")]
            crate::mutant::stop_at(step.record);
            machine.apply(header.proposed, entry.record)
        };
        observer.after(machine, &step, outcome);
    }
    APPLYING.store(0, Ordering::Relaxed);
    if found != u64::from(records) {
        return Err(ApplyError::Count { position, found, expected: records });
    }
    Ok(BatchResult::Applied(Applied { header, digest: machine.end_batch() }))
}

/// Begins the batch in the machine. Returns the reason if the machine passes it over.
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
