//! One fixed value of every query and every answer.

use super::{catalog::source, raw};
use stockhold_protocol::command::{BackorderMode, Sharing, SkuKind};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::query::{
    CELL_UNLIMITED, ConfigurationView, Destination, ExplainView, ExplainedSource, ExplainedStock, GeoAddress,
    GeoPoint, InconsistenciesView, Inconsistency, ItemView, LowStockFilter, LowStockItem, LowStockView,
    MakerKind, MarkView, Metric, Name, NamedCount, NotifyView, OldNameView, OrderEntry, OrderEventRow,
    OrderEventView, OrderFilter, OrderHistoryView, OrderLineView, OrderTotal, OrderView, OrdersView,
    PickupField, PickupLocation, PickupOrder, PickupRequest, PickupView, PositionView, Query, QueryAnswer,
    ReservationFilter, ReservationLine, ReservationState, ReservationView, ReservationsView, SettingsView,
    SharingForm, SkuView, SnapshotView, SourceRole, SourceView, SourcedItem, SourcingAlgorithm,
    SourcingRequest, SourcingView, Status, StockRole, StockView, Validation,
};
use stockhold_protocol::{ChannelId, SkuId, SourceId, StockId, Timestamp};

/// Every query.
pub(crate) fn queries() -> Vec<(&'static str, Query)> {
    vec![
        ("status", Query::Status),
        ("reservation", Query::Reservation(super::reservation().0.to_bytes())),
        ("sku", Query::Sku(SkuId(7))),
        ("skus", Query::Skus { after: Some(SkuId(7)), limit: 100 }),
        ("sources", Query::Sources { after: None, limit: 1_000 }),
        ("stocks", Query::Stocks { after: Some(StockId(1)), limit: 1 }),
        ("configuration", Query::Configuration),
        ("validate", Query::Validate),
        ("snapshot", Query::Snapshot),
        ("old_names", Query::OldNames { after: Some(77), limit: 100 }),
        ("marks", Query::Marks { after: Some(51), limit: 100 }),
        ("explain", Query::Explain { sku: SkuId(7), stock: StockId(1) }),
        ("reservations", Query::Reservations { filter: filter(), after: 77, limit: 20 }),
        ("sourcing", Query::Sourcing(Box::new(sourcing()))),
        ("order", Query::Order("100000123".into())),
        ("notify", Query::Notify { sku: SkuId(7), source: SourceId(3) }),
        ("low_stock", low_stock()),
        ("inconsistencies", Query::Inconsistencies { is_final: Some(true), after: 77 << 11, limit: 20 }),
        ("pickup_locations", Query::PickupLocations(Box::new(pickup()))),
        ("orders", Query::Orders { filter: order_filter(), after: 77, limit: 20 }),
        ("order_history", Query::OrderHistory { number: "100000123".into(), after: 2, limit: 20 }),
    ]
}

fn low_stock() -> Query {
    let filter = LowStockFilter { sku: None, source: Some(SourceId(3)) };
    Query::LowStock { filter, after: Some(low_item().cursor()), limit: 20 }
}

fn inconsistencies() -> InconsistenciesView {
    let item = Inconsistency {
        order: "100000123".into(),
        state: OrderState::Canceled.number(),
        stock: StockId(1),
        sku: SkuId(7),
        quantity: raw(-20_000),
        lapsed: raw(5_000),
    };
    InconsistenciesView { op: 80, orders: 2, items: vec![item], next: 78 << 11 }
}

fn low_item() -> LowStockItem {
    LowStockItem { sku: SkuId(7), source: SourceId(3), on_hand: raw(55_000), threshold: raw(56_000) }
}

const fn point() -> GeoPoint {
    GeoPoint { latitude_micro: 52_520_000, longitude_micro: -13_405_000 }
}

fn pickup() -> PickupRequest {
    let (country, postcode) = ("DE".into(), "10115".into());
    let address = GeoAddress { country, postcode, city: "Ber".into(), region: String::new() };
    let order = PickupOrder { field: PickupField::Name, descending: true };
    PickupRequest {
        stock: StockId(1),
        near: Destination::Address(address),
        radius_m: 25_000,
        order: vec![order],
        limit: 20,
    }
}

fn sourcing() -> SourcingRequest {
    SourcingRequest {
        stock: StockId(1),
        algorithm: SourcingAlgorithm::MinimizeSources,
        destination: Some(Destination::Point(point())),
        lines: vec![(SkuId(7), raw(30_000)), (SkuId(8), raw(5_000))],
        sources: vec![SourceId(2), SourceId(1)],
        excluded: vec![SourceId(3)],
        max_sources: 2,
    }
}

fn sourced() -> SourcingView {
    let item = SourcedItem {
        source: SourceId(2),
        sku: SkuId(7),
        take: raw(30_000),
        on_hand: raw(45_000),
        distance_m: Some(111_195),
    };
    let other = SourcedItem { source: SourceId(1), distance_m: None, take: raw(0), ..item };
    let (is_shippable, is_minimal, destination) = (true, false, Some(point()));
    SourcingView { op: 901, is_shippable, is_minimal, items: vec![item, other], destination }
}

fn picked_up() -> PickupView {
    let location = PickupLocation { source: SourceId(3), distance_m: 1_204 };
    PickupView { op: 80, matched: 2, locations: vec![location] }
}

fn filter() -> ReservationFilter {
    ReservationFilter {
        sku: Some(SkuId(7)),
        stock: None,
        states: 3,
        is_promised: true,
        owner: Some(5),
        older_than_ms: 60_000,
    }
}

fn status() -> Status {
    let named = |name: &str, count| vec![NamedCount { name: name.into(), count }];
    let metric = Metric { name: "queue_depth".into(), unit: "commands".into(), value: 12 };
    Status {
        version: "0.1.0".into(),
        log_uuid: [0xAB; 16],
        epoch: 3,
        state: "ok".into(),
        durability: "sync".into(),
        metrics: vec![metric],
        warnings: vec!["the clock is 2 s behind".into()],
        data_dir: "/srv/stockhold".into(),
        refusals: named("sold_out", 7),
        clients: named("checkout", 3),
        wanted: named("BIKE-1", 40),
        sold_out: named("BIKE-2", 41),
    }
}

fn reservation() -> ReservationView {
    let line = ReservationLine {
        sku: SkuId(7),
        counts: true,
        granted: raw(30_000),
        open: raw(20_000),
        shipped: raw(10_000),
        returned: raw(0),
    };
    ReservationView {
        id: super::reservation().0.to_bytes(),
        op: 77,
        stock: StockId(1),
        state: ReservationState::Confirmed,
        deadline_s: 1_763_800_900,
        origin_ms: 1_763_800_000_123,
        shown_offset_ms: -86_400_000,
        owner: 5,
        reference: "100000123".into(),
        lines: vec![line],
        actor_kind: MakerKind::Proved,
        actor: "web shop".into(),
    }
}

fn reservations() -> ReservationsView {
    ReservationsView { op: 80, matched: 2, promised: raw(30_000), reservations: vec![reservation()] }
}

const fn order_filter() -> OrderFilter {
    OrderFilter { is_unsettled: true, owner: Some(5) }
}

fn order() -> OrderView {
    let line = OrderLineView {
        stock: StockId(1),
        sku: SkuId(7),
        ordered: raw(90_000),
        lapsed: raw(5_000),
        cancelled: raw(10_000),
        shipped: raw(30_000),
        beyond: raw(1),
        returned: raw(20_001),
        refunded: raw(15_000),
        written_off: raw(10_000),
        open: raw(20_000),
        invoiced: raw(40_000),
        compensated: raw(-5_000),
        expected: raw(25_000),
    };
    OrderView {
        number: "100000123".into(),
        op: 77,
        owner: 5,
        settled: false,
        open_lines: 1,
        lines: vec![line],
        reservations: vec![super::reservation().0.to_bytes()],
        events: 3,
        state: OrderState::Processing.number(),
    }
}

fn order_history() -> OrderHistoryView {
    let row = OrderEventRow {
        stock: StockId(1),
        sku: SkuId(7),
        total: OrderTotal::Shipped,
        units: raw(30_000),
        reservation: raw(30_000),
        source: Some(SourceId(3)),
    };
    let invoiced = OrderEventRow { total: OrderTotal::Invoiced, reservation: raw(0), source: None, ..row };
    let shipped = OrderEventView {
        kind: EventKind::ShipmentCreated.number(),
        op: 79,
        time_ms: 1_795_000_000_123,
        actor_kind: MakerKind::Claimed,
        actor: "warehouse".into(),
        document: "S-17".into(),
        rows: vec![row, invoiced],
        state: None,
    };
    let reported = OrderEventView {
        kind: EventKind::OrderState.number(),
        document: String::new(),
        rows: Vec::new(),
        state: Some(OrderState::Processing.number()),
        ..shipped.clone()
    };
    OrderHistoryView { op: 80, events_total: 3, wall_offset_ms: -1_200, events: vec![shipped, reported] }
}

fn orders() -> OrdersView {
    let number = "100000123".to_owned();
    let entry =
        OrderEntry { number, op: 77, owner: 5, settled: false, ordered: raw(90_000), open: raw(20_000) };
    OrdersView { op: 80, total: 3, unsettled: 2, orders: vec![entry], next: 4_096 }
}

fn sku() -> SkuView {
    let settings = SettingsView {
        manage_stock: true,
        backorders: BackorderMode::Allow,
        min_qty: raw(-50_000),
        min_sale_qty: raw(10_000),
        max_sale_qty: raw(100_000_000),
        qty_increments: raw(0),
        notify_stock_qty: raw(10_001),
        frozen: false,
        opens_at: Timestamp(1_795_766_400_000),
        closes_at: Timestamp(0),
        #[cfg(feature = "next-release")]
        lead_days: None,
    };
    let position = PositionView {
        stock: StockId(1),
        confirmed: raw(20_000),
        held: raw(30_000),
        salable: CELL_UNLIMITED,
        settings,
        quota_limit: Some(raw(100_000)),
        quota_taken: raw(50_000),
        unattributed: raw(-5_000),
    };
    SkuView {
        id: SkuId(7),
        sku: "BIKE-0001".into(),
        kind: SkuKind::Simple,
        decimals: false,
        items: vec![ItemView {
            source: SourceId(3),
            on_hand: raw(1_250_000),
            in_stock: true,
            version: 4,
            notify_is_set: true,
            notify_stock_qty: raw(56_000),
        }],
        positions: vec![position],
        shortfall: raw(1),
    }
}

fn stock() -> StockView {
    StockView {
        id: StockId(1),
        name: "web-us".into(),
        links: vec![(SourceId(3), 1), (SourceId(4), 2)],
        channels: vec![(ChannelId(2), "website".into(), "us".into())],
        frozen: false,
        frozen_channels: vec![ChannelId(2)],
    }
}

fn configuration() -> ConfigurationView {
    ConfigurationView {
        sharing: Sharing::Exact,
        ttl_min_ms: 1_000,
        ttl_max_ms: 86_400_000,
        ttl_total_max_ms: 172_800_000,
        lines_max: 256,
        late_confirm_window_ms: 86_400_000,
        id_retention_ms: 900_000,
        id_retention_min_ms: 60_000,
        outcome_bytes_max: 1 << 32,
        reservations_max: 12_000_000,
        gap_max_ms: 5_000,
        clock_jump_max_ms: 604_800_000,
        name_grace_ms: 86_400_000,
        order_retention_ms: 7_776_000_000,
        order_retention_min_ms: 604_800_000,
        orders_max: 50_000_000,
    }
}

fn old_names() -> Vec<OldNameView> {
    let first = OldNameView {
        op: 77,
        name: Name::Sku("BIKE".into()),
        number: 7,
        present: Name::Sku("BIKE-0001".into()),
        until_ms: 1_763_886_400_123,
    };
    let channel = |code: &str| Name::Channel("website".into(), code.into());
    let ended =
        OldNameView { op: 80, name: channel("us"), number: 2, present: channel("usa"), ..first.clone() };
    vec![first, ended]
}

fn mark() -> MarkView {
    MarkView {
        op: 51,
        name: "before the sale".into(),
        time_ms: 1_763_800_000_123,
        shown_offset_ms: -1_200_345,
    }
}

fn explain() -> ExplainView {
    let own = ExplainedSource {
        source: SourceId(3),
        role: SourceRole::Own,
        is_enabled: true,
        on_hand: Some(raw(100_000)),
        is_in_stock: true,
        adds: raw(100_000),
    };
    let other =
        ExplainedSource { source: SourceId(4), role: SourceRole::Others, on_hand: None, adds: raw(0), ..own };
    let asked = ExplainedStock {
        stock: StockId(1),
        role: StockRole::Asked,
        confirmed: raw(20_000),
        held: raw(10_000),
    };
    let competes = ExplainedStock { stock: StockId(2), role: StockRole::Competes, ..asked };
    let view = sku();
    ExplainView {
        op: 77,
        time_ms: 1_763_800_000_123,
        shown_offset_ms: -1_200_345,
        sku: view.id,
        name: view.sku,
        kind: view.kind,
        decimals: view.decimals,
        stock: StockId(1),
        form: SharingForm::Subsets,
        sources: vec![own, other],
        sources_total: 2,
        stocks: vec![asked, competes],
        stocks_total: 3,
        goods: raw(100_000),
        promised: raw(60_000),
        left: raw(40_000),
        is_in_stock: true,
        settings: view.positions[0].settings,
        kept_back: raw(-50_000),
        quota_limit: Some(raw(100_000)),
        quota_taken: raw(50_000),
        salable: 50_000,
        stock_frozen: false,
    }
}

/// Every answer.
pub(crate) fn answers() -> Vec<(&'static str, QueryAnswer)> {
    let snapshot = SnapshotView { op: 77, file: "77.snapshot".into(), bytes: 4_096, digest: 9 };
    let validation = Validation { op: 77, digest: 9, violations: vec!["sku 7: open exceeds granted".into()] };
    vec![
        ("status", QueryAnswer::Status(status())),
        ("reservation", QueryAnswer::Reservation(Some(reservation()))),
        ("reservation_unknown", QueryAnswer::Reservation(None)),
        ("sku", QueryAnswer::Sku(Some(sku()))),
        ("skus", QueryAnswer::Skus(vec![sku()])),
        ("sources", QueryAnswer::Sources(vec![SourceView { id: SourceId(3), definition: source() }])),
        ("stocks", QueryAnswer::Stocks(vec![stock()])),
        ("configuration", QueryAnswer::Configuration(configuration())),
        ("validation", QueryAnswer::Validation(validation)),
        ("snapshot", QueryAnswer::Snapshot(snapshot)),
        ("failed", QueryAnswer::Failed("limit must be 1..=1000".into())),
        ("old_names", QueryAnswer::OldNames(old_names())),
        ("marks", QueryAnswer::Marks(vec![mark()])),
        ("explain", QueryAnswer::Explain(Some(explain()))),
        ("explain_unknown", QueryAnswer::Explain(None)),
        ("reservations", QueryAnswer::Reservations(reservations())),
        ("sourcing", QueryAnswer::Sourcing(sourced())),
        ("order", QueryAnswer::Order(Some(order()))),
        ("order_unknown", QueryAnswer::Order(None)),
        ("orders", QueryAnswer::Orders(orders())),
        ("order_history", QueryAnswer::OrderHistory(Some(order_history()))),
        ("order_history_unknown", QueryAnswer::OrderHistory(None)),
        ("notify", QueryAnswer::Notify(Some(NotifyView { is_set: true, own: None, threshold: raw(10_000) }))),
        ("notify_unknown", QueryAnswer::Notify(None)),
        ("pickup_locations", QueryAnswer::PickupLocations(picked_up())),
        ("inconsistencies", QueryAnswer::Inconsistencies(inconsistencies())),
        ("low_stock", QueryAnswer::LowStock(LowStockView { op: 80, matched: 3, items: vec![low_item()] })),
    ]
}
