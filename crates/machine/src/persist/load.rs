//! Loading a snapshot: the loader receives records, builds a machine, and compares its digest with the
//! digest that is stored in the snapshot.
//!
//! Everything that is derived (indexes, clusters, sums of holds, due lists) is built again. Sections must
//! arrive in the order of [`Section::ALL`]; the records of a section may have any order.

use crate::config::{Genesis, RULES_VERSION};
use crate::ledger::catalog::LinkRow;
use crate::ledger::core::Core;
use crate::ledger::record::{
    Content, ItemRow, LineRow, NoteRow, NotifyRow, OrderPartRow, OrderRow, OutcomeRow, PositionRow, Record,
    ReservationRow, Section, SettingsRow, SkuRow, Stage, TableSection, UnreservedRow, each_table,
    generation_of, record_table,
};
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::persist::snapshot::SnapshotMark;
use crate::table::{Digest, NO_SLOT, record_hash};
use std::fmt;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::fields::first_field;
use stockhold_protocol::{BadField, Deadline};

/// Why a snapshot could not be loaded. Each reason means damage, a bug, or a file of another program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// A section number is unknown.
    UnknownSection(u16),
    /// The state was written under rules that this program does not execute.
    Rules {
        /// Their version.
        found: u32,
    },
    /// A section arrived too late.
    Order(Section),
    /// A record could not be read.
    Record(Section, &'static str, &'static str),
    /// A record refers to something that does not exist.
    Dangling(Section),
    /// The digest differs from the one that is stored in the snapshot.
    Digest {
        /// The stored digest.
        expected: u64,
        /// The digest of the loaded records.
        loaded: u64,
    },
    /// The op differs from the one that is stored in the snapshot.
    Op {
        /// The stored op.
        expected: u64,
        /// The op in the core record.
        loaded: u64,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSection(number) => write!(f, "section {number} is unknown to this program"),
            Self::Rules { found } => write!(
                f,
                "the state was written by rules version {found}, this program executes version {RULES_VERSION}"
            ),
            Self::Order(section) => write!(f, "section {section:?} is out of order"),
            Self::Record(section, field, rule) => {
                write!(f, "a record of section {section:?} is damaged: {field} {rule}")
            }
            Self::Dangling(section) => {
                write!(f, "a record of section {section:?} refers to something that does not exist")
            }
            Self::Digest { expected, loaded } => {
                write!(
                    f,
                    "the snapshot states the digest {expected:016x}, but its records have {loaded:016x}"
                )
            }
            Self::Op { expected, loaded } => {
                write!(f, "the snapshot states op {expected}, but its core record states op {loaded}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// Receives the sections of one snapshot and builds a machine.
#[derive(Debug)]
pub struct Loader {
    state: State,
    last_section: Section,
    /// The sum of the hashes of the records, as they arrived.
    digest: Digest,
}

impl Machine {
    /// A loader for the sections of one snapshot.
    #[must_use]
    pub fn loader() -> Loader {
        let state = State::new(&Genesis::default());
        Loader { state, last_section: Section::Core, digest: Digest::EMPTY }
    }
}

impl Loader {
    /// Loads one frame of records.
    ///
    /// # Errors
    /// [`LoadError`] if no machine can have written the frame.
    pub fn section(&mut self, number: u16, records: u32, bytes: &[u8]) -> Result<(), LoadError> {
        let section = Section::from_number(number).ok_or(LoadError::UnknownSection(number))?;
        if section < self.last_section {
            return Err(LoadError::Order(section));
        }
        if !section.is_of_catalog() && self.last_section.is_of_catalog() {
            self.state.finish_catalog()?;
        }
        self.last_section = section;
        let damaged = |error: BadField| LoadError::Record(section, error.field, error.rule);
        if section == Section::Core {
            let found = rules_of_core(bytes).map_err(damaged)?;
            if found != RULES_VERSION {
                return Err(LoadError::Rules { found });
            }
            self.digest.add(record_hash(Section::Core as u8, bytes));
            return self.core(bytes).map_err(damaged);
        }
        let mut reader = Reader::new(bytes);
        for _ in 0..records {
            let before = reader.rest();
            self.record(section, &mut reader).map_err(damaged)??;
            let read = before.len().saturating_sub(reader.rest().len());
            self.digest.add(record_hash(section as u8, &before[..read]));
        }
        reader.finish().map_err(damaged)
    }

    /// Completes the machine.
    ///
    /// # Errors
    /// [`LoadError::Digest`], [`LoadError::Op`] or [`LoadError::Rules`] if it is not what the mark states,
    /// [`LoadError::Dangling`] if a record refers to something that does not exist.
    pub fn finish(mut self, mark: &SnapshotMark) -> Result<Machine, LoadError> {
        // The comparisons come before anything is derived: deriving relies on records that a machine wrote.
        if mark.rules_version != RULES_VERSION {
            return Err(LoadError::Rules { found: mark.rules_version });
        }
        let (op, digest) = (self.state.core.op, self.digest.to_u64());
        if op != mark.op {
            return Err(LoadError::Op { expected: mark.op, loaded: op });
        }
        if digest != mark.digest {
            return Err(LoadError::Digest { expected: mark.digest, loaded: digest });
        }
        if self.last_section.is_of_catalog() {
            self.state.finish_catalog()?;
        }
        self.state.derive()?;
        let machine = Machine::of(self.state);
        let loaded = machine.digest();
        if loaded == mark.digest {
            Ok(machine)
        } else {
            Err(LoadError::Digest { expected: mark.digest, loaded })
        }
    }

    fn core(&mut self, bytes: &[u8]) -> Result<(), BadField> {
        let core = Core::get(bytes, &mut self.state.catalog)?;
        core.configuration.check()?;
        core.offsets.check(core.time)?;
        self.state.outcomes.raise_number_min(core.horizon);
        self.state.core = core;
        Ok(())
    }

    fn record(
        &mut self,
        section: Section,
        reader: &mut Reader<'_>,
    ) -> Result<Result<(), LoadError>, BadField> {
        match section.content() {
            Content::Core => Ok(Ok(())),
            Content::Catalog(section) => self.state.catalog.load(section, reader).map(Ok),
            Content::Table(table) => self.state.load_record(table, reader),
            Content::Outcomes => {
                let (row, side) = OutcomeRow::get(reader)?;
                let is_sound = self.state.outcomes.has_room_for(generation_of(row.id()))
                    && self.state.load_outcome(row, side);
                Ok(if is_sound { Ok(()) } else { Err(LoadError::Dangling(section)) })
            }
        }
    }
}

macro_rules! load_tables {
    ($($table:ident $field:ident $row:ty, $load:ident;)+) => {
        impl State {
            fn load_record(
                &mut self,
                table: TableSection,
                reader: &mut Reader<'_>,
            ) -> Result<Result<(), LoadError>, BadField> {
                Ok(match table {
                    $(TableSection::$table => self.$load(<$row>::get(reader)?),)+
                })
            }
        }
    };
}
record_table!(each_table load_tables);

#[expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "the table of records calls each of them alike"
)]
impl State {
    fn load_sku(&mut self, row: SkuRow) -> Result<(), LoadError> {
        if row.sku != self.skus.len() {
            return Err(LoadError::Dangling(Section::Sku));
        }
        self.add_sku(&row);
        Ok(())
    }

    fn load_settings(&mut self, row: SettingsRow) -> Result<(), LoadError> {
        self.add_settings(row);
        Ok(())
    }

    fn load_item(&mut self, row: ItemRow) -> Result<(), LoadError> {
        self.digest.add(row.hash(&mut self.scratch));
        if !self.has_sku(row.sku) {
            return Err(LoadError::Dangling(Section::Item));
        }
        self.add_item(row);
        Ok(())
    }

    fn load_notify(&mut self, row: NotifyRow) -> Result<(), LoadError> {
        if !self.is_sound_notify(&row) || self.notify_of(row.sku, row.source).is_some() {
            return Err(LoadError::Dangling(Section::Notify));
        }
        self.add_notify(row);
        Ok(())
    }

    fn load_unreserved(&mut self, row: UnreservedRow) -> Result<(), LoadError> {
        let key = (row.order, row.stock, row.sku);
        if !self.is_sound_unreserved(&row) || self.unreserved_by_key.contains_key(&key) {
            return Err(LoadError::Dangling(Section::Unreserved));
        }
        self.add_unreserved(row);
        Ok(())
    }

    fn load_position(&mut self, row: PositionRow) -> Result<(), LoadError> {
        self.digest.add(row.hash(&mut self.scratch));
        self.positions.insert(row);
        Ok(())
    }

    fn load_reservation(&mut self, row: ReservationRow) -> Result<(), LoadError> {
        let slot = self.reservations.insert(row);
        self.index_reservation(slot);
        Ok(())
    }
}

/// The version of the rules in a core record. The other fields of that record may be those of other rules.
fn rules_of_core(bytes: &[u8]) -> Result<u32, BadField> {
    first_field(bytes, |fields| fields.value(1, "core.rules_version"))
}

impl State {
    fn finish_catalog(&mut self) -> Result<(), LoadError> {
        let catalog = &self.catalog;
        let dangles =
            |link: &LinkRow| !catalog.has_stock(link.stock) || catalog.source(link.source).is_none();
        if catalog.links().values().any(dangles) {
            return Err(LoadError::Dangling(Section::Link));
        }
        if catalog.channels.iter().any(|channel| !catalog.has_stock(channel.stock)) {
            return Err(LoadError::Dangling(Section::Channel));
        }
        let layout = self.layout_of_links().map_err(|_| LoadError::Dangling(Section::Link))?;
        self.catalog.layout = layout;
        Ok(())
    }

    /// Inserts a further line into its reservation's list, which is ordered by position.
    fn load_line(&mut self, mut row: LineRow) -> Result<(), LoadError> {
        let Some(slot) = self.slot_of(row.reservation) else {
            return Err(LoadError::Dangling(Section::Line));
        };
        let mut before = NO_SLOT;
        let mut next = self.reservations.get(slot).more;
        while next != NO_SLOT && self.lines.get(next).at < row.at {
            before = next;
            next = self.lines.get(next).next;
        }
        row.next = next;
        let line = self.lines.insert(row);
        if before == NO_SLOT {
            self.reservations.get_mut(slot).more = line;
        } else {
            self.lines.get_mut(before).next = line;
        }
        Ok(())
    }

    /// Inserts a note into its reservation's list, which is ordered by kind and position.
    fn load_note(&mut self, mut row: NoteRow) -> Result<(), LoadError> {
        let Some(slot) = self.slot_of(row.reservation) else {
            return Err(LoadError::Dangling(Section::Note));
        };
        let mut before = NO_SLOT;
        let mut next = self.reservations.get(slot).notes;
        while next != NO_SLOT && {
            let note = self.notes.get(next);
            (note.kind, note.at) < (row.kind, row.at)
        } {
            before = next;
            next = self.notes.get(next).next;
        }
        row.next = next;
        let note = self.notes.insert(row);
        if before == NO_SLOT {
            self.reservations.get_mut(slot).notes = note;
        } else {
            self.notes.get_mut(before).next = note;
        }
        Ok(())
    }

    /// Builds everything that is derived from records.
    fn derive(&mut self) -> Result<(), LoadError> {
        if self.catalog.old_names().iter().any(|(op, _)| !self.is_sound_old_name(op)) {
            return Err(LoadError::Dangling(Section::OldName));
        }
        if self.catalog.marks().last_op().is_some_and(|op| op > self.core.op) {
            return Err(LoadError::Dangling(Section::Mark));
        }
        self.fill_clusters();
        let positions: Vec<(u32, PositionRow)> =
            self.positions.iter().map(|(slot, row)| (slot, *row)).collect();
        for (slot, row) in positions {
            if !self.has_sku(row.sku) || !self.catalog.has_stock(row.stock) {
                return Err(LoadError::Dangling(Section::Position));
            }
            self.attach_position(slot, &row);
        }
        let slots: Vec<u32> = self.reservations.iter().map(|(slot, _)| slot).collect();
        let removed = self.erase_due.take_hash_sum(self.now_s());
        assert!(removed == 0, "the erase list is empty before the first reservation");
        let mut lines = Vec::new();
        let mut plain_grants: u64 = 0;
        for slot in slots {
            self.derive_hold(slot, &mut lines)?;
            self.add_to_digest(slot);
            self.known = self.known.saturating_add(1);
            let has_outcome = self.outcome_of_grant(self.reservations.get(slot)).is_some();
            plain_grants = plain_grants.saturating_add(u64::from(has_outcome));
        }
        // Each plain grant must have been loaded with its outcome. Otherwise the next snapshot of this
        // state would contain further outcomes, and have another digest.
        if plain_grants != self.outcomes.references() {
            return Err(LoadError::Dangling(Section::Outcome));
        }
        self.derive_orders()?;
        self.changed_clusters.clear();
        Ok(())
    }

    /// Adds the lines of a live hold to the sums of its deadline.
    fn derive_hold(
        &mut self,
        slot: u32,
        lines: &mut Vec<crate::ledger::record::LineState>,
    ) -> Result<(), LoadError> {
        let row = *self.reservations.get(slot);
        if row.notes != NO_SLOT && self.has_bad_notes(slot) {
            return Err(LoadError::Dangling(Section::Note));
        }
        self.join_loaded_order(slot)?;
        self.lines_of(slot, lines);
        let is_dangling = lines.iter().any(|line| !self.has_sku(line.sku))
            || !self.catalog.has_stock(row.stock)
            || !self.catalog.actors().has(row.actor);
        if is_dangling {
            return Err(LoadError::Dangling(Section::Reservation));
        }
        if row.stage() == Stage::Held && !Deadline(row.deadline_s).has_passed(self.hold_time()) {
            self.attach_hold(row.stock, row.deadline_s, lines);
        }
        Ok(())
    }
}
