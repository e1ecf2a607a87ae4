//! The calls of a shop that knows its orders by number: placements, placements that failed, and events.

use crate::answer::{Answer, Confirmed, Done, Extended, OrderChanged, Placed};
use crate::blocking::blocking_calls;
use crate::cart::{Cart, millis, units_of};
use crate::client::Client;
use crate::commands::reserve_of;
use crate::error::CallError;
use crate::names::{Numbers, SkuRef, SourceRef, StockRef};
use std::time::Duration;
use stockhold_protocol::command::{
    Command, EventLine, ExpectedLine, Kind, OrderAction, OrderEvent, OrderStateReport, PlaceFailed, Placement,
};
use stockhold_protocol::event::OrderState;
use stockhold_protocol::{Quantity, ReservationId};

/// The units that an event of an order is about, and the document that says so.
///
/// ```
/// use stockhold_client::OrderUnits;
///
/// let shipment = OrderUnits::new().document("S-17").line("BIKE-0001", 1).line("HELM-0001", 2);
/// let memo = OrderUnits::new().document("C-3").returned("BIKE-0001", 1).line("HELM-0001", 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct OrderUnits<'a> {
    document: &'a str,
    source: Option<SourceRef<'a>>,
    lines: Vec<UnitLine<'a>>,
    forced: bool,
}

/// Units of a SKU in a stock that should be open by the shop's own books.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExpectedUnits<'a> {
    /// The stock.
    pub stock: StockRef<'a>,
    /// The SKU.
    pub sku: SkuRef<'a>,
    /// The units, not negative.
    pub quantity: Quantity,
}

#[derive(Clone, Copy, Debug)]
struct UnitLine<'a> {
    sku: SkuRef<'a>,
    stock: Option<StockRef<'a>>,
    quantity: Quantity,
    is_returned: bool,
}

impl<'a> OrderUnits<'a> {
    /// No units. A cancel then means all that may be cancelled, and an unship all that its document has shipped.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the shipment, invoice or credit memo, at most 32 bytes. The order accepts it once; a repetition gets
    /// the first answer.
    #[must_use]
    pub const fn document(mut self, document: &'a str) -> Self {
        self.document = document;
        self
    }

    /// Adds whole units of a SKU, in whatever stock the order has them.
    #[must_use]
    pub fn line(self, sku: impl Into<SkuRef<'a>>, units: u32) -> Self {
        self.line_of(sku, units_of(units))
    }

    /// Adds a quantity of a SKU. It may be negative in a compensation and zero in an edit.
    #[must_use]
    pub fn line_of(self, sku: impl Into<SkuRef<'a>>, quantity: Quantity) -> Self {
        self.push(sku.into(), None, quantity, false)
    }

    /// Adds a quantity of a SKU in one stock.
    #[must_use]
    pub fn line_in(
        self,
        stock: impl Into<StockRef<'a>>,
        sku: impl Into<SkuRef<'a>>,
        quantity: Quantity,
    ) -> Self {
        self.push(sku.into(), Some(stock.into()), quantity, false)
    }

    /// Adds whole units of a SKU that a credit memo returns to stock.
    #[must_use]
    pub fn returned(self, sku: impl Into<SkuRef<'a>>, units: u32) -> Self {
        self.returned_of(sku, units_of(units))
    }

    /// Adds a quantity of a SKU that a credit memo returns to stock.
    #[must_use]
    pub fn returned_of(self, sku: impl Into<SkuRef<'a>>, quantity: Quantity) -> Self {
        self.push(sku.into(), None, quantity, true)
    }

    /// The source that returned units of a credit memo come to. Without it they come to the one that has shipped them.
    #[must_use]
    pub fn to_source(mut self, source: impl Into<SourceRef<'a>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// It has happened: a shipment of goods that have left, or a compensation that is made as far as it is possible.
    #[must_use]
    pub const fn forced(mut self) -> Self {
        self.forced = true;
        self
    }

    fn push(
        mut self,
        sku: SkuRef<'a>,
        stock: Option<StockRef<'a>>,
        quantity: Quantity,
        is_returned: bool,
    ) -> Self {
        self.lines.push(UnitLine { sku, stock, quantity, is_returned });
        self
    }

    fn event_lines(&self, numbers: &mut Numbers<'_>) -> Vec<EventLine> {
        let line = |line: &UnitLine<'_>| EventLine {
            sku: numbers.sku(line.sku),
            stock: line.stock.map(|stock| numbers.stock(stock)),
            quantity: line.quantity,
            is_returned: line.is_returned,
        };
        self.lines.iter().map(line).collect()
    }
}

blocking_calls! {
    /// See [`crate::Client::place_order`].
    fn place_order(cart: &Cart<'_>) -> Answer<Placed>;
    /// See [`crate::Client::order_place_failed`].
    fn order_place_failed(number: &str, placement: ReservationId) -> Answer<Done>;
    /// See [`crate::Client::confirm_order`].
    fn confirm_order(number: &str) -> Answer<Confirmed>;
    /// See [`crate::Client::extend_order`].
    fn extend_order(number: &str, ttl: Duration) -> Answer<Extended>;
    /// See [`crate::Client::cancel_order`].
    fn cancel_order(number: &str, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::ship_order`].
    fn ship_order<'a>(number: &str, source: impl Into<SourceRef<'a>>, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::unship_order`].
    fn unship_order<'a>(number: &str, source: impl Into<SourceRef<'a>>, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::invoice_order`].
    fn invoice_order(number: &str, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::refund_order`].
    fn refund_order(number: &str, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::compensate_order`].
    fn compensate_order(number: &str, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
    /// See [`crate::Client::report_order_state`].
    fn report_order_state(number: &str, state: OrderState, expected: Option<&[ExpectedUnits<'_>]>) -> Answer<OrderChanged>;
    /// See [`crate::Client::edit_order`].
    fn edit_order(number: &str, units: &OrderUnits<'_>) -> Answer<OrderChanged>;
}

impl Client {
    /// Says what an order is to have open in the stock of a cart. The number of the order is the reference of the cart, which
    /// is all or nothing. Live holds of the order in this stock are taken over: only the difference is reserved or released.
    /// If the order was placed like this before, nothing happens.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn place_order(&self, cart: &Cart<'_>) -> Result<Answer<Placed>, CallError> {
        let settled = self.mutate(Kind::OrderPlaced, |numbers| {
            let lines = numbers.lines(&cart.lines);
            let placement = Placement(reserve_of(cart, &lines, numbers));
            numbers.encode(Command::OrderPlaced(placement))
        });
        Ok(settled.await?.answer(Placed::from))
    }

    /// Takes a placement back: what is open of it is released. `placement` is the id of its call. If that was not decided
    /// yet, it never will be.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn order_place_failed(
        &self,
        number: &str,
        placement: ReservationId,
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::PlaceFailed, |numbers| {
            numbers.encode(Command::PlaceFailed(PlaceFailed { order: number.to_owned(), placement }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Says how the shop sees an order and, with `expected`, what should be open of it: of lines that it does not name,
    /// nothing. No promise changes by that; see [`Client::inconsistencies`].
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn report_order_state(
        &self,
        number: &str,
        state: OrderState,
        expected: Option<&[ExpectedUnits<'_>]>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        let settled = self.mutate(Kind::OrderState, |numbers| {
            let mut lines = Vec::new();
            for units in expected.unwrap_or(&[]) {
                let (stock, sku) = (numbers.stock(units.stock), numbers.sku(units.sku));
                lines.push(ExpectedLine { stock, sku, quantity: units.quantity });
            }
            let lines = expected.is_some().then_some(lines);
            let report = OrderStateReport { order: number.to_owned(), state, lines };
            numbers.encode(Command::OrderState(Box::new(report)))
        });
        Ok(settled.await?.answer(OrderChanged::from))
    }

    /// Confirms all holds of an order.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn confirm_order(&self, number: &str) -> Result<Answer<Confirmed>, CallError> {
        self.change_order(number, OrderAction::Confirm, None, &OrderUnits::new(), Confirmed::from).await
    }

    /// Moves the deadlines of all live holds of an order to now plus `ttl`. The answer has the earliest of them.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn extend_order(&self, number: &str, ttl: Duration) -> Result<Answer<Extended>, CallError> {
        let ttl_ms = millis(ttl);
        let settled = self.mutate(Kind::OrderEvent, |numbers| {
            let event = event_of(number, OrderAction::Extend, &OrderUnits::new(), numbers);
            let event = OrderEvent { ttl_ms: Some(ttl_ms), ..event };
            numbers.encode(Command::OrderEvent(Box::new(event)))
        });
        Ok(settled.await?.answer(Extended::from))
    }

    /// Gives open units back, or without lines all that may be cancelled. Units that were invoiced need a refund.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn cancel_order(
        &self,
        number: &str,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        self.change_order(number, OrderAction::Cancel, None, units, OrderChanged::from).await
    }

    /// Ships confirmed units from a source, all lines or none.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn ship_order<'a>(
        &self,
        number: &str,
        source: impl Into<SourceRef<'a>>,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        let source = Some(source.into());
        self.change_order(number, OrderAction::Ship, source, units, OrderChanged::from).await
    }

    /// Reverses a shipment: the goods are at the source again and promised again. With the document of the shipment and
    /// without lines, all of it.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn unship_order<'a>(
        &self,
        number: &str,
        source: impl Into<SourceRef<'a>>,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        let source = Some(source.into());
        self.change_order(number, OrderAction::Unship, source, units, OrderChanged::from).await
    }

    /// Counts units as invoiced. Units of a virtual SKU are delivered by that.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn invoice_order(
        &self,
        number: &str,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        self.change_order(number, OrderAction::Invoice, None, units, OrderChanged::from).await
    }

    /// Refunds units by a credit memo. Lines of [`OrderUnits::returned`] come back to stock.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn refund_order(
        &self,
        number: &str,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        self.change_order(number, OrderAction::Refund, None, units, OrderChanged::from).await
    }

    /// Corrects the open units of an order: a positive quantity takes from them, a negative one adds to them, as Magento's
    /// compensations do.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn compensate_order(
        &self,
        number: &str,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        self.change_order(number, OrderAction::Compensate, None, units, OrderChanged::from).await
    }

    /// Changes a confirmed order in one stock. Each line states how much of its SKU the order is to have in all, shipped
    /// units included.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn edit_order(
        &self,
        number: &str,
        units: &OrderUnits<'_>,
    ) -> Result<Answer<OrderChanged>, CallError> {
        self.change_order(number, OrderAction::Edit, None, units, OrderChanged::from).await
    }

    async fn change_order<T>(
        &self,
        number: &str,
        action: OrderAction,
        source: Option<SourceRef<'_>>,
        units: &OrderUnits<'_>,
        done: impl FnOnce(crate::answer::Settled) -> T,
    ) -> Result<Answer<T>, CallError> {
        let settled = self.mutate(Kind::OrderEvent, |numbers| {
            let mut event = event_of(number, action, units, numbers);
            if let Some(source) = source {
                event.source = Some(numbers.source(source));
            }
            numbers.encode(Command::OrderEvent(Box::new(event)))
        });
        Ok(settled.await?.answer(done))
    }
}

fn event_of(
    number: &str,
    action: OrderAction,
    units: &OrderUnits<'_>,
    numbers: &mut Numbers<'_>,
) -> OrderEvent {
    OrderEvent {
        order: number.to_owned(),
        action,
        document: units.document.to_owned(),
        source: units.source.map(|source| numbers.source(source)),
        lines: units.event_lines(numbers),
        forced: units.forced,
        ttl_ms: None,
    }
}
