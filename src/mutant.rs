//! Bugs put in on purpose, one at a time and for one thread, to show that the simulator would see them. It exists only with the
//! feature `mutants`, which no release build takes. Bugs of the medium are the storage's
//! ([`crate::storage::recording::Mutant`]), bugs of the rules the machine's.

use std::cell::Cell;

#[cfg(not(debug_assertions))]
compile_error!("the feature `mutants` puts bugs in: no build without debug assertions may have it");

/// A bug of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// A batch is answered when it is written; it is synced only with the next one.
    AnswersBeforeCommit,
    /// What a recycled segment held before is taken for the end of the log.
    AcceptsStaleFrames,
}

thread_local! {
    static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Puts a bug into this thread, or takes it out.
pub fn set(mutant: Option<Mutant>) {
    PRESENT.set(mutant);
}

pub(crate) fn is(mutant: Mutant) -> bool {
    PRESENT.get() == Some(mutant)
}
