//! The schedule of faults: which fault is injected after which time. A seed determines it.

use super::arguments::Span;
use fastrand::Rng;
use std::time::Duration;

/// How long after an unfinished snapshot is first seen the server is killed at most.
const IN_SNAPSHOT_MAX: Duration = Duration::from_millis(4);
/// The shortest freeze.
const STOP_MIN: Duration = Duration::from_millis(20);
/// A start is interrupted after at most this percentage of the longest start so far.
const START_PERCENT_MAX: u32 = 110;

/// In a run with power cuts, the percentage of crashes that only kill the process. The next start then finds data in
/// the system's page cache that it must not rely on, because the power may fail after it.
const KILLS_PERCENT: u32 = 25;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Crash it.
    Crash,
    /// Wait until it writes a snapshot, wait for this time, and crash it.
    CrashInSnapshot(Duration),
    /// Crash it, and crash it again after this percentage of the longest start.
    CrashTwice {
        /// The percentage.
        percent_of_start: u32,
    },
    /// Freeze it for this time.
    Freeze(Duration),
    /// Freeze it for this time, and crash it then.
    FreezeAndCrash(Duration),
}

/// How the server crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashKind {
    /// SIGKILL.
    Kill,
    /// A power cut.
    PowerCut,
}

/// A fault, the kind of its crash, and the time before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScheduledFault {
    pub(crate) after: Duration,
    pub(crate) kind: FaultKind,
    pub(crate) crash: CrashKind,
}

/// The sequence of faults.
#[derive(Clone, Debug)]
pub(crate) struct FaultSchedule {
    random: Rng,
    between: Span,
    stop_max: Duration,
    /// The requested kind of crash.
    crash: CrashKind,
}

impl FaultSchedule {
    pub(crate) fn new(seed: u64, between: Span, stop_max: Duration, crash: CrashKind) -> Self {
        Self { random: Rng::with_seed(seed), between, stop_max, crash }
    }

    /// The requested kind of crash.
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
        // Proves that a seed reproduces a run, that times stay in their range, and that every kind of fault occurs.
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
        // Proves that a run with kills only needs no power supply.
        let mut strikes = FaultSchedule::new(7, BETWEEN, Duration::from_millis(300), CrashKind::Kill);
        assert!((0..500).all(|_| strikes.next().crash == CrashKind::Kill));
    }
}
