//! The handles by which sequencer and applier reach other stages.

use std::sync::Arc;

use super::batch::BatchQueue;
use super::feedback::Feedback;
use super::ingress::Ingress;
use super::question::Questions;
use super::reply_queue::ReplyQueues;
use super::watermarks::Watermarks;
use crate::archive::ArchiveProgress;
use crate::clock::Clock;
use crate::geonames::Addresses;
use crate::metrics::Metrics;
use crate::published::Published;
use crate::restorable::Restorable;
use crate::status_board::StatusBoard;

/// The handles by which the applier reaches other stages.
#[derive(Clone, Debug)]
pub struct ApplierLinks {
    /// The source of durable batches, to which they return.
    pub commit_queue: BatchQueue,
    /// Takes used submissions back.
    pub ingress: Arc<Ingress>,
    /// The queues for answers.
    pub reply_queues: ReplyQueues,
    /// The progress of ops through the stages.
    pub watermarks: Arc<Watermarks>,
    /// The values that the sequencer reads of the applier.
    pub feedback: Arc<Feedback>,
    /// Cells and names for readers.
    pub published: Arc<Published>,
    /// The queue of questions.
    pub questions: Arc<Questions>,
    /// The clock, for deadlines of callers and for measurements.
    pub clock: Arc<Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The fixed part of the status.
    pub status: Arc<StatusBoard>,
    /// How far the archive is, if there is one.
    pub archive: Option<Arc<ArchiveProgress>>,
    /// How far back a restore can go.
    pub restorable: Arc<Restorable>,
    /// Where addresses are.
    pub addresses: Arc<Addresses>,
}

/// The handles by which the sequencer reaches other stages.
#[derive(Clone, Debug)]
pub struct SequencerLinks {
    /// The queue of commands.
    pub ingress: Arc<Ingress>,
    /// The queue to the applier, from which free batches return.
    pub commit_queue: BatchQueue,
    /// The queues for answers that need no machine.
    pub reply_queues: ReplyQueues,
    /// The progress of ops through the stages.
    pub watermarks: Arc<Watermarks>,
    /// When a tick is due, and the state of the server.
    pub feedback: Arc<Feedback>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How far the archive is, if there is one.
    pub archive: Option<Arc<ArchiveProgress>>,
}
