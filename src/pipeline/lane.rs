//! Two bounded lanes on which a fixed number of things go round between two stages: filled ones forward, empty ones back. It does not
//! know what goes round.

use super::bell::Bell;
use super::primitives::{Arc, ArrayQueue};

/// The lanes; clones are the same lanes.
#[derive(Debug)]
pub struct Lane<T> {
    filled: Arc<ArrayQueue<T>>,
    empty: Arc<ArrayQueue<T>>,
    applier: Bell,
    sequencer: Bell,
}

impl<T> Clone for Lane<T> {
    fn clone(&self) -> Self {
        Self {
            filled: self.filled.clone(),
            empty: self.empty.clone(),
            applier: self.applier.clone(),
            sequencer: self.sequencer.clone(),
        }
    }
}

impl<T> Lane<T> {
    /// Lanes for these batches.
    #[must_use]
    pub fn new(batches: Vec<T>, applier: Bell, sequencer: Bell) -> Self {
        assert!(!batches.is_empty(), "something must go round");
        let lane = Self {
            filled: Arc::new(ArrayQueue::new(batches.len())),
            empty: Arc::new(ArrayQueue::new(batches.len())),
            applier,
            sequencer,
        };
        for batch in batches {
            lane.give_back(batch);
        }
        lane
    }

    /// Hands a durable batch to the applier.
    pub fn commit(&self, batch: T) {
        self.commit_quietly(batch);
        self.call_applier();
    }

    /// As [`Lane::commit`], without waking anybody: whoever does this takes the batch itself, or calls.
    pub fn commit_quietly(&self, batch: T) {
        let refused = self.filled.push(batch);
        assert!(refused.is_ok(), "a lane holds every batch there is");
    }

    /// Wakes the applier's thread if it sleeps.
    pub fn call_applier(&self) {
        self.applier.ring();
    }

    /// Wakes the sequencer's thread if it sleeps.
    pub fn call_sequencer(&self) {
        self.sequencer.ring();
    }

    /// The next durable batch.
    #[must_use]
    pub fn take_filled(&self) -> Option<T> {
        self.filled.pop()
    }

    /// Hands an applied batch back. The sequencer is woken only if this is the one empty batch: with another one lying there, it
    /// does not wait for any.
    pub fn give_back(&self, batch: T) {
        let refused = self.empty.push(batch);
        assert!(refused.is_ok(), "a lane holds every batch there is");
        if self.empty.len() == 1 {
            self.call_sequencer();
        }
    }

    /// An empty batch, if the applier is not behind.
    #[must_use]
    pub fn take_empty(&self) -> Option<T> {
        self.empty.pop()
    }

    /// Whether no durable batch waits for the applier.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.filled.is_empty()
    }

    /// Whether an empty batch waits for the sequencer.
    #[must_use]
    pub fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }
}
