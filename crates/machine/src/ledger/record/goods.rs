//! Records of source items and of positions (SKUs in stocks). Units promised by holds are derived from
//! reservations and are in no record.

use super::{Record, Section};
use crate::table::{NO_SLOT, record_hash};
use stockhold_protocol::BadField;
use stockhold_protocol::codec::{Fixed, Reader};

/// Reserved for the op of the last count of a source item (u64, 0 = unknown).
const RESERVED: [u8; 8] = [0; 8];

/// A source item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemRow {
    pub(crate) sku: u32,
    pub(crate) source: u32,
    pub(crate) on_hand: i64,
    pub(crate) version: u32,
    pub(crate) in_stock: bool,
    /// Slot of the SKU's next source item. Not part of the bytes.
    pub(crate) next: u32,
}

impl ItemRow {
    /// A new item: in stock, with quantity 0.
    pub(crate) const fn new(sku: u32, source: u32) -> Self {
        Self { sku, source, on_hand: 0, version: 0, in_stock: true, next: NO_SLOT }
    }

    fn bytes(&self) -> [u8; 32] {
        let mut bytes = Fixed::new();
        bytes
            .put(self.sku.to_le_bytes())
            .put(self.source.to_le_bytes())
            .put(self.on_hand.to_le_bytes())
            .put(self.version.to_le_bytes())
            .put(u32::from(self.in_stock).to_le_bytes())
            .put(RESERVED);
        bytes.done()
    }
}

impl Record for ItemRow {
    const SECTION: Section = Section::Item;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    fn hash(&self, _scratch: &mut Vec<u8>) -> u64 {
        record_hash(Self::SECTION as u8, &self.bytes())
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let row = Self {
            sku: reader.u32("item.sku")?,
            source: reader.u32("item.source")?,
            on_hand: reader.i64("item.on_hand")?,
            version: reader.u32("item.version")?,
            in_stock: match reader.u32("item.in_stock")? {
                0 => false,
                1 => true,
                _ => return Err(BadField::new("item.in_stock", "must be 0 or 1")),
            },
            next: NO_SLOT,
        };
        if reader.array("item.reserved")? != RESERVED {
            return Err(BadField::new("item.reserved", "must be zero"));
        }
        Ok(row)
    }
}

/// The value of [`PositionRow::quota_limit`] without a quota.
pub(crate) const NO_QUOTA: i64 = -1;

/// One SKU in one stock: the units promised to orders, and the quota. Units promised by holds are derived
/// from the reservations, so the end of a hold changes no record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PositionRow {
    pub(crate) sku: u32,
    pub(crate) stock: u32,
    pub(crate) confirmed: i64,
    pub(crate) quota_limit: i64,
    /// Units taken from the quota, except those of live holds.
    pub(crate) quota_taken: i64,
    /// The number of quotas that were set when there was none. A line gives units back only to the quota
    /// that they were taken from.
    pub(crate) quota_number: u32,
    /// The record changed, so the running digest does not contain its hash at present. Not part of the
    /// bytes.
    pub(crate) is_unsummed: bool,
}

impl PositionRow {
    pub(crate) const fn new(sku: u32, stock: u32) -> Self {
        let quota_limit = NO_QUOTA;
        Self { sku, stock, confirmed: 0, quota_limit, quota_taken: 0, quota_number: 0, is_unsummed: false }
    }

    /// Whether a quota is in force.
    pub(crate) const fn has_quota(&self) -> bool {
        self.quota_limit != NO_QUOTA
    }

    #[inline]
    fn bytes(&self) -> [u8; 40] {
        let mut bytes = Fixed::new();
        bytes
            .put(self.sku.to_le_bytes())
            .put(self.stock.to_le_bytes())
            .put(self.confirmed.to_le_bytes())
            .put(self.quota_limit.to_le_bytes())
            .put(self.quota_taken.to_le_bytes())
            .put(self.quota_number.to_le_bytes())
            .put([0; 4]);
        bytes.done()
    }
}

impl Record for PositionRow {
    const SECTION: Section = Section::Position;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }

    fn hash(&self, _scratch: &mut Vec<u8>) -> u64 {
        record_hash(Self::SECTION as u8, &self.bytes())
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let row = Self {
            sku: reader.u32("position.sku")?,
            stock: reader.u32("position.stock")?,
            confirmed: reader.i64("position.confirmed")?,
            quota_limit: reader.i64("position.quota_limit")?,
            quota_taken: reader.i64("position.quota_taken")?,
            quota_number: reader.u32("position.quota_number")?,
            is_unsummed: false,
        };
        if reader.u32("position.reserved")? != 0 {
            return Err(BadField::new("position.reserved", "must be zero"));
        }
        Ok(row)
    }
}
