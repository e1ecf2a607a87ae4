//! What a simulated world finds wrong: one sentence, with what is needed to see it again said by whoever ran the seed.

/// A promise that was broken, or a thing that happened without a reason for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Violation(pub String);

/// What a check answers.
pub type CheckResult<T = ()> = Result<T, Violation>;

/// Ends the check with a violation unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err($crate::violation::Violation(format!($($sentence)+)));
        }
    };
}
pub(crate) use ensure;

/// The violation that an error of ours is.
pub(crate) fn violation<E: std::fmt::Debug>(what: &str) -> impl FnOnce(E) -> Violation + '_ {
    move |error| Violation(format!("{what}: {error:?}"))
}
