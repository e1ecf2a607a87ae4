//! The machine that goes along with the log, and the snapshots that it meets on its way.

use std::collections::{BTreeSet, VecDeque};

use stockhold_machine::{Genesis, Machine};

use super::finding::{Fault, Finding};
use super::note::Note;
use super::pass::{Meter, at_end};
use super::{SnapshotRead, Stretch, Verification};
use crate::directory::ReadOnlyDirectory;
use crate::pipeline::apply::apply_payload;
use crate::pipeline::digests::DigestTrail;
use crate::recovery::{self, LoadFault, SWEEP_BUDGET};
use crate::snapshot::snapshot_name;
use crate::storage::ReadFrom;
use crate::storage::width::length;
use crate::wal::segment::segment_name;
use crate::wal::{Durability, EndReason, Frame};

/// See the module.
pub(super) struct Replay<'a> {
    directory: &'a ReadOnlyDirectory,
    skips: BTreeSet<u64>,
    /// None where nothing leads to the present op.
    machine: Option<Machine>,
    /// Compares the digests that the log tells with those of the machine.
    trail: DigestTrail,
    /// The snapshots that are still to come, oldest first.
    coming: VecDeque<u64>,
    /// The snapshots from which everything up to here was replayed, by their place among those that were read.
    behind: Vec<usize>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(directory: &'a ReadOnlyDirectory, mut snapshots: Vec<u64>) -> Self {
        snapshots.sort_unstable();
        let skips = directory.manifest().skips.iter().map(|skip| skip.op).collect();
        let (trail, coming) = (DigestTrail::behind(0), snapshots.into());
        Self { directory, skips, machine: None, trail, coming, behind: Vec::new() }
    }

    /// Begins from the first op, if the log does.
    pub(super) fn begin(&mut self, first_op: Option<u64>, answer: &mut Verification, meter: &mut Meter<'_>) {
        if let Some(first_op) = first_op {
            for op in self.coming.iter().filter(|op| **op + 1 < first_op) {
                answer.notes.push(Note::Unreached { file: snapshot_name(*op), first_op });
            }
        }
        let manifest = self.directory.manifest();
        if manifest.base_op != 0 || first_op.is_some_and(|first_op| first_op != 1) {
            return;
        }
        match Genesis::decode(&manifest.genesis) {
            Ok(genesis) => {
                self.machine = Some(Machine::new(&genesis));
                self.trail = DigestTrail::behind(0);
                answer.replayed.push(Stretch { snapshot_op: None, last_op: 0, ops: 0 });
                self.meet(answer, meter);
            }
            Err(error) => answer.findings.push(Finding::of_genesis(error)),
        }
    }

    /// Applies the next batch, if the machine stands before it or a snapshot does.
    pub(super) fn apply(&mut self, frame: &Frame<'_>, answer: &mut Verification, meter: &mut Meter<'_>) {
        if self.machine.is_none() {
            self.start_before(frame.first_op, answer, meter);
        }
        let Some(machine) = &mut self.machine else { return };
        let place = (frame.first_op, frame.ops);
        let is_skipped = |op: u64| self.skips.contains(&op);
        let applied = apply_payload(machine, place, frame.payload, is_skipped, |_| ());
        let compared = applied.map_err(Fault::Apply).and_then(|applied| {
            self.trail.compare(&applied.header).map_err(Fault::Diverged)?;
            self.trail.push(applied.digest);
            Ok(applied.header.session)
        });
        let session = match compared {
            Ok(session) => session,
            Err(fault) => {
                let (file, offset) = (segment_name(frame.segment), Some(frame.offset));
                answer.findings.push(Finding { file, offset, fault });
                self.break_off(answer);
                return;
            }
        };
        machine.sweep(SWEEP_BUDGET);
        let last_op = machine.op();
        let skipped = self.skips.range(frame.first_op..=last_op).count();
        if skipped > 0 {
            self.trail.leave_out(session);
        }
        answer.skipped_ops += u64::try_from(skipped).unwrap_or(u64::MAX);
        if let Some(stretch) = answer.replayed.last_mut() {
            stretch.last_op = last_op;
            stretch.ops += u64::from(frame.ops);
        }
        self.meet(answer, meter);
    }

    /// What follows does not follow from what was applied.
    pub(super) fn break_off(&mut self, answer: &mut Verification) {
        self.machine = None;
        self.behind.clear();
        answer.state = None;
    }

    /// Looks for a snapshot that stands right before this op; those before it are read all the same.
    fn start_before(&mut self, first_op: u64, answer: &mut Verification, meter: &mut Meter<'_>) {
        while let Some(op) = self.coming.pop_front_if(|op| *op < first_op) {
            let Some((machine, place)) = self.load(op, answer, meter) else { continue };
            if op + 1 == first_op {
                self.machine = Some(machine);
                self.trail = DigestTrail::behind(op);
                self.behind = vec![place];
                answer.replayed.push(Stretch { snapshot_op: Some(op), last_op: op, ops: 0 });
                return;
            }
        }
    }

    /// Compares the machine with the snapshot of its op, if there is one.
    fn meet(&mut self, answer: &mut Verification, meter: &mut Meter<'_>) {
        let Some((at, replayed)) = self.machine.as_ref().map(|machine| (machine.op(), machine.digest()))
        else {
            return;
        };
        while let Some(op) = self.coming.pop_front_if(|op| *op <= at) {
            let file = snapshot_name(op);
            if op < at {
                self.load(op, answer, meter);
                answer.findings.push(Finding { file, offset: None, fault: Fault::WithinBatch });
                continue;
            }
            let Some((loaded, place)) = self.load(op, answer, meter) else { continue };
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
    fn load(&self, op: u64, answer: &mut Verification, meter: &mut Meter<'_>) -> Option<(Machine, usize)> {
        let place = answer.snapshots.len();
        answer.snapshots.push(SnapshotRead { op, ..SnapshotRead::default() });
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
                self.start_before(end.last_op + 1, answer, meter);
            }
            if let Some(newest) = self.coming.back() {
                let fault = Fault::EndsEarly { last_op: end.last_op, snapshot_op: *newest };
                answer.findings.push(at_end(&end, fault));
            }
            if end.durability == Durability::Interval
                && matches!(end.reason, EndReason::Crash | EndReason::TornTail)
            {
                answer.notes.push(Note::MayHaveLost { last_op: end.last_op });
            }
        }
        while let Some(op) = self.coming.pop_front() {
            self.load(op, answer, meter);
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
                let first_op = answer.log.first_op;
                answer.findings.push(at_end(&end, Fault::NoStart { first_op }));
            }
            (None, _) => {}
        }
    }
}

/// A log without a break leads from each snapshot that it reaches to its end, or no batch ends with the op of the snapshot.
fn find_within_batches(answer: &mut Verification) {
    let first_op = answer.log.first_op;
    let lost = |read: &&SnapshotRead| read.digest.is_some() && !read.starts && read.op + 1 >= first_op;
    if answer.findings.is_empty() {
        let found = answer.snapshots.iter().filter(lost).map(|read| Finding {
            file: snapshot_name(read.op),
            offset: None,
            fault: Fault::WithinBatch,
        });
        answer.findings = found.collect();
    }
}
