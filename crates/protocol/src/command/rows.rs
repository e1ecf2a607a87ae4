//! The command of callers that know only the signed rows of Magento's reservation table. What the rows of an order change is
//! recorded as events of that order.

use super::check::ColdBody;
use super::fingerprint::Scratch;
use super::order_event::{check_length, check_number};
use crate::error::BadField;
use crate::event::EventKind;
use crate::fields::{FieldReader, FieldWriter, Tagged, encode_fields};
use crate::id::{SkuId, StockId};
use crate::limits::{EVENT_LINES_MAX, LINE_QUANTITY_MAX};
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

/// One row: units that are promised or given back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct SignedRow {
    /// The number of the order, at most 32 bytes of UTF-8; empty = none.
    pub order: String,
    /// Why, one of the first seven kinds. It says nothing without an order.
    pub event: EventKind,
    /// The stock.
    pub stock: StockId,
    /// The SKU.
    pub sku: SkuId,
    /// Negative units are promised, positive ones are given back, as in Magento.
    pub quantity: Quantity,
}

/// Promises and gives back units without a reservation: one op, all rows or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppendReservations {
    /// 1..=1,024 rows. Rows of the same order, event, stock and SKU are summed.
    pub rows: Vec<SignedRow>,
}

/// A row as it is sent: the kind of the event is a number.
#[derive(SchemaRead, SchemaWrite)]
struct SentRow {
    order: String,
    event: u8,
    stock: StockId,
    sku: SkuId,
    quantity: Quantity,
}

impl Tagged for AppendReservations {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        let sent = |row: &SignedRow| SentRow {
            order: row.order.clone(),
            event: row.event.number(),
            stock: row.stock,
            sku: row.sku,
            quantity: row.quantity,
        };
        fields.value(1, &self.rows.iter().map(sent).collect::<Vec<SentRow>>())
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let sent: Vec<SentRow> = fields.value(1, "rows")?;
        let row = |row: SentRow| {
            let event = EventKind::from_number(row.event).filter(|event| event.is_of_rows());
            let event = event.ok_or(BadField::new("rows.event", "must be 1 to 7"))?;
            let SentRow { order, stock, sku, quantity, .. } = row;
            Ok(SignedRow { order, event, stock, sku, quantity })
        };
        Ok(Self { rows: sent.into_iter().map(row).collect::<Result<_, _>>()? })
    }
}

impl ColdBody for AppendReservations {
    fn check(&self) -> Result<(), BadField> {
        if self.rows.is_empty() || self.rows.len() > EVENT_LINES_MAX {
            return Err(BadField::new("rows", "must hold 1 to 1,024 rows"));
        }
        self.rows.iter().try_for_each(|row| {
            if !row.order.is_empty() {
                check_number(&row.order)?;
            }
            check_length("rows.order", &row.order)?;
            if !row.event.is_of_rows() {
                return Err(BadField::new("rows.event", "must be 1 to 7"));
            }
            let raw = row.quantity.raw();
            if raw == 0 {
                return Err(BadField::new("rows.quantity", "must not be zero"));
            }
            if raw.saturating_abs() > LINE_QUANTITY_MAX {
                return Err(BadField::new("rows.quantity", "must be at most 100,000,000 units"));
            }
            Ok(())
        })
    }

    /// Rows of the same order, event, stock and SKU are summed, in whatever order they were sent. The number of rows stays
    /// the same body's as long as the sums are.
    fn canonical(&self, scratch: &mut Scratch) {
        let canonical = Self { rows: self.merged_rows() };
        scratch.put_encoded(|out| encode_fields(&canonical, out));
    }
}

impl AppendReservations {
    /// The rows with their quantities summed by order, event, stock and SKU, and sorted by them. A sum that leaves the range
    /// of quantities becomes its nearest end. Sums of zero are kept.
    #[must_use]
    pub fn merged_rows(&self) -> Vec<SignedRow> {
        let mut rows = self.rows.clone();
        rows.sort_unstable();
        rows.dedup_by(|next, kept| {
            let is_same = (&next.order, next.event, next.stock, next.sku)
                == (&kept.order, kept.event, kept.stock, kept.sku);
            if is_same {
                let end = if next.quantity < Quantity::ZERO { Quantity::MIN } else { Quantity::MAX };
                kept.quantity = kept.quantity.checked_add(next.quantity).unwrap_or(end);
            }
            is_same
        });
        rows
    }
}
