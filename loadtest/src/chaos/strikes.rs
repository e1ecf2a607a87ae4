//! What is done to the server, and after how long: a sequence that a seed decides. It strikes nobody itself.

use super::arguments::Span;
use fastrand::Rng;
use std::time::Duration;

/// How long after the first sight of an unfinished snapshot the server is killed at most.
const IN_SNAPSHOT_MAX: Duration = Duration::from_millis(4);
/// The shortest time for which the server is frozen.
const STOP_MIN: Duration = Duration::from_millis(20);
/// A start that is cut off is given up to this many hundredths of the longest start so far.
const START_PERCENT_MAX: u32 = 110;

/// One way to treat a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// Kill it.
    Kill,
    /// Wait until it writes a snapshot, let it go on for so long, and kill it.
    KillInSnapshot(Duration),
    /// Kill it, and kill it again when so many hundredths of the longest start have passed.
    KillTwice {
        /// Hundredths.
        percent_of_start: u32,
    },
    /// Freeze it for so long.
    Freeze(Duration),
    /// Freeze it for so long and kill it then.
    FreezeAndKill(Duration),
}

/// A blow and the time before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) after: Duration,
    pub(crate) blow: Blow,
}

/// The sequence.
#[derive(Clone, Debug)]
pub(crate) struct Strikes {
    random: Rng,
    between: Span,
    stop_max: Duration,
}

impl Strikes {
    pub(crate) fn new(seed: u64, between: Span, stop_max: Duration) -> Self {
        Self { random: Rng::with_seed(seed), between, stop_max }
    }

    pub(crate) fn next(&mut self) -> Strike {
        let Span { shortest, longest } = self.between;
        let after = self.from(shortest, longest);
        let blow = match self.random.u32(..100) {
            0..45 => Blow::Kill,
            45..65 => Blow::KillInSnapshot(self.from(Duration::ZERO, IN_SNAPSHOT_MAX)),
            65..85 => Blow::KillTwice { percent_of_start: self.random.u32(..=START_PERCENT_MAX) },
            85..93 => Blow::Freeze(self.from(STOP_MIN, self.stop_max)),
            _ => Blow::FreezeAndKill(self.from(STOP_MIN, self.stop_max)),
        };
        Strike { after, blow }
    }

    fn from(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let us = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.u64(us(shortest)..=us(longest).max(us(shortest))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETWEEN: Span = Span { shortest: Duration::from_millis(50), longest: Duration::from_millis(90) };

    #[test]
    fn a_seed_decides_and_every_kind_of_blow_occurs() {
        // Proves that a run can be repeated by its seed, that times keep to their range, and that nothing is left out.
        let stop_max = Duration::from_millis(300);
        let (mut one, mut other) = (Strikes::new(7, BETWEEN, stop_max), Strikes::new(7, BETWEEN, stop_max));
        let mut kinds = [0_u32; 5];
        for _ in 0..500 {
            let strike = one.next();
            assert_eq!(strike, other.next());
            assert!((BETWEEN.shortest..=BETWEEN.longest).contains(&strike.after));
            let kind = match strike.blow {
                Blow::Kill => 0,
                Blow::KillInSnapshot(_) => 1,
                Blow::KillTwice { .. } => 2,
                Blow::Freeze(span) | Blow::FreezeAndKill(span) => {
                    assert!((STOP_MIN..=stop_max).contains(&span));
                    if matches!(strike.blow, Blow::Freeze(_)) { 3 } else { 4 }
                }
            };
            kinds[kind] += 1;
        }
        assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
        assert_ne!(Strikes::new(8, BETWEEN, stop_max).next(), Strikes::new(7, BETWEEN, stop_max).next());
    }
}
