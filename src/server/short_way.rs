//! The short way: the thread that has read a few commands writes, applies and answers them itself, because to wake three other threads,
//! one after the other, takes longer than the work.
//!
//! ```text
//!  long way    network ──► log thread ──► applier thread ──► network
//!  short way   network, with the same stages, one step of each
//! ```
//! While it waits for the disk, a thread on the short way reads nothing. So it is taken only where that harms nobody: with one network
//! thread, while nobody checks, and not for a while after a sync that was slow. It decides nothing but which thread steps the stages.

use std::sync::Arc;

use super::stages::{SharedApplier, SharedLog, step_log};
use crate::net::Gate;
use crate::pipeline::Stepped;
use crate::pipeline::sequencer::SMALL_BATCH_OPS;

/// With fewer frames at once it is better to read the next ones while these are written. Measured: with 8 connections the short way
/// was 10 to 25 % slower, with 16 the same, with 32 and 64 faster by a third.
const FRAMES_MIN: usize = 16;
/// With so few connections there is nothing to read meanwhile: one that works and one that looks on.
const LONELY_MAX: usize = 2;
/// A step that took longer is not to be waited for again soon, in microseconds.
const SLOW_US: u64 = 2_000;
/// How long the long way is taken after a slow step or a check, in milliseconds.
const PAUSE_MS: u64 = 100;

/// One network thread's way to the log.
pub(super) struct ShortWay {
    log: SharedLog,
    applier: SharedApplier,
    gate: Arc<Gate>,
    /// Frames that waited when this turn's connections were last looked at.
    frames: usize,
    /// Checks of the server when this was last looked at.
    checks: u64,
    /// Not before this time, by the monotonic clock in milliseconds.
    closed_until_ms: u64,
}

impl ShortWay {
    pub(super) fn new(log: SharedLog, applier: SharedApplier, gate: Arc<Gate>) -> Self {
        Self { log, applier, gate, frames: 0, checks: 0, closed_until_ms: 0 }
    }

    /// Whether sockets are to be looked at once more before the disk: as long as that brings frames, and connections are left that sent none.
    pub(super) fn waits_for_more(&mut self) -> bool {
        let frames = self.gate.ingress.len();
        let has_grown = frames > std::mem::replace(&mut self.frames, frames);
        let open = self.gate.places.taken();
        let waits = has_grown && frames >= FRAMES_MIN && frames < open && frames < SMALL_BATCH_OPS as usize;
        if !waits {
            self.frames = 0;
        }
        waits
    }

    /// Takes what this thread's connections have sent in this turn to the log, or calls the log's thread for it.
    pub(super) fn take(&mut self) {
        if !self.is_open() {
            self.gate.ingress.call();
        } else if !self.step() {
            // What is left to do need not lie in the ingress: a failure to be told, a batch that waits for its segment.
            self.gate.ingress.wake();
        }
    }

    fn is_open(&mut self) -> bool {
        let metrics = &self.gate.metrics;
        let checks = metrics.checks_answered.get() + metrics.checks_asked.get();
        let now_ms = self.gate.clock.monotonic_ms();
        if checks != std::mem::replace(&mut self.checks, checks) {
            self.closed_until_ms = now_ms + PAUSE_MS;
        }
        let (commands, _) = self.gate.ingress.depth();
        let frames = self.gate.ingress.len();
        let pays = frames >= FRAMES_MIN || self.gate.places.taken() <= LONELY_MAX;
        pays && commands <= SMALL_BATCH_OPS as usize && now_ms >= self.closed_until_ms
    }

    /// One step of the stages; false if their own threads have something to do as well.
    fn step(&mut self) -> bool {
        // Whoever holds the log looks for more when it has finished its step, or is told to.
        let Some(mut sequencer) = self.log.try_lock() else { return false };
        let started_us = self.gate.clock.monotonic_us();
        let stepped = step_log(&mut sequencer, &self.applier);
        let is_done = stepped == Stepped::Worked && !sequencer.needs_its_thread();
        drop(sequencer);
        self.gate.metrics.short_ways.add(1);
        let ended_us = self.gate.clock.monotonic_us();
        if ended_us - started_us > SLOW_US {
            self.closed_until_ms = ended_us / 1_000 + PAUSE_MS;
        }
        is_done
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::{Duration, Instant};

    use parking_lot::Mutex;
    use stockhold_machine::Genesis;
    use stockhold_protocol::{Command, CommandId, Envelope, Timestamp};

    use super::*;
    use crate::assembly::{Surroundings, assemble, format};
    use crate::clock::ManualTimeSource;
    use crate::config::Config;
    use crate::pipeline::Address;
    use crate::storage::recording::{Fault, RecordingStorage};

    const START_MS: u64 = 1_763_800_000_000;

    /// Whether a command that goes the short way, on a disk with this fault, wakes the log's thread from a sleep of at most `longest`.
    fn wakes_the_log(fault: Option<Fault>, longest: Duration) -> bool {
        let storage = RecordingStorage::new();
        let config = Config::default();
        let genesis = Genesis { formatted_at: Timestamp(START_MS), ..Genesis::default() };
        format(storage.share(), &genesis, config.log.segment_bytes, uuid::Uuid::from_u128(1), 1).unwrap();
        let surroundings =
            Surroundings { time: Arc::new(ManualTimeSource::new(START_MS)), salt_seed: 1, helper: None };
        let mut assembly = assemble(storage.share(), &config, 1, surroundings, |_| ()).unwrap();
        while assembly.sequencer.step() == Stepped::Worked {}
        let fails = fault.is_some();
        if let Some(fault) = fault {
            storage.inject(fault);
        }
        let sleeper = assembly.sleepers.sequencer;
        let (asleep, is_asleep) = channel();
        let log_thread = std::thread::spawn(move || {
            let started = Instant::now();
            sleeper.sleep(u64::try_from(longest.as_millis()).unwrap(), || asleep.send(()).is_err());
            started.elapsed() < longest
        });
        is_asleep.recv().unwrap();
        let mut submission = assembly.gate.ingress.blank();
        submission.reset(Address::default(), 1, u64::MAX);
        let mut record = Vec::new();
        Envelope::new(CommandId::from_parts(START_MS, 1), Command::Tick).encode(&mut record).unwrap();
        submission.push(0, &record, true);
        assert!(assembly.gate.ingress.submit(submission).is_ok());
        let log: SharedLog = Arc::new(Mutex::new(assembly.sequencer));
        let applier: SharedApplier = Arc::new(Mutex::new(assembly.applier));
        ShortWay::new(log.clone(), applier, assembly.gate.clone()).take();
        assert_eq!((log.lock().failure().is_some(), assembly.gate.ingress.is_empty()), (fails, true));
        assert_eq!(assembly.gate.metrics.short_ways.get(), 1);
        log_thread.join().unwrap()
    }

    #[test]
    fn a_failure_on_the_short_way_is_left_to_the_log_thread_at_once() {
        // Proves that the log's thread is woken to tell of it, although nothing waits in the ingress any more.
        assert!(wakes_the_log(Some(Fault::FailWrite(1)), Duration::from_secs(20)));
    }

    #[test]
    fn what_is_done_on_the_short_way_wakes_nobody() {
        // Proves what the short way is for.
        assert!(!wakes_the_log(None, Duration::from_millis(200)));
    }
}
