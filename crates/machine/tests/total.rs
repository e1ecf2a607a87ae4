//! Any bytes and any numbers give an outcome, and no invariant breaks.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::command::{
    Adjust, Amend, AppendReservations, Assign, BackorderMode, Change, ChannelAssignment, Configure, Count,
    CountLine, CountMany, EpochStart, EventLine, ExpectedLine, Extend, Freeze, FreezeScope, Kind,
    LinkDefinition, LinkRemoval, Mark, MarkRemoval, Notify, OrderAction, OrderEvent, OrderStateReport,
    PartKind, Parts, PlaceFailed, Placement, QuotaChange, Readmit, Refund, RefundPart, Release, Rename,
    Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing, Ship, SignedRow, SkuDefinition, SkuKind,
    SourceDefinition, StockDefinition, Target, Transfer, TransferLines, TransferMany, Unassign, Unship,
};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::limits::{LINE_QUANTITY_MAX, QUANTITY_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    ChannelId, Command, CommandId, Envelope, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
    Timestamp,
};

/// The random numbers that a command is made from.
#[derive(Clone, Debug)]
struct Dice {
    kind: usize,
    /// Small numbers, most of which are numbers of existing things.
    ids: [u32; 4],
    quantities: Vec<(u32, i64)>,
    raw: i64,
    word: u64,
    flag: bool,
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![12 => 0_u32..3, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn line_quantity() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 1_i64..100_000,
        2 => Just(LINE_QUANTITY_MAX),
        1 => 1_i64..=LINE_QUANTITY_MAX,
        1 => Just(1_i64),
    ]
}

fn dice() -> impl Strategy<Value = Dice> {
    let raw = prop_oneof![
        Just(QUANTITY_MAX),
        Just(-QUANTITY_MAX),
        Just(QUANTITY_MAX - 1),
        -QUANTITY_MAX..=QUANTITY_MAX,
        -1_000_000_i64..1_000_000
    ];
    let word = prop_oneof![Just(0_u64), Just(u64::MAX), any::<u64>(), 0_u64..100_000];
    let ids = [number().boxed(), number().boxed(), number().boxed(), number().boxed()];
    (0_usize..64, ids, proptest::collection::vec((number(), line_quantity()), 1..6), raw, word, any::<bool>())
        .prop_map(|(kind, ids, quantities, raw, word, flag)| Dice { kind, ids, quantities, raw, word, flag })
}

/// Makes a command from the random numbers. If it is about a reservation, that is one of `made`.
fn with_command(dice: &Dice, made: &[CommandId], take: &mut dyn FnMut(Command<'_>)) {
    let quantity = |raw| Quantity::from_raw(raw).unwrap();
    let lines: Vec<Line> =
        dice.quantities.iter().map(|(sku, raw)| Line::new(SkuId(*sku), quantity(*raw))).collect();
    let [a, b, c, d] = dice.ids;
    let target = if d == 1 { Target::Channel(ChannelId(a)) } else { Target::Stock(StockId(a)) };
    let word_32 = u32::try_from(dice.word & 0xFFFF_FFFF).unwrap();
    let ttl_ms = dice.flag.then_some(if word_32 > 90_000_000 { 5_000 } else { word_32 });
    let reserve = Reserve {
        target,
        lines: Lines::Slice(&lines),
        best_effort: b == 1,
        ttl_ms,
        owner: u64::from(c % 2),
        reference: "order",
    };
    let pick = usize::try_from(dice.word % 7).unwrap().min(made.len().saturating_sub(1));
    let named = made.iter().rev().nth(pick).copied().unwrap_or(CommandId::from_parts(0, 9));
    let reservation = ReservationId(named);
    let source = SourceId(b);
    let forced = dice.flag;
    match dice.kind {
        0..=7 => take(Command::Reserve(reserve)),
        8 => take(Command::Replace(Replace { old: reservation, new: reserve })),
        9 | 10 => take(Command::Confirm(reservation)),
        11 => take(Command::Release(Release {
            reservation,
            lines: if dice.flag { Lines::NONE } else { Lines::Slice(&lines) },
        })),
        12 => take(Command::Extend(Extend { reservation, ttl_ms: word_32 })),
        13..=15 => take(Command::Ship(Ship { reservation, source, lines: Lines::Slice(&lines), forced })),
        16..=18 => take(Command::Sell(Sell {
            target,
            source,
            lines: Lines::Slice(&lines),
            forced,
            owner: 0,
            reference: "",
        })),
        19 | 20 => {
            let kinds = [PartKind::Unshipped, PartKind::Returned(source), PartKind::WrittenOff(SourceId(c))];
            let parts: Vec<RefundPart> = lines
                .iter()
                .zip(kinds.iter().cycle().skip(pick))
                .map(|(line, kind)| RefundPart { sku: line.sku, quantity: line.quantity, kind: *kind })
                .collect();
            take(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }));
        }
        43 | 44 => {
            let mut lines = lines;
            if dice.flag {
                lines[0].quantity = Quantity::ZERO;
            }
            take(Command::Amend(Amend { reservation, lines }));
        }
        45 | 46 => take(Command::Unship(Unship { reservation, source, lines })),
        48..=52 => take(bulk_command(dice, &lines)),
        53 => take(Command::PlaceFailed(PlaceFailed { order: "order".into(), placement: reservation })),
        54 | 55 => take(Command::OrderPlaced(Placement(Reserve { best_effort: false, ..reserve }))),
        56.. => take(order_command(dice, &lines)),
        _ => take(cold_command(dice, &lines)),
    }
}

fn order_command(dice: &Dice, lines: &[Line]) -> Command<'static> {
    let [a, b, c, _] = dice.ids;
    let (order, stock, source) = ("order".to_owned(), StockId(a), SourceId(b));
    if dice.kind == 62 {
        let event = EventKind::ALL[usize::try_from(dice.word % 7).unwrap()];
        let row = |line: &Line| {
            let raw = line.quantity.raw();
            let quantity = Quantity::from_raw(if dice.flag { -raw } else { raw }).unwrap();
            let order = if c == 0 { String::new() } else { order.clone() };
            SignedRow { order, event, stock, sku: line.sku, quantity }
        };
        return Command::AppendReservations(AppendReservations { rows: lines.iter().map(row).collect() });
    }
    if dice.kind == 63 {
        let state = OrderState::ALL[usize::try_from(dice.word % 5).unwrap()];
        let line = |line: &Line| ExpectedLine { stock, sku: line.sku, quantity: line.quantity };
        let lines = dice.flag.then(|| lines.iter().take(1).map(line).collect());
        return Command::OrderState(Box::new(OrderStateReport { order, state, lines }));
    }
    let actions = [
        OrderAction::Cancel,
        OrderAction::Ship,
        OrderAction::Invoice,
        OrderAction::Refund,
        OrderAction::Compensate,
        OrderAction::Unship,
    ];
    let action = actions[dice.kind - 56];
    let line = |line: &Line| EventLine {
        sku: line.sku,
        stock: (c != 1).then_some(stock),
        quantity: if action == OrderAction::Compensate && dice.raw < 0 {
            Quantity::from_raw(-line.quantity.raw()).unwrap()
        } else {
            line.quantity
        },
        is_returned: dice.flag && action == OrderAction::Refund,
    };
    let has_source = matches!(action, OrderAction::Ship | OrderAction::Unship);
    Command::OrderEvent(Box::new(OrderEvent {
        order,
        action,
        document: String::new(),
        source: has_source.then_some(source),
        lines: lines.iter().map(line).collect(),
        forced: dice.flag && matches!(action, OrderAction::Ship | OrderAction::Compensate),
        ttl_ms: None,
    }))
}

fn bulk_command(dice: &Dice, lines: &[Line]) -> Command<'static> {
    let [a, b, c, d] = dice.ids;
    let skus = vec![SkuId(c), SkuId(a), SkuId(c)];
    let (from, sources, reason) = (SourceId(b), vec![SourceId(b), SourceId(d)], String::new());
    let (to, forced) = (SourceId(b ^ 1), dice.word.is_multiple_of(2));
    match dice.kind {
        48 => {
            let quantity = Quantity::from_raw(dice.raw).unwrap();
            let in_stock = dice.flag.then_some(forced);
            let counted = |sku| CountLine { sku, source: from, quantity, in_stock };
            let skus: BTreeSet<SkuId> = skus.into_iter().collect();
            let lines = skus.into_iter().map(counted).collect();
            Command::CountMany(Box::new(CountMany { lines, reason, reference: String::new() }))
        }
        49 => Command::Assign(Box::new(Assign { skus, sources, reason })),
        50 => Command::Unassign(Box::new(Unassign { skus, sources, forced, reason })),
        51 => {
            let unassign = dice.flag;
            Command::TransferMany(Box::new(TransferMany { from, to, skus, unassign, forced, reason }))
        }
        _ => Command::TransferLines(Box::new(TransferLines {
            from,
            to,
            lines: lines.to_vec(),
            forced,
            reason,
        })),
    }
}

fn cold_command(dice: &Dice, lines: &[Line]) -> Command<'static> {
    let [a, b, c, _] = dice.ids;
    let (stock, source, sku) = (StockId(a), SourceId(b), SkuId(c));
    let amount = Quantity::from_raw(dice.raw).unwrap();
    let (reason, reference) = (String::from("why"), String::new());
    match dice.kind {
        21..=23 => {
            let in_stock = dice.flag.then_some(dice.word.is_multiple_of(3));
            Command::Count(Count { source, sku, quantity: amount, in_stock, reason, reference })
        }
        24 => {
            let delta = if dice.raw == 0 { Quantity::MAX } else { amount };
            Command::Adjust(Adjust { source, sku, delta, reason, reference })
        }
        25 => {
            let to = SourceId(b ^ 1);
            Command::Transfer(Transfer { from: source, to, lines: lines.to_vec(), reason })
        }
        26 => Command::DefineSource(Box::new(source_of(b % 4, dice.flag))),
        27 => Command::DefineStock(StockDefinition { name: format!("stock {}", a % 4) }),
        28 => {
            let kind = if dice.word == 0 { SkuKind::Composite } else { SkuKind::Simple };
            Command::DefineSku(SkuDefinition { sku: format!("SKU-{}", c % 4), kind, decimals: dice.flag })
        }
        29 | 30 => Command::Link(LinkDefinition { stock, source, priority: 1 }),
        31 => Command::Unlink(LinkRemoval { stock, source }),
        32 => Command::Channel(ChannelAssignment { channel_type: "site".into(), code: "eu".into(), stock }),
        33..=35 => Command::Settings(Box::new(settings_of(dice, amount))),
        36 => {
            let limit = dice.flag.then_some(if dice.raw < 0 { Quantity::ZERO } else { amount });
            Command::Quota(QuotaChange { sku, stock, limit })
        }
        37 => Command::Configure(Box::new(Configure {
            sharing: Some(if dice.flag { Sharing::Exact } else { Sharing::Independent }),
            ttl_max_ms: (b == 1).then_some(dice.word),
            late_confirm_window_ms: (c == 1).then_some(dice.word),
            id_retention_ms: (c == 2).then_some(dice.word),
            outcome_bytes_max: (a == 2).then_some(dice.word),
            reservations_max: (b == 2).then_some(dice.word),
            gap_max_ms: (a == 1).then_some(dice.word),
            ..Configure::default()
        })),
        38 if dice.flag => Command::Mark(Mark::new(["here", "auto/here"][usize::from(a == 0)])),
        38 => Command::Unmark(MarkRemoval { name: "here".into() }),
        39 if dice.word.is_multiple_of(2) => {
            Command::BeginEpoch(EpochStart { epoch: dice.word, restored: dice.flag })
        }
        39 => Command::WallOffset(dice.raw),
        41 => Command::Rename(Rename {
            number: a,
            to: match dice.word % 4 {
                0 => Name::Sku(format!("SKU-{}", c % 4)),
                1 => Name::Stock(format!("stock {}", b % 4)),
                2 => Name::Source(source_of(b % 4, true).code),
                _ => Name::Channel("site".into(), if dice.flag { "eu" } else { "us" }.into()),
            },
        }),
        42 if dice.word > 3 => Command::Freeze(Freeze {
            scope: if dice.flag { FreezeScope::Stock(stock) } else { FreezeScope::Channel(ChannelId(c % 4)) },
            frozen: dice.raw >= 0,
        }),
        47 => Command::Notify(Notify {
            sku,
            source,
            is_set: !dice.flag || dice.raw >= 0,
            threshold: (dice.raw >= 0).then_some(amount),
        }),
        40 => Command::AcceptClock(Timestamp(dice.word)),
        _ => Command::ActivateRules(a),
    }
}

fn source_of(number: u32, enabled: bool) -> SourceDefinition {
    SourceDefinition {
        code: format!("A{number}"),
        name: format!("A{number}"),
        enabled,
        country: "DE".into(),
        postcode: "1".into(),
        ..SourceDefinition::default()
    }
}

fn settings_of(dice: &Dice, amount: Quantity) -> SettingsChange {
    let [a, b, c, _] = dice.ids;
    let scope = match b {
        0 => SettingScope::Global,
        1 => SettingScope::Sku(SkuId(c)),
        _ => SettingScope::SkuStock(SkuId(c), StockId(a)),
    };
    let positive = Quantity::from_raw(dice.raw.saturating_abs().max(1)).unwrap();
    let mut change = SettingsChange::at(scope);
    change.max_sale_qty = Change::Set(Quantity::ZERO);
    match dice.word % 6 {
        5 => {
            change.frozen = Change::Set(dice.flag && b > 1);
            change.opens_at = Change::Set(Timestamp(dice.word.min(Timestamp::MAX.0)));
        }
        0 => change.min_qty = Change::Set(amount),
        1 => change.qty_increments = Change::Set(positive),
        2 => change.manage_stock = Change::Set(dice.flag),
        3 => change.min_sale_qty = Change::Set(positive),
        _ => {
            change.backorders = Change::Set(BackorderMode::Allow);
            change.enable_qty_increments = Change::Set(dice.flag);
        }
    }
    change
}

/// A machine with a catalog and goods.
fn machine_with_goods() -> (Machine, Vec<u8>) {
    let mut machine = Machine::new(&Genesis::default());
    let mut record = Vec::new();
    let mut made = 0;
    let mut send = |command: Command<'_>| {
        made += 1;
        record.clear();
        Envelope::new(CommandId::from_parts(0, made), command).encode(&mut record).unwrap();
        machine.apply(Timestamp(0), &record);
    };
    for number in 0..3 {
        send(Command::DefineSource(Box::new(source_of(number, true))));
        send(Command::DefineStock(StockDefinition { name: format!("stock {number}") }));
        let sku = format!("SKU-{number}");
        send(Command::DefineSku(SkuDefinition { sku, kind: SkuKind::Simple, decimals: true }));
    }
    for (stock, source) in [(0, 0), (0, 1), (1, 1), (2, 2)] {
        send(Command::Link(LinkDefinition { stock: StockId(stock), source: SourceId(source), priority: 1 }));
    }
    let mut settings = SettingsChange::at(SettingScope::Global);
    settings.max_sale_qty = Change::Set(Quantity::ZERO);
    settings.min_sale_qty = Change::Set(Quantity::ZERO);
    send(Command::Settings(Box::new(settings)));
    for (sku, source) in (0..3).flat_map(|sku| (0..3).map(move |source| (sku, source))) {
        let quantity = Quantity::units(if sku == 2 { 100_000_000_000 } else { 300_000_000 }).unwrap();
        let (sku, source) = (SkuId(sku), SourceId(source));
        let (reason, reference) = (String::new(), String::new());
        send(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
    }
    (machine, record)
}

fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![
        30 => Just(0_u64),
        20 => 0_u64..10_000,
        4 => Just(86_400_000_u64),
        1 => Just(u64::MAX),
        1 => any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_an_outcome(
        records in proptest::collection::vec((any::<u64>(), proptest::collection::vec(any::<u8>(), 0..120)), 1..20),
    ) {
        // Proves that random bytes give an outcome, whether or not their length and their kind are valid.
        let (mut machine, _) = machine_with_goods();
        for (at, (time, mut record)) in records.into_iter().enumerate() {
            if let [low, high, kind, ..] = record.as_mut_slice() && at % 2 == 0 {
                *kind = Kind::ALL[usize::from(*kind) % Kind::ALL.len()].code();
                (*low, *high) = (0, 0);
                let length = u16::try_from(record.len()).unwrap().to_le_bytes();
                record[..2].copy_from_slice(&length);
            }
            let op = machine.op();
            let outcome = machine.apply(Timestamp(time), &record);
            prop_assert_eq!(outcome.op, op + 1);
            prop_assert_eq!(machine.validate(), Vec::<String>::new());
        }
    }

    #[test]
    fn broken_records_get_an_outcome(
        dice in dice(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        // Proves the same for records that are nearly valid: one byte changed, or the end cut off.
        let (mut machine, mut record) = machine_with_goods();
        record.clear();
        with_command(&dice, &[], &mut |command| {
            Envelope::new(CommandId::from_parts(0, 77_777), command).encode(&mut record).unwrap();
        });
        let at = at.index(record.len());
        if cut {
            record.truncate(at);
        } else {
            record[at] ^= byte;
        }
        machine.apply(Timestamp(1), &record);
        prop_assert_eq!(machine.validate(), Vec::<String>::new());
    }

    #[test]
    fn extreme_numbers_break_nothing(
        steps in proptest::collection::vec((pauses(), dice()), 1..100),
    ) {
        // Proves that commands with extreme quantities, times and numbers give outcomes, that the state
        // stays valid, and that it can be loaded from its own snapshot.
        let (mut machine, mut record) = machine_with_goods();
        record.clear();
        let start = Command::BeginEpoch(EpochStart { epoch: 2, restored: true });
        Envelope::new(CommandId::NONE, start).encode(&mut record).unwrap();
        machine.apply(Timestamp(0), &record);
        let mut made = Vec::new();
        let mut now = Timestamp(0);
        for (serial, (pause, dice)) in (0_u128..).zip(steps) {
            now = Timestamp(now.0.saturating_add(pause)).min(Timestamp(Timestamp::MAX.0));
            // Every fourth command was undone, and some of these have ids that are too old.
            let is_undone = dice.word % 4 == 3;
            let sent = if is_undone && dice.flag { 0 } else { now.0 };
            let id = CommandId::from_parts(sent, 1_000 + serial);
            record.clear();
            with_command(&dice, &made, &mut |command| {
                Envelope::new(id, command).encode(&mut record).unwrap();
            });
            if is_undone && !Envelope::decode(&record).unwrap().command.is_of_servers() {
                let op = 1_000_000 + u64::try_from(serial).unwrap();
                let readmit = Readmit { epoch: 2, op, actor: "shop".into(), record: record.clone() };
                record.clear();
                Envelope::new(id, Command::Readmit(readmit)).encode(&mut record).unwrap();
            }
            let outcome = machine.apply(now, &record);
            if outcome.code.is_success() && dice.kind <= 18 {
                made.push(id);
            }
            prop_assert_eq!(machine.validate(), Vec::<String>::new());
            let again = machine.apply(now, &record);
            prop_assert!(again.replayed || !outcome.recorded, "{:?} then {:?}", outcome, again);
            prop_assert_eq!(machine.validate(), Vec::<String>::new());
        }
        let mark = machine.begin_snapshot();
        let mut loader = Machine::loader();
        let mut sink = |section: u16, records: u32, bytes: &[u8]| {
            assert_eq!(loader.section(section, records, bytes), Ok(()));
        };
        while machine.snapshot_step(100, &mut sink) == stockhold_machine::table::Progress::More {}
        let loaded = loader.finish(&mark);
        prop_assert_eq!(loaded.map(|loaded| loaded.validate()), Ok(Vec::new()));
    }
}
