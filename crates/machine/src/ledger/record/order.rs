//! Records of orders. The first line is part of the order's own record. Further lines have their own records with the op
//! that made the order, so a snapshot needs no slots.

use super::{Record, Section, put_all};
use crate::table::NO_SLOT;
use stockhold_protocol::BadField;
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::limits::REFERENCE_BYTES_MAX;

/// The units of an order that are counted under one heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    /// Granted: confirmed, or added to a confirmed order.
    Ordered,
    /// Given back before they were shipped, other than by a refund.
    Cancelled,
    /// Shipped from the promise, and not reversed.
    Shipped,
    /// Shipped beyond the promise by force, and not reversed.
    Beyond,
    /// Returned by the customer.
    Returned,
    /// Refunded before they were shipped.
    Refunded,
    /// Lost at the source before they were shipped.
    WrittenOff,
}

/// The number of totals.
pub(crate) const TOTALS: usize = 7;

/// The totals of a SKU in a stock of an order, in ten-thousandths. Holds that were never confirmed are not part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Totals([i64; TOTALS]);

impl Totals {
    pub(crate) fn of(&self, total: Total) -> i64 {
        self.0[total as usize]
    }

    pub(crate) fn add(&mut self, total: Total, units: i64) {
        let sum = &mut self.0[total as usize];
        *sum = sum.saturating_add(units);
    }

    /// The units that are promised and confirmed.
    pub(crate) fn open(&self) -> i64 {
        [Total::Cancelled, Total::Shipped, Total::Refunded, Total::WrittenOff]
            .into_iter()
            .fold(self.of(Total::Ordered), |open, ended| open.saturating_sub(self.of(ended)))
    }

    /// Whether an order can have these totals.
    pub(crate) fn is_sound(&self) -> bool {
        let shipped = self.of(Total::Shipped).saturating_add(self.of(Total::Beyond));
        self.0.iter().all(|units| *units >= 0) && self.open() >= 0 && self.of(Total::Returned) <= shipped
    }
}

/// The totals of one SKU in one stock of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderLine {
    pub(crate) stock: u32,
    pub(crate) sku: u32,
    pub(crate) totals: Totals,
}

const LINE_BYTES: usize = 8 + 8 * TOTALS;

impl OrderLine {
    fn bytes(&self) -> [u8; LINE_BYTES] {
        let mut bytes = Fixed::new();
        bytes.put(self.stock.to_le_bytes()).put(self.sku.to_le_bytes());
        for units in self.totals.0 {
            bytes.put(units.to_le_bytes());
        }
        bytes.done()
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let (stock, sku) = (reader.u32("order.stock")?, reader.u32("order.sku")?);
        let mut totals = Totals::default();
        for units in &mut totals.0 {
            *units = reader.i64("order.totals")?;
        }
        if !totals.is_sound() {
            return Err(BadField::new("order.totals", "must agree with each other"));
        }
        Ok(Self { stock, sku, totals })
    }
}

/// No stock has this number. It marks an order without a line.
const NO_LINE: u32 = u32::MAX;
/// Says in the bytes of an order that further lines have their own records.
const MANY_LINES: u8 = 2;

/// An order with its first line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderRow {
    /// The op that made it.
    pub(crate) op: u64,
    pub(crate) owner: u64,
    /// Op time of the last change of a settled order, in milliseconds; 0 otherwise.
    pub(crate) settled_ms: u64,
    /// Its position among the settled orders; 0 for other orders.
    pub(crate) settled_number: u64,
    /// `stock` is `NO_LINE` if nothing of the order was ever confirmed.
    first: OrderLine,
    /// Slot of the first further line. Not part of the bytes.
    pub(crate) more: u32,
    /// The slot of the reservation that joined last. Not part of the bytes.
    pub(crate) reservations: u32,
    /// The lines with open confirmed units. Not part of the bytes. A record that was read and is not derived yet has 1 if
    /// further lines follow.
    pub(crate) open_lines: u32,
    /// The last deadline of its live holds, in seconds; 0 = none. Not part of the bytes.
    pub(crate) held_until_s: u32,
    /// When the last of its reservations becomes unknown, if nothing of it was ever confirmed. Not part of the bytes.
    pub(crate) ends_at_s: u32,
    /// The neighbours among the settled orders. Not part of the bytes.
    pub(crate) older: u32,
    pub(crate) newer: u32,
    length: u8,
    number: [u8; REFERENCE_BYTES_MAX],
}

impl OrderRow {
    /// An order without lines. Its number has at most [`REFERENCE_BYTES_MAX`] bytes.
    pub(crate) fn new(op: u64, owner: u64, number: &[u8]) -> Self {
        let mut bytes = [0; REFERENCE_BYTES_MAX];
        bytes[..number.len()].copy_from_slice(number);
        Self {
            op,
            owner,
            settled_ms: 0,
            settled_number: 0,
            first: OrderLine { stock: NO_LINE, sku: 0, totals: Totals::default() },
            more: NO_SLOT,
            reservations: NO_SLOT,
            open_lines: 0,
            held_until_s: 0,
            ends_at_s: 0,
            older: NO_SLOT,
            newer: NO_SLOT,
            length: u8::try_from(number.len()).unwrap_or(u8::MAX),
            number: bytes,
        }
    }

    pub(crate) fn number(&self) -> &[u8] {
        &self.number[..usize::from(self.length)]
    }

    /// Whether units of it were ever confirmed. Such an order is kept when its reservations have ended.
    pub(crate) const fn is_kept(&self) -> bool {
        self.first.stock != NO_LINE
    }

    /// Whether the order is kept and no confirmed units are open.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_kept() && self.open_lines == 0
    }

    /// The first line of a kept order.
    pub(crate) const fn first(&self) -> Option<&OrderLine> {
        if self.is_kept() { Some(&self.first) } else { None }
    }

    pub(crate) const fn first_mut(&mut self) -> Option<&mut OrderLine> {
        if self.is_kept() { Some(&mut self.first) } else { None }
    }

    pub(crate) const fn set_first(&mut self, line: OrderLine) {
        self.first = line;
    }
}

impl Record for OrderRow {
    const SECTION: Section = Section::Order;

    fn put(&self, out: &mut Vec<u8>) {
        let words = [self.op, self.owner, self.settled_ms, self.settled_number];
        out.extend(words.into_iter().flat_map(u64::to_le_bytes));
        let lines = if self.more == NO_SLOT { u8::from(self.is_kept()) } else { MANY_LINES };
        put_all(&[&[self.length], self.number(), &[lines]], out);
        if self.is_kept() {
            out.extend_from_slice(&self.first.bytes());
        }
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let (op, owner) = (reader.u64("order.op")?, reader.u64("order.owner")?);
        let (settled_ms, settled_number) =
            (reader.u64("order.settled_ms")?, reader.u64("order.settled_number")?);
        let length = usize::from(reader.u8("order.number")?);
        let number = reader.take(length, "order.number")?;
        if number.is_empty() || length > REFERENCE_BYTES_MAX || std::str::from_utf8(number).is_err() {
            return Err(BadField::new("order.number", "is not a valid number"));
        }
        let mut row = Self::new(op, owner, number);
        (row.settled_ms, row.settled_number) = (settled_ms, settled_number);
        match reader.u8("order.lines")? {
            0 => {}
            lines @ (1 | MANY_LINES) => {
                row.first = OrderLine::get(reader)?;
                row.open_lines = u32::from(lines == MANY_LINES);
            }
            _ => return Err(BadField::new("order.lines", "must be 0, 1 or 2")),
        }
        Ok(row)
    }
}

/// A further line of an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderLineRow {
    /// The op that made the order.
    pub(crate) order: u64,
    /// Slot of the next line. Not part of the bytes.
    pub(crate) next: u32,
    pub(crate) line: OrderLine,
}

impl Record for OrderLineRow {
    const SECTION: Section = Section::OrderLine;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.order.to_le_bytes(), &self.line.bytes()], out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        Ok(Self { order: reader.u64("order.op")?, next: NO_SLOT, line: OrderLine::get(reader)? })
    }
}

const _: () = assert!(size_of::<OrderRow>() <= 160, "an order with one line must stay small");
