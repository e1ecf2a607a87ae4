//! Options of a client: connections, deadlines, limits and retries. Plain values only.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream to a server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection attempt in progress.
pub type DialFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Opens streams to the server: TCP in production, streams in memory in a simulation.
pub type Dialer = Arc<dyn Fn() -> DialFuture + Send + Sync>;

/// How a call is retried under the same id until its deadline.
///
/// The pause before try `n` is random between 0 and `first_pause × 2ⁿ`, at most `longest_pause`. The time that a busy
/// server asks for is added. Shortly before the deadline the random part is shorter, so that a call is tried until its
/// deadline and does not end before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first try. Default: 2 ms.
    pub first_pause: Duration,
    /// The maximum pause. Default: 500 ms.
    pub longest_pause: Duration,
    /// The maximum number of tries of one call. Default: `u32::MAX`, so that only the deadline ends a call. Minimum: 1.
    pub tries_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(2),
            longest_pause: Duration::from_millis(500),
            tries_max: u32::MAX,
        }
    }
}

impl RetryPolicy {
    /// A single try without retries.
    #[must_use]
    pub fn never() -> Self {
        Self { tries_max: 1, ..Self::default() }
    }

    /// A pause with full jitter after `tries` tries.
    pub(crate) fn pause(&self, tries: u32) -> Duration {
        let longest = self.first_pause.saturating_mul(1 << tries.min(20)).min(self.longest_pause);
        let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(fastrand::u64(..=longest_us))
    }
}

/// The shortest pause near the end of the time that is left.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Shortens a pause to half of the time that is left. The last pauses are short, so that the time is used to its end.
pub(crate) fn within(left: Duration, pause: Duration) -> Duration {
    pause.min((left / 2).max(PAUSE_MIN)).min(left)
}

/// How a client behaves; see [`crate::ClientBuilder`] for what each means.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) client_name: String,
    pub(crate) connections: usize,
    /// How long the first connection is retried. `None`: it is tried once.
    pub(crate) connect_within: Option<Duration>,
    pub(crate) deadline: Duration,
    pub(crate) in_flight_max: u32,
    pub(crate) retry: RetryPolicy,
    pub(crate) stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_name: "stockhold-client".to_owned(),
            connections: 2,
            connect_within: None,
            deadline: Duration::from_secs(5),
            in_flight_max: 8_192,
            retry: RetryPolicy::default(),
            stall: Duration::from_secs(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_use_the_time_up_to_its_end() {
        // Proves that pauses in sequence never exceed the time that is left, use all of it, and end.
        for wanted_ms in [0, 1, 30, 500, 60_000] {
            let (mut left, mut pauses) = (Duration::from_secs(2), 0);
            while !left.is_zero() {
                let pause = within(left, Duration::from_millis(wanted_ms).max(PAUSE_MIN));
                assert!(pause <= left && !pause.is_zero());
                left -= pause;
                pauses += 1;
            }
            assert!(pauses <= 2_000, "{pauses} pauses of {wanted_ms} ms");
        }
    }

    #[test]
    fn pauses_grow_and_stay_below_the_longest() {
        // Proves the bounds of the backoff: no pause above its step, none above the maximum, and jitter in between.
        let policy = RetryPolicy::default();
        for tries in 0..64 {
            let step = policy.first_pause.saturating_mul(1 << tries.min(20)).min(policy.longest_pause);
            assert!((0..50).all(|_| policy.pause(tries) <= step));
        }
        let late: Vec<_> = (0..50).map(|_| policy.pause(30)).collect();
        assert!(late.iter().any(|pause| *pause != late[0]), "there is no jitter");
    }
}
