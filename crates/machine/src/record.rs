//! The records of the state: small, fixed, `Copy`, each with its own bytes.
//!
//! The bytes are what a snapshot holds and what the digest sums (FORMAT.md, "Snapshot records"). They name
//! things by ids and never by slots, which are accidents of one process; fields that only say where
//! something lies in memory are not in them.

use crate::table::{NO_SLOT, record_hash};
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{BackorderMode, Change, SettingsChange, SkuKind};
use stockhold_protocol::limits::{REFERENCE_BYTES_MAX, SKU_BYTES_MAX};
use stockhold_protocol::{BadField, CommandId, Quantity};

/// Sections of a snapshot and kinds of record hashes: append-only numbers.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Section {
    /// Scalars, configuration, writers, marks.
    Core = 1,
    /// Sources.
    Source = 2,
    /// Stocks.
    Stock = 3,
    /// Links.
    Link = 4,
    /// Channels.
    Channel = 5,
    /// SKUs.
    Sku = 6,
    /// Settings of SKUs and of SKUs in stocks.
    Settings = 7,
    /// Source items.
    Item = 8,
    /// SKUs in stocks: promises and quotas.
    Position = 9,
    /// Reservations with their first line.
    Reservation = 10,
    /// Further lines of reservations.
    Line = 11,
    /// Order references of reservations.
    Reference = 12,
    /// Recorded outcomes.
    Outcome = 13,
}

impl Section {
    /// Every section, in the order in which a loader wants them.
    pub const ALL: [Self; 13] = [
        Self::Core,
        Self::Source,
        Self::Stock,
        Self::Link,
        Self::Channel,
        Self::Sku,
        Self::Settings,
        Self::Item,
        Self::Position,
        Self::Reservation,
        Self::Line,
        Self::Reference,
        Self::Outcome,
    ];

    /// The section of this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.number() == number)
    }

    /// The persisted number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// A record of the state with its bytes.
pub(crate) trait Record: Copy {
    /// Where it stands in a snapshot.
    const SECTION: Section;

    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one record.
    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField>;

    /// Its part of the digest.
    fn hash(&self, scratch: &mut Vec<u8>) -> u64 {
        scratch.clear();
        self.put(scratch);
        record_hash(Self::SECTION as u8, scratch)
    }
}

fn put_all(words: &[&[u8]], out: &mut Vec<u8>) {
    for word in words {
        out.extend_from_slice(word);
    }
}

/// A SKU. Its number is its place in the list of SKUs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SkuRow {
    pub(crate) sku: u32,
    pub(crate) kind: SkuKind,
    pub(crate) decimals: bool,
    name_length: u8,
    name: [u8; SKU_BYTES_MAX],
}

impl SkuRow {
    pub(crate) fn new(sku: u32, name: &str, kind: SkuKind, decimals: bool) -> Self {
        let mut bytes = [0; SKU_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let name_length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        Self { sku, kind, decimals, name_length, name: bytes }
    }

    pub(crate) fn name(&self) -> &str {
        let bytes = &self.name[..usize::from(self.name_length)];
        // The bytes came from a `str` of this length.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Record for SkuRow {
    const SECTION: Section = Section::Sku;

    fn put(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            SkuKind::Simple => 0,
            SkuKind::Virtual => 1,
            SkuKind::Composite => 2,
        };
        out.extend_from_slice(&self.sku.to_le_bytes());
        out.extend_from_slice(&[kind, u8::from(self.decimals), self.name_length]);
        out.extend_from_slice(self.name().as_bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let sku = reader.u32("sku.id")?;
        let kind = match reader.u8("sku.kind")? {
            0 => SkuKind::Simple,
            1 => SkuKind::Virtual,
            2 => SkuKind::Composite,
            _ => return Err(BadField::new("sku.kind", "is unknown")),
        };
        let decimals = reader.u8("sku.decimals")? != 0;
        let length = usize::from(reader.u8("sku.name")?);
        let name = std::str::from_utf8(reader.take(length, "sku.name")?).ok();
        let name = name.filter(|name| name.len() <= SKU_BYTES_MAX);
        Ok(Self::new(sku, name.ok_or(BadField::new("sku.name", "is not a SKU"))?, kind, decimals))
    }
}

/// The stock number that stands for "in every stock" in a [`SettingsRow`].
pub(crate) const ALL_STOCKS: u32 = u32::MAX;

/// Settings at one level; what is `None` is inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) sku: u32,
    /// A stock, or [`ALL_STOCKS`].
    pub(crate) stock: u32,
    pub(crate) values: Overrides,
}

/// The values of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Overrides {
    pub(crate) manage_stock: Option<bool>,
    pub(crate) backorders: Option<BackorderMode>,
    pub(crate) enable_qty_increments: Option<bool>,
    /// min_qty, min_sale_qty, max_sale_qty, qty_increments, notify_stock_qty.
    pub(crate) quantities: [Option<i64>; 5],
}

impl Overrides {
    /// The values after a change.
    pub(crate) fn changed(mut self, change: &SettingsChange) -> Self {
        fn set<T: Copy, U>(field: &mut Option<U>, change: Change<T>, convert: impl Fn(T) -> U) {
            match change {
                Change::Keep => {}
                Change::Unset => *field = None,
                Change::Set(value) => *field = Some(convert(value)),
            }
        }
        set(&mut self.manage_stock, change.manage_stock, |value| value);
        set(&mut self.backorders, change.backorders, |value| value);
        set(&mut self.enable_qty_increments, change.enable_qty_increments, |value| value);
        let quantities = [
            change.min_qty,
            change.min_sale_qty,
            change.max_sale_qty,
            change.qty_increments,
            change.notify_stock_qty,
        ];
        for (field, quantity) in self.quantities.iter_mut().zip(quantities) {
            set(field, quantity, Quantity::raw);
        }
        self
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let flag = |value: Option<bool>| match value {
            None => 0_u8,
            Some(false) => 1,
            Some(true) => 2,
        };
        let backorders = match self.backorders {
            None => 0,
            Some(BackorderMode::Off) => 1,
            Some(BackorderMode::Allow) => 2,
            Some(BackorderMode::AllowAndNotify) => 3,
        };
        let mut present = 0_u8;
        for (at, quantity) in self.quantities.iter().enumerate() {
            present |= u8::from(quantity.is_some()) << at;
        }
        out.extend_from_slice(&[
            flag(self.manage_stock),
            backorders,
            flag(self.enable_qty_increments),
            present,
        ]);
        for quantity in self.quantities {
            out.extend_from_slice(&quantity.unwrap_or(0).to_le_bytes());
        }
    }

    pub(crate) fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let flag = |code: u8| match code {
            0 => Ok(None),
            1 => Ok(Some(false)),
            2 => Ok(Some(true)),
            _ => Err(BadField::new("settings.flag", "is unknown")),
        };
        let manage_stock = flag(reader.u8("settings.manage_stock")?)?;
        let backorders = match reader.u8("settings.backorders")? {
            0 => None,
            1 => Some(BackorderMode::Off),
            2 => Some(BackorderMode::Allow),
            3 => Some(BackorderMode::AllowAndNotify),
            _ => return Err(BadField::new("settings.backorders", "is unknown")),
        };
        let enable_qty_increments = flag(reader.u8("settings.enable_qty_increments")?)?;
        let present = reader.u8("settings.present")?;
        let mut quantities = [None; 5];
        for (at, quantity) in quantities.iter_mut().enumerate() {
            let value = reader.i64("settings.quantity")?;
            if present & (1 << at) != 0 {
                *quantity = Some(value);
            }
        }
        Ok(Self { manage_stock, backorders, enable_qty_increments, quantities })
    }
}

impl Record for SettingsRow {
    const SECTION: Section = Section::Settings;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.sku.to_le_bytes(), &self.stock.to_le_bytes()], out);
        self.values.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let (sku, stock) = (reader.u32("settings.sku")?, reader.u32("settings.stock")?);
        Ok(Self { sku, stock, values: Overrides::get(reader)? })
    }
}

/// A source item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemRow {
    pub(crate) sku: u32,
    pub(crate) source: u32,
    pub(crate) on_hand: i64,
    pub(crate) version: u32,
    pub(crate) in_stock: bool,
}

impl Record for ItemRow {
    const SECTION: Section = Section::Item;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(
            &[
                &self.sku.to_le_bytes(),
                &self.source.to_le_bytes(),
                &self.on_hand.to_le_bytes(),
                &self.version.to_le_bytes(),
                &u32::from(self.in_stock).to_le_bytes(),
            ],
            out,
        );
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        Ok(Self {
            sku: reader.u32("item.sku")?,
            source: reader.u32("item.source")?,
            on_hand: reader.i64("item.on_hand")?,
            version: reader.u32("item.version")?,
            in_stock: reader.u32("item.in_stock")? != 0,
        })
    }
}

/// A [`PositionRow::quota_limit`] that says: no quota.
pub(crate) const NO_QUOTA: i64 = -1;

/// One SKU in one stock: what is promised to orders, and the quota. What holds promise is derived from the
/// reservations, so that a hold's end changes no record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionRow {
    pub(crate) sku: u32,
    pub(crate) stock: u32,
    pub(crate) confirmed: i64,
    pub(crate) quota_limit: i64,
    /// Taken by everything but live holds.
    pub(crate) quota_taken: i64,
    /// Counts the quotas that were set where there was none; a line gives back only to the quota that it
    /// took from.
    pub(crate) quota_number: u32,
}

impl PositionRow {
    pub(crate) const fn new(sku: u32, stock: u32) -> Self {
        Self { sku, stock, confirmed: 0, quota_limit: NO_QUOTA, quota_taken: 0, quota_number: 0 }
    }
}

impl Record for PositionRow {
    const SECTION: Section = Section::Position;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(
            &[
                &self.sku.to_le_bytes(),
                &self.stock.to_le_bytes(),
                &self.confirmed.to_le_bytes(),
                &self.quota_limit.to_le_bytes(),
                &self.quota_taken.to_le_bytes(),
                &self.quota_number.to_le_bytes(),
                &[0; 4],
            ],
            out,
        );
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let row = Self {
            sku: reader.u32("position.sku")?,
            stock: reader.u32("position.stock")?,
            confirmed: reader.i64("position.confirmed")?,
            quota_limit: reader.i64("position.quota_limit")?,
            quota_taken: reader.i64("position.quota_taken")?,
            quota_number: reader.u32("position.quota_number")?,
        };
        reader.u32("position.reserved")?;
        Ok(row)
    }
}

/// The quantities of one line of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct LineState {
    pub(crate) sku: u32,
    /// The quota that it took from; 0 = none.
    pub(crate) quota_number: u32,
    /// Whether it counts: manage_stock was on at the grant.
    pub(crate) counts: bool,
    pub(crate) granted: i64,
    pub(crate) open: i64,
    pub(crate) shipped: i64,
    pub(crate) returned: i64,
}

impl LineState {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(
            &[
                &self.sku.to_le_bytes(),
                &(self.quota_number << 1 | u32::from(self.counts)).to_le_bytes(),
                &self.granted.to_le_bytes(),
                &self.open.to_le_bytes(),
                &self.shipped.to_le_bytes(),
                &self.returned.to_le_bytes(),
            ],
            out,
        );
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

/// What became of a reservation, as far as it is stored: a hold expires by the clock of the log alone.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A hold, live or expired.
    Held = 1,
    /// An order with open units.
    Confirmed = 2,
    /// Closed: given back.
    Released = 3,
    /// Closed: at least something was shipped.
    Shipped = 4,
    /// Closed: taken over by another reservation.
    Replaced = 5,
}

const LOW_48: u64 = (1 << 48) - 1;
const LINES_MASK: u16 = 0x03FF;
const PARTIAL: u16 = 1 << 14;
const BEST_EFFORT: u16 = 1 << 15;

/// What the op that made a reservation answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) fingerprint: u64,
    pub(crate) op: u64,
    /// The first deadline; 0 = none.
    pub(crate) deadline_s: u32,
    pub(crate) lines: u16,
    pub(crate) partial: bool,
    pub(crate) best_effort: bool,
}

/// A reservation with its first line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservationRow {
    id: [u64; 2],
    /// 48 bits of fingerprint; above them the upper half of the deadline as first granted.
    fingerprint: u64,
    /// 48 bits of op; above them the lower half of the deadline as first granted.
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
    /// When the record stops being known, once it is no order with open units; it never moves to an earlier
    /// second, because the entry of the erase list that waits for it does not either. 0 = not decided.
    pub(crate) erase_at_s: u32,
    sku: u32,
    flags: u32,
    /// Slot of the first further line; not in the bytes.
    pub(crate) more: u32,
    /// Slot of the reference; not in the bytes.
    pub(crate) reference: u32,
    /// The count of lines, and two flags of the grant.
    lines: u16,
    pub(crate) stage: Stage,
    /// Whether an entry of the erase list waits for this slot; not in the bytes.
    pub(crate) listed: bool,
}

impl ReservationRow {
    pub(crate) fn new(id: CommandId, stock: u32) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = id.value().to_le_bytes();
        let id = [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)];
        Self {
            id,
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
            reference: NO_SLOT,
            lines: 0,
            stage: Stage::Confirmed,
            listed: false,
        }
    }

    pub(crate) fn id(&self) -> CommandId {
        CommandId::from_bytes(
            ((u128::from(self.id[1]) << 64) | u128::from(self.id[0])).swap_bytes().to_le_bytes(),
        )
    }

    /// What the grant answered, kept so that a live reservation can answer for its own id at any age.
    pub(crate) fn set_grant(&mut self, grant: Grant) {
        let [a, b, c, d] = grant.deadline_s.to_le_bytes();
        let (low, high) = (u64::from(u16::from_le_bytes([a, b])), u64::from(u16::from_le_bytes([c, d])));
        self.fingerprint = grant.fingerprint & LOW_48 | high << 48;
        self.op = grant.op & LOW_48 | low << 48;
        let partial = if grant.partial { PARTIAL } else { 0 };
        let listed = if grant.best_effort { BEST_EFFORT } else { 0 };
        self.lines = grant.lines & LINES_MASK | partial | listed;
        self.deadline_s = grant.deadline_s;
    }

    pub(crate) fn grant(&self) -> Grant {
        let half = |word: u64| u32::try_from(word >> 48).unwrap_or(0);
        Grant {
            fingerprint: self.fingerprint & LOW_48,
            op: self.op & LOW_48,
            deadline_s: half(self.fingerprint) << 16 | half(self.op),
            lines: self.lines & LINES_MASK,
            partial: self.lines & PARTIAL != 0,
            best_effort: self.lines & BEST_EFFORT != 0,
        }
    }

    /// When the record stops being known; 0 = it does not yet, because its units are an order's.
    pub(crate) fn ends_at_s(&self) -> u32 {
        if self.stage == Stage::Confirmed { 0 } else { self.erase_at_s }
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
        put_all(
            &[
                &self.id().to_bytes(),
                &self.fingerprint.to_le_bytes(),
                &self.op.to_le_bytes(),
                &self.owner.to_le_bytes(),
                &self.origin_ms.to_le_bytes(),
                &self.stock.to_le_bytes(),
                &self.deadline_s.to_le_bytes(),
                &self.erase_at_s.to_le_bytes(),
                &self.lines.to_le_bytes(),
                &[self.stage as u8, 0],
            ],
            out,
        );
        self.first_line().put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let mut row = Self::new(CommandId::from_bytes(reader.array("reservation.id")?), 0);
        row.fingerprint = reader.u64("reservation.fingerprint")?;
        row.op = reader.u64("reservation.op")?;
        row.owner = reader.u64("reservation.owner")?;
        row.origin_ms = reader.u64("reservation.origin")?;
        row.stock = reader.u32("reservation.stock")?;
        row.deadline_s = reader.u32("reservation.deadline")?;
        row.erase_at_s = reader.u32("reservation.erase_at")?;
        row.lines = reader.u16("reservation.lines")?;
        row.stage = match reader.u8("reservation.stage")? {
            1 => Stage::Held,
            2 => Stage::Confirmed,
            3 => Stage::Released,
            4 => Stage::Shipped,
            5 => Stage::Replaced,
            _ => return Err(BadField::new("reservation.stage", "is unknown")),
        };
        reader.u8("reservation.reserved")?;
        row.set_first_line(LineState::get(reader)?);
        Ok(row)
    }
}

/// A further line of a reservation, which it names so that snapshots need no slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRow {
    pub(crate) reservation: CommandId,
    /// 1 for the second line.
    pub(crate) at: u32,
    /// Slot of the next line; not in the bytes.
    pub(crate) next: u32,
    pub(crate) state: LineState,
}

impl Record for LineRow {
    const SECTION: Section = Section::Line;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.reservation.to_bytes(), &self.at.to_le_bytes()], out);
        self.state.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let reservation = CommandId::from_bytes(reader.array("line.reservation")?);
        let at = reader.u32("line.at")?;
        Ok(Self { reservation, at, next: NO_SLOT, state: LineState::get(reader)? })
    }
}

/// The order reference of a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReferenceRow {
    pub(crate) reservation: CommandId,
    length: u8,
    bytes: [u8; REFERENCE_BYTES_MAX],
}

impl ReferenceRow {
    pub(crate) fn new(reservation: CommandId, text: &str) -> Self {
        let mut bytes = [0; REFERENCE_BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Self { reservation, length: u8::try_from(text.len()).unwrap_or(u8::MAX), bytes }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl Record for ReferenceRow {
    const SECTION: Section = Section::Reference;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.reservation.to_bytes(), &[self.length], self.text().as_bytes()], out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let reservation = CommandId::from_bytes(reader.array("reference.reservation")?);
        let length = usize::from(reader.u8("reference.text")?);
        let text = std::str::from_utf8(reader.take(length, "reference.text")?).ok();
        let text = text.filter(|text| text.len() <= REFERENCE_BYTES_MAX);
        Ok(Self::new(reservation, text.ok_or(BadField::new("reference.text", "is not a reference"))?))
    }
}

/// A recorded outcome, 32 bytes: id, 40 bits of fingerprint, code, op (48 bits), value. An outcome with a
/// detail keeps it in its generation's arena, at the position that then stands in `value`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutcomeRow {
    pub(crate) id: [u64; 2],
    /// fingerprint 40 bits | op high 16 bits | side flag and code 8 bits.
    head: u64,
    /// value 32 bits | op low 32 bits.
    tail: u64,
}

const SIDE: u64 = 0x80;
const FINGERPRINT_40: u64 = (1 << 40) - 1;

impl OutcomeRow {
    pub(crate) fn new(id: CommandId, fingerprint: u64, code: u8, op: u64, value: u32, side: bool) -> Self {
        let row = ReservationRow::new(id, 0);
        let side = if side { SIDE } else { 0 };
        let head = (fingerprint & FINGERPRINT_40) << 24 | (op >> 32 & 0xFFFF) << 8 | u64::from(code) | side;
        Self { id: row.id, head, tail: u64::from(value) << 32 | (op & 0xFFFF_FFFF) }
    }

    pub(crate) fn id(&self) -> CommandId {
        let value = (u128::from(self.id[1]) << 64) | u128::from(self.id[0]);
        CommandId::from_bytes(value.swap_bytes().to_le_bytes())
    }

    pub(crate) const fn is_of(&self, fingerprint: u64) -> bool {
        self.head >> 24 == fingerprint & FINGERPRINT_40
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.head >> 24
    }

    pub(crate) fn code(&self) -> u8 {
        u8::try_from(self.head & 0x7F).unwrap_or(0)
    }

    pub(crate) const fn has_side(&self) -> bool {
        self.head & SIDE != 0
    }

    pub(crate) const fn op(&self) -> u64 {
        (self.head >> 8 & 0xFFFF) << 32 | (self.tail & 0xFFFF_FFFF)
    }

    pub(crate) fn value(&self) -> u32 {
        u32::try_from(self.tail >> 32).unwrap_or(0)
    }

    /// The bytes of the record with its side bytes, which replace the arena's position.
    pub(crate) fn put(&self, side: &[u8], out: &mut Vec<u8>) {
        let value = if self.has_side() { 0 } else { self.value() };
        let length = u16::try_from(side.len()).unwrap_or(u16::MAX);
        put_all(
            &[
                &self.id().to_bytes(),
                &self.fingerprint().to_le_bytes(),
                &self.op().to_le_bytes(),
                &value.to_le_bytes(),
                &[self.code(), u8::from(self.has_side())],
                &length.to_le_bytes(),
                side,
            ],
            out,
        );
    }

    /// Reads a record and its side bytes; the value of one with side bytes is the caller's to set.
    pub(crate) fn get<'a>(reader: &mut Reader<'a>) -> Result<(Self, &'a [u8]), BadField> {
        let id = CommandId::from_bytes(reader.array("outcome.id")?);
        let fingerprint = reader.u64("outcome.fingerprint")?;
        let op = reader.u64("outcome.op")?;
        let value = reader.u32("outcome.value")?;
        let code = reader.u8("outcome.code")?;
        let side = reader.u8("outcome.side")? != 0;
        let length = usize::from(reader.u16("outcome.side_length")?);
        Ok((Self::new(id, fingerprint, code, op, value, side), reader.take(length, "outcome.side")?))
    }

    /// The same outcome with its detail at another position.
    pub(crate) fn at(self, position: u32) -> Self {
        Self { tail: u64::from(position) << 32 | (self.tail & 0xFFFF_FFFF), ..self }
    }
}

const _: () = assert!(size_of::<OutcomeRow>() == 32, "an outcome's fixed part is 32 bytes");
const _: () = assert!(size_of::<ReservationRow>() <= 112, "a reservation with one line must stay small");
