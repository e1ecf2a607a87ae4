//! Which id has answered what: outcomes by generation, and reservations by their id.
//!
//! A plain grant, whose answer its reservation tells word for word, has no outcome row: the outcomes refer to
//! the reservation, and that is also how the reservation is found. So a reservation costs one place in one
//! index. When the reservation's record goes first, a row takes the reference's place; when the generation
//! goes first, the reservation moves to the index of reservations, a few per op.
//!
//! ```text
//! id ─► generation alive? ─► row, or reference ─► reservation
//!                      └ no ─► reference not taken back yet, or index of reservations ─► reservation
//! ```
//! To the digest and in a snapshot there is no difference: each recorded outcome counts as its row.
//! Not for deciding what an answer is.

use crate::ledger::record::{NoteKind, OutcomeRow, ReservationRow, generation_of};
use crate::ledger::state::State;
use crate::persist::walk::GrantWalk;
use crate::table::{Entry, Key, NO_SLOT, Progress, Slab};
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

/// Reservations that one op moves from a dropped generation to their index. An op makes at most one, so a
/// dropped generation is empty before as many have been made again.
pub(crate) const MOVED_PER_OP: u32 = 2;

/// Where the outcome of an id stands.
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

/// What an id has answered, while its generation is alive.
pub(crate) enum Answered<'a> {
    Row(&'a OutcomeRow),
    Grant(u32),
}

impl State {
    /// What this id has answered, if its generation is alive.
    pub(crate) fn answered(&self, id: CommandId) -> Option<Answered<'_>> {
        let reservations = &self.reservations;
        match self.outcomes.find(key_of(id), |entry| id_of(entry, reservations) == id)? {
            Entry::Row(row) => Some(Answered::Row(row)),
            Entry::Reference(slot) => Some(Answered::Grant(slot)),
        }
    }

    /// The slot of a reservation's record.
    pub(crate) fn slot_of(&self, id: CommandId) -> Option<u32> {
        let is_it = |slot| self.reservations.get(slot).id() == id;
        let key = key_of(id);
        let referred = self.outcomes.find_reference(key, is_it);
        referred.or_else(|| self.reservation_index.find(key.time_ms, key.hash, is_it))
    }

    /// Lets a new reservation be found by its id: at once, or by the outcome that is about to be recorded.
    pub(crate) fn register_id(&mut self, slot: u32) {
        if self.is_plain_grant(self.reservations.get(slot)) {
            self.made = Some(slot);
        } else {
            self.index_reservation(slot);
        }
    }

    pub(crate) fn index_reservation(&mut self, slot: u32) {
        let rows = &self.reservations;
        let key = key_of(rows.get(slot).id());
        self.reservation_index.insert(key.time_ms, key.hash, slot, |slot| rows.get(slot).id().hash64());
    }

    /// Forgets where a reservation is that is about to go; what it answered stays.
    pub(crate) fn unregister_id(&mut self, slot: u32) {
        let row = *self.reservations.get(slot);
        let key = key_of(row.id());
        let reservations = &self.reservations;
        let referred =
            self.outcomes.end_reference(key, slot, row_of_grant(&row), |entry| hash_of(entry, reservations));
        let indexed = self.reservation_index.remove(key.time_ms, key.hash, slot);
        assert!(referred || indexed, "a reservation is found by its id as long as its record stands");
    }

    /// Whether a reservation's record tells all that its op answered.
    fn is_plain_grant(&self, row: &ReservationRow) -> bool {
        !row.grant().listed && (row.notes == NO_SLOT || self.notes_of(row, NoteKind::Answer).is_empty())
    }

    /// Remembers an outcome under its id.
    pub(crate) fn record(&mut self, id: CommandId, fingerprint: u64, outcome: &Outcome) {
        let key = key_of(id);
        let code = outcome.code.number();
        if let Some(slot) = self.made.take() {
            let row = OutcomeRow::new(id, fingerprint, code, outcome.op, outcome.value, false);
            self.refer(key, slot, row.hash(&[], &mut Vec::new()));
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

    fn refer(&mut self, key: Key, slot: u32, hash: u64) {
        let reservations = &self.reservations;
        self.outcomes.insert_reference(key, slot, hash, |entry| hash_of(entry, reservations));
        self.digest.add(hash);
    }

    fn record_row(&mut self, key: Key, row: OutcomeRow, hash: u64) {
        let reservations = &self.reservations;
        self.outcomes.insert(key, row, hash, |entry| hash_of(entry, reservations));
        self.digest.add(hash);
    }

    /// Takes an outcome over from a snapshot, whose reservations stand in their index. False if it contradicts its reservation.
    pub(crate) fn load_outcome(&mut self, row: OutcomeRow, side: &[u8]) -> bool {
        let id = row.id();
        let key = key_of(id);
        let hash = row.hash(side, &mut self.scratch);
        let reservations = &self.reservations;
        let made =
            self.reservation_index.find(key.time_ms, key.hash, |slot| reservations.get(slot).id() == id);
        if let Some(slot) = made.filter(|slot| self.is_plain_grant(reservations.get(*slot))) {
            if row_of_grant(self.reservations.get(slot)).hash(&[], &mut self.scratch) != hash {
                return false;
            }
            self.reservation_index.remove(key.time_ms, key.hash, slot);
            self.refer(key, slot, hash);
        } else {
            let row = if row.has_side() { row.at(self.outcomes.push_side(key.number, side)) } else { row };
            self.record_row(key, row, hash);
        }
        true
    }

    /// Moves up to `count` reservations of dropped generations to their index; true if more may wait. Answers do
    /// not depend on it: until then they are found by their references.
    pub(crate) fn move_references(&mut self, count: u32) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        self.outcomes.take_references(count, &mut taken);
        let may_more_wait = !taken.is_empty();
        for (number, slot) in taken.drain(..) {
            // The slot may have been given up, or used again by a reservation that is none of these.
            let stands = self.reservations.contains(slot)
                && generation_of(self.reservations.get(slot).id()) == number
                && !self.is_indexed(slot);
            if stands {
                self.index_reservation(slot);
            }
        }
        self.taken = taken;
        may_more_wait
    }

    fn is_indexed(&self, slot: u32) -> bool {
        let key = key_of(self.reservations.get(slot).id());
        self.reservation_index.find(key.time_ms, key.hash, |other| other == slot).is_some()
    }

    /// The outcome that a reservation tells, if it is remembered at all and has no row.
    pub(crate) fn outcome_of_grant(&self, row: &ReservationRow) -> Option<OutcomeRow> {
        let is_remembered = generation_of(row.id()) >= self.outcomes.number_min();
        (is_remembered && self.is_plain_grant(row)).then(|| row_of_grant(row))
    }

    /// Visits up to `budget` slots of reservations from `cursor` on, and hands over the outcomes that grants up to
    /// `op` tell, of generations from `number_min` on.
    pub(crate) fn outcomes_of_grants(
        &self,
        walk: &mut GrantWalk,
        budget: u32,
        visit: &mut impl FnMut(&OutcomeRow),
    ) -> Progress {
        let end = walk.cursor.saturating_add(budget).min(self.reservations.slots());
        for slot in walk.cursor..end {
            if !self.reservations.contains(slot) {
                continue;
            }
            let row = self.reservations.get(slot);
            let is_of_mark = row.grant().op <= walk.op && generation_of(row.id()) >= walk.number_min;
            if is_of_mark && self.is_plain_grant(row) {
                visit(&row_of_grant(row));
            }
        }
        walk.cursor = end;
        if end == self.reservations.slots() { Progress::Done } else { Progress::More }
    }
}

/// The row that a plain grant's outcome would have.
pub(crate) fn row_of_grant(row: &ReservationRow) -> OutcomeRow {
    let grant = row.grant();
    let code = if grant.partial { Code::Partial } else { Code::Ok };
    OutcomeRow::new(row.id(), grant.fingerprint, code.number(), grant.op, grant.deadline_s, false)
}
