//! What answers hold. All of it is tagged fields, so that a later release can show more.

use crate::command::{BackorderMode, Sharing, SkuKind, SourceDefinition};
use crate::id::{ChannelId, SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// One number of the server, named as OPERATIONS.md lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Such as `queue_depth`.
    pub name: String,
    /// Such as `commands`, `us`, `bytes`.
    pub unit: String,
    /// The value.
    pub value: i64,
}
tagged!(Metric { 1 name value, 2 unit value, 3 value value });

/// How the server is.
#[derive(Clone, PartialEq, Eq, Debug)]
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
tagged!(Status {
    1 version value,
    2 log_uuid value,
    3 epoch value,
    4 state value,
    5 durability value,
    6 metrics list,
    7 warnings value,
});

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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
tagged!(ReservationLine {
    1 sku value,
    2 counts value,
    3 granted value,
    4 open value,
    5 shipped value,
    6 returned value,
});

/// How it is known who made a reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum MakerKind {
    /// It is the server itself, which has no name.
    Server,
    /// The client has claimed the name.
    Claimed,
    /// A token has proved the name.
    Proved,
    /// One of those that came when as many names as are kept were known; none is told.
    Others,
}

impl MakerKind {
    /// The kind's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Claimed => "claimed",
            Self::Proved => "proved",
            Self::Others => "others",
        }
    }
}

/// One reservation.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// How it is known who made it.
    pub actor_kind: MakerKind,
    /// Who made it, where that is known by name.
    pub actor: String,
}
tagged!(ReservationView {
    1 id value,
    2 op value,
    3 stock value,
    4 state value,
    5 deadline_s value,
    6 origin_ms value,
    7 shown_offset_ms value,
    8 owner value,
    9 reference value,
    10 lines list,
    11 actor_kind value,
    12 actor value,
});

/// One source item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
tagged!(ItemView { 1 source value, 2 on_hand value, 3 in_stock value, 4 version value });

/// Settings after inheritance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// See [`crate::command::SettingsChange`]; a server that does not know it leaves it out.
    #[cfg(feature = "next-release")]
    pub lead_days: Option<u32>,
}
tagged!(SettingsView {
    1 manage_stock value,
    2 backorders value,
    3 min_qty value,
    4 min_sale_qty value,
    5 max_sale_qty value,
    6 qty_increments value,
    7 notify_stock_qty value,
    #[cfg(feature = "next-release")]
    0x8008 lead_days option,
});

/// One SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionView {
    /// The stock.
    pub stock: StockId,
    /// Promised to orders.
    pub confirmed: Quantity,
    /// Promised to holds.
    pub held: Quantity,
    /// The cell: ten-thousandths, [`super::CELL_NOT_ASSIGNED`] or [`super::CELL_UNLIMITED`].
    pub salable: i64,
    /// Settings in force.
    pub settings: SettingsView,
    /// The quota, if there is one.
    pub quota_limit: Option<Quantity>,
    /// What the quota has given out.
    pub quota_taken: Quantity,
}
tagged!(PositionView {
    1 stock value,
    2 confirmed value,
    3 held value,
    4 salable value,
    5 settings nested,
    6 quota_limit option,
    7 quota_taken value,
});

/// One SKU.
#[derive(Clone, PartialEq, Eq, Debug)]
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
tagged!(SkuView {
    1 id value,
    2 sku value,
    3 kind value,
    4 decimals value,
    5 items list,
    6 positions list,
    7 shortfall value,
});

/// One source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceView {
    /// Its number.
    pub id: SourceId,
    /// Its fields.
    pub definition: SourceDefinition,
}
tagged!(SourceView { 1 id value, 2 definition nested });

/// One stock.
#[derive(Clone, PartialEq, Eq, Debug)]
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
tagged!(StockView { 1 id value, 2 name value, 3 links value, 4 channels value });

/// The machine's configuration in force; fields as in [`crate::command::Configure`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
tagged!(ConfigurationView {
    1 sharing value,
    2 ttl_min_ms value,
    3 ttl_max_ms value,
    4 ttl_total_max_ms value,
    5 lines_max value,
    6 late_confirm_window_ms value,
    7 id_retention_ms value,
    8 id_retention_min_ms value,
    9 outcome_bytes_max value,
    10 reservations_max value,
    11 gap_max_ms value,
    12 clock_jump_max_ms value,
});

/// The machine's own invariants, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validation {
    /// The op as of which.
    pub op: u64,
    /// The digest of the state.
    pub digest: u64,
    /// Broken invariants, as sentences; empty when all hold.
    pub violations: Vec<String>,
}
tagged!(Validation { 1 op value, 2 digest value, 3 violations value });

/// A snapshot that was written and verified.
#[derive(Clone, PartialEq, Eq, Debug)]
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
tagged!(SnapshotView { 1 op value, 2 file value, 3 bytes value, 4 digest value });
