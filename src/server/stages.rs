//! The loops of the stage threads: step, sleep when there is nothing to do, and end when requested.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::events::{Event, ServerEvents};
use super::sampler::Sampler;
use super::threads::ShutdownFlags;
use crate::clock::{Clock, Leap};
use crate::metrics::Metrics;
use crate::pipeline::snapshots::{SnapshotQueue, Snapshotter};
use crate::pipeline::{Applier, Feedback, Sequencer, Sleeper, Stepped};
use crate::status_board::StatusBoard;
use crate::wal::{LogWriter, Progress, SegmentPool, SegmentPreparer};
use crate::warning::Warning;

/// How often the clock is corrected, and the longest sleep of the housekeeping thread.
const HOUSEKEEPING: Duration = Duration::from_millis(200);
/// How long the final snapshot may take when the server stops.
const LAST_SNAPSHOT: Duration = Duration::from_mins(10);

/// The sequencer with its log, stepped by the log's own thread or, on the inline path, by a network thread.
pub(super) type SharedLog = Arc<Mutex<Sequencer<LogWriter>>>;

/// The applier, stepped by its own thread or, for a small batch, by the thread that has logged the batch, because
/// waking a thread takes longer than applying a small batch.
pub(super) type SharedApplier = Arc<Mutex<Applier>>;

/// Runs the sequencer until the ingress is closed and empty, then ends the log cleanly. No other thread holds the log
/// by then.
pub(super) fn run_log(
    shared: SharedLog,
    applier: &SharedApplier,
    sleeper: &Sleeper,
    flags: &ShutdownFlags,
    events: &ServerEvents,
) {
    let mut has_reported = false;
    loop {
        let mut sequencer = shared.lock();
        let stepped = step_log(&mut sequencer, applier);
        if let Some(error) = sequencer.failure() {
            if !has_reported {
                tracing::error!(%error, source = ?error, "THE LOG HAS FAILED; no further commands are accepted");
                events.report(Event::LogFailed);
                has_reported = true;
            }
            if flags.log_may_end.load(Ordering::Acquire) {
                return;
            }
        }
        drop(sequencer);
        match stepped {
            Stepped::Worked => {}
            Stepped::Finished => break,
            Stepped::Idle { wait_ms } | Stepped::Blocked { wait_ms } => {
                sleeper.sleep(wait_ms, || shared.lock().has_work());
            }
        }
    }
    let Some(sequencer) = Arc::into_inner(shared) else {
        unreachable!("network threads have ended before the ingress is closed")
    };
    match sequencer.into_inner().into_log().finish() {
        Ok(()) => tracing::info!("the log was ended cleanly"),
        Err(error) => {
            tracing::error!(%error, source = ?error, "the end frame of the log could not be written");
        }
    }
}

/// Steps the sequencer once and, if it has logged a small batch, also the applier.
pub(super) fn step_log(sequencer: &mut Sequencer<LogWriter>, applier: &SharedApplier) -> Stepped {
    let stepped = sequencer.step();
    if sequencer.take_unannounced_batch() {
        match applier.try_lock() {
            Some(mut applier) => {
                step_applier(&mut applier);
                if applier.needs_own_thread() {
                    sequencer.wake_applier();
                }
            }
            None => sequencer.wake_applier(),
        }
    }
    stepped
}

/// Runs the applier until the log thread has ended and all batches are applied.
pub(super) fn run_applier(
    shared: &SharedApplier,
    sleeper: &Sleeper,
    flags: &ShutdownFlags,
    snapshot_at_stop: bool,
) {
    let mut asked_for_snapshot = false;
    let mut give_up_at = None;
    loop {
        let mut applier = shared.lock();
        if flags.log_ended.load(Ordering::Acquire) {
            // A failed log may not be durable up to the applied op, so no snapshot may be based on it.
            if snapshot_at_stop && !asked_for_snapshot && !applier.has_log_failed() {
                asked_for_snapshot = true;
                give_up_at = Some(Instant::now() + LAST_SNAPSHOT);
                applier.snapshot_now();
            }
            if !applier.is_snapshotting() || give_up_at.is_none_or(|at| Instant::now() >= at) {
                applier.finish();
            }
        }
        let stepped = step_applier(&mut applier);
        drop(applier);
        match stepped {
            Stepped::Worked => {}
            Stepped::Finished => return,
            Stepped::Idle { wait_ms } | Stepped::Blocked { wait_ms } => {
                let has_ended = || flags.log_ended.load(Ordering::Acquire);
                sleeper.sleep(wait_ms, || shared.lock().has_work() || has_ended());
            }
        }
    }
}

fn step_applier(applier: &mut Applier) -> Stepped {
    match applier.step() {
        Ok(stepped) => stepped,
        Err(error) => {
            // Our own log holds a batch that we did not write. Nothing after it may be answered.
            panic!("a committed batch cannot be applied: {error}");
        }
    }
}

/// Runs the snapshotter until the applier has ended.
pub(super) fn run_snapshotter(
    mut snapshotter: Snapshotter,
    snapshot_queue: &Arc<SnapshotQueue>,
    sleeper: &Sleeper,
    flags: &ShutdownFlags,
) {
    loop {
        match snapshotter.step() {
            Stepped::Worked => {}
            Stepped::Finished => return,
            Stepped::Idle { .. } | Stepped::Blocked { .. } if flags.applier_ended.load(Ordering::Acquire) => {
                return;
            }
            // Only time helps, so no thread needs to wake it.
            Stepped::Blocked { wait_ms } => std::thread::sleep(Duration::from_millis(wait_ms)),
            Stepped::Idle { .. } => {
                let has_ended = || flags.applier_ended.load(Ordering::Acquire);
                let wait_ms = HOUSEKEEPING.as_millis().try_into().unwrap_or(u64::MAX);
                sleeper.sleep(wait_ms, || snapshot_queue.has_pieces() || has_ended());
            }
        }
    }
}

/// Background work: spare segments and the clock.
pub(super) struct Housekeeping {
    pub(super) preparer: SegmentPreparer,
    pub(super) pool: Arc<SegmentPool>,
    pub(super) clock: Arc<Clock>,
    pub(super) feedback: Arc<Feedback>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) status: Arc<StatusBoard>,
    pub(super) events: ServerEvents,
    pub(super) sampler: Sampler,
}

impl Housekeeping {
    /// Prepares spare segments and corrects the clock until the pool is closed.
    pub(super) fn run(mut self) {
        let mut corrected = Instant::now();
        let mut has_failed = false;
        let mut lacks_space = false;
        while !self.pool.is_closed() {
            if corrected.elapsed() >= HOUSEKEEPING {
                corrected = Instant::now();
                self.correct_clock();
                self.sampler.step();
            }
            if has_failed {
                self.pool.pause(HOUSEKEEPING);
                continue;
            }
            match self.preparer.step(self.clock.wall_ms()) {
                Ok(Progress::Working) => {}
                Ok(Progress::Ready) => {
                    if std::mem::take(&mut lacks_space) {
                        tracing::info!("there is space for log segments again");
                    }
                }
                Ok(Progress::Idle) => self.pool.wait_for_demand(HOUSEKEEPING),
                Ok(Progress::NoSpace) => {
                    // Reported once, not at every attempt.
                    if !std::mem::replace(&mut lacks_space, true) {
                        tracing::warn!(
                            "there is no space for the next log segment; commands that take space will be refused soon"
                        );
                    }
                    self.pool.pause(HOUSEKEEPING);
                }
                Err(error) => {
                    tracing::error!(%error, source = ?error, "no more log segments can be prepared");
                    let found = format!("No more log segments can be prepared: {error}.");
                    self.status.warn(Warning::SegmentsFailed.about(found));
                    has_failed = true;
                    // The log could continue to the end of its segment and would then fail with commands in flight.
                    // Ending it now loses nothing.
                    self.events.report(Event::LogFailed);
                }
            }
        }
    }

    fn correct_clock(&self) {
        let correction = self.clock.correct(self.feedback.clock().into());
        self.metrics.clock_offset_us.set(correction.offset_us.unsigned_abs());
        match correction.leap {
            Some(Leap::Suspended) => {
                tracing::warn!("the computer was suspended; time continues from the wall clock");
            }
            Some(Leap::Accepted) => tracing::info!("the wall clock was accepted; time continues from it"),
            None => {}
        }
        if correction.alarm_is_new {
            self.metrics.clock_alarms.add(1);
            if let Some(sentence) = self.clock.warning() {
                tracing::warn!("{sentence}");
            }
        }
    }
}
