//! The steps of a random history, and the command for each step. Drawing steps is up to the callers.

use crate::bulk::Bulk;
use crate::decide::merged;
use stockhold_protocol::command::{
    ChannelAssignment, Configure, OrderAction, SkuDefinition, SkuKind, SourceDefinition, Target,
};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::limits::{QUANTITY_SCALE, SKU_CHARACTERS_MAX};
use stockhold_protocol::query::Name;
use stockhold_protocol::{CommandId, StockId};

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

/// A signed row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowStep {
    /// The order, one of [`ORDERS`].
    pub order: Option<u32>,
    /// Why.
    pub event: EventKind,
    /// The stock.
    pub stock: u32,
    /// The SKU.
    pub sku: u32,
    /// Half units; negative ones are promised.
    pub halves: i64,
}

/// What the shop says of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct StateStep {
    /// The order, one of [`ORDERS`].
    pub order: u32,
    /// Its state.
    pub state: OrderState,
    /// What should be open: stock, SKU, half units. No place occurs twice.
    pub lines: Option<Vec<(u32, u32, i64)>>,
}

/// An event of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderStep {
    /// The order, one of [`ORDERS`].
    pub order: u32,
    /// What happens.
    pub action: OrderAction,
    /// The number of its document.
    pub document: Option<u32>,
    /// The source that units leave or come to.
    pub source: Option<u32>,
    /// SKU, stock, half units, and whether they are returned to stock.
    pub lines: Vec<(u32, Option<u32>, i64, bool)>,
    /// Whether it is a fact.
    pub forced: bool,
    /// The TTL of an extend.
    pub ttl_ms: Option<u32>,
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
    /// Half units below which an item is low.
    Notify(Option<i64>),
    /// Whether nothing new is promised.
    Frozen(Option<bool>),
    /// When the sale opens, in milliseconds of the wall clock; 0 = no such time.
    OpensAt(Option<u64>),
    /// When it closes.
    ClosesAt(Option<u64>),
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
    /// What an order shall have open in a stock. The cart names the order.
    Place(Cart),
    /// The placement with the picked id failed; the number of the order.
    PlaceFailed(usize, u32),
    /// An event of an order.
    Event(OrderStep),
    /// The shop says how it sees an order.
    State(StateStep),
    /// Signed rows are appended.
    Append(Vec<RowStep>),
    /// An absolute count: source, SKU, half units, in-stock flag.
    Count(u32, u32, i64, Option<bool>),
    /// A difference: source, SKU, half units.
    Adjust(u32, u32, i64),
    /// Goods go from one source to another.
    Transfer(u32, u32, Wanted),
    /// Many source items change at once.
    Bulk(Bulk),
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
    /// A low-stock configuration: SKU, source, whether it is set, half units; none is inherited.
    Notify(u32, u32, bool, Option<i64>),
    /// A stock or a channel is frozen, or no longer.
    Freeze(Target, bool),
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
            | Self::Refund(pick, _)
            | Self::PlaceFailed(pick, _) => Some(*pick),
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

    /// Whether the step promises further units.
    #[must_use]
    pub fn is_grant(&self) -> bool {
        matches!(self, Self::Reserve(_) | Self::Replace(..) | Self::Confirm(_) | Self::Place(_))
    }

    /// Whether the step may create a reservation.
    #[must_use]
    pub fn makes_reservation(&self) -> bool {
        let adds = |event: &OrderStep| event.lines.iter().any(|line| line.2 < 0);
        match self {
            Self::Reserve(_) | Self::Replace(..) | Self::Sell(..) | Self::Place(_) => true,
            Self::Event(event) => adds(event),
            _ => false,
        }
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
            Self::Bulk(bulk) => Self::Bulk(bulk.with_other_body()),
            Self::Channel(channel, stock) => Self::Channel(channel, (stock + 1) % STOCKS),
            Self::Place(mut cart) => {
                cart.lines.push((0, 2));
                Self::Place(cart)
            }
            Self::State(step) => Self::State(StateStep { order: (step.order + 1) % ORDERS, ..step }),
            Self::Append(mut rows) => {
                rows[0].halves *= 2;
                Self::Append(rows)
            }
            Self::Event(event) => Self::Event(OrderStep { order: (event.order + 1) % ORDERS, ..event }),
            Self::Notify(sku, source, is_set, _) => Self::Notify(sku, source, !is_set, None),
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

/// Whether SKU number `sku` is defined as a virtual one.
pub(crate) fn is_virtual(sku: u32) -> bool {
    sku == 1
}

/// The definition of the SKU with this number.
#[must_use]
pub fn sku_definition(sku: u32) -> SkuDefinition {
    let kind = if is_virtual(sku) { SkuKind::Virtual } else { SkuKind::Simple };
    SkuDefinition { sku: sku_name(sku), kind, decimals: has_decimals(sku) }
}

/// Whether SKU number `sku` is defined with decimals.
#[must_use]
pub fn has_decimals(sku: u32) -> bool {
    sku == 2
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
        Step::Place(cart) => format!("place {}", cart_body(cart)),
        Step::Event(event) => crate::events::body(event),
        Step::Append(rows) => crate::events::rows::body(rows),
        Step::State(step) => {
            let mut step = step.clone();
            if let Some(lines) = &mut step.lines {
                lines.sort_unstable();
            }
            format!("{step:?}")
        }
        other if other.pick().is_some() => format!("{named} {other:?}"),
        other => format!("{other:?}"),
    }
}

fn cart_body(cart: &Cart) -> String {
    let Cart { target, lines, best_effort, ttl_ms, owner, order } = cart;
    // A channel is compared as it was sent, whatever stock it means now.
    format!("{target:?} {:?} {best_effort} {ttl_ms:?} {owner} {order:?}", merged(lines))
}
