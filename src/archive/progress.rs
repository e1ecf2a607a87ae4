//! How far the archive of a running server is, for its status, for the trimmer and for the sequencer. All are atomics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stockhold_protocol::query::Metric;

use crate::metrics::metric;
use crate::snapshot::LogPoint;
use crate::warning::Warning;

/// How far the archive is.
#[derive(Debug)]
pub struct ArchiveProgress {
    /// Log position minus op, constant while a server runs.
    ahead: u64,
    /// With `archive.required`: the lag in milliseconds beyond which the server accepts no new promises.
    required_lag_ms: Option<u64>,
    /// The last archived position.
    position: AtomicU64,
    /// Segments before this one are archived.
    segment: AtomicU64,
    /// When everything that was durable then had been archived, in milliseconds of the monotonic clock.
    caught_up_ms: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
    passes: AtomicU64,
    failures: AtomicU64,
    trimmed_unarchived: AtomicU64,
    /// The oldest op to which the archive leads back; `u64::MAX` = none, or not known yet.
    restorable_from: AtomicU64,
    is_failing: AtomicBool,
    is_over_budget: AtomicBool,
}

impl ArchiveProgress {
    /// The progress of a server that starts at this point of its log.
    #[must_use]
    pub fn new(start: LogPoint, required_lag_ms: Option<u64>, now_ms: u64) -> Self {
        Self {
            ahead: start.position.saturating_sub(start.op),
            required_lag_ms,
            position: AtomicU64::new(0),
            segment: AtomicU64::new(0),
            caught_up_ms: AtomicU64::new(now_ms),
            bytes: AtomicU64::new(0),
            total_bytes: AtomicU64::new(0),
            passes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            trimmed_unarchived: AtomicU64::new(0),
            restorable_from: AtomicU64::new(u64::MAX),
            is_failing: AtomicBool::new(false),
            is_over_budget: AtomicBool::new(false),
        }
    }

    /// The log position of an op of this server.
    #[must_use]
    pub fn position_of(&self, op: u64) -> u64 {
        op + self.ahead
    }

    /// The log is archived up to what was durable at `then_ms`.
    pub(super) fn log_archived(&self, passed: &super::Passed, then_ms: u64) {
        self.position.store(passed.last_position, Ordering::Release);
        self.segment.store(passed.segment_in_use, Ordering::Release);
        self.caught_up_ms.fetch_max(then_ms, Ordering::AcqRel);
    }

    /// A pass has archived everything that there was.
    pub(super) fn passed(&self, passed: &super::Passed, total_bytes: u64) {
        self.bytes.fetch_add(passed.bytes, Ordering::Relaxed);
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
        self.passes.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(false, Ordering::Relaxed);
        self.is_over_budget.store(false, Ordering::Relaxed);
    }

    /// Old objects were removed.
    pub(super) fn retained(&self, total_bytes: u64) {
        self.total_bytes.store(total_bytes, Ordering::Relaxed);
    }

    /// The archive leads back to this op.
    pub(super) fn leads_back_to(&self, op: Option<u64>) {
        self.restorable_from.store(op.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The oldest op to which the archive leads back: every later one can be restored from it. `None` if there is none, or
    /// if that is not known yet.
    #[must_use]
    pub fn restorable_from(&self) -> Option<u64> {
        Some(self.restorable_from.load(Ordering::Relaxed)).filter(|op| *op != u64::MAX)
    }

    /// A pass has failed. Returns whether the one before had not.
    pub(super) fn failed(&self) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        !self.is_failing.swap(true, Ordering::Relaxed)
    }

    /// The byte budget is spent. Returns whether it was not before.
    pub(super) fn over_budget(&self) -> bool {
        !self.is_over_budget.swap(true, Ordering::Relaxed)
    }

    /// Segments before this one are archived; 0 if that is not known yet.
    #[must_use]
    pub fn segment(&self) -> u64 {
        self.segment.load(Ordering::Acquire)
    }

    /// The trimmer has removed segments that the archive lacks, because they took too much space.
    pub fn trimmed_unarchived(&self, segments: u64) {
        self.trimmed_unarchived.fetch_add(segments, Ordering::Relaxed);
    }

    /// How many durable ops the archive lacks, and for how long it has lacked some, in milliseconds.
    #[must_use]
    pub fn lag(&self, durable_op: u64, now_ms: u64) -> (u64, u64) {
        let ops = self.position_of(durable_op).saturating_sub(self.position.load(Ordering::Acquire));
        if ops == 0 {
            // Time in which nothing is missing is no lag, also when no pass succeeds in it.
            self.caught_up_ms.fetch_max(now_ms, Ordering::AcqRel);
            return (0, 0);
        }
        (ops, now_ms.saturating_sub(self.caught_up_ms.load(Ordering::Acquire)))
    }

    /// Whether the server must not accept new promises, because the archive is required and too far behind. The sequencer
    /// asks before each batch, so the lag begins with the first op that is missing.
    #[must_use]
    pub fn blocks(&self, durable_op: u64, now_ms: u64) -> bool {
        let (_, lag_ms) = self.lag(durable_op, now_ms);
        self.required_lag_ms.is_some_and(|most| lag_ms > most)
    }

    /// The metrics.
    pub fn render(&self, durable_op: u64, now_ms: u64, out: &mut Vec<Metric>) {
        let (ops, ms) = self.lag(durable_op, now_ms);
        let count = |value: &AtomicU64| value.load(Ordering::Relaxed);
        out.extend([
            metric("archive_lag_ops", "ops", ops),
            metric("archive_lag_ms", "ms", ms),
            metric("archive_position", "position", count(&self.position)),
            metric("archive_passes", "passes", count(&self.passes)),
            metric("archive_failures", "passes", count(&self.failures)),
            metric("archive_bytes_written", "bytes", count(&self.bytes)),
            metric("archive_bytes", "bytes", count(&self.total_bytes)),
            metric("archive_trimmed_unarchived", "segments", count(&self.trimmed_unarchived)),
        ]);
    }

    /// The warning for the operator, if the archive needs attention.
    #[must_use]
    pub fn warning(&self, durable_op: u64, now_ms: u64) -> Option<String> {
        let (ops, ms) = self.lag(durable_op, now_ms);
        let selling = if self.blocks(durable_op, now_ms) {
            "no new promises are accepted (archive.required)"
        } else {
            "selling goes on"
        };
        if self.is_over_budget.load(Ordering::Relaxed) {
            return Some(Warning::ArchiveBudget.about(format!(
                "The archive has spent its budget (archive.budget-bytes) and is {ops} ops behind; {selling}."
            )));
        }
        self.is_failing.load(Ordering::Relaxed).then(|| {
            Warning::ArchiveFailing.about(format!(
                "The archive cannot be written and is {ops} ops, {} s behind; {selling}.",
                ms / 1_000
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Passed;

    #[test]
    fn the_lag_counts_only_while_something_is_missing() {
        // Proves ops and time of the lag, the limit with `required`, and that neither a pass that had
        // nothing to do nor a time without ops counts.
        let progress = ArchiveProgress::new(LogPoint { op: 10, position: 12 }, Some(5_000), 1_000);
        let passed = |last_position| Passed { last_position, ..Passed::default() };
        assert_eq!(progress.position_of(10), 12);
        progress.log_archived(&passed(12), 1_000);
        assert_eq!(progress.lag(10, 9_000), (0, 0));
        assert!(!progress.blocks(10, 9_000));
        assert_eq!(progress.lag(15, 10_000), (5, 1_000), "nothing was missing until 9,000");
        assert!(!progress.blocks(15, 14_000) && progress.blocks(15, 14_001));
        assert!(progress.warning(15, 14_001).is_none(), "a pass may be under way");
        assert!(progress.failed() && !progress.failed());
        let told = progress.warning(15, 14_001).unwrap_or_default();
        assert!(told.contains("5 ops, 5 s behind; no new promises"), "{told}");
        progress.log_archived(&passed(17), 15_000);
        progress.passed(&passed(17), 0);
        assert_eq!(progress.lag(15, 90_000), (0, 0));
        assert!(progress.warning(15, 90_000).is_none());
    }
}
