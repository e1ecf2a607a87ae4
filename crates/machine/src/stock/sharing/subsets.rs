//! Subsets form: groups of few classes. The slack of every subset is stored, so an answer reads 2 to 64
//! sums.
//!
//! It evaluates the exact formula literally. It is NOT for groups with more than [`SUBSET_CLASSES_MAX`]
//! classes.
//!
//! Cells: `slack[mask]` for every set of classes, where bit c of the mask is class c; `slack[0]` is always
//! 0.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "masks have at most SUBSET_CLASSES_MAX bits; sums are bounded by the assertions of the parent module"
)]

use super::SUBSET_CLASSES_MAX;
use super::class_sets::ClassSets;

/// The number of sums of the largest group.
const SUMS_MAX: usize = 1 << SUBSET_CLASSES_MAX;

/// The classes that sell from each source, as a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subsets {
    classes: usize,
    mask_of_source: Box<[u8]>,
}

impl Subsets {
    /// Builds the form for this many classes, from the classes that sell from each source.
    pub(super) fn build<'a>(classes: usize, sources: impl Iterator<Item = &'a [u16]>) -> Self {
        assert!(classes <= SUBSET_CLASSES_MAX, "the subsets form has at most SUBSET_CLASSES_MAX classes");
        let mask = |members: &[u16]| members.iter().fold(0_u8, |mask, &class| mask | 1 << class);
        Self { classes, mask_of_source: sources.map(mask).collect() }
    }

    pub(super) fn cell_count(&self) -> usize {
        1 << self.classes
    }

    /// Adds goods at a source to every subset that sells from it.
    pub(super) fn add_capacity(&self, slack: &mut [i64], source: usize, delta: i64) {
        let members = usize::from(self.mask_of_source[source]);
        for (mask, slack) in slack.iter_mut().enumerate() {
            *slack += if mask & members == 0 { 0 } else { delta };
        }
    }

    /// Subtracts promises from every subset that contains the class. A pass without branches is faster than
    /// visiting only those.
    pub(super) fn add_promise(slack: &mut [i64], class: usize, delta: i64) {
        for (mask, slack) in slack.iter_mut().enumerate() {
            *slack -= if mask >> class & 1 == 1 { delta } else { 0 };
        }
    }

    /// left(t) for one class.
    pub(super) fn left(slack: &[i64], class: usize) -> i64 {
        let run = 1 << class;
        #[cfg(feature = "mutants")]
        if crate::mutant::is(crate::mutant::Mutant::IgnoresOtherStocks) {
            return slack[run];
        }
        let mut without = i64::MAX;
        let mut with = i64::MAX;
        for pair in slack.chunks_exact(2 * run) {
            without = pair[..run].iter().fold(without, |least, &slack| least.min(slack));
            with = pair[run..].iter().fold(with, |least, &slack| least.min(slack));
        }
        with - without
    }

    /// The smallest sets of classes with the least slack, with this class and without it.
    pub(super) fn binding(&self, slack: &[i64], class: usize) -> ClassSets {
        let smallest = |has_class: bool| {
            let masks = || (0..slack.len()).filter(|mask| (mask >> class & 1 == 1) == has_class);
            let least = masks().map(|mask| slack[mask]).fold(i64::MAX, i64::min);
            let common =
                masks().filter(|mask| slack[*mask] == least).fold(usize::MAX, |common, mask| common & mask);
            (0..self.classes).map(|class| common >> class & 1 == 1).collect()
        };
        ClassSets { with: smallest(true), without: smallest(false) }
    }

    /// Passes left(t) of every class to `set`, from the highest class to the lowest.
    pub(super) fn left_all(slack: &[i64], set: impl FnMut(usize, i64)) {
        match slack.len() {
            2 => fold::<2>(slack, set),
            4 => fold::<4>(slack, set),
            8 => fold::<8>(slack, set),
            16 => fold::<16>(slack, set),
            32 => fold::<32>(slack, set),
            _ => fold::<SUMS_MAX>(slack, set),
        }
    }

    /// The quantity by which the promises exceed the goods: short(0).
    pub(super) fn short(slack: &[i64]) -> i64 {
        -slack.iter().fold(0, |least, &slack| least.min(slack))
    }

    /// Like `short`, with `asked[class]` instead of `promised[class]`.
    pub(super) fn short_of(slack: &[i64], promised: &[i64], asked: &[i64]) -> i64 {
        let mut most = 0;
        for (mask, slack) in slack.iter().enumerate() {
            let relief: i64 = (0..promised.len())
                .filter(|class| mask >> class & 1 == 1)
                .map(|class| promised[class] - asked[class])
                .sum();
            most = most.max(-(slack + relief));
        }
        most
    }
}

/// Computes left(t) of every class. The two minima for the highest class are those of the two halves of the
/// sums. Merging the halves by minimum leaves the same problem for the lower classes, so all classes cost
/// little more than one pass over the sums.
fn fold<const SUMS: usize>(slack: &[i64], mut set: impl FnMut(usize, i64)) {
    let Ok(mut least) = <[i64; SUMS]>::try_from(slack) else {
        unreachable!("a group has a power of two of sums, at most SUMS_MAX")
    };
    for class in (0..super::at(SUMS.ilog2())).rev() {
        let half = 1 << class;
        let (lower, upper) = least.split_at_mut(half);
        let upper = &upper[..half];
        let with = upper.iter().fold(i64::MAX, |least, &slack| least.min(slack));
        let without = lower.iter().fold(i64::MAX, |least, &slack| least.min(slack));
        set(class, with - without);
        for (lower, &upper) in lower.iter_mut().zip(upper) {
            *lower = (*lower).min(upper);
        }
    }
}
