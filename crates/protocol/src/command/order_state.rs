//! What a shop says of an order: its state, and what should be open of it. It changes no promise; it is compared with the
//! open units of the order.

use super::check::ColdBody;
use super::fingerprint::Scratch;
use super::order_event::check_number;
use crate::error::BadField;
use crate::event::OrderState;
use crate::fields::{FieldReader, FieldWriter, Tagged, encode_fields};
use crate::id::{SkuId, StockId};
use crate::limits::EVENT_LINES_MAX;
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

/// The units of one SKU in one stock that should be open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, SchemaRead, SchemaWrite)]
pub struct ExpectedLine {
    /// The stock.
    pub stock: StockId,
    /// The SKU.
    pub sku: SkuId,
    /// The units, not negative.
    pub quantity: Quantity,
}

/// How the shop sees an order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderStateReport {
    /// The number of the order, 1..=32 bytes of UTF-8.
    pub order: String,
    /// Its state.
    pub state: OrderState,
    /// What should be open, up to 1,024 lines; lines of the order that are not named should have nothing open. `None`
    /// leaves it to the state: nothing of a final one, and of another one what was ordered and has not ended.
    pub lines: Option<Vec<ExpectedLine>>,
}

impl Tagged for OrderStateReport {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &self.order)?;
        fields.value(2, &self.state.number())?;
        fields.option(3, &self.lines)
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let order = fields.value(1, "order")?;
        let state = OrderState::from_number(fields.value(2, "state")?);
        let state = state.ok_or(BadField::new("state", "must be 1 to 5"))?;
        Ok(Self { order, state, lines: fields.option(3, "lines")? })
    }
}

impl ColdBody for OrderStateReport {
    fn check(&self) -> Result<(), BadField> {
        check_number(&self.order)?;
        let lines = self.lines.as_deref().unwrap_or(&[]);
        if lines.len() > EVENT_LINES_MAX {
            return Err(BadField::new("lines", "must hold at most 1,024 lines"));
        }
        if lines.iter().any(|line| line.quantity < Quantity::ZERO) {
            return Err(BadField::new("lines.quantity", "must not be negative"));
        }
        let mut places: Vec<_> = lines.iter().map(|line| (line.stock, line.sku)).collect();
        places.sort_unstable();
        if places.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(BadField::new("lines", "must name each SKU of a stock once"));
        }
        Ok(())
    }

    /// The order of the lines says nothing.
    fn canonical(&self, scratch: &mut Scratch) {
        let mut canonical = self.clone();
        if let Some(lines) = &mut canonical.lines {
            lines.sort_unstable();
        }
        scratch.put_encoded(|out| encode_fields(&canonical, out));
    }
}
