//! The commands of the golden directories: a shop of two stocks over two sources, and sixty commands of every kind.
//!
//! These commands are part of the golden files, because an old directory is asked with them again. Any change here
//! requires writing all golden files again. Later commands get a file of their own.

use crate::crash_images::world::{START_MS, World, id};
use stockhold_protocol::command::{BackorderMode, Change, PartKind, Parts};
use stockhold_protocol::command::{
    ChannelAssignment, Count, Extend, LinkDefinition, Mark, QuotaChange, Refund, RefundPart, Release, Rename,
    Replace, Reserve, Sell, SettingScope, SettingsChange, Ship, SkuDefinition, SourceDefinition,
    StockDefinition, Target,
};
use stockhold_protocol::line::Lines;
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    ChannelId, Code, Command, Envelope, Line, Outcome, Quantity, ReservationId, SkuId, SourceId, StockId,
};

/// The number of commands of the sale.
pub(crate) const SALE: u64 = 60;
const SPAN_MS: u64 = 400;

/// The time of the id and of sending the command of this number.
pub(crate) fn time_of(number: u64) -> u64 {
    START_MS + number * SPAN_MS
}

fn units(count: i64) -> Quantity {
    Quantity::units(count).unwrap()
}

fn reservation(number: u64) -> ReservationId {
    ReservationId(id(time_of(number), number))
}

fn cart(target: Target, lines: &[Line]) -> Reserve<'_> {
    Reserve { target, lines: Lines::Slice(lines), best_effort: false, ttl_ms: None, owner: 0, reference: "" }
}

/// The command of this number, always the same. Twelve kinds of steps repeat.
pub(crate) fn with_command<T>(number: u64, then: impl FnOnce(Envelope<'_>) -> T) -> T {
    let (web, shop) = (Target::Channel(ChannelId(0)), Target::Stock(StockId(1)));
    let sku = SkuId(u32::try_from(number / 12 % 4).unwrap());
    let one = [Line::new(sku, units(1))];
    let three = [Line::new(sku, units(3))];
    let two_lines = [Line::new(SkuId(0), units(2)), Line::new(SkuId(1), units(1))];
    let greedy = [Line::new(sku, units(17))];
    let parts = [RefundPart { sku: SkuId(1), quantity: units(1), kind: PartKind::Unshipped }];
    let before = |steps: u64| reservation(number.saturating_sub(steps));
    let command = match number % 12 {
        0 => {
            let reference = "order 100-7";
            Command::Reserve(Reserve { ttl_ms: Some(600_000), owner: 9, reference, ..cart(web, &three) })
        }
        1 => Command::Confirm(before(1)),
        2 => Command::Reserve(cart(shop, &two_lines)),
        3 => Command::Ship(Ship {
            reservation: before(1),
            source: SourceId(0),
            lines: Lines::Slice(&two_lines[..1]),
            forced: false,
        }),
        4 => Command::Reserve(Reserve { best_effort: true, ..cart(shop, &greedy) }),
        // These expire during the sale.
        5 => Command::Reserve(Reserve { ttl_ms: Some(1_000), ..cart(web, &one) }),
        6 => Command::Release(Release { reservation: before(2), lines: Lines::Slice(&one) }),
        7 => Command::Reserve(Reserve { ttl_ms: Some(900_000), ..cart(shop, &three) }),
        8 => Command::Extend(Extend { reservation: before(1), ttl_ms: 1_800_000 }),
        9 => Command::Replace(Replace {
            old: before(2),
            new: Reserve { ttl_ms: Some(900_000), ..cart(shop, &one) },
        }),
        10 => Command::Sell(Sell {
            target: shop,
            source: SourceId(1),
            lines: Lines::Slice(&one),
            forced: false,
            owner: 0,
            reference: "receipt 7",
        }),
        _ => Command::Refund(Refund { reservation: before(9), parts: Parts::Slice(&parts) }),
    };
    then(Envelope::new(id(time_of(number), number), command))
}

/// Defines what is sold.
pub(crate) fn open_shop(world: &mut World) {
    let mut commands = Vec::new();
    let mut done = |command: Command<'static>| {
        let number = 1_000_001 + u64::try_from(commands.len()).unwrap();
        commands.push(Envelope::new(id(START_MS, number), command));
    };
    for (code, name) in [("north", "North"), ("south", "South")] {
        let (country, postcode) = ("NL".into(), "1".into());
        let source = SourceDefinition {
            code: code.into(),
            name: name.into(),
            enabled: true,
            country,
            postcode,
            ..SourceDefinition::default()
        };
        done(Command::DefineSource(Box::new(source)));
    }
    for name in ["web", "shop"] {
        done(Command::DefineStock(StockDefinition { name: name.into() }));
    }
    for (stock, source) in [(0, 1), (1, 0), (1, 1)] {
        let (stock, source) = (StockId(stock), SourceId(source));
        done(Command::Link(LinkDefinition { stock, source, priority: 1 }));
    }
    done(Command::Channel(ChannelAssignment {
        channel_type: "website".into(),
        code: "base".into(),
        stock: StockId(0),
    }));
    for sku in 0..4 {
        let decimals = sku == 2;
        done(Command::DefineSku(SkuDefinition {
            sku: format!("SKU {sku}"),
            decimals,
            ..SkuDefinition::default()
        }));
        for source in [SourceId(0), SourceId(1)] {
            let sku = SkuId(sku);
            let (reason, reference) = ("first count".into(), "2025-11".into());
            done(Command::Count(Count {
                source,
                sku,
                quantity: units(12),
                in_stock: None,
                reason,
                reference,
            }));
        }
    }
    let backorders = SettingsChange {
        backorders: Change::Set(BackorderMode::AllowAndNotify),
        min_qty: Change::Set(units(-5)),
        ..SettingsChange::at(SettingScope::Sku(SkuId(3)))
    };
    done(Command::Settings(Box::new(backorders)));
    done(Command::Quota(QuotaChange { sku: SkuId(1), stock: StockId(1), limit: Some(units(9)) }));
    done(Command::Mark(Mark::new("opened")));
    done(Command::Rename(Rename { number: 1, to: Name::Stock("store".into()) }));
    assert!(world.call(&commands).iter().all(|outcome| outcome.code == Code::Ok));
}

/// Plays commands of the sale, this many in a batch. Returns their outcomes.
pub(crate) fn play(
    world: &mut World,
    numbers: std::ops::RangeInclusive<u64>,
    batch: usize,
) -> Vec<(u64, Outcome)> {
    let mut outcomes = Vec::new();
    let numbers: Vec<u64> = numbers.collect();
    for batch in numbers.chunks(batch) {
        world.time.advance_ms(SPAN_MS * u64::try_from(batch.len()).unwrap());
        let requests: Vec<_> = batch
            .iter()
            .map(|number| (*number, with_command(*number, |command| world.hand_in(&[command]))))
            .collect();
        world.run();
        for (number, request) in requests {
            outcomes.push((number, world.outcomes(request, 1).expect("answered").remove(0)));
        }
    }
    outcomes
}
