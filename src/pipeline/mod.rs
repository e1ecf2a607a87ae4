//! From decoded commands to answers: the stages and what travels between them. No thread in sight: every stage is a struct with
//! `step()`, which the server's threads, the tests and the simulator drive.
//!
//! ```text
//!  connections ──Submission──► Ingress ──► Sequencer ──Batch──► Applier ──Reply──► ReplyQueue ──► connections
//!                              bounded     one append            owns the Machine     one per network thread
//!                                              ▲ CommitLog            │ publishes cells, counts, next due second
//!                                              └── free batches ◄─────┘
//! ```
//!
//! It is not for bytes of the network (that is `net`) nor of the disk (`wal`), and it decides nothing about quantities: the machine
//! does, from the log alone.

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

/// What a stage did in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Something; step again.
    Worked,
    /// Nothing: there was nothing to do. Step again when the waker rings, or after so many milliseconds.
    Idle {
        /// At the latest then.
        wait_ms: u64,
    },
    /// Nothing: the next stage is behind, or the log is not ready. Step again when the waker rings, or after so many milliseconds.
    Blocked {
        /// At the latest then.
        wait_ms: u64,
    },
    /// Nothing, and there will never be anything again.
    Finished,
}
