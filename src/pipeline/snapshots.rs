//! Snapshots of a running server. The applier copies a bounded part of the machine between batches. The snapshotter, on
//! its own thread, writes the parts, reads them back and removes files that are no longer needed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use stockhold_machine::{Machine, Progress};
use stockhold_protocol::limits::FEATURE_LEVEL;
use stockhold_protocol::query::{QueryAnswer, SnapshotView};
use uuid::Uuid;

use super::Stepped;
use super::answers::send_answer;
use super::links::ApplierLinks;
use super::reply_queue::{ReplyAddress, ReplyWriter};
use super::snapshot_throttle::SnapshotThrottle;
use super::waker::Waker;
use super::watermarks::Watermarks;
use crate::clock::Clock;
use crate::directory::MarkPoint;
use crate::metrics::Metrics;
use crate::restorable::mark_points;
use crate::snapshot::{
    LogPoint, SnapshotError, SnapshotHeader, SnapshotSummary, SnapshotWriter, WrittenSnapshot, snapshot_name,
};
use crate::storage::SharedStorage;

/// The number of records copied between two batches, which takes well below a millisecond.
const RECORDS_PER_STEP: u32 = 4_096;
/// The maximum number of pieces in the queue. A piece is at most 256 KiB long.
pub const PIECES_MAX: usize = 32;
/// When the machine has saved this many bytes for the snapshot, the snapshotter no longer pauses. It is a quarter of
/// what a snapshot may add.
const URGENT_BYTES: usize = 16 << 20;
/// The sleep of the applier while the snapshotter is behind.
const BEHIND_MS: u64 = 5;
/// The sleep of the snapshotter while the log is not durable up to the op of the snapshot.
const NOT_DURABLE_MS: u64 = 20;

/// When a snapshot is due without a request. A value of 0 disables a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// After this many ops.
    pub ops: u64,
    /// After this many milliseconds, if there were any ops.
    pub interval_ms: u64,
    /// After this many bytes of log.
    pub log_bytes: u64,
}

/// A connection that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    /// The connection.
    pub address: ReplyAddress,
    /// Its request number.
    pub request: u64,
}

/// A piece of a snapshot.
#[derive(Debug)]
enum Piece {
    Begin { point: LogPoint, time_ms: u64, rules_version: u32, marks: Vec<MarkPoint> },
    Frame { kind: u16, records: u32, bytes: Vec<u8> },
    End { digest: u64 },
}

/// The queue of pieces to the snapshotter, and the queue of results back to the applier.
#[derive(Debug)]
pub struct SnapshotQueue {
    pieces: ArrayQueue<Piece>,
    results: ArrayQueue<Result<SnapshotView, String>>,
    /// Whether the snapshot takes so much memory that it must be written at full speed.
    is_urgent: AtomicBool,
    snapshotter: Waker,
    applier: Waker,
}

impl SnapshotQueue {
    /// An empty queue. The wakers wake the snapshotter and the applier.
    #[must_use]
    pub fn new(snapshotter: Waker, applier: Waker) -> Arc<Self> {
        Arc::new(Self {
            pieces: ArrayQueue::new(PIECES_MAX),
            results: ArrayQueue::new(1),
            is_urgent: AtomicBool::new(false),
            snapshotter,
            applier,
        })
    }

    /// Whether pieces wait for the snapshotter.
    #[must_use]
    pub fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copying {
    /// No snapshot is in progress.
    No,
    /// The machine is being copied. `digest` is its digest at the mark.
    Machine { digest: u64 },
    /// Everything was copied, and the snapshotter has received it or will.
    Done,
}

/// The part of the applier that copies the machine for snapshots.
#[derive(Debug)]
pub struct SnapshotStage {
    queue: Arc<SnapshotQueue>,
    policy: SnapshotPolicy,
    copying: Copying,
    unsent: VecDeque<Piece>,
    /// The requests that the snapshot in progress answers.
    served: Vec<Waiter>,
    /// The requests that arrived after it had begun.
    waiting: Vec<Waiter>,
    last_op: u64,
    last_ms: u64,
    log_bytes: u64,
    last: Option<SnapshotView>,
    is_requested: bool,
}

impl SnapshotStage {
    /// Counts from the op of the newest snapshot.
    #[must_use]
    pub fn new(queue: Arc<SnapshotQueue>, policy: SnapshotPolicy, last_op: u64, now_ms: u64) -> Self {
        Self {
            queue,
            policy,
            copying: Copying::No,
            unsent: VecDeque::new(),
            served: Vec::new(),
            waiting: Vec::new(),
            last_op,
            last_ms: now_ms,
            log_bytes: 0,
            last: None,
            is_requested: false,
        }
    }

    /// Requests a snapshot.
    pub fn request(&mut self, waiter: Waiter) {
        // This is bounded by the number of connections and by their questions in flight.
        self.waiting.push(waiter);
    }

    /// Requests a snapshot without waiting for it.
    pub fn request_unattended(&mut self) {
        self.is_requested = true;
    }

    /// Counts the bytes of a logged batch.
    pub fn count_log_bytes(&mut self, bytes: usize) {
        self.log_bytes += u64::try_from(bytes).unwrap_or(0);
    }

    /// Whether a result or a request waits.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.results.is_empty() || (self.copying == Copying::No && !self.waiting.is_empty())
    }

    /// Whether a snapshot is in progress or was requested.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.copying != Copying::No || self.is_requested || !self.waiting.is_empty()
    }

    /// How long the applier may sleep.
    #[must_use]
    pub fn wait_ms(&self) -> u64 {
        if self.unsent.is_empty() { u64::MAX } else { BEHIND_MS }
    }

    /// Does a bounded amount of work and returns whether it did any. `position` is the log position of the last applied
    /// record. If `is_awaited`, a validation waits for its walk over the records, and the next snapshot begins after
    /// it.
    pub fn step(
        &mut self,
        (machine, position): (&mut Machine, u64),
        is_awaited: bool,
        replies: &mut ReplyWriter,
        links: &ApplierLinks,
    ) -> bool {
        let started_us = links.clock.monotonic_us();
        let was_copying = matches!(self.copying, Copying::Machine { .. });
        let has_worked = self.step_once((machine, position), is_awaited, replies, links);
        if has_worked && (was_copying || matches!(self.copying, Copying::Machine { .. })) {
            links.metrics.snapshot_step_us.record(links.clock.monotonic_us() - started_us);
        }
        has_worked
    }

    fn step_once(
        &mut self,
        (machine, position): (&mut Machine, u64),
        is_awaited: bool,
        replies: &mut ReplyWriter,
        links: &ApplierLinks,
    ) -> bool {
        let mut has_worked = false;
        if let Some(result) = self.queue.results.pop() {
            self.finish(result, replies);
            has_worked = true;
        }
        if self.copying == Copying::No
            && !is_awaited
            && !machine.is_walking()
            && (self.is_requested || !self.waiting.is_empty() || self.is_due(machine.op(), links))
        {
            if machine.prepare_snapshot(RECORDS_PER_STEP) == Progress::Done {
                self.begin((machine, position), replies, links);
            }
            has_worked = true;
        }
        has_worked |= self.send();
        if self.copying != Copying::No {
            let is_urgent = machine.snapshot_saved_bytes() > URGENT_BYTES;
            self.queue.is_urgent.store(is_urgent, Ordering::Relaxed);
        }
        if let Copying::Machine { digest } = self.copying
            && self.unsent.is_empty()
        {
            let unsent = &mut self.unsent;
            let progress = machine.snapshot_step(RECORDS_PER_STEP, &mut |kind, records, bytes| {
                unsent.push_back(Piece::Frame { kind, records, bytes: bytes.to_vec() });
            });
            if progress == Progress::Done {
                self.unsent.push_back(Piece::End { digest });
                self.copying = Copying::Done;
            }
            self.send();
            has_worked = true;
        }
        has_worked
    }

    fn is_due(&self, op: u64, links: &ApplierLinks) -> bool {
        let is_reached = |limit: u64, value: u64| limit > 0 && value >= limit;
        let elapsed_ms = links.clock.monotonic_ms().saturating_sub(self.last_ms);
        op > self.last_op
            && (is_reached(self.policy.ops, op - self.last_op)
                || is_reached(self.policy.log_bytes, self.log_bytes)
                || is_reached(self.policy.interval_ms, elapsed_ms))
    }

    fn begin(
        &mut self,
        (machine, position): (&mut Machine, u64),
        replies: &mut ReplyWriter,
        links: &ApplierLinks,
    ) {
        self.is_requested = false;
        self.served.append(&mut self.waiting);
        if let Some(last) = self.last.as_ref().filter(|last| last.op == machine.op()) {
            // Nothing has happened since the last snapshot, so it is the answer.
            let answer = QueryAnswer::Snapshot(last.clone());
            for waiter in self.served.drain(..) {
                send_answer(replies, waiter.address, waiter.request, &answer);
            }
            return;
        }
        let mark = machine.begin_snapshot();
        self.last_op = mark.op;
        self.last_ms = links.clock.monotonic_ms();
        self.log_bytes = 0;
        let begin = Piece::Begin {
            point: LogPoint { position, op: mark.op },
            time_ms: mark.time.0,
            rules_version: mark.rules_version,
            marks: mark_points(machine),
        };
        self.unsent.push_back(begin);
        self.copying = Copying::Machine { digest: mark.digest };
    }

    fn send(&mut self) -> bool {
        let before = self.unsent.len();
        while let Some(piece) = self.unsent.pop_front() {
            if let Err(piece) = self.queue.pieces.push(piece) {
                self.unsent.push_front(piece);
                break;
            }
        }
        let has_sent = self.unsent.len() < before;
        if has_sent {
            self.queue.snapshotter.wake();
        }
        has_sent
    }

    fn finish(&mut self, result: Result<SnapshotView, String>, replies: &mut ReplyWriter) {
        self.copying = Copying::No;
        let answer = match result {
            Ok(view) => {
                self.last = Some(view.clone());
                QueryAnswer::Snapshot(view)
            }
            Err(sentence) => QueryAnswer::Failed(sentence),
        };
        for waiter in self.served.drain(..) {
            send_answer(replies, waiter.address, waiter.request, &answer);
        }
    }
}

/// Removes files that are no longer needed.
pub trait Trim: Send {
    /// Removes or recycles files that nothing needs, because there is a new verified snapshot at `point`, or because marks
    /// were dropped.
    fn trim(&mut self, point: Option<LogPoint>, marks: &[MarkPoint]) -> Result<(), SnapshotError>;
}

/// Writes snapshots to disk.
pub struct Snapshotter {
    queue: Arc<SnapshotQueue>,
    storage: SharedStorage,
    log_uuid: Uuid,
    epoch: u64,
    metrics: Arc<Metrics>,
    trim: Box<dyn Trim>,
    watermarks: Arc<Watermarks>,
    throttle: SnapshotThrottle,
    writer: Option<SnapshotWriter>,
    /// The marks of the state that is being written.
    marks: Vec<MarkPoint>,
    /// The digest of a written snapshot whose op is not durable in the log yet.
    waits_with: Option<u64>,
    /// The snapshot that is being read back, and its digest.
    checking: Option<(WrittenSnapshot, u64)>,
    failure: Option<SnapshotError>,
}

impl Snapshotter {
    /// A snapshotter for one data directory.
    #[must_use]
    pub fn new(
        queue: Arc<SnapshotQueue>,
        storage: SharedStorage,
        (log_uuid, epoch): (Uuid, u64),
        metrics: Arc<Metrics>,
        trim: Box<dyn Trim>,
        (watermarks, clock): (Arc<Watermarks>, Arc<Clock>),
    ) -> Self {
        Self {
            queue,
            storage,
            log_uuid,
            epoch,
            metrics,
            trim,
            throttle: SnapshotThrottle::new(clock, watermarks.clone()),
            watermarks,
            writer: None,
            marks: Vec::new(),
            waits_with: None,
            checking: None,
            failure: None,
        }
    }

    /// Writes one piece or reads one back, unless it pauses.
    pub fn step(&mut self) -> Stepped {
        if let Some(wait_ms) = self.throttle.pause_left_ms(&self.queue.is_urgent) {
            return Stepped::Blocked { wait_ms };
        }
        let started_us = self.throttle.begin();
        let stepped = self.work();
        self.throttle.end(started_us);
        stepped
    }

    fn work(&mut self) -> Stepped {
        if let Some((written, digest)) = self.checking.take() {
            return self.check(written, digest);
        }
        if let Some(digest) = self.waits_with.take() {
            return self.end(digest);
        }
        let Some(piece) = self.queue.pieces.pop() else { return Stepped::Idle { wait_ms: 500 } };
        match piece {
            Piece::Begin { point: LogPoint { position, op }, time_ms, rules_version, marks } => {
                assert!(self.writer.is_none() && self.failure.is_none(), "one snapshot at a time");
                self.marks = marks;
                let (log_uuid, epoch) = (self.log_uuid, self.epoch);
                let feature_level = FEATURE_LEVEL;
                let header =
                    SnapshotHeader { log_uuid, epoch, op, position, time_ms, rules_version, feature_level };
                match SnapshotWriter::create(self.storage.clone(), header) {
                    Ok(writer) => self.writer = Some(writer),
                    Err(error) => self.failure = Some(error),
                }
            }
            Piece::Frame { kind, records, bytes } => {
                let written = self.writer.as_mut().map(|writer| writer.push_frame(kind, records, &bytes));
                if let Some(Err(error)) = written {
                    self.failure = Some(error);
                    if let Some(writer) = self.writer.take() {
                        writer.abandon();
                    }
                }
            }
            Piece::End { digest } => return self.end(digest),
        }
        self.queue.applier.wake();
        Stepped::Worked
    }

    /// Gives a written snapshot its name, unless the log is not durable up to its op. A server could not start from a
    /// snapshot whose part of the log was lost.
    fn end(&mut self, digest: u64) -> Stepped {
        if self.writer.as_ref().is_some_and(|writer| writer.op() > self.watermarks.durable()) {
            self.waits_with = Some(digest);
            return Stepped::Blocked { wait_ms: NOT_DURABLE_MS };
        }
        match (self.writer.take(), self.failure.take()) {
            (Some(writer), None) => match writer.end(digest_bytes(digest)) {
                Ok(written) => {
                    self.checking = Some((written, digest));
                    Stepped::Worked
                }
                Err(error) => self.conclude(Err(error)),
            },
            (_, Some(error)) => self.conclude(Err(error)),
            (None, None) => unreachable!("a snapshot that ends was begun, and was written or failed"),
        }
    }

    fn check(&mut self, mut written: WrittenSnapshot, digest: u64) -> Stepped {
        match written.check() {
            Ok(true) => {
                self.checking = Some((written, digest));
                Stepped::Worked
            }
            Ok(false) => {
                let published = written.publish().map(|summary| self.trim_after(&summary, digest));
                self.conclude(published)
            }
            Err(error) => {
                written.abandon();
                self.conclude(Err(error))
            }
        }
    }

    /// Removes files that a published snapshot makes unnecessary.
    fn trim_after(&mut self, summary: &SnapshotSummary, digest: u64) -> SnapshotView {
        self.trim(Some(summary.header.point()));
        self.metrics.snapshot_op.set(summary.header.op);
        self.metrics.snapshot_time_ms.set(summary.header.time_ms);
        let file = snapshot_name(summary.header.op);
        SnapshotView { op: summary.header.op, file, bytes: summary.bytes, digest }
    }

    fn trim(&mut self, point: Option<LogPoint>) {
        if let Err(error) = self.trim.trim(point, &self.marks) {
            tracing::warn!(%error, "old files could not be removed");
        }
    }

    /// Reports the result of a snapshot to the applier.
    fn conclude(&mut self, result: Result<SnapshotView, SnapshotError>) -> Stepped {
        let result = match result {
            Ok(view) => {
                self.metrics.snapshots_written.add(1);
                self.metrics.snapshot_failing.set(0);
                tracing::info!(op = view.op, bytes = view.bytes, "a snapshot was written and verified");
                Ok(view)
            }
            Err(error) => {
                self.metrics.snapshots_failed.add(1);
                self.metrics.snapshot_failing.set(1);
                tracing::error!(%error, source = ?error, "a snapshot failed; the log is kept");
                // If it was for lack of space, what only dropped marks needed may give some.
                self.trim(None);
                Err(format!("The snapshot failed: {error}."))
            }
        };
        let refused = self.queue.results.push(result);
        assert!(refused.is_ok(), "one snapshot at a time");
        self.queue.applier.wake();
        Stepped::Worked
    }
}

/// Encodes the machine's digest for the footer of a snapshot.
#[must_use]
pub fn digest_bytes(digest: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&digest.to_le_bytes());
    bytes
}
