//! Snapshots: the state of one instant, walked in bounded steps while the machine goes on.
//!
//! `begin_snapshot` marks the instant: the small parts (core and small catalog) are encoded at once, the
//! slabs remember what they were. `snapshot_step` then hands out frames of records, section by section. No
//! slot number is in them, and their order within a section is free.
//!
//! Not for files: what becomes of a frame is the shell's business.

use crate::ledger::record::{OutcomeRow, Record, Section};
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::persist::walk::{GrantWalk, RecordSink, Sections};
use crate::table::{Progress, Slab};
use stockhold_protocol::Timestamp;

/// A frame is handed out when it has grown to this many bytes, so it is never much longer.
const FRAME_BYTES: usize = 128 * 1024;

/// What a snapshot stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotMark {
    /// The op as of which it is.
    pub op: u64,
    /// That op's time.
    pub time: Timestamp,
    /// The digest of the state.
    pub digest: u64,
    /// The rules in force.
    pub rules_version: u32,
}

/// Where frames go: section, number of records, bytes.
pub type Sink<'a> = dyn FnMut(u16, u32, &[u8]) + 'a;

impl Machine {
    /// Erases up to `budget` records whose time is up, because they are no longer part of the state and would be in the
    /// way of a snapshot. `Done`: none is left at this op, and [`Machine::begin_snapshot`] is quick.
    pub fn prepare_snapshot(&mut self, budget: u32) -> Progress {
        if self.state.erase_due_records(budget) { Progress::More } else { Progress::Done }
    }

    /// Marks this instant for a snapshot, after erasing what [`Machine::prepare_snapshot`] has left.
    pub fn begin_snapshot(&mut self) -> SnapshotMark {
        assert!(!self.is_walking(), "one walk over the records at a time");
        while self.state.erase_due_records(u32::MAX) {}
        self.state.sum_positions();
        self.walk.ready = self.state.small_parts();
        self.walk.left = Sections::all();
        self.state.begin_walks();
        SnapshotMark {
            op: self.op(),
            time: self.time(),
            digest: self.digest(),
            rules_version: self.state.core.rules_version,
        }
    }

    /// Walks up to `budget` records of the mark and hands full frames to the sink. `Done` ends the snapshot.
    pub fn snapshot_step(&mut self, budget: u32, sink: &mut Sink<'_>) -> Progress {
        for (section, records, bytes) in self.walk.ready.drain(..) {
            sink(section.number(), records, &bytes);
        }
        let Some(section) = self.walk.left.current() else { return Progress::Done };
        let mut writer = FrameWriter {
            section,
            frame: std::mem::take(&mut self.walk.frame),
            records: self.walk.records,
            sink,
        };
        let progress = self.state.walk_section(section, budget, &mut writer);
        if progress == Progress::Done {
            writer.flush();
            self.walk.left.pass();
        }
        self.walk.records = writer.records;
        self.walk.frame = writer.frame;
        if self.walk.left.is_over() { Progress::Done } else { Progress::More }
    }

    /// Gives the snapshot up; what was put aside for it is freed by walking on in steps of `budget`.
    pub fn abort_snapshot(&mut self, budget: u32) -> Progress {
        self.snapshot_step(budget, &mut |_, _, _| {})
    }

    /// Heap bytes that the snapshot under way holds in addition to the state.
    #[must_use]
    pub fn snapshot_saved_bytes(&self) -> usize {
        let state = &self.state;
        state
            .skus
            .snapshot_bytes()
            .saturating_add(state.settings.snapshot_bytes())
            .saturating_add(state.items.snapshot_bytes())
            .saturating_add(state.positions.snapshot_bytes())
            .saturating_add(state.reservations.snapshot_bytes())
            .saturating_add(state.lines.snapshot_bytes())
            .saturating_add(state.notes.snapshot_bytes())
    }
}

/// Collects records into frames.
struct FrameWriter<'a, 'b> {
    section: Section,
    frame: Vec<u8>,
    records: u32,
    sink: &'a mut Sink<'b>,
}

impl RecordSink for FrameWriter<'_, '_> {
    fn take(&mut self, _: Section, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.frame);
        self.records = self.records.saturating_add(1);
        if self.frame.len() >= FRAME_BYTES {
            self.flush();
        }
    }
}

impl FrameWriter<'_, '_> {
    fn flush(&mut self) {
        if self.records > 0 {
            (self.sink)(self.section.number(), self.records, &self.frame);
        }
        self.frame.clear();
        self.records = 0;
    }
}

impl State {
    /// The core record as it stands in snapshots and in the digest.
    pub(crate) fn core_bytes(&self) -> Vec<u8> {
        let mut core = Vec::new();
        let encoded = self.core.put(&self.catalog, &mut core);
        assert!(encoded.is_ok(), "the core record is bounded and always encodes");
        core
    }

    fn small_parts(&self) -> Vec<(Section, u32, Vec<u8>)> {
        let mut parts = vec![(Section::Core, 1, self.core_bytes())];
        self.catalog.records(&mut |section, bytes| match parts.last_mut() {
            Some((last, records, frame)) if *last == section && frame.len() < FRAME_BYTES => {
                frame.extend_from_slice(bytes);
                *records = u32::saturating_add(*records, 1);
            }
            Some(_) | None => parts.push((section, 1, bytes.to_vec())),
        });
        parts
    }

    /// Marks this instant in every slab: walks visit the records as they are now.
    pub(crate) fn begin_walks(&mut self) {
        self.skus.begin_snapshot();
        self.settings.begin_snapshot();
        self.items.begin_snapshot();
        self.positions.begin_snapshot();
        self.reservations.begin_snapshot();
        self.lines.begin_snapshot();
        self.notes.begin_snapshot();
        self.outcomes.begin_snapshot();
        self.grant_walk =
            Some(GrantWalk { cursor: 0, op: self.core.op, number_min: self.outcomes.number_min() });
    }

    /// Hands up to `budget` records of a section to the sink.
    pub(crate) fn walk_section(
        &mut self,
        section: Section,
        budget: u32,
        sink: &mut impl RecordSink,
    ) -> Progress {
        match section {
            Section::Core
            | Section::Source
            | Section::Stock
            | Section::Link
            | Section::Channel
            | Section::Actor
            | Section::Mark => Progress::Done,
            #[cfg(feature = "next-release")]
            Section::MarkNote => Progress::Done,
            Section::Sku => walk(&mut self.skus, section, budget, sink),
            Section::Settings => walk(&mut self.settings, section, budget, sink),
            Section::Item => walk(&mut self.items, section, budget, sink),
            Section::Position => walk(&mut self.positions, section, budget, sink),
            Section::Reservation => walk(&mut self.reservations, section, budget, sink),
            Section::Line => walk(&mut self.lines, section, budget, sink),
            Section::Note => walk(&mut self.notes, section, budget, sink),
            Section::Outcome => self.walk_outcomes(budget, sink),
        }
    }
}

impl State {
    /// First the outcomes that grants tell, then the rows.
    fn walk_outcomes(&mut self, budget: u32, sink: &mut impl RecordSink) -> Progress {
        if let Some(mut walk) = self.grant_walk {
            let progress = self.outcomes_of_grants(&mut walk, budget, &mut |row| {
                sink.take(Section::Outcome, |out| row.put(&[], out));
            });
            self.grant_walk = (progress == Progress::More).then_some(walk);
            return Progress::More;
        }
        self.outcomes.copy_next(budget, &mut |_, row: &OutcomeRow, arena| {
            let side = if row.has_side() { arena.get(row.value()) } else { &[] };
            sink.take(Section::Outcome, |out| row.put(side, out));
        })
    }
}

fn walk<T: Record>(
    slab: &mut Slab<T>,
    section: Section,
    budget: u32,
    sink: &mut impl RecordSink,
) -> Progress {
    slab.copy_next(budget, &mut |record| sink.take(section, |out| record.put(out)))
}
