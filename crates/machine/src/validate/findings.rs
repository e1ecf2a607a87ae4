//! What a validation has found wrong, in a bounded number of sentences.

/// Violations that are told at most; a broken state has many, and the first ones say enough.
pub(super) const TOLD_MAX: usize = 100;
/// Most pairs of SKU and stock whose promises are held against their reservations at one time: about 1 GiB of memory.
pub(super) const SUMS_MAX: usize = 16_000_000;

/// Sentences about what is wrong, bounded.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(super) Vec<String>);

impl Findings {
    pub(super) fn say(&mut self, sentence: impl FnOnce() -> String) {
        if self.0.len() < TOLD_MAX {
            self.0.push(sentence());
        }
    }
}
