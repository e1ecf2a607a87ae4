//! Carts as a caller describes them: by names or dense numbers, with quantities, owner and TTL.

use crate::names::{CartLine, SkuRef, StockRef, TargetRef};
use std::time::Duration;
use stockhold_protocol::Quantity;
use stockhold_protocol::command::Target;

/// What one shopper wants from one stock or channel. A cart is all or nothing unless it is best effort.
///
/// ```
/// use stockhold_client::Cart;
/// use std::time::Duration;
///
/// let cart = Cart::from_channel("website", "us")
///     .line("BIKE-0001", 1)
///     .line("BIKE-0002", 2)
///     .hold_for(Duration::from_mins(15))
///     .owner(4_711)
///     .reference("order-100042");
/// assert_eq!(cart.lines().len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Cart<'a> {
    pub(crate) target: TargetRef<'a>,
    pub(crate) lines: Vec<CartLine<'a>>,
    pub(crate) best_effort: bool,
    pub(crate) ttl: Option<Duration>,
    pub(crate) owner: u64,
    pub(crate) reference: &'a str,
}

impl<'a> Cart<'a> {
    /// An empty cart that is sold from this stock.
    #[must_use]
    pub fn from_stock(stock: impl Into<StockRef<'a>>) -> Self {
        Self::new(TargetRef::Stock(stock.into()))
    }

    /// An empty cart that is sold through this channel, from the stock that the channel is assigned to when the
    /// command is applied.
    #[must_use]
    pub const fn from_channel(channel_type: &'a str, code: &'a str) -> Self {
        Self::new(TargetRef::ChannelName(channel_type, code))
    }

    /// An empty cart for a target that is given by dense number.
    #[must_use]
    pub fn from_target(target: Target) -> Self {
        Self::new(target.into())
    }

    const fn new(target: TargetRef<'a>) -> Self {
        Self { target, lines: Vec::new(), best_effort: false, ttl: None, owner: 0, reference: "" }
    }

    /// Adds whole units of a SKU. Lines with the same SKU are summed.
    #[must_use]
    pub fn line(self, sku: impl Into<SkuRef<'a>>, units: u32) -> Self {
        self.line_of(sku, units_of(units))
    }

    /// Adds a quantity of a SKU.
    #[must_use]
    pub fn line_of(mut self, sku: impl Into<SkuRef<'a>>, quantity: Quantity) -> Self {
        self.lines.push((sku.into(), quantity));
        self
    }

    /// Grants what is available instead of refusing the whole cart.
    #[must_use]
    pub const fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// Makes the reservation a hold, which expires unless it is confirmed in time. Without a TTL the reservation is
    /// confirmed from the start.
    #[must_use]
    pub const fn hold_for(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// An opaque owner. A replace must name the same owner. The default, 0, means no owner.
    #[must_use]
    pub const fn owner(mut self, owner: u64) -> Self {
        self.owner = owner;
        self
    }

    /// An order reference, at most 32 bytes.
    #[must_use]
    pub const fn reference(mut self, reference: &'a str) -> Self {
        self.reference = reference;
        self
    }

    /// The lines in the order in which they were added.
    #[must_use]
    pub fn lines(&self) -> &[CartLine<'a>] {
        &self.lines
    }

    pub(crate) fn ttl_ms(&self) -> Option<u32> {
        self.ttl.map(millis)
    }
}

/// Whole units as a [`Quantity`].
#[must_use]
pub fn units_of(units: u32) -> Quantity {
    Quantity::units(i64::from(units)).unwrap_or(Quantity::MAX)
}

/// One line, for calls that take a list of lines.
#[must_use]
pub fn line<'a>(sku: impl Into<SkuRef<'a>>, units: u32) -> CartLine<'a> {
    (sku.into(), units_of(units))
}

/// Whole milliseconds, saturating at what the wire can hold. The server refuses what is out of its range.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
