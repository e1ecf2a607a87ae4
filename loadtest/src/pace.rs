//! The pace of an open loop: how many operations are due at which time, as exact arithmetic on nanoseconds. Rates may
//! stay, rise, fall or jump. The module knows no connections and no clock; `schedule` distributes the operations.
//!
//! A pace is a chain of pieces, in each of which the rate changes linearly. Operation `n` is due when the integral of
//! the rate reaches `n`.

use std::time::Duration;

/// Maximum number of pieces of a pace: a rate of ten million halves 24 times until it is zero.
const PIECES_MAX: usize = 64;
/// One operation, in halves of a billionth. A rate times nanoseconds is then an integer even while the rate changes.
const OPERATION: u128 = 2_000_000_000;
/// Rates are compared in millionths, so that a square root is precise enough.
const FINE: u128 = 1_000_000;

/// A period in which the rate changes linearly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    begin_ns: u64,
    span_ns: u64,
    /// Operations per second at its two ends.
    rates: (u32, u32),
    /// The operations that are due before it.
    before: u128,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    pieces: Vec<Piece>,
    end_ns: u64,
    all: u128,
}

impl Pace {
    /// A constant rate.
    pub(crate) fn steady(rate: u32, span: Duration) -> Self {
        Self::default().then(rate, rate, span)
    }

    /// Appends a piece of `span` in which the rate changes linearly.
    ///
    /// # Panics
    /// Beyond the limit of pieces, which no caller reaches.
    pub(crate) fn then(mut self, from: u32, to: u32, span: Duration) -> Self {
        assert!(self.pieces.len() < PIECES_MAX, "a pace has at most {PIECES_MAX} pieces");
        let span_ns = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        if span_ns == 0 {
            return self;
        }
        let piece = Piece { begin_ns: self.end_ns, span_ns, rates: (from, to), before: self.all };
        self.all += piece.due_within(span_ns);
        self.end_ns = self.end_ns.saturating_add(span_ns);
        self.pieces.push(piece);
        self
    }

    /// Continues until `end` at a rate that jumps to `peak` and halves every `half_life`, linearly in between, but
    /// never falls below `base`.
    pub(crate) fn spike(mut self, base: u32, peak: u32, half_life: Duration, end: Duration) -> Self {
        let mut above = peak.saturating_sub(base);
        let mut left = end.saturating_sub(Duration::from_nanos(self.end_ns));
        while above > 0 && !left.is_zero() && self.pieces.len() + 1 < PIECES_MAX {
            let span = half_life.min(left);
            let below = above - lost(above, span, half_life);
            self = self.then(base + above, base + below, span);
            (above, left) = (below, left.saturating_sub(span));
            if span < half_life {
                break;
            }
        }
        self.then(base, base, left)
    }

    /// The end of the pace.
    pub(crate) const fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// The highest rate.
    pub(crate) fn peak(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.rates.0.max(piece.rates.1)).max().unwrap_or(0)
    }

    /// When the operation with this number is due, counted from 0. `None` if there are fewer.
    pub(crate) fn due_ns(&self, number: u64) -> Option<u64> {
        let wanted = u128::from(number) * OPERATION;
        if wanted >= self.all {
            return None;
        }
        let after = self.pieces.partition_point(|piece| piece.before <= wanted);
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        Some(piece.begin_ns + piece.passed_at(wanted - piece.before))
    }

    /// How many operations are due before this time.
    pub(crate) fn due_by(&self, ns: u64) -> u64 {
        u64::try_from(self.due(ns).div_ceil(OPERATION)).unwrap_or(u64::MAX)
    }

    /// The mean rate between two times, in whole operations per second.
    pub(crate) fn rate_between(&self, from_ns: u64, to_ns: u64) -> u64 {
        let span_ns = u128::from(to_ns.saturating_sub(from_ns)).max(1);
        let due = self.due(to_ns).saturating_sub(self.due(from_ns));
        // Half of a billionth each, over nanoseconds: the billions cancel out.
        u64::try_from((due + span_ns) / (2 * span_ns)).unwrap_or(u64::MAX)
    }

    fn due(&self, ns: u64) -> u128 {
        let after = self.pieces.partition_point(|piece| piece.begin_ns <= ns);
        let piece = after.checked_sub(1).and_then(|at| self.pieces.get(at));
        piece.map_or(0, |piece| piece.before + piece.due_within(ns - piece.begin_ns))
    }
}

/// The decrease of a rate within `span`, if it halves in `half_life`.
fn lost(above: u32, span: Duration, half_life: Duration) -> u32 {
    let half = u128::from(above.div_ceil(2));
    u32::try_from(half * span.as_nanos() / half_life.as_nanos().max(1)).unwrap_or(above).min(above)
}

impl Piece {
    /// The operations due in its first `passed_ns`.
    fn due_within(&self, passed_ns: u64) -> u128 {
        let (passed, span) = (u128::from(passed_ns.min(self.span_ns)), u128::from(self.span_ns));
        let (from, to) = (u128::from(self.rates.0), u128::from(self.rates.1));
        let steady = 2 * from * passed;
        if to >= from {
            steady + (to - from) * passed * passed / span
        } else {
            steady - (from - to) * passed * passed / span
        }
    }

    /// How many nanoseconds have passed when this much is due: the inverse of `due_within`, in a form that loses no
    /// digits.
    fn passed_at(&self, due: u128) -> u64 {
        let (from, to) = (u128::from(self.rates.0) * FINE, u128::from(self.rates.1) * FINE);
        let root = if from == to {
            from
        } else {
            let mean = due * (FINE / 2) / u128::from(self.span_ns);
            let square = if to > from {
                from * from + 2 * (to - from) * mean
            } else {
                (from * from).saturating_sub(2 * (from - to) * mean)
            };
            square.isqrt()
        };
        if due == 0 {
            return 0;
        }
        let passed = due * FINE / (from + root).max(1);
        u64::try_from(passed).unwrap_or(u64::MAX).min(self.span_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// All due times.
    fn all(pace: &Pace) -> Vec<u64> {
        (0..).map_while(|number| pace.due_ns(number)).collect()
    }

    #[test]
    fn a_steady_pace_is_even_to_the_nanosecond() {
        // Proves that no error accumulates over a day: operation n is due at n / rate.
        for rate in [1, 7, 999_983, 10_000_000] {
            let pace = Pace::steady(rate, seconds(86_400));
            let last = u64::from(rate) * 86_400 - 1;
            for number in [0, 1, last / 3, last] {
                let exact = u128::from(number) * u128::from(SECOND) / u128::from(rate);
                assert_eq!(u128::from(pace.due_ns(number).unwrap()), exact, "{rate} {number}");
            }
            assert_eq!(pace.due_ns(last + 1), None);
            assert_eq!(pace.rate_between(SECOND, 3 * SECOND), u64::from(rate));
        }
    }

    #[test]
    fn a_ramp_has_its_mean_rate_and_its_ends() {
        // Proves rising and falling rates: as many operations as the mean rate gives, in order, slow where the rate
        // is low.
        for (from, to) in [(100, 1_900), (1_900, 100), (0, 2_000), (2_000, 0)] {
            let pace = Pace::default().then(from, to, seconds(4));
            let dues = all(&pace);
            assert_eq!(dues.len(), 4_000, "{from}..{to}");
            assert!(dues.windows(2).all(|pair| pair[0] < pair[1]), "{from}..{to}");
            let early = u32::try_from(dues.iter().filter(|due| **due < 2 * SECOND).count()).unwrap();
            // Over the first half the mean rate is a quarter of the way.
            assert!(early.abs_diff(2 * (3 * from + to) / 4) <= 1, "{from}..{to}: {early}");
            assert_eq!(pace.rate_between(0, 4 * SECOND), 1_000);
        }
    }

    #[test]
    fn the_root_and_the_sum_agree() {
        // Proves that each operation is due at the first moment at which the integral reaches it, within a
        // hundred-thousandth.
        let pace =
            Pace::default().then(10, 50_000, seconds(3)).then(200, 0, seconds(2)).then(7, 7, seconds(1));
        for number in 0..pace.due_by(u64::MAX) {
            let due = pace.due_ns(number).unwrap();
            let slack = due / 100_000 + 2;
            assert!(pace.due_by(due.saturating_sub(slack)) <= number, "{number} is due too late");
            assert!(pace.due_by(due + slack) > number, "{number} is due too early");
        }
    }

    #[test]
    fn a_spike_halves_and_ends_in_the_trickle() {
        // Proves the shape of a flash sale: a low rate, a jump, a rate that halves, the low rate again, and the
        // requested end.
        let pace = Pace::steady(100, seconds(2)).spike(100, 8_100, seconds(1), seconds(20));
        assert_eq!((pace.end_ns(), pace.peak()), (20 * SECOND, 8_100));
        assert_eq!(pace.rate_between(0, 2 * SECOND), 100);
        for (second, mean) in [(2, 6_100), (3, 3_100), (4, 1_600), (18, 100)] {
            let rate = pace.rate_between(second * SECOND, (second + 1) * SECOND);
            assert!(rate.abs_diff(mean) <= 1, "second {second}: {rate}");
        }
        let cut = Pace::steady(100, seconds(2)).spike(100, 8_100, seconds(4), seconds(4));
        assert_eq!(cut.end_ns(), 4 * SECOND);
        assert_eq!(cut.rate_between(2 * SECOND, 4 * SECOND), 7_100, "half of the fall to the half");
    }

    #[test]
    fn nothing_is_due_of_nothing() {
        // Proves the empty cases: no time, no rate.
        assert_eq!(Pace::default().due_ns(0), None);
        assert_eq!(Pace::steady(0, seconds(1)).due_ns(0), None);
        assert_eq!(Pace::steady(5, Duration::ZERO).due_ns(0), None);
        assert_eq!(Pace::default().rate_between(5, 5), 0);
    }
}
