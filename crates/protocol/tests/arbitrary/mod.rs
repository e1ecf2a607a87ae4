//! Strategies for valid commands of every kind. Invalid ones are in `hostile` and `bounds`.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use stockhold_protocol::command::{
    Adjust, AppendReservations, Assign, BackorderMode, Change, ChannelAssignment, Configure, Count,
    CountLine, CountMany, EpochStart, EventLine, ExpectedLine, Extend, Freeze, FreezeScope, LinkDefinition,
    LinkRemoval, Mark, MarkRemoval, Notify, OrderAction, OrderEvent, OrderStateReport, PartKind, Parts,
    PlaceFailed, Placement, QuotaChange, Readmit, Refund, RefundPart, Release, Rename, Replace, Reserve,
    Sell, SettingScope, SettingsChange, Sharing, Ship, SignedRow, SkuDefinition, SkuKind, SourceDefinition,
    StockDefinition, Target, Transfer, TransferLines, TransferMany, Unassign,
};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::limits::{LINE_QUANTITY_MAX, QUANTITY_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    ChannelId, Command, CommandId, Envelope, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
    Timestamp,
};

/// The data that hot commands borrow from.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) lines: Vec<Line>,
    parts: Vec<RefundPart>,
    target: Target,
    source: SourceId,
    reservation: ReservationId,
    ttl_ms: Option<u32>,
    owner: u64,
    reference: String,
    bold: bool,
}

impl Draft {
    /// One of each hot command.
    pub(crate) fn commands(&self) -> Vec<Command<'_>> {
        let Self { target, source, reservation, ttl_ms, owner, bold, .. } = *self;
        let (lines, reference) = (Lines::Slice(&self.lines), self.reference.as_str());
        let reserve = Reserve { target, lines, best_effort: bold, ttl_ms, owner, reference };
        let released = if bold { lines } else { Lines::NONE };
        let number = if reference.is_empty() { "7" } else { reference };
        let placed = Reserve { best_effort: false, reference: number, ..reserve.clone() };
        vec![
            Command::OrderPlaced(Placement(placed)),
            Command::Reserve(reserve.clone()),
            Command::Confirm(reservation),
            Command::Release(Release { reservation, lines: released }),
            Command::Extend(Extend { reservation, ttl_ms: ttl_ms.unwrap_or(0) }),
            Command::Replace(Replace { old: reservation, new: reserve }),
            Command::Ship(Ship { reservation, source, lines, forced: bold }),
            Command::Sell(Sell { target, source, lines, forced: bold, owner, reference }),
            Command::Refund(Refund { reservation, parts: Parts::Slice(&self.parts) }),
        ]
    }
}

fn quantity_of(raw: i64) -> Quantity {
    match Quantity::from_raw(raw) {
        Ok(quantity) => quantity,
        Err(error) => panic!("the strategies make valid quantities only: {error}"),
    }
}

fn line_quantity() -> impl Strategy<Value = Quantity> {
    let narrow = i64::from(u32::MAX);
    prop_oneof![4 => 1..=narrow, 1 => narrow - 1..=narrow + 2, 1 => 1..=LINE_QUANTITY_MAX, 1 => Just(LINE_QUANTITY_MAX)]
        .prop_map(quantity_of)
}

fn line() -> impl Strategy<Value = Line> {
    let sku = prop_oneof![3 => 0_u32..6, 1 => any::<u32>()];
    (sku, line_quantity()).prop_map(|(sku, quantity)| Line::new(SkuId(sku), quantity))
}

fn part() -> impl Strategy<Value = RefundPart> {
    let kind = prop_oneof![
        Just(PartKind::Unshipped),
        any::<u32>().prop_map(|source| PartKind::Returned(SourceId(source))),
        any::<u32>().prop_map(|source| PartKind::WrittenOff(SourceId(source))),
    ];
    (any::<u32>(), line_quantity(), kind).prop_map(|(sku, quantity, kind)| RefundPart {
        sku: SkuId(sku),
        quantity,
        kind,
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        any::<u32>().prop_map(|stock| Target::Stock(StockId(stock))),
        any::<u32>().prop_map(|channel| Target::Channel(ChannelId(channel))),
    ]
}

fn some<T>(
    strategy: impl Strategy<Value = T> + 'static,
    range: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<T>>
where
    T: Clone + std::fmt::Debug,
{
    let (few, most) = (1..8_usize, *range.end());
    let strategy = strategy.boxed();
    prop_oneof![8 => vec(strategy.clone(), few), 1 => vec(strategy, most)]
}

/// Text of at most `bytes` bytes, with letters of several widths.
fn text(bytes: usize) -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!['a', 'Z', '0', '-', ' ', 'é', '€', '🚲']), 0..=bytes).prop_map(
        move |letters| {
            let mut text = String::new();
            for letter in letters {
                if text.len() + letter.len_utf8() <= bytes {
                    text.push(letter);
                }
            }
            text
        },
    )
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-zé0-9_-]{0,60}", "[A-Z]{255}"]
}

/// Hot commands' parts.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    let what = (some(line(), 1..=256), some(part(), 1..=256), target(), any::<u32>(), any::<[u8; 16]>());
    let how = (option::of(any::<u32>()), prop_oneof![Just(0), any::<u64>()], text(32), any::<bool>());
    (what, how).prop_map(|((lines, parts, target, source, id), (ttl_ms, owner, reference, bold))| {
        let reservation = ReservationId(CommandId::from_bytes(id));
        Draft { lines, parts, target, source: SourceId(source), reservation, ttl_ms, owner, reference, bold }
    })
}

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![-QUANTITY_MAX..=QUANTITY_MAX, Just(QUANTITY_MAX), Just(-QUANTITY_MAX), -5..5_i64]
        .prop_map(quantity_of)
}

fn amount() -> impl Strategy<Value = Quantity> {
    (1..=QUANTITY_MAX).prop_map(quantity_of)
}

fn change<T: Clone + std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
    prop_oneof![Just(None), Just(Some(None)), value.prop_map(|value| Some(Some(value)))].prop_map(|choice| {
        match choice {
            None => Change::Keep,
            Some(None) => Change::Unset,
            Some(Some(value)) => Change::Set(value),
        }
    })
}

fn settings() -> impl Strategy<Value = SettingsChange> {
    let scope = prop_oneof![
        Just(SettingScope::Global),
        any::<u32>().prop_map(|sku| SettingScope::Sku(SkuId(sku))),
        any::<(u32, u32)>().prop_map(|(sku, stock)| SettingScope::SkuStock(SkuId(sku), StockId(stock))),
    ];
    let modes = vec![BackorderMode::Off, BackorderMode::Allow, BackorderMode::AllowAndNotify];
    let flags = (change(any::<bool>()), change(prop::sample::select(modes)), change(any::<bool>()));
    let numbers =
        (change(quantity()), change(amount()), change(amount()), change(amount()), change(amount()));
    // Two doors of one change must be in order.
    let doors = (change(any::<bool>()), change(0_u32..1 << 30), change(1_u32 << 30..u32::MAX));
    (scope, flags, numbers, doors).prop_map(|(scope, flags, numbers, doors)| SettingsChange {
        scope,
        manage_stock: flags.0,
        backorders: flags.1,
        min_qty: numbers.0,
        min_sale_qty: numbers.1,
        max_sale_qty: numbers.2,
        enable_qty_increments: flags.2,
        qty_increments: numbers.3,
        notify_stock_qty: numbers.4,
        frozen: doors.0,
        opens_at: door(doors.1),
        closes_at: door(doors.2),
        #[cfg(feature = "next-release")]
        lead_days: Change::Keep,
    })
}

fn door(second: Change<u32>) -> Change<Timestamp> {
    match second {
        Change::Keep => Change::Keep,
        Change::Unset => Change::Unset,
        Change::Set(second) => Change::Set(Timestamp(u64::from(second) * 1_000)),
    }
}

fn freeze() -> impl Strategy<Value = Freeze> {
    any::<(bool, u32, bool)>().prop_map(|(is_stock, number, frozen)| {
        let channel = FreezeScope::Channel(ChannelId(number));
        Freeze { scope: if is_stock { FreezeScope::Stock(StockId(number)) } else { channel }, frozen }
    })
}

fn source_definition() -> impl Strategy<Value = SourceDefinition> {
    let names = ("[a-z0-9-]{1,60}", name(), "[A-Za-z]{2}", name());
    let texts = (text(1_024), text(60), text(60), text(60), [text(40), text(40), text(40), text(40)]);
    let place = (-90_000_000..=90_000_000, -180_000_000..=180_000_000, any::<bool>(), any::<bool>());
    (names, texts, place, (text(60), text(1_024))).prop_map(|(names, texts, place, more)| SourceDefinition {
        code: names.0,
        name: names.1,
        enabled: place.2,
        description: texts.0,
        latitude_micro: place.0,
        longitude_micro: place.1,
        country: names.2,
        region: texts.1,
        city: texts.2,
        street: texts.3,
        postcode: names.3,
        contact: texts.4,
        pickup: place.3,
        pickup_name: more.0,
        pickup_description: more.1,
    })
}

fn configure() -> impl Strategy<Value = Configure> {
    let sharing = option::of(prop::sample::select(vec![Sharing::Exact, Sharing::Independent]));
    (sharing, option::of(any::<u32>()), any::<[Option<u64>; 14]>()).prop_map(
        |(sharing, lines_max, numbers)| Configure {
            sharing,
            ttl_min_ms: numbers[0],
            ttl_max_ms: numbers[1],
            ttl_total_max_ms: numbers[2],
            lines_max,
            late_confirm_window_ms: numbers[3],
            id_retention_ms: numbers[4],
            id_retention_min_ms: numbers[5],
            outcome_bytes_max: numbers[6],
            reservations_max: numbers[7],
            gap_max_ms: numbers[8],
            clock_jump_max_ms: numbers[9],
            name_grace_ms: numbers[10],
            order_retention_ms: numbers[11],
            order_retention_min_ms: numbers[12],
            orders_max: numbers[13],
        },
    )
}

fn new_name() -> impl Strategy<Value = Name> {
    prop_oneof![
        "[!-~é€😀]{1,64}".prop_map(Name::Sku),
        name().prop_map(Name::Stock),
        "[a-z0-9-]{1,60}".prop_map(Name::Source),
        (name(), name()).prop_map(|(channel_type, code)| Name::Channel(channel_type, code)),
    ]
}

fn goods() -> impl Strategy<Value = Command<'static>> {
    let place = || (any::<u32>(), any::<u32>()).prop_map(|(source, sku)| (SourceId(source), SkuId(sku)));
    prop_oneof![
        (place(), quantity(), option::of(any::<bool>()), text(1_024), text(32)).prop_map(
            |((source, sku), quantity, in_stock, reason, reference)| {
                Command::Count(Count { source, sku, quantity, in_stock, reason, reference })
            }
        ),
        (place(), amount(), any::<bool>(), text(1_024), text(32)).prop_map(
            |((source, sku), amount, gone, reason, reference)| {
                let delta = quantity_of(if gone { -amount.raw() } else { amount.raw() });
                Command::Adjust(Adjust { source, sku, delta, reason, reference })
            }
        ),
        (0..u32::MAX, some(line(), 1..=256), text(1_024)).prop_map(|(from, lines, reason)| {
            Command::Transfer(Transfer { from: SourceId(from), to: SourceId(from + 1), lines, reason })
        }),
    ]
}

fn event_line(action: OrderAction) -> impl Strategy<Value = EventLine> {
    let sku = prop_oneof![3 => 0_u32..6, 1 => any::<u32>()];
    let stock = option::of(any::<u32>().prop_map(StockId));
    let is_signed = action == OrderAction::Compensate;
    let quantity = (line_quantity(), any::<bool>()).prop_map(move |(quantity, sign)| {
        quantity_of(if sign && is_signed { -quantity.raw() } else { quantity.raw() })
    });
    (sku, stock, quantity, any::<bool>()).prop_map(move |(sku, stock, quantity, is_returned)| EventLine {
        sku: SkuId(sku),
        stock,
        quantity,
        is_returned: is_returned && action == OrderAction::Refund,
    })
}

/// A valid event of an order, of any action.
fn order_event() -> impl Strategy<Value = Command<'static>> {
    use OrderAction::{Cancel, Compensate, Confirm, Edit, Extend, Invoice, Refund, Ship, Unship};
    let action = prop::sample::select(OrderAction::ALL.to_vec());
    action.prop_flat_map(|action| {
        let lines = some(event_line(action), 1..=1_024);
        let names = ("[0-9]{1,32}", text(32), option::of(any::<u32>().prop_map(SourceId)));
        (names, lines, any::<(bool, bool, u32)>()).prop_map(
            move |(names, lines, (is_all, forced, ttl_ms))| {
                let (order, document, source) = names;
                let has_document = !matches!(action, Confirm | Extend | Compensate | Edit);
                let document = if has_document { document } else { String::new() };
                let has_no_lines = match action {
                    Confirm | Extend => true,
                    Cancel => is_all,
                    Unship => is_all && !document.is_empty(),
                    Ship | Invoice | Refund | Compensate | Edit => false,
                };
                let source = match action {
                    Ship | Unship => Some(source.unwrap_or(SourceId(3))),
                    Refund => source,
                    Confirm | Extend | Cancel | Invoice | Compensate | Edit => None,
                };
                Command::OrderEvent(Box::new(OrderEvent {
                    order,
                    action,
                    document,
                    source,
                    lines: if has_no_lines { Vec::new() } else { lines },
                    forced: forced && matches!(action, Ship | Compensate),
                    ttl_ms: (action == Extend).then_some(ttl_ms),
                }))
            },
        )
    })
}

/// What a shop says of an order.
fn order_state() -> impl Strategy<Value = Command<'static>> {
    let lines = prop::collection::btree_map((0_u32..6, 0_u32..6), line_quantity(), 0..20);
    let state = prop::sample::select(OrderState::ALL.to_vec());
    ("[0-9]{1,32}", state, option::of(lines)).prop_map(|(order, state, lines)| {
        let line =
            |((stock, sku), quantity)| ExpectedLine { stock: StockId(stock), sku: SkuId(sku), quantity };
        let lines = lines.map(|lines| lines.into_iter().map(line).collect());
        Command::OrderState(Box::new(OrderStateReport { order, state, lines }))
    })
}

/// Valid signed rows.
fn rows() -> impl Strategy<Value = Command<'static>> {
    let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(|kind| kind.is_of_rows()).collect();
    let place = (0_u32..6, 0_u32..6, line_quantity(), any::<bool>());
    let row = (text(32), prop::sample::select(kinds), place).prop_map(
        |(order, event, (stock, sku, quantity, is_promise))| {
            let quantity = if is_promise { quantity_of(-quantity.raw()) } else { quantity };
            SignedRow { order, event, stock: StockId(stock), sku: SkuId(sku), quantity }
        },
    );
    some(row, 1..=1_024).prop_map(|rows| Command::AppendReservations(AppendReservations { rows }))
}

fn bulk() -> impl Strategy<Value = Command<'static>> {
    let skus = || vec(any::<u32>().prop_map(SkuId), 1..=100);
    let sources = || vec(any::<u32>().prop_map(SourceId), 1..=100);
    let item = (any::<u32>(), any::<u32>());
    let items = prop::collection::btree_map(item, (quantity(), option::of(any::<bool>())), 1..=300);
    prop_oneof![
        (items, text(1_024), text(32)).prop_map(|(items, reason, reference)| {
            let line = |((sku, source), (quantity, in_stock))| CountLine {
                sku: SkuId(sku),
                source: SourceId(source),
                quantity,
                in_stock,
            };
            let lines = items.into_iter().map(line).collect();
            Command::CountMany(Box::new(CountMany { lines, reason, reference }))
        }),
        (skus(), sources(), text(1_024))
            .prop_map(|(skus, sources, reason)| Command::Assign(Box::new(Assign { skus, sources, reason }))),
        (skus(), sources(), any::<bool>(), text(1_024)).prop_map(|(skus, sources, forced, reason)| {
            Command::Unassign(Box::new(Unassign { skus, sources, forced, reason }))
        }),
        (0..u32::MAX, skus(), any::<[bool; 2]>(), text(1_024)).prop_map(
            |(from, skus, [unassign, forced], reason)| {
                let (from, to) = (SourceId(from), SourceId(from + 1));
                Command::TransferMany(Box::new(TransferMany { from, to, skus, unassign, forced, reason }))
            }
        ),
        (0..u32::MAX, some(line(), 1..=2_048), any::<bool>(), text(1_024)).prop_map(
            |(from, lines, forced, reason)| {
                let (from, to) = (SourceId(from), SourceId(from + 1));
                Command::TransferLines(Box::new(TransferLines { from, to, lines, forced, reason }))
            }
        ),
    ]
}

/// Every kind of catalog command.
pub(crate) fn catalog() -> impl Strategy<Value = Command<'static>> {
    let pair = || (any::<u32>(), any::<u32>()).prop_map(|(stock, other)| (StockId(stock), other));
    let kinds = vec![SkuKind::Simple, SkuKind::Virtual, SkuKind::Composite, SkuKind::Uncatalogued];
    prop_oneof![
        3 => goods(),
        3 => order_event(),
        2 => rows(),
        1 => order_state(),
        1 => ("[!-~]{1,32}", any::<[u8; 16]>()).prop_map(|(order, id)| {
            Command::PlaceFailed(PlaceFailed { order, placement: ReservationId(CommandId::from_bytes(id)) })
        }),
        3 => bulk(),
        1 => source_definition().prop_map(|source| Command::DefineSource(Box::new(source))),
        1 => name().prop_map(|name| Command::DefineStock(StockDefinition { name })),
        1 => ("[!-~é€😀]{1,64}", prop::sample::select(kinds), any::<bool>())
            .prop_map(|(sku, kind, decimals)| Command::DefineSku(SkuDefinition { sku, kind, decimals })),
        1 => (pair(), 1_u16..).prop_map(|((stock, source), priority)| {
            Command::Link(LinkDefinition { stock, source: SourceId(source), priority })
        }),
        1 => pair().prop_map(|(stock, source)| Command::Unlink(LinkRemoval { stock, source: SourceId(source) })),
        1 => (name(), name(), any::<u32>()).prop_map(|(channel_type, code, stock)| {
            Command::Channel(ChannelAssignment { channel_type, code, stock: StockId(stock) })
        }),
        2 => settings().prop_map(|change| Command::Settings(Box::new(change))),
        1 => (pair(), option::of(amount())).prop_map(|((stock, sku), limit)| {
            Command::Quota(QuotaChange { sku: SkuId(sku), stock, limit })
        }),
        1 => (pair(), option::of(option::of(amount()))).prop_map(|((_, sku), change)| {
            let (is_set, threshold) = (change.is_some(), change.flatten());
            Command::Notify(Notify { sku: SkuId(sku), source: SourceId(sku / 2), is_set, threshold })
        }),
        1 => freeze().prop_map(Command::Freeze),
        1 => (any::<u32>(), new_name()).prop_map(|(number, to)| Command::Rename(Rename { number, to })),
        1 => configure().prop_map(|configure| Command::Configure(Box::new(configure))),
        1 => name().prop_map(|name| Command::Mark(Mark::new(name))),
        1 => name().prop_map(|name| Command::Unmark(MarkRemoval { name })),
        1 => any::<u32>().prop_map(Command::ActivateRules),
        1 => any::<i64>().prop_map(Command::WallOffset),
        1 => any::<u64>().prop_map(|ms| Command::AcceptClock(Timestamp(ms))),
        1 => (any::<u64>(), any::<bool>())
            .prop_map(|(epoch, restored)| Command::BeginEpoch(EpochStart { epoch, restored })),
        1 => (any::<u64>(), any::<u64>(), text(255), name()).prop_map(|(epoch, op, actor, name)| {
            // The id is that of the commands that the tests make.
            let id = CommandId::from_parts(1_763_800_000_123, 9);
            let mut record = Vec::new();
            let is_made = Envelope::new(id, Command::Mark(Mark::new(name))).encode(&mut record).is_ok();
            assert!(is_made, "the strategies make valid names only");
            Command::Readmit(Readmit { epoch, op, actor, record })
        }),
    ]
}
