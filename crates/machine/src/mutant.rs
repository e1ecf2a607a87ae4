//! Bugs put in on purpose, one at a time and for one thread, to show that the tests and the simulator would see them. It exists
//! only with the feature `mutants`, which no release build takes; it is not for failures of the world around (the storage has
//! those) and not for anything that a server may meet.

use std::cell::Cell;

#[cfg(not(debug_assertions))]
compile_error!("the feature `mutants` puts bugs in: no build without debug assertions may have it");

/// A bug of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Refusals are answered and not remembered.
    ForgetsRefusals,
    /// A stock sees its own goods and promises only, whoever shares them.
    IgnoresOtherStocks,
    /// Outcomes are dropped in time, and the horizon stays where it is.
    KeepsTheHorizon,
}

thread_local! {
    static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Puts a bug into all machines of this thread, or takes it out.
pub fn set(mutant: Option<Mutant>) {
    PRESENT.set(mutant);
}

pub(crate) fn is(mutant: Mutant) -> bool {
    PRESENT.get() == Some(mutant)
}
