//! Records of reservations. The first line is part of the reservation's own record. Further lines
//! have their own records with the id of the reservation, so a snapshot needs no slots.

use super::{Record, Section, id_of_words, id_words, put_all};
use crate::ledger::actor::SERVER;
use crate::table::{NO_SLOT, record_hash};
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::{BadField, CommandId};

/// The quantities of one line of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct LineState {
    pub(crate) sku: u32,
    /// The quota that the units were taken from; 0 = none.
    pub(crate) quota_number: u32,
    /// Whether the line counts as promised: `manage_stock` was on when it was granted.
    pub(crate) counts: bool,
    pub(crate) granted: i64,
    pub(crate) open: i64,
    pub(crate) shipped: i64,
    pub(crate) returned: i64,
}

impl LineState {
    fn bytes(&self) -> [u8; 40] {
        let mut bytes = Fixed::new();
        bytes
            .put(self.sku.to_le_bytes())
            .put((self.quota_number << 1 | u32::from(self.counts)).to_le_bytes())
            .put(self.granted.to_le_bytes())
            .put(self.open.to_le_bytes())
            .put(self.shipped.to_le_bytes())
            .put(self.returned.to_le_bytes());
        bytes.done()
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let sku = reader.u32("line.sku")?;
        let flags = reader.u32("line.flags")?;
        Ok(Self {
            sku,
            quota_number: flags >> 1,
            counts: flags & 1 != 0,
            granted: reader.i64("line.granted")?,
            open: reader.i64("line.open")?,
            shipped: reader.i64("line.shipped")?,
            returned: reader.i64("line.returned")?,
        })
    }
}

/// The stored state of a reservation. Expiry is not stored, because it follows from the time of the log.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A hold, live or expired.
    Held = 1,
    /// An order with open units.
    Confirmed = 2,
    /// Closed: all units were given back.
    Released = 3,
    /// Closed: at least one unit was shipped.
    Shipped = 4,
    /// Closed: replaced by another reservation.
    Replaced = 5,
}

impl Stage {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Held),
            2 => Some(Self::Confirmed),
            3 => Some(Self::Released),
            4 => Some(Self::Shipped),
            5 => Some(Self::Replaced),
            _ => None,
        }
    }
}

const LOW_48: u64 = (1 << 48) - 1;
/// The bits of [`ReservationRow`]'s `packed` field.
const LINES_MASK: u16 = 0x01FF;
const STAGE_SHIFT: u16 = 9;
const STAGE_MASK: u16 = 0b111 << STAGE_SHIFT;
const AWAITS_ERASURE: u16 = 1 << 12;
const PARTIAL: u16 = 1 << 14;
const LISTED: u16 = 1 << 15;
/// The bits that are part of the bytes of a wide record.
const PERSISTED: u16 = LINES_MASK | PARTIAL | LISTED;

/// The shape of most records: one line, of which nothing was shipped, and an answer without a list.
const PLAIN: u8 = 1;
const PLAIN_BYTES: usize = 80;
/// The shape of all other records.
const WIDE: u8 = 2;
const WIDE_BYTES: usize = 106;

/// The answer of the op that made a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) fingerprint: u64,
    pub(crate) op: u64,
    /// The first deadline; 0 = none.
    pub(crate) deadline_s: u32,
    pub(crate) lines: u16,
    pub(crate) partial: bool,
    /// The answer contains the list of the reservation's lines.
    pub(crate) listed: bool,
}

/// A reservation with its first line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservationRow {
    id: [u64; 2],
    /// 48 bits of fingerprint, and the upper half of the deadline as first granted.
    fingerprint: u64,
    /// 48 bits of op, and the lower half of the deadline as first granted.
    op: u64,
    pub(crate) owner: u64,
    pub(crate) origin_ms: u64,
    granted: i64,
    open: i64,
    shipped: i64,
    returned: i64,
    pub(crate) stock: u32,
    /// 0 = none.
    pub(crate) deadline_s: u32,
    /// When the record becomes unknown, in seconds, unless it is an open order; 0 = none. It never decreases.
    pub(crate) erase_at_s: u32,
    sku: u32,
    flags: u32,
    /// Slot of the first further line. Not part of the bytes.
    pub(crate) more: u32,
    /// Slot of the first note. Not part of the bytes.
    pub(crate) notes: u32,
    pub(crate) actor: u16,
    /// Lines, stage, two flags of the grant, and (not in the bytes) whether the erase list has an entry.
    packed: u16,
}

impl ReservationRow {
    pub(crate) fn new(id: CommandId, stock: u32) -> Self {
        Self {
            id: id_words(id),
            fingerprint: 0,
            op: 0,
            owner: 0,
            origin_ms: 0,
            granted: 0,
            open: 0,
            shipped: 0,
            returned: 0,
            stock,
            deadline_s: 0,
            erase_at_s: 0,
            sku: 0,
            flags: 0,
            more: NO_SLOT,
            notes: NO_SLOT,
            actor: SERVER,
            packed: (Stage::Confirmed as u16) << STAGE_SHIFT,
        }
    }

    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        Stage::from_code(self.stage_code()).unwrap_or(Stage::Confirmed)
    }

    #[inline]
    const fn stage_code(&self) -> u8 {
        ((self.packed & STAGE_MASK) >> STAGE_SHIFT).to_le_bytes()[0]
    }

    #[inline]
    pub(crate) fn set_stage(&mut self, stage: Stage) {
        self.packed = self.packed & !STAGE_MASK | (stage as u16) << STAGE_SHIFT;
    }

    /// Whether the erase list has an entry for this slot.
    pub(crate) const fn awaits_erasure(&self) -> bool {
        self.packed & AWAITS_ERASURE != 0
    }

    pub(crate) fn set_awaits_erasure(&mut self, awaits: bool) {
        self.packed = self.packed & !AWAITS_ERASURE | if awaits { AWAITS_ERASURE } else { 0 };
    }

    pub(crate) fn id(&self) -> CommandId {
        id_of_words(self.id)
    }

    /// Stores the answer of the grant, so a kept reservation can answer its own id at any age.
    pub(crate) fn set_grant(&mut self, grant: Grant) {
        let [a, b, c, d] = grant.deadline_s.to_le_bytes();
        let (low, high) = (u64::from(u16::from_le_bytes([a, b])), u64::from(u16::from_le_bytes([c, d])));
        self.fingerprint = grant.fingerprint & LOW_48 | high << 48;
        self.op = grant.op & LOW_48 | low << 48;
        let partial = if grant.partial { PARTIAL } else { 0 };
        let listed = if grant.listed { LISTED } else { 0 };
        let others = self.packed & (STAGE_MASK | AWAITS_ERASURE);
        self.packed = grant.lines & LINES_MASK | partial | listed | others;
        self.deadline_s = grant.deadline_s;
    }

    /// The answer contains the list of the reservation's lines.
    pub(crate) fn set_listed(&mut self) {
        self.packed |= LISTED;
    }

    pub(crate) fn grant(&self) -> Grant {
        let half = |word: u64| u32::try_from(word >> 48).unwrap_or(0);
        Grant {
            fingerprint: self.fingerprint & LOW_48,
            op: self.op & LOW_48,
            deadline_s: half(self.fingerprint) << 16 | half(self.op),
            lines: self.packed & LINES_MASK,
            partial: self.packed & PARTIAL != 0,
            listed: self.packed & LISTED != 0,
        }
    }

    /// The second at which the record becomes unknown; 0 = none, because it is an order with open units.
    #[inline]
    pub(crate) fn ends_at_s(&self) -> u32 {
        if self.stage_code() == Stage::Confirmed as u8 { 0 } else { self.erase_at_s }
    }

    pub(crate) const fn first_line(&self) -> LineState {
        LineState {
            sku: self.sku,
            quota_number: self.flags >> 1,
            counts: self.flags & 1 != 0,
            granted: self.granted,
            open: self.open,
            shipped: self.shipped,
            returned: self.returned,
        }
    }

    /// Whether the record has the plain shape. This depends only on its content.
    #[inline]
    const fn is_plain(&self) -> bool {
        let fits = (self.granted | self.open).cast_unsigned() >> u32::BITS == 0;
        self.packed & PERSISTED == 1 && self.shipped | self.returned == 0 && fits
    }

    /// Appends the fields that both shapes begin with.
    #[inline]
    fn put_head<const N: usize>(&self, shape: u8, bytes: &mut Fixed<N>) {
        bytes
            .put([shape, self.stage_code()])
            .put(self.actor.to_le_bytes())
            .put(self.stock.to_le_bytes())
            .put(self.id().to_bytes())
            .put(self.fingerprint.to_le_bytes())
            .put(self.op.to_le_bytes())
            .put(self.owner.to_le_bytes())
            .put(self.origin_ms.to_le_bytes())
            .put(self.deadline_s.to_le_bytes())
            .put(self.erase_at_s.to_le_bytes());
    }

    #[inline]
    fn plain_bytes(&self) -> [u8; PLAIN_BYTES] {
        let mut bytes = Fixed::new();
        self.put_head(PLAIN, &mut bytes);
        bytes
            .put(self.sku.to_le_bytes())
            .put(self.flags.to_le_bytes())
            .put(low_half(self.granted))
            .put(low_half(self.open));
        bytes.done()
    }

    fn wide_bytes(&self) -> [u8; WIDE_BYTES] {
        let mut bytes = Fixed::new();
        self.put_head(WIDE, &mut bytes);
        bytes.put((self.packed & PERSISTED).to_le_bytes()).put(self.first_line().bytes());
        bytes.done()
    }

    #[inline(never)]
    fn wide_hash(&self) -> u64 {
        record_hash(Section::Reservation as u8, &self.wide_bytes())
    }

    pub(crate) fn set_first_line(&mut self, line: LineState) {
        self.sku = line.sku;
        self.flags = line.quota_number << 1 | u32::from(line.counts);
        self.granted = line.granted;
        self.open = line.open;
        self.shipped = line.shipped;
        self.returned = line.returned;
    }
}

impl Record for ReservationRow {
    const SECTION: Section = Section::Reservation;

    fn put(&self, out: &mut Vec<u8>) {
        if self.is_plain() {
            out.extend_from_slice(&self.plain_bytes());
        } else {
            out.extend_from_slice(&self.wide_bytes());
        }
    }

    #[inline]
    fn hash(&self, _scratch: &mut Vec<u8>) -> u64 {
        if self.is_plain() { record_hash(Self::SECTION as u8, &self.plain_bytes()) } else { self.wide_hash() }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let shape = reader.u8("reservation.shape")?;
        let stage = reader.u8("reservation.stage")?;
        let stage =
            Stage::from_code(stage).ok_or(BadField::new("reservation.stage", "is not a known stage"))?;
        let actor = reader.u16("reservation.actor")?;
        let stock = reader.u32("reservation.stock")?;
        let mut row = Self::new(CommandId::from_bytes(reader.array("reservation.id")?), stock);
        row.actor = actor;
        row.fingerprint = reader.u64("reservation.fingerprint")?;
        row.op = reader.u64("reservation.op")?;
        row.owner = reader.u64("reservation.owner")?;
        row.origin_ms = reader.u64("reservation.origin")?;
        row.deadline_s = reader.u32("reservation.deadline")?;
        row.erase_at_s = reader.u32("reservation.erase_at")?;
        match shape {
            PLAIN => {
                row.packed = 1;
                (row.sku, row.flags) = (reader.u32("reservation.sku")?, reader.u32("reservation.flags")?);
                row.granted = reader.u32("reservation.granted")?.into();
                row.open = reader.u32("reservation.open")?.into();
            }
            WIDE => {
                row.packed = reader.u16("reservation.lines")?;
                row.set_first_line(LineState::get(reader)?);
                if row.packed & !PERSISTED != 0 {
                    return Err(BadField::new("reservation.lines", "has a bit that is not known"));
                }
                if row.is_plain() {
                    return Err(BadField::new("reservation.shape", "is wide, but the content is plain"));
                }
            }
            _ => return Err(BadField::new("reservation.shape", "is not a known shape")),
        }
        row.set_stage(stage);
        Ok(row)
    }
}

/// The low 32 bits of a quantity whose other bits are 0.
#[inline]
const fn low_half(quantity: i64) -> [u8; 4] {
    let [a, b, c, d, ..] = quantity.to_le_bytes();
    [a, b, c, d]
}

/// A further line of a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRow {
    pub(crate) reservation: CommandId,
    /// The position of the line; 1 is the second line.
    pub(crate) at: u32,
    /// Slot of the next line. Not part of the bytes.
    pub(crate) next: u32,
    pub(crate) state: LineState,
}

impl Record for LineRow {
    const SECTION: Section = Section::Line;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.reservation.to_bytes(), &self.at.to_le_bytes(), &self.state.bytes()], out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let reservation = CommandId::from_bytes(reader.array("line.reservation")?);
        let at = reader.u32("line.at")?;
        Ok(Self { reservation, at, next: NO_SLOT, state: LineState::get(reader)? })
    }
}

const _: () = assert!(size_of::<ReservationRow>() <= 112, "a reservation with one line must stay small");
