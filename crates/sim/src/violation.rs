//! A violation found in a simulated world: one sentence. The caller adds how to reproduce it.

/// A broken guarantee, or an event without a valid reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// The result of a check.
pub type CheckResult<T = ()> = Result<T, Violation>;

/// Returns a violation from the check unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::violation::Violation(format!($($sentence)+)));
        }
    };
}
pub(crate) use ensure;

/// Turns an unexpected error into a violation.
pub(crate) fn violation<E: std::fmt::Debug>(what: &str) -> impl FnOnce(E) -> Violation + '_ {
    move |error| Violation(format!("{what}: {error:?}"))
}
