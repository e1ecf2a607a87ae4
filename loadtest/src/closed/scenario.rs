//! The table of closed-loop scenarios: the commands of a round, the choice of SKUs, and the quantities. `round`
//! builds the rounds.

use crate::test_catalog::TestCatalog;

/// More units of each SKU than any run can sell.
const PLENTY: u32 = 1_000_000_000;
/// So few units of each SKU that they are sold before the measured time.
const SCARCE: u32 = 10;
/// The weight of the first SKU if weights fall with the rank. It is fine enough for ten million ranks.
const ZIPF_SCALE: u64 = 1 << 32;

/// The commands of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Carts with this many lines, confirmed from the start.
    Carts { lines: u32 },
    /// Each cart twice: as new under its id, and directly after it as a retry.
    Twice,
    /// Holds. When they are answered, half of them are confirmed and half released.
    Holds,
    /// Availability checks.
    Checks,
}

/// How SKUs are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// All SKUs are equally likely.
    Uniform,
    /// The n-th SKU has a weight of 1/n.
    Zipf,
}

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The kinds of rounds, with their percentages.
    pub(crate) works: &'static [(Work, u32)],
    pub(crate) choice: Choice,
    /// Units of each SKU before the load.
    pub(crate) units: u32,
    /// Whether there is only one SKU, whatever was requested.
    pub(crate) is_hot: bool,
    /// The number of shops that sell their own goods, besides the stock that sells everything.
    pub(crate) shops: u32,
}

const CARTS: Scenario = Scenario {
    name: "uniform",
    works: &[(Work::Carts { lines: 1 }, 100)],
    choice: Choice::Uniform,
    units: PLENTY,
    is_hot: false,
    shops: 0,
};

impl Scenario {
    pub(crate) const UNIFORM: Self = CARTS;
    pub(crate) const HOT: Self = Self { name: "hot", is_hot: true, ..CARTS };
    pub(crate) const SHARED: Self = Self { name: "shared", shops: 3, ..Self::HOT };
    pub(crate) const SHOPS: Self = Self { name: "shops", shops: 50, ..CARTS };
    pub(crate) const ZIPF: Self = Self { name: "zipf", choice: Choice::Zipf, ..CARTS };
    pub(crate) const THREE_LINES: Self =
        Self { name: "carts", works: &[(Work::Carts { lines: 3 }, 100)], ..CARTS };
    pub(crate) const CHECKS: Self = Self { name: "checks", works: &[(Work::Checks, 100)], ..CARTS };
    pub(crate) const SOLD_OUT: Self = Self { name: "sold-out", units: SCARCE, ..CARTS };
    pub(crate) const HOLD_CHURN: Self = Self { name: "hold-churn", works: &[(Work::Holds, 100)], ..CARTS };
    pub(crate) const RETRY_STORM: Self = Self { name: "retry-storm", works: &[(Work::Twice, 100)], ..CARTS };
    pub(crate) const MIXED: Self = Self {
        name: "mixed",
        works: &[
            (Work::Checks, 40),
            (Work::Carts { lines: 1 }, 30),
            (Work::Carts { lines: 3 }, 10),
            (Work::Holds, 15),
            (Work::Twice, 5),
        ],
        choice: Choice::Zipf,
        ..CARTS
    };

    /// Whether no cart may be refused.
    pub(crate) const fn is_plentiful(&self) -> bool {
        self.units == PLENTY
    }

    /// The number of SKUs to choose from, given the requested number.
    pub(crate) const fn skus(&self, asked: u32) -> u32 {
        if self.is_hot { 1 } else { asked }
    }

    /// Whether nothing is sold, so that every check must get the same answer.
    pub(crate) fn is_still(&self) -> bool {
        self.works.iter().all(|(work, _)| *work == Work::Checks)
    }

    /// The smallest number of SKUs for which the lines of a cart are distinct.
    pub(crate) fn skus_min(&self) -> u32 {
        self.works.iter().map(|(work, _)| work.lines()).max().unwrap_or(1)
    }

    /// The number of commands that are always sent together.
    pub(crate) fn unit(&self) -> u64 {
        if self.works.iter().any(|(work, _)| *work == Work::Twice) { 2 } else { 1 }
    }

    /// The kind of the next round.
    pub(crate) fn work(&self, random: &mut fastrand::Rng) -> Work {
        let [(only, _)] = self.works else {
            let all: u32 = self.works.iter().map(|(_, weight)| weight).sum();
            let mut left = random.u32(..all);
            let mut works = self.works.iter();
            return works
                .find(|(_, weight)| take(&mut left, *weight))
                .map_or(Work::Checks, |(work, _)| *work);
        };
        *only
    }
}

/// Whether `left` falls into the next `weight`. Otherwise `weight` is subtracted from it.
const fn take(left: &mut u32, weight: u32) -> bool {
    match left.checked_sub(weight) {
        None => true,
        Some(rest) => {
            *left = rest;
            false
        }
    }
}

impl Work {
    /// The number of lines of one cart.
    pub(crate) const fn lines(self) -> u32 {
        match self {
            Self::Carts { lines } => lines,
            Self::Twice | Self::Holds | Self::Checks => 1,
        }
    }
}

/// Chooses positions in a catalog.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    count: u32,
    /// Cumulative weights by position. Empty if all are equal.
    sums: Vec<u64>,
}

impl Chooser {
    pub(crate) fn new(choice: Choice, catalog: &TestCatalog) -> Self {
        let count = u32::try_from(catalog.skus.len()).unwrap_or(u32::MAX);
        let sums = match choice {
            Choice::Uniform => Vec::new(),
            Choice::Zipf => {
                let mut sum = 0;
                let weights = (1..=u64::from(count)).map(|rank| ZIPF_SCALE / rank);
                weights
                    .map(|weight| {
                        sum += weight;
                        sum
                    })
                    .collect()
            }
        };
        Self { count, sums }
    }

    pub(crate) fn choose(&self, random: &mut fastrand::Rng) -> u32 {
        let Some(all) = self.sums.last() else { return random.u32(..self.count) };
        let at = random.u64(..*all);
        u32::try_from(self.sums.partition_point(|sum| *sum <= at)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scenario; 11] = [
        Scenario::UNIFORM,
        Scenario::HOT,
        Scenario::SHARED,
        Scenario::SHOPS,
        Scenario::ZIPF,
        Scenario::THREE_LINES,
        Scenario::CHECKS,
        Scenario::SOLD_OUT,
        Scenario::HOLD_CHURN,
        Scenario::RETRY_STORM,
        Scenario::MIXED,
    ];

    #[test]
    fn shares_add_up_and_every_kind_of_round_comes() {
        // Proves that the weights are percentages and that none is forgotten.
        for scenario in ALL {
            assert_eq!(
                scenario.works.iter().map(|(_, weight)| weight).sum::<u32>(),
                100,
                "{}",
                scenario.name
            );
            let mut random = fastrand::Rng::with_seed(7);
            let drawn: Vec<Work> = (0..10_000).map(|_| scenario.work(&mut random)).collect();
            for (work, weight) in scenario.works {
                let count = drawn.iter().filter(|drawn| *drawn == work).count();
                let expected = usize::try_from(*weight).unwrap() * 100;
                assert!(count.abs_diff(expected) < 300, "{}: {work:?} {count} times", scenario.name);
            }
        }
    }

    #[test]
    fn zipf_prefers_the_first_and_reaches_the_last() {
        // Proves the weights: the first of 100 SKUs gets about 1/H(100) = 19 % of the carts, the second half of that.
        let catalog = TestCatalog::imaginary(100);
        let chooser = Chooser::new(Choice::Zipf, &catalog);
        let mut random = fastrand::Rng::with_seed(1);
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[usize::try_from(chooser.choose(&mut random)).unwrap()] += 1;
        }
        assert!((18_500..20_000).contains(&counts[0]), "{}", counts[0]);
        assert!((9_000..10_300).contains(&counts[1]), "{}", counts[1]);
        assert!(counts[99] > 100, "{}", counts[99]);
    }
}
