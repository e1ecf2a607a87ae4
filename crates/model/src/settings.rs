//! Settings after inheritance: global, SKU, SKU in a stock.

use crate::state::Model;
use crate::step::{HALF, Setting, Value, has_decimals};
use stockhold_protocol::limits::QUANTITY_SCALE;

/// Settings of one level.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SettingsLayer {
    manage_stock: Option<bool>,
    backorders: Option<bool>,
    min_qty: Option<i64>,
    min_sale: Option<i64>,
    max_sale: Option<i64>,
    increment: Option<i64>,
    notify: Option<i64>,
    frozen: Option<bool>,
    opens_ms: Option<u64>,
    closes_ms: Option<u64>,
}

/// Settings after inheritance.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct EffectiveSettings {
    pub(crate) manage_stock: bool,
    pub(crate) backorders: bool,
    pub(crate) min_qty: i64,
    pub(crate) min_sale: i64,
    pub(crate) max_sale: i64,
    pub(crate) increment: Option<i64>,
    pub(crate) decimals: bool,
    pub(crate) frozen: bool,
    /// When the sale opens and closes; 0 = never.
    pub(crate) opens_ms: u64,
    pub(crate) closes_ms: u64,
}

impl EffectiveSettings {
    pub(crate) fn is_unlimited(&self) -> bool {
        self.backorders && self.min_qty >= 0
    }

    pub(crate) fn eff_min(&self) -> i64 {
        if self.backorders { self.min_qty.min(0) } else { self.min_qty.max(0) }
    }
}

impl Model {
    pub(crate) fn set(&mut self, setting: &Setting) {
        let layer = self.layers.entry((setting.sku, setting.stock)).or_default();
        let raw = |value: Option<i64>| value.map(|halves| halves * HALF);
        match setting.value {
            Value::ManageStock(value) => layer.manage_stock = value,
            Value::Backorders(value) => layer.backorders = value,
            Value::MinQty(value) => layer.min_qty = raw(value),
            Value::MinSale(value) => layer.min_sale = raw(value),
            Value::MaxSale(value) => layer.max_sale = raw(value),
            Value::Increments(value) => layer.increment = raw(value),
            Value::Notify(value) => layer.notify = raw(value),
            Value::Frozen(value) => layer.frozen = value,
            Value::OpensAt(value) => layer.opens_ms = value,
            Value::ClosesAt(value) => layer.closes_ms = value,
        }
    }

    pub(crate) fn settings(&self, sku: u32, stock: u32) -> EffectiveSettings {
        let layers = [(Some(sku), Some(stock)), (Some(sku), None), (None, None)];
        let layers: Vec<SettingsLayer> =
            layers.iter().filter_map(|key| self.layers.get(key).copied()).collect();
        EffectiveSettings {
            manage_stock: first(&layers, |layer| layer.manage_stock, true),
            backorders: first(&layers, |layer| layer.backorders, false),
            min_qty: first(&layers, |layer| layer.min_qty, 0),
            min_sale: first(&layers, |layer| layer.min_sale, QUANTITY_SCALE),
            max_sale: first(&layers, |layer| layer.max_sale, 10_000 * QUANTITY_SCALE),
            increment: first(&layers, |layer| layer.increment.map(Some), None),
            decimals: has_decimals(sku),
            frozen: first(&layers, |layer| layer.frozen, false),
            opens_ms: first(&layers, |layer| layer.opens_ms, 0),
            closes_ms: first(&layers, |layer| layer.closes_ms, 0),
        }
    }

    /// The `notify_stock_qty` of a SKU.
    pub(crate) fn notify_stock_qty(&self, sku: u32) -> i64 {
        let layers: Vec<SettingsLayer> = [(Some(sku), None), (None, None)]
            .iter()
            .filter_map(|key| self.layers.get(key).copied())
            .collect();
        first(&layers, |layer| layer.notify, QUANTITY_SCALE)
    }
}

/// The value of the most specific layer that sets it.
fn first<T>(layers: &[SettingsLayer], of: impl Fn(&SettingsLayer) -> Option<T>, otherwise: T) -> T {
    layers.iter().find_map(of).unwrap_or(otherwise)
}
