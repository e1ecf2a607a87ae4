//! The server's time as a client knows it: what the time in ids is taken from.
//!
//! A server's time is not its wall clock, nor the client's: it never goes back, and follows a clock that was set wrong for long after it was
//! set right. Ids must be near to it. It is not for deadlines of calls, which go by this machine's monotonic clock.

use crate::ids::wall_clock_ms;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};
use stockhold_protocol::Deadline;
use stockhold_protocol::handshake::Welcome;

/// An answer may have been under way for so long that its time is no sign of a clock that is ahead, in milliseconds.
const LATE_MS: i64 = 10_000;
/// No server has told its time yet.
const UNKNOWN: i64 = i64::MIN;

/// See the module. Every connection of a client has the same one.
#[derive(Debug)]
pub struct ServerClock {
    origin: Instant,
    /// The server's time minus the time since `origin`, in milliseconds.
    offset_ms: AtomicI64,
    /// The second that an answer has told last.
    told_s: AtomicU32,
    /// The wall clock minus the time of deadlines, in milliseconds, as the newest connection was told.
    shown_offset_ms: AtomicI64,
}

impl ServerClock {
    /// A clock that shows this machine's wall clock until a server tells its time.
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

    /// A deadline by the wall clock, for people to see. A deadline itself is no wall-clock time: the time in which the server was
    /// down does not count. It goes by what the server said when the newest connection was made.
    #[must_use]
    pub fn shown(&self, deadline: Deadline) -> SystemTime {
        let shown_offset_ms = self.shown_offset_ms.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH
            + Duration::from_millis(deadline.timestamp().0.saturating_add_signed(shown_offset_ms))
    }

    /// A server has welcomed a connection.
    pub(crate) fn on_welcome(&self, welcome: &Welcome) {
        self.shown_offset_ms.store(welcome.shown_offset_ms, Ordering::Relaxed);
        self.set(welcome.time_ms);
    }

    /// A server has said what its time is.
    fn set(&self, time_ms: u64) {
        let time_ms = i64::try_from(time_ms).unwrap_or(i64::MAX);
        self.offset_ms.store(time_ms.saturating_sub(self.elapsed_ms()), Ordering::Relaxed);
    }

    /// An answer was given in this second of the server's time.
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
        // Proves that a server's time is taken over in both directions, and that an answer that was under way for a while is no reason to.
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
        assert!(is_about(9_000_000), "nothing was told");
        clock.note(1_000);
        assert!(is_about(1_000_000), "the clock was set back by a restart from an older state");
    }

    #[test]
    fn people_are_shown_deadlines_by_the_wall_clock() {
        // Proves both signs of the offset, and that the newest connection's is taken.
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
