//! Measures once a second what no stage counts: rates, and the space of the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::storage::SharedStorage;

/// The time between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// The measurements.
pub(super) struct Sampler {
    storage: SharedStorage,
    metrics: Arc<Metrics>,
    last: Instant,
    ops: u64,
    commands: u64,
}

impl Sampler {
    /// Measures the space at once, and the rates from now on.
    pub(super) fn new(storage: SharedStorage, metrics: Arc<Metrics>) -> Self {
        let sampler = Self { storage, metrics, last: Instant::now(), ops: 0, commands: 0 };
        sampler.measure_space();
        sampler
    }

    /// Measures, if it is time to.
    pub(super) fn step(&mut self) {
        let elapsed = self.last.elapsed();
        if elapsed < INTERVAL {
            return;
        }
        self.last = Instant::now();
        self.measure_space();
        let rate = |count: u64, before: &mut u64| {
            let new = count.saturating_sub(std::mem::replace(before, count));
            per_second(new, elapsed)
        };
        self.metrics.ops_per_second.set(rate(self.metrics.ops_logged.get(), &mut self.ops));
        self.metrics.commands_per_second.set(rate(self.metrics.commands_received.get(), &mut self.commands));
    }

    fn measure_space(&self) {
        // A file system that does not answer keeps its last value.
        if let Some(space) = self.storage.space() {
            self.metrics.disk_free_bytes.set(space.free_bytes);
            self.metrics.disk_bytes.set(space.all_bytes);
        }
    }
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let rate = u128::from(count) * 1_000_000 / elapsed.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_for_one_second() {
        // Proves that a measurement that comes late does not raise the rate.
        assert_eq!(per_second(3_000, Duration::from_secs(1)), 3_000);
        assert_eq!(per_second(3_000, Duration::from_millis(1_500)), 2_000);
        assert_eq!(per_second(0, Duration::ZERO), 0);
    }
}
