//! Pauses the snapshotter. A snapshot at full speed takes a third of a busy server's throughput: disk, a core and the
//! copying in the applier. So the snapshotter pauses after work, in proportion to it, while commands arrive and memory
//! allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::watermarks::Watermarks;
use crate::clock::Clock;

/// A pause follows at least this much work, in microseconds.
const WORK_US_MIN: u64 = 2_000;
/// A pause takes this many times as long as the work before it. Measured with a snapshot always in progress: without
/// pauses 62 to 71 % of the throughput remain, with factor 2 it is 81 to 90 %, with factor 4 it is 87 to 96 %.
const PAUSE_FACTOR: u64 = 4;
/// The longest pause, in microseconds.
const PAUSE_US_MAX: u64 = 100_000;
/// With fewer ops than this per millisecond of work the server is not busy and the snapshotter does not pause.
const OPS_PER_MS: u64 = 20;

/// Decides when the snapshotter pauses.
#[derive(Debug)]
pub(super) struct SnapshotThrottle {
    clock: Arc<Clock>,
    watermarks: Arc<Watermarks>,
    /// The work since the last pause.
    worked_us: u64,
    /// The last applied op when that work began.
    op: u64,
    until_us: u64,
}

impl SnapshotThrottle {
    pub(super) fn new(clock: Arc<Clock>, watermarks: Arc<Watermarks>) -> Self {
        let op = watermarks.applied();
        Self { clock, watermarks, worked_us: 0, op, until_us: 0 }
    }

    /// The remaining time of the pause in milliseconds; `None` when there is no pause.
    pub(super) fn pause_left_ms(&self, is_urgent: &AtomicBool) -> Option<u64> {
        if is_urgent.load(Ordering::Relaxed) {
            return None;
        }
        let left_us = self.until_us.checked_sub(self.clock.monotonic_us()).filter(|us| *us > 0)?;
        Some(left_us.div_ceil(1_000))
    }

    /// Begins a piece of work and returns its start.
    pub(super) fn begin(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// Ends the work that began at `started_us`. A pause may follow.
    pub(super) fn end(&mut self, started_us: u64) {
        let ended_us = self.clock.monotonic_us();
        self.worked_us += ended_us.saturating_sub(started_us);
        if self.worked_us < WORK_US_MIN {
            return;
        }
        let op = self.watermarks.applied();
        let ops = op.saturating_sub(std::mem::replace(&mut self.op, op));
        let worked_us = std::mem::take(&mut self.worked_us);
        if ops >= worked_us / 1_000 * OPS_PER_MS {
            self.until_us = ended_us + (worked_us * PAUSE_FACTOR).min(PAUSE_US_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Allowance, ManualTimeSource};
    use stockhold_protocol::Timestamp;

    static NOT_URGENT: AtomicBool = AtomicBool::new(false);

    fn throttle() -> (SnapshotThrottle, Arc<ManualTimeSource>, Arc<Watermarks>) {
        let time = Arc::new(ManualTimeSource::new(1_000_000));
        let clock = Arc::new(Clock::start(time.clone(), Timestamp(0), 1_000, Allowance::ANY));
        let watermarks = Arc::new(Watermarks::at(0));
        (SnapshotThrottle::new(clock, watermarks.clone()), time, watermarks)
    }

    fn apply(watermarks: &Watermarks, op: u64) {
        watermarks.propose(op);
        watermarks.log(op);
        watermarks.sync(op);
        watermarks.apply(op);
    }

    fn work(throttle: &mut SnapshotThrottle, time: &ManualTimeSource, ms: u64) {
        let started_us = throttle.begin();
        time.advance_ms(ms);
        throttle.end(started_us);
    }

    #[test]
    fn a_busy_server_pauses_the_snapshotter_four_times_as_long_as_it_worked() {
        // Proves the share: at most a fifth of the time, with pauses of at most a tenth of a second.
        let (mut throttle, time, watermarks) = throttle();
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), None);
        apply(&watermarks, 1_000);
        work(&mut throttle, &time, 1);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), None, "too little work for a pause");
        work(&mut throttle, &time, 2);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(12));
        time.advance_ms(11);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(1));
        time.advance_ms(1);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), None);
        apply(&watermarks, 1_000_000);
        work(&mut throttle, &time, 5_000);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(100));
    }

    #[test]
    fn an_idle_server_does_not_pause_the_snapshotter() {
        // Proves the limit: 20 ops per millisecond of work cause a pause, one fewer does not.
        let (mut throttle, time, watermarks) = throttle();
        apply(&watermarks, 20 * 10 - 1);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), None);
        apply(&watermarks, 20 * 10 - 1 + 20 * 10);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(40));
    }

    #[test]
    fn too_much_memory_ends_a_pause() {
        // Proves that the memory of a snapshot does not grow further while the snapshotter pauses.
        let (mut throttle, time, watermarks) = throttle();
        apply(&watermarks, 10_000);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&AtomicBool::new(true)), None);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(40));
    }
}
