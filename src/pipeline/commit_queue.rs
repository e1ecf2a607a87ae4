//! The bounded queue of durable batches from the log to the applier, and the free list by which applied batches return.
//! A fixed number of batches circulates.

use super::primitives::{Arc, ArrayQueue};
use super::waker::Waker;

/// The queue and the free list; clones share them.
#[derive(Debug)]
pub struct CommitQueue<T> {
    committed: Arc<ArrayQueue<T>>,
    free: Arc<ArrayQueue<T>>,
    applier: Waker,
    sequencer: Waker,
}

impl<T> Clone for CommitQueue<T> {
    fn clone(&self) -> Self {
        Self {
            committed: self.committed.clone(),
            free: self.free.clone(),
            applier: self.applier.clone(),
            sequencer: self.sequencer.clone(),
        }
    }
}

impl<T> CommitQueue<T> {
    /// A queue that owns these batches. All of them are free.
    #[must_use]
    pub fn new(batches: Vec<T>, applier: Waker, sequencer: Waker) -> Self {
        assert!(!batches.is_empty(), "at least one batch circulates");
        let queue = Self {
            committed: Arc::new(ArrayQueue::new(batches.len())),
            free: Arc::new(ArrayQueue::new(batches.len())),
            applier,
            sequencer,
        };
        for batch in batches {
            queue.recycle(batch);
        }
        queue
    }

    /// Passes a durable batch to the applier and wakes it.
    pub fn submit(&self, batch: T) {
        self.submit_without_wake(batch);
        self.wake_applier();
    }

    /// As [`CommitQueue::submit`], without waking the applier. The caller takes the batch itself or wakes the applier
    /// later.
    pub fn submit_without_wake(&self, batch: T) {
        let refused = self.committed.push(batch);
        assert!(refused.is_ok(), "the queue has room for all batches");
    }

    /// Wakes the applier's thread if it sleeps.
    pub fn wake_applier(&self) {
        self.applier.wake();
    }

    /// Wakes the sequencer's thread if it sleeps.
    pub fn wake_sequencer(&self) {
        self.sequencer.wake();
    }

    /// Takes the oldest durable batch.
    #[must_use]
    pub fn take_committed(&self) -> Option<T> {
        self.committed.pop()
    }

    /// Returns an applied batch. It wakes the sequencer only if no other batch was free, because otherwise the
    /// sequencer does not wait for one.
    pub fn recycle(&self, batch: T) {
        let refused = self.free.push(batch);
        assert!(refused.is_ok(), "the queue has room for all batches");
        if self.free.len() == 1 {
            self.wake_sequencer();
        }
    }

    /// Takes a free batch, unless the applier is behind.
    #[must_use]
    pub fn take_free(&self) -> Option<T> {
        self.free.pop()
    }

    /// Whether no durable batch waits for the applier.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    /// Whether a free batch waits for the sequencer.
    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.is_empty()
    }
}
