//! Forms batches from submissions and appends them to the log. Whatever arrived during one sync is the next batch, so
//! no timer delays a command. The sequencer proposes the op time, and adds ticks when a deadline is due and nothing
//! else arrives. It reads the kind of a command only to decide which may pass when the disk is full.

use stockhold_machine::DigestPoint;
use stockhold_machine::config::BATCH_RULES;
use stockhold_protocol::batch::{BATCH_HEADER_BYTES, BatchHeader, RUN_START_BYTES_MAX};
use stockhold_protocol::command::EpochStart;
use stockhold_protocol::frame::Header;
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::{Code, Command, Outcome};

use super::Stepped;
use super::admission::{Admission, split};
use super::batch::{Batch, SMALL_BATCH_OPS};
use super::feedback::ServerState;
use super::links::SequencerLinks;
use super::reply_queue::{AnsweredCounts, ReplyWriter};
use super::runs::{OWN_RUN_BYTES_MAX, RunWriter};
use super::submission::Submission;
use super::timekeeper::Timekeeper;
use crate::snapshot::LogPoint;
use crate::wal::{AppendError, CommitLog, Space};

/// The longest sleep while nothing is due.
const IDLE_MS: u64 = 500;
/// Up to this many ops are never split. Measured with 8,192 ops in flight: batches of at most half of them, but not
/// fewer than this, made 0 to 19 % more reservations per second than batches of all waiting ops.
const SPLIT_OPS_MIN: u32 = 4_096;
/// The sleep while the log prepares a segment, or while the applier has a tick.
const SHORT_MS: u64 = 1;

/// The parameters of the sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequencerOptions {
    /// The number of this writer.
    pub writer: u64,
    /// The session of this writer, which increases with each start.
    pub session: u64,
    /// The epoch of the log, if it has begun since the last op of the recovered state.
    pub epoch_to_begin: Option<EpochStart>,
    /// The maximum number of ops in one batch.
    pub batch_ops_max: u32,
    /// With `durability = interval`, the time between syncs in milliseconds.
    pub sync_interval_ms: Option<u64>,
}

/// The sequencer stage.
#[derive(Debug)]
pub struct Sequencer<L> {
    log: L,
    /// The end of the log at the start. Since then each record takes an op, because the applier stops if it must pass
    /// over a batch of this server.
    start: LogPoint,
    options: SequencerOptions,
    links: SequencerLinks,
    replies: ReplyWriter,
    number: u64,
    /// The batch that is being filled, or waits until the log is ready.
    current: Option<Box<Batch>>,
    /// A submission that did not fit into the last batch.
    carried: Option<Box<Submission>>,
    /// A small batch was submitted without waking the applier.
    has_unannounced_batch: bool,
    /// Nothing may be appended before it is known whether there will be another segment.
    awaits_space: bool,
    timekeeper: Timekeeper,
    runs: RunWriter,
    /// An epoch that the state does not know yet.
    epoch_to_begin: Option<EpochStart>,
    /// The latest digest of the applier, until a batch has recorded it.
    digest: Option<DigestPoint>,
    next_sync_ms: u64,
    /// The time until which the last idle step let its caller sleep, in milliseconds of the monotonic clock.
    idle_until_ms: u64,
    failure: Option<AppendError>,
}

impl<L: CommitLog> Sequencer<L> {
    /// A sequencer that appends to `log`. Everything in the log was applied.
    #[must_use]
    pub fn new(log: L, options: SequencerOptions, links: SequencerLinks) -> Self {
        assert!(options.batch_ops_max > 0, "a batch holds at least one op");
        let replies = ReplyWriter::new(links.reply_queues.clone());
        let start = LogPoint { position: log.next_position() - 1, op: links.watermarks.applied() };
        Self {
            log,
            start,
            options,
            replies,
            number: 0,
            current: None,
            carried: None,
            has_unannounced_batch: false,
            awaits_space: false,
            timekeeper: Timekeeper::new(links.clock.clone(), links.feedback.clone()),
            runs: RunWriter::default(),
            epoch_to_begin: options.epoch_to_begin,
            digest: None,
            next_sync_ms: 0,
            idle_until_ms: 0,
            failure: None,
            links,
        }
    }

    /// Forms and appends one batch, if there is anything to append.
    pub fn step(&mut self) -> Stepped {
        if self.failure.is_some() {
            self.drop_pending();
            return Stepped::Idle { wait_ms: SHORT_MS };
        }
        if let Err(error) = self.sync_if_due() {
            return self.fail(error);
        }
        let Some(mut batch) = self.current.take().or_else(|| self.links.commit_queue.take_free()) else {
            return Stepped::Blocked { wait_ms: IDLE_MS };
        };
        self.digest = batch.digest.take().or(self.digest);
        let admission = self.admission();
        self.awaits_space = admission.is_none();
        if batch.ops == 0
            && let Some(admission) = admission
        {
            let started_us = self.links.clock.monotonic_us();
            self.fill(&mut batch, admission);
            self.replies.send();
            if batch.ops > 0 {
                let us = self.links.clock.monotonic_us() - started_us;
                self.links.metrics.populate_us.record(us);
            }
        }
        if batch.ops == 0 {
            self.current = Some(batch);
            if self.is_finished() {
                // A snapshot may wait for the last sync.
                return self.sync().map_or_else(|error| self.fail(error), |()| Stepped::Finished);
            }
            if self.awaits_space && self.is_anything_waiting() {
                self.links.metrics.segment_waits.add(1);
                return Stepped::Blocked { wait_ms: SHORT_MS };
            }
            return self.idle();
        }
        self.append(batch)
    }

    /// Whether a small batch was logged without waking the applier, which is then up to the caller. Clears the flag.
    pub fn take_unannounced_batch(&mut self) -> bool {
        std::mem::take(&mut self.has_unannounced_batch)
    }

    /// Wakes the applier's thread.
    pub fn wake_applier(&self) {
        self.links.commit_queue.wake_applier();
    }

    /// Whether another thread that has stepped the sequencer must wake its own thread: for a failure, input or a deadline.
    #[must_use]
    pub fn needs_own_thread(&self) -> bool {
        self.failure.is_some() || self.has_input() || self.is_due_before_wakeup()
    }

    /// The error that stopped the log.
    pub fn failure(&self) -> Option<&AppendError> {
        self.failure.as_ref()
    }

    /// Whether any work waits for this stage.
    #[must_use]
    pub fn has_work(&self) -> bool {
        if self.failure.is_some() {
            return self.is_anything_waiting();
        }
        match &self.current {
            // The log is not ready, and only time helps.
            Some(batch) if batch.ops > 0 || self.awaits_space => false,
            Some(_) => self.has_input() || self.is_due_before_wakeup(),
            None => self.links.commit_queue.has_free(),
        }
    }

    /// Returns the log for a clean shutdown. Everything that was accepted has been appended.
    #[must_use]
    pub fn into_log(self) -> L {
        assert!(self.carried.is_none(), "every accepted submission was appended");
        self.log
    }

    fn has_input(&self) -> bool {
        self.is_anything_waiting() || self.links.ingress.is_closed()
    }

    /// Whether something is due before the end of the sleep that the last idle step allowed.
    fn is_due_before_wakeup(&self) -> bool {
        self.links.clock.monotonic_ms() + self.idle_ms() < self.idle_until_ms
    }

    fn is_anything_waiting(&self) -> bool {
        !self.links.ingress.is_empty() || self.carried.is_some()
    }

    /// Whether the ingress is closed and everything was appended.
    fn is_finished(&self) -> bool {
        self.links.ingress.is_closed() && !self.is_anything_waiting()
    }

    fn idle(&mut self) -> Stepped {
        let wait_ms = self.idle_ms();
        self.idle_until_ms = self.links.clock.monotonic_ms() + wait_ms;
        Stepped::Idle { wait_ms }
    }

    /// How long the sequencer may sleep if nothing arrives.
    fn idle_ms(&self) -> u64 {
        let now_ms = self.links.clock.propose_now().0;
        let mut wait_ms = IDLE_MS;
        if let Some(due) = self.timekeeper.next_tick() {
            wait_ms = wait_ms.min(due.0.saturating_sub(now_ms).max(SHORT_MS));
        }
        if self.options.sync_interval_ms.is_some() {
            let until_sync_ms = self.next_sync_ms.saturating_sub(self.links.clock.monotonic_ms());
            wait_ms = wait_ms.min(until_sync_ms.max(SHORT_MS));
        }
        wait_ms
    }

    fn sync_if_due(&mut self) -> Result<(), AppendError> {
        let Some(interval_ms) = self.options.sync_interval_ms else { return Ok(()) };
        let now_ms = self.links.clock.monotonic_ms();
        if now_ms >= self.next_sync_ms {
            self.next_sync_ms = now_ms + interval_ms;
            self.sync()?;
        }
        Ok(())
    }

    /// Makes everything durable that the configured durability allowed to wait.
    fn sync(&mut self) -> Result<(), AppendError> {
        if self.log.durable_position() + 1 < self.log.next_position() {
            self.log.sync()?;
        }
        self.links.watermarks.make_durable(self.op_at(self.log.durable_position()));
        Ok(())
    }

    /// The op of the record at a position that this server has written.
    fn op_at(&self, position: u64) -> u64 {
        self.start.op_max_at(position)
    }

    /// The first op of the next append.
    fn next_op(&self) -> u64 {
        self.op_at(self.log.next_position())
    }

    /// What may be appended; `None` while that is unknown.
    fn admission(&self) -> Option<Admission> {
        let (admission, state) = match self.log.space() {
            Space::Undecided => return None,
            Space::Normal if self.is_archive_behind() => (Admission::FreeingOnly, ServerState::ArchiveBehind),
            Space::Normal => (Admission::All, ServerState::Running),
            Space::Reserve => (Admission::FreeingOnly, ServerState::DiskReserve),
            Space::Full => (Admission::None, ServerState::DiskFull),
        };
        self.links.feedback.set_space(state);
        Some(admission)
    }

    /// Whether the archive is required and too far behind.
    fn is_archive_behind(&self) -> bool {
        let Some(archive) = &self.links.archive else { return false };
        archive.blocks(self.links.watermarks.durable(), self.links.clock.monotonic_ms())
    }

    fn fill(&mut self, batch: &mut Batch, admission: Admission) {
        batch.frame.clear();
        batch.frame.extend_from_slice(&[0; BATCH_HEADER_BYTES]);
        self.runs.begin();
        batch.is_tick = false;
        if admission != Admission::None
            && let Some(start) = self.epoch_to_begin
        {
            // No command of a client is logged in an epoch before the state knows the epoch.
            self.add_own(batch, Command::BeginEpoch(start));
            return self.finish_batch(batch);
        }
        let now_ms = self.links.clock.monotonic_ms();
        let ops_max = self.batch_ops_target();
        while let Some(mut submission) = self.carried.take().or_else(|| self.links.ingress.take()) {
            if submission.until_ms < now_ms {
                self.refuse(submission, Code::DeadlinePassed);
                continue;
            }
            if admission != Admission::All {
                submission = match self.filter(submission, admission) {
                    Some(rest) => rest,
                    None => continue,
                };
            }
            let fits = submission.records.len() + RUN_START_BYTES_MAX <= batch.frame.remaining()
                && (batch.ops == 0 || batch.ops + submission.count <= ops_max);
            if !fits {
                self.carried = Some(submission);
                break;
            }
            let Submission { origin, name_generation, count, .. } = submission.as_ref();
            self.runs.add(&mut batch.frame, origin, *name_generation, *count);
            batch.frame.extend_from_slice(&submission.records);
            batch.ops += submission.count;
            batch.submissions.push(submission);
        }
        if admission != Admission::None {
            self.add_time_record(batch);
        }
        if batch.ops > 0 {
            self.finish_batch(batch);
        }
    }

    fn finish_batch(&mut self, batch: &mut Batch) {
        let header = self.header(batch.ops);
        batch.proposed = header.proposed;
        batch.frame.payload_mut()[..BATCH_HEADER_BYTES].copy_from_slice(&header.to_bytes());
    }

    /// The maximum ops of the next batch: half of all in flight, so that one half is written while the other is applied.
    fn batch_ops_target(&self) -> u32 {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let carried = self.carried.as_ref().map_or(0, |submission| u64::from(submission.count));
        let written = self.next_op().saturating_sub(self.links.watermarks.applied() + 1);
        let all = count(self.links.ingress.depth().0) + carried + written;
        u32::try_from(all / 2).unwrap_or(u32::MAX).max(SPLIT_OPS_MIN).min(self.options.batch_ops_max)
    }

    fn header(&mut self, count: u32) -> BatchHeader {
        let digest = self.digest.take().unwrap_or_default();
        BatchHeader {
            rules: BATCH_RULES,
            feature_level: FEATURE_LEVEL,
            count,
            writer: self.options.writer,
            session: self.options.session,
            number: self.number + 1,
            proposed: self.links.clock.propose_now(),
            applied_op: self.links.watermarks.applied(),
            digest_op: digest.op,
            digest: digest.digest,
        }
    }

    /// Appends a tick or a wall clock offset to the batch, if one is due and fits.
    fn add_time_record(&mut self, batch: &mut Batch) {
        let has_room = batch.ops < self.options.batch_ops_max && batch.frame.remaining() >= OWN_RUN_BYTES_MAX;
        let due = self.timekeeper.due(self.links.watermarks.applied(), batch.ops);
        let Some(command) = due.filter(|_| has_room) else { return };
        batch.is_tick = matches!(command, Command::Tick);
        self.timekeeper.add(self.next_op() + u64::from(batch.ops));
        self.add_own(batch, command);
    }

    fn add_own(&mut self, batch: &mut Batch, command: Command<'static>) {
        self.runs.add_own(&mut batch.frame, command);
        batch.ops += 1;
    }

    fn append(&mut self, mut batch: Box<Batch>) -> Stepped {
        let next_op = self.next_op();
        let last_op = next_op + u64::from(batch.ops) - 1;
        self.links.watermarks.propose(last_op);
        let started_us = self.links.clock.monotonic_us();
        match self.log.append(&mut batch.frame, batch.ops) {
            Ok(positions) => {
                assert!(self.op_at(positions.last) == last_op, "positions are consecutive");
                self.links.watermarks.log(last_op);
                self.links.watermarks.sync(last_op);
                self.links.watermarks.make_durable(self.op_at(self.log.durable_position()));
                self.number += 1;
                // The command that begins the epoch is alone in its batch.
                self.epoch_to_begin = None;
                self.timekeeper.propose(batch.proposed);
                batch.positions = positions;
                batch.synced_us = self.links.clock.monotonic_us();
                batch.measure(&self.links.metrics, batch.synced_us - started_us);
                if batch.ops <= SMALL_BATCH_OPS {
                    self.has_unannounced_batch = true;
                    self.links.commit_queue.submit_without_wake(batch);
                } else {
                    self.links.commit_queue.submit(batch);
                }
                Stepped::Worked
            }
            Err(AppendError::NotReady) => {
                self.links.watermarks.withdraw(next_op - 1);
                self.links.metrics.segment_waits.add(1);
                self.current = Some(batch);
                Stepped::Blocked { wait_ms: SHORT_MS }
            }
            Err(AppendError::Full) => {
                self.links.watermarks.withdraw(next_op - 1);
                self.links.feedback.set_space(ServerState::DiskFull);
                self.timekeeper.withdraw(next_op - 1);
                for submission in batch.submissions.drain(..) {
                    self.refuse(submission, Code::ReadOnly);
                }
                batch.ops = 0;
                self.current = Some(batch);
                self.replies.send();
                Stepped::Idle { wait_ms: IDLE_MS }
            }
            Err(error @ (AppendError::Storage(_) | AppendError::Poisoned)) => {
                self.current = Some(batch);
                self.fail(error)
            }
        }
    }

    /// Answers all commands of a submission with the same unrecorded outcome.
    fn refuse(&mut self, submission: Box<Submission>, code: Code) {
        let outcome = Outcome::new(code, 0, self.links.watermarks.applied());
        let answered = submission.answered();
        self.answer(&submission, &submission.indexes, answered, &outcome);
        self.links.ingress.recycle(submission);
    }

    fn answer(
        &mut self,
        submission: &Submission,
        indexes: &[u16],
        counts: AnsweredCounts,
        outcome: &Outcome,
    ) {
        let count = u16::try_from(indexes.len()).unwrap_or(u16::MAX);
        let (now, names) = (self.links.clock.propose_now(), self.links.feedback.name_generation());
        let header = Header::outcomes(submission.request, count, now, names);
        self.replies.frame(submission.address, header, counts, |out| {
            for index in indexes {
                outcome.encode(*index, out);
            }
        });
    }

    /// Keeps the commands that the disk space allows and answers the others `read_only`.
    fn filter(&mut self, submission: Box<Submission>, admission: Admission) -> Option<Box<Submission>> {
        let mut kept = self.links.ingress.blank();
        kept.reset(submission.address, submission.request, submission.until_ms);
        kept.set_origin(&submission.origin, submission.name_generation);
        let (refused, answered) = split(&submission, admission, &mut kept);
        if !refused.is_empty() {
            let outcome = Outcome::new(Code::ReadOnly, 0, self.links.watermarks.applied());
            self.answer(&submission, &refused, answered, &outcome);
        }
        self.links.ingress.recycle(submission);
        if kept.is_empty() {
            self.links.ingress.recycle(kept);
            return None;
        }
        Some(kept)
    }

    fn fail(&mut self, error: AppendError) -> Stepped {
        self.links.feedback.worsen(ServerState::LogFailed);
        self.links.ingress.close();
        self.failure = Some(error);
        self.drop_pending();
        Stepped::Worked
    }

    /// Cuts the connections of all commands that were accepted and not answered, because their outcome is unknown.
    fn drop_pending(&mut self) {
        let mut lost: Vec<Box<Submission>> = self.carried.take().into_iter().collect();
        if let Some(batch) = &mut self.current {
            lost.append(&mut batch.submissions);
            batch.ops = 0;
        }
        lost.extend(std::iter::from_fn(|| self.links.ingress.take()));
        for submission in lost {
            self.replies.of(submission.address).push_lost(submission.address);
            self.links.ingress.recycle(submission);
        }
        self.replies.send();
    }
}
