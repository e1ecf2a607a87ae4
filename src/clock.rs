//! The server's clock: which time to propose for the next batch.
//!
//! Logged time starts at max(last logged, wall clock), then runs with the monotonic clock and is slewed towards the wall clock by
//! at most 0.1 %. A wall clock that is far off raises an alarm and never expires anything. It is not for machine time (an op's
//! time is max(last, proposed), the machine's business), and it reads no clock itself: a [`TimeSource`] does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use stockhold_protocol::Timestamp;

/// The part of the elapsed time by which the clock may be slewed: one in a thousand.
const SLEW_DIVISOR: i64 = 1_000;
/// A suspend longer than this counts as a start.
const SUSPEND_US: u64 = 1_000_000;

/// What the clocks say at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// A clock that never goes back and stands still during a suspend, in microseconds.
    pub monotonic_us: u64,
    /// The wall clock in microseconds since the Unix epoch.
    pub wall_us: u64,
    /// How long the machine has been suspended since it started, in microseconds.
    pub suspended_us: u64,
}

/// Where readings come from.
pub trait TimeSource: Send + Sync {
    /// All clocks at once.
    fn read(&self) -> Reading;

    /// The monotonic clock alone.
    fn monotonic_us(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Debug)]
pub struct SystemTimeSource {
    origin: Instant,
}

impl SystemTimeSource {
    /// Counts from now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemTimeSource {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeSource for SystemTimeSource {
    fn read(&self) -> Reading {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Reading {
            monotonic_us: self.monotonic_us(),
            wall_us: whole_us(wall.as_micros()),
            suspended_us: clock_us(ClockId::Boottime).saturating_sub(clock_us(ClockId::Monotonic)),
        }
    }

    fn monotonic_us(&self) -> u64 {
        whole_us(self.origin.elapsed().as_micros())
    }
}

fn whole_us(us: u128) -> u64 {
    u64::try_from(us).unwrap_or(u64::MAX)
}

fn clock_us(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1_000)
}

/// A time source that stands still until it is told: for tests and the simulator.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the house puts units last in names")]
pub struct ManualTimeSource {
    monotonic_us: AtomicU64,
    wall_us: AtomicU64,
    suspended_us: AtomicU64,
}

impl ManualTimeSource {
    /// A source whose wall clock shows `wall_ms`.
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        let source = Self::default();
        source.wall_us.store(wall_ms.saturating_mul(1_000), Ordering::SeqCst);
        source
    }

    /// Lets time pass on both clocks.
    pub fn advance_ms(&self, ms: u64) {
        self.monotonic_us.fetch_add(ms * 1_000, Ordering::SeqCst);
        self.wall_us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }

    /// Sets the wall clock alone, as an administrator does.
    pub fn set_wall_ms(&self, ms: u64) {
        self.wall_us.store(ms * 1_000, Ordering::SeqCst);
    }

    /// Suspends the machine: the wall clock goes on, the monotonic clock does not.
    pub fn suspend_ms(&self, ms: u64) {
        self.wall_us.fetch_add(ms * 1_000, Ordering::SeqCst);
        self.suspended_us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
}

impl TimeSource for ManualTimeSource {
    fn read(&self) -> Reading {
        Reading {
            monotonic_us: self.monotonic_us(),
            wall_us: self.wall_us.load(Ordering::SeqCst),
            suspended_us: self.suspended_us.load(Ordering::SeqCst),
        }
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic_us.load(Ordering::SeqCst)
    }
}

/// What a correction found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// How far the wall clock is ahead of the proposed time, in microseconds.
    pub offset_us: i64,
    /// Whether that is beyond the alarm.
    pub alarm: bool,
    /// Whether this is news: the alarm was not on at the last correction.
    pub alarm_is_new: bool,
    /// Whether a suspend made the clock start anew.
    pub restarted: bool,
}

/// Proposes times. Reading it takes no lock.
pub struct Clock {
    source: Arc<dyn TimeSource>,
    /// Proposed time minus monotonic time.
    offset_us: AtomicI64,
    /// The largest time proposed so far.
    floor_ms: AtomicU64,
    alarm_us: i64,
    alarm: AtomicBool,
    last: Mutex<Reading>,
}

impl Clock {
    /// Starts at max(last logged, wall clock). Offsets beyond `alarm_ms` raise the alarm.
    #[must_use]
    pub fn start(source: Arc<dyn TimeSource>, last_logged: Timestamp, alarm_ms: u64) -> Self {
        let reading = source.read();
        let start_us = reading.wall_us.max(last_logged.0.saturating_mul(1_000));
        Self {
            source,
            offset_us: AtomicI64::new(signed(start_us) - signed(reading.monotonic_us)),
            floor_ms: AtomicU64::new(last_logged.0),
            alarm_us: signed(alarm_ms.saturating_mul(1_000)),
            alarm: AtomicBool::new(false),
            last: Mutex::new(reading),
        }
    }

    /// The time to propose now. It never goes back, from whichever thread it is asked.
    #[must_use]
    pub fn propose_now(&self) -> Timestamp {
        let now_ms = self.slewed_us(self.source.monotonic_us()) / 1_000;
        let now_ms = now_ms.min(Timestamp::MAX.0);
        Timestamp(self.floor_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms))
    }

    /// The monotonic clock in milliseconds: for deadlines of calls and connections, which are no machine time.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        self.source.monotonic_us() / 1_000
    }

    /// The monotonic clock in microseconds: for measuring stages.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.source.monotonic_us()
    }

    /// The wall clock in milliseconds since the Unix epoch.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.source.read().wall_us / 1_000
    }

    /// Moves the clock a little towards the wall clock; called a few times a second by one thread.
    pub fn correct(&self) -> Correction {
        let reading = self.source.read();
        let mut last = self.last.lock();
        let elapsed_us = signed(reading.monotonic_us.saturating_sub(last.monotonic_us));
        let restarted = reading.suspended_us > last.suspended_us.saturating_add(SUSPEND_US);
        *last = reading;
        drop(last);
        let offset_us = signed(reading.wall_us) - signed(self.slewed_us(reading.monotonic_us));
        let step_us = if restarted && offset_us > 0 {
            offset_us
        } else {
            let step_max_us = elapsed_us / SLEW_DIVISOR;
            offset_us.clamp(-step_max_us, step_max_us)
        };
        self.offset_us.fetch_add(step_us, Ordering::AcqRel);
        let offset_us = offset_us - step_us;
        let alarm = offset_us.abs() > self.alarm_us;
        let was_on = self.alarm.swap(alarm, Ordering::AcqRel);
        Correction { offset_us, alarm, alarm_is_new: alarm && !was_on, restarted }
    }

    fn slewed_us(&self, monotonic_us: u64) -> u64 {
        let sum = signed(monotonic_us).saturating_add(self.offset_us.load(Ordering::Acquire));
        u64::try_from(sum).unwrap_or(0)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("offset_us", &self.offset_us).finish_non_exhaustive()
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn clock_at(wall_ms: u64, last_logged_ms: u64) -> (Arc<ManualTimeSource>, Clock) {
        let source = Arc::new(ManualTimeSource::new(wall_ms));
        let clock = Clock::start(source.clone(), Timestamp(last_logged_ms), 1_000);
        (source, clock)
    }

    #[test]
    fn a_start_never_goes_behind_the_log() {
        // Proves that time starts at the later of log and wall clock.
        assert_eq!(clock_at(5_000, 9_000).1.propose_now(), Timestamp(9_000));
        assert_eq!(clock_at(9_000, 5_000).1.propose_now(), Timestamp(9_000));
    }

    #[test]
    fn a_wall_clock_that_jumps_alarms_and_moves_time_by_a_thousandth_at_most() {
        // Proves that a wrong wall clock cannot expire anything at once, in either direction.
        for wall_ms in [10 * HOUR_MS, 0] {
            let (source, clock) = clock_at(5 * HOUR_MS, 0);
            source.set_wall_ms(wall_ms);
            source.advance_ms(10_000);
            let correction = clock.correct();
            assert!(correction.alarm && correction.alarm_is_new && !correction.restarted);
            let moved = clock.propose_now().0.abs_diff(5 * HOUR_MS + 10_000);
            assert!(moved <= 10, "time moved by {moved} ms in 10 s");
            assert!(!clock.correct().alarm_is_new);
        }
    }

    #[test]
    fn a_small_offset_is_slewed_away() {
        // Proves that the clock does follow the wall clock.
        let (source, clock) = clock_at(1_000_000, 0);
        source.set_wall_ms(1_000_100);
        for _ in 0..1_000 {
            source.advance_ms(200);
            clock.correct();
        }
        assert_eq!(clock.propose_now().0, 1_000_100 + 200_000);
    }

    #[test]
    fn time_never_goes_back_while_it_is_slewed_back() {
        // Proves that proposals are monotone although the clock is being slowed down.
        let (source, clock) = clock_at(1_000_000, 0);
        source.set_wall_ms(900_000);
        let mut last = clock.propose_now();
        for _ in 0..1_000 {
            source.advance_ms(1);
            clock.correct();
            let next = clock.propose_now();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn a_suspend_counts_as_a_start() {
        // Proves that holds expire after a suspend as if the server had been started then.
        let (source, clock) = clock_at(1_000_000, 0);
        source.suspend_ms(HOUR_MS);
        assert_eq!(clock.propose_now(), Timestamp(1_000_000));
        let correction = clock.correct();
        assert!(correction.restarted && !correction.alarm);
        assert_eq!(clock.propose_now(), Timestamp(1_000_000 + HOUR_MS));
    }
}
