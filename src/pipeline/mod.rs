//! The stages between decoded commands and answers, and what travels between them. A stage is a struct with a `step()`
//! method and has no thread of its own: the server's threads, the tests and the simulator call it.
//!
//! ```text
//!  connections ──Submission──► Ingress ──► Sequencer ──Batch──► Applier ──Reply──► ReplyQueue ──► connections
//!                              bounded     one append            owns the Machine     one per network thread
//!                                              ▲ CommitLog            │ publishes cells, counts, next due second
//!                                              └── free batches ◄─────┘
//! ```
//!
//! Bytes of the network belong to `net`, bytes of the disk to `wal`. Quantities are decided by the machine alone, from
//! the log.

mod admission;
mod answers;
pub mod applier;
pub mod apply;
pub mod batch;
pub mod commit_queue;
pub mod digests;
pub mod feedback;
pub mod ingress;
pub mod links;
mod primitives;
pub mod queries;
pub mod question;
pub mod reply_queue;
#[cfg(test)]
mod reply_queue_tests;
pub mod runs;
pub mod scans;
pub mod sequencer;
mod snapshot_throttle;
pub mod snapshots;
pub mod submission;
pub mod time_share;
mod timekeeper;
pub mod validation;
pub mod waker;
pub mod watermarks;

pub use applier::Applier;
pub use batch::{Batch, BatchQueue};
pub use feedback::{Feedback, ServerState};
pub use ingress::{Ingress, IngressLimits};
pub use question::{Question, QuestionKind};
pub use reply_queue::{Reply, ReplyAddress, ReplyBuffer, ReplyQueues};
pub use runs::Origin;
pub use sequencer::{Sequencer, SequencerOptions};
pub use submission::Submission;
pub use waker::{Sleeper, Waker};
pub use watermarks::Watermarks;

/// What one step of a stage did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// It did some work. Step again.
    Worked,
    /// There was nothing to do. Step again when woken, or after at most `wait_ms`.
    Idle {
        /// The longest wait in milliseconds.
        wait_ms: u64,
    },
    /// The next stage is behind, or the log is not ready. Step again when woken, or after at most `wait_ms`.
    Blocked {
        /// The longest wait in milliseconds.
        wait_ms: u64,
    },
    /// There will never be anything to do again.
    Finished,
}
