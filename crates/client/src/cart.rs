//! Carts as a caller writes them: by names or dense numbers, with quantities, owner, TTL.

use crate::names::{CartLine, SkuRef, StockRef, TargetRef};
use std::time::Duration;
use stockhold_protocol::Quantity;
use stockhold_protocol::command::Target;

/// What one shopper wants, from one stock or channel, all or nothing unless said otherwise.
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

    /// An empty cart that is sold through this channel, from whatever stock it is assigned to then.
    #[must_use]
    pub const fn from_channel(channel_type: &'a str, code: &'a str) -> Self {
        Self::new(TargetRef::ChannelName(channel_type, code))
    }

    /// An empty cart for a target by dense number.
    #[must_use]
    pub fn from_target(target: Target) -> Self {
        Self::new(target.into())
    }

    const fn new(target: TargetRef<'a>) -> Self {
        Self { target, lines: Vec::new(), best_effort: false, ttl: None, owner: 0, reference: "" }
    }

    /// Adds whole units of a SKU; the same SKU twice counts as its sum.
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

    /// Grants what fits instead of refusing the whole cart.
    #[must_use]
    pub const fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }

    /// Makes the reservation a hold that expires unless it is confirmed in time. Without it the
    /// reservation is born confirmed.
    #[must_use]
    pub const fn hold_for(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// An opaque owner; a replace must name the same one. 0, the default, means none.
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

    /// The lines as they were added.
    #[must_use]
    pub fn lines(&self) -> &[CartLine<'a>] {
        &self.lines
    }

    pub(crate) fn ttl_ms(&self) -> Option<u32> {
        self.ttl.map(millis)
    }
}

/// Whole units as a quantity.
#[must_use]
pub fn units_of(units: u32) -> Quantity {
    Quantity::units(i64::from(units)).unwrap_or(Quantity::MAX)
}

/// One line for a list of lines.
#[must_use]
pub fn line<'a>(sku: impl Into<SkuRef<'a>>, units: u32) -> CartLine<'a> {
    (sku.into(), units_of(units))
}

/// Whole milliseconds, at most what the wire holds; the server refuses what is out of its bounds.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
