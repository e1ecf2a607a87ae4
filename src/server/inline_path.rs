//! The inline path: a network thread that has read a few commands steps the log and the applier itself. Waking three
//! other threads one after the other would take longer than the work.
//!
//! ```text
//!  threaded path  network ──► log thread ──► applier thread ──► network
//!  inline path    network, which steps the same stages once
//! ```
//!
//! A thread on the inline path reads nothing while it waits for the disk. So the inline path is taken only with one
//! network thread, while no client checks, and not for a while after a slow sync. It only decides which thread steps
//! the stages.

use std::sync::Arc;

use super::stages::{SharedApplier, SharedLog, step_log};
use crate::net::NetContext;
use crate::pipeline::Stepped;
use crate::pipeline::batch::SMALL_BATCH_OPS;

/// With fewer frames than this it is better to read the next ones while these are written. Measured: with 8 connections
/// the inline path was 10 to 25 % slower, with 16 the same, with 32 and 64 faster by a third.
const FRAMES_MIN: usize = 16;
/// With so few connections there is nothing else to read meanwhile: one connection works and one observes.
const FEW_CONNECTIONS_MAX: usize = 2;
/// A step that took longer, in microseconds, closes the inline path for a while.
const SLOW_US: u64 = 2_000;
/// How long the threaded path is taken after a slow step or a check, in milliseconds.
const PAUSE_MS: u64 = 100;

/// The inline path of a network thread.
pub(super) struct InlinePath {
    log: SharedLog,
    applier: SharedApplier,
    context: Arc<NetContext>,
    /// The number of frames that waited at the last check in this turn.
    frames: usize,
    /// The server's count of checks at the last look.
    checks: u64,
    /// The threaded path is taken until this time of the monotonic clock, in milliseconds.
    paused_until_ms: u64,
}

impl InlinePath {
    pub(super) fn new(log: SharedLog, applier: SharedApplier, context: Arc<NetContext>) -> Self {
        Self { log, applier, context, frames: 0, checks: 0, paused_until_ms: 0 }
    }

    /// Whether the sockets should be read once more before the log is written. That is so while each read brings frames
    /// and some connections have sent none.
    pub(super) fn waits_for_more(&mut self) -> bool {
        let frames = self.context.ingress.len();
        let has_grown = frames > std::mem::replace(&mut self.frames, frames);
        let open = self.context.permits.in_use();
        let waits = has_grown && frames >= FRAMES_MIN && frames < open && frames < SMALL_BATCH_OPS as usize;
        if !waits {
            self.frames = 0;
        }
        waits
    }

    /// Takes the commands of this turn through log and applier, or wakes the log's thread to do it.
    pub(super) fn take(&mut self) {
        if !self.is_allowed() {
            self.context.ingress.wake_if_pending();
        } else if !self.step() {
            // The remaining work may not be in the ingress: a failure to report, or a batch that waits for its segment.
            self.context.ingress.wake();
        }
    }

    fn is_allowed(&mut self) -> bool {
        let metrics = &self.context.metrics;
        let checks = metrics.checks_answered.get() + metrics.checks_asked.get();
        let now_ms = self.context.clock.monotonic_ms();
        if checks != std::mem::replace(&mut self.checks, checks) {
            self.paused_until_ms = now_ms + PAUSE_MS;
        }
        let (commands, _) = self.context.ingress.depth();
        let frames = self.context.ingress.len();
        let pays = frames >= FRAMES_MIN || self.context.permits.in_use() <= FEW_CONNECTIONS_MAX;
        pays && commands <= SMALL_BATCH_OPS as usize && now_ms >= self.paused_until_ms
    }

    /// Steps the stages once. Returns false if their own threads have work to do too.
    fn step(&mut self) -> bool {
        // The thread that holds the log checks for more commands after its step, or is woken.
        let Some(mut sequencer) = self.log.try_lock() else { return false };
        let started_us = self.context.clock.monotonic_us();
        let stepped = step_log(&mut sequencer, &self.applier);
        let is_done = stepped == Stepped::Worked && !sequencer.needs_own_thread();
        drop(sequencer);
        self.context.metrics.inline_commits.add(1);
        let ended_us = self.context.clock.monotonic_us();
        if ended_us - started_us > SLOW_US {
            self.paused_until_ms = ended_us / 1_000 + PAUSE_MS;
        }
        is_done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use parking_lot::Mutex;
    use stockhold_machine::Genesis;
    use stockhold_protocol::{Command, CommandId, Envelope, Timestamp};

    use super::*;
    use crate::assembly::{Environment, assemble, format};
    use crate::clock::{ManualTimeSource, Reading, TimeSource};
    use crate::config::Config;
    use crate::pipeline::{ReplyAddress, Sleeper};
    use crate::storage::recording::{Fault, RecordingStorage};

    const START_MS: u64 = 1_763_800_000_000;

    /// A manual clock that advances on every reading, so that steps take time.
    struct AdvancingTime {
        manual: ManualTimeSource,
        each_ms: AtomicU64,
    }

    impl TimeSource for AdvancingTime {
        fn read(&self) -> Reading {
            self.manual.read()
        }

        fn monotonic_us(&self) -> u64 {
            self.manual.advance_ms(self.each_ms.load(Ordering::SeqCst));
            self.manual.monotonic_us()
        }
    }

    /// A server that only the inline path and the test step.
    struct World {
        storage: RecordingStorage,
        time: Arc<AdvancingTime>,
        context: Arc<NetContext>,
        log: SharedLog,
        applier: SharedApplier,
        sleeper: Sleeper,
        path: InlinePath,
        requests: u64,
    }

    impl World {
        fn with_connections(count: usize) -> Self {
            let storage = RecordingStorage::new();
            let config = Config::default();
            let genesis = Genesis { formatted_at: Timestamp(START_MS), ..Genesis::default() };
            format(storage.share(), &genesis, config.log.segment_bytes, uuid::Uuid::from_u128(1), 1).unwrap();
            let manual = ManualTimeSource::new(START_MS);
            let time = Arc::new(AdvancingTime { manual, each_ms: AtomicU64::new(0) });
            let environment = Environment { time: time.clone(), salt_seed: 1, spawner: None };
            let mut assembly = assemble(storage.share(), &config, 1, environment, |_| ()).unwrap();
            while assembly.sequencer.step() == Stepped::Worked {}
            for _ in 0..count {
                assert!(assembly.context.permits.acquire(true).is_some());
            }
            let log: SharedLog = Arc::new(Mutex::new(assembly.sequencer));
            let applier: SharedApplier = Arc::new(Mutex::new(assembly.applier));
            let path = InlinePath::new(log.clone(), applier.clone(), assembly.context.clone());
            let (context, sleeper) = (assembly.context, assembly.sleepers.sequencer);
            Self { storage, time, context, log, applier, sleeper, path, requests: 0 }
        }

        /// Submits the frames. Returns whether they took the inline path; otherwise the test steps the log's own
        /// thread.
        fn is_inline(&mut self, frames: usize, commands: u16) -> bool {
            let mut record = Vec::new();
            Envelope::new(CommandId::from_parts(START_MS, 1), Command::Tick).encode(&mut record).unwrap();
            for _ in 0..frames {
                let mut submission = self.context.ingress.blank();
                self.requests += 1;
                submission.reset(ReplyAddress::default(), self.requests, u64::MAX);
                for index in 0..commands {
                    submission.push(index, &record, true);
                }
                assert!(self.context.ingress.submit(submission).is_ok());
            }
            let before = self.context.metrics.inline_commits.get();
            self.path.take();
            while step_log(&mut self.log.lock(), &self.applier) == Stepped::Worked {}
            while self.applier.lock().step().unwrap() == Stepped::Worked {}
            self.context.metrics.inline_commits.get() > before
        }

        /// Whether a command wakes the log's thread just after it has begun to sleep.
        fn wakes_the_log(&mut self) -> bool {
            let (_, sleeper) = crate::pipeline::Waker::new();
            let sleeper = std::mem::replace(&mut self.sleeper, sleeper);
            let mut is_woken = false;
            sleeper.sleep(0, || {
                self.is_inline(1, 1);
                is_woken = !sleeper.is_asleep();
                true
            });
            is_woken
        }
    }

    #[test]
    fn the_log_thread_reports_a_failure_of_the_inline_path_at_once() {
        // Proves that the log's thread is woken to report the failure, although the ingress is empty.
        let mut world = World::with_connections(1);
        world.storage.inject(Fault::FailWrite(1));
        assert!(world.wakes_the_log());
        assert!(world.log.lock().failure().is_some() && world.context.ingress.is_empty());
        assert_eq!(world.context.metrics.inline_commits.get(), 1);
    }

    #[test]
    fn the_inline_path_wakes_no_thread() {
        // Proves that commands on the inline path wake no thread, and that a command on the threaded path wakes the
        // log's thread.
        let mut world = World::with_connections(1);
        assert!(!world.wakes_the_log());
        assert_eq!(world.context.metrics.inline_commits.get(), 1);
        let mut world = World::with_connections(FEW_CONNECTIONS_MAX + 1);
        assert!(world.wakes_the_log());
        assert_eq!(world.context.metrics.inline_commits.get(), 0);
    }

    #[test]
    fn few_frames_of_many_connections_take_the_threaded_path() {
        // Proves when the inline path is taken: always for few connections, from a number of frames on for more
        // connections, and never for many commands.
        let most = u16::try_from(SMALL_BATCH_OPS).unwrap();
        let mut few = World::with_connections(FEW_CONNECTIONS_MAX);
        assert!(few.is_inline(1, 1) && few.is_inline(1, most) && !few.is_inline(1, most + 1));
        let mut many = World::with_connections(FEW_CONNECTIONS_MAX + 1);
        assert!(!many.is_inline(1, 1) && !many.is_inline(FRAMES_MIN - 1, 1) && many.is_inline(FRAMES_MIN, 1));
    }

    #[test]
    fn a_check_pauses_the_inline_path() {
        // Proves that a client that checks does not wait for the disk, and that the pause ends.
        let mut world = World::with_connections(1);
        assert!(world.is_inline(1, 1));
        let context = world.context.clone();
        for check in [&context.metrics.checks_answered, &context.metrics.checks_asked] {
            check.add(1);
            assert!(!world.is_inline(1, 1));
            world.time.manual.advance_ms(PAUSE_MS - 1);
            assert!(!world.is_inline(1, 1));
            world.time.manual.advance_ms(1);
            assert!(world.is_inline(1, 1));
        }
    }

    #[test]
    fn a_slow_step_pauses_the_inline_path() {
        // Proves that an occasional slow sync is waited for only once, and that the pause ends.
        let mut world = World::with_connections(1);
        for (each_ms, closes) in [(0, false), (SLOW_US / 1_000 + 1, true)] {
            world.time.each_ms.store(each_ms, Ordering::SeqCst);
            assert!(world.is_inline(1, 1));
            world.time.each_ms.store(0, Ordering::SeqCst);
            assert_eq!(world.is_inline(1, 1), !closes, "{each_ms} ms");
        }
        world.time.manual.advance_ms(PAUSE_MS);
        assert!(world.is_inline(1, 1));
    }
}
