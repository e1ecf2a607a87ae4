//! The search for the knee: the highest good rate. It decides which rate is measured next.
//!
//! Rates double until one is bad. Then the interval between the last good and the first bad rate is bisected. A bad
//! step is measured once more, because a machine that was busy for a moment would end the search far too early.

/// Two rates are close enough when they differ by less than this fraction of the lower one.
const CLOSE: u32 = 50;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct KneeSearch {
    to: u32,
    next: Option<u32>,
    is_second_try: bool,
    good: Option<u32>,
    bad: Option<u32>,
    refine: u32,
}

/// The decision about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Bad,
    /// It is measured once more.
    Doubtful,
}

impl KneeSearch {
    pub(super) const fn new(from: u32, to: u32, refine: u32) -> Self {
        Self { to, next: Some(from), is_second_try: false, good: None, bad: None, refine }
    }

    /// The next rate to measure. `None` when the search is over.
    pub(super) const fn next(&self) -> Option<u32> {
        self.next
    }

    /// The highest good rate so far.
    pub(super) const fn knee(&self) -> Option<u32> {
        self.good
    }

    /// Whether some rate was bad, so that the knee is within the range.
    pub(super) const fn is_bounded(&self) -> bool {
        self.bad.is_some()
    }

    /// Records whether the step at the current rate was good.
    pub(super) fn note(&mut self, is_good: bool) -> Verdict {
        let Some(rate) = self.next else { return Verdict::Bad };
        if !is_good && !self.is_second_try {
            self.is_second_try = true;
            return Verdict::Doubtful;
        }
        self.is_second_try = false;
        if is_good {
            self.good = Some(rate);
        } else {
            self.bad = Some(rate);
        }
        self.next = match (self.good, self.bad) {
            (Some(good), None) => (good < self.to).then(|| good.saturating_mul(2).min(self.to)),
            (Some(good), Some(bad)) if self.refine > 0 && bad - good > (good / CLOSE).max(1) => {
                self.refine -= 1;
                Some(good.midpoint(bad))
            }
            (Some(_), Some(_)) | (None, _) => None,
        };
        if is_good { Verdict::Good } else { Verdict::Bad }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that a search measures when everything up to `knee` is good, and its result.
    fn search(from: u32, to: u32, refine: u32, knee: u32) -> (Vec<u32>, KneeSearch) {
        let mut search = KneeSearch::new(from, to, refine);
        let mut measured = Vec::new();
        while let Some(rate) = search.next() {
            measured.push(rate);
            search.note(rate <= knee);
            assert!(measured.len() < 100, "the search does not end");
        }
        (measured, search)
    }

    #[test]
    fn the_knee_is_closed_in_from_both_sides() {
        // Proves the steps: doubling, a second measurement of a bad step, bisection; and that the knee is the highest
        // good rate.
        let (measured, found) = search(100, 10_000, 3, 1_100);
        assert_eq!(measured, [100, 200, 400, 800, 1_600, 1_600, 1_200, 1_200, 1_000, 1_100]);
        assert_eq!((found.knee(), found.is_bounded()), (Some(1_100), true));
    }

    #[test]
    fn a_range_without_a_knee_is_told() {
        // Proves both ends: every rate of the range is good, or none is.
        let (measured, found) = search(100, 500, 4, u32::MAX);
        assert_eq!(
            (measured, found.knee(), found.is_bounded()),
            (vec![100, 200, 400, 500], Some(500), false)
        );
        let (measured, found) = search(100, 500, 4, 0);
        assert_eq!((measured, found.knee(), found.is_bounded()), (vec![100, 100], None, true));
        assert_eq!(search(7, 7, 4, 7).0, [7]);
    }

    #[test]
    fn one_bad_moment_does_not_end_the_search() {
        // Proves that a step that fails once and then succeeds counts as good.
        let mut search = KneeSearch::new(100, 400, 2);
        assert_eq!((search.note(false), search.next()), (Verdict::Doubtful, Some(100)));
        assert_eq!((search.note(true), search.next()), (Verdict::Good, Some(200)));
        assert_eq!(search.note(false), Verdict::Doubtful);
        assert_eq!((search.note(false), search.next()), (Verdict::Bad, Some(150)));
    }

    #[test]
    fn rates_that_lie_close_end_the_search() {
        // Proves that no step is spent between rates within two percent, and that the highest rates do not overflow.
        assert_eq!(search(1, u32::MAX, 12, 3).0, [1, 2, 4, 4, 3]);
        let (_, found) = search(3_000_000_000, u32::MAX, 0, u32::MAX);
        assert_eq!(found.knee(), Some(u32::MAX));
    }
}
