//! The commands that name an order by its number: events in its life, and a placement that failed. A placement itself has
//! the fields of a reserve.

use super::check::ColdBody;
use super::fingerprint::Scratch;
use crate::error::BadField;
use crate::event::numbered;
use crate::fields::{FieldReader, FieldWriter, Tagged, encode_fields};
use crate::id::{CommandId, ReservationId, SkuId, SourceId, StockId};
use crate::limits::{EVENT_LINES_MAX, LINE_QUANTITY_MAX, REFERENCE_BYTES_MAX};
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

numbered! {
    /// What happens to an order.
    OrderAction {
        /// Its holds are confirmed, with all their open units.
        Confirm = 1, "confirm";
        /// The deadlines of its holds are moved.
        Extend = 2, "extend";
        /// Open units are given back.
        Cancel = 3, "cancel";
        /// Units are shipped from a source.
        Ship = 4, "ship";
        /// Units are invoiced. Units of a virtual SKU are delivered by that.
        Invoice = 5, "invoice";
        /// Units are refunded by a credit memo.
        Refund = 6, "refund";
        /// The open units are corrected.
        Compensate = 7, "compensate";
        /// Its lines get new total quantities.
        Edit = 8, "edit";
        /// A shipment is reversed.
        Unship = 9, "unship";
    }
}

/// One line of an [`OrderEvent`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, SchemaRead, SchemaWrite)]
pub struct EventLine {
    /// The SKU.
    pub sku: SkuId,
    /// The stock whose units are meant. Without it those of every stock are, in the order that PROTOCOL.md gives.
    pub stock: Option<StockId>,
    /// The quantity. Of an edit: the new total, which may be 0. Of a compensation: what is added to the reservations, as
    /// in Magento, so a positive quantity takes from the open units.
    pub quantity: Quantity,
    /// Of a refund: whether the units are returned to stock.
    pub is_returned: bool,
}

/// An event in the life of an order: one op, all lines or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderEvent {
    /// The number of the order, 1..=32 bytes of UTF-8.
    pub order: String,
    /// What happens.
    pub action: OrderAction,
    /// The number of the shipment, invoice or credit memo, at most 32 bytes; empty = none. An order accepts each document
    /// of an action once. Of an unship: the document of the shipment.
    pub document: String,
    /// The source that units leave or come to. A ship and an unship need it. A refund without one returns units to the
    /// source of the stock's highest priority that has shipped them.
    pub source: Option<SourceId>,
    /// The units, 0..=1,024 lines. No lines mean all units that the action may concern: of a cancel all that may be
    /// cancelled, of an unship all of its document.
    pub lines: Vec<EventLine>,
    /// The event has happened: a fact, as in a ship.
    pub forced: bool,
    /// Of an extend: the TTL in milliseconds, counted from the time of the op.
    pub ttl_ms: Option<u32>,
}

impl Tagged for OrderEvent {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &self.order)?;
        fields.value(2, &self.action.number())?;
        fields.value(3, &self.document)?;
        fields.option(4, &self.source)?;
        fields.value(5, &self.lines)?;
        fields.value(6, &self.forced)?;
        fields.option(7, &self.ttl_ms)
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let order = fields.value(1, "order")?;
        let action = OrderAction::from_number(fields.value(2, "action")?);
        let action = action.ok_or(BadField::new("action", "must be 1 to 9"))?;
        Ok(Self {
            order,
            action,
            document: fields.value(3, "document")?,
            source: fields.option(4, "source")?,
            lines: fields.value(5, "lines")?,
            forced: fields.value(6, "forced")?,
            ttl_ms: fields.option(7, "ttl_ms")?,
        })
    }
}

impl ColdBody for OrderEvent {
    fn check(&self) -> Result<(), BadField> {
        check_number(&self.order)?;
        check_length("document", &self.document)?;
        if self.lines.len() > EVENT_LINES_MAX {
            return Err(BadField::new("lines", "must hold at most 1,024 lines"));
        }
        self.check_presence()?;
        self.lines.iter().try_for_each(|line| self.check_line(line))
    }

    /// Lines of the same SKU, stock and purpose are summed, in whatever order they were sent.
    fn canonical(&self, scratch: &mut Scratch) {
        let lines = self.merged_lines();
        let canonical = Self { lines, ..self.clone() };
        scratch.put_encoded(|out| encode_fields(&canonical, out));
    }
}

impl OrderEvent {
    /// The lines with their quantities summed by SKU, stock and purpose, and sorted by them. A sum that leaves the range of
    /// quantities becomes the largest one.
    #[must_use]
    pub fn merged_lines(&self) -> Vec<EventLine> {
        let mut lines = self.lines.clone();
        lines.sort_unstable_by_key(|line| (line.sku, line.stock, line.is_returned));
        lines.dedup_by(|next, kept| {
            let is_same =
                (next.sku, next.stock, next.is_returned) == (kept.sku, kept.stock, kept.is_returned);
            if is_same {
                kept.quantity = kept.quantity.checked_add(next.quantity).unwrap_or(Quantity::MAX);
            }
            is_same
        });
        lines
    }

    /// Checks that the action has the fields that it needs, and no others.
    fn check_presence(&self) -> Result<(), BadField> {
        use OrderAction::{Cancel, Compensate, Confirm, Edit, Extend, Invoice, Refund, Ship, Unship};
        let (action, has_source) = (self.action, self.source.is_some());
        if matches!(action, Ship | Unship) && !has_source {
            return Err(BadField::new("source", "must be given for a ship or an unship"));
        }
        if has_source && !matches!(action, Ship | Unship | Refund) {
            return Err(BadField::new("source", "must not be given for this action"));
        }
        if self.ttl_ms.is_some() != (action == Extend) {
            return Err(BadField::new("ttl_ms", "must be given for an extend, and for no other action"));
        }
        if self.forced && !matches!(action, Ship | Compensate) {
            return Err(BadField::new("forced", "is possible for a ship and a compensation alone"));
        }
        let needs_lines = match action {
            Ship | Invoice | Refund | Compensate | Edit => true,
            Unship => self.document.is_empty(),
            Confirm | Extend | Cancel => false,
        };
        if needs_lines && self.lines.is_empty() {
            return Err(BadField::new("lines", "must hold at least one line for this action"));
        }
        if matches!(action, Confirm | Extend) && !self.lines.is_empty() {
            return Err(BadField::new("lines", "must be empty: the whole order is confirmed or extended"));
        }
        if matches!(action, Confirm | Extend | Compensate | Edit) && !self.document.is_empty() {
            return Err(BadField::new("document", "must not be given for this action"));
        }
        Ok(())
    }

    fn check_line(&self, line: &EventLine) -> Result<(), BadField> {
        let raw = line.quantity.raw();
        let (is_sound, rule) = match self.action {
            OrderAction::Compensate => (raw != 0, "must not be zero"),
            OrderAction::Edit => (raw >= 0, "must not be negative"),
            OrderAction::Confirm
            | OrderAction::Extend
            | OrderAction::Cancel
            | OrderAction::Ship
            | OrderAction::Invoice
            | OrderAction::Refund
            | OrderAction::Unship => (raw > 0, "must be positive"),
        };
        if !is_sound {
            return Err(BadField::new("lines.quantity", rule));
        }
        if raw.saturating_abs() > LINE_QUANTITY_MAX {
            return Err(BadField::new("lines.quantity", "must be at most 100,000,000 units"));
        }
        if line.is_returned && self.action != OrderAction::Refund {
            return Err(BadField::new("lines.is_returned", "must not be set but for a refund"));
        }
        Ok(())
    }
}

/// A placement failed. What is open of it is given back. If it was not decided yet, it never will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaceFailed {
    /// The number of the order.
    pub order: String,
    /// The id of the placement's command.
    pub placement: ReservationId,
}

impl Tagged for PlaceFailed {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &self.order)?;
        fields.value(2, &self.placement.0.to_bytes())
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let order = fields.value(1, "order")?;
        Ok(Self { order, placement: ReservationId(CommandId::from_bytes(fields.value(2, "placement")?)) })
    }
}

impl ColdBody for PlaceFailed {
    fn check(&self) -> Result<(), BadField> {
        check_number(&self.order)
    }
}

pub(super) fn check_number(number: &str) -> Result<(), BadField> {
    if number.is_empty() {
        return Err(BadField::new("order", "must not be empty"));
    }
    check_length("order", number)
}

pub(super) fn check_length(field: &'static str, text: &str) -> Result<(), BadField> {
    if text.len() > REFERENCE_BYTES_MAX {
        Err(BadField::new(field, "must be at most 32 bytes"))
    } else {
        Ok(())
    }
}
