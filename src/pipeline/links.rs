//! What the applier and the stages beside it share with others.

use std::sync::Arc;

use super::batch::BatchQueue;
use super::feedback::Feedback;
use super::ingress::Ingress;
use super::question::Questions;
use super::reply_queue::ReplyQueues;
use super::watermarks::Watermarks;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::published::Published;
use crate::status_board::StatusBoard;

/// What the applier shares with other stages.
#[derive(Clone, Debug)]
pub struct ApplierLinks {
    /// Where batches come from and go back to.
    pub commit_queue: BatchQueue,
    /// Takes used submissions back.
    pub ingress: Arc<Ingress>,
    /// Where answers go.
    pub reply_queues: ReplyQueues,
    /// The chain of ops.
    pub watermarks: Arc<Watermarks>,
    /// What the sequencer reads backwards.
    pub feedback: Arc<Feedback>,
    /// What readers read.
    pub published: Arc<Published>,
    /// Questions.
    pub questions: Arc<Questions>,
    /// The clock, for deadlines of callers and for measuring.
    pub clock: Arc<Clock>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// What `status` tells besides.
    pub status: Arc<StatusBoard>,
}
