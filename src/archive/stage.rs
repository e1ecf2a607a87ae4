//! The archive of a running server: one pass after the other, on a thread of its own. The server never waits for it.

use std::sync::Arc;
use std::time::Duration;

use super::retention::Retention;
use super::{ArchiveError, ArchiveProgress, Archiver, PassGuide, Passed, Store};
use crate::clock::Clock;
use crate::pipeline::Watermarks;
use crate::storage::SharedReadStorage;

/// The longest pause after failures, in milliseconds.
const PAUSE_MAX_MS: u64 = 30_000;
/// The number of intervals after which the stage says again that the server lives.
const ALIVE_INTERVALS: u64 = 20;
/// The longest time between two signs of life, in milliseconds, if the interval is not longer.
const ALIVE_MAX_MS: u64 = 5_000;

/// When to archive, and how much to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivePolicy {
    /// The longest time that the archive may be behind, in milliseconds: a pass begins early enough to end within that
    /// time from the beginning of the one before, if it takes as long.
    pub interval_ms: u64,
    /// How much to keep.
    pub retention: Retention,
    /// The maximum length of all objects; 0 = no limit.
    pub budget_bytes: u64,
}

/// The archive stage.
#[derive(Debug)]
pub struct ArchiveStage {
    files: SharedReadStorage,
    store: Arc<Store>,
    archiver: Option<Archiver>,
    policy: ArchivePolicy,
    progress: Arc<ArchiveProgress>,
    watermarks: Arc<Watermarks>,
    clock: Arc<Clock>,
    pause_ms: u64,
    /// When the stage said the last time that the server lives.
    alive_ms: Option<u64>,
}

impl ArchiveStage {
    /// A stage that has archived nothing yet.
    #[must_use]
    pub fn new(
        files: SharedReadStorage,
        store: Arc<Store>,
        policy: ArchivePolicy,
        progress: Arc<ArchiveProgress>,
        (watermarks, clock): (Arc<Watermarks>, Arc<Clock>),
    ) -> Self {
        Self {
            files,
            store,
            archiver: None,
            policy,
            progress,
            watermarks,
            clock,
            pause_ms: 0,
            alive_ms: None,
        }
    }

    /// Archives everything that is durable now. Returns how long to wait before the next step, in milliseconds.
    pub fn step(&mut self) -> u64 {
        let began_ms = self.clock.monotonic_ms();
        match self.pass() {
            Ok(()) => {
                self.pause_ms = 0;
                let took_ms = self.clock.monotonic_ms().saturating_sub(began_ms);
                self.policy.interval_ms.saturating_sub(2 * took_ms)
            }
            // The short pass of the stop is all that comes.
            Err(ArchiveError::Interrupted) => self.policy.interval_ms,
            Err(error) => {
                // What the archive has may be another thing than what this archiver knows of it.
                self.archiver = None;
                if self.progress.failed() {
                    tracing::error!(%error, source = ?error, "THE ARCHIVE CANNOT BE WRITTEN; selling goes on, trying again");
                }
                self.pause_ms = (self.pause_ms * 2).clamp(self.policy.interval_ms, PAUSE_MAX_MS);
                self.pause_ms
            }
        }
    }

    /// The place of the archive, which whoever stops the server interrupts.
    #[must_use]
    pub fn store(&self) -> Arc<Store> {
        self.store.clone()
    }

    /// Archives the end of the log, after the server has written it, and gives up after `most`.
    pub fn finish(&mut self, most: Duration) {
        self.store.interrupt_after(most);
        let (op, now_ms) = (self.watermarks.durable(), self.clock.monotonic_ms());
        let result = self.finish_log();
        let (lag, _) = self.progress.lag(op, now_ms);
        if let Err(error) = result {
            tracing::error!(ops = lag, %error, source = ?error, "THE ARCHIVE LACKS THE END OF THE LOG; the next start archives it");
        }
    }

    fn finish_log(&mut self) -> Result<(), ArchiveError> {
        let mut archiver = match self.archiver.take() {
            Some(archiver) => archiver,
            None => Archiver::open(self.files.clone(), self.store.clone())?,
        };
        let budget = self.policy.budget_bytes;
        if budget > 0 && archiver.bytes() >= budget {
            return Ok(());
        }
        archiver.pass_log(&mut self.guide()).map(drop)
    }

    fn guide(&self) -> Guide {
        Guide {
            progress: self.progress.clone(),
            watermarks: self.watermarks.clone(),
            clock: self.clock.clone(),
            interval_ms: self.policy.interval_ms,
            asked_ms: 0,
        }
    }

    fn pass(&mut self) -> Result<(), ArchiveError> {
        let mut guide = self.guide();
        let retention = self.policy.retention;
        let archiver = if let Some(archiver) = &mut self.archiver {
            archiver
        } else {
            let mut archiver = Archiver::open(self.files.clone(), self.store.clone())?;
            // What was removed before this start is not archived again.
            archiver.retain(retention)?;
            self.archiver.insert(archiver)
        };
        let now_ms = self.clock.monotonic_ms();
        let pause_ms = (ALIVE_INTERVALS * self.policy.interval_ms).min(ALIVE_MAX_MS);
        if self.alive_ms.is_none_or(|then_ms| now_ms.saturating_sub(then_ms) >= pause_ms) {
            archiver.say_alive(self.clock.propose_now().0)?;
            self.alive_ms = Some(now_ms);
        }
        let budget = self.policy.budget_bytes;
        if budget > 0 && archiver.bytes() >= budget {
            archiver.make_room(retention)?;
            // A snapshot that is not archived yet is what lets older ones go, so it may exceed the budget.
            if archiver.bytes() >= budget && !archiver.has_relief(retention)? {
                if self.progress.over_budget() {
                    tracing::error!(budget, "THE ARCHIVE HAS SPENT ITS BUDGET; selling goes on");
                }
                self.progress.retained(archiver.bytes());
                return Ok(());
            }
        }
        let passed = archiver.pass_with(&mut guide)?;
        self.progress.passed(&passed, archiver.bytes());
        if passed.snapshots > 0 {
            archiver.retain(retention)?;
            self.progress.retained(archiver.bytes());
        }
        if passed.snapshots > 0 || passed.segments > 0 || self.progress.restorable_from().is_none() {
            self.progress.leads_back_to(archiver.restorable_from()?);
        }
        Ok(())
    }
}

/// Lets a pass archive what is durable, and the log every interval.
struct Guide {
    progress: Arc<ArchiveProgress>,
    watermarks: Arc<Watermarks>,
    clock: Arc<Clock>,
    interval_ms: u64,
    /// When the log was asked for the last time.
    asked_ms: u64,
}

impl PassGuide for Guide {
    fn last_position(&mut self) -> u64 {
        self.asked_ms = self.clock.monotonic_ms();
        self.progress.position_of(self.watermarks.durable())
    }

    fn log_is_due(&mut self) -> bool {
        self.clock.monotonic_ms().saturating_sub(self.asked_ms) >= self.interval_ms
    }

    fn log_archived(&mut self, passed: &Passed) {
        self.progress.log_archived(passed, self.asked_ms);
    }
}
