//! What the merchant defines and sets, with names: the bodies of the commands.

use super::is_default;
use super::setting::{Backorders, Setting};
use super::text::Text;
use crate::calendar::Door;
use serde::{Deserialize, Serialize};
use stockhold_protocol::Quantity;

/// The body of `define_source`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// The code.
    pub code: String,
    /// The name.
    pub name: String,
    /// Whether it contributes to stocks.
    pub enabled: bool,
    /// Free text.
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// Latitude in millionths of a degree.
    #[serde(skip_serializing_if = "is_default")]
    pub latitude_micro: i32,
    /// Longitude in millionths of a degree.
    #[serde(skip_serializing_if = "is_default")]
    pub longitude_micro: i32,
    /// The country code.
    pub country: String,
    /// Region or state.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// City.
    #[serde(skip_serializing_if = "is_default")]
    pub city: String,
    /// Street.
    #[serde(skip_serializing_if = "is_default")]
    pub street: String,
    /// Postcode.
    pub postcode: String,
    /// Name, e-mail, phone and fax of the contact.
    #[serde(skip_serializing_if = "is_default")]
    pub contact: [String; 4],
    /// Whether shoppers may collect goods there.
    #[serde(skip_serializing_if = "is_default")]
    pub pickup: bool,
    /// The name that shoppers see.
    #[serde(skip_serializing_if = "is_default")]
    pub pickup_name: String,
    /// What shoppers are told about it.
    #[serde(skip_serializing_if = "is_default")]
    pub pickup_description: String,
}

/// The body of `settings`: for everything, for a SKU, or for a SKU in a stock.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The SKU; none means every SKU.
    #[serde(skip_serializing_if = "is_default")]
    pub sku: Option<String>,
    /// The stock; none means every stock.
    #[serde(skip_serializing_if = "is_default")]
    pub stock: Option<String>,
    /// Whether units are counted at all.
    #[serde(skip_serializing_if = "is_default")]
    pub manage_stock: Setting<bool>,
    /// Backorders.
    #[serde(skip_serializing_if = "is_default")]
    pub backorders: Setting<Backorders>,
    /// The out-of-stock threshold.
    #[serde(skip_serializing_if = "is_default")]
    pub min_qty: Setting<Text<Quantity>>,
    /// Minimum units of an order line.
    #[serde(skip_serializing_if = "is_default")]
    pub min_sale_qty: Setting<Text<Quantity>>,
    /// Maximum units of an order line.
    #[serde(skip_serializing_if = "is_default")]
    pub max_sale_qty: Setting<Text<Quantity>>,
    /// Whether increments are checked.
    #[serde(skip_serializing_if = "is_default")]
    pub enable_qty_increments: Setting<bool>,
    /// Units are sold only in multiples of this.
    #[serde(skip_serializing_if = "is_default")]
    pub qty_increments: Setting<Text<Quantity>>,
    /// Low-stock notification.
    #[serde(skip_serializing_if = "is_default")]
    pub notify_stock_qty: Setting<Text<Quantity>>,
    /// Whether nothing new may be promised.
    #[serde(skip_serializing_if = "is_default")]
    pub frozen: Setting<bool>,
    /// When the sale opens.
    #[serde(skip_serializing_if = "is_default")]
    pub opens_at: Setting<Door>,
    /// When the sale closes.
    #[serde(skip_serializing_if = "is_default")]
    pub closes_at: Setting<Door>,
    /// Days until goods are shipped.
    #[cfg(feature = "next-release")]
    #[serde(skip_serializing_if = "is_default")]
    pub lead_days: Setting<u32>,
}

/// The body of `configure`; what is absent is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are those of the command")]
pub struct Configuration {
    #[serde(skip_serializing_if = "is_default")]
    pub sharing: Option<Sharing>,
    #[serde(skip_serializing_if = "is_default")]
    pub ttl_min_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub ttl_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub ttl_total_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub lines_max: Option<u32>,
    #[serde(skip_serializing_if = "is_default")]
    pub late_confirm_window_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub id_retention_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub id_retention_min_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub outcome_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub reservations_max: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub gap_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub clock_jump_max_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub name_grace_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub order_retention_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub order_retention_min_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub orders_max: Option<u64>,
}

/// The kind of goods of a SKU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goods {
    /// Physical goods.
    #[default]
    Simple,
    /// Nothing to ship.
    Virtual,
    /// Made of other SKUs.
    Composite,
    /// Unknown to the catalog.
    Uncatalogued,
}

/// Whether promises of stocks that share sources limit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// They do.
    Exact,
    /// They do not.
    Independent,
}
