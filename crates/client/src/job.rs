//! What a call hands to a connection's task, and what it gets back. Values only.

use crate::command_batch::CommandBatch;
use crate::error::ConnectionError;
use crate::names::LogIdentity;
use crate::reply::Outcomes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use stockhold_protocol::query::{Answer, Name, Query};
use stockhold_protocol::{Outcome, SkuId, StockId};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Something to send.
#[derive(Debug)]
pub(crate) enum Request {
    /// One command; many of them share a frame.
    Record(Vec<u8>),
    /// A frame of commands.
    Batch(CommandBatch),
    /// A frame of checks.
    Checks {
        /// SKU and stock.
        pairs: Vec<(SkuId, StockId)>,
        /// The op that the server must have applied; 0: any.
        min_op: u64,
    },
    /// Names to resolve.
    Resolve(Vec<Name>),
    /// A question.
    Query(Query),
}

/// What came back; the variant matches that of the work.
#[derive(Debug)]
pub(crate) enum Response {
    Outcome(Outcome),
    Batch(Outcomes),
    Cells {
        op: u64,
        cells: Vec<i64>,
    },
    /// A check that is answered by an outcome: `busy` or `behind`.
    NoCells(Outcome),
    Numbers {
        identity: LogIdentity,
        numbers: Vec<Option<u32>>,
    },
    Answer(Box<Answer>),
}

/// Why nothing came back.
#[derive(Clone, Debug)]
pub(crate) enum JobError {
    /// It was never written to a connection.
    NotSent(Arc<ConnectionError>),
    /// It may have been written, and the connection is gone.
    Lost(Arc<ConnectionError>),
    /// It was not sent because it holds dense numbers of another identity.
    EpochChanged,
    /// It was not sent because its deadline had come.
    Expired,
    /// It was not sent because no frame of this server can hold it.
    TooLarge,
}

pub(crate) type Responder = oneshot::Sender<Result<Response, JobError>>;

/// Request with its conditions and its way back.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    /// The identity under which the work's dense numbers are valid; `None`: it holds none.
    pub(crate) identity: Option<LogIdentity>,
    pub(crate) deadline: Instant,
    pub(crate) responder: Responder,
    /// Set before the job is sent: while it is not set, a caller that gives up may say that nothing happened.
    pub(crate) claimed: Arc<AtomicBool>,
}

impl Job {
    /// Milliseconds until the deadline, at least 1.
    pub(crate) fn deadline_ms(&self, now: Instant) -> u32 {
        let left = self.deadline.saturating_duration_since(now).as_millis();
        u32::try_from(left).unwrap_or(u32::MAX).max(1)
    }

    /// Takes the job for sending; false when its caller has given up, so that it must not be sent any more. The caller closes its
    /// side and then looks at the mark, this side sets the mark and then looks whether it is closed: one of them sees the other.
    pub(crate) fn claim(&self) -> bool {
        self.claimed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.responder.is_closed()
    }

    /// Answers; a caller that has given up is not an error.
    pub(crate) fn fail(self, failed: JobError) {
        respond(self.responder, Err(failed));
    }
}

/// Answers; a caller that has given up is not an error.
pub(crate) fn respond(responder: Responder, result: Result<Response, JobError>) {
    drop(responder.send(result));
}
