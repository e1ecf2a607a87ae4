//! The model checker's versions of `src/pipeline/primitives.rs`, each as weak as the real one may be: a park ends only
//! by an unpark.

use std::collections::VecDeque;
use std::time::Duration;

use loom::sync::{Condvar, MutexGuard};

pub(super) use loom::sync::atomic::{Ordering, fence};
pub(super) use std::sync::Arc;

/// A flag whose writes have a total order. The checker orders two plain writes only if one happens before the other,
/// and lets a thread read its own earlier exchange after a write that real atomics order after it. So writes are
/// modelled as exchanges.
#[derive(Debug)]
pub(super) struct AtomicBool(loom::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(super) fn new(value: bool) -> Self {
        Self(loom::sync::atomic::AtomicBool::new(value))
    }

    pub(super) fn load(&self, order: Ordering) -> bool {
        self.0.load(order)
    }

    pub(super) fn store(&self, value: bool, order: Ordering) {
        self.0.swap(value, order);
    }

    pub(super) fn swap(&self, value: bool, order: Ordering) -> bool {
        self.0.swap(value, order)
    }
}

/// One token. Time does not pass.
#[derive(Debug)]
struct Token {
    is_there: loom::sync::Mutex<bool>,
    arrived: Condvar,
}

/// Parks the thread that owns it.
#[derive(Debug)]
pub(super) struct Parker {
    unparker: Unparker,
}

/// Ends a park, or the next one.
#[derive(Clone, Debug)]
pub(super) struct Unparker {
    token: Arc<Token>,
}

impl Parker {
    pub(super) fn new() -> Self {
        let token = Token { is_there: loom::sync::Mutex::new(false), arrived: Condvar::new() };
        Self { unparker: Unparker { token: Arc::new(token) } }
    }

    pub(super) fn unparker(&self) -> &Unparker {
        &self.unparker
    }

    pub(super) fn park_timeout(&self, _: Duration) {
        let token = &self.unparker.token;
        let mut is_there = token.is_there.lock().unwrap();
        while !*is_there {
            is_there = token.arrived.wait(is_there).unwrap();
        }
        *is_there = false;
    }
}

impl Unparker {
    pub(super) fn unpark(&self) {
        *self.token.is_there.lock().unwrap() = true;
        self.token.arrived.notify_one();
    }
}

/// A lock that is never poisoned.
#[derive(Debug, Default)]
pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// A bounded queue.
#[derive(Debug)]
pub(super) struct ArrayQueue<T> {
    entries: loom::sync::Mutex<VecDeque<T>>,
    capacity: usize,
}

impl<T> ArrayQueue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: loom::sync::Mutex::new(VecDeque::new()), capacity }
    }

    pub(super) fn push(&self, entry: T) -> Result<(), T> {
        let mut entries = self.entries.lock().unwrap();
        if entries.len() == self.capacity {
            return Err(entry);
        }
        entries.push_back(entry);
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<T> {
        self.entries.lock().unwrap().pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.lock().unwrap().is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.lock().unwrap().len() == self.capacity
    }
}

/// Keeps one permit. A model waits for it without a runtime.
#[derive(Debug)]
pub(super) struct Notify {
    parker: Mutex<Parker>,
    unparker: Unparker,
}

impl Default for Notify {
    fn default() -> Self {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        Self { parker: Mutex(loom::sync::Mutex::new(parker)), unparker }
    }
}

impl Notify {
    pub(super) fn notify_one(&self) {
        self.unparker.unpark();
    }

    /// Ready when it is polled: the poll itself waits.
    #[expect(clippy::unused_async, reason = "the real one waits")]
    pub(super) async fn notified(&self) {
        self.parker.lock().park_timeout(Duration::ZERO);
    }
}
