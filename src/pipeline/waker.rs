//! How one stage wakes the thread of another, without a system call while that thread is awake. Not a queue: ringing twice is ringing
//! once.

use std::time::Duration;

use crossbeam::utils::CachePadded;

use super::primitives::{Arc, AtomicBool, Ordering, Parker, Unparker, fence};

/// The end that rings; clones ring the same sleeper.
#[derive(Clone, Debug)]
pub struct Waker {
    asleep: Arc<CachePadded<AtomicBool>>,
    unparker: Unparker,
}

/// The end that sleeps; it moves to the thread of its stage.
#[derive(Debug)]
pub struct Sleeper {
    asleep: Arc<CachePadded<AtomicBool>>,
    parker: Parker,
}

impl Waker {
    /// A waker and its sleeper.
    #[must_use]
    pub fn new() -> (Self, Sleeper) {
        let asleep = Arc::new(CachePadded::new(AtomicBool::new(false)));
        let parker = Parker::new();
        let waker = Self { asleep: asleep.clone(), unparker: parker.unparker().clone() };
        (waker, Sleeper { asleep, parker })
    }

    /// Wakes the sleeper if it sleeps. What was done before this call is seen by its next step.
    pub fn wake(&self) {
        // Pairs with the fence in `sleep`: either we see it asleep, or it sees what we did before ringing.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.unparker.unpark();
        }
    }
}

impl Sleeper {
    /// Sleeps until the waker rings, at most `wait_ms`, unless `has_work` finds work after the thread has said that it sleeps.
    pub fn sleep(&self, wait_ms: u64, has_work: impl FnOnce() -> bool) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            self.parker.park_timeout(Duration::from_millis(wait_ms));
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the thread has said that it sleeps and nobody has rung since.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }
}
