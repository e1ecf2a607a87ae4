//! Replays the log, and compares the machine with the snapshots on the way.

use std::collections::{BTreeMap, VecDeque};

use stockhold_machine::{Genesis, Machine};

use super::finding::at_end;
use super::finding::{Fault, Finding, PassedOverBatch};
use super::meter::Meter;
use super::note::Note;
use super::read::{ReplayedRange, SnapshotRead};
use super::verification::Verification;
use crate::directory::ReadOnlyDirectory;
use crate::pipeline::apply::{BatchResult, PassedOver, apply_payload};
use crate::pipeline::digests::DigestComparison;
use crate::replica::SWEEP_BUDGET;
use crate::replica::load::{self, LoadFault};
use crate::snapshot::{LogPoint, snapshot_name};
use crate::storage::ReadFrom;
use crate::storage::width::length;
use crate::wal::segment::segment_name;
use crate::wal::{Durability, EndReason, Frame};

/// The number of passed-over batches that are reported one by one. The rest is only counted.
const PASSED_OVER_REPORTED_MAX: u64 = 1_024;

/// The replay of a log.
pub(super) struct Replay<'a> {
    directory: &'a ReadOnlyDirectory,
    skips: BTreeMap<u64, u64>,
    /// `None` where no snapshot or first op leads to the current position.
    machine: Option<Machine>,
    /// Compares the digests in the log with those of the machine.
    digests: DigestComparison,
    /// The position of the last record that the machine has taken.
    position: u64,
    /// The snapshots that were not read yet, oldest first.
    pending: VecDeque<PendingSnapshot>,
    /// The snapshots from which everything up to here was replayed, as indexes into the report.
    replayed_from: Vec<usize>,
}

/// A snapshot that was not read yet.
#[derive(Clone, Copy)]
struct PendingSnapshot {
    op: u64,
    /// `None` if its head cannot be read. The fault is found when the snapshot is loaded.
    position: Option<u64>,
}

impl PendingSnapshot {
    /// Whether it is due now that the log is at this position.
    fn is_due(&self, position: u64) -> bool {
        self.position.is_none_or(|own| own <= position)
    }
}

impl<'a> Replay<'a> {
    pub(super) fn new(directory: &'a ReadOnlyDirectory, mut snapshots: Vec<u64>) -> Self {
        snapshots.sort_unstable();
        let skips = directory.manifest().skips.iter().map(|skip| (skip.op, skip.epoch)).collect();
        let pending = snapshots.into_iter().map(|op| {
            let read = directory.read_snapshot(op, ReadFrom::Cache).ok();
            PendingSnapshot { op, position: read.map(|reader| reader.header().position) }
        });
        let (pending, digests) = (pending.collect(), DigestComparison::after(0));
        Self { directory, skips, machine: None, digests, position: 0, pending, replayed_from: Vec::new() }
    }

    /// Begins with the first record, if the log does.
    pub(super) fn begin(
        &mut self,
        first_position: Option<u64>,
        report: &mut Verification,
        meter: &mut Meter<'_>,
    ) {
        if let Some(first_position) = first_position {
            let is_unreached =
                |pending: &&PendingSnapshot| pending.position.is_some_and(|own| own + 1 < first_position);
            for pending in self.pending.iter().filter(is_unreached) {
                report.notes.push(Note::Unreached { file: snapshot_name(pending.op), first_position });
            }
        }
        let manifest = self.directory.manifest();
        if manifest.base != LogPoint::default() || first_position.is_some_and(|first| first != 1) {
            return;
        }
        match Genesis::decode(&manifest.genesis) {
            Ok(genesis) => {
                self.machine = Some(Machine::new(&genesis));
                self.digests = DigestComparison::after(0);
                report.replayed.push(ReplayedRange { snapshot_op: None, last_op: 0, ops: 0 });
                self.compare_snapshots(report, meter);
            }
            Err(error) => report.findings.push(Finding::of_genesis(error)),
        }
    }

    /// Applies the next batch, if there is a machine for its position.
    pub(super) fn apply(&mut self, frame: &Frame<'_>, report: &mut Verification, meter: &mut Meter<'_>) {
        if self.machine.is_none() {
            self.start_before(frame.first_position, report, meter);
        }
        let Some(machine) = &mut self.machine else { return };
        let batch = (frame.first_position, frame.records);
        let before = machine.op();
        let is_skipped = |op: u64| self.skips.contains_key(&op);
        let result = apply_payload(machine, batch, frame.payload, is_skipped, |_: &Machine, _| ())
            .map_err(Fault::Apply);
        let compared = result.and_then(|result| {
            if let BatchResult::Applied(applied) = &result {
                self.digests.compare(&applied.header, machine.epoch()).map_err(Fault::Diverged)?;
                self.digests.push(applied.digest);
            }
            Ok(result)
        });
        let result = match compared {
            Ok(result) => result,
            Err(fault) => {
                let (file, offset) = (segment_name(frame.segment), Some(frame.offset));
                report.findings.push(Finding { file, offset, fault });
                self.stop(report);
                return;
            }
        };
        machine.sweep(SWEEP_BUDGET);
        self.position = frame.first_position + u64::from(frame.records) - 1;
        let last_op = machine.op();
        match result {
            BatchResult::Applied(_) => {
                for (_, epoch) in self.skips.range(before + 1..=last_op) {
                    self.digests.skip_before_epoch(*epoch);
                    report.skipped_ops += 1;
                }
            }
            BatchResult::PassedOver(reason) => report_passed_over(frame, reason, report),
            BatchResult::Stopped { .. } => unreachable!("the replay has no target"),
        }
        if let Some(range) = report.replayed.last_mut() {
            range.last_op = last_op;
            range.ops += last_op - before;
        }
        self.compare_snapshots(report, meter);
    }

    /// Stops the replay: the following batches do not continue the applied ones.
    pub(super) fn stop(&mut self, report: &mut Verification) {
        self.machine = None;
        self.replayed_from.clear();
        report.state = None;
    }

    /// Starts from a snapshot right before this position, if there is one. Earlier snapshots are read too.
    fn start_before(&mut self, first_position: u64, report: &mut Verification, meter: &mut Meter<'_>) {
        let last_position = first_position - 1;
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.is_due(last_position)) {
            let Some((machine, index)) = self.load(pending, report, meter) else { continue };
            if pending.position == Some(last_position) {
                let op = machine.op();
                self.machine = Some(machine);
                self.digests = DigestComparison::after(op);
                self.position = last_position;
                self.replayed_from = vec![index];
                report.replayed.push(ReplayedRange { snapshot_op: Some(op), last_op: op, ops: 0 });
                return;
            }
        }
    }

    /// Compares the machine with the snapshots of its position.
    fn compare_snapshots(&mut self, report: &mut Verification, meter: &mut Meter<'_>) {
        let Some(replayed) = self.machine.as_ref().map(Machine::digest) else { return };
        let at = self.position;
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.is_due(at)) {
            let file = snapshot_name(pending.op);
            let loaded = self.load(pending, report, meter);
            if pending.position.is_some_and(|own| own < at) {
                report.findings.push(Finding { file, offset: None, fault: Fault::WithinBatch });
                continue;
            }
            let Some((loaded, index)) = loaded else { continue };
            let found = loaded.digest();
            if found == replayed {
                report.snapshots[index].is_compared = true;
                self.replayed_from.push(index);
            } else {
                let fault = Fault::Digest { found, replayed };
                report.findings.push(Finding { file, offset: None, fault });
            }
        }
    }

    /// Loads a snapshot. Returns the machine and its index in the report.
    fn load(
        &self,
        pending: PendingSnapshot,
        report: &mut Verification,
        meter: &mut Meter<'_>,
    ) -> Option<(Machine, usize)> {
        let PendingSnapshot { op, position } = pending;
        let index = report.snapshots.len();
        report.snapshots.push(SnapshotRead { op, position, ..SnapshotRead::default() });
        let read = &mut report.snapshots[index];
        let known = self.directory.manifest().epoch();
        let opened = self.directory.read_snapshot(op, ReadFrom::MediumWhole).map_err(LoadFault::from);
        let loaded = opened.and_then(|reader| {
            read.bytes = reader.progress().1;
            let epoch = reader.header().epoch;
            if epoch > known {
                let fault = Fault::SnapshotEpoch { epoch, known };
                report.findings.push(Finding { file: snapshot_name(op), offset: Some(0), fault });
            }
            load::load(reader, None, |bytes| {
                meter.snapshots += length(bytes);
                meter.show();
            })
        });
        match loaded {
            Ok(machine) => {
                read.digest = Some(machine.digest());
                Some((machine, index))
            }
            Err(fault) => {
                report.findings.push(Finding::of_snapshot(op, fault));
                None
            }
        }
    }

    /// Completes the report at the end of the log, and validates the machine.
    pub(super) fn finish(mut self, report: &mut Verification, meter: &mut Meter<'_>) {
        let end = report.end;
        if let Some(end) = end {
            if self.machine.is_none() {
                self.start_before(end.last_position + 1, report, meter);
            }
            let beyond = |pending: &PendingSnapshot| pending.position.map(|position| (pending.op, position));
            if let Some((snapshot_op, snapshot_position)) = self.pending.iter().rev().find_map(beyond) {
                let last_position = end.last_position;
                let fault = Fault::EndsEarly { last_position, snapshot_op, snapshot_position };
                report.findings.push(at_end(&end, fault));
            }
            if end.durability == Durability::Interval
                && matches!(end.reason, EndReason::Crash | EndReason::TornTail)
            {
                report.notes.push(Note::MayHaveLost { last_position: end.last_position });
            }
        }
        while let Some(pending) = self.pending.pop_front() {
            self.load(pending, report, meter);
        }
        match (end, self.machine) {
            (Some(end), Some(machine)) => {
                report.state = Some((machine.op(), machine.digest()));
                for violation in machine.validate() {
                    report.findings.push(at_end(&end, Fault::Invariant(violation)));
                }
                for index in self.replayed_from {
                    report.snapshots[index].starts = true;
                }
                find_within_batches(report);
            }
            (Some(end), None) => {
                let first_position = report.log.first_position;
                report.findings.push(at_end(&end, Fault::NoStart { first_position }));
            }
            (None, _) => {}
        }
    }
}

/// Reports a passed-over batch. One that was applied before is only a note, because nothing is lost. Any other may mean
/// a loss.
fn report_passed_over(frame: &Frame<'_>, reason: PassedOver, report: &mut Verification) {
    report.passed_over.count(frame.records);
    if report.passed_over.batches > PASSED_OVER_REPORTED_MAX {
        return;
    }
    let (file, offset) = (segment_name(frame.segment), frame.offset);
    let batch = PassedOverBatch { position: frame.first_position, records: frame.records, reason };
    match reason {
        PassedOver::Duplicate { .. } => report.notes.push(Note::PassedOver { file, offset, batch }),
        PassedOver::OldSession { .. } | PassedOver::Gap { .. } | PassedOver::Writers { .. } => {
            report.findings.push(Finding { file, offset: Some(offset), fault: Fault::PassedOver(batch) });
        }
    }
}

/// Finds the snapshots at whose position no batch ends. A continuous log can be replayed from all others.
fn find_within_batches(report: &mut Verification) {
    let first_position = report.log.first_position;
    let lost = |read: &&SnapshotRead| {
        let is_reached = read.position.is_some_and(|position| position + 1 >= first_position);
        read.digest.is_some() && !read.starts && is_reached
    };
    if report.findings.is_empty() {
        let found = report.snapshots.iter().filter(lost).map(|read| Finding {
            file: snapshot_name(read.op),
            offset: None,
            fault: Fault::WithinBatch,
        });
        report.findings = found.collect();
    }
}
