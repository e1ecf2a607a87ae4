//! Starting threads, and what they share besides their stages.

use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use super::news::{Event, News};
use crate::error::StartError;

/// What the threads share besides their stages.
#[derive(Debug)]
pub(super) struct Flags {
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
    news: &News,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let witness = Witness { news: news.clone() };
    let thread = move || {
        let witness = witness;
        body();
        drop(witness);
    };
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(thread).map_err(|source| StartError::Thread { name, source })
}

struct Witness {
    news: News,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.news.tell(Event::Panicked);
        }
    }
}
