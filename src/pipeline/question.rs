//! What is asked of the applier besides commands: queries, and checks that the published cells cannot answer. Bounded: a full queue is
//! said so.

use crossbeam::queue::ArrayQueue;
use stockhold_protocol::query::Query;
use stockhold_protocol::{SkuId, StockId};

use super::reply_queue::ReplyAddress;
use super::waker::Waker;

/// One question of one connection.
#[derive(Debug)]
pub struct Question {
    /// Who asks.
    pub address: ReplyAddress,
    /// The frame's request number.
    pub request: u64,
    /// What.
    pub kind: QuestionKind,
}

/// What is asked.
#[derive(Debug)]
pub enum QuestionKind {
    /// A query.
    Query(Query),
    /// Exact cells, not before `min_op` is applied.
    Checks {
        /// The op that must have been applied.
        min_op: u64,
        /// When the caller gives up, by the monotonic clock in milliseconds.
        until_ms: u64,
        /// What is checked, in the order asked.
        pairs: Vec<(SkuId, StockId)>,
    },
}

/// The queue of questions.
#[derive(Debug)]
pub struct Questions {
    queue: ArrayQueue<Question>,
    waker: Waker,
}

impl Questions {
    /// An empty queue for `questions_max`, whose waker wakes the applier.
    #[must_use]
    pub fn new(questions_max: usize, waker: Waker) -> Self {
        Self { queue: ArrayQueue::new(questions_max), waker }
    }

    /// Asks.
    ///
    /// # Errors
    /// The question comes back when too many wait.
    pub fn submit(&self, question: Question) -> Result<(), Question> {
        self.queue.push(question)?;
        self.waker.wake();
        Ok(())
    }

    /// The next question: for the applier alone.
    #[must_use]
    pub fn take(&self) -> Option<Question> {
        self.queue.pop()
    }

    /// How many wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.len()
    }
}
