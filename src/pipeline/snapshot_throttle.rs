//! When the snapshotter of snapshots rests. Written at full speed, a snapshot takes a third of a busy server's throughput: disk, a core and the
//! applier's copying. So the snapshotter rests after work, in proportion to it, as long as commands come and memory allows. It knows nothing of
//! what the snapshotter does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::watermarks::Watermarks;
use crate::clock::Clock;

/// So much work, in microseconds, is followed by a throttle.
const WORK_US_MIN: u64 = 2_000;
/// A throttle is so many times as long as the work before it. Measured with a snapshot under way all the time: without a throttle 62 to 71 % of the
/// throughput are left, with 2 times 81 to 90 %, with 4 times 87 to 96 %.
const PAUSE_FACTOR: u64 = 4;
/// The longest throttle, in microseconds.
const PAUSE_US_MAX: u64 = 100_000;
/// With fewer ops than this for each millisecond of work nobody is disturbed.
const OPS_PER_MS: u64 = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct SnapshotThrottle {
    clock: Arc<Clock>,
    watermarks: Arc<Watermarks>,
    /// Work since the last throttle.
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

    /// How long the throttle goes on, in milliseconds; `None` when there is none.
    pub(super) fn pause_left_ms(&self, is_urgent: &AtomicBool) -> Option<u64> {
        if is_urgent.load(Ordering::Relaxed) {
            return None;
        }
        let left_us = self.until_us.checked_sub(self.clock.monotonic_us()).filter(|us| *us > 0)?;
        Some(left_us.div_ceil(1_000))
    }

    /// Work begins.
    pub(super) fn begin(&self) -> u64 {
        self.clock.monotonic_us()
    }

    /// Work that began at `started_us` has ended, and may have earned a throttle.
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
    fn work_that_disturbs_others_is_followed_by_a_rest_of_four_times_its_length() {
        // Proves the share: a fifth of the time at most, in pieces of at most a tenth of a second.
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
    fn nobody_rests_on_a_server_with_nothing_to_do() {
        // Proves the limit to the op: 20 ops for each millisecond of work are a reason to throttle, one fewer is none.
        let (mut throttle, time, watermarks) = throttle();
        apply(&watermarks, 20 * 10 - 1);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), None);
        apply(&watermarks, 20 * 10 - 1 + 20 * 10);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(40));
    }

    #[test]
    fn memory_ends_a_rest() {
        // Proves that what is put aside for a snapshot does not pile up while its snapshotter rests.
        let (mut throttle, time, watermarks) = throttle();
        apply(&watermarks, 10_000);
        work(&mut throttle, &time, 10);
        assert_eq!(throttle.pause_left_ms(&AtomicBool::new(true)), None);
        assert_eq!(throttle.pause_left_ms(&NOT_URGENT), Some(40));
    }
}
