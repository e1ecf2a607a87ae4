//! The steps of a random history, and the command for each step. Drawing steps is up to the callers.

use crate::decide::merged;
use crate::orders::order_of_sale;
use stockhold_protocol::command::{
    Adjust, Amend, BackorderMode, Change, ChannelAssignment, Configure, Count, Extend, LinkDefinition,
    LinkRemoval, Mark, MarkRemoval, PartKind, Parts, QuotaChange, Refund, RefundPart, Release, Rename,
    Replace, Reserve, Sell, SettingScope, SettingsChange, Sharing, Ship, SourceDefinition, Target, Transfer,
    Unship,
};
use stockhold_protocol::limits::{QUANTITY_SCALE, SKU_CHARACTERS_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{
    Command, CommandId, Line, Lines, Quantity, ReservationId, SkuId, SourceId, StockId,
};

/// Sources of the model's world.
pub const SOURCES: u32 = 5;
/// Stocks of the model's world.
pub const STOCKS: u32 = 4;
/// Channels of the model's world.
pub const CHANNELS: u32 = 3;
/// SKUs of the model's world.
pub const SKUS: u32 = 3;
/// Names of marks that steps are drawn from.
pub const MARKS: u32 = 6;
/// Numbers of orders that steps are drawn from.
pub const ORDERS: u32 = 10;
/// All quantities are multiples of half a unit, so that the model can try them one by one.
pub const HALF: i64 = QUANTITY_SCALE / 2;

/// Lines of a cart: (SKU, half units).
pub type Wanted = Vec<(u32, i64)>;

/// A cart as a reserve or a replace sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Cart {
    /// The stock or channel that the cart is sold from.
    pub target: Target,
    /// The lines.
    pub lines: Wanted,
    /// Whether a partial grant is accepted.
    pub best_effort: bool,
    /// The TTL of a hold. `None` = an order.
    pub ttl_ms: Option<u32>,
    /// The owner; 0 = none.
    pub owner: u64,
    /// The order that the cart names, one of [`ORDERS`].
    pub order: Option<u32>,
}

/// A change of one setting: of a SKU or of all, in a stock or in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The SKU, or `None` for all.
    pub sku: Option<u32>,
    /// The stock, or `None` for all.
    pub stock: Option<u32>,
    /// The new value.
    pub value: Value,
}

/// A setting and its value. `None` = inherited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Whether goods are counted at all.
    ManageStock(Option<bool>),
    /// Whether more may be sold than the goods on hand.
    Backorders(Option<bool>),
    /// The threshold, or the allowance where it is negative, in half units.
    MinQty(Option<i64>),
    /// Minimum half units of a line.
    MinSale(Option<i64>),
    /// Maximum half units of a line.
    MaxSale(Option<i64>),
    /// Enabled with this increment in half units, or inherited.
    Increments(Option<i64>),
}

/// What happens to the units of a refund part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RefundKind {
    /// Their promise ends.
    Unshipped,
    /// They come back to this source.
    Returned(u32),
    /// They are written off at this source.
    Lost(u32),
}

/// One step. In steps that refer to a reservation, the first number is a pick. The caller maps it to a reservation
/// and passes the reservation's id beside the step; the model uses only the id.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A new cart.
    Reserve(Cart),
    /// A new cart that replaces a hold.
    Replace(usize, Cart),
    /// A hold becomes an order.
    Confirm(usize),
    /// Promised units are released; no lines = all.
    Release(usize, Wanted),
    /// A hold gets a TTL of so many milliseconds from now.
    Extend(usize, u32),
    /// Promised units leave a source. The last field is the forced flag.
    Ship(usize, u32, Wanted, bool),
    /// A sale over the counter: target, source, lines, forced.
    Sell(Target, u32, Wanted, bool),
    /// An order is to have these quantities in all: pick, lines.
    Amend(usize, Wanted),
    /// Shipped units are at their source again and promised again: pick, source, lines.
    Unship(usize, u32, Wanted),
    /// Parts of an order are refunded: SKU, half units, kind.
    Refund(usize, Vec<(u32, i64, RefundKind)>),
    /// An absolute count: source, SKU, half units, in-stock flag.
    Count(u32, u32, i64, Option<bool>),
    /// A difference: source, SKU, half units.
    Adjust(u32, u32, i64),
    /// Goods go from one source to another.
    Transfer(u32, u32, Wanted),
    /// A source is enabled or disabled.
    Enable(u32, bool),
    /// A source is linked to a stock, with this priority.
    Link(u32, u32, u16),
    /// The link between a stock and a source is removed.
    Unlink(u32, u32),
    /// A setting changes.
    Setting(Setting),
    /// A quota: SKU, stock, half units or none.
    Quota(u32, u32, Option<i64>),
    /// Whether stocks that share sources are independent.
    Sharing(bool),
    /// A channel sells from this stock from now on.
    Channel(u32, u32),
    /// Renames the thing with this number. The new name is of its kind.
    Rename(u32, Name),
    /// The moment gets a name.
    Mark(String),
    /// The mark of this name is dropped.
    Unmark(String),
    /// Limits change.
    Configure(Configure),
    /// Time passes.
    Tick,
    /// A retry of an earlier command. If the flag is set, it has another body. The caller substitutes the earlier
    /// command.
    Retry(usize, bool),
}

impl Step {
    /// The number by which the caller picks the reservation that this step refers to.
    #[must_use]
    pub fn pick(&self) -> Option<usize> {
        match self {
            Self::Replace(pick, _)
            | Self::Confirm(pick)
            | Self::Release(pick, _)
            | Self::Extend(pick, _)
            | Self::Ship(pick, ..)
            | Self::Amend(pick, _)
            | Self::Unship(pick, ..)
            | Self::Refund(pick, _) => Some(*pick),
            _ => None,
        }
    }

    /// The pick and the lines of a step that names lines of a reservation.
    pub(crate) fn named_lines_mut(&mut self) -> Option<(usize, &mut Wanted)> {
        match self {
            Self::Release(pick, lines)
            | Self::Amend(pick, lines)
            | Self::Ship(pick, _, lines, _)
            | Self::Unship(pick, _, lines) => Some((*pick, lines)),
            _ => None,
        }
    }

    /// Whether the step may create a reservation.
    #[must_use]
    pub fn makes_reservation(&self) -> bool {
        matches!(self, Self::Reserve(_) | Self::Replace(..) | Self::Sell(..))
    }

    /// The step with another body, for an id that was used before. Some bodies have no variant.
    #[must_use]
    pub fn with_other_body(&self) -> Self {
        match self.clone() {
            Self::Reserve(mut cart) => {
                cart.owner += 1;
                Self::Reserve(cart)
            }
            Self::Replace(old, mut cart) => {
                cart.lines.push((0, 2));
                Self::Replace(old, cart)
            }
            Self::Extend(of, ttl) => Self::Extend(of, ttl ^ 1),
            Self::Confirm(of) => Self::Extend(of, 5_000),
            Self::Ship(of, source, lines, forced) => Self::Ship(of, source, lines, !forced),
            Self::Count(source, sku, halves, in_stock) => Self::Count(source, sku, halves + 1, in_stock),
            Self::Channel(channel, stock) => Self::Channel(channel, (stock + 1) % STOCKS),
            Self::Mark(name) => Self::Unmark(name),
            other => other,
        }
    }
}

/// The name under which SKU number `sku` is defined.
#[must_use]
pub fn sku_name(sku: u32) -> String {
    format!("SKU-{sku}")
}

/// A SKU of the greatest length. No SKU is defined with it.
#[must_use]
pub fn long_sku_name() -> String {
    "😀".repeat(SKU_CHARACTERS_MAX)
}

/// The name under which stock number `stock` is defined.
#[must_use]
pub fn stock_name(stock: u32) -> String {
    format!("stock {stock}")
}

/// The reference of order number `order`.
#[must_use]
pub fn order_number(order: u32) -> String {
    format!("order {order}")
}

/// The name of a mark with this number. Every third one is an automatic mark.
#[must_use]
pub fn mark_name(mark: u32) -> String {
    if mark.is_multiple_of(3) { format!("auto/{mark}") } else { format!("mark {mark}") }
}

/// Whether SKU number `sku` is defined with decimals.
#[must_use]
pub fn has_decimals(sku: u32) -> bool {
    sku == 2
}

fn quantity(halves: i64) -> Quantity {
    Quantity::from_raw(halves * HALF).expect("small")
}

fn lines_of(wanted: &Wanted) -> Vec<Line> {
    wanted.iter().map(|(sku, halves)| Line::new(SkuId(*sku), quantity(*halves))).collect()
}

fn reserve_of<'a>(cart: &Cart, lines: &'a [Line], reference: &'a str) -> Reserve<'a> {
    Reserve {
        target: cart.target,
        lines: Lines::Slice(lines),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms,
        owner: cart.owner,
        reference,
    }
}

/// Calls `take` with the command of a step. `named` is the reservation that it refers to, if any.
pub fn with_command(step: &Step, named: CommandId, take: &mut dyn FnMut(Command<'_>)) {
    let reservation = ReservationId(named);
    let reference = |order: Option<u32>| order.map_or(String::new(), order_number);
    match step {
        Step::Reserve(cart) => {
            let (lines, reference) = (lines_of(&cart.lines), reference(cart.order));
            take(Command::Reserve(reserve_of(cart, &lines, &reference)));
        }
        Step::Replace(_, cart) => {
            let (lines, reference) = (lines_of(&cart.lines), reference(cart.order));
            let new = reserve_of(cart, &lines, &reference);
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
        Step::Sell(target, source, lines, forced) => take(Command::Sell(Sell {
            target: *target,
            source: SourceId(*source),
            lines: Lines::Slice(&lines_of(lines)),
            forced: *forced,
            owner: 0,
            reference: &reference(order_of_sale(lines)),
        })),
        Step::Amend(_, lines) => take(Command::Amend(Amend { reservation, lines: lines_of(lines) })),
        Step::Unship(_, source, lines) => {
            let (source, lines) = (SourceId(*source), lines_of(lines));
            take(Command::Unship(Unship { reservation, source, lines }));
        }
        Step::Refund(_, parts) => {
            let parts: Vec<RefundPart> = parts.iter().map(part_of).collect();
            take(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }));
        }
        _ => take(merchant_command(step)),
    }
}

fn part_of((sku, halves, kind): &(u32, i64, RefundKind)) -> RefundPart {
    let kind = match kind {
        RefundKind::Unshipped => PartKind::Unshipped,
        RefundKind::Returned(source) => PartKind::Returned(SourceId(*source)),
        RefundKind::Lost(source) => PartKind::WrittenOff(SourceId(*source)),
    };
    RefundPart { sku: SkuId(*sku), quantity: quantity(*halves), kind }
}

/// The definition of the source with this number.
#[must_use]
pub fn source_definition(source: u32, enabled: bool) -> SourceDefinition {
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
        Step::Channel(channel, stock) => Command::Channel(channel_assignment(*channel, *stock)),
        Step::Rename(number, to) => Command::Rename(Rename { number: *number, to: to.clone() }),
        Step::Mark(name) => Command::Mark(Mark::new(name)),
        Step::Unmark(name) => Command::Unmark(MarkRemoval { name: name.clone() }),
        Step::Configure(change) => Command::Configure(Box::new(*change)),
        _ => Command::Tick,
    }
}

/// The assignment of the channel with this number.
#[must_use]
pub fn channel_assignment(channel: u32, stock: u32) -> ChannelAssignment {
    let (channel_type, code) = ("website".to_owned(), format!("shop-{channel}"));
    ChannelAssignment { channel_type, code, stock: StockId(stock) }
}

/// The stock that a channel sells from at first.
#[must_use]
pub fn first_stock(channel: u32) -> u32 {
    channel % STOCKS
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

/// The body of a step in the form in which bodies are compared: lines summed and sorted where the rules require it.
pub(crate) fn body(step: &Step, named: CommandId) -> String {
    match step {
        Step::Reserve(cart) => format!("{named} reserve {}", cart_body(cart)),
        Step::Replace(_, cart) => format!("{named} replace {}", cart_body(cart)),
        Step::Confirm(_) => format!("{named} confirm"),
        Step::Release(_, lines) => format!("{named} release {:?}", merged(lines)),
        Step::Extend(_, ttl) => format!("{named} extend {ttl}"),
        Step::Ship(_, source, lines, forced) => format!("{named} ship {source} {:?} {forced}", merged(lines)),
        Step::Sell(target, source, lines, forced) => {
            format!("sell {target:?} {source} {:?} {forced}", merged(lines))
        }
        Step::Refund(_, parts) => format!("{named} refund {parts:?}"),
        other if other.pick().is_some() => format!("{named} {other:?}"),
        other => format!("{other:?}"),
    }
}

fn cart_body(cart: &Cart) -> String {
    let Cart { target, lines, best_effort, ttl_ms, owner, order } = cart;
    // A channel is compared as it was sent, whatever stock it means now.
    format!("{target:?} {:?} {best_effort} {ttl_ms:?} {owner} {order:?}", merged(lines))
}
