//! The server's clock, which proposes the time of the next batch.
//!
//! Logged time starts at the maximum of the last logged time and the wall clock. Then it follows the monotonic clock
//! and is slewed towards the wall clock by at most 0.1 %. A wall clock that is far off raises an alarm and never
//! expires anything. At a start, a wall clock that is further ahead than `clock_jump_max_ms` is not followed until an
//! operator accepts it. The machine computes the time of an op as the maximum of its last time and the proposed time. A
//! [`TimeSource`] reads the system clocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use stockhold_machine::ClockView;
use stockhold_protocol::Timestamp;

use crate::warning::Warning;

/// The clock is slewed by at most this part of the elapsed time: one in a thousand.
const SLEW_DIVISOR: i64 = 1_000;
/// A suspend longer than this is treated as a start.
const SUSPEND_US: u64 = 1_000_000;

/// The readings of the clocks at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The monotonic clock in microseconds. It stops during a suspend.
    pub monotonic_us: u64,
    /// The wall clock in microseconds since the Unix epoch.
    pub wall_us: u64,
    /// How long the computer has been suspended since it started, in microseconds.
    pub suspended_us: u64,
}

/// A source of clock readings.
pub trait TimeSource: Send + Sync {
    /// Reads all clocks.
    fn read(&self) -> Reading;

    /// Reads only the monotonic clock.
    fn monotonic_us(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Debug)]
pub struct SystemTimeSource {
    origin: Instant,
}

impl SystemTimeSource {
    /// A source whose monotonic clock starts now.
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

/// A time source that advances only when told, for tests and the simulator.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "names end with their unit")]
pub struct ManualTimeSource {
    monotonic_us: AtomicU64,
    wall_us: AtomicU64,
    suspended_us: AtomicU64,
}

impl ManualTimeSource {
    /// A source whose wall clock reads `wall_ms`.
    #[must_use]
    pub fn new(wall_ms: u64) -> Self {
        let source = Self::default();
        source.wall_us.store(wall_ms.saturating_mul(1_000), Ordering::SeqCst);
        source
    }

    /// Advances both clocks.
    pub fn advance_ms(&self, ms: u64) {
        self.monotonic_us.fetch_add(ms * 1_000, Ordering::SeqCst);
        self.wall_us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }

    /// Sets only the wall clock, as an administrator does.
    pub fn set_wall_ms(&self, ms: u64) {
        self.wall_us.store(ms * 1_000, Ordering::SeqCst);
    }

    /// Suspends the computer: the wall clock advances, the monotonic clock does not.
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

/// How far the wall clock may be followed, according to the machine's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How far ahead a start may follow the wall clock, in milliseconds.
    pub jump_max_ms: u64,
    /// An operator has accepted the wall clock up to this time; 0 if not.
    pub accepted_until: Timestamp,
}

impl From<ClockView> for Allowance {
    fn from(view: ClockView) -> Self {
        Self { jump_max_ms: view.jump_max_ms, accepted_until: view.accepted_until }
    }
}

impl Allowance {
    /// Any wall clock may be followed.
    pub const ANY: Self = Self { jump_max_ms: u64::MAX / 1_000, accepted_until: Timestamp(0) };

    /// Whether a wall clock that is `ahead_us` ahead may be followed.
    fn allows(self, ahead_us: i64, wall_us: u64) -> bool {
        let jump_max_us = self.jump_max_ms.saturating_mul(1_000);
        let accepted_us = self.accepted_until.0.saturating_mul(1_000);
        let is_near = |us: u64| us <= jump_max_us;
        let is_accepted = accepted_us > 0 && is_near(wall_us.saturating_sub(accepted_us));
        ahead_us <= 0 || is_near(ahead_us.unsigned_abs()) || is_accepted
    }
}

/// The result of a correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// How far the wall clock is ahead of the proposed time, in microseconds.
    pub offset_us: i64,
    /// Whether the offset exceeds the alarm limit.
    pub alarm: bool,
    /// Whether the alarm was off at the last correction.
    pub alarm_is_new: bool,
    /// Why time has leapt to the wall clock, if it has.
    pub leap: Option<Leap>,
}

/// Why time may leap to a wall clock that is ahead, instead of being slewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leap {
    /// The computer was suspended.
    Suspended,
    /// An operator has accepted the wall clock.
    Accepted,
}

/// The readings that the last correction used.
#[derive(Clone, Copy, Debug)]
struct Corrected {
    reading: Reading,
    accepted_until: Timestamp,
}

/// Proposes times. Reading it takes no lock.
pub struct Clock {
    source: Arc<dyn TimeSource>,
    /// Proposed time minus monotonic time.
    offset_us: AtomicI64,
    /// The highest time proposed so far.
    floor_ms: AtomicU64,
    alarm_us: i64,
    alarm: AtomicBool,
    /// Wall clock minus proposed time at the last correction, in milliseconds.
    wall_offset_ms: AtomicI64,
    /// Whether the wall clock is further ahead than it may be followed.
    is_held_back: AtomicBool,
    last: Mutex<Corrected>,
}

impl Clock {
    /// Starts at the wall clock. Starts at the last logged time if that is later, or if the wall clock is further ahead
    /// than `allowance` allows. Offsets beyond `alarm_ms` raise the alarm.
    #[must_use]
    pub fn start(
        source: Arc<dyn TimeSource>,
        last_logged: Timestamp,
        alarm_ms: u64,
        allowance: Allowance,
    ) -> Self {
        let reading = source.read();
        let logged_us = last_logged.0.saturating_mul(1_000);
        let ahead_us = signed(reading.wall_us) - signed(logged_us);
        let is_held_back = !allowance.allows(ahead_us, reading.wall_us);
        let start_us = if is_held_back { logged_us } else { reading.wall_us.max(logged_us) };
        let wall_offset_ms = (signed(reading.wall_us) - signed(start_us)) / 1_000;
        Self {
            source,
            offset_us: AtomicI64::new(signed(start_us) - signed(reading.monotonic_us)),
            floor_ms: AtomicU64::new(last_logged.0),
            alarm_us: signed(alarm_ms.saturating_mul(1_000)),
            alarm: AtomicBool::new(false),
            wall_offset_ms: AtomicI64::new(wall_offset_ms),
            is_held_back: AtomicBool::new(is_held_back),
            last: Mutex::new(Corrected { reading, accepted_until: allowance.accepted_until }),
        }
    }

    /// The time to propose now. It never decreases, also across threads.
    #[must_use]
    pub fn propose_now(&self) -> Timestamp {
        let now_ms = self.slewed_us(self.source.monotonic_us()) / 1_000;
        let now_ms = now_ms.min(Timestamp::MAX.0);
        Timestamp(self.floor_ms.fetch_max(now_ms, Ordering::AcqRel).max(now_ms))
    }

    /// The monotonic clock in milliseconds, for deadlines of calls and connections.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        self.source.monotonic_us() / 1_000
    }

    /// The monotonic clock in microseconds, for measurements.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        self.source.monotonic_us()
    }

    /// The wall clock in milliseconds since the Unix epoch.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        self.source.read().wall_us / 1_000
    }

    /// Wall clock minus proposed time as of the last correction, in milliseconds.
    #[must_use]
    pub fn wall_offset_ms(&self) -> i64 {
        self.wall_offset_ms.load(Ordering::Relaxed)
    }

    /// The warning about the clocks for an operator, if there is one.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let offset_s = self.wall_offset_ms() / 1_000;
        if self.is_held_back.load(Ordering::Relaxed) {
            return Some(Warning::ClockHeldBack.about(format!(
                "The wall clock is {offset_s} s ahead of the server's time, more than clock_jump_max_ms allows: time went on from the last op."
            )));
        }
        self.alarm.load(Ordering::Relaxed).then(|| {
            let side = if offset_s < 0 { "behind" } else { "ahead of" };
            let offset_s = offset_s.unsigned_abs();
            Warning::ClockOff.about(format!(
                "The wall clock is {offset_s} s {side} the server's time, which follows it by at most a thousandth; \
                 times that people are shown go by the wall clock."
            ))
        })
    }

    /// Slews the clock towards the wall clock. One thread calls this a few times a second.
    pub fn correct(&self, allowance: Allowance) -> Correction {
        let reading = self.source.read();
        let now = Corrected { reading, accepted_until: allowance.accepted_until };
        let last = std::mem::replace(&mut *self.last.lock(), now);
        let elapsed_us = signed(reading.monotonic_us.saturating_sub(last.reading.monotonic_us));
        let offset_us = signed(reading.wall_us) - signed(self.slewed_us(reading.monotonic_us));
        let may_follow = allowance.allows(offset_us, reading.wall_us);
        let is_accepted = allowance.accepted_until > last.accepted_until && may_follow && offset_us > 0;
        let leap = if reading.suspended_us > last.reading.suspended_us.saturating_add(SUSPEND_US) {
            Some(Leap::Suspended)
        } else {
            is_accepted.then_some(Leap::Accepted)
        };
        let step_us = if leap.is_some() && may_follow && offset_us > 0 {
            offset_us
        } else if offset_us.unsigned_abs() > allowance.jump_max_ms.saturating_mul(1_000) {
            // A wall clock that is this far off is not better than the monotonic clock.
            0
        } else {
            let step_max_us = elapsed_us / SLEW_DIVISOR;
            offset_us.clamp(-step_max_us, step_max_us)
        };
        self.offset_us.fetch_add(step_us, Ordering::AcqRel);
        let offset_us = offset_us - step_us;
        self.wall_offset_ms.store(offset_us / 1_000, Ordering::Relaxed);
        self.is_held_back.store(!allowance.allows(offset_us, reading.wall_us), Ordering::Relaxed);
        let alarm = offset_us.abs() > self.alarm_us;
        let was_on = self.alarm.swap(alarm, Ordering::AcqRel);
        Correction { offset_us, alarm, alarm_is_new: alarm && !was_on, leap }
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
    const DAY_MS: u64 = 24 * HOUR_MS;
    const YEAR_MS: u64 = 365 * DAY_MS;
    const WEEK: Allowance = Allowance { jump_max_ms: 7 * DAY_MS, accepted_until: Timestamp(0) };

    fn clock_at(wall_ms: u64, last_logged_ms: u64) -> (Arc<ManualTimeSource>, Clock) {
        let source = Arc::new(ManualTimeSource::new(wall_ms));
        let clock = Clock::start(source.clone(), Timestamp(last_logged_ms), 1_000, WEEK);
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
            let correction = clock.correct(WEEK);
            assert!(correction.alarm && correction.alarm_is_new && correction.leap.is_none());
            let moved = clock.propose_now().0.abs_diff(5 * HOUR_MS + 10_000);
            assert!(moved <= 10, "time moved by {moved} ms in 10 s");
            assert!(!clock.correct(WEEK).alarm_is_new);
        }
    }

    #[test]
    fn a_small_offset_is_slewed_away() {
        // Proves that the clock does follow the wall clock.
        let (source, clock) = clock_at(1_000_000, 0);
        source.set_wall_ms(1_000_100);
        for _ in 0..1_000 {
            source.advance_ms(200);
            clock.correct(WEEK);
        }
        assert_eq!(clock.propose_now().0, 1_000_100 + 200_000);
    }

    #[test]
    fn time_never_goes_back_while_it_is_slewed_back() {
        // Proves that proposed times never decrease while the clock is slowed down.
        let (source, clock) = clock_at(1_000_000, 0);
        source.set_wall_ms(900_000);
        let mut last = clock.propose_now();
        for _ in 0..1_000 {
            source.advance_ms(1);
            clock.correct(WEEK);
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
        let correction = clock.correct(WEEK);
        assert!(correction.leap == Some(Leap::Suspended) && !correction.alarm);
        assert_eq!(clock.propose_now(), Timestamp(1_000_000 + HOUR_MS));
    }

    #[test]
    fn a_start_follows_a_wall_clock_that_is_far_ahead_only_when_it_is_accepted() {
        // Proves that a wall clock a year ahead does not advance time at a start, that there is a warning until an
        // operator accepts it, and that it is followed then, at the next correction and at any later start.
        let last_ms = 2 * YEAR_MS;
        let wall_ms = last_ms + YEAR_MS;
        let (source, clock) = clock_at(wall_ms, last_ms);
        assert_eq!(clock.propose_now(), Timestamp(last_ms));
        source.advance_ms(1_000);
        assert_eq!(clock.correct(WEEK).leap, None);
        assert_eq!(clock.propose_now(), Timestamp(last_ms + 1_000), "neither followed nor slewed");
        assert!(clock.warning().is_some_and(|sentence| sentence.contains("stockhold clock accept")));
        let accepted = Allowance { accepted_until: Timestamp(wall_ms + 1_000), ..WEEK };
        assert_eq!(clock.correct(accepted).leap, Some(Leap::Accepted));
        assert_eq!(clock.propose_now(), Timestamp(wall_ms + 1_000));
        assert_eq!(clock.warning(), None);
        assert_eq!(clock.correct(accepted).leap, None, "accepted once");
        let later = Clock::start(source, Timestamp(last_ms), 1_000, accepted);
        assert_eq!(later.propose_now(), Timestamp(wall_ms + 1_000));
        let (_, clock) = clock_at(last_ms + 7 * DAY_MS, last_ms);
        assert_eq!(clock.propose_now(), Timestamp(last_ms + 7 * DAY_MS), "seven days are followed");
    }

    #[test]
    fn a_wall_clock_that_is_behind_is_reported_and_time_goes_on() {
        // Proves that logged time continues from where it was, and that the offset gives the time to show to people,
        // also once the clock is right.
        let last_ms = 2 * YEAR_MS;
        for behind_ms in [20 * 60_000, DAY_MS, YEAR_MS] {
            let (source, clock) = clock_at(last_ms - behind_ms, last_ms);
            assert_eq!(clock.wall_offset_ms(), -i64::try_from(behind_ms).unwrap());
            source.advance_ms(5_000);
            clock.correct(WEEK);
            let time_ms = clock.propose_now().0;
            assert!((last_ms + 4_990..=last_ms + 5_000).contains(&time_ms), "{time_ms}");
            assert!(clock.warning().is_some_and(|sentence| sentence.contains("behind")));
            source.set_wall_ms(last_ms + 5_000);
            clock.correct(WEEK);
            assert!(clock.wall_offset_ms().abs() <= 10);
            assert_eq!(clock.warning(), None);
        }
    }
}
