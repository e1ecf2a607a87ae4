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

/// Of a hundred ends in a run with power cuts, those where only the process is killed: the next start then finds in the system's
/// caches what it must not rely on, and the power may fail after that.
const KILLS_PERCENT: u32 = 25;

/// One way to treat a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// End it.
    End,
    /// Wait until it writes a snapshot, let it go on for so long, and end it.
    EndInSnapshot(Duration),
    /// End it, and end it again when so many hundredths of the longest start have passed.
    EndTwice {
        /// Hundredths.
        percent_of_start: u32,
    },
    /// Freeze it for so long.
    Freeze(Duration),
    /// Freeze it for so long and end it then.
    FreezeAndEnd(Duration),
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGKILL.
    Kill,
    /// Its power is cut.
    PowerCut,
}

/// A blow, the end that it brings, and the time before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) after: Duration,
    pub(crate) blow: Blow,
    pub(crate) end: End,
}

/// The sequence.
#[derive(Clone, Debug)]
pub(crate) struct Strikes {
    random: Rng,
    between: Span,
    stop_max: Duration,
    /// The end that is asked for.
    end: End,
}

impl Strikes {
    pub(crate) fn new(seed: u64, between: Span, stop_max: Duration, end: End) -> Self {
        Self { random: Rng::with_seed(seed), between, stop_max, end }
    }

    /// The end that is asked for.
    pub(crate) const fn end(&self) -> End {
        self.end
    }

    pub(crate) fn next(&mut self) -> Strike {
        let Span { shortest, longest } = self.between;
        let after = self.from(shortest, longest);
        let blow = match self.random.u32(..100) {
            0..45 => Blow::End,
            45..65 => Blow::EndInSnapshot(self.from(Duration::ZERO, IN_SNAPSHOT_MAX)),
            65..85 => Blow::EndTwice { percent_of_start: self.random.u32(..=START_PERCENT_MAX) },
            85..93 => Blow::Freeze(self.from(STOP_MIN, self.stop_max)),
            _ => Blow::FreezeAndEnd(self.from(STOP_MIN, self.stop_max)),
        };
        let end = match self.end {
            End::PowerCut if self.random.u32(..100) >= KILLS_PERCENT => End::PowerCut,
            End::PowerCut | End::Kill => End::Kill,
        };
        Strike { after, blow, end }
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
        let strikes = |seed| Strikes::new(seed, BETWEEN, stop_max, End::PowerCut);
        let (mut one, mut other) = (strikes(7), strikes(7));
        let (mut kinds, mut kills) = ([0_u32; 5], 0);
        for _ in 0..500 {
            let strike = one.next();
            assert_eq!(strike, other.next());
            assert!((BETWEEN.shortest..=BETWEEN.longest).contains(&strike.after));
            let kind = match strike.blow {
                Blow::End => 0,
                Blow::EndInSnapshot(_) => 1,
                Blow::EndTwice { .. } => 2,
                Blow::Freeze(span) | Blow::FreezeAndEnd(span) => {
                    assert!((STOP_MIN..=stop_max).contains(&span));
                    if matches!(strike.blow, Blow::Freeze(_)) { 3 } else { 4 }
                }
            };
            kinds[kind] += 1;
            kills += u32::from(strike.end == End::Kill);
        }
        assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
        assert!((50..250).contains(&kills), "{kills}");
        assert_ne!(strikes(8).next(), strikes(7).next());
    }

    #[test]
    fn the_power_fails_only_where_it_is_asked_for() {
        // Proves that a run with kills alone needs no power supply.
        let mut strikes = Strikes::new(7, BETWEEN, Duration::from_millis(300), End::Kill);
        assert!((0..500).all(|_| strikes.next().end == End::Kill));
    }
}
