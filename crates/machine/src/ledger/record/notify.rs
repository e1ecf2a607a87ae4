//! Records of low-stock configurations.

use super::{Record, Section};
use crate::table::record_hash;
use stockhold_protocol::BadField;
use stockhold_protocol::codec::{Fixed, Reader};

/// The threshold of a configuration that inherits the `notify_stock_qty` of its SKU.
pub(crate) const INHERITED: i64 = -1;

/// The low-stock configuration of a SKU at a source. There may be one without a source item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotifyRow {
    pub(crate) sku: u32,
    pub(crate) source: u32,
    /// The item is low below this quantity; or [`INHERITED`].
    pub(crate) threshold: i64,
}

impl NotifyRow {
    /// Its own threshold, if it has one.
    pub(crate) fn own(&self) -> Option<i64> {
        (self.threshold != INHERITED).then_some(self.threshold)
    }

    fn bytes(&self) -> [u8; 16] {
        let mut bytes = Fixed::new();
        bytes.put(self.sku.to_le_bytes()).put(self.source.to_le_bytes()).put(self.threshold.to_le_bytes());
        bytes.done()
    }
}

impl Record for NotifyRow {
    const SECTION: Section = Section::Notify;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    fn hash(&self, _scratch: &mut Vec<u8>) -> u64 {
        record_hash(Self::SECTION as u8, &self.bytes())
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let row = Self {
            sku: reader.u32("notify.sku")?,
            source: reader.u32("notify.source")?,
            threshold: reader.i64("notify.threshold")?,
        };
        if row.threshold < INHERITED {
            return Err(BadField::new("notify.threshold", "must be -1 or a quantity"));
        }
        Ok(row)
    }
}
