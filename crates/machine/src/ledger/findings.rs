//! The findings of a validation: sentences about broken invariants, in a bounded number.

/// The most findings that are reported. A broken state has many, and the first ones are enough.
pub(crate) const FINDINGS_MAX: usize = 100;
/// The most pairs of SKU and stock whose promises are compared with their reservations at one time: about 1
/// GiB of memory.
pub(crate) const SUMS_MAX: usize = 16_000_000;

/// A bounded list of findings.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<String>);

impl Findings {
    pub(crate) fn add(&mut self, sentence: impl FnOnce() -> String) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(sentence());
        }
    }
}
