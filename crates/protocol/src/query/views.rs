//! The contents of answers. They are tagged fields, so that later releases can extend them.

use super::Name;
use crate::command::{BackorderMode, Sharing, SkuKind, SourceDefinition};
use crate::id::{ChannelId, SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use crate::time::Timestamp;
use wincode::{SchemaRead, SchemaWrite};

/// One metric of the server, as listed in OPERATIONS.md.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metric {
    /// The name, such as `queue_depth`.
    pub name: String,
    /// The unit, such as `commands`, `us`, `bytes`.
    pub unit: String,
    /// The value.
    pub value: i64,
}
tagged!(Metric { 1 name value, 2 unit value, 3 value value });

/// A number for a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedCount {
    /// The name.
    pub name: String,
    /// The number.
    pub count: u64,
}
tagged!(NamedCount { 1 name value, 2 count value });

/// The status of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// The UUID of the log.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// `ok`, `read_only(disk_full)`, `read_only(archive_behind)` or `stopping`.
    pub state: String,
    /// The durability of answers: `sync`, or `interval` with its loss window.
    pub durability: String,
    /// Every metric.
    pub metrics: Vec<Metric>,
    /// Warnings, each with its name, what was found and what to do.
    pub warnings: Vec<String>,
    /// The data directory.
    pub data_dir: String,
    /// How often commands were refused since the start of the server, by the name of the code.
    pub refusals: Vec<NamedCount>,
    /// Open connections by the names that their clients claim.
    pub clients: Vec<NamedCount>,
    /// The SKUs that change most in recent samples, and how often they were sampled.
    pub wanted: Vec<NamedCount>,
    /// The same of carts that were refused as sold out without the log.
    pub sold_out: Vec<NamedCount>,
}
tagged!(Status {
    1 version value,
    2 log_uuid value,
    3 epoch value,
    4 state value,
    5 durability value,
    6 metrics list,
    7 warnings value,
    8 data_dir value,
    9 refusals list,
    10 clients list,
    11 wanted list,
    12 sold_out list,
});

/// The state of a reservation.
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
    /// Released before anything was shipped.
    Released,
    /// Replaced by another reservation.
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
    /// The SKU.
    pub sku: SkuId,
    /// Whether the line counts (`manage_stock` was on at the grant).
    pub counts: bool,
    /// Granted at the reserve.
    pub granted: Quantity,
    /// Still promised.
    pub open: Quantity,
    /// Shipped.
    pub shipped: Quantity,
    /// Returned.
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

/// How the maker of a reservation was identified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum MakerKind {
    /// The server itself. It has no name.
    Server,
    /// The client claimed the name.
    Claimed,
    /// A token proved the name.
    Proved,
    /// The actor came after the maximum number of actor names was reached. Its name is not kept.
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
    /// The stock that made the promise.
    pub stock: StockId,
    /// The state.
    pub state: ReservationState,
    /// The deadline of the hold in seconds of hold time; 0 = none.
    pub deadline_s: u32,
    /// When the first reserve of this cart was made, in milliseconds of hold time.
    pub origin_ms: u64,
    /// Wall clock minus hold time now, in milliseconds. Add it to a hold time to display it.
    pub shown_offset_ms: i64,
    /// The owner; 0 = none.
    pub owner: u64,
    /// The order reference; empty = none.
    pub reference: String,
    /// The lines, sorted by SKU.
    pub lines: Vec<ReservationLine>,
    /// How the maker was identified.
    pub actor_kind: MakerKind,
    /// The name of the maker, if it is known.
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
    /// The source.
    pub source: SourceId,
    /// The quantity.
    pub on_hand: Quantity,
    /// The in-stock flag.
    pub in_stock: bool,
    /// The version, which counts changes.
    pub version: u32,
    /// Whether it has a low-stock configuration, so that it is in the low-stock report when it is low.
    pub notify_is_set: bool,
    /// The quantity below which it is low.
    pub notify_stock_qty: Quantity,
}
tagged!(ItemView {
    1 source value,
    2 on_hand value,
    3 in_stock value,
    4 version value,
    5 notify_is_set value,
    6 notify_stock_qty value,
});

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
    /// See [`crate::command::SettingsChange`]. A stock may be frozen as a whole besides.
    pub frozen: bool,
    /// See [`crate::command::SettingsChange`]; 0 = not checked.
    pub opens_at: Timestamp,
    /// See [`crate::command::SettingsChange`]; 0 = not checked.
    pub closes_at: Timestamp,
    /// See [`crate::command::SettingsChange`]. A server that does not know the setting omits it.
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
    8 frozen value,
    9 opens_at value,
    10 closes_at value,
    #[cfg(feature = "next-release")]
    0x8014 lead_days option,
});

/// One SKU in one stock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionView {
    /// The stock.
    pub stock: StockId,
    /// Units promised to orders.
    pub confirmed: Quantity,
    /// Units promised to holds.
    pub held: Quantity,
    /// The cell: ten-thousandths, [`super::CELL_NOT_ASSIGNED`] or [`super::CELL_UNLIMITED`].
    pub salable: i64,
    /// Settings in force.
    pub settings: SettingsView,
    /// The quota, if there is one.
    pub quota_limit: Option<Quantity>,
    /// The part of the quota that is taken.
    pub quota_taken: Quantity,
    /// Those of the confirmed units that rows without an order promise. Negative if they have given back more.
    pub unattributed: Quantity,
}
tagged!(PositionView {
    1 stock value,
    2 confirmed value,
    3 held value,
    4 salable value,
    5 settings nested,
    6 quota_limit option,
    7 quota_taken value,
    8 unattributed value,
});

/// One SKU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SkuView {
    /// Its dense number.
    pub id: SkuId,
    /// Its name.
    pub sku: String,
    /// Its kind.
    pub kind: SkuKind,
    /// Whether fractions of a unit may be sold.
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
    /// Its dense number.
    pub id: SourceId,
    /// Its fields.
    pub definition: SourceDefinition,
}
tagged!(SourceView { 1 id value, 2 definition nested });

/// One stock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockView {
    /// Its dense number.
    pub id: StockId,
    /// Its name.
    pub name: String,
    /// Its sources with priority, ordered by priority and time of linking.
    pub links: Vec<(SourceId, u16)>,
    /// Its channels: number, type, code.
    pub channels: Vec<(ChannelId, String, String)>,
    /// Whether it is frozen.
    pub frozen: bool,
    /// Those of its channels that are frozen.
    pub frozen_channels: Vec<ChannelId>,
}
tagged!(StockView {
    1 id value,
    2 name value,
    3 links value,
    4 channels value,
    5 frozen value,
    6 frozen_channels value,
});

/// A name that a renamed thing had, and that no thing has got since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OldNameView {
    /// The op of the rename. The list is in its order.
    pub op: u64,
    /// The old name.
    pub name: Name,
    /// The dense number of the thing.
    pub number: u32,
    /// The name that the thing has now.
    pub present: Name,
    /// When the grace ends or ended, in milliseconds of the server's time. Until then the old name means the thing.
    pub until_ms: u64,
}
tagged!(OldNameView {
    1 op value,
    2 name value,
    3 number value,
    4 present value,
    5 until_ms value,
});

/// One mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MarkView {
    /// The op that set it, which is the position that it marks.
    pub op: u64,
    /// Its name.
    pub name: String,
    /// The time of that op, in milliseconds.
    pub time_ms: u64,
    /// Wall clock minus op time now, in milliseconds. Add it to the time to display it.
    pub shown_offset_ms: i64,
}
tagged!(MarkView { 1 op value, 2 name value, 3 time_ms value, 4 shown_offset_ms value });

/// The machine's current configuration. Fields as in [`crate::command::Configure`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConfigurationView {
    /// Exact or independent.
    pub sharing: Sharing,
    /// Shortest TTL.
    pub ttl_min_ms: u64,
    /// Longest TTL.
    pub ttl_max_ms: u64,
    /// Longest time of a hold from its first reserve.
    pub ttl_total_max_ms: u64,
    /// Maximum number of lines of a cart.
    pub lines_max: u32,
    /// How long records of expired and closed reservations are kept.
    pub late_confirm_window_ms: u64,
    /// How long outcomes are kept when memory allows.
    pub id_retention_ms: u64,
    /// How long they are kept at least.
    pub id_retention_min_ms: u64,
    /// Memory for outcomes.
    pub outcome_bytes_max: u64,
    /// Maximum number of open reservations.
    pub reservations_max: u64,
    /// A gap between two ops that is longer than this does not count against holds and ids.
    pub gap_max_ms: u64,
    /// How far the server's time may follow the wall clock at a start.
    pub clock_jump_max_ms: u64,
    /// How long a name that was given up is kept for what was renamed.
    pub name_grace_ms: u64,
    /// How long a settled order is kept after its last change.
    pub order_retention_ms: u64,
    /// How long it is kept at least when there are too many orders.
    pub order_retention_min_ms: u64,
    /// Maximum number of orders.
    pub orders_max: u64,
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
    13 name_grace_ms value,
    14 order_retention_ms value,
    15 order_retention_min_ms value,
    16 orders_max value,
});

/// The result of checking the machine's invariants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Validation {
    /// The op at which they were checked.
    pub op: u64,
    /// The digest of the state.
    pub digest: u64,
    /// Violated invariants, as sentences. Empty when all hold.
    pub violations: Vec<String>,
}
tagged!(Validation { 1 op value, 2 digest value, 3 violations value });

/// A snapshot that was written and verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotView {
    /// The op of the snapshot.
    pub op: u64,
    /// Its file name in the data directory.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The digest of the state.
    pub digest: u64,
}
tagged!(SnapshotView { 1 op value, 2 file value, 3 bytes value, 4 digest value });
