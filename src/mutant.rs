//! Deliberate bugs of the server, which show that the simulator can detect them. A mutant is enabled for one thread. It
//! exists only with the feature `mutants`, which no release build can have. The mutants of the medium are in the
//! storage ([`crate::storage::recording::Mutant`]), those of the rules in the machine.

use std::cell::Cell;
use std::sync::OnceLock;

#[cfg(not(debug_assertions))]
compile_error!("the feature `mutants` adds bugs: a build without debug assertions must not have it");

/// A deliberate bug of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A batch is answered when it is written, but synced only with the next one.
    AnswersBeforeCommit,
    /// Stale frames in a recycled segment are read as the end of the log.
    AcceptsStaleFrames,
}

thread_local! {
    static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Enables a mutant for this thread, or disables it.
pub fn set(mutant: Option<Mutant>) {
    PRESENT.set(mutant);
}

pub(crate) fn is(mutant: Mutant) -> bool {
    PRESENT.get() == Some(mutant)
}

/// Bytes of a record that cannot be applied.
static STOPPER: OnceLock<Vec<u8>> = OnceLock::new();

/// From now on, applying a record that contains these bytes panics, in every thread of this process.
pub fn stop_at_records_with(bytes: &[u8]) {
    STOPPER.get_or_init(|| bytes.to_vec());
}

pub(crate) fn stop_at(record: &[u8]) {
    if let Some(bytes) = STOPPER.get() {
        let found = record.windows(bytes.len()).any(|window| window == bytes);
        assert!(!found, "a mutant cannot apply this record");
    }
}
