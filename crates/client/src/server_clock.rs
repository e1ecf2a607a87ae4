//! The server's time as the client estimates it. Ids are made from it.
//!
//! The server's time is neither its wall clock nor the client's. It never goes back, and it may stay ahead for a long
//! time after a wrong wall clock was corrected. Ids must be close to it. Deadlines of calls do not use it; they use
//! this machine's monotonic clock.

use crate::ids::wall_clock_ms;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};
use stockhold_protocol::Deadline;
use stockhold_protocol::handshake::Welcome;

/// An answer may be delayed by this many milliseconds without being taken as a sign of a clock that is ahead.
const LATE_MS: i64 = 10_000;
/// No server has reported its time yet.
const UNKNOWN: i64 = i64::MIN;

/// See the module. All connections of a client share one clock.
#[derive(Debug)]
pub struct ServerClock {
    origin: Instant,
    /// The server's time minus the time since `origin`, in milliseconds.
    offset_ms: AtomicI64,
    /// The second that the last answer reported.
    told_s: AtomicU32,
    /// The wall clock minus the hold time, in milliseconds, as reported to the newest connection.
    shown_offset_ms: AtomicI64,
}

impl ServerClock {
    /// A clock that shows this machine's wall clock until a server reports its time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            offset_ms: AtomicI64::new(UNKNOWN),
            told_s: AtomicU32::new(0),
            shown_offset_ms: AtomicI64::new(0),
        }
    }

    /// The server's time now, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match self.offset_ms.load(Ordering::Relaxed) {
            UNKNOWN => wall_clock_ms(),
            offset_ms => u64::try_from(offset_ms.saturating_add(self.elapsed_ms())).unwrap_or(0),
        }
    }

    /// A deadline as wall-clock time, for display. A deadline is in hold time, which does not count the time while
    /// the server was down. The offset is the one that the server reported when the newest connection was made.
    #[must_use]
    pub fn shown(&self, deadline: Deadline) -> SystemTime {
        let shown_offset_ms = self.shown_offset_ms.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH
            + Duration::from_millis(deadline.timestamp().0.saturating_add_signed(shown_offset_ms))
    }

    /// Called when a server has accepted a connection.
    pub(crate) fn on_welcome(&self, welcome: &Welcome) {
        self.shown_offset_ms.store(welcome.shown_offset_ms, Ordering::Relaxed);
        self.set(welcome.time_ms);
    }

    /// Sets the server's time to the reported one.
    fn set(&self, time_ms: u64) {
        let time_ms = i64::try_from(time_ms).unwrap_or(i64::MAX);
        self.offset_ms.store(time_ms.saturating_sub(self.elapsed_ms()), Ordering::Relaxed);
    }

    /// Notes that an answer was given in this second of the server's time.
    pub(crate) fn note(&self, time_s: u32) {
        if time_s == 0 || self.told_s.swap(time_s, Ordering::Relaxed) == time_s {
            return;
        }
        let told_ms = i64::from(time_s) * 1_000;
        let ahead_ms = i64::try_from(self.now_ms()).unwrap_or(i64::MAX).saturating_sub(told_ms);
        if !(0..=LATE_MS).contains(&ahead_ms) {
            self.set(u64::from(time_s) * 1_000);
        }
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.origin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Default for ServerClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_server_and_not_this_machine() {
        // Proves that the server's time is adopted in both directions, and that a delayed answer does not change it.
        let clock = ServerClock::new();
        let is_about = |ms: u64| (ms..ms + 60_000).contains(&clock.now_ms());
        assert!(is_about(wall_clock_ms()));
        clock.set(5_000_000);
        assert!(is_about(5_000_000));
        clock.note(4_995);
        assert!(clock.now_ms() >= 5_000_000, "the answer was late");
        clock.note(9_000);
        assert!(is_about(9_000_000));
        clock.note(0);
        assert!(is_about(9_000_000), "no time was received");
        clock.note(1_000);
        assert!(is_about(1_000_000), "the clock was set back by a restart from an older state");
    }

    #[test]
    fn people_are_shown_deadlines_by_the_wall_clock() {
        // Proves both signs of the offset, and that the newest connection's offset is used.
        let clock = ServerClock::new();
        let welcome = |shown_offset_ms| Welcome {
            rules_version: 3,
            time_ms: 1_800_000_000_000,
            shown_offset_ms,
            ..Welcome::default()
        };
        for (shown_offset_ms, shown_s) in
            [(0, 1_800_000_060), (-1_200_000, 1_799_998_860), (600_000, 1_800_000_660)]
        {
            clock.on_welcome(&welcome(shown_offset_ms));
            let shown = clock.shown(Deadline(1_800_000_060)).duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert_eq!(shown.as_secs(), shown_s);
        }
    }
}
