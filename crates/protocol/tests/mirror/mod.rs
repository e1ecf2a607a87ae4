//! Copies of the cold types, field by field as in PROTOCOL.md, for bincode's own derives.
#![expect(clippy::struct_field_names, reason = "fields are named as the protocol names them")]

use crate::random_values::{Action, Change, RowEvent, State};

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
    14 pickup_name: String as value,
    15 pickup_description: String as value,
});
mirror_tagged!(StockDefinition {
    1 name: String as value,
});
mirror_enum!(SkuKind { Simple(), Virtual(), Composite(), Uncatalogued() });
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
mirror_tagged!(CountMany {
    1 lines: Vec<(u32, u32, i64, Option<bool>)> as value,
    2 reason: String as value,
    3 reference: String as value,
});
mirror_tagged!(Assign {
    1 skus: Vec<u32> as value,
    2 sources: Vec<u32> as value,
    3 reason: String as value,
});
mirror_tagged!(Unassign {
    1 skus: Vec<u32> as value,
    2 sources: Vec<u32> as value,
    3 forced: bool as value,
    4 reason: String as value,
});
mirror_tagged!(TransferMany {
    1 from: u32 as value,
    2 to: u32 as value,
    3 skus: Vec<u32> as value,
    4 unassign: bool as value,
    5 forced: bool as value,
    6 reason: String as value,
});
mirror_tagged!(TransferLines {
    1 from: u32 as value,
    2 to: u32 as value,
    3 lines: Vec<(u32, i64)> as value,
    4 forced: bool as value,
    5 reason: String as value,
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
    10 frozen: Change<bool> as change,
    11 opens_at: Change<u64> as change,
    12 closes_at: Change<u64> as change,
});
mirror_tagged!(QuotaChange {
    1 sku: u32 as value,
    2 stock: u32 as value,
    3 limit: Option<i64> as option,
});
mirror_tagged!(Notify {
    1 sku: u32 as value,
    2 source: u32 as value,
    3 is_set: bool as value,
    4 threshold: Option<i64> as option,
});
mirror_enum!(FreezeScope { Stock(u32), Channel(u32) });
mirror_tagged!(Freeze {
    1 scope: FreezeScope as value,
    2 frozen: bool as value,
});
mirror_tagged!(Rename {
    1 number: u32 as value,
    2 to: Name as value,
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
    13 name_grace_ms: Option<u64> as option,
    14 order_retention_ms: Option<u64> as option,
    15 order_retention_min_ms: Option<u64> as option,
    16 orders_max: Option<u64> as option,
});
mirror_tagged!(Mark {
    1 name: String as value,
});
mirror_tagged!(MarkRemoval {
    1 name: String as value,
});
mirror_tagged!(EpochStart {
    1 epoch: u64 as value,
    2 restored: bool as value,
});
mirror_tagged!(OrderEvent {
    1 order: String as value,
    2 action: Action as value,
    3 document: String as value,
    4 source: Option<u32> as option,
    5 lines: Vec<(u32, Option<u32>, i64, bool)> as value,
    6 forced: bool as value,
    7 ttl_ms: Option<u32> as option,
});
mirror_tagged!(PlaceFailed {
    1 order: String as value,
    2 placement: [u8; 16] as value,
});
mirror_tagged!(OrderStateReport {
    1 order: String as value,
    2 state: State as value,
    3 lines: Option<Vec<(u32, u32, i64)>> as option,
});
mirror_tagged!(AppendReservations {
    1 rows: Vec<(String, RowEvent, u32, u32, i64)> as value,
});
mirror_tagged!(Readmit {
    1 epoch: u64 as value,
    2 op: u64 as value,
    3 actor: String as value,
    4 record: Vec<u8> as value,
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
    Offenders(u32, Vec<(u32, u32, u8, i64, i64)>),
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
mirror_tagged!(Metric {
    1 name: String as value,
    2 unit: String as value,
    3 value: i64 as value,
});
mirror_tagged!(NamedCount { 1 name: String as value, 2 count: u64 as value });
mirror_tagged!(Status {
    1 version: String as value,
    2 log_uuid: [u8; 16] as value,
    3 epoch: u64 as value,
    4 state: String as value,
    5 durability: String as value,
    6 metrics: Vec<Metric> as list,
    7 warnings: Vec<String> as value,
    8 data_dir: String as value,
    9 refusals: Vec<NamedCount> as list,
    10 clients: Vec<NamedCount> as list,
    11 wanted: Vec<NamedCount> as list,
    12 sold_out: Vec<NamedCount> as list,
});
mirror_enum!(ReservationState { Held(), Confirmed(), Expired(), Shipped(), Released(), Replaced() });
mirror_enum!(MakerKind { Server(), Claimed(), Proved(), Others() });
mirror_tagged!(ReservationLine {
    1 sku: u32 as value,
    2 counts: bool as value,
    3 granted: i64 as value,
    4 open: i64 as value,
    5 shipped: i64 as value,
    6 returned: i64 as value,
});
mirror_tagged!(ReservationView {
    1 id: [u8; 16] as value,
    2 op: u64 as value,
    3 stock: u32 as value,
    4 state: ReservationState as value,
    5 deadline_s: u32 as value,
    6 origin_ms: u64 as value,
    7 shown_offset_ms: i64 as value,
    8 owner: u64 as value,
    9 reference: String as value,
    10 lines: Vec<ReservationLine> as list,
    11 actor_kind: MakerKind as value,
    12 actor: String as value,
});
mirror_tagged!(ReservationsView {
    1 op: u64 as value,
    2 matched: u64 as value,
    3 promised: i64 as value,
    4 reservations: Vec<ReservationView> as list,
});
mirror_tagged!(ItemView {
    1 source: u32 as value,
    2 on_hand: i64 as value,
    3 in_stock: bool as value,
    4 version: u32 as value,
    5 notify_is_set: bool as value,
    6 notify_stock_qty: i64 as value,
});
mirror_tagged!(SettingsView {
    1 manage_stock: bool as value,
    2 backorders: BackorderMode as value,
    3 min_qty: i64 as value,
    4 min_sale_qty: i64 as value,
    5 max_sale_qty: i64 as value,
    6 qty_increments: i64 as value,
    7 notify_stock_qty: i64 as value,
    8 frozen: bool as value,
    9 opens_at: u64 as value,
    10 closes_at: u64 as value,
});
mirror_tagged!(PositionView {
    1 stock: u32 as value,
    2 confirmed: i64 as value,
    3 held: i64 as value,
    4 salable: i64 as value,
    5 settings: SettingsView as nested,
    6 quota_limit: Option<i64> as option,
    7 quota_taken: i64 as value,
    8 unattributed: i64 as value,
});
mirror_tagged!(SkuView {
    1 id: u32 as value,
    2 sku: String as value,
    3 kind: SkuKind as value,
    4 decimals: bool as value,
    5 items: Vec<ItemView> as list,
    6 positions: Vec<PositionView> as list,
    7 shortfall: i64 as value,
});
mirror_tagged!(SourceView {
    1 id: u32 as value,
    2 definition: SourceDefinition as nested,
});
mirror_tagged!(StockView {
    1 id: u32 as value,
    2 name: String as value,
    3 links: Vec<(u32, u16)> as value,
    4 channels: Vec<(u32, String, String)> as value,
    5 frozen: bool as value,
    6 frozen_channels: Vec<u32> as value,
});
mirror_tagged!(OldNameView {
    1 op: u64 as value,
    2 name: Name as value,
    3 number: u32 as value,
    4 present: Name as value,
    5 until_ms: u64 as value,
});
mirror_tagged!(MarkView {
    1 op: u64 as value,
    2 name: String as value,
    3 time_ms: u64 as value,
    4 shown_offset_ms: i64 as value,
});
mirror_tagged!(OrderLineView {
    1 stock: u32 as value,
    2 sku: u32 as value,
    3 ordered: i64 as value,
    4 lapsed: i64 as value,
    5 cancelled: i64 as value,
    6 shipped: i64 as value,
    7 beyond: i64 as value,
    8 returned: i64 as value,
    9 refunded: i64 as value,
    10 written_off: i64 as value,
    11 open: i64 as value,
    12 invoiced: i64 as value,
    13 compensated: i64 as value,
    14 expected: i64 as value,
});
mirror_tagged!(OrderView {
    1 number: String as value,
    2 op: u64 as value,
    3 owner: u64 as value,
    4 settled: bool as value,
    5 open_lines: u32 as value,
    6 lines: Vec<OrderLineView> as list,
    7 reservations: Vec<[u8; 16]> as value,
    8 events: u32 as value,
    9 state: u8 as value,
});
mirror_tagged!(OrderEntry {
    1 number: String as value,
    2 op: u64 as value,
    3 owner: u64 as value,
    4 settled: bool as value,
    5 ordered: i64 as value,
    6 open: i64 as value,
});
mirror_tagged!(OrdersView {
    1 op: u64 as value,
    2 total: u64 as value,
    3 unsettled: u64 as value,
    4 orders: Vec<OrderEntry> as list,
    5 next: u64 as value,
});
mirror_enum!(OrderTotal {
    Ordered(),
    Cancelled(),
    Shipped(),
    Beyond(),
    Returned(),
    Refunded(),
    WrittenOff(),
    Invoiced(),
    Compensated(),
    Lapsed(),
    Reported(),
});
mirror_tagged!(OrderEventRow {
    1 stock: u32 as value,
    2 sku: u32 as value,
    3 total: OrderTotal as value,
    4 units: i64 as value,
    5 reservation: i64 as value,
    6 source: Option<u32> as option,
});
mirror_tagged!(OrderEventView {
    1 kind: u8 as value,
    2 op: u64 as value,
    3 time_ms: u64 as value,
    4 actor_kind: MakerKind as value,
    5 actor: String as value,
    6 document: String as value,
    7 rows: Vec<OrderEventRow> as list,
    8 state: Option<u8> as option,
});
mirror_tagged!(Inconsistency {
    1 order: String as value,
    2 state: u8 as value,
    3 stock: u32 as value,
    4 sku: u32 as value,
    5 quantity: i64 as value,
    6 lapsed: i64 as value,
});
mirror_tagged!(InconsistenciesView {
    1 op: u64 as value,
    2 orders: u64 as value,
    3 items: Vec<Inconsistency> as list,
    4 next: u64 as value,
});
mirror_tagged!(OrderHistoryView {
    1 op: u64 as value,
    2 events_total: u32 as value,
    3 wall_offset_ms: i64 as value,
    4 events: Vec<OrderEventView> as list,
});
mirror_tagged!(NotifyView {
    1 is_set: bool as value,
    2 own: Option<i64> as option,
    3 threshold: i64 as value,
});
mirror_tagged!(LowStockItem {
    1 sku: u32 as value,
    2 source: u32 as value,
    3 on_hand: i64 as value,
    4 threshold: i64 as value,
});
mirror_tagged!(LowStockView {
    1 op: u64 as value,
    2 matched: u64 as value,
    3 items: Vec<LowStockItem> as list,
});
mirror_tagged!(PickupLocation { 1 source: u32 as value, 2 distance_m: u32 as value });
mirror_tagged!(PickupView {
    1 op: u64 as value,
    2 matched: u32 as value,
    3 locations: Vec<PickupLocation> as list,
});
mirror_enum!(SharingForm { Single(), Subsets(), Tree(), Flow(), Independent() });
mirror_enum!(SourceRole { Own(), Taken(), Others() });
mirror_enum!(StockRole { Asked(), Competes(), TookAll() });
mirror_tagged!(ExplainedSource {
    1 source: u32 as value,
    2 role: SourceRole as value,
    3 is_enabled: bool as value,
    4 on_hand: Option<i64> as option,
    5 is_in_stock: bool as value,
    6 adds: i64 as value,
});
mirror_tagged!(ExplainedStock {
    1 stock: u32 as value,
    2 role: StockRole as value,
    3 confirmed: i64 as value,
    4 held: i64 as value,
});
mirror_tagged!(ExplainView {
    1 op: u64 as value,
    2 time_ms: u64 as value,
    3 shown_offset_ms: i64 as value,
    4 sku: u32 as value,
    5 name: String as value,
    6 kind: SkuKind as value,
    7 decimals: bool as value,
    8 stock: u32 as value,
    9 form: SharingForm as value,
    10 sources: Vec<ExplainedSource> as list,
    11 sources_total: u32 as value,
    12 stocks: Vec<ExplainedStock> as list,
    13 stocks_total: u32 as value,
    14 goods: i64 as value,
    15 promised: i64 as value,
    16 left: i64 as value,
    17 is_in_stock: bool as value,
    18 settings: SettingsView as nested,
    19 kept_back: i64 as value,
    20 quota_limit: Option<i64> as option,
    21 quota_taken: i64 as value,
    22 salable: i64 as value,
    23 stock_frozen: bool as value,
});
mirror_tagged!(ConfigurationView {
    1 sharing: Sharing as value,
    2 ttl_min_ms: u64 as value,
    3 ttl_max_ms: u64 as value,
    4 ttl_total_max_ms: u64 as value,
    5 lines_max: u32 as value,
    6 late_confirm_window_ms: u64 as value,
    7 id_retention_ms: u64 as value,
    8 id_retention_min_ms: u64 as value,
    9 outcome_bytes_max: u64 as value,
    10 reservations_max: u64 as value,
    11 gap_max_ms: u64 as value,
    12 clock_jump_max_ms: u64 as value,
    13 name_grace_ms: u64 as value,
    14 order_retention_ms: u64 as value,
    15 order_retention_min_ms: u64 as value,
    16 orders_max: u64 as value,
});
mirror_tagged!(Validation {
    1 op: u64 as value,
    2 digest: u64 as value,
    3 violations: Vec<String> as value,
});
mirror_tagged!(SnapshotView {
    1 op: u64 as value,
    2 file: String as value,
    3 bytes: u64 as value,
    4 digest: u64 as value,
});
