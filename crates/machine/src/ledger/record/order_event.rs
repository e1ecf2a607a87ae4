//! The events of an order: what was booked, when, by whom and by which document. An order is the list of its events, and
//! its totals are the sums of what they booked.
//!
//! An event is stored in as few bytes as it needs (FORMAT.md), because most orders are settled and only kept. Events are
//! appended and never changed.

use super::order::op_of_key;
use super::varint;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::limits::REFERENCE_BYTES_MAX;
use stockhold_protocol::{BadField, Code};

/// The units of an order that are counted under one heading.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    /// Granted: confirmed, or added to a confirmed order.
    Ordered,
    /// Given back before they were shipped, other than by a refund.
    Cancelled,
    /// Shipped from the promise, and not reversed. Invoiced units of a virtual SKU are among them.
    Shipped,
    /// Shipped beyond the promise by force, and not reversed.
    Beyond,
    /// Returned by the customer.
    Returned,
    /// Refunded before they were shipped.
    Refunded,
    /// Lost at the source before they were shipped.
    WrittenOff,
    /// Invoiced. It says nothing of the promise.
    Invoiced,
    /// Added to the open units by a compensation, or taken from them if negative.
    Compensated,
    /// What should be open, as the shop has said. It says nothing of the promise.
    Reported,
}

/// The number of totals.
pub(crate) const TOTALS: usize = 10;

impl Total {
    const ALL: [Self; TOTALS] = [
        Self::Ordered,
        Self::Cancelled,
        Self::Shipped,
        Self::Beyond,
        Self::Returned,
        Self::Refunded,
        Self::WrittenOff,
        Self::Invoiced,
        Self::Compensated,
        Self::Reported,
    ];

    /// What a unit of this total adds to the open units.
    pub(crate) const fn sign(self) -> i64 {
        match self {
            Self::Ordered | Self::Compensated => 1,
            Self::Cancelled | Self::Shipped | Self::Refunded | Self::WrittenOff => -1,
            Self::Beyond | Self::Returned | Self::Invoiced | Self::Reported => 0,
        }
    }
}

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
        let promised = self.of(Total::Ordered).saturating_add(self.of(Total::Compensated));
        promised
            .saturating_sub(self.of(Total::Cancelled))
            .saturating_sub(self.of(Total::Shipped))
            .saturating_sub(self.of(Total::Refunded))
            .saturating_sub(self.of(Total::WrittenOff))
    }

    /// Units that left a source and were neither reversed nor returned.
    pub(crate) fn with_customer(&self) -> i64 {
        let shipped = self.of(Total::Shipped).saturating_add(self.of(Total::Beyond));
        shipped.saturating_sub(self.of(Total::Returned))
    }

    /// Whether an order can have these totals.
    pub(crate) fn is_sound(&self) -> bool {
        let is_positive = |total: &Total| *total == Total::Compensated || self.of(*total) >= 0;
        Total::ALL.iter().all(is_positive) && self.open() >= 0 && self.with_customer() >= 0
    }
}

/// The totals of one SKU in one stock of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderLine {
    pub(crate) stock: u32,
    pub(crate) sku: u32,
    pub(crate) totals: Totals,
}

/// Units that are added to a total of an order, or removed from it if negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booking {
    pub(crate) stock: u32,
    pub(crate) sku: u32,
    pub(crate) total: Total,
    pub(crate) units: i64,
    /// The source that the units left or came to.
    pub(crate) source: Option<u32>,
}

/// The bits of a command's fingerprint by which an order recognizes its repetition.
#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
pub(crate) const fn body_of(fingerprint: u64) -> u32 {
    // 0 stands for none.
    match fingerprint as u32 {
        0 => 1,
        body => body,
    }
}

/// How the shop sees an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportedState {
    pub(crate) state: OrderState,
    /// Whether the shop has said what should be open: the totals [`Total::Reported`].
    pub(crate) has_figures: bool,
}

/// In the body of an event with a state: the shop has said what should be open.
const HAS_FIGURES: u32 = 1 << 8;

impl ReportedState {
    /// The body of its event.
    pub(crate) const fn body(self) -> u32 {
        let state = self.state as u32;
        if self.has_figures { state | HAS_FIGURES } else { state }
    }

    /// What the body of an event says.
    #[expect(clippy::cast_possible_truncation, reason = "the low byte is meant")]
    pub(crate) fn of_body(body: u32) -> Option<Self> {
        let state = OrderState::from_number(body as u8)?;
        Some(Self { state, has_figures: body & HAS_FIGURES != 0 })
    }
}

/// An event without what it booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventHead<'a> {
    pub(crate) kind: EventKind,
    /// `Ok`, `Partial` or `ConfirmedLate`.
    pub(crate) code: Code,
    pub(crate) op: u64,
    /// Op time in milliseconds.
    pub(crate) time_ms: u64,
    pub(crate) actor: u16,
    /// The document of the event; empty = none.
    pub(crate) document: &'a str,
    /// A hash of a placement or of a command with a document, by which a repetition is recognized; 0 = none.
    pub(crate) body: u32,
}

/// In the first byte of an event, beside the kind: a document and a hash follow.
const HAS_DOCUMENT: u8 = 0x20;
const KIND_BITS: u8 = 0x1f;
const CODE_SHIFT: u32 = 6;
/// In the byte of a total: a source follows.
const HAS_SOURCE: u8 = 0x80;

/// The codes of events, by the two highest bits of their first byte.
const CODES: [Code; 3] = [Code::Ok, Code::Partial, Code::ConfirmedLate];

/// The most bytes of an event with so many bookings. An integer of 64 bits takes at most ten bytes, one of 32 bits five.
pub(crate) const fn event_bytes_max(bookings: usize) -> usize {
    const HEAD: usize = 1 + 10 + 10 + 3 + 1 + REFERENCE_BYTES_MAX + 4 + 1;
    const BOOKING: usize = 3 + 5 + 5 + 1 + 10 + 5;
    bookings.saturating_mul(BOOKING).saturating_add(HEAD)
}

/// What the events of an order say together.
#[derive(Debug, Default)]
pub(crate) struct OrderSums {
    /// The lines in the order in which they joined.
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) events: u32,
    /// The time of the last event.
    pub(crate) last_ms: u64,
    /// What the shop has said last.
    pub(crate) reported: Option<ReportedState>,
}

impl OrderSums {
    pub(crate) const fn new() -> Self {
        Self { lines: Vec::new(), events: 0, last_ms: 0, reported: None }
    }

    /// The sums of no events.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        (self.events, self.last_ms, self.reported) = (0, 0, None);
    }

    /// The index of a line, which is added if there is none.
    fn index_of(&mut self, stock: u32, sku: u32) -> (usize, bool) {
        let is_line = |line: &OrderLine| (line.stock, line.sku) == (stock, sku);
        if let Some(at) = self.lines.iter().position(is_line) {
            return (at, false);
        }
        self.lines.push(OrderLine { stock, sku, totals: Totals::default() });
        (self.lines.len().saturating_sub(1), true)
    }

    /// Sums the events of the order with this key.
    pub(crate) fn sum(&mut self, key: u64, bytes: &[u8]) -> Result<(), BadField> {
        self.clear();
        let mut events = Events::new(key, bytes);
        while let Some(head) = events.next_event(&mut self.lines, |_| {})? {
            self.count(&head);
        }
        Ok(())
    }

    /// Appends an event, and adds what it books to the sums.
    pub(crate) fn put_event(
        &mut self,
        key: u64,
        head: &EventHead<'_>,
        bookings: impl Iterator<Item = Booking>,
        out: &mut Vec<u8>,
    ) {
        let code = CODES.iter().position(|code| *code == head.code).unwrap_or(0);
        let is_named = !head.document.is_empty() || head.body != 0;
        let has_document = if is_named { HAS_DOCUMENT } else { 0 };
        out.push(u8::try_from(code << CODE_SHIFT).unwrap_or(0) | has_document | head.kind.number());
        varint::put(head.op.saturating_sub(op_of_key(key)), out);
        varint::put(head.time_ms.saturating_sub(self.last_ms), out);
        varint::put(head.actor.into(), out);
        if has_document != 0 {
            out.push(u8::try_from(head.document.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(head.document.as_bytes());
            out.extend_from_slice(&head.body.to_le_bytes());
        }
        for booking in bookings {
            let (at, is_new) = self.index_of(booking.stock, booking.sku);
            // 0 ends the bookings.
            varint::put((at as u64).saturating_add(1), out);
            if is_new {
                varint::put(booking.stock.into(), out);
                varint::put(booking.sku.into(), out);
            }
            out.push(booking.total as u8 | if booking.source.is_some() { HAS_SOURCE } else { 0 });
            varint::put_signed(booking.units, out);
            if let Some(source) = booking.source {
                varint::put(source.into(), out);
            }
            self.lines[at].totals.add(booking.total, booking.units);
        }
        varint::put(0, out);
        self.count(head);
    }

    /// Counts an event apart from what it books.
    fn count(&mut self, head: &EventHead<'_>) {
        self.events = self.events.saturating_add(1);
        self.last_ms = head.time_ms;
        if head.kind == EventKind::OrderState {
            self.reported = ReportedState::of_body(head.body);
        }
    }
}

/// Reads the events of an order one after the other.
#[derive(Debug)]
pub(crate) struct Events<'a> {
    reader: Reader<'a>,
    order_op: u64,
    last_ms: u64,
}

impl<'a> Events<'a> {
    pub(crate) const fn new(key: u64, bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), order_op: op_of_key(key), last_ms: 0 }
    }

    /// The next event. Its bookings are passed to `visit` and added to `lines`, which must contain the lines of the events
    /// before.
    pub(crate) fn next_event(
        &mut self,
        lines: &mut Vec<OrderLine>,
        mut visit: impl FnMut(Booking),
    ) -> Result<Option<EventHead<'a>>, BadField> {
        if self.reader.rest().is_empty() {
            return Ok(None);
        }
        let head = self.head()?;
        while let Some(booking) = self.booking(lines)? {
            visit(booking);
        }
        Ok(Some(head))
    }

    fn head(&mut self) -> Result<EventHead<'a>, BadField> {
        let reader = &mut self.reader;
        let first = reader.u8("event.kind")?;
        let kind = EventKind::from_number(first & KIND_BITS).filter(|kind| kind.is_stored());
        let kind = kind.ok_or(BadField::new("event.kind", "is not a known kind"))?;
        let code = CODES.get(usize::from(first >> CODE_SHIFT));
        let code = *code.ok_or(BadField::new("event.code", "is not a code of events"))?;
        let op = self.order_op.saturating_add(varint::get(reader, "event.op")?);
        let time_ms = self.last_ms.saturating_add(varint::get(reader, "event.time")?);
        let actor = u16::try_from(varint::get(reader, "event.actor")?);
        let actor = actor.map_err(|_| BadField::new("event.actor", "must fit into 16 bits"))?;
        self.last_ms = time_ms;
        let (mut document, mut body) = ("", 0);
        if first & HAS_DOCUMENT != 0 {
            let length = usize::from(reader.u8("event.document")?);
            let bytes = reader.take(length, "event.document")?;
            let text = std::str::from_utf8(bytes).ok();
            document = text
                .filter(|_| length <= REFERENCE_BYTES_MAX)
                .ok_or(BadField::new("event.document", "is not valid"))?;
            body = reader.u32("event.body")?;
        }
        if kind == EventKind::OrderState && ReportedState::of_body(body).is_none() {
            return Err(BadField::new("event.body", "is not a state of orders"));
        }
        Ok(EventHead { kind, code, op, time_ms, actor, document, body })
    }

    fn booking(&mut self, lines: &mut Vec<OrderLine>) -> Result<Option<Booking>, BadField> {
        let reader = &mut self.reader;
        let number = varint::get_u32(reader, "event.line")?;
        let Some(at) = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1) else { return Ok(None) };
        if at == lines.len() {
            let stock = varint::get_u32(reader, "event.stock")?;
            let sku = varint::get_u32(reader, "event.sku")?;
            lines.push(OrderLine { stock, sku, totals: Totals::default() });
        }
        let Some(line) = lines.get_mut(at) else {
            return Err(BadField::new("event.line", "must be a line of the order"));
        };
        let first = reader.u8("event.total")?;
        let total = Total::ALL.get(usize::from(first & !HAS_SOURCE));
        let total = *total.ok_or(BadField::new("event.total", "is not a known total"))?;
        let units = varint::get_signed(reader, "event.units")?;
        let source =
            if first & HAS_SOURCE == 0 { None } else { Some(varint::get_u32(reader, "event.source")?) };
        line.totals.add(total, units);
        Ok(Some(Booking { stock: line.stock, sku: line.sku, total, units, source }))
    }
}
