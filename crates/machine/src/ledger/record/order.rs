//! Records of orders. The first bytes of the events of an order are part of its own record. Further ones have records of
//! their own with the key of the order, so a snapshot needs no slots.

use super::{Record, Section, put_all};
use crate::table::{NO_SLOT, record_hash};
use stockhold_protocol::BadField;
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::limits::REFERENCE_BYTES_MAX;

/// The bytes of an order's number and of its events that are part of its own record.
const INLINE_BYTES: usize = 95;
/// The bytes of events in one further record.
pub(crate) const PART_BYTES: usize = 48;
/// The most bytes of the events of an order.
pub(crate) const EVENT_BYTES_MAX: usize = 128 * 1024;

/// The lowest bits of an order's key are its position among the orders that one op made.
const KEY_SHIFT: u32 = 11;

/// The key of the first order that an op makes.
pub(crate) const fn order_key(op: u64) -> u64 {
    op << KEY_SHIFT
}

/// The op that made the order with this key.
pub(super) const fn op_of_key(key: u64) -> u64 {
    key >> KEY_SHIFT
}

/// An order with the first bytes of its events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderRow {
    /// The op that made it, and its position among the orders that this op made: [`order_key`].
    pub(crate) key: u64,
    pub(crate) owner: u64,
    /// Op time of the last change of a settled order, in milliseconds; 0 otherwise.
    pub(crate) settled_ms: u64,
    /// Its position among the settled orders; 0 for other orders.
    pub(crate) settled_number: u64,
    /// The bytes of all its events.
    pub(crate) event_bytes: u32,
    /// Slot of the first further part. Not part of the bytes.
    pub(crate) more: u32,
    /// The slot of the reservation that joined last. Not part of the bytes.
    pub(crate) reservations: u32,
    /// The lines with open confirmed units. Not part of the bytes.
    pub(crate) open_lines: u32,
    /// The last deadline of its live holds, in seconds; 0 = none. Not part of the bytes.
    pub(crate) held_until_s: u32,
    /// When the last of its reservations becomes unknown, if nothing of it was ever confirmed. Not part of the bytes.
    pub(crate) ends_at_s: u32,
    /// The neighbours among the settled orders. Not part of the bytes.
    pub(crate) older: u32,
    pub(crate) newer: u32,
    number_length: u8,
    /// The number, then the first bytes of the events.
    inline: [u8; INLINE_BYTES],
}

impl OrderRow {
    /// An order without events. Its number has at most [`REFERENCE_BYTES_MAX`] bytes.
    pub(crate) fn new(key: u64, owner: u64, number: &[u8]) -> Self {
        let mut inline = [0; INLINE_BYTES];
        inline[..number.len()].copy_from_slice(number);
        Self {
            key,
            owner,
            settled_ms: 0,
            settled_number: 0,
            event_bytes: 0,
            more: NO_SLOT,
            reservations: NO_SLOT,
            open_lines: 0,
            held_until_s: 0,
            ends_at_s: 0,
            older: NO_SLOT,
            newer: NO_SLOT,
            number_length: u8::try_from(number.len()).unwrap_or(u8::MAX),
            inline,
        }
    }

    /// The op that made it.
    pub(crate) const fn op(&self) -> u64 {
        op_of_key(self.key)
    }

    pub(crate) fn number(&self) -> &[u8] {
        &self.inline[..usize::from(self.number_length)]
    }

    /// Whether units of it were ever confirmed. Such an order is kept when its reservations have ended.
    pub(crate) const fn is_kept(&self) -> bool {
        self.event_bytes > 0
    }

    /// Whether the order is kept and no confirmed units are open.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_kept() && self.open_lines == 0
    }

    /// How many bytes of events this record has room for.
    fn room(&self) -> usize {
        INLINE_BYTES.saturating_sub(usize::from(self.number_length))
    }

    /// The bytes of events in this record.
    pub(crate) fn first_part(&self) -> &[u8] {
        let start = usize::from(self.number_length);
        let bytes = usize::try_from(self.event_bytes).unwrap_or(usize::MAX).min(self.room());
        &self.inline[start..start.saturating_add(bytes)]
    }

    /// How many further records the events need.
    pub(crate) fn further_parts(&self) -> usize {
        let bytes = usize::try_from(self.event_bytes).unwrap_or(usize::MAX);
        bytes.saturating_sub(self.room()).div_ceil(PART_BYTES)
    }

    /// Appends bytes of events as far as this record has room. Returns the rest, which is counted already.
    pub(crate) fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let used = self.first_part().len();
        let (here, rest) = bytes.split_at(bytes.len().min(self.room().saturating_sub(used)));
        let start = usize::from(self.number_length).saturating_add(used);
        self.inline[start..start.saturating_add(here.len())].copy_from_slice(here);
        let added = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.event_bytes = self.event_bytes.saturating_add(added);
        rest
    }
}

/// The most bytes of an order's own record.
const RECORD_BYTES_MAX: usize = 4 * 8 + 1 + 4 + INLINE_BYTES;

impl OrderRow {
    /// The bytes of the record, and their number.
    fn bytes(&self) -> ([u8; RECORD_BYTES_MAX], usize) {
        let used = usize::from(self.number_length).saturating_add(self.first_part().len());
        let mut head = Fixed::<{ RECORD_BYTES_MAX - INLINE_BYTES }>::new();
        head.put(self.key.to_le_bytes())
            .put(self.owner.to_le_bytes())
            .put(self.settled_ms.to_le_bytes())
            .put(self.settled_number.to_le_bytes())
            .put([self.number_length])
            .put(self.event_bytes.to_le_bytes());
        let (head, mut bytes) = (head.done(), [0; RECORD_BYTES_MAX]);
        bytes[..head.len()].copy_from_slice(&head);
        bytes[head.len()..].copy_from_slice(&self.inline);
        (bytes, head.len().saturating_add(used))
    }
}

impl Record for OrderRow {
    const SECTION: Section = Section::Order;

    fn put(&self, out: &mut Vec<u8>) {
        let (bytes, length) = self.bytes();
        out.extend_from_slice(&bytes[..length]);
    }

    fn hash(&self, _: &mut Vec<u8>) -> u64 {
        let (bytes, length) = self.bytes();
        record_hash(Self::SECTION as u8, &bytes[..length])
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let (key, owner) = (reader.u64("order.key")?, reader.u64("order.owner")?);
        let (settled_ms, settled_number) =
            (reader.u64("order.settled_ms")?, reader.u64("order.settled_number")?);
        let length = usize::from(reader.u8("order.number")?);
        let event_bytes = reader.u32("order.event_bytes")?;
        let number = reader.take(length, "order.number")?;
        if number.is_empty() || length > REFERENCE_BYTES_MAX || std::str::from_utf8(number).is_err() {
            return Err(BadField::new("order.number", "is not a valid number"));
        }
        let mut row = Self::new(key, owner, number);
        (row.settled_ms, row.settled_number) = (settled_ms, settled_number);
        let bytes = usize::try_from(event_bytes).unwrap_or(usize::MAX);
        if bytes > EVENT_BYTES_MAX {
            return Err(BadField::new("order.event_bytes", "must be at most 128 KiB"));
        }
        row.append(reader.take(bytes.min(row.room()), "order.events")?);
        row.event_bytes = event_bytes;
        Ok(row)
    }
}

/// A further part of the events of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderPartRow {
    /// The key of the order.
    pub(crate) order: u64,
    /// Slot of the next part. Not part of the bytes.
    pub(crate) next: u32,
    /// Its position among the further parts, from 0.
    pub(crate) at: u16,
    length: u8,
    bytes: [u8; PART_BYTES],
}

impl OrderPartRow {
    pub(crate) const fn new(order: u64, at: u16) -> Self {
        Self { order, next: NO_SLOT, at, length: 0, bytes: [0; PART_BYTES] }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Appends bytes as far as there is room. Returns the rest.
    pub(crate) fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let used = usize::from(self.length);
        let (here, rest) = bytes.split_at(bytes.len().min(PART_BYTES.saturating_sub(used)));
        self.bytes[used..used.saturating_add(here.len())].copy_from_slice(here);
        self.length = self.length.saturating_add(u8::try_from(here.len()).unwrap_or(0));
        rest
    }
}

impl Record for OrderPartRow {
    const SECTION: Section = Section::OrderPart;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.order.to_le_bytes(), &self.at.to_le_bytes(), &[self.length], self.bytes()], out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let mut row = Self::new(reader.u64("order.key")?, reader.u16("order.part")?);
        let length = reader.u8("order.length")?;
        if length == 0 || usize::from(length) > PART_BYTES {
            return Err(BadField::new("order.length", "must be 1 to 48"));
        }
        row.append(reader.take(length.into(), "order.events")?);
        Ok(row)
    }
}

const _: () = assert!(size_of::<OrderRow>() <= 160, "an order with one shipment must stay small");
const _: () = assert!(size_of::<OrderPartRow>() == 64, "a part is one cache line");
