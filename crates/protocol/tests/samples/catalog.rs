//! One fixed value of every catalog command.

use super::{raw, reservation};
use stockhold_protocol::command::{
    Adjust, Amend, AppendReservations, Assign, BackorderMode, Change, ChannelAssignment, Configure, Count,
    CountLine, CountMany, EpochStart, EventLine, ExpectedLine, Freeze, FreezeScope, LinkDefinition,
    LinkRemoval, Mark, MarkRemoval, Notify, OrderAction, OrderEvent, OrderStateReport, PlaceFailed,
    QuotaChange, Readmit, Rename, SettingScope, SettingsChange, Sharing, SignedRow, SkuDefinition, SkuKind,
    SourceDefinition, StockDefinition, Transfer, TransferLines, TransferMany, Unassign, Unship,
};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::query::Name;
use stockhold_protocol::{ChannelId, Command, Envelope, Line, SkuId, SourceId, StockId, Timestamp};

/// A source with every field filled in.
pub(crate) fn source() -> SourceDefinition {
    SourceDefinition {
        code: "us-east".into(),
        name: "US East".into(),
        enabled: true,
        description: "Ships until 17:00".into(),
        latitude_micro: 40_712_800,
        longitude_micro: -74_006_000,
        country: "US".into(),
        region: "NY".into(),
        city: "New York".into(),
        street: "1 Main St".into(),
        postcode: "10001".into(),
        contact: ["Ann".into(), "ann@example.org".into(), "+1 555 0100".into(), String::new()],
        pickup: true,
        pickup_name: "Main Street".into(),
        pickup_description: "Ring twice".into(),
    }
}

fn order_event() -> Command<'static> {
    let line = EventLine { sku: SkuId(7), stock: Some(StockId(1)), quantity: raw(20_000), is_returned: true };
    let rest = EventLine { stock: None, is_returned: false, ..line };
    Command::OrderEvent(Box::new(OrderEvent {
        order: "100000123".into(),
        action: OrderAction::Refund,
        document: "C-17".into(),
        source: Some(SourceId(3)),
        lines: vec![line, rest],
        forced: false,
        ttl_ms: None,
    }))
}

/// An event without a line.
fn cancellation() -> Command<'static> {
    Command::OrderEvent(Box::new(OrderEvent {
        order: "100000123".into(),
        action: OrderAction::Cancel,
        document: String::new(),
        source: None,
        lines: Vec::new(),
        forced: false,
        ttl_ms: None,
    }))
}

fn readmit() -> Command<'static> {
    let mut record = Vec::new();
    let encoded = Envelope::new(super::id(9), Command::Confirm(reservation())).encode(&mut record);
    assert!(encoded.is_ok(), "a confirm of any reservation is valid");
    Command::Readmit(Readmit { epoch: 2, op: 120_417, actor: "shop".into(), record })
}

fn settings() -> SettingsChange {
    SettingsChange {
        scope: SettingScope::SkuStock(SkuId(7), StockId(1)),
        manage_stock: Change::Set(true),
        backorders: Change::Set(BackorderMode::AllowAndNotify),
        min_qty: Change::Set(raw(-50_000)),
        min_sale_qty: Change::Unset,
        max_sale_qty: Change::Keep,
        enable_qty_increments: Change::Set(false),
        qty_increments: Change::Set(raw(20_000)),
        notify_stock_qty: Change::Set(raw(0)),
        frozen: Change::Set(true),
        opens_at: Change::Set(Timestamp(1_795_766_400_000)),
        closes_at: Change::Unset,
        #[cfg(feature = "next-release")]
        lead_days: Change::Keep,
    }
}

fn configure() -> Configure {
    Configure {
        sharing: Some(Sharing::Independent),
        ttl_min_ms: Some(1_000),
        ttl_max_ms: Some(86_400_000),
        ttl_total_max_ms: Some(172_800_000),
        lines_max: Some(100),
        late_confirm_window_ms: Some(86_400_000),
        id_retention_ms: Some(900_000),
        id_retention_min_ms: Some(60_000),
        outcome_bytes_max: Some(1 << 32),
        reservations_max: Some(12_000_000),
        gap_max_ms: Some(4_000),
        clock_jump_max_ms: Some(86_400_000),
        name_grace_ms: Some(172_800_000),
        order_retention_ms: Some(7_776_000_000),
        order_retention_min_ms: Some(86_400_000),
        orders_max: Some(10_000_000),
    }
}

/// The commands that name an order.
fn order_commands() -> [(&'static str, Command<'static>); 6] {
    [
        ("order_event", order_event()),
        ("order_event_cancel", cancellation()),
        (
            "order_place_failed",
            Command::PlaceFailed(PlaceFailed { order: "100000123".into(), placement: reservation() }),
        ),
        ("append_reservations", append()),
        ("order_state", state(None)),
        (
            "order_state_figures",
            state(Some(vec![ExpectedLine { stock: StockId(1), sku: SkuId(7), quantity: raw(10_000) }])),
        ),
    ]
}

fn state(lines: Option<Vec<ExpectedLine>>) -> Command<'static> {
    let (order, state) = ("100000123".into(), OrderState::Processing);
    Command::OrderState(Box::new(OrderStateReport { order, state, lines }))
}

fn append() -> Command<'static> {
    let row = |order: &str, event, quantity| SignedRow {
        order: order.into(),
        event,
        stock: StockId(1),
        sku: SkuId(7),
        quantity: raw(quantity),
    };
    let rows = vec![
        row("100000123", EventKind::OrderPlaced, -25_000),
        row("", EventKind::ManualCompensation, 5_000),
    ];
    Command::AppendReservations(AppendReservations { rows })
}

/// Freezes and low-stock configurations.
fn freezes_and_low_stock() -> [(&'static str, Command<'static>); 4] {
    let freeze = |scope, frozen| Command::Freeze(Freeze { scope, frozen });
    let set = Notify { sku: SkuId(7), source: SourceId(3), is_set: true, threshold: Some(raw(56_000)) };
    let removed = Notify { is_set: false, threshold: None, ..set };
    [
        ("freeze_stock", freeze(FreezeScope::Stock(StockId(1)), true)),
        ("freeze_channel_lifted", freeze(FreezeScope::Channel(ChannelId(2)), false)),
        ("notify", Command::Notify(set)),
        ("notify_removed", Command::Notify(removed)),
    ]
}

/// Every command that changes many source items: name and command.
fn bulk_commands() -> Vec<(&'static str, Command<'static>)> {
    let (sku, source_id) = (SkuId(7), SourceId(3));
    let (reason, reference) = ("cycle count".to_owned(), "INV-7".to_owned());
    let skus = vec![sku, SkuId(9)];
    let lines = vec![Line::new(sku, raw(30_000)), Line::new(SkuId(9), raw(5_000))];
    vec![
        (
            "count_many",
            Command::CountMany(Box::new(CountMany {
                lines: vec![
                    CountLine { sku, source: source_id, quantity: raw(1_250_000), in_stock: Some(true) },
                    CountLine { sku, source: SourceId(4), quantity: raw(-5_000), in_stock: None },
                ],
                reason: reason.clone(),
                reference,
            })),
        ),
        (
            "assign",
            Command::Assign(Box::new(Assign {
                skus: skus.clone(),
                sources: vec![source_id, SourceId(4)],
                reason: reason.clone(),
            })),
        ),
        (
            "unassign",
            Command::Unassign(Box::new(Unassign {
                skus: skus.clone(),
                sources: vec![source_id],
                forced: true,
                reason: reason.clone(),
            })),
        ),
        (
            "transfer_many",
            Command::TransferMany(Box::new(TransferMany {
                from: source_id,
                to: SourceId(4),
                skus,
                unassign: true,
                forced: false,
                reason: reason.clone(),
            })),
        ),
        (
            "transfer_lines",
            Command::TransferLines(Box::new(TransferLines {
                from: source_id,
                to: SourceId(4),
                lines,
                forced: false,
                reason,
            })),
        ),
    ]
}

fn unship(source: SourceId, lines: Vec<Line>) -> Command<'static> {
    Command::Unship(Unship { reservation: reservation(), source, lines })
}

fn transfer(from: SourceId, lines: Vec<Line>, reason: String) -> Command<'static> {
    Command::Transfer(Transfer { from, to: SourceId(4), lines, reason })
}

/// Every catalog kind: name and command.
pub(crate) fn catalog_commands() -> Vec<(String, Command<'static>)> {
    let (sku, stock, source_id) = (SkuId(7), StockId(1), SourceId(3));
    let (reason, reference) = ("cycle count".to_owned(), "INV-7".to_owned());
    let lines = vec![Line::new(sku, raw(30_000)), Line::new(SkuId(9), raw(5_000))];
    let channel = ChannelAssignment { channel_type: "website".into(), code: "us".into(), stock };
    let global =
        SettingsChange { manage_stock: Change::Set(false), ..SettingsChange::at(SettingScope::Global) };
    let rename = |number, to| Command::Rename(Rename { number, to });
    let commands = [
        (
            "count",
            Command::Count(Count {
                source: source_id,
                sku,
                quantity: raw(1_250_000),
                in_stock: Some(true),
                reason: reason.clone(),
                reference: reference.clone(),
            }),
        ),
        (
            "adjust",
            Command::Adjust(Adjust {
                source: source_id,
                sku,
                delta: raw(-30_000),
                reason: reason.clone(),
                reference,
            }),
        ),
        ("transfer", transfer(source_id, lines.clone(), reason)),
        ("define_source", Command::DefineSource(Box::new(source()))),
        ("define_stock", Command::DefineStock(StockDefinition { name: "web-us".into() })),
        (
            "define_sku",
            Command::DefineSku(SkuDefinition {
                sku: "BIKE-0001".into(),
                kind: SkuKind::Virtual,
                decimals: true,
            }),
        ),
        ("link", Command::Link(LinkDefinition { stock, source: source_id, priority: 2 })),
        ("unlink", Command::Unlink(LinkRemoval { stock, source: source_id })),
        ("channel", Command::Channel(channel)),
        ("settings", Command::Settings(Box::new(settings()))),
        ("settings_global", Command::Settings(Box::new(global))),
        ("settings_sku", Command::Settings(Box::new(SettingsChange::at(SettingScope::Sku(sku))))),
        ("quota", Command::Quota(QuotaChange { sku, stock, limit: Some(raw(100_000)) })),
        ("quota_lifted", Command::Quota(QuotaChange { sku, stock, limit: None })),
        ("configure", Command::Configure(Box::new(configure()))),
        ("configure_nothing", Command::Configure(Box::default())),
        ("tick", Command::Tick),
        ("mark", Command::Mark(Mark::new("before the sale"))),
        ("activate_rules", Command::ActivateRules(1)),
        ("wall_offset", Command::WallOffset(-1_200_345)),
        ("accept_clock", Command::AcceptClock(Timestamp(1_795_000_000_123))),
        ("begin_epoch", Command::BeginEpoch(EpochStart { epoch: 2, restored: true })),
        ("unship", unship(source_id, lines.clone())),
        ("amend", Command::Amend(Amend { reservation: reservation(), lines })),
        ("rename", rename(7, Name::Sku("BIKE-1".into()))),
        ("rename_channel", rename(2, Name::Channel("website".into(), "usa".into()))),
        ("unmark", Command::Unmark(MarkRemoval { name: "before the sale".into() })),
        ("readmit", readmit()),
    ];
    commands
        .into_iter()
        .chain(order_commands())
        .chain(freezes_and_low_stock())
        .chain(bulk_commands())
        .map(|(name, command)| (name.to_owned(), command))
        .collect()
}
