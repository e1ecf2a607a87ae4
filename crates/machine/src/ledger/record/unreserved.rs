//! Records of units that are promised without a reservation: signed rows have promised them, or the record of their
//! reservation has ended before their shipment was reversed.

use super::{Record, Section};
use crate::table::record_hash;
use stockhold_protocol::BadField;
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::limits::QUANTITY_MAX;

/// The order key of units that belong to no order.
pub(crate) const NO_ORDER: u64 = 0;

/// Units of a SKU in a stock that are promised to an order, or to none, and are in no reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnreservedRow {
    /// The key of the order; [`NO_ORDER`] = none.
    pub(crate) order: u64,
    pub(crate) stock: u32,
    pub(crate) sku: u32,
    /// In ten-thousandths, never 0. Those of no order may be negative with independent stocks: more was given back than was
    /// promised.
    pub(crate) units: i64,
}

impl UnreservedRow {
    fn bytes(&self) -> [u8; 24] {
        let mut bytes = Fixed::new();
        bytes
            .put(self.order.to_le_bytes())
            .put(self.stock.to_le_bytes())
            .put(self.sku.to_le_bytes())
            .put(self.units.to_le_bytes());
        bytes.done()
    }
}

impl Record for UnreservedRow {
    const SECTION: Section = Section::Unreserved;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    fn hash(&self, _scratch: &mut Vec<u8>) -> u64 {
        record_hash(Self::SECTION as u8, &self.bytes())
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let row = Self {
            order: reader.u64("unreserved.order")?,
            stock: reader.u32("unreserved.stock")?,
            sku: reader.u32("unreserved.sku")?,
            units: reader.i64("unreserved.units")?,
        };
        let least = if row.order == NO_ORDER { QUANTITY_MAX.saturating_neg() } else { 1 };
        if row.units == 0 || !(least..=QUANTITY_MAX).contains(&row.units) {
            return Err(BadField::new("unreserved.units", "is out of range"));
        }
        Ok(row)
    }
}
