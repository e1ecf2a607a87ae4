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
pub(crate) enum FaultKind {
    /// Crash it.
    Crash,
    /// Wait until it writes a snapshot, let it go on for so long, and end it.
    CrashInSnapshot(Duration),
    /// Crash it, and crash it again after so many hundredths of the longest start.
    CrashTwice {
        /// Hundredths.
        percent_of_start: u32,
    },
    /// Freeze it for so long.
    Freeze(Duration),
    /// Freeze it for so long and end it then.
    FreezeAndCrash(Duration),
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashKind {
    /// SIGKILL.
    Kill,
    /// Its power is cut.
    PowerCut,
}

/// A blow, the end that it brings, and the time before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledFault {
    pub(crate) after: Duration,
    pub(crate) kind: FaultKind,
    pub(crate) crash: CrashKind,
}

/// The sequence.
#[derive(Clone, Debug)]
pub(crate) struct FaultSchedule {
    random: Rng,
    between: Span,
    stop_max: Duration,
    /// The end that is asked for.
    crash: CrashKind,
}

impl FaultSchedule {
    pub(crate) fn new(seed: u64, between: Span, stop_max: Duration, crash: CrashKind) -> Self {
        Self { random: Rng::with_seed(seed), between, stop_max, crash }
    }

    /// The end that is asked for.
    pub(crate) const fn crash_kind(&self) -> CrashKind {
        self.crash
    }

    pub(crate) fn next(&mut self) -> ScheduledFault {
        let Span { shortest, longest } = self.between;
        let after = self.from(shortest, longest);
        let kind = match self.random.u32(..100) {
            0..45 => FaultKind::Crash,
            45..65 => FaultKind::CrashInSnapshot(self.from(Duration::ZERO, IN_SNAPSHOT_MAX)),
            65..85 => FaultKind::CrashTwice { percent_of_start: self.random.u32(..=START_PERCENT_MAX) },
            85..93 => FaultKind::Freeze(self.from(STOP_MIN, self.stop_max)),
            _ => FaultKind::FreezeAndCrash(self.from(STOP_MIN, self.stop_max)),
        };
        let crash = match self.crash {
            CrashKind::PowerCut if self.random.u32(..100) >= KILLS_PERCENT => CrashKind::PowerCut,
            CrashKind::PowerCut | CrashKind::Kill => CrashKind::Kill,
        };
        ScheduledFault { after, kind, crash }
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
        let strikes = |seed| FaultSchedule::new(seed, BETWEEN, stop_max, CrashKind::PowerCut);
        let (mut one, mut other) = (strikes(7), strikes(7));
        let (mut kinds, mut kills) = ([0_u32; 5], 0);
        for _ in 0..500 {
            let fault = one.next();
            assert_eq!(fault, other.next());
            assert!((BETWEEN.shortest..=BETWEEN.longest).contains(&fault.after));
            let kind = match fault.kind {
                FaultKind::Crash => 0,
                FaultKind::CrashInSnapshot(_) => 1,
                FaultKind::CrashTwice { .. } => 2,
                FaultKind::Freeze(span) | FaultKind::FreezeAndCrash(span) => {
                    assert!((STOP_MIN..=stop_max).contains(&span));
                    if matches!(fault.kind, FaultKind::Freeze(_)) { 3 } else { 4 }
                }
            };
            kinds[kind] += 1;
            kills += u32::from(fault.crash == CrashKind::Kill);
        }
        assert!(kinds.iter().all(|count| *count > 10), "{kinds:?}");
        assert!((50..250).contains(&kills), "{kills}");
        assert_ne!(strikes(8).next(), strikes(7).next());
    }

    #[test]
    fn the_power_fails_only_where_it_is_asked_for() {
        // Proves that a run with kills alone needs no power supply.
        let mut strikes = FaultSchedule::new(7, BETWEEN, Duration::from_millis(300), CrashKind::Kill);
        assert!((0..500).all(|_| strikes.next().crash == CrashKind::Kill));
    }
}
