//! Mutants: bugs that are inserted on purpose, one at a time and for one thread, to show that the tests and
//! the simulator detect them. The module exists only with the feature `mutants`, which release builds
//! cannot have. Faults of the environment are not here: the storage has those.

use std::cell::Cell;

#[cfg(not(debug_assertions))]
compile_error!("the feature `mutants` inserts bugs: it must not be built without debug assertions");

/// A deliberate bug of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Refusals are answered but not recorded.
    ForgetsRefusals,
    /// A stock considers only its own goods and promises, even if others share them.
    IgnoresOtherStocks,
    /// Outcomes are dropped as usual, but the horizon does not move.
    KeepsTheHorizon,
    /// A document of an order is executed each time it arrives.
    RepeatsDocuments,
    /// A shipment that is reversed leaves its units without a promise.
    UnshipsWithoutPromise,
    /// A credit memo gives back more units than are open or were shipped.
    RefundsBeyondTotals,
    /// A placement that was reported as failed is executed when it arrives late.
    PlacesAfterFailure,
    /// Sales begin a second before they open.
    OpensEarly,
}

thread_local! {
    static PRESENT: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Inserts a bug into all machines of this thread, or removes it.
pub fn set(mutant: Option<Mutant>) {
    PRESENT.set(mutant);
}

pub(crate) fn is(mutant: Mutant) -> bool {
    PRESENT.get() == Some(mutant)
}
