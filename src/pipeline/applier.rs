//! Owns the machine. It applies durable batches, publishes the changes and sends the answers. Between batches it
//! answers questions and copies the state for a snapshot, a bounded amount each time. It makes no decision by the clock
//! and never accesses the disk.

use stockhold_machine::{Changes, Machine};
use stockhold_protocol::Outcome;

use super::Stepped;
use super::answers::OutcomeWriter;
use super::apply::{ApplyError, BatchResult, apply_payload};
use super::batch::Batch;
use super::feedback::ServerState;
use super::links::ApplierLinks;
use super::queries::QueryStage;
use super::reply_queue::ReplyWriter;
use super::snapshots::SnapshotStage;
use crate::tallies::RefusalRun;

/// The number of sweep steps between two batches.
const SWEEP_BUDGET: u32 = 1_024;
/// The longest sleep while nothing arrives.
const IDLE_MS: u64 = 500;

/// The applier stage.
#[derive(Debug)]
pub struct Applier {
    machine: Machine,
    /// The log position of the last applied record.
    position: u64,
    links: ApplierLinks,
    replies: ReplyWriter,
    changes: Changes,
    queries: QueryStage,
    snapshots: SnapshotStage,
    /// Whether the last step did anything besides applying a batch.
    is_busy: bool,
    is_last: bool,
}

impl Applier {
    /// Takes over a machine that was recovered up to `position` of the log, and publishes its whole state.
    #[must_use]
    pub fn new(machine: Machine, position: u64, links: ApplierLinks, snapshots: SnapshotStage) -> Self {
        let mut changes = Changes::default();
        machine.all_changes(&mut changes);
        links.published.publish(&changes, machine.op());
        links.feedback.update(&machine);
        let replies = ReplyWriter::new(links.reply_queues.clone());
        Self {
            machine,
            position,
            links,
            replies,
            changes,
            queries: QueryStage::default(),
            snapshots,
            is_busy: false,
            is_last: false,
        }
    }

    /// Applies one batch, if there is one, and then does a bounded amount of all other work.
    ///
    /// # Errors
    /// [`ApplyError`] when this server cannot have written the batch.
    pub fn step(&mut self) -> Result<Stepped, ApplyError> {
        let batch = self.links.commit_queue.take_committed();
        let has_applied = batch.is_some();
        if let Some(batch) = batch {
            self.apply(batch)?;
        }
        let mut is_busy = self.sweep();
        let (machine, snapshots, replies) = (&mut self.machine, &mut self.snapshots, &mut self.replies);
        is_busy |= self.queries.step(machine, snapshots, replies, &self.links);
        let is_awaited = self.queries.waits_for_walk(machine);
        is_busy |= snapshots.step((machine, self.position), is_awaited, replies, &self.links);
        self.replies.send();
        self.is_busy = is_busy;
        if has_applied || is_busy {
            return Ok(Stepped::Worked);
        }
        if self.is_last && self.links.commit_queue.is_empty() {
            return Ok(Stepped::Finished);
        }
        Ok(Stepped::Idle { wait_ms: self.wait_ms() })
    }

    /// Whether any work waits for this stage.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.links.commit_queue.is_empty()
            || self.queries.is_due(&self.machine, &self.links)
            || self.snapshots.has_work()
    }

    /// Whether there is work besides applying batches, now or later. Such work is done by the applier's own thread.
    #[must_use]
    pub fn needs_own_thread(&self) -> bool {
        self.is_busy || self.queries.has_waiting() || self.has_work()
    }

    /// Whether the log has failed and accepts nothing more.
    #[must_use]
    pub fn has_log_failed(&self) -> bool {
        self.links.feedback.state() == ServerState::LogFailed
    }

    /// Announces that no more batches arrive: the applier finishes when all are applied.
    pub fn finish(&mut self) {
        self.is_last = true;
    }

    /// Requests a snapshot of the current state without waiting for it.
    pub fn snapshot_now(&mut self) {
        self.snapshots.request_unattended();
    }

    /// Whether a snapshot is being made or was requested.
    #[must_use]
    pub fn is_snapshotting(&self) -> bool {
        self.snapshots.is_busy()
    }

    /// The machine, for inspection.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn wait_ms(&self) -> u64 {
        let queries_ms = self.queries.wait_ms(&self.machine, &self.links);
        IDLE_MS.min(queries_ms).min(self.snapshots.wait_ms())
    }

    fn apply(&mut self, mut batch: Box<Batch>) -> Result<(), ApplyError> {
        let clock = &self.links.clock;
        let started_us = clock.monotonic_us();
        self.links.metrics.handoff_us.record(started_us.saturating_sub(batch.synced_us));
        let time = self.machine.time().max(batch.proposed);
        let mut outcomes = OutcomeWriter::new(&batch.submissions, &mut self.replies, time);
        assert!(batch.positions.first == self.position + 1, "batches arrive in log order");
        let span = (batch.positions.first, batch.ops);
        let (tallies, mut refusals) = (&self.links.metrics.tallies, RefusalRun::default());
        let result = apply_payload(
            &mut self.machine,
            span,
            batch.frame.payload(),
            |_| false,
            |machine: &Machine, outcome: Outcome| {
                refusals.push(outcome.code, tallies);
                outcomes.push(&outcome, machine.name_generation());
            },
        )?;
        refusals.flush(tallies);
        match result {
            BatchResult::Applied(applied) => batch.digest = applied.digest,
            BatchResult::PassedOver(reason) => panic!(
                "this server's own batch at position {} was passed over: {reason}",
                batch.positions.first
            ),
            BatchResult::Stopped { .. } => unreachable!("the applier has no target"),
        }
        outcomes.finish();
        self.position = batch.positions.last;
        let last_op = self.machine.op();
        self.links.watermarks.apply(last_op);
        let applied_us = clock.monotonic_us();
        self.links.metrics.apply_us.record(applied_us - started_us);
        // The cells are published before any answer is sent, so that a client that was answered "reserved" reads the
        // lower value.
        self.machine.take_changes(&mut self.changes);
        self.sample_demand(last_op);
        self.links.published.publish(&self.changes, last_op);
        self.changes.clear();
        self.publish_next_due();
        self.links.watermarks.publish(last_op);
        self.replies.send();
        let published_us = clock.monotonic_us();
        self.links.metrics.publish_us.record(published_us - applied_us);
        self.queries.note_batch(published_us);
        self.snapshots.count_log_bytes(batch.frame.frame_bytes());
        for submission in batch.submissions.drain(..) {
            self.links.ingress.recycle(submission);
        }
        batch.ops = 0;
        self.links.commit_queue.recycle(batch);
        Ok(())
    }

    /// Counts one of the changed SKUs, which is enough for a sample. The op draws it, because it is as good as random.
    fn sample_demand(&self, op: u64) {
        let skus = &self.changes.skus;
        let drawn = usize::try_from(op).unwrap_or(0).checked_rem(skus.len());
        if let Some(change) = drawn.and_then(|at| skus.get(at)) {
            self.links.metrics.tallies.wanted.count(change.sku);
        }
    }

    /// Does work that changes no answer: it refreshes the cells of SKUs whose holds are due, and erases records whose
    /// retention has ended. Returns whether more is left.
    fn sweep(&mut self) -> bool {
        let started_us = self.links.clock.monotonic_us();
        let is_more = self.machine.sweep(SWEEP_BUDGET);
        self.machine.take_changes(&mut self.changes);
        let has_changed = !self.changes.is_empty();
        if has_changed {
            self.links.published.publish(&self.changes, self.machine.op());
            self.changes.clear();
        }
        if is_more || has_changed {
            self.links.metrics.sweep_us.record(self.links.clock.monotonic_us() - started_us);
        }
        self.publish_next_due();
        is_more
    }

    /// Publishes when the next tick is due, and wakes the sequencer if that is earlier than before.
    fn publish_next_due(&self) {
        if self.links.feedback.update(&self.machine) {
            self.links.commit_queue.wake_sequencer();
        }
    }
}
