//! Records that few reservations have: the reference, an answer that the lines do not tell, and what each source has shipped.

use super::{Record, Section, put_all};
use crate::table::NO_SLOT;
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::limits::REFERENCE_BYTES_MAX;
use stockhold_protocol::{BadField, CommandId};

/// What the notes of a reservation contain.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoteKind {
    /// The order reference, which fits into one note.
    Reference = 1,
    /// The detail of the grant's answer, if the lines do not contain it.
    Answer = 2,
    /// The units of one line that one source has shipped: one [`Shipment`] per note.
    Shipment = 3,
}

/// The most bytes of one note.
pub(crate) const NOTE_BYTES: usize = REFERENCE_BYTES_MAX;

/// The units of one line that one source has shipped and that were neither reversed nor returned, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shipment {
    pub(crate) sku: u32,
    pub(crate) source: u32,
    /// The number of the quota that the line was charged to; 0 = none.
    pub(crate) quota_number: u32,
    /// Whether the line counted when it was shipped, so that the goods on hand were reduced.
    pub(crate) counts: bool,
    pub(crate) units: i64,
    /// How many of the units a forced ship took beyond the promise.
    pub(crate) beyond: i64,
}

const SHIPMENT_BYTES: usize = 28;
const _: () = assert!(SHIPMENT_BYTES <= NOTE_BYTES, "a shipment is one note");

impl Shipment {
    pub(crate) fn bytes(&self) -> [u8; SHIPMENT_BYTES] {
        let mut bytes = Fixed::new();
        bytes
            .put(self.sku.to_le_bytes())
            .put(self.source.to_le_bytes())
            .put((self.quota_number << 1 | u32::from(self.counts)).to_le_bytes())
            .put(self.units.to_le_bytes())
            .put(self.beyond.to_le_bytes());
        bytes.done()
    }

    /// Reads a note; `None` if no machine writes such a note.
    pub(crate) fn of_note(note: &NoteRow) -> Option<Self> {
        let mut reader = Reader::new(note.part());
        let sku = reader.u32("shipment.sku").ok()?;
        let source = reader.u32("shipment.source").ok()?;
        let flags = reader.u32("shipment.flags").ok()?;
        let units = reader.i64("shipment.units").ok()?;
        let beyond = reader.i64("shipment.beyond").ok()?;
        reader.finish().ok()?;
        let is_sound = 0 <= beyond && beyond <= units;
        let (quota_number, counts) = (flags >> 1, flags & 1 != 0);
        is_sound.then_some(Self { sku, source, quota_number, counts, units, beyond })
    }

    /// Takes up to `units` of those beyond the promise. Returns how many.
    pub(crate) fn take_beyond(&mut self, units: i64) -> i64 {
        let taken = units.min(self.beyond);
        self.beyond = self.beyond.saturating_sub(taken);
        self.units = self.units.saturating_sub(taken);
        taken
    }

    /// Takes up to `units` of those that were promised. Returns how many.
    pub(crate) fn take_promised(&mut self, units: i64) -> i64 {
        let taken = units.min(self.units.saturating_sub(self.beyond));
        self.units = self.units.saturating_sub(taken);
        taken
    }
}

/// A part of data that few reservations have. Notes of a reservation are sorted by kind and position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoteRow {
    pub(crate) reservation: CommandId,
    pub(crate) kind: NoteKind,
    /// Position among the notes of its kind, from 0.
    pub(crate) at: u16,
    /// Slot of the next note. Not part of the bytes.
    pub(crate) next: u32,
    /// Of a reference: the slot of the order, and that of the reservation which joined the order before. Not part of the
    /// bytes.
    pub(crate) order: u32,
    pub(crate) sibling: u32,
    length: u8,
    bytes: [u8; NOTE_BYTES],
}

impl NoteRow {
    /// A note of at most [`NOTE_BYTES`] bytes.
    pub(crate) fn new(reservation: CommandId, kind: NoteKind, at: u16, part: &[u8]) -> Self {
        let mut bytes = [0; NOTE_BYTES];
        bytes[..part.len()].copy_from_slice(part);
        let length = u8::try_from(part.len()).unwrap_or(u8::MAX);
        let (next, order, sibling) = (NO_SLOT, NO_SLOT, NO_SLOT);
        Self { reservation, kind, at, next, order, sibling, length, bytes }
    }

    /// Replaces the content by other bytes of the same length.
    pub(crate) fn set_part(&mut self, part: &[u8]) {
        self.bytes[..usize::from(self.length)].copy_from_slice(part);
    }

    pub(crate) fn part(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl Record for NoteRow {
    const SECTION: Section = Section::Note;

    fn put(&self, out: &mut Vec<u8>) {
        let id = self.reservation.to_bytes();
        put_all(&[&id, &[self.kind as u8], &self.at.to_le_bytes(), &[self.length], self.part()], out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let reservation = CommandId::from_bytes(reader.array("note.reservation")?);
        let kind = match reader.u8("note.kind")? {
            1 => NoteKind::Reference,
            2 => NoteKind::Answer,
            3 => NoteKind::Shipment,
            _ => return Err(BadField::new("note.kind", "is not a known kind")),
        };
        let at = reader.u16("note.at")?;
        let length = usize::from(reader.u8("note.part")?);
        let part = reader.take(length, "note.part")?;
        if part.len() > NOTE_BYTES || (kind == NoteKind::Reference && std::str::from_utf8(part).is_err()) {
            return Err(BadField::new("note.part", "is not a valid note"));
        }
        Ok(Self::new(reservation, kind, at, part))
    }
}

const _: () = assert!(size_of::<NoteRow>() <= 64, "a note is one cache line");
