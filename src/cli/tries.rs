//! The pauses between the tries of one call. They grow, and they use the time of the call up to its end and not longer.

use std::time::{Duration, Instant};

/// The first pause, which is also the shortest one.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a command waits for its server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timeout {
    /// From the beginning of the command to its end.
    Command(Duration),
    /// For each answer, in commands that exchange any number of messages.
    Answer(Duration),
}

impl Timeout {
    pub(super) const fn span(self) -> Duration {
        match self {
            Self::Command(span) | Self::Answer(span) => span,
        }
    }
}

/// The tries of one call.
#[derive(Debug)]
pub(super) struct Tries {
    until: Instant,
    pause: Duration,
}

impl Tries {
    pub(super) const fn until(until: Instant) -> Self {
        Self { until, pause: PAUSE_MIN }
    }

    /// The pause before the next try, at least as long as the server `asked` for. `None`: the time is over.
    pub(super) fn next_pause(&mut self, now: Instant, asked: Duration) -> Option<Duration> {
        let left = self.until.saturating_duration_since(now);
        if left.is_zero() {
            return None;
        }
        // Pauses near the end are shorter, so that the last try is not long before it.
        let pause = self.pause.min((left / 2).max(PAUSE_MIN));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Some(pause.max(asked).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_the_time() {
        // Proves that pauses use a time of any length to its end, with tries all along, and that none exceeds it.
        for (time_ms, tries) in [(1, 1..=1), (30, 2..=2), (2_000, 8..=14), (60_000, 60..=75)] {
            let begun = Instant::now();
            let end = begun + Duration::from_millis(time_ms);
            let (mut pauses, mut now, mut made) = (Tries::until(end), begun, 0);
            while let Some(pause) = pauses.next_pause(now, Duration::ZERO) {
                assert!(pause <= PAUSE_MAX);
                now += pause;
                made += 1;
            }
            assert_eq!(now, end);
            assert!(tries.contains(&made), "{made} tries in {time_ms} ms");
        }
    }

    #[test]
    fn a_server_is_not_asked_earlier_than_it_wants() {
        // Proves that a pause is as long as a busy server asked for, at most until the end.
        let now = Instant::now();
        let mut pauses = Tries::until(now + Duration::from_secs(5));
        assert_eq!(pauses.next_pause(now, Duration::from_secs(3)), Some(Duration::from_secs(3)));
        assert_eq!(pauses.next_pause(now, Duration::from_secs(9)), Some(Duration::from_secs(5)));
    }
}
