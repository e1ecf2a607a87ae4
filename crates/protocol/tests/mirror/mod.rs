//! The cold types once more, field by field as PROTOCOL.md has them, for bincode's own derives.
#![expect(clippy::struct_field_names, reason = "fields are named as the protocol names them")]

mirror_struct!(Hello { version_min: u8, version_max: u8, features: u64, client: String });
mirror_struct!(ConnectionLimits { frame_body_bytes_max: u32, frame_count_max: u32, in_flight_max: u32 });
mirror_struct!(Welcome {
    version: u8,
    features: u64,
    log_uuid: [u8; 16],
    epoch: u64,
    rules_version: u32,
    op: u64,
    time_ms: u64,
    shown_offset_ms: i64,
    limits: ConnectionLimits,
    server: String,
});
mirror_enum!(Name { Sku(String), Stock(String), Source(String), Channel(String, String) });

mirror_struct!(SourceDefinition {
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
mirror_struct!(StockDefinition { name: String });
mirror_enum!(SkuKind { Simple(), Virtual(), Composite() });
mirror_struct!(SkuDefinition { sku: String, kind: SkuKind, decimals: bool });
mirror_struct!(LinkDefinition { stock: u32, source: u32, priority: u16 });
mirror_struct!(LinkRemoval { stock: u32, source: u32 });
mirror_struct!(ChannelAssignment { channel_type: String, code: String, stock: u32 });
mirror_struct!(Count {
    source: u32,
    sku: u32,
    quantity: i64,
    in_stock: Option<bool>,
    reason: String,
    reference: String,
});
mirror_struct!(Adjust { source: u32, sku: u32, delta: i64, reason: String, reference: String });
mirror_struct!(Transfer { from: u32, to: u32, lines: Vec<(u32, i64)>, reason: String });
mirror_enum!(ChangeBool { Keep(), Unset(), Set(bool) });
mirror_enum!(ChangeQuantity { Keep(), Unset(), Set(i64) });
mirror_enum!(BackorderMode { Off(), Allow(), AllowAndNotify() });
mirror_enum!(ChangeBackorders { Keep(), Unset(), Set(BackorderMode) });
mirror_enum!(SettingScope { Global(), Sku(u32), SkuStock(u32, u32) });
mirror_struct!(SettingsChange {
    scope: SettingScope,
    manage_stock: ChangeBool,
    backorders: ChangeBackorders,
    min_qty: ChangeQuantity,
    min_sale_qty: ChangeQuantity,
    max_sale_qty: ChangeQuantity,
    enable_qty_increments: ChangeBool,
    qty_increments: ChangeQuantity,
    notify_stock_qty: ChangeQuantity,
});
mirror_struct!(QuotaChange { sku: u32, stock: u32, limit: Option<i64> });
mirror_enum!(Sharing { Exact(), Independent() });
mirror_struct!(Configure {
    sharing: Option<Sharing>,
    ttl_min_ms: Option<u64>,
    ttl_max_ms: Option<u64>,
    ttl_total_max_ms: Option<u64>,
    lines_max: Option<u32>,
    late_confirm_window_ms: Option<u64>,
    id_retention_ms: Option<u64>,
    id_retention_min_ms: Option<u64>,
    outcome_bytes_max: Option<u64>,
    reservations_max: Option<u64>,
    gap_max_ms: Option<u64>,
    clock_jump_max_ms: Option<u64>,
});
mirror_struct!(Mark { name: String });

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
mirror_struct!(SourceView { id: u32, definition: SourceDefinition });
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
