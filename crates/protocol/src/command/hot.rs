//! The commands of a checkout: reserving, paying, shipping and refunding.
//!
//! All of them borrow from their record: decoding one allocates nothing.

use crate::id::{ChannelId, ReservationId, SourceId, StockId};
use crate::line::Lines;

/// Where a cart is sold: in a stock, or through a channel. A channel means the stock that it is assigned to when the
/// command is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stock by its dense number.
    Stock(StockId),
    /// A sales channel by its dense number. A repeated id is compared by the channel, not by its stock.
    Channel(ChannelId),
}

/// Reserves the units of one cart: the check and the promise are one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve<'a> {
    /// The stock or channel that the cart is sold from.
    pub target: Target,
    /// 1..=256 lines. Lines with the same SKU are summed.
    pub lines: Lines<'a>,
    /// Grants what is available instead of refusing the cart (whole units unless the SKU allows decimals).
    pub best_effort: bool,
    /// The TTL in milliseconds, which makes the reservation a hold. `None`: it is confirmed from the start. The
    /// machine refuses 0.
    pub ttl_ms: Option<u32>,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// An order reference, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}

/// Says what an order shall have open in one stock. The order is the reference, which must not be empty, and the cart is
/// granted as a whole. Live holds of the order in this stock are taken over, so only the difference is reserved or
/// released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement<'a>(pub Reserve<'a>);

/// Replaces a cart in one step: only the difference is reserved or released, all or nothing. If it is refused, the
/// old hold is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace<'a> {
    /// The reservation that is replaced. The owner must be the same.
    pub old: ReservationId,
    /// The whole new cart, with its own TTL. The id of the command becomes the id of the reservation.
    pub new: Reserve<'a>,
}

/// Releases promised units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    /// The reservation.
    pub reservation: ReservationId,
    /// The units to release. No lines means all that are open.
    pub lines: Lines<'a>,
}

/// Moves the deadline of a hold to the time of the op plus a TTL. It never shortens the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The hold.
    pub reservation: ReservationId,
    /// The TTL in milliseconds, counted from the time of the op.
    pub ttl_ms: u32,
}

/// Ships promised units from a source, all lines or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship<'a> {
    /// The reservation whose units are shipped.
    pub reservation: ReservationId,
    /// The source that the goods leave.
    pub source: SourceId,
    /// The units that are shipped.
    pub lines: Lines<'a>,
    /// The goods *have* left: a fact. Promises, open units and the quantity on hand are not checked, a hold is
    /// confirmed, and the shortfall is reported.
    pub forced: bool,
}

/// A point-of-sale sale: reserve, confirm and ship in one op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sell<'a> {
    /// The stock or channel that the goods are sold from.
    pub target: Target,
    /// The source that the goods leave.
    pub source: SourceId,
    /// 1..=256 lines.
    pub lines: Lines<'a>,
    /// The goods *have* left: a fact. The sale rules, the quota, promises and the quantity on hand are not checked,
    /// and the shortfall is reported.
    pub forced: bool,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// A receipt number, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}
