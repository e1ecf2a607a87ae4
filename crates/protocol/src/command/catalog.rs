//! The commands of merchants and operators: sources, stocks, SKUs, links, channels, settings, quantities and the
//! configuration of the machine. Their bodies are tagged fields (see [`crate::fields`]).
//!
//! Their checks are in `check`.

pub use super::check::{check_new_name, check_sku};

use super::check::{ColdBody, check_threshold};
use crate::error::BadField;
use crate::id::{ChannelId, SkuId, SourceId, StockId};
use crate::line::Line;
use crate::quantity::Quantity;
use crate::query::Name;
use crate::tagged;
use crate::time::Timestamp;
use wincode::{SchemaRead, SchemaWrite};

/// Creates a source, or replaces all fields of the source with this code.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct SourceDefinition {
    /// The permanent code of the source: not empty, no white space.
    pub code: String,
    /// The display name of the source; not empty, unique.
    pub name: String,
    /// Whether the source is enabled. A disabled source contributes nothing, but its items stay assigned.
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
    /// Whether shoppers may collect goods at this source.
    pub pickup: bool,
    /// The name that shoppers see; may be empty.
    pub pickup_name: String,
    /// What shoppers are told about it, such as opening hours; may be empty.
    pub pickup_description: String,
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
    14 pickup_name value,
    15 pickup_description value,
});

/// Creates a stock. A stock that already has this name stays unchanged.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct StockDefinition {
    /// The permanent name of the stock; not empty, unique.
    pub name: String,
}
tagged!(StockDefinition { 1 name value });

/// The kind of goods of a SKU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum SkuKind {
    /// Physical goods.
    #[default]
    Simple,
    /// Nothing to ship (such as a service plan), but counted.
    Virtual,
    /// Made of other SKUs. It has no source items and cannot be reserved itself.
    Composite,
    /// Unknown to the catalog: rows of reservations name it. It has no source items and is not sold.
    Uncatalogued,
}

/// Creates a SKU, or changes the SKU with this name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SkuDefinition {
    /// The name of the SKU: at most 64 characters, no blank at either end, case-sensitive.
    pub sku: String,
    /// The kind of goods.
    pub kind: SkuKind,
    /// Whether fractions of a unit may be sold.
    pub decimals: bool,
}
tagged!(SkuDefinition { 1 sku value, 2 kind value, 3 decimals value });

/// Links a source to a stock, or changes the priority of the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkDefinition {
    /// The stock.
    pub stock: StockId,
    /// The source that supplies it.
    pub source: SourceId,
    /// 1..=65535; smaller is earlier. Equal priorities are ordered by the time of linking.
    pub priority: u16,
}
tagged!(LinkDefinition { 1 stock value, 2 source value, 3 priority value });

/// Removes the link between a source and a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkRemoval {
    /// The stock.
    pub stock: StockId,
    /// The source.
    pub source: SourceId,
}
tagged!(LinkRemoval { 1 stock value, 2 source value });

/// Assigns a sales channel to a stock. An existing channel is reassigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelAssignment {
    /// The type, such as `website`; not empty.
    pub channel_type: String,
    /// The code, such as `eu_website`; not empty.
    pub code: String,
    /// The stock that the channel sells from.
    pub stock: StockId,
}
tagged!(ChannelAssignment { 1 channel_type value, 2 code value, 3 stock value });

/// Records the absolute quantity at a source. This is a fact: it is accepted whatever it means for promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// The source.
    pub source: SourceId,
    /// The SKU.
    pub sku: SkuId,
    /// The quantity. MSI allows a negative one.
    pub quantity: Quantity,
    /// The in-stock flag; `None` keeps it (a new source item is in stock).
    pub in_stock: Option<bool>,
    /// The reason, for people.
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

/// Records a change of the quantity at a source, as a difference. This is a fact as well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adjust {
    /// The source.
    pub source: SourceId,
    /// The SKU.
    pub sku: SkuId,
    /// The quantity that arrived (positive) or left (negative); not zero.
    pub delta: Quantity,
    /// The reason, for people.
    pub reason: String,
    /// A document number, at most 32 bytes.
    pub reference: String,
}
tagged!(Adjust { 1 source value, 2 sku value, 3 delta value, 4 reason value, 5 reference value });

/// Moves goods between sources. This is a decision: all lines are accepted or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// The source that the goods leave.
    pub from: SourceId,
    /// The source that the goods go to; it must be another one.
    pub to: SourceId,
    /// 1..=256 lines.
    pub lines: Vec<Line>,
    /// The reason, for people.
    pub reason: String,
}
tagged!(Transfer { 1 from value, 2 to value, 3 lines value, 4 reason value });

/// How a setting changes at one level. "Unset" inherits from the level above and differs from zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    /// Keep the setting.
    #[default]
    Keep,
    /// Inherit from the level above.
    Unset,
    /// Set it here.
    Set(T),
}

/// Whether a SKU may be sold beyond the goods on hand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, SchemaRead, SchemaWrite)]
pub enum BackorderMode {
    /// No.
    #[default]
    Off,
    /// Yes, silently.
    Allow,
    /// Yes, and the shop informs the shopper.
    AllowAndNotify,
}

/// The level of a setting: global → SKU → (SKU, stock). Each level inherits what it leaves unset.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum SettingScope {
    /// Everything.
    Global,
    /// One SKU in all stocks.
    Sku(SkuId),
    /// One SKU in one stock.
    SkuStock(SkuId, StockId),
}

/// Changes settings at one level. Names and meanings are those of MSI (msi.md 2.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsChange {
    /// The level.
    pub scope: SettingScope,
    /// Whether units are counted at all (default yes).
    pub manage_stock: Change<bool>,
    /// Backorders (default off).
    pub backorders: Change<BackorderMode>,
    /// The out-of-stock threshold (default 0). A negative value with backorders on is the allowance.
    pub min_qty: Change<Quantity>,
    /// Minimum units of an order line; 0 = not checked (default 1).
    pub min_sale_qty: Change<Quantity>,
    /// Maximum units of an order line; 0 = not checked (default 10,000).
    pub max_sale_qty: Change<Quantity>,
    /// Whether increments are checked (default no).
    pub enable_qty_increments: Change<bool>,
    /// Units are sold only in multiples of this (default 1).
    pub qty_increments: Change<Quantity>,
    /// Low-stock notification (default 1); for reporting only.
    pub notify_stock_qty: Change<Quantity>,
    /// Whether nothing new may be promised (default no).
    pub frozen: Change<bool>,
    /// Nothing is promised before this time of the wall clock; 0 = not checked (default).
    pub opens_at: Change<Timestamp>,
    /// Nothing is promised from this time of the wall clock on; 0 = not checked (default).
    pub closes_at: Change<Timestamp>,
    /// Days until goods are shipped (default 0); for reporting only.
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
    10 frozen change,
    11 opens_at change,
    12 closes_at change,
    #[cfg(feature = "next-release")]
    20 lead_days change,
});

impl SettingsChange {
    /// A change at `scope` that changes nothing yet.
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
            frozen: Change::Keep,
            opens_at: Change::Keep,
            closes_at: Change::Keep,
            #[cfg(feature = "next-release")]
            lead_days: Change::Keep,
        }
    }
}

/// Sets or removes the quota of a SKU in a stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaChange {
    /// The SKU.
    pub sku: SkuId,
    /// The stock.
    pub stock: StockId,
    /// The quota; `None` removes it. What is already taken stays taken.
    pub limit: Option<Quantity>,
}
tagged!(QuotaChange { 1 sku value, 2 stock value, 3 limit option });

/// Sets or removes the low-stock configuration of a SKU at a source. Only items with a configuration are in the low-stock report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notify {
    /// The SKU.
    pub sku: SkuId,
    /// The source.
    pub source: SourceId,
    /// Whether the item has a configuration; `false` removes it.
    pub is_set: bool,
    /// The item is low below this quantity; `None`: below the `notify_stock_qty` of the SKU. It is `None` if the
    /// configuration is removed.
    pub threshold: Option<Quantity>,
}
tagged!(Notify { 1 sku value, 2 source value, 3 is_set value, 4 threshold option });

impl ColdBody for Notify {
    fn check(&self) -> Result<(), BadField> {
        check_threshold(self.is_set, self.threshold)
    }
}

/// Give something another name. It keeps its number and everything that is known of it; its old name stands for it for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rename {
    /// The number of what is renamed.
    pub number: u32,
    /// Its kind and its new name.
    pub to: Name,
}
tagged!(Rename { 1 number value, 2 to value });

impl ColdBody for Rename {
    fn check(&self) -> Result<(), BadField> {
        check_new_name(&self.to)
    }
}

/// What a [`Freeze`] freezes. A SKU is frozen by its settings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, SchemaRead, SchemaWrite)]
pub enum FreezeScope {
    /// All that a stock sells, through whatever channel.
    Stock(StockId),
    /// All that is sold through a channel.
    Channel(ChannelId),
}

/// Freezes a stock or a channel, or ends that. What is frozen promises nothing new; what is promised goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Freeze {
    /// What is frozen.
    pub scope: FreezeScope,
    /// Whether it is frozen from now on.
    pub frozen: bool,
}
tagged!(Freeze { 1 scope value, 2 frozen value });

impl ColdBody for Freeze {}

/// Whether promises of stocks that share sources limit each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Sharing {
    /// They limit each other: nothing is promised twice.
    #[default]
    Exact,
    /// MSI's per-stock calculation: promises of other stocks are not considered.
    Independent,
}

/// Changes the limits and modes of the machine. `None` keeps a field. The ranges are in `machine::config`.
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
    /// Maximum number of lines of a cart.
    pub lines_max: Option<u32>,
    /// How long an expired hold can still be confirmed and a closed reservation refunded, in milliseconds.
    pub late_confirm_window_ms: Option<u64>,
    /// How long outcomes are kept when memory allows, in milliseconds.
    pub id_retention_ms: Option<u64>,
    /// How long outcomes are kept at least, in milliseconds. Younger ids are never dropped.
    pub id_retention_min_ms: Option<u64>,
    /// Memory for outcomes, in bytes.
    pub outcome_bytes_max: Option<u64>,
    /// Maximum number of open reservations.
    pub reservations_max: Option<u64>,
    /// A gap between two ops that is longer than this, in milliseconds, does not count against holds and ids.
    pub gap_max_ms: Option<u64>,
    /// How far the server's time may follow the wall clock at a start, in milliseconds.
    pub clock_jump_max_ms: Option<u64>,
    /// How long a name that was given up is kept for what was renamed, in milliseconds.
    pub name_grace_ms: Option<u64>,
    /// How long a settled order is kept after its last change, in milliseconds of op time.
    pub order_retention_ms: Option<u64>,
    /// How long it is kept at least when there are too many orders, in milliseconds of op time.
    pub order_retention_min_ms: Option<u64>,
    /// Maximum number of orders.
    pub orders_max: Option<u64>,
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
    13 name_grace_ms option,
    14 order_retention_ms option,
    15 order_retention_min_ms option,
    16 orders_max option,
});

/// Marks this position of the log with a name, so that a restore can go back to it. No two marks have the same name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// 1..=255 bytes. A mark whose name begins with [`Mark::AUTOMATIC`] makes room for others.
    pub name: String,
    /// The reason, for people. A later mark of the same name is refused for it.
    #[cfg(feature = "next-release")]
    pub note: Option<String>,
}
tagged!(Mark { 1 name value, #[cfg(feature = "next-release")] 2 note option });

impl Mark {
    /// The beginning of the names of automatic marks. When there are as many marks as may be kept, the next one removes
    /// the oldest automatic one.
    pub const AUTOMATIC: &str = "auto/";

    /// A mark with only a name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            #[cfg(feature = "next-release")]
            note: None,
        }
    }
}

/// The beginning of an epoch. An epoch that the state already knows has no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: u64,
    /// Whether the log was restored to an earlier op. Commands that the restore has undone may then be readmitted.
    pub restored: bool,
}
tagged!(EpochStart { 1 epoch value, 2 restored value });

impl ColdBody for EpochStart {}

/// Executes a command that a restore has undone, under its own id, however old the id is. It is allowed in the epoch that
/// the restore began, and in the order of the ops that the commands had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Readmit {
    /// The epoch that the restore began.
    pub epoch: u64,
    /// The op that the command had. Each must be later than the one before it.
    pub op: u64,
    /// The client name of the actor that had sent it; empty for the actor of this command.
    pub actor: String,
    /// The record of the command, with the id of this command.
    pub record: Vec<u8>,
}
tagged!(Readmit { 1 epoch value, 2 op value, 3 actor value, 4 record value });

/// Drops the mark of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarkRemoval {
    /// 1..=255 bytes.
    pub name: String,
}
tagged!(MarkRemoval { 1 name value });
