//! The call of callers that know only the signed rows of Magento's reservation table.

use crate::answer::{Answer, Appended};
use crate::blocking::blocking_calls;
use crate::client::Client;
use crate::error::CallError;
use crate::names::{SkuRef, StockRef};
use stockhold_protocol::Quantity;
use stockhold_protocol::command::{AppendReservations, Command, Kind, SignedRow};
use stockhold_protocol::event::EventKind;

/// A signed row: negative units are promised, positive ones are given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReservationRow<'a> {
    /// The number of the order, at most 32 bytes; empty = none.
    pub order: &'a str,
    /// Why, one of the first seven kinds. It says nothing without an order.
    pub event: EventKind,
    /// The stock.
    pub stock: StockRef<'a>,
    /// The SKU.
    pub sku: SkuRef<'a>,
    /// The units.
    pub quantity: Quantity,
}

blocking_calls! {
    /// See [`crate::Client::append_reservations`].
    fn append_reservations(rows: &[ReservationRow<'_>]) -> Answer<Appended>;
}

impl Client {
    /// Promises and gives back units by 1 to 1,024 signed rows, in one step: all of them or none. The order of the rows says
    /// nothing. The answer has the number of rows that had an effect: SKUs whose goods are not counted are passed over.
    ///
    /// # Errors
    /// [`CallError`] when there is no answer.
    pub async fn append_reservations(
        &self,
        rows: &[ReservationRow<'_>],
    ) -> Result<Answer<Appended>, CallError> {
        let settled = self.mutate(Kind::AppendReservations, |numbers| {
            let mut signed = Vec::with_capacity(rows.len());
            for row in rows {
                let (stock, sku) = (numbers.stock(row.stock), numbers.sku(row.sku));
                let (order, event, quantity) = (row.order.to_owned(), row.event, row.quantity);
                signed.push(SignedRow { order, event, stock, sku, quantity });
            }
            numbers.encode(Command::AppendReservations(AppendReservations { rows: signed }))
        });
        Ok(settled.await?.answer(Appended::from))
    }
}
