//! Records of SKUs and of settings. Which settings are in force is told in `settings`, not here.

use super::{Record, Section, put_all};
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{BackorderMode, Change, SettingsChange, SkuKind};
use stockhold_protocol::limits::SKU_BYTES_MAX;
use stockhold_protocol::{BadField, Quantity};

/// A SKU. Its number is its place in the list of SKUs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SkuRow {
    pub(crate) sku: u32,
    pub(crate) kind: SkuKind,
    pub(crate) decimals: bool,
    name_length: u8,
    name: [u8; SKU_BYTES_MAX],
}

impl SkuRow {
    pub(crate) fn new(sku: u32, name: &str, kind: SkuKind, decimals: bool) -> Self {
        let mut bytes = [0; SKU_BYTES_MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        let name_length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        Self { sku, kind, decimals, name_length, name: bytes }
    }

    pub(crate) fn name(&self) -> &str {
        let bytes = &self.name[..usize::from(self.name_length)];
        // The bytes came from a `str` of this length.
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl Record for SkuRow {
    const SECTION: Section = Section::Sku;

    fn put(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            SkuKind::Simple => 0,
            SkuKind::Virtual => 1,
            SkuKind::Composite => 2,
        };
        out.extend_from_slice(&self.sku.to_le_bytes());
        out.extend_from_slice(&[kind, u8::from(self.decimals), self.name_length]);
        out.extend_from_slice(self.name().as_bytes());
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let sku = reader.u32("sku.id")?;
        let kind = match reader.u8("sku.kind")? {
            0 => SkuKind::Simple,
            1 => SkuKind::Virtual,
            2 => SkuKind::Composite,
            _ => return Err(BadField::new("sku.kind", "is unknown")),
        };
        let decimals = match reader.u8("sku.decimals")? {
            0 => false,
            1 => true,
            _ => return Err(BadField::new("sku.decimals", "must be 0 or 1")),
        };
        let length = usize::from(reader.u8("sku.name")?);
        let name = std::str::from_utf8(reader.take(length, "sku.name")?).ok();
        let name = name.filter(|name| name.len() <= SKU_BYTES_MAX);
        Ok(Self::new(sku, name.ok_or(BadField::new("sku.name", "is not a SKU"))?, kind, decimals))
    }
}

/// The stock number that stands for "in every stock" in a [`SettingsRow`].
pub(crate) const ALL_STOCKS: u32 = u32::MAX;

/// Settings at one level; what is `None` is inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) sku: u32,
    /// A stock, or [`ALL_STOCKS`].
    pub(crate) stock: u32,
    pub(crate) values: Overrides,
}

/// The values of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Overrides {
    pub(crate) manage_stock: Option<bool>,
    pub(crate) backorders: Option<BackorderMode>,
    pub(crate) enable_qty_increments: Option<bool>,
    /// min_qty, min_sale_qty, max_sale_qty, qty_increments, notify_stock_qty.
    pub(crate) quantities: [Option<i64>; 5],
}

impl Overrides {
    /// The values after a change.
    pub(crate) fn changed(mut self, change: &SettingsChange) -> Self {
        fn set<T: Copy, U>(field: &mut Option<U>, change: Change<T>, convert: impl Fn(T) -> U) {
            match change {
                Change::Keep => {}
                Change::Unset => *field = None,
                Change::Set(value) => *field = Some(convert(value)),
            }
        }
        set(&mut self.manage_stock, change.manage_stock, |value| value);
        set(&mut self.backorders, change.backorders, |value| value);
        set(&mut self.enable_qty_increments, change.enable_qty_increments, |value| value);
        let quantities = [
            change.min_qty,
            change.min_sale_qty,
            change.max_sale_qty,
            change.qty_increments,
            change.notify_stock_qty,
        ];
        for (field, quantity) in self.quantities.iter_mut().zip(quantities) {
            set(field, quantity, Quantity::raw);
        }
        self
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let flag = |value: Option<bool>| match value {
            None => 0_u8,
            Some(false) => 1,
            Some(true) => 2,
        };
        let backorders = match self.backorders {
            None => 0,
            Some(BackorderMode::Off) => 1,
            Some(BackorderMode::Allow) => 2,
            Some(BackorderMode::AllowAndNotify) => 3,
        };
        let mut present = 0_u8;
        for (at, quantity) in self.quantities.iter().enumerate() {
            present |= u8::from(quantity.is_some()) << at;
        }
        out.extend_from_slice(&[
            flag(self.manage_stock),
            backorders,
            flag(self.enable_qty_increments),
            present,
        ]);
        for quantity in self.quantities {
            out.extend_from_slice(&quantity.unwrap_or(0).to_le_bytes());
        }
    }

    pub(crate) fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let flag = |code: u8| match code {
            0 => Ok(None),
            1 => Ok(Some(false)),
            2 => Ok(Some(true)),
            _ => Err(BadField::new("settings.flag", "is unknown")),
        };
        let manage_stock = flag(reader.u8("settings.manage_stock")?)?;
        let backorders = match reader.u8("settings.backorders")? {
            0 => None,
            1 => Some(BackorderMode::Off),
            2 => Some(BackorderMode::Allow),
            3 => Some(BackorderMode::AllowAndNotify),
            _ => return Err(BadField::new("settings.backorders", "is unknown")),
        };
        let enable_qty_increments = flag(reader.u8("settings.enable_qty_increments")?)?;
        let present = reader.u8("settings.present")?;
        if present >> 5 != 0 {
            return Err(BadField::new("settings.present", "names a setting that is unknown"));
        }
        let mut quantities = [None; 5];
        for (at, quantity) in quantities.iter_mut().enumerate() {
            let value = reader.i64("settings.quantity")?;
            if present & (1 << at) != 0 {
                *quantity = Some(value);
            }
        }
        Ok(Self { manage_stock, backorders, enable_qty_increments, quantities })
    }
}

impl Record for SettingsRow {
    const SECTION: Section = Section::Settings;

    fn put(&self, out: &mut Vec<u8>) {
        put_all(&[&self.sku.to_le_bytes(), &self.stock.to_le_bytes()], out);
        self.values.put(out);
    }

    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField> {
        let (sku, stock) = (reader.u32("settings.sku")?, reader.u32("settings.stock")?);
        Ok(Self { sku, stock, values: Overrides::get(reader)? })
    }
}
