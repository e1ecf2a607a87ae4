//! The randomness of a simulated world: a stream of numbers that the seed determines. It is splitmix64, which is
//! sufficient to draw faults and carts. It is not cryptographic.

use stockhold::storage::memory::scramble;

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream of a seed; neighbouring seeds have unrelated streams.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: scramble(seed.wrapping_add(0x5EED)) }
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.state)
    }

    /// A number below `end`, which is not 0. The bias of the remainder does not matter here.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// A number of a range that is not empty.
    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// A signed number of a range that is not empty.
    pub fn signed(&mut self, range: std::ops::Range<i64>) -> i64 {
        let width = range.end.abs_diff(range.start);
        range.start.saturating_add_unsigned(self.below(width))
    }

    /// A number of a small range that is not empty.
    pub fn small(&mut self, range: std::ops::Range<u32>) -> u32 {
        range.start + u32::try_from(self.below(u64::from(range.end - range.start))).unwrap_or(0)
    }

    /// An index into a list of this length, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(1))).unwrap_or(0)
    }

    /// True in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// One item of a list, by weight. The weights are not all 0.
    pub fn weighted<T: Copy>(&mut self, list: &[(u64, T)]) -> T {
        let all: u64 = list.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(all);
        for (weight, one) in list {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return *one,
            }
        }
        list[0].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_stream_and_another_gives_another() {
        // Proves that a world can be replayed from its seed, and that ranges and weights are kept.
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..100)
                .map(|_| (rng.within(3..9), rng.signed(-4..4), rng.weighted(&[(1, 'a'), (0, 'b')])))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert!(draw(3).iter().all(|(a, b, c)| (3..9).contains(a) && (-4..4).contains(b) && *c == 'a'));
    }
}
