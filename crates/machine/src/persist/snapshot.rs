//! Snapshots: the state of one instant, copied in bounded steps while the machine continues.
//!
//! `begin_snapshot` marks the instant. It encodes the core and the small catalog at once, and the slabs
//! save the old values of records that change from then on. `snapshot_step` then emits frames of records,
//! section by section. Records contain no slot numbers, and their order within a section is undefined.
//!
//! Files are not written here: the caller decides what to do with a frame.

use crate::ledger::cursor::{GrantCursor, RecordSink, Sections};
use crate::ledger::record::{
    Content, ItemRow, LineRow, NoteRow, NotifyRow, OrderPartRow, OrderRow, OutcomeRow, PositionRow, Record,
    ReservationRow, Section, SettingsRow, SkuRow, TableSection, UnreservedRow, each_table, record_table,
};
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::table::Progress;
use stockhold_protocol::Timestamp;

/// A frame is emitted when it has at least this many bytes, so it is never much longer.
const FRAME_BYTES: usize = 128 * 1024;

/// Which state a snapshot contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotMark {
    /// The last op that it includes.
    pub op: u64,
    /// The time of that op.
    pub time: Timestamp,
    /// The digest of the state.
    pub digest: u64,
    /// The rules in force.
    pub rules_version: u32,
}

/// Receives frames: section, number of records, bytes.
pub type Sink<'a> = dyn FnMut(u16, u32, &[u8]) + 'a;

impl Machine {
    /// Erases up to `budget` records whose retention has ended. They are no longer part of the state and
    /// must not be in a snapshot. `Done` means that none is left at this op, so [`Machine::begin_snapshot`]
    /// is quick.
    pub fn prepare_snapshot(&mut self, budget: u32) -> Progress {
        if self.state_to_scan().erase_due_records(budget) { Progress::More } else { Progress::Done }
    }

    /// Begins a snapshot of this instant, after erasing what [`Machine::prepare_snapshot`] has left.
    pub fn begin_snapshot(&mut self) -> SnapshotMark {
        assert!(!self.is_walking(), "only one scan over the records may be in progress");
        while self.state_to_scan().erase_due_records(u32::MAX) {}
        self.state_to_scan().sum_positions();
        self.snapshot.ready = self.state().core_and_catalog_frames();
        self.snapshot.sections = Sections::all();
        self.state_to_scan().begin_record_snapshots();
        SnapshotMark {
            op: self.op(),
            time: self.time(),
            digest: self.digest(),
            rules_version: self.state().core.rules_version,
        }
    }

    /// Copies up to `budget` records of the snapshot and passes full frames to the sink. `Done` ends the
    /// snapshot.
    pub fn snapshot_step(&mut self, budget: u32, sink: &mut Sink<'_>) -> Progress {
        for (section, records, bytes) in self.snapshot.ready.drain(..) {
            sink(section.number(), records, &bytes);
        }
        let Some(section) = self.snapshot.sections.current() else { return Progress::Done };
        let mut writer = FrameWriter {
            section,
            frame: std::mem::take(&mut self.snapshot.frame),
            records: self.snapshot.records,
            sink,
        };
        let progress = self.state_to_scan().copy_section(section, budget, &mut writer);
        if progress == Progress::Done {
            writer.flush();
            self.snapshot.sections.advance();
        }
        self.snapshot.records = writer.records;
        self.snapshot.frame = writer.frame;
        if self.snapshot.sections.is_done() { Progress::Done } else { Progress::More }
    }

    /// Aborts the snapshot. The saved records are freed in steps of `budget`; call it until it returns
    /// `Done`.
    pub fn abort_snapshot(&mut self, budget: u32) -> Progress {
        self.snapshot_step(budget, &mut |_, _, _| {})
    }

    /// Heap bytes that the snapshot in progress uses in addition to the state.
    #[must_use]
    pub fn snapshot_saved_bytes(&self) -> usize {
        let state = self.state();
        state
            .skus
            .snapshot_bytes()
            .saturating_add(state.settings.snapshot_bytes())
            .saturating_add(state.items.snapshot_bytes())
            .saturating_add(state.notifies.snapshot_bytes())
            .saturating_add(state.positions.snapshot_bytes())
            .saturating_add(state.reservations.snapshot_bytes())
            .saturating_add(state.lines.snapshot_bytes())
            .saturating_add(state.notes.snapshot_bytes())
            .saturating_add(state.orders.snapshot_bytes())
            .saturating_add(state.order_parts.snapshot_bytes())
            .saturating_add(state.unreserved.snapshot_bytes())
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
    fn write_record(&mut self, _: Section, put: impl FnOnce(&mut Vec<u8>)) {
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
    /// The bytes of the core record in snapshots and in the digest.
    pub(crate) fn core_bytes(&self) -> Vec<u8> {
        let mut core = Vec::new();
        let encoded = self.core.put(&self.catalog, &mut core);
        assert!(encoded.is_ok(), "the core record is bounded and always encodes");
        core
    }

    /// The frames of the core and of the small catalog.
    fn core_and_catalog_frames(&self) -> Vec<(Section, u32, Vec<u8>)> {
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

    /// Begins a snapshot of every container: [`State::copy_section`] visits the records as they are now.
    pub(crate) fn begin_record_snapshots(&mut self) {
        self.begin_table_snapshots();
        self.outcomes.begin_snapshot();
        self.grant_cursor =
            Some(GrantCursor { next_slot: 0, op: self.core.op, number_min: self.outcomes.number_min() });
    }

    /// Passes up to `budget` records of a section to the sink.
    pub(crate) fn copy_section(
        &mut self,
        section: Section,
        budget: u32,
        sink: &mut impl RecordSink,
    ) -> Progress {
        match section.content() {
            Content::Core | Content::Catalog(_) => Progress::Done,
            Content::Table(table) => self.copy_table(table, budget, sink),
            Content::Outcomes => self.copy_outcomes(budget, sink),
        }
    }
}

impl State {
    /// Passes first the outcomes of plain grants to the sink, then the rows.
    fn copy_outcomes(&mut self, budget: u32, sink: &mut impl RecordSink) -> Progress {
        if let Some(mut cursor) = self.grant_cursor {
            let progress = self.outcomes_of_grants(&mut cursor, budget, &mut |row| {
                sink.write_record(Section::Outcome, |out| row.put(&[], out));
            });
            self.grant_cursor = (progress == Progress::More).then_some(cursor);
            return Progress::More;
        }
        self.outcomes.copy_next(budget, &mut |_, row: &OutcomeRow, arena| {
            let side = if row.has_side() { arena.get(row.value()) } else { &[] };
            sink.write_record(Section::Outcome, |out| row.put(side, out));
        })
    }
}

macro_rules! snapshot_tables {
    ($($table:ident $field:ident $row:ty, $load:ident;)+) => {
        impl State {
            fn begin_table_snapshots(&mut self) {
                $(self.$field.begin_snapshot();)+
            }

            fn copy_table(
                &mut self,
                table: TableSection,
                budget: u32,
                sink: &mut impl RecordSink,
            ) -> Progress {
                match table {
                    $(TableSection::$table => self.$field.copy_next(budget, &mut |row: &$row| {
                        sink.write_record(Section::$table, |out| row.put(out));
                    }),)+
                }
            }
        }
    };
}
record_table!(each_table snapshot_tables);
