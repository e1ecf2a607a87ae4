//! The bounded queue between connections and the sequencer. When it is full, a command is answered `busy` and has no
//! effect. The queue never blocks and takes no lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;

use super::batch::SMALL_BATCH_OPS;
use super::submission::Submission;
use super::waker::Waker;

/// A used submission with a larger buffer than this is kept only while the pool has few.
const RECORDS_BYTES_KEPT: usize = 16 * 1024;
/// Up to this number, used submissions are kept regardless of their size.
const LARGE_KEPT: usize = 256;

/// The number of waiting commands at which the sequencer is woken at once. Fewer commands wait until their network
/// thread has read all readable sockets, and may then take the inline path.
const WAKE_AT_COMMANDS: usize = SMALL_BATCH_OPS as usize;
/// The same for commands that arrive in bulk frames, so that a few frames start the next batch.
const WAKE_AT_BULK_COMMANDS: usize = 32;
/// A frame with at least this many commands is a bulk frame.
const BULK_FRAME_COMMANDS: usize = 8;

/// The limits of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IngressLimits {
    /// The maximum number of submissions.
    pub submissions: usize,
    /// The maximum number of commands in them.
    pub commands: usize,
    /// The maximum number of bytes of their records.
    pub bytes: usize,
}

impl Default for IngressLimits {
    fn default() -> Self {
        Self { submissions: 8_192, commands: 262_144, bytes: 64 << 20 }
    }
}

/// Why a submission was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// The queue has reached one of its limits.
    Busy,
    /// The queue is closed, because the log has failed or the server stops.
    Closed,
}

/// The queue, and a pool of used submissions.
#[derive(Debug)]
pub struct Ingress {
    queue: ArrayQueue<Box<Submission>>,
    pool: ArrayQueue<Box<Submission>>,
    commands: CachePadded<AtomicUsize>,
    bytes: CachePadded<AtomicUsize>,
    limits: IngressLimits,
    is_closed: AtomicBool,
    waker: Waker,
}

impl Ingress {
    /// An empty queue. `waker` wakes the sequencer.
    #[must_use]
    pub fn new(limits: IngressLimits, waker: Waker) -> Self {
        assert!(limits.submissions > 0, "a queue holds something");
        Self {
            queue: ArrayQueue::new(limits.submissions),
            pool: ArrayQueue::new(limits.submissions),
            commands: CachePadded::new(AtomicUsize::new(0)),
            bytes: CachePadded::new(AtomicUsize::new(0)),
            limits,
            is_closed: AtomicBool::new(false),
            waker,
        }
    }

    /// An empty submission, from the pool if possible.
    #[must_use]
    pub fn blank(&self) -> Box<Submission> {
        self.pool.pop().unwrap_or_default()
    }

    /// Returns an answered submission to the pool.
    pub fn recycle(&self, mut submission: Box<Submission>) {
        submission.clear();
        if submission.records.capacity() > RECORDS_BYTES_KEPT && self.pool.len() >= LARGE_KEPT {
            return;
        }
        // If the pool is full, the submission is dropped.
        drop(self.pool.push(submission));
    }

    /// Queues a submission, or returns it unchanged. The caller calls [`Ingress::wake_if_pending`] after the last
    /// submission for now, so that commands that arrive together are logged together.
    ///
    /// # Errors
    /// [`SubmitError`] with the submission.
    pub fn submit(&self, submission: Box<Submission>) -> Result<(), (Box<Submission>, SubmitError)> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err((submission, SubmitError::Closed));
        }
        let (commands, bytes) = size_of_submission(&submission);
        let commands_before = self.commands.fetch_add(commands, Ordering::AcqRel);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let fits =
            commands_before + commands <= self.limits.commands && bytes_before + bytes <= self.limits.bytes;
        let refused = if fits { self.queue.push(submission).err() } else { Some(submission) };
        match refused {
            None => {
                let wake_at =
                    if commands >= BULK_FRAME_COMMANDS { WAKE_AT_BULK_COMMANDS } else { WAKE_AT_COMMANDS };
                if commands_before + commands >= wake_at {
                    self.waker.wake();
                }
                Ok(())
            }
            Some(submission) => {
                self.commands.fetch_sub(commands, Ordering::AcqRel);
                self.bytes.fetch_sub(bytes, Ordering::AcqRel);
                Err((submission, SubmitError::Busy))
            }
        }
    }

    /// Wakes the sequencer if the queue is not empty.
    pub fn wake_if_pending(&self) {
        if !self.is_empty() {
            self.waker.wake();
        }
    }

    /// Wakes the sequencer even if the queue is empty.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// Takes the oldest submission. Only the sequencer calls this.
    #[must_use]
    pub fn take(&self) -> Option<Box<Submission>> {
        let submission = self.queue.pop()?;
        let (commands, bytes) = size_of_submission(&submission);
        self.commands.fetch_sub(commands, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        Some(submission)
    }

    /// Closes the queue to new submissions. Those that are queued stay.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the queue is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The number of waiting submissions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The number of waiting commands and of their bytes.
    #[must_use]
    pub fn depth(&self) -> (usize, usize) {
        (self.commands.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// The limits of the queue.
    #[must_use]
    pub fn limits(&self) -> IngressLimits {
        self.limits
    }
}

fn size_of_submission(submission: &Submission) -> (usize, usize) {
    (submission.indexes.len(), submission.records.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::reply_queue::ReplyAddress;

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "submissions travel in the box that they are pooled in"
    )]
    fn submission(ingress: &Ingress, commands: u16) -> Box<Submission> {
        let mut submission = ingress.blank();
        submission.reset(ReplyAddress::default(), 0, u64::MAX);
        for index in 0..commands {
            submission.push(index, &[0; 10], false);
        }
        submission
    }

    fn limits(submissions: usize, commands: usize, bytes: usize) -> Ingress {
        Ingress::new(IngressLimits { submissions, commands, bytes }, Waker::new().0)
    }

    #[test]
    fn each_limit_holds_to_the_unit_and_room_comes_back() {
        // Proves each limit at limit - 1, limit and limit + 1 for commands, bytes and submissions, and that taking a
        // submission frees its space.
        for ingress in [limits(100, 8, 10_000), limits(100, 10_000, 80), limits(8, 10_000, 10_000)] {
            for _ in 0..8 {
                assert!(ingress.submit(submission(&ingress, 1)).is_ok());
            }
            let refused = ingress.submit(submission(&ingress, 1));
            assert_eq!(refused.map_err(|(back, why)| (back.count, why)), Err((1, SubmitError::Busy)));
            assert!(ingress.take().is_some());
            assert!(ingress.submit(submission(&ingress, 1)).is_ok());
            while ingress.take().is_some() {}
            assert_eq!(ingress.depth(), (0, 0));
        }
    }

    #[test]
    fn a_closed_queue_keeps_what_it_has_and_takes_nothing() {
        // Proves that closing the queue loses nothing that it had accepted.
        let ingress = limits(4, 100, 1_000);
        assert!(ingress.submit(submission(&ingress, 2)).is_ok());
        ingress.close();
        assert!(matches!(ingress.submit(submission(&ingress, 1)), Err((_, SubmitError::Closed))));
        assert_eq!(ingress.take().map(|submission| submission.count), Some(2));
    }
}
