//! The machine that goes along with the log, and the snapshots that it meets on its way.

use std::collections::{BTreeMap, VecDeque};

use stockhold_machine::{Genesis, Machine};

use super::finding::at_end;
use super::finding::{Fault, Finding, PassedOverBatch};
use super::meter::Meter;
use super::note::Note;
use super::read::{SnapshotRead, Stretch};
use super::verification::Verification;
use crate::directory::ReadOnlyDirectory;
use crate::pipeline::apply::{BatchResult, PassedOver, apply_payload};
use crate::pipeline::digests::DigestComparison;
use crate::recovery::{self, LoadFault, SWEEP_BUDGET};
use crate::snapshot::{LogPoint, snapshot_name};
use crate::storage::ReadFrom;
use crate::storage::width::length;
use crate::wal::segment::segment_name;
use crate::wal::{Durability, EndReason, Frame};

/// So many batches that were passed over are told one by one; the others are counted.
const PASSED_OVER_TOLD_MAX: u64 = 1_024;

/// See the module.
pub(super) struct Replay<'a> {
    directory: &'a ReadOnlyDirectory,
    skips: BTreeMap<u64, u64>,
    /// None where nothing leads to the present position.
    machine: Option<Machine>,
    /// Compares the digests that the log tells with those of the machine.
    trail: DigestComparison,
    /// The position of the last record that the machine has taken.
    position: u64,
    /// The snapshots that are still to come, oldest first.
    coming: VecDeque<Coming>,
    /// The snapshots from which everything up to here was replayed, by their place among those that were read.
    behind: Vec<usize>,
}

/// A snapshot that was not read yet.
#[derive(Clone, Copy)]
struct Coming {
    op: u64,
    /// None where its head cannot be read: what is wrong with it shows when it is loaded.
    position: Option<u64>,
}

impl Coming {
    /// Whether it is to be read now that the log is at this position.
    fn is_due(&self, position: u64) -> bool {
        self.position.is_none_or(|own| own <= position)
    }
}

impl<'a> Replay<'a> {
    pub(super) fn new(directory: &'a ReadOnlyDirectory, mut snapshots: Vec<u64>) -> Self {
        snapshots.sort_unstable();
        let skips = directory.manifest().skips.iter().map(|skip| (skip.op, skip.epoch)).collect();
        let coming = snapshots.into_iter().map(|op| {
            let read = directory.read_snapshot(op, ReadFrom::Cache).ok();
            Coming { op, position: read.map(|reader| reader.header().position) }
        });
        let (coming, trail) = (coming.collect(), DigestComparison::after(0));
        Self { directory, skips, machine: None, trail, position: 0, coming, behind: Vec::new() }
    }

    /// Begins from the first record, if the log does.
    pub(super) fn begin(
        &mut self,
        first_position: Option<u64>,
        answer: &mut Verification,
        meter: &mut Meter<'_>,
    ) {
        if let Some(first_position) = first_position {
            let is_unreached = |coming: &&Coming| coming.position.is_some_and(|own| own + 1 < first_position);
            for coming in self.coming.iter().filter(is_unreached) {
                answer.notes.push(Note::Unreached { file: snapshot_name(coming.op), first_position });
            }
        }
        let manifest = self.directory.manifest();
        if manifest.base != LogPoint::default() || first_position.is_some_and(|first| first != 1) {
            return;
        }
        match Genesis::decode(&manifest.genesis) {
            Ok(genesis) => {
                self.machine = Some(Machine::new(&genesis));
                self.trail = DigestComparison::after(0);
                answer.replayed.push(Stretch { snapshot_op: None, last_op: 0, ops: 0 });
                self.meet(answer, meter);
            }
            Err(error) => answer.findings.push(Finding::of_genesis(error)),
        }
    }

    /// Applies the next batch, if the machine stands before it or a snapshot does.
    pub(super) fn apply(&mut self, frame: &Frame<'_>, answer: &mut Verification, meter: &mut Meter<'_>) {
        if self.machine.is_none() {
            self.start_before(frame.first_position, answer, meter);
        }
        let Some(machine) = &mut self.machine else { return };
        let place = (frame.first_position, frame.records);
        let before = machine.op();
        let is_skipped = |op: u64| self.skips.contains_key(&op);
        let result = apply_payload(machine, place, frame.payload, is_skipped, |_| ()).map_err(Fault::Apply);
        let compared = result.and_then(|result| {
            if let BatchResult::Applied(applied) = &result {
                self.trail.compare(&applied.header, machine.epoch()).map_err(Fault::Diverged)?;
                self.trail.push(applied.digest);
            }
            Ok(result)
        });
        let result = match compared {
            Ok(result) => result,
            Err(fault) => {
                let (file, offset) = (segment_name(frame.segment), Some(frame.offset));
                answer.findings.push(Finding { file, offset, fault });
                self.break_off(answer);
                return;
            }
        };
        machine.sweep(SWEEP_BUDGET);
        self.position = frame.first_position + u64::from(frame.records) - 1;
        let last_op = machine.op();
        match result {
            BatchResult::Applied(_) => {
                for (_, epoch) in self.skips.range(before + 1..=last_op) {
                    self.trail.skip_before_epoch(*epoch);
                    answer.skipped_ops += 1;
                }
            }
            BatchResult::PassedOver(reason) => tell_passed_over(frame, reason, answer),
        }
        if let Some(stretch) = answer.replayed.last_mut() {
            stretch.last_op = last_op;
            stretch.ops += last_op - before;
        }
        self.meet(answer, meter);
    }

    /// What follows does not follow from what was applied.
    pub(super) fn break_off(&mut self, answer: &mut Verification) {
        self.machine = None;
        self.behind.clear();
        answer.state = None;
    }

    /// Looks for a snapshot that stands right before this position; those before it are read all the same.
    fn start_before(&mut self, first_position: u64, answer: &mut Verification, meter: &mut Meter<'_>) {
        let last_position = first_position - 1;
        while let Some(coming) = self.coming.pop_front_if(|coming| coming.is_due(last_position)) {
            let Some((machine, place)) = self.load(coming, answer, meter) else { continue };
            if coming.position == Some(last_position) {
                let op = machine.op();
                self.machine = Some(machine);
                self.trail = DigestComparison::after(op);
                self.position = last_position;
                self.behind = vec![place];
                answer.replayed.push(Stretch { snapshot_op: Some(op), last_op: op, ops: 0 });
                return;
            }
        }
    }

    /// Compares the machine with the snapshot of its position, if there is one.
    fn meet(&mut self, answer: &mut Verification, meter: &mut Meter<'_>) {
        let Some(replayed) = self.machine.as_ref().map(Machine::digest) else { return };
        let at = self.position;
        while let Some(coming) = self.coming.pop_front_if(|coming| coming.is_due(at)) {
            let file = snapshot_name(coming.op);
            let loaded = self.load(coming, answer, meter);
            if coming.position.is_some_and(|own| own < at) {
                answer.findings.push(Finding { file, offset: None, fault: Fault::WithinBatch });
                continue;
            }
            let Some((loaded, place)) = loaded else { continue };
            let found = loaded.digest();
            if found == replayed {
                answer.snapshots[place].is_compared = true;
                self.behind.push(place);
            } else {
                let fault = Fault::Digest { found, replayed };
                answer.findings.push(Finding { file, offset: None, fault });
            }
        }
    }

    /// Reads a snapshot to its end and makes a machine of it; answers its place among those that were read, too.
    fn load(
        &self,
        coming: Coming,
        answer: &mut Verification,
        meter: &mut Meter<'_>,
    ) -> Option<(Machine, usize)> {
        let Coming { op, position } = coming;
        let place = answer.snapshots.len();
        answer.snapshots.push(SnapshotRead { op, position, ..SnapshotRead::default() });
        let read = &mut answer.snapshots[place];
        let known = self.directory.manifest().epoch();
        let opened = self.directory.read_snapshot(op, ReadFrom::Medium).map_err(LoadFault::from);
        let loaded = opened.and_then(|reader| {
            read.bytes = reader.progress().1;
            let epoch = reader.header().epoch;
            if epoch > known {
                let fault = Fault::SnapshotEpoch { epoch, known };
                answer.findings.push(Finding { file: snapshot_name(op), offset: Some(0), fault });
            }
            recovery::load(reader, None, |bytes| {
                meter.snapshots += length(bytes);
                meter.show();
            })
        });
        match loaded {
            Ok(machine) => {
                read.digest = Some(machine.digest());
                Some((machine, place))
            }
            Err(fault) => {
                answer.findings.push(Finding::of_snapshot(op, fault));
                None
            }
        }
    }

    /// Says what the end of the log means for the snapshots, and validates the machine there.
    pub(super) fn finish(mut self, answer: &mut Verification, meter: &mut Meter<'_>) {
        let end = answer.end;
        if let Some(end) = end {
            if self.machine.is_none() {
                self.start_before(end.last_position + 1, answer, meter);
            }
            let beyond = |coming: &Coming| coming.position.map(|position| (coming.op, position));
            if let Some((snapshot_op, snapshot_position)) = self.coming.iter().rev().find_map(beyond) {
                let last_position = end.last_position;
                let fault = Fault::EndsEarly { last_position, snapshot_op, snapshot_position };
                answer.findings.push(at_end(&end, fault));
            }
            if end.durability == Durability::Interval
                && matches!(end.reason, EndReason::Crash | EndReason::TornTail)
            {
                answer.notes.push(Note::MayHaveLost { last_position: end.last_position });
            }
        }
        while let Some(coming) = self.coming.pop_front() {
            self.load(coming, answer, meter);
        }
        match (end, self.machine) {
            (Some(end), Some(machine)) => {
                answer.state = Some((machine.op(), machine.digest()));
                for violation in machine.validate() {
                    answer.findings.push(at_end(&end, Fault::Invariant(violation)));
                }
                for place in self.behind {
                    answer.snapshots[place].starts = true;
                }
                find_within_batches(answer);
            }
            (Some(end), None) => {
                let first_position = answer.log.first_position;
                answer.findings.push(at_end(&end, Fault::NoStart { first_position }));
            }
            (None, _) => {}
        }
    }
}

/// A server writes each batch once: a batch that was applied before has lost nothing, any other that does not come next may have.
fn tell_passed_over(frame: &Frame<'_>, reason: PassedOver, answer: &mut Verification) {
    answer.passed_over.count(frame.records);
    if answer.passed_over.batches > PASSED_OVER_TOLD_MAX {
        return;
    }
    let (file, offset) = (segment_name(frame.segment), frame.offset);
    let batch = PassedOverBatch { position: frame.first_position, records: frame.records, reason };
    match reason {
        PassedOver::Duplicate { .. } => answer.notes.push(Note::PassedOver { file, offset, batch }),
        PassedOver::OldSession { .. } | PassedOver::Gap { .. } | PassedOver::Writers { .. } => {
            answer.findings.push(Finding { file, offset: Some(offset), fault: Fault::PassedOver(batch) });
        }
    }
}

/// A log without a break leads from each snapshot that it reaches to its end, or no batch ends at the position of the snapshot.
fn find_within_batches(answer: &mut Verification) {
    let first_position = answer.log.first_position;
    let lost = |read: &&SnapshotRead| {
        let is_reached = read.position.is_some_and(|position| position + 1 >= first_position);
        read.digest.is_some() && !read.starts && is_reached
    };
    if answer.findings.is_empty() {
        let found = answer.snapshots.iter().filter(lost).map(|read| Finding {
            file: snapshot_name(read.op),
            offset: None,
            fault: Fault::WithinBatch,
        });
        answer.findings = found.collect();
    }
}
