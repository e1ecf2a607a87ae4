//! Starting threads, and what they share besides their stages.

use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use super::events::{Event, ServerEvents};
use crate::error::StartError;

/// What the threads share besides their stages.
#[derive(Debug)]
pub(super) struct ShutdownFlags {
    /// No command comes any more: a log that has failed need not go on losing them.
    pub(super) log_may_end: AtomicBool,
    /// The log thread has ended: no batch comes any more.
    pub(super) log_ended: AtomicBool,
    /// The applier has ended: no snapshot piece comes any more.
    pub(super) applier_ended: AtomicBool,
}

/// Starts a thread that tells when it panics.
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
