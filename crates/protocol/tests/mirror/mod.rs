//! The cold types once more, field by field as PROTOCOL.md has them, for bincode's own derives.
#![expect(clippy::struct_field_names, reason = "fields are named as the protocol names them")]

use crate::drawn::Change;

mirror_tagged!(Hello {
    1 version_min: u8 as value,
    2 version_max: u8 as value,
    3 capabilities: u64 as value,
    4 client: String as value,
});
mirror_tagged!(ConnectionLimits {
    1 frame_body_bytes_max: u32 as value,
    2 frame_count_max: u32 as value,
    3 in_flight_max: u32 as value,
});
mirror_tagged!(Welcome {
    1 version: u8 as value,
    2 version_min: u8 as value,
    3 version_max: u8 as value,
    4 capabilities: u64 as value,
    5 log_uuid: [u8; 16] as value,
    6 epoch: u64 as value,
    7 rules_version: u32 as value,
    8 feature_level: u32 as value,
    9 op: u64 as value,
    10 time_ms: u64 as value,
    11 shown_offset_ms: i64 as value,
    12 name_generation: u32 as value,
    13 limits: ConnectionLimits as nested,
    14 server: String as value,
});
mirror_enum!(Name { Sku(String), Stock(String), Source(String), Channel(String, String) });

mirror_tagged!(SourceDefinition {
    1 code: String as value,
    2 name: String as value,
    3 enabled: bool as value,
    4 description: String as value,
    5 latitude_micro: i32 as value,
    6 longitude_micro: i32 as value,
    7 country: String as value,
    8 region: String as value,
    9 city: String as value,
    10 street: String as value,
    11 postcode: String as value,
    12 contact: [String; 4] as value,
    13 pickup: bool as value,
});
mirror_tagged!(StockDefinition {
    1 name: String as value,
});
mirror_enum!(SkuKind { Simple(), Virtual(), Composite() });
mirror_tagged!(SkuDefinition {
    1 sku: String as value,
    2 kind: SkuKind as value,
    3 decimals: bool as value,
});
mirror_tagged!(LinkDefinition {
    1 stock: u32 as value,
    2 source: u32 as value,
    3 priority: u16 as value,
});
mirror_tagged!(LinkRemoval {
    1 stock: u32 as value,
    2 source: u32 as value,
});
mirror_tagged!(ChannelAssignment {
    1 channel_type: String as value,
    2 code: String as value,
    3 stock: u32 as value,
});
mirror_tagged!(Count {
    1 source: u32 as value,
    2 sku: u32 as value,
    3 quantity: i64 as value,
    4 in_stock: Option<bool> as option,
    5 reason: String as value,
    6 reference: String as value,
});
mirror_tagged!(Adjust {
    1 source: u32 as value,
    2 sku: u32 as value,
    3 delta: i64 as value,
    4 reason: String as value,
    5 reference: String as value,
});
mirror_tagged!(Transfer {
    1 from: u32 as value,
    2 to: u32 as value,
    3 lines: Vec<(u32, i64)> as value,
    4 reason: String as value,
});
mirror_enum!(BackorderMode { Off(), Allow(), AllowAndNotify() });
mirror_enum!(SettingScope { Global(), Sku(u32), SkuStock(u32, u32) });
mirror_tagged!(SettingsChange {
    1 scope: SettingScope as value,
    2 manage_stock: Change<bool> as change,
    3 backorders: Change<BackorderMode> as change,
    4 min_qty: Change<i64> as change,
    5 min_sale_qty: Change<i64> as change,
    6 max_sale_qty: Change<i64> as change,
    7 enable_qty_increments: Change<bool> as change,
    8 qty_increments: Change<i64> as change,
    9 notify_stock_qty: Change<i64> as change,
});
mirror_tagged!(QuotaChange {
    1 sku: u32 as value,
    2 stock: u32 as value,
    3 limit: Option<i64> as option,
});
mirror_enum!(Sharing { Exact(), Independent() });
mirror_tagged!(Configure {
    1 sharing: Option<Sharing> as option,
    2 ttl_min_ms: Option<u64> as option,
    3 ttl_max_ms: Option<u64> as option,
    4 ttl_total_max_ms: Option<u64> as option,
    5 lines_max: Option<u32> as option,
    6 late_confirm_window_ms: Option<u64> as option,
    7 id_retention_ms: Option<u64> as option,
    8 id_retention_min_ms: Option<u64> as option,
    9 outcome_bytes_max: Option<u64> as option,
    10 reservations_max: Option<u64> as option,
    11 gap_max_ms: Option<u64> as option,
    12 clock_jump_max_ms: Option<u64> as option,
});
mirror_tagged!(Mark {
    1 name: String as value,
});

mirror_enum!(Detail {
    None(),
    Granted(Vec<(u32, i64)>, i64),
    Backordered(i64),
    Available(u32, i64),
    Sources(Vec<u32>),
    Shortfall(i64),
    Item(i64, u32, i64),
    Field(String, String),
    Bound(u32, i64, i64),
    Range(u64, u64, u64),
    Limit(String, u64),
    Sku(u32),
});

mirror_enum!(Query {
    Status(),
    Reservation([u8; 16]),
    Sku(u32),
    Skus(Option<u32>, u32),
    Sources(Option<u32>, u32),
    Stocks(Option<u32>, u32),
    Configuration(),
    Validate(),
    Snapshot(),
});
mirror_struct!(Metric { name: String, unit: String, value: i64 });
mirror_struct!(Status {
    version: String,
    log_uuid: [u8; 16],
    epoch: u64,
    state: String,
    durability: String,
    metrics: Vec<Metric>,
    warnings: Vec<String>,
});
mirror_enum!(ReservationState { Held(), Confirmed(), Expired(), Shipped(), Released(), Replaced() });
mirror_struct!(ReservationLine {
    sku: u32,
    counts: bool,
    granted: i64,
    open: i64,
    shipped: i64,
    returned: i64
});
mirror_struct!(ReservationView {
    id: [u8; 16],
    op: u64,
    stock: u32,
    state: ReservationState,
    deadline_s: u32,
    origin_ms: u64,
    shown_offset_ms: i64,
    owner: u64,
    reference: String,
    lines: Vec<ReservationLine>,
});
mirror_struct!(ItemView { source: u32, on_hand: i64, in_stock: bool, version: u32 });
mirror_struct!(SettingsView {
    manage_stock: bool,
    backorders: BackorderMode,
    min_qty: i64,
    min_sale_qty: i64,
    max_sale_qty: i64,
    qty_increments: i64,
    notify_stock_qty: i64,
});
mirror_struct!(PositionView {
    stock: u32,
    confirmed: i64,
    held: i64,
    salable: i64,
    settings: SettingsView,
    quota_limit: Option<i64>,
    quota_taken: i64,
});
mirror_struct!(SkuView {
    id: u32,
    sku: String,
    kind: SkuKind,
    decimals: bool,
    items: Vec<ItemView>,
    positions: Vec<PositionView>,
    shortfall: i64,
});
mirror_struct!(SourceFields {
    code: String,
    name: String,
    enabled: bool,
    description: String,
    latitude_micro: i32,
    longitude_micro: i32,
    country: String,
    region: String,
    city: String,
    street: String,
    postcode: String,
    contact: [String; 4],
    pickup: bool,
});
mirror_struct!(SourceView { id: u32, definition: SourceFields });
mirror_struct!(StockView { id: u32, name: String, links: Vec<(u32, u16)>, channels: Vec<(u32, String, String)> });
mirror_struct!(ConfigurationView {
    sharing: Sharing,
    ttl_min_ms: u64,
    ttl_max_ms: u64,
    ttl_total_max_ms: u64,
    lines_max: u32,
    late_confirm_window_ms: u64,
    id_retention_ms: u64,
    id_retention_min_ms: u64,
    outcome_bytes_max: u64,
    reservations_max: u64,
    gap_max_ms: u64,
    clock_jump_max_ms: u64,
});
mirror_struct!(Validation { op: u64, digest: u64, violations: Vec<String> });
mirror_struct!(SnapshotView { op: u64, file: String, bytes: u64, digest: u64 });
mirror_enum!(Answer {
    Status(Status),
    Reservation(Option<ReservationView>),
    Sku(Option<SkuView>),
    Skus(Vec<SkuView>),
    Sources(Vec<SourceView>),
    Stocks(Vec<StockView>),
    Configuration(ConfigurationView),
    Validation(Validation),
    Snapshot(SnapshotView),
    Failed(String),
});
