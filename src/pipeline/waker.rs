//! Wakes the thread of another stage, without a system call while that thread is awake. Several wake-ups in a row act
//! as one.

use std::time::Duration;

use crossbeam::utils::CachePadded;

use super::primitives::{Arc, AtomicBool, Ordering, Parker, Unparker, fence};

/// The side that wakes; clones wake the same sleeper.
#[derive(Clone, Debug)]
pub struct Waker {
    asleep: Arc<CachePadded<AtomicBool>>,
    unparker: Unparker,
}

/// The side that sleeps. It moves to the thread of its stage.
#[derive(Debug)]
pub struct Sleeper {
    asleep: Arc<CachePadded<AtomicBool>>,
    parker: Parker,
}

impl Waker {
    /// Creates a waker and its sleeper.
    #[must_use]
    pub fn new() -> (Self, Sleeper) {
        let asleep = Arc::new(CachePadded::new(AtomicBool::new(false)));
        let parker = Parker::new();
        let waker = Self { asleep: asleep.clone(), unparker: parker.unparker().clone() };
        (waker, Sleeper { asleep, parker })
    }

    /// Wakes the sleeper if it sleeps. Its next step sees everything that was done before this call.
    pub fn wake(&self) {
        // Pairs with the fence in `sleep`: either this thread sees the flag, or the sleeper sees the work that was done
        // before.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.unparker.unpark();
        }
    }
}

impl Sleeper {
    /// Sleeps until woken, at most `wait_ms`. It does not sleep if `has_work` finds work after the flag was set.
    pub fn sleep(&self, wait_ms: u64, has_work: impl FnOnce() -> bool) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            self.parker.park_timeout(Duration::from_millis(wait_ms));
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the flag is set and no wake-up has happened since.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }
}
