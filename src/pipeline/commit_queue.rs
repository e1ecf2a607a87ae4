//! Two bounded lanes on which a fixed number of things go round between two stages: committed ones forward, free ones back. It does not
//! know what goes round.

use super::primitives::{Arc, ArrayQueue};
use super::waker::Waker;

/// The lanes; clones are the same lanes.
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
    /// Lanes for these batches.
    #[must_use]
    pub fn new(batches: Vec<T>, applier: Waker, sequencer: Waker) -> Self {
        assert!(!batches.is_empty(), "something must go round");
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

    /// Hands a durable batch to the applier.
    pub fn submit(&self, batch: T) {
        self.submit_without_wake(batch);
        self.wake_applier();
    }

    /// As [`CommitQueue::commit`], without waking anybody: whoever does this takes the batch itself, or calls.
    pub fn submit_without_wake(&self, batch: T) {
        let refused = self.committed.push(batch);
        assert!(refused.is_ok(), "the queue holds every batch there is");
    }

    /// Wakes the applier's thread if it sleeps.
    pub fn wake_applier(&self) {
        self.applier.wake();
    }

    /// Wakes the sequencer's thread if it sleeps.
    pub fn wake_sequencer(&self) {
        self.sequencer.wake();
    }

    /// The next durable batch.
    #[must_use]
    pub fn take_committed(&self) -> Option<T> {
        self.committed.pop()
    }

    /// Hands an applied batch back. The sequencer is woken only if this is the one free batch: with another one lying there, it
    /// does not wait for any.
    pub fn recycle(&self, batch: T) {
        let refused = self.free.push(batch);
        assert!(refused.is_ok(), "the queue holds every batch there is");
        if self.free.len() == 1 {
            self.wake_sequencer();
        }
    }

    /// An free batch, if the applier is not behind.
    #[must_use]
    pub fn take_free(&self) -> Option<T> {
        self.free.pop()
    }

    /// Whether no durable batch waits for the applier.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    /// Whether an free batch waits for the sequencer.
    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.is_empty()
    }
}
