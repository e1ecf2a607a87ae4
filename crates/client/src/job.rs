//! What a call sends to the task of a connection, and what it gets back. Plain values only.

use crate::command_batch::CommandBatch;
use crate::error::{ConnectionError, FrameLimit};
use crate::names::LogIdentity;
use crate::reply::Outcomes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use stockhold_protocol::query::{Name, Query, QueryAnswer};
use stockhold_protocol::{Outcome, SkuId, StockId};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A request to send.
#[derive(Debug)]
pub(crate) enum Request {
    /// One command. Many commands share a frame.
    Record(Vec<u8>),
    /// A frame of commands.
    Batch(CommandBatch),
    /// A frame of checks.
    Checks {
        /// SKU and stock.
        pairs: Vec<(SkuId, StockId)>,
        /// The op that the server must have applied. 0 means any.
        min_op: u64,
    },
    /// Names to resolve.
    Resolve(Vec<Name>),
    /// A query.
    Query(Query),
}

/// The response. Its variant matches that of the request.
#[derive(Debug)]
pub(crate) enum Response {
    Outcome(Outcome),
    Batch(Outcomes),
    Cells {
        op: u64,
        cells: Vec<i64>,
    },
    /// An outcome that answers a check: `busy` or `behind`.
    NoCells(Outcome),
    Numbers {
        identity: LogIdentity,
        numbers: Vec<Option<u32>>,
    },
    Answer(Box<QueryAnswer>),
}

/// Why there is no response.
#[derive(Clone, Debug)]
pub(crate) enum JobError {
    /// The request was never written to a connection.
    NotSent(Arc<ConnectionError>),
    /// The request may have been written, and the connection is gone.
    Lost(Arc<ConnectionError>),
    /// The request was not sent because it contains dense numbers of another log or epoch, or of older names.
    EpochChanged,
    /// The request was not sent because its deadline had passed.
    Expired,
    /// The request was not sent because it does not fit a frame of this server.
    TooLarge(FrameLimit),
}

pub(crate) type Responder = oneshot::Sender<Result<Response, JobError>>;

/// A queued request, with its conditions and the channel for its response.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    /// The identity under which the dense numbers of the request are valid. `None`: the request has none.
    pub(crate) identity: Option<LogIdentity>,
    pub(crate) deadline: Instant,
    pub(crate) responder: Responder,
    /// Set before the job is sent. While it is not set, a caller that gives up knows that nothing happened.
    pub(crate) claimed: Arc<AtomicBool>,
}

impl Job {
    /// Milliseconds until the deadline, at least 1.
    pub(crate) fn deadline_ms(&self, now: Instant) -> u32 {
        let left = self.deadline.saturating_duration_since(now).as_millis();
        u32::try_from(left).unwrap_or(u32::MAX).max(1)
    }

    /// Claims the job for sending. Returns false when the caller has given up; the job must then not be sent. The
    /// caller closes its side and then reads the flag; this side sets the flag and then checks whether the caller has
    /// closed. At least one of the two sees the other.
    pub(crate) fn claim(&self) -> bool {
        self.claimed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.responder.is_closed()
    }

    /// Responds with an error. A caller that has given up is ignored.
    pub(crate) fn fail(self, failed: JobError) {
        respond(self.responder, Err(failed));
    }
}

/// Sends the response. A caller that has given up is ignored.
pub(crate) fn respond(responder: Responder, result: Result<Response, JobError>) {
    drop(responder.send(result));
}
