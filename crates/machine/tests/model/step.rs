//! What a random life consists of: steps, how they are drawn, and the command that each stands for.

use proptest::prelude::*;
use stockhold_protocol::command::{
    Adjust, BackorderMode, Change, Configure, Count, Extend, LinkDefinition, LinkRemoval, PartKind, Parts,
    QuotaChange, Refund, RefundPart, Release, Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing,
    Ship, SourceDefinition, Target, Transfer,
};
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::{
    Command, CommandId, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
};

pub(crate) const SOURCES: u32 = 5;
pub(crate) const STOCKS: u32 = 4;
pub(crate) const SKUS: u32 = 3;
/// All quantities are multiples of half a unit, so that the model can try them one by one.
pub(crate) const HALF: i64 = QUANTITY_SCALE / 2;

/// (SKU, half units).
pub(crate) type Wanted = Vec<(u32, i64)>;

/// A cart as a reserve or a replace sends it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cart {
    pub(crate) stock: u32,
    pub(crate) lines: Wanted,
    pub(crate) best_effort: bool,
    pub(crate) ttl_ms: Option<u32>,
    pub(crate) owner: u64,
}

/// One setting at one level: of a SKU or of all, in a stock or in all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) sku: Option<u32>,
    pub(crate) stock: Option<u32>,
    pub(crate) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    ManageStock(Option<bool>),
    Backorders(Option<bool>),
    MinQty(Option<i64>),
    MinSale(Option<i64>),
    MaxSale(Option<i64>),
    /// Enabled with this increment, or inherited.
    Increments(Option<i64>),
}

/// What becomes of the units of a refund part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Unshipped,
    Returned(u32),
    Lost(u32),
}

/// One step. Reservations are picked from those that steps before have tried to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Reserve(Cart),
    Replace(usize, Cart),
    Confirm(usize),
    Release(usize, Wanted),
    Extend(usize, u32),
    Ship(usize, u32, Wanted, bool),
    Sell(u32, u32, Wanted, bool),
    Refund(usize, Vec<(u32, i64, Fate)>),
    Count(u32, u32, i64, Option<bool>),
    Adjust(u32, u32, i64),
    Transfer(u32, u32, Wanted),
    Enable(u32, bool),
    Link(u32, u32, u16),
    Unlink(u32, u32),
    Setting(Setting),
    Quota(u32, u32, Option<i64>),
    Sharing(bool),
    Tick,
    /// An earlier command again; with another body if so.
    Retry(usize, bool),
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let quantity = prop_oneof![16 => (1_i64..7).prop_map(|units| units * 2), 1 => 1_i64..9, 2 => 10_i64..60];
    proptest::collection::vec((prop_oneof![80 => 0..SKUS, 1 => Just(SKUS)], quantity), 1..4)
}

fn stock() -> impl Strategy<Value = u32> {
    prop_oneof![60 => 0..STOCKS, 1 => Just(STOCKS)]
}

fn source() -> impl Strategy<Value = u32> {
    prop_oneof![60 => 0..SOURCES, 1 => Just(SOURCES)]
}

fn ttl() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        3 => Just(None),
        4 => Just(Some(5_000)),
        4 => (1_000_u32..120_000).prop_map(Some),
        1 => Just(Some(3_600_000)),
        1 => prop_oneof![4 => Just(Some(3_600_000)), 1 => Just(Some(0)), 1 => Just(Some(999)), 1 => Just(Some(3_600_001))],
    ]
}

fn cart() -> impl Strategy<Value = Cart> {
    let owner = prop_oneof![6 => Just(0_u64), 1 => Just(7_u64)];
    (stock(), wanted(), proptest::bool::weighted(0.3), ttl(), owner).prop_map(
        |(stock, lines, best_effort, ttl_ms, owner)| Cart { stock, lines, best_effort, ttl_ms, owner },
    )
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![Just(Fate::Unshipped), source().prop_map(Fate::Returned), source().prop_map(Fate::Lost)]
}

fn setting() -> impl Strategy<Value = Setting> {
    let halves =
        |least: i64, most: i64| proptest::option::weighted(0.7, (least..most).prop_map(|units| units * 2));
    let value = prop_oneof![
        1 => proptest::option::of(any::<bool>()).prop_map(Value::ManageStock),
        2 => proptest::option::of(any::<bool>()).prop_map(Value::Backorders),
        4 => halves(-6, 4).prop_map(Value::MinQty),
        1 => halves(0, 3).prop_map(Value::MinSale),
        1 => halves(0, 9).prop_map(Value::MaxSale),
        1 => proptest::option::weighted(0.4, 1_i64..6).prop_map(Value::Increments),
    ];
    (proptest::option::weighted(0.9, 0..SKUS), proptest::option::of(0..STOCKS), value)
        .prop_map(|(sku, stock, value)| Setting { sku, stock: sku.and(stock), value })
}

/// One step of a life.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let pick = || 0_usize..64;
    prop_oneof![
        30 => cart().prop_map(Step::Reserve),
        8 => (pick(), cart()).prop_map(|(old, cart)| Step::Replace(old, cart)),
        8 => pick().prop_map(Step::Confirm),
        7 => (pick(), prop_oneof![2 => Just(Vec::new()), 3 => wanted()]).prop_map(|(of, lines)| Step::Release(of, lines)),
        4 => (pick(), ttl()).prop_map(|(of, ttl)| Step::Extend(of, ttl.unwrap_or(60_000))),
        10 => (pick(), source(), wanted(), proptest::bool::weighted(0.2))
            .prop_map(|(of, source, lines, forced)| Step::Ship(of, source, lines, forced)),
        5 => (stock(), source(), wanted(), proptest::bool::weighted(0.3))
            .prop_map(|(stock, source, lines, forced)| Step::Sell(stock, source, lines, forced)),
        7 => (pick(), proptest::collection::vec((0..SKUS, 1_i64..7, fate()), 1..4))
            .prop_map(|(of, parts)| Step::Refund(of, parts)),
        6 => (source(), 0..SKUS, -4_i64..30, proptest::option::weighted(0.3, any::<bool>()))
            .prop_map(|(source, sku, quantity, in_stock)| Step::Count(source, sku, quantity, in_stock)),
        5 => (source(), 0..SKUS, prop_oneof![-12_i64..0, 1_i64..20])
            .prop_map(|(source, sku, delta)| Step::Adjust(source, sku, delta)),
        4 => (0..SOURCES, 1..SOURCES, wanted())
            .prop_map(|(from, by, lines)| Step::Transfer(from, (from + by) % SOURCES, lines)),
        3 => (0..SOURCES, any::<bool>()).prop_map(|(source, enabled)| Step::Enable(source, enabled)),
        3 => (0..STOCKS, 0..SOURCES, 1_u16..4).prop_map(|(stock, source, priority)| Step::Link(stock, source, priority)),
        2 => (0..STOCKS, 0..SOURCES).prop_map(|(stock, source)| Step::Unlink(stock, source)),
        6 => setting().prop_map(Step::Setting),
        4 => (0..SKUS, 0..STOCKS, proptest::option::weighted(0.7, 0_i64..20))
            .prop_map(|(sku, stock, limit)| Step::Quota(sku, stock, limit)),
        1 => proptest::bool::weighted(0.3).prop_map(Step::Sharing),
        1 => Just(Step::Tick),
        10 => (any::<usize>(), proptest::bool::weighted(0.2)).prop_map(|(which, other)| Step::Retry(which, other)),
    ]
}

/// How much time passes before a step, in milliseconds.
pub(crate) fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![
        40 => Just(0_u64),
        20 => 1_u64..3_000,
        6 => 3_000_u64..60_000,
        1 => 60_000_u64..700_000,
        1 => 700_000_u64..1_200_000,
    ]
}

pub(crate) fn quantity(halves: i64) -> Quantity {
    Quantity::from_raw(halves * HALF).expect("small")
}

fn lines_of(wanted: &Wanted) -> Vec<Line> {
    wanted.iter().map(|(sku, halves)| Line::new(SkuId(*sku), quantity(*halves))).collect()
}

fn reserve_of<'a>(cart: &Cart, lines: &'a [Line]) -> Reserve<'a> {
    Reserve {
        target: Target::Stock(StockId(cart.stock)),
        lines: Lines::Slice(lines),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms,
        owner: cart.owner,
        reference: "",
    }
}

/// Gives the command of a step, which names `named` where it names a reservation, to `take`.
pub(crate) fn with_command(step: &Step, named: CommandId, take: &mut dyn FnMut(Command<'_>)) {
    let reservation = ReservationId(named);
    match step {
        Step::Reserve(cart) => take(Command::Reserve(reserve_of(cart, &lines_of(&cart.lines)))),
        Step::Replace(_, cart) => {
            let lines = lines_of(&cart.lines);
            let new = reserve_of(cart, &lines);
            take(Command::Replace(Replace { old: reservation, new }));
        }
        Step::Confirm(_) => take(Command::Confirm(reservation)),
        Step::Release(_, lines) => {
            take(Command::Release(Release { reservation, lines: Lines::Slice(&lines_of(lines)) }));
        }
        Step::Extend(_, ttl_ms) => take(Command::Extend(Extend { reservation, ttl_ms: *ttl_ms })),
        Step::Ship(_, source, lines, forced) => take(Command::Ship(Ship {
            reservation,
            source: SourceId(*source),
            lines: Lines::Slice(&lines_of(lines)),
            forced: *forced,
        })),
        Step::Sell(stock, source, lines, forced) => take(Command::Sell(Sell {
            target: Target::Stock(StockId(*stock)),
            source: SourceId(*source),
            lines: Lines::Slice(&lines_of(lines)),
            forced: *forced,
            owner: 0,
            reference: "till-4",
        })),
        Step::Refund(_, parts) => {
            let parts: Vec<RefundPart> = parts.iter().map(part_of).collect();
            take(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }));
        }
        _ => take(merchant_command(step)),
    }
}

fn part_of((sku, halves, fate): &(u32, i64, Fate)) -> RefundPart {
    let kind = match fate {
        Fate::Unshipped => PartKind::Unshipped,
        Fate::Returned(source) => PartKind::Returned(SourceId(*source)),
        Fate::Lost(source) => PartKind::WrittenOff(SourceId(*source)),
    };
    RefundPart { sku: SkuId(*sku), quantity: quantity(*halves), kind }
}

/// A source as its number defines it.
pub(crate) fn source_definition(source: u32, enabled: bool) -> SourceDefinition {
    SourceDefinition {
        code: format!("A{source}"),
        name: format!("A{source}"),
        enabled,
        country: "DE".into(),
        postcode: "10115".into(),
        ..SourceDefinition::default()
    }
}

fn merchant_command(step: &Step) -> Command<'static> {
    let (reason, reference) = (String::new(), String::new());
    match step {
        Step::Count(source, sku, halves, in_stock) => Command::Count(Count {
            source: SourceId(*source),
            sku: SkuId(*sku),
            quantity: quantity(*halves),
            in_stock: *in_stock,
            reason,
            reference,
        }),
        Step::Adjust(source, sku, halves) => {
            let (source, sku, delta) = (SourceId(*source), SkuId(*sku), quantity(*halves));
            Command::Adjust(Adjust { source, sku, delta, reason, reference })
        }
        Step::Transfer(from, to, lines) => {
            let (from, to, lines) = (SourceId(*from), SourceId(*to), lines_of(lines));
            Command::Transfer(Transfer { from, to, lines, reason })
        }
        Step::Enable(source, enabled) => {
            Command::DefineSource(Box::new(source_definition(*source, *enabled)))
        }
        Step::Link(stock, source, priority) => Command::Link(LinkDefinition {
            stock: StockId(*stock),
            source: SourceId(*source),
            priority: *priority,
        }),
        Step::Unlink(stock, source) => {
            Command::Unlink(LinkRemoval { stock: StockId(*stock), source: SourceId(*source) })
        }
        Step::Setting(setting) => Command::Settings(Box::new(settings_change(setting))),
        Step::Quota(sku, stock, limit) => Command::Quota(QuotaChange {
            sku: SkuId(*sku),
            stock: StockId(*stock),
            limit: limit.map(quantity),
        }),
        Step::Sharing(independent) => {
            let sharing = if *independent { Sharing::Independent } else { Sharing::Exact };
            Command::Configure(Box::new(Configure { sharing: Some(sharing), ..Configure::default() }))
        }
        _ => Command::Tick,
    }
}

fn change<T, U>(value: Option<T>, convert: impl Fn(T) -> U) -> Change<U> {
    value.map_or(Change::Unset, |value| Change::Set(convert(value)))
}

fn settings_change(setting: &Setting) -> SettingsChange {
    let scope = match (setting.sku, setting.stock) {
        (Some(sku), Some(stock)) => SettingScope::SkuStock(SkuId(sku), StockId(stock)),
        (Some(sku), None) => SettingScope::Sku(SkuId(sku)),
        (None, _) => SettingScope::Global,
    };
    let mut settings = SettingsChange::at(scope);
    match setting.value {
        Value::ManageStock(value) => settings.manage_stock = change(value, |on| on),
        Value::Backorders(value) => {
            let mode = |on| if on { BackorderMode::Allow } else { BackorderMode::Off };
            settings.backorders = change(value, mode);
        }
        Value::MinQty(value) => settings.min_qty = change(value, quantity),
        Value::MinSale(value) => settings.min_sale_qty = change(value, quantity),
        Value::MaxSale(value) => settings.max_sale_qty = change(value, quantity),
        Value::Increments(value) => {
            settings.enable_qty_increments = change(value, |_| true);
            settings.qty_increments = change(value, quantity);
        }
    }
    settings
}
