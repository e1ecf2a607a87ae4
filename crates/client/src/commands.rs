//! The calls of a checkout: reserve, confirm, release, extend, replace, amend, ship, unship, sell, refund.

use crate::answer::{Answer, Confirmed, Done, Extended, Reserved, Settled, Shipped};
use crate::blocking::blocking_calls;
use crate::cart::{Cart, millis};
use crate::client::Client;
use crate::error::CallError;
use crate::names::{CartLine, Numbers, SkuRef, SourceRef};
use std::time::Duration;
use stockhold_protocol::command::{
    Amend, Command, Extend, Kind, PartKind, Parts, Refund, RefundPart, Release, Replace, Reserve, Sell, Ship,
    Unship,
};
use stockhold_protocol::{BadField, Line, Lines, Quantity, ReservationId};

/// One part of a refund, by names or dense numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefundLine<'a> {
    /// Units that never left. Their promise ends.
    Unshipped(SkuRef<'a>, Quantity),
    /// Units that left and came back to this source.
    Returned(SkuRef<'a>, Quantity, SourceRef<'a>),
    /// Units that never left and are lost at this source.
    WrittenOff(SkuRef<'a>, Quantity, SourceRef<'a>),
}

blocking_calls! {
    /// See [`crate::Client::reserve`].
    fn reserve(cart: &Cart<'_>) -> Answer<Reserved>;
    /// See [`crate::Client::replace`].
    fn replace(old: ReservationId, cart: &Cart<'_>) -> Answer<Reserved>;
    /// See [`crate::Client::confirm`].
    fn confirm(reservation: ReservationId) -> Answer<Confirmed>;
    /// See [`crate::Client::release`].
    fn release(reservation: ReservationId) -> Answer<Done>;
    /// See [`crate::Client::release_lines`].
    fn release_lines(reservation: ReservationId, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::extend`].
    fn extend(reservation: ReservationId, ttl: Duration) -> Answer<Extended>;
    /// See [`crate::Client::ship`].
    fn ship<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Shipped>;
    /// See [`crate::Client::ship_forced`].
    fn ship_forced<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Shipped>;
    /// See [`crate::Client::unship`].
    fn unship<'a>(reservation: ReservationId, source: impl Into<SourceRef<'a>>, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::amend`].
    fn amend(reservation: ReservationId, lines: &[CartLine<'_>]) -> Answer<Done>;
    /// See [`crate::Client::sell`].
    fn sell<'a>(cart: &Cart<'_>, source: impl Into<SourceRef<'a>>) -> Answer<Shipped>;
    /// See [`crate::Client::sell_forced`].
    fn sell_forced<'a>(cart: &Cart<'_>, source: impl Into<SourceRef<'a>>) -> Answer<Shipped>;
    /// See [`crate::Client::refund`].
    fn refund(reservation: ReservationId, parts: &[RefundLine<'_>]) -> Answer<Done>;
}

impl Client {
    /// Reserves the units of a cart. The cart is all or nothing unless it is best effort. With a TTL the reservation
    /// is a hold, otherwise it is confirmed from the start.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn reserve(&self, cart: &Cart<'_>) -> Result<Answer<Reserved>, CallError> {
        let settled = self.mutate(Kind::Reserve, |numbers| {
            let lines = numbers.lines(&cart.lines);
            let reserve = reserve_of(cart, &lines, numbers);
            numbers.encode(Command::Reserve(reserve))
        });
        Ok(settled.await?.answer(Reserved::from))
    }

    /// Replaces the cart of a hold in one step. Only the difference is reserved or released. If it does not fit, the
    /// old hold stays unchanged. The reservation has a new id afterwards.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn replace(&self, old: ReservationId, cart: &Cart<'_>) -> Result<Answer<Reserved>, CallError> {
        let settled = self.mutate(Kind::Replace, |numbers| {
            let lines = numbers.lines(&cart.lines);
            let new = reserve_of(cart, &lines, numbers);
            numbers.encode(Command::Replace(Replace { old, new }))
        });
        Ok(settled.await?.answer(Reserved::from))
    }

    /// Turns a hold into an order, with all its open units.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn confirm(&self, reservation: ReservationId) -> Result<Answer<Confirmed>, CallError> {
        let settled = self.mutate(Kind::Confirm, |numbers| numbers.encode(Command::Confirm(reservation)));
        Ok(settled.await?.answer(Confirmed::from))
    }

    /// Releases all open units of a reservation.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn release(&self, reservation: ReservationId) -> Result<Answer<Done>, CallError> {
        self.release_lines(reservation, &[]).await
    }

    /// Releases some open units. An empty list means all.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn release_lines(
        &self,
        reservation: ReservationId,
        lines: &[CartLine<'_>],
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Release, |numbers| {
            let lines = numbers.lines(lines);
            numbers.encode(Command::Release(Release { reservation, lines: Lines::Slice(&lines) }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Moves the deadline of a hold to now plus `ttl`. It never shortens the hold.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn extend(
        &self,
        reservation: ReservationId,
        ttl: Duration,
    ) -> Result<Answer<Extended>, CallError> {
        let extend = Extend { reservation, ttl_ms: millis(ttl) };
        let settled = self.mutate(Kind::Extend, |numbers| numbers.encode(Command::Extend(extend)));
        Ok(settled.await?.answer(Extended::from))
    }

    /// Ships promised units from a source, all lines or none.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn ship<'a>(
        &self,
        reservation: ReservationId,
        source: impl Into<SourceRef<'a>>,
        lines: &[CartLine<'_>],
    ) -> Result<Answer<Shipped>, CallError> {
        self.ship_as(reservation, source.into(), lines, false).await
    }

    /// Records that goods *have* left a source, whatever that means for promises and for the quantity on hand, which may
    /// go below zero. The answer reports the shortfall. A hold is confirmed, and units beyond what is open are recorded as
    /// beyond the promise. The command is still refused when the reservation is unknown or has no such SKU.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn ship_forced<'a>(
        &self,
        reservation: ReservationId,
        source: impl Into<SourceRef<'a>>,
        lines: &[CartLine<'_>],
    ) -> Result<Answer<Shipped>, CallError> {
        self.ship_as(reservation, source.into(), lines, true).await
    }

    async fn ship_as(
        &self,
        reservation: ReservationId,
        source: SourceRef<'_>,
        lines: &[CartLine<'_>],
        forced: bool,
    ) -> Result<Answer<Shipped>, CallError> {
        let settled = self.mutate(Kind::Ship, |numbers| {
            let source = numbers.source(source);
            let lines = numbers.lines(lines);
            numbers.encode(Command::Ship(Ship { reservation, source, lines: Lines::Slice(&lines), forced }))
        });
        Ok(settled.await?.answer(|settled| Shipped::of(reservation, settled)))
    }

    /// Takes shipped units back: the goods are at the source again and the promise is open again, in one step. It is
    /// bounded by what the source shipped of each SKU.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn unship<'a>(
        &self,
        reservation: ReservationId,
        source: impl Into<SourceRef<'a>>,
        lines: &[CartLine<'_>],
    ) -> Result<Answer<Done>, CallError> {
        let source = source.into();
        let settled = self.mutate(Kind::Unship, |numbers| {
            let (source, lines) = (numbers.source(source), numbers.lines(lines));
            numbers.encode(Command::Unship(Unship { reservation, source, lines }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Changes a confirmed order in one step. Each line states how much of its SKU the order is to have in all, shipped
    /// units included; 0 cancels a line. Lines that are not named stay as they are.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn amend(
        &self,
        reservation: ReservationId,
        lines: &[CartLine<'_>],
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Amend, |numbers| {
            let lines = numbers.lines(lines);
            numbers.encode(Command::Amend(Amend { reservation, lines }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Sells over the counter: reserve, confirm and ship in one step. The TTL and best-effort flag of the cart are
    /// ignored.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn sell<'a>(
        &self,
        cart: &Cart<'_>,
        source: impl Into<SourceRef<'a>>,
    ) -> Result<Answer<Shipped>, CallError> {
        self.sell_as(cart, source.into(), false).await
    }

    /// Records that goods *have* been sold over the counter. The answer reports the shortfall. Sale rules, quotas and
    /// promises are updated but not enforced, and the quantity on hand may go below zero. The command is still refused
    /// when a SKU is unknown or composite, and at the limit of kept reservations.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn sell_forced<'a>(
        &self,
        cart: &Cart<'_>,
        source: impl Into<SourceRef<'a>>,
    ) -> Result<Answer<Shipped>, CallError> {
        self.sell_as(cart, source.into(), true).await
    }

    async fn sell_as(
        &self,
        cart: &Cart<'_>,
        source: SourceRef<'_>,
        forced: bool,
    ) -> Result<Answer<Shipped>, CallError> {
        let settled = self.mutate(Kind::Sell, |numbers| {
            let (target, source) = (numbers.target(cart.target), numbers.source(source));
            let lines = numbers.lines(&cart.lines);
            let (lines, owner, reference) = (Lines::Slice(&lines), cart.owner, cart.reference);
            numbers.encode(Command::Sell(Sell { target, source, lines, forced, owner, reference }))
        });
        Ok(settled.await?.answer(|settled| Shipped::of(settled.id.into(), settled)))
    }

    /// Refunds parts of an order. Each part has its own kind.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn refund(
        &self,
        reservation: ReservationId,
        parts: &[RefundLine<'_>],
    ) -> Result<Answer<Done>, CallError> {
        let settled = self.mutate(Kind::Refund, |numbers| {
            let parts: Vec<RefundPart> = parts.iter().map(|part| part_of(*part, numbers)).collect();
            numbers.encode(Command::Refund(Refund { reservation, parts: Parts::Slice(&parts) }))
        });
        Ok(settled.await?.answer(Done::from))
    }

    /// Executes any command, written with dense numbers. It is retried like the typed calls.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn execute(&self, command: &Command<'_>) -> Result<Settled, CallError> {
        if *command == Command::Tick {
            return Err(BadField::new("kind", "is not for clients: time passes by itself").into());
        }
        let build = |numbers: &mut Numbers<'_>| {
            numbers.given_numbers();
            numbers.encode(command.clone())
        };
        self.mutate(command.kind(), build).await
    }
}

pub(crate) fn reserve_of<'a>(cart: &Cart<'a>, lines: &'a [Line], numbers: &mut Numbers<'_>) -> Reserve<'a> {
    Reserve {
        target: numbers.target(cart.target),
        lines: Lines::Slice(lines),
        best_effort: cart.best_effort,
        ttl_ms: cart.ttl_ms(),
        owner: cart.owner,
        reference: cart.reference,
    }
}

fn part_of(part: RefundLine<'_>, numbers: &mut Numbers<'_>) -> RefundPart {
    let (sku, quantity, kind) = match part {
        RefundLine::Unshipped(sku, quantity) => (sku, quantity, PartKind::Unshipped),
        RefundLine::Returned(sku, quantity, source) => {
            (sku, quantity, PartKind::Returned(numbers.source(source)))
        }
        RefundLine::WrittenOff(sku, quantity, source) => {
            (sku, quantity, PartKind::WrittenOff(numbers.source(source)))
        }
    };
    RefundPart { sku: numbers.sku(sku), quantity, kind }
}
