//! Starts threads, and defines the flags that they share for the shutdown.

use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use super::events::{Event, ServerEvents};
use crate::error::StartError;

/// The state of the shutdown, shared by all threads.
#[derive(Debug)]
pub(super) struct ShutdownFlags {
    /// No more commands arrive, so the thread of a failed log may end.
    pub(super) log_may_end: AtomicBool,
    /// The log thread has ended, so no more batches arrive.
    pub(super) log_ended: AtomicBool,
    /// The applier has ended, so no more parts of a snapshot arrive.
    pub(super) applier_ended: AtomicBool,
}

/// Starts a thread that reports a panic as an event.
pub(super) fn spawn(
    name: &'static str,
    events: &ServerEvents,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let reporter = PanicReporter { events: events.clone() };
    let thread = move || {
        let reporter = reporter;
        body();
        drop(reporter);
    };
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(thread).map_err(|source| StartError::Thread { name, source })
}

struct PanicReporter {
    events: ServerEvents,
}

impl Drop for PanicReporter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.events.report(Event::Panicked);
        }
    }
}
