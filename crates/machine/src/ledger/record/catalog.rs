//! Records of SKUs and of settings. Which settings are in force is computed in `stock::settings`.

use super::{Record, Section, get_counted, put_counted};
use crate::stock::settings::Overrides;
use stockhold_protocol::BadField;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::SkuKind;
use stockhold_protocol::fields::{FieldReader, FieldWriter, Tagged};
use stockhold_protocol::limits::SKU_BYTES_MAX;

/// A SKU. Its number is its position in the list of SKUs. The state stores it in less memory (`ledger::skus`).
#[derive(Clone, Debug)]
pub(crate) struct SkuRow {
    pub(crate) sku: u32,
    pub(crate) name: String,
    pub(crate) kind: SkuKind,
    pub(crate) decimals: bool,
}

impl Record for SkuRow {
    const SECTION: Section = Section::Sku;

    fn put(&self, out: &mut Vec<u8>) {
        put_counted(out, &[], |fields| {
            fields.value(1, &self.sku)?;
            fields.value(2, &self.name)?;
            fields.value(3, &self.kind)?;
            fields.value(4, &self.decimals)
        });
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        get_without_unknown(reader, |fields| {
            let (sku, name): (u32, String) = (fields.value(1, "sku.number")?, fields.value(2, "sku.name")?);
            if name.len() > SKU_BYTES_MAX {
                return Err(BadField::new("sku.name", "must be at most 256 bytes"));
            }
            Ok(Self {
                sku,
                name,
                kind: fields.value(3, "sku.kind")?,
                decimals: fields.value(4, "sku.decimals")?,
            })
        })
    }
}

/// Reads a record whose row cannot keep unknown fields: such fields are refused, even optional ones.
fn get_without_unknown<'a, T>(
    reader: &mut Reader<'a>,
    get: impl FnOnce(&mut FieldReader<'a>) -> Result<T, BadField>,
) -> Result<T, BadField> {
    let (row, kept) = get_counted(reader, get)?;
    if kept.is_empty() { Ok(row) } else { Err(BadField::new("field.number", "is not a known number")) }
}

/// The stock number that means "all stocks" in a [`SettingsRow`].
pub(crate) const ALL_STOCKS: u32 = u32::MAX;

/// Settings at one level; `None` is inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) sku: u32,
    /// A stock, or [`ALL_STOCKS`].
    pub(crate) stock: u32,
    pub(crate) values: Overrides,
}

impl Tagged for Overrides {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        let [min_qty, min_sale_qty, max_sale_qty, qty_increments, notify_stock_qty] = &self.quantities;
        fields.option(1, &self.manage_stock)?;
        fields.option(2, &self.backorders)?;
        fields.option(3, min_qty)?;
        fields.option(4, min_sale_qty)?;
        fields.option(5, max_sale_qty)?;
        fields.option(6, &self.enable_qty_increments)?;
        fields.option(7, qty_increments)?;
        fields.option(8, notify_stock_qty)?;
        fields.option(9, &self.frozen)?;
        fields.option(10, &self.opens_at)?;
        fields.option(11, &self.closes_at)?;
        #[cfg(feature = "next-release")]
        fields.option(20, &self.lead_days)?;
        Ok(())
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let manage_stock = fields.option(1, "settings.manage_stock")?;
        let backorders = fields.option(2, "settings.backorders")?;
        let min_qty = fields.option(3, "settings.min_qty")?;
        let min_sale_qty = fields.option(4, "settings.min_sale_qty")?;
        let max_sale_qty = fields.option(5, "settings.max_sale_qty")?;
        let enable_qty_increments = fields.option(6, "settings.enable_qty_increments")?;
        let qty_increments = fields.option(7, "settings.qty_increments")?;
        let notify_stock_qty = fields.option(8, "settings.notify_stock_qty")?;
        let quantities = [min_qty, min_sale_qty, max_sale_qty, qty_increments, notify_stock_qty];
        Ok(Self {
            manage_stock,
            backorders,
            enable_qty_increments,
            quantities,
            frozen: fields.option(9, "settings.frozen")?,
            opens_at: fields.option(10, "settings.opens_at")?,
            closes_at: fields.option(11, "settings.closes_at")?,
            #[cfg(feature = "next-release")]
            lead_days: fields.option(20, "settings.lead_days")?,
        })
    }
}

impl Record for SettingsRow {
    const SECTION: Section = Section::Settings;

    fn put(&self, out: &mut Vec<u8>) {
        put_counted(out, &[], |fields| {
            fields.value(1, &self.sku)?;
            fields.option(2, &(self.stock != ALL_STOCKS).then_some(self.stock))?;
            fields.nested(3, &self.values)
        });
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        get_without_unknown(reader, |fields| {
            let sku = fields.value(1, "settings.sku")?;
            let stock: Option<u32> = fields.option(2, "settings.stock")?;
            Ok(Self { sku, stock: stock.unwrap_or(ALL_STOCKS), values: fields.nested(3, "settings.values")? })
        })
    }
}
