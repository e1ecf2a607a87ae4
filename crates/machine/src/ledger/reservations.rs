//! The records of reservations: how they are stored, found and read. Rules about quantities are not here.

use crate::decision::{Answer, Refusal};
use crate::ledger::record::{
    LineRow, LineState, NOTE_BYTES, NoteKind, NoteRow, Record, ReservationRow, Shipment,
};
use crate::ledger::state::{At, State};
use crate::table::NO_SLOT;
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{Code, CommandId, Detail, Outcome, Quantity, SkuId, Timestamp};

impl State {
    /// The second at which a record becomes unknown that was last needed at `from`.
    pub(crate) fn erase_at(&self, from: Timestamp) -> u32 {
        from.plus_ms(self.core.configuration.late_confirm_window_ms).round_up().0
    }

    /// Stores a new reservation with its lines, its reference, the sources of shipped units and, if the lines do
    /// not contain it, the detail of its answer.
    pub(crate) fn add_reservation(
        &mut self,
        mut row: ReservationRow,
        lines: &[LineState],
        reference: &str,
        answer: &Answer,
        shipped_from: Option<u32>,
    ) -> u32 {
        let id = row.id();
        if let Some(first) = lines.first() {
            row.set_first_line(*first);
        }
        for (at, state) in lines.iter().enumerate().skip(1).rev() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let line = LineRow { reservation: id, at, next: row.more, state: *state };
            row.more = self.lines.insert(line);
        }
        if let Some(source) = shipped_from {
            for (at, line) in lines.iter().enumerate().rev() {
                let shipment = Shipment {
                    sku: line.sku,
                    source,
                    quota_number: line.quota_number,
                    counts: line.counts,
                    units: line.shipped,
                    beyond: 0,
                };
                let at = u16::try_from(at).unwrap_or(u16::MAX);
                let mut note = NoteRow::new(id, NoteKind::Shipment, at, &shipment.bytes());
                note.next = row.notes;
                row.notes = self.notes.insert(note);
            }
        }
        if is_list_of(lines, &answer.detail) {
            row.set_listed();
        } else if answer.detail != Detail::None {
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            answer.detail.encode(&mut bytes);
            self.put_notes(&mut row, NoteKind::Answer, &bytes);
            self.scratch = bytes;
        }
        self.put_notes(&mut row, NoteKind::Reference, reference.as_bytes());
        self.place_reservation(row)
    }

    /// Stores the record of a reservation whose further lines and notes are stored already. Returns its slot.
    #[inline]
    pub(crate) fn place_reservation(&mut self, row: ReservationRow) -> u32 {
        let own_hash = row.hash(&mut self.scratch);
        let is_alone = row.more == NO_SLOT && row.notes == NO_SLOT;
        let slot = self.reservations.insert(row);
        self.register_id(slot);
        self.known = self.known.saturating_add(1);
        let hash = if is_alone { own_hash } else { self.reservation_hash(slot) };
        self.add_hash_to_digest(slot, hash);
        slot
    }

    /// Stores `bytes` as notes of one kind, in front of the notes that the reservation has.
    fn put_notes(&mut self, row: &mut ReservationRow, kind: NoteKind, bytes: &[u8]) {
        for (at, part) in bytes.chunks(NOTE_BYTES).enumerate().rev() {
            let mut note = NoteRow::new(row.id(), kind, u16::try_from(at).unwrap_or(u16::MAX), part);
            note.next = row.notes;
            row.notes = self.notes.insert(note);
        }
    }

    /// The units that each source has shipped of a reservation. `out` is overwritten.
    pub(crate) fn shipments_of(&self, slot: u32, out: &mut Vec<Shipment>) {
        out.clear();
        out.extend(self.shipment_notes(slot).filter_map(|(_, note)| Shipment::of_note(note)));
    }

    fn shipment_notes(&self, slot: u32) -> impl Iterator<Item = (u32, &NoteRow)> {
        let at = |note: u32| (note != NO_SLOT).then(|| (note, self.notes.get(note)));
        std::iter::successors(at(self.reservations.get(slot).notes), move |(_, note)| at(note.next))
            .filter(|(_, note)| note.kind == NoteKind::Shipment)
    }

    /// Writes shipments back in the order of [`State::shipments_of`]. Further ones are stored as new notes
    /// after all others.
    pub(crate) fn set_shipments(&mut self, slot: u32, shipments: &[Shipment]) {
        let known: Vec<u32> = self.shipment_notes(slot).map(|(note, _)| note).collect();
        for (note, shipment) in known.iter().zip(shipments) {
            self.notes.get_mut(*note).set_part(&shipment.bytes());
        }
        let id = self.reservations.get(slot).id();
        let mut last = self.reservations.get(slot).notes;
        while last != NO_SLOT && self.notes.get(last).next != NO_SLOT {
            last = self.notes.get(last).next;
        }
        for (at, shipment) in shipments.iter().enumerate().skip(known.len()) {
            let at = u16::try_from(at).unwrap_or(u16::MAX);
            let made = self.notes.insert(NoteRow::new(id, NoteKind::Shipment, at, &shipment.bytes()));
            match last {
                NO_SLOT => self.reservations.get_mut(slot).notes = made,
                last => self.notes.get_mut(last).next = made,
            }
            last = made;
        }
    }

    /// The bytes of all notes of one kind.
    pub(crate) fn notes_of(&self, row: &ReservationRow, kind: NoteKind) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut next = row.notes;
        while next != NO_SLOT {
            let note = self.notes.get(next);
            if note.kind == kind {
                bytes.extend_from_slice(note.part());
            }
            next = note.next;
        }
        bytes
    }

    /// Whether a note is missing, or the notes of an answer cannot be decoded. No machine writes such a
    /// snapshot.
    pub(crate) fn has_bad_notes(&self, slot: u32) -> bool {
        let row = self.reservations.get(slot);
        let mut expected = (NoteKind::Reference, 0);
        let mut next = row.notes;
        while next != NO_SLOT {
            let note = self.notes.get(next);
            if note.kind != expected.0 {
                expected = (note.kind, 0);
            }
            if note.at != expected.1 || note.kind == NoteKind::Shipment && Shipment::of_note(note).is_none() {
                return true;
            }
            expected.1 = expected.1.saturating_add(1);
            next = note.next;
        }
        let noted = self.notes_of(row, NoteKind::Answer);
        !noted.is_empty() && Detail::decode(&noted).is_err()
    }

    /// The outcome of the op that made a reservation, marked as replayed.
    pub(crate) fn granted_outcome(&self, slot: u32) -> Outcome {
        let row = self.reservations.get(slot);
        let grant = row.grant();
        let code = if grant.partial { Code::Partial } else { Code::Ok };
        let mut outcome = Outcome::new(code, grant.deadline_s, grant.op);
        outcome.replayed = true;
        let noted = self.notes_of(row, NoteKind::Answer);
        if grant.listed {
            let mut states = Vec::new();
            self.lines_of(slot, &mut states);
            // Lines that were added later were not granted by this op.
            states.truncate(usize::from(grant.lines));
            let lines = states.iter().map(granted_line).collect();
            outcome.detail = Detail::Granted { lines, backordered: Quantity::ZERO };
        } else if !noted.is_empty() {
            let Ok(detail) = Detail::decode(&noted) else {
                unreachable!("this program wrote the notes, or decoded them when they were loaded");
            };
            outcome.detail = detail;
        }
        outcome
    }

    /// All lines of a reservation, sorted by SKU as they were granted. `out` is overwritten.
    pub(crate) fn lines_of(&self, slot: u32, out: &mut Vec<LineState>) {
        let row = self.reservations.get(slot);
        out.clear();
        out.push(row.first_line());
        let mut next = row.more;
        while next != NO_SLOT {
            let line = self.lines.get(next);
            out.push(line.state);
            next = line.next;
        }
    }

    /// Writes the lines of a reservation back in the order of [`State::lines_of`]. Further ones become new
    /// records after the others.
    pub(crate) fn set_lines(&mut self, slot: u32, lines: &[LineState]) {
        let Some((first, rest)) = lines.split_first() else { return };
        let row = self.reservations.get_mut(slot);
        row.set_first_line(*first);
        let (id, mut last, mut next) = (row.id(), NO_SLOT, row.more);
        for (at, state) in (1_u32..).zip(rest) {
            if next == NO_SLOT {
                next = self.lines.insert(LineRow { reservation: id, at, next: NO_SLOT, state: *state });
                match last {
                    NO_SLOT => self.reservations.get_mut(slot).more = next,
                    last => self.lines.get_mut(last).next = next,
                }
            }
            let line = self.lines.get_mut(next);
            line.state = *state;
            (last, next) = (next, line.next);
        }
    }

    /// The place of a line of a reservation: its SKU in the reservation's stock. The cluster is created if
    /// it does not exist.
    pub(crate) fn place_of_line(&mut self, sku: u32, stock: u32) -> At {
        let Some(in_group) = self.catalog.layout.stock_in_group(stock) else {
            unreachable!("every stock is in the layout");
        };
        At { cluster: self.cluster_or_new(sku, in_group.group), index: in_group.index }
    }

    /// The slot of a reservation, or the refusal if it is not known.
    pub(crate) fn reservation(&self, id: CommandId) -> Result<u32, Refusal> {
        self.find_reservation(id).ok_or(Refusal::new(Code::UnknownReservation))
    }
}

fn granted_line(line: &LineState) -> GrantedLine {
    GrantedLine { sku: SkuId(line.sku), quantity: Quantity::from_raw(line.granted).unwrap_or_default() }
}

/// Whether an answer's detail is exactly the list of the reservation's lines.
fn is_list_of(lines: &[LineState], detail: &Detail) -> bool {
    let Detail::Granted { lines: listed, backordered } = detail else { return false };
    *backordered == Quantity::ZERO
        && listed.len() == lines.len()
        && listed.iter().zip(lines).all(|(listed, line)| *listed == granted_line(line))
}
