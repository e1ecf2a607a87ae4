//! Questions to the applier: queries, and checks that the published cells cannot answer. The queue is bounded and
//! refuses a question when it is full.

use crossbeam::queue::ArrayQueue;
use stockhold_protocol::query::Query;
use stockhold_protocol::{SkuId, StockId};

use super::reply_queue::ReplyAddress;
use super::waker::Waker;

/// One question of one connection.
#[derive(Debug)]
pub struct Question {
    /// The connection that asks.
    pub address: ReplyAddress,
    /// The request number of the frame.
    pub request: u64,
    /// The question itself.
    pub kind: QuestionKind,
}

/// The kinds of questions.
#[derive(Debug)]
pub enum QuestionKind {
    /// A query.
    Query(Query),
    /// A check of exact cells after `min_op` was applied.
    Checks {
        /// The op that must have been applied.
        min_op: u64,
        /// The deadline of the caller, in milliseconds of the monotonic clock.
        until_ms: u64,
        /// The pairs to check, in the order of the request.
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
    /// An empty queue for `questions_max` questions. `waker` wakes the applier.
    #[must_use]
    pub fn new(questions_max: usize, waker: Waker) -> Self {
        Self { queue: ArrayQueue::new(questions_max), waker }
    }

    /// Queues a question and wakes the applier.
    ///
    /// # Errors
    /// Returns the question when the queue is full.
    pub fn submit(&self, question: Question) -> Result<(), Question> {
        self.queue.push(question)?;
        self.waker.wake();
        Ok(())
    }

    /// Takes the next question. Only the applier calls this.
    #[must_use]
    pub fn take(&self) -> Option<Question> {
        self.queue.pop()
    }

    /// The number of waiting questions.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.len()
    }
}
