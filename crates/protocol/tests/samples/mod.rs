//! One fixed value of everything that has an encoding, for the golden files and the limits. Random values are in
//! `random_values`.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

mod answers;
mod catalog;

pub(crate) use answers::{answers, queries};
pub(crate) use catalog::catalog_commands;

use stockhold_protocol::command::{
    Extend, KeyHash, Mark, PartKind, Parts, Placement, Refund, RefundPart, Release, Replace, Reserve, Sell,
    Ship, Target,
};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{
    ChannelId, Code, Command, CommandId, Detail, Envelope, Line, Lines, Offender, Outcome, Quantity,
    ReservationId, SkuId, SourceId, StockId,
};

/// A quantity in ten-thousandths.
pub(crate) fn raw(raw: i64) -> Quantity {
    Quantity::from_raw(raw).unwrap()
}

/// An id that differs by `number`.
pub(crate) fn id(number: u128) -> CommandId {
    CommandId::from_parts(1_763_800_000_123, number)
}

/// The reservation that the samples refer to.
pub(crate) fn reservation() -> ReservationId {
    ReservationId(id(0x0A))
}

const NARROW: [Line; 2] = [Line::new(SkuId(7), Quantity::ZERO), Line::new(SkuId(9), Quantity::ZERO)];

fn narrow() -> [Line; 2] {
    let [mut one, mut two] = NARROW;
    (one.quantity, two.quantity) = (raw(20_000), raw(u32::MAX.into()));
    [one, two]
}

fn wide() -> [Line; 2] {
    let [one, mut two] = narrow();
    two.quantity = raw(i64::from(u32::MAX) + 1);
    [one, two]
}

fn plain(lines: &[Line]) -> Reserve<'_> {
    Reserve {
        target: Target::Stock(StockId(1)),
        lines: Lines::Slice(lines),
        best_effort: false,
        ttl_ms: None,
        owner: 0,
        reference: "",
    }
}

fn full(lines: &[Line]) -> Reserve<'_> {
    Reserve {
        target: Target::Channel(ChannelId(2)),
        lines: Lines::Slice(lines),
        best_effort: true,
        ttl_ms: Some(900_000),
        owner: 0x0102_0304_0506_0708,
        reference: "100000123",
    }
}

fn placed(lines: &[Line]) -> Reserve<'_> {
    Reserve { best_effort: false, ..full(lines) }
}

fn record(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).unwrap();
    bytes
}

/// Every command kind, the hot ones in several shapes: name and record.
pub(crate) fn commands() -> Vec<(String, Vec<u8>)> {
    let (narrow, wide) = (narrow(), wide());
    let one = &narrow[..1];
    let parts = [
        RefundPart { sku: SkuId(7), quantity: raw(10_000), kind: PartKind::Unshipped },
        RefundPart { sku: SkuId(7), quantity: raw(5_000), kind: PartKind::Returned(SourceId(3)) },
        RefundPart { sku: SkuId(9), quantity: raw(1), kind: PartKind::WrittenOff(SourceId(4)) },
    ];
    let old = reservation();
    let source = SourceId(3);
    let mut hot = vec![
        ("reserve_plain", Command::Reserve(plain(one))),
        ("reserve_full", Command::Reserve(full(&narrow))),
        ("reserve_hold", Command::Reserve(Reserve { ttl_ms: Some(900_000), ..plain(one) })),
        ("reserve_wide", Command::Reserve(plain(&wide))),
        ("confirm", Command::Confirm(old)),
        ("release_all", Command::Release(Release { reservation: old, lines: Lines::NONE })),
        ("release_lines", Command::Release(Release { reservation: old, lines: Lines::Slice(&narrow) })),
        ("extend", Command::Extend(Extend { reservation: old, ttl_ms: 60_000 })),
        ("replace", Command::Replace(Replace { old, new: full(&wide) })),
        ("ship", Command::Ship(Ship { reservation: old, source, lines: Lines::Slice(one), forced: false })),
        (
            "ship_forced",
            Command::Ship(Ship { reservation: old, source, lines: Lines::Slice(&wide), forced: true }),
        ),
        ("refund", Command::Refund(Refund { reservation: old, parts: Parts::Slice(&parts) })),
    ];
    let target = Target::Stock(StockId(1));
    let sale = Sell { target, source, lines: Lines::Slice(one), forced: false, owner: 0, reference: "" };
    let till = Target::Channel(ChannelId(2));
    hot.push(("sell_plain", Command::Sell(sale.clone())));
    hot.push((
        "sell_forced",
        Command::Sell(Sell { target: till, forced: true, owner: 5, reference: "till 4", ..sale }),
    ));
    let fresh = Envelope::fresh(id(0xF), Command::Reserve(plain(one)));
    let key: [u8; 16] = std::array::from_fn(|at| 0xA0 | u8::try_from(at).unwrap());
    let key = Some(KeyHash(&key));
    let keyed = Envelope { key, ..Envelope::new(id(0x10), Command::Reserve(plain(one))) };
    let mark = Command::Mark(Mark::new("before the sale"));
    let keyed_mark = Envelope { key, ..Envelope::fresh(id(0x11), mark) };
    let mut records = vec![
        ("command_reserve_fresh".to_owned(), record(&fresh)),
        ("command_reserve_key".to_owned(), record(&keyed)),
        ("command_mark_key".to_owned(), record(&keyed_mark)),
    ];
    let hot = hot.into_iter().map(|(name, command)| (name.to_owned(), command));
    let cold = catalog_commands().into_iter();
    let placed = ("order_placed".to_owned(), Command::OrderPlaced(Placement(placed(&narrow))));
    for (number, (name, command)) in (1..).zip(hot.chain(cold).chain([placed])) {
        let id = if command == Command::Tick { CommandId::NONE } else { id(number) };
        records.push((format!("command_{name}"), record(&Envelope::new(id, command))));
    }
    records
}

/// Every shape of outcome: name and value.
pub(crate) fn outcomes() -> Vec<(&'static str, Outcome)> {
    let refused = |code, detail| Outcome::new(code, 0, 77).with(detail);
    let lines =
        [(7, 20_000), (9, 0)].map(|(sku, quantity)| GrantedLine { sku: SkuId(sku), quantity: raw(quantity) });
    let granted = Detail::Granted { lines: lines.to_vec(), backordered: raw(10_000) };
    let available = Detail::Available { sku: SkuId(7), available: raw(15_000) };
    let item = Detail::Item { on_hand: raw(-5_000), version: 4, shortfall: raw(30_000) };
    let field = Detail::Field { field: "lines".into(), rule: "must hold at least one entry".into() };
    let bound = Detail::Bound { sku: SkuId(7), bound: raw(50_000), value: raw(60_000) };
    let range = Detail::Range { min: 1_000, max: 86_400_000, value: 999 };
    let offender = |sku, code: Code, bound, value| Offender {
        sku: SkuId(sku),
        source: SourceId(3),
        code: code.number(),
        bound: raw(bound),
        value: raw(value),
    };
    let first =
        vec![offender(7, Code::NotEnoughAtSource, 20_000, 30_000), offender(9, Code::NoSourceItem, 0, 0)];
    let offenders = Detail::Offenders { count: 2, first };
    let limit = Detail::Limit { name: "reservations_max".into(), value: 50_000_000 };
    vec![
        ("plain", Outcome::new(Code::Ok, 1_763_800_900, 77)),
        ("replayed", Outcome { replayed: true, ..Outcome::new(Code::Ok, 1_763_800_900, 77) }),
        ("edge_refusal", Outcome { recorded: false, ..Outcome::new(Code::SoldOut, 0, 77) }),
        ("busy", Outcome::new(Code::Busy, 20, 77)),
        ("granted", Outcome::new(Code::Partial, 0, 77).with(granted)),
        ("backordered", Outcome::new(Code::Ok, 0, 77).with(Detail::Backordered(raw(20_000)))),
        ("available", refused(Code::SoldOut, available)),
        ("sources", refused(Code::NeededElsewhere, Detail::Sources(vec![SourceId(3), SourceId(4)]))),
        ("shortfall", refused(Code::Ok, Detail::Shortfall(raw(20_000)))),
        ("item", refused(Code::Ok, item)),
        ("field", refused(Code::BadField, field)),
        ("bound", refused(Code::AboveMaxSale, bound)),
        ("range", refused(Code::TtlOutOfRange, range)),
        ("limit", refused(Code::LimitReached, limit)),
        ("sku", refused(Code::NotAssigned, Detail::Sku(SkuId(7)))),
        ("offenders", refused(Code::NotEnoughAtSource, offenders)),
    ]
}
