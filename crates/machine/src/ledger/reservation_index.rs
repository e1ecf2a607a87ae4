//! Finding outcomes and reservations by id.
//!
//! The outcome of a plain grant can be computed from its reservation, so it is not stored as a row.
//! Instead, its generation contains a reference to the reservation, which is also used to find the
//! reservation. So a reservation costs one entry in one index. When the reservation is erased first, a row
//! replaces the reference. When the generation is dropped first, the reservation moves to the index of
//! reservations, a few reservations per op.
//!
//! ```text
//! id ─► generation alive? ─► row, or reference ─► reservation
//!                      └ no ─► reference not taken back yet, or index of reservations ─► reservation
//! ```
//! The digest and snapshots do not show the difference: both contain a row for each recorded outcome.
//! This module does not decide what an answer is.

use crate::ledger::cursor::GrantCursor;
use crate::ledger::record::{NoteKind, OutcomeRow, ReservationRow, generation_of};
use crate::ledger::state::State;
use crate::table::{Entry, Key, NO_SLOT, Progress, Slab};
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

/// How many reservations one op moves from a dropped generation to the index of reservations. An op makes
/// at most one reservation, so a dropped generation is empty before as many new ones exist.
pub(crate) const REFERENCES_MOVED_PER_OP: u32 = 2;

/// The key by which the outcome of an id is found.
pub(crate) const fn key_of(id: CommandId) -> Key {
    Key { number: generation_of(id), time_ms: id.client_time_ms(), hash: id.hash64() }
}

/// The hash of an entry's id.
fn hash_of(entry: &Entry<'_, OutcomeRow>, reservations: &Slab<ReservationRow>) -> u64 {
    id_of(entry, reservations).hash64()
}

fn id_of(entry: &Entry<'_, OutcomeRow>, reservations: &Slab<ReservationRow>) -> CommandId {
    match entry {
        Entry::Row(row) => row.id(),
        Entry::Reference(slot) => reservations.get(*slot).id(),
    }
}

/// The recorded outcome of an id: a row, or the slot of the reservation whose grant was plain.
pub(crate) enum KnownOutcome<'a> {
    Row(&'a OutcomeRow),
    Grant(u32),
}

impl State {
    /// The recorded outcome of this id, if its generation is alive.
    pub(crate) fn find_outcome(&self, id: CommandId) -> Option<KnownOutcome<'_>> {
        let reservations = &self.reservations;
        match self.outcomes.find(key_of(id), |entry| id_of(entry, reservations) == id)? {
            Entry::Row(row) => Some(KnownOutcome::Row(row)),
            Entry::Reference(slot) => Some(KnownOutcome::Grant(slot)),
        }
    }

    /// The slot of a reservation's record.
    pub(crate) fn slot_of(&self, id: CommandId) -> Option<u32> {
        let is_match = |slot| self.reservations.get(slot).id() == id;
        let key = key_of(id);
        let referenced = self.outcomes.find_reference(key, is_match);
        referenced.or_else(|| self.reservation_index.find(key.time_ms, key.hash, is_match))
    }

    /// Makes a new reservation findable by its id: either now, or by the outcome that is recorded for its
    /// op.
    pub(crate) fn register_id(&mut self, slot: u32) {
        if self.is_plain_grant(self.reservations.get(slot)) {
            self.new_plain_grant = Some(slot);
        } else {
            self.index_reservation(slot);
        }
    }

    /// Makes the reservation of an op findable whose outcome is not recorded.
    pub(crate) fn index_unrecorded_grant(&mut self) {
        if let Some(slot) = self.new_plain_grant.take() {
            self.index_reservation(slot);
        }
    }

    pub(crate) fn index_reservation(&mut self, slot: u32) {
        let rows = &self.reservations;
        let key = key_of(rows.get(slot).id());
        self.reservation_index.insert(key.time_ms, key.hash, slot, |slot| rows.get(slot).id().hash64());
    }

    /// Removes the index entry of a reservation that is being erased. Its outcome stays.
    pub(crate) fn unregister_id(&mut self, slot: u32) {
        let row = *self.reservations.get(slot);
        let key = key_of(row.id());
        let reservations = &self.reservations;
        let referenced =
            self.outcomes.end_reference(key, slot, row_of_grant(&row), |entry| hash_of(entry, reservations));
        let indexed = self.reservation_index.remove(key.time_ms, key.hash, slot);
        assert!(referenced || indexed, "a stored reservation is found by its id");
    }

    /// Whether the whole outcome of a reservation's op can be computed from its record.
    fn is_plain_grant(&self, row: &ReservationRow) -> bool {
        !row.grant().listed && (row.notes == NO_SLOT || self.notes_of(row, NoteKind::Answer).is_empty())
    }

    /// Records the outcome of an id.
    pub(crate) fn record(&mut self, id: CommandId, fingerprint: u64, outcome: &Outcome) {
        let key = key_of(id);
        let code = outcome.code.number();
        if let Some(slot) = self.new_plain_grant.take() {
            let row = OutcomeRow::new(id, fingerprint, code, outcome.op, outcome.value, false);
            self.insert_reference(key, slot, row.hash(&[], &mut Vec::new()));
            return;
        }
        let mut side = std::mem::take(&mut self.scratch);
        side.clear();
        let row = if outcome.detail == Detail::None {
            OutcomeRow::new(id, fingerprint, code, outcome.op, outcome.value, false)
        } else {
            side.extend_from_slice(&outcome.value.to_le_bytes());
            outcome.detail.encode(&mut side);
            let position = self.outcomes.push_side(key.number, &side);
            OutcomeRow::new(id, fingerprint, code, outcome.op, position, true)
        };
        let hash = row.hash(&side, &mut Vec::new());
        self.scratch = side;
        self.record_row(key, row, hash);
    }

    fn insert_reference(&mut self, key: Key, slot: u32, hash: u64) {
        let reservations = &self.reservations;
        self.outcomes.insert_reference(key, slot, hash, |entry| hash_of(entry, reservations));
        self.digest.add(hash);
    }

    fn record_row(&mut self, key: Key, row: OutcomeRow, hash: u64) {
        let reservations = &self.reservations;
        self.outcomes.insert(key, row, hash, |entry| hash_of(entry, reservations));
        self.digest.add(hash);
    }

    /// Loads an outcome from a snapshot, whose reservations are in their index already. Returns false if it
    /// contradicts its reservation.
    pub(crate) fn load_outcome(&mut self, row: OutcomeRow, side: &[u8]) -> bool {
        let id = row.id();
        let key = key_of(id);
        let hash = row.hash(side, &mut self.scratch);
        let reservations = &self.reservations;
        let granted =
            self.reservation_index.find(key.time_ms, key.hash, |slot| reservations.get(slot).id() == id);
        if let Some(slot) = granted.filter(|slot| self.is_plain_grant(reservations.get(*slot))) {
            if row_of_grant(self.reservations.get(slot)).hash(&[], &mut self.scratch) != hash {
                return false;
            }
            self.reservation_index.remove(key.time_ms, key.hash, slot);
            self.insert_reference(key, slot, hash);
        } else {
            let row = if row.has_side() {
                row.with_side_position(self.outcomes.push_side(key.number, side))
            } else {
                row
            };
            self.record_row(key, row, hash);
        }
        true
    }

    /// Moves up to `count` reservations of dropped generations to their index. Returns true if more may be
    /// left. Answers do not depend on it: until they are moved, reservations are found by their references.
    pub(crate) fn move_references(&mut self, count: u32) -> bool {
        let mut taken = std::mem::take(&mut self.taken_references);
        self.outcomes.take_references(count, &mut taken);
        let may_be_more = !taken.is_empty();
        for (number, slot) in taken.drain(..) {
            // The slot may be free, or used again by a reservation of another generation or by one that is
            // indexed.
            let is_to_index = self.reservations.contains(slot)
                && generation_of(self.reservations.get(slot).id()) == number
                && !self.is_indexed(slot);
            if is_to_index {
                self.index_reservation(slot);
            }
        }
        self.taken_references = taken;
        may_be_more
    }

    fn is_indexed(&self, slot: u32) -> bool {
        let key = key_of(self.reservations.get(slot).id());
        self.reservation_index.find(key.time_ms, key.hash, |other| other == slot).is_some()
    }

    /// The outcome of a reservation's op, if it is still recorded and has no row.
    pub(crate) fn outcome_of_grant(&self, row: &ReservationRow) -> Option<OutcomeRow> {
        let is_remembered = generation_of(row.id()) >= self.outcomes.number_min();
        (is_remembered && self.is_plain_grant(row)).then(|| row_of_grant(row))
    }

    /// Visits up to `budget` slots of reservations from the cursor on, and passes the outcomes of plain
    /// grants to `visit`: those of ops up to the cursor's op and of generations from its `number_min` on.
    pub(crate) fn outcomes_of_grants(
        &self,
        cursor: &mut GrantCursor,
        budget: u32,
        visit: &mut impl FnMut(&OutcomeRow),
    ) -> Progress {
        let end = cursor.next_slot.saturating_add(budget).min(self.reservations.slots());
        for slot in cursor.next_slot..end {
            if !self.reservations.contains(slot) {
                continue;
            }
            let row = self.reservations.get(slot);
            let is_in_snapshot = row.grant().op <= cursor.op && generation_of(row.id()) >= cursor.number_min;
            if is_in_snapshot && self.is_plain_grant(row) {
                visit(&row_of_grant(row));
            }
        }
        cursor.next_slot = end;
        if end == self.reservations.slots() { Progress::Done } else { Progress::More }
    }
}

/// The row of a plain grant's outcome.
pub(crate) fn row_of_grant(row: &ReservationRow) -> OutcomeRow {
    let grant = row.grant();
    let code = if grant.partial { Code::Partial } else { Code::Ok };
    OutcomeRow::new(row.id(), grant.fingerprint, code.number(), grant.op, grant.deadline_s, false)
}
