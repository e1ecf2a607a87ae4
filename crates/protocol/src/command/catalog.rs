//! The commands of merchants and operators: sources, stocks, SKUs, links, channels, settings, quantities
//! and the machine's own configuration. Their bodies are tagged fields (see [`crate::fields`]).
//!
//! Not for their checks; those are in `check`.

pub use super::check::check_sku;

use crate::id::{SkuId, SourceId, StockId};
use crate::line::Line;
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// Make a source, or change all fields of the one with this code.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct SourceDefinition {
    /// Its lasting name: not empty, no white space.
    pub code: String,
    /// What people call it; not empty, unique.
    pub name: String,
    /// A disabled source contributes nothing, but its items stay assigned.
    pub enabled: bool,
    /// Free text.
    pub description: String,
    /// Latitude in millionths of a degree, within ±90,000,000; 0 together with longitude 0 means unknown.
    pub latitude_micro: i32,
    /// Longitude in millionths of a degree, within ±180,000,000.
    pub longitude_micro: i32,
    /// ISO 3166-1 alpha-2 country code; not empty.
    pub country: String,
    /// Region or state.
    pub region: String,
    /// City.
    pub city: String,
    /// Street.
    pub street: String,
    /// Postcode; not empty.
    pub postcode: String,
    /// Name, e-mail, phone and fax of the contact, each may be empty.
    pub contact: [String; 4],
    /// Whether shoppers may pick up here.
    pub pickup: bool,
}
tagged!(SourceDefinition {
    1 code value,
    2 name value,
    3 enabled value,
    4 description value,
    5 latitude_micro value,
    6 longitude_micro value,
    7 country value,
    8 region value,
    9 city value,
    10 street value,
    11 postcode value,
    12 contact value,
    13 pickup value,
});

/// Make a stock, or leave the one with this name as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct StockDefinition {
    /// Its lasting name; not empty, unique.
    pub name: String,
}
tagged!(StockDefinition { 1 name value });

/// What kind of goods a SKU stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum SkuKind {
    /// Goods on shelves.
    #[default]
    Simple,
    /// Nothing to ship (a service plan), yet counted.
    Virtual,
    /// Made of other SKUs; has no source items and cannot be reserved itself.
    Composite,
}

/// Make a SKU, or change the one with this name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SkuDefinition {
    /// At most 64 bytes; no blank at either end; case matters.
    pub sku: String,
    /// What it stands for.
    pub kind: SkuKind,
    /// Whether parts of a unit may be sold.
    pub decimals: bool,
}
tagged!(SkuDefinition { 1 sku value, 2 kind value, 3 decimals value });

/// Let a source feed a stock, or change the priority of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkDefinition {
    /// The stock that is fed.
    pub stock: StockId,
    /// The source that feeds it.
    pub source: SourceId,
    /// 1..=65535; smaller is earlier; equal priorities go by link order.
    pub priority: u16,
}
tagged!(LinkDefinition { 1 stock value, 2 source value, 3 priority value });

/// Stop a source feeding a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkRemoval {
    /// The stock.
    pub stock: StockId,
    /// The source.
    pub source: SourceId,
}
tagged!(LinkRemoval { 1 stock value, 2 source value });

/// Let a sales channel sell from a stock; a channel that exists moves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelAssignment {
    /// Such as `website`; not empty.
    pub channel_type: String,
    /// Such as `eu_website`; not empty.
    pub code: String,
    /// The stock that it sells from.
    pub stock: StockId,
}
tagged!(ChannelAssignment { 1 channel_type value, 2 code value, 3 stock value });

/// State what lies at a source: an absolute fact, accepted whatever it means for promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// Where.
    pub source: SourceId,
    /// What.
    pub sku: SkuId,
    /// How much there is; MSI allows a negative quantity.
    pub quantity: Quantity,
    /// The in-stock flag; `None` keeps it (a new source item is in stock).
    pub in_stock: Option<bool>,
    /// Why, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}
tagged!(Count {
    1 source value,
    2 sku value,
    3 quantity value,
    4 in_stock option,
    5 reason value,
    6 reference value,
});

/// Change what lies at a source by a difference: a fact as well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adjust {
    /// Where.
    pub source: SourceId,
    /// What.
    pub sku: SkuId,
    /// How much came (positive) or went (negative); not zero.
    pub delta: Quantity,
    /// Why, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}
tagged!(Adjust { 1 source value, 2 sku value, 3 delta value, 4 reason value, 5 reference value });

/// Move goods between sources: a decision, all lines or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Where the goods are.
    pub from: SourceId,
    /// Where they go; another source.
    pub to: SourceId,
    /// 1..=256 lines.
    pub lines: Vec<Line>,
    /// Why, for people.
    pub reason: String,
}
tagged!(Transfer { 1 from value, 2 to value, 3 lines value, 4 reason value });

/// How a setting changes at one level. "Unset" inherits from the level above and differs from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Inherit from the level above.
    Unset,
    /// Set it here.
    Set(T),
}

/// Whether a SKU may be sold beyond what there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, SchemaRead, SchemaWrite)]
pub enum BackorderMode {
    /// No.
    #[default]
    Off,
    /// Yes, silently.
    Allow,
    /// Yes, and the shopper is told.
    AllowAndNotify,
}

/// Where a setting is set: global → SKU → (SKU, stock), each inheriting what it leaves unset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum SettingScope {
    /// For everything.
    Global,
    /// For one SKU in all stocks.
    Sku(SkuId),
    /// For one SKU in one stock.
    SkuStock(SkuId, StockId),
}

/// Change settings at one level. Names and meanings are MSI's (msi.md 2.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsChange {
    /// Where.
    pub scope: SettingScope,
    /// Whether units are counted at all (default yes).
    pub manage_stock: Change<bool>,
    /// Default off.
    pub backorders: Change<BackorderMode>,
    /// The out-of-stock threshold; negative with backorders on: the allowance (default 0).
    pub min_qty: Change<Quantity>,
    /// Fewest units of an order line; 0 = no check (default 1).
    pub min_sale_qty: Change<Quantity>,
    /// Most units of an order line; 0 = no check (default 10,000).
    pub max_sale_qty: Change<Quantity>,
    /// Whether increments are checked (default no).
    pub enable_qty_increments: Change<bool>,
    /// Sold only in multiples of this (default 1).
    pub qty_increments: Change<Quantity>,
    /// Low-stock notice (default 1); reporting only.
    pub notify_stock_qty: Change<Quantity>,
    /// Days until goods are shipped (default 0); reporting only.
    #[cfg(feature = "next-release")]
    pub lead_days: Change<u32>,
}
tagged!(SettingsChange {
    1 scope value,
    2 manage_stock change,
    3 backorders change,
    4 min_qty change,
    5 min_sale_qty change,
    6 max_sale_qty change,
    7 enable_qty_increments change,
    8 qty_increments change,
    9 notify_stock_qty change,
    #[cfg(feature = "next-release")]
    10 lead_days change,
});

impl SettingsChange {
    /// A change of nothing at `scope`, to be filled in.
    #[must_use]
    pub const fn at(scope: SettingScope) -> Self {
        Self {
            scope,
            manage_stock: Change::Keep,
            backorders: Change::Keep,
            min_qty: Change::Keep,
            min_sale_qty: Change::Keep,
            max_sale_qty: Change::Keep,
            enable_qty_increments: Change::Keep,
            qty_increments: Change::Keep,
            notify_stock_qty: Change::Keep,
            #[cfg(feature = "next-release")]
            lead_days: Change::Keep,
        }
    }
}

/// Set or lift the budget of promises of a SKU in a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaChange {
    /// Which SKU.
    pub sku: SkuId,
    /// In which stock.
    pub stock: StockId,
    /// The budget; `None` lifts it. What is already taken stays taken.
    pub limit: Option<Quantity>,
}
tagged!(QuotaChange { 1 sku value, 2 stock value, 3 limit option });

/// Whether promises of stocks that share sources limit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Sharing {
    /// They do: nothing is promised twice.
    #[default]
    Exact,
    /// MSI's per-stock figure: no promise across stocks.
    Independent,
}

/// Change the machine's limits and modes; `None` keeps a field. Ranges stand in `machine::config`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Configure {
    /// Exact or independent.
    pub sharing: Option<Sharing>,
    /// Shortest TTL of a hold, in milliseconds.
    pub ttl_min_ms: Option<u64>,
    /// Longest TTL of a hold, in milliseconds.
    pub ttl_max_ms: Option<u64>,
    /// Longest time from a hold's first reserve to its deadline, in milliseconds.
    pub ttl_total_max_ms: Option<u64>,
    /// Most lines of a cart.
    pub lines_max: Option<u32>,
    /// How long an expired hold can still be confirmed and a closed reservation refunded, in milliseconds.
    pub late_confirm_window_ms: Option<u64>,
    /// How long outcomes are kept when memory allows, in milliseconds.
    pub id_retention_ms: Option<u64>,
    /// How long outcomes are kept at least, in milliseconds: younger ids are never dropped.
    pub id_retention_min_ms: Option<u64>,
    /// Memory for outcomes, in bytes.
    pub outcome_bytes_max: Option<u64>,
    /// Most open reservations.
    pub reservations_max: Option<u64>,
    /// A longer time between two ops, in milliseconds, does not count against holds and ids.
    pub gap_max_ms: Option<u64>,
    /// How far a start may follow the wall clock, in milliseconds.
    pub clock_jump_max_ms: Option<u64>,
}
tagged!(Configure {
    1 sharing option,
    2 ttl_min_ms option,
    3 ttl_max_ms option,
    4 ttl_total_max_ms option,
    5 lines_max option,
    6 late_confirm_window_ms option,
    7 id_retention_ms option,
    8 id_retention_min_ms option,
    9 outcome_bytes_max option,
    10 reservations_max option,
    11 gap_max_ms option,
    12 clock_jump_max_ms option,
});

/// Name this moment, so that a restore can go back to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// 1..=255 bytes.
    pub name: String,
    /// Why, for people; refused when another mark of this name has one.
    #[cfg(feature = "next-release")]
    pub note: Option<String>,
}
tagged!(Mark { 1 name value, #[cfg(feature = "next-release")] 2 note option });

impl Mark {
    /// A mark with its name alone.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            #[cfg(feature = "next-release")]
            note: None,
        }
    }
}
