//! Cold questions and their answers: names, views, status. All bincode; variants are append-only.
//!
//! Questions change nothing, take no id and are answered from the applied state between batches, in
//! bounded slices: a list comes with a cursor.

use crate::command::{BackorderMode, Sharing, SkuKind, SourceDefinition};
use crate::id::{ChannelId, SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

/// A cell that says: the SKU is not assigned to the stock, or one of the two is unknown.
pub const CELL_NOT_ASSIGNED: i64 = i64::MIN;
/// A cell that says: any quantity is accepted.
pub const CELL_UNLIMITED: i64 = i64::MAX;

/// Most entries of one answered list.
pub const LIST_MAX: u32 = 1_000;

/// A name to resolve to its dense number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, SchemaRead, SchemaWrite)]
pub enum Name {
    /// A SKU.
    Sku(String),
    /// A stock by its name.
    Stock(String),
    /// A source by its code.
    Source(String),
    /// A channel by type and code.
    Channel(String, String),
}

/// A question.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Query {
    /// How the server is: limits, queue depths, watermarks, latencies.
    Status,
    /// One reservation by the 16 bytes of its id.
    Reservation([u8; 16]),
    /// One SKU with its source items and its state in every stock.
    Sku(SkuId),
    /// SKUs from `after` on (exclusive; `None` from the first), at most `limit`.
    Skus {
        /// Where the last list ended.
        after: Option<SkuId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// Sources, likewise.
    Sources {
        /// Where the last list ended.
        after: Option<SourceId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// Stocks with their links and channels, likewise.
    Stocks {
        /// Where the last list ended.
        after: Option<StockId>,
        /// 1..=[`LIST_MAX`].
        limit: u32,
    },
    /// The machine's configuration.
    Configuration,
    /// Check all invariants of the machine and tell its digest (slow on large states).
    Validate,
    /// Write a snapshot now; answered when it is verified on disk.
    Snapshot,
}

/// An answer; the variant matches the question's.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Answer {
    /// To `Status`.
    Status(Status),
    /// To `Reservation`; `None`: unknown or no longer kept.
    Reservation(Option<ReservationView>),
    /// To `Sku`; `None`: unknown.
    Sku(Option<SkuView>),
    /// To `Skus`.
    Skus(Vec<SkuView>),
    /// To `Sources`.
    Sources(Vec<SourceView>),
    /// To `Stocks`.
    Stocks(Vec<StockView>),
    /// To `Configuration`.
    Configuration(ConfigurationView),
    /// To `Validate`.
    Validation(Validation),
    /// To `Snapshot`.
    Snapshot(SnapshotView),
    /// The question could not be answered; a sentence says why.
    Failed(String),
}

/// One number of the server, named as OPERATIONS.md lists it.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Metric {
    /// Such as `queue_depth`.
    pub name: String,
    /// Such as `commands`, `us`, `bytes`.
    pub unit: String,
    /// The value.
    pub value: i64,
}

/// How the server is.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The log's identity.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// `ok`, `read_only(disk_full)` or `stopping`.
    pub state: String,
    /// How answers are made durable: `sync` or `interval` with its loss window.
    pub durability: String,
    /// Every metric.
    pub metrics: Vec<Metric>,
    /// Warnings, as sentences.
    pub warnings: Vec<String>,
}

/// What became of a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum ReservationState {
    /// A hold whose deadline has not passed.
    Held,
    /// An order.
    Confirmed,
    /// A hold whose deadline has passed; its record is kept.
    Expired,
    /// All units shipped or refunded.
    Shipped,
    /// Given back before anything shipped.
    Released,
    /// Taken over by another reservation.
    Replaced,
}

impl ReservationState {
    /// The state's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Expired => "expired",
            Self::Shipped => "shipped",
            Self::Released => "released",
            Self::Replaced => "replaced",
        }
    }
}

/// One line of a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ReservationLine {
    /// What.
    pub sku: SkuId,
    /// Whether it counts (`manage_stock` was on at the grant).
    pub counts: bool,
    /// Granted at the reserve.
    pub granted: Quantity,
    /// Still promised.
    pub open: Quantity,
    /// Shipped.
    pub shipped: Quantity,
    /// Come back.
    pub returned: Quantity,
}

/// One reservation.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ReservationView {
    /// Its id.
    pub id: [u8; 16],
    /// The op that made it.
    pub op: u64,
    /// The stock that promised.
    pub stock: StockId,
    /// What became of it.
    pub state: ReservationState,
    /// The hold's deadline in seconds of hold time; 0 = none.
    pub deadline_s: u32,
    /// When the first reserve of this cart was, in milliseconds of hold time.
    pub origin_ms: u64,
    /// Wall clock minus hold time, in milliseconds, as of now: what is added to a hold time that people are shown.
    pub shown_offset_ms: i64,
    /// Owner; 0 = none.
    pub owner: u64,
    /// Order reference; empty = none.
    pub reference: String,
    /// Line by line, sorted by SKU.
    pub lines: Vec<ReservationLine>,
}

/// One source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ItemView {
    /// Where.
    pub source: SourceId,
    /// How much.
    pub on_hand: Quantity,
    /// The in-stock flag.
    pub in_stock: bool,
    /// Counts its changes.
    pub version: u32,
}

/// Settings after inheritance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SettingsView {
    /// See [`crate::command::SettingsChange`].
    pub manage_stock: bool,
    /// See [`crate::command::SettingsChange`].
    pub backorders: BackorderMode,
    /// See [`crate::command::SettingsChange`].
    pub min_qty: Quantity,
    /// See [`crate::command::SettingsChange`].
    pub min_sale_qty: Quantity,
    /// See [`crate::command::SettingsChange`].
    pub max_sale_qty: Quantity,
    /// The increment in force; 0 = none.
    pub qty_increments: Quantity,
    /// See [`crate::command::SettingsChange`].
    pub notify_stock_qty: Quantity,
}

/// One SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct PositionView {
    /// The stock.
    pub stock: StockId,
    /// Promised to orders.
    pub confirmed: Quantity,
    /// Promised to holds.
    pub held: Quantity,
    /// The cell: ten-thousandths, [`CELL_NOT_ASSIGNED`] or [`CELL_UNLIMITED`].
    pub salable: i64,
    /// Settings in force.
    pub settings: SettingsView,
    /// The quota, if there is one.
    pub quota_limit: Option<Quantity>,
    /// What the quota has given out.
    pub quota_taken: Quantity,
}

/// One SKU.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SkuView {
    /// Its number.
    pub id: SkuId,
    /// Its name.
    pub sku: String,
    /// Its kind.
    pub kind: SkuKind,
    /// Whether parts of a unit may be sold.
    pub decimals: bool,
    /// Its source items, by source number.
    pub items: Vec<ItemView>,
    /// Its state in every stock that it is assigned to or promised in, by stock number.
    pub positions: Vec<PositionView>,
    /// Units promised and missing over all its groups, allowances included.
    pub shortfall: Quantity,
}

/// One source.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SourceView {
    /// Its number.
    pub id: SourceId,
    /// Its fields.
    pub definition: SourceDefinition,
}

/// One stock.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct StockView {
    /// Its number.
    pub id: StockId,
    /// Its name.
    pub name: String,
    /// Its sources with priority, by (priority, link order).
    pub links: Vec<(SourceId, u16)>,
    /// Its channels: number, type, code.
    pub channels: Vec<(ChannelId, String, String)>,
}

/// The machine's configuration in force; fields as in [`crate::command::Configure`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ConfigurationView {
    /// Exact or independent.
    pub sharing: Sharing,
    /// Shortest TTL.
    pub ttl_min_ms: u64,
    /// Longest TTL.
    pub ttl_max_ms: u64,
    /// Longest time of a hold in all.
    pub ttl_total_max_ms: u64,
    /// Most lines of a cart.
    pub lines_max: u32,
    /// How long records of expired and closed reservations are kept.
    pub late_confirm_window_ms: u64,
    /// How long outcomes are kept when memory allows.
    pub id_retention_ms: u64,
    /// How long they are kept at least.
    pub id_retention_min_ms: u64,
    /// Memory for outcomes.
    pub outcome_bytes_max: u64,
    /// Most open reservations.
    pub reservations_max: u64,
    /// A longer time between two ops does not count against holds and ids.
    pub gap_max_ms: u64,
    /// How far a start may follow the wall clock.
    pub clock_jump_max_ms: u64,
}

/// The machine's own invariants, checked.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Validation {
    /// The op as of which.
    pub op: u64,
    /// The digest of the state.
    pub digest: u64,
    /// Broken invariants, as sentences; empty when all hold.
    pub violations: Vec<String>,
}

/// A snapshot that was written and verified.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct SnapshotView {
    /// The op that it stands for.
    pub op: u64,
    /// Its file name in the data directory.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The digest of the state.
    pub digest: u64,
}
