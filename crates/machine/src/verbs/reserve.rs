//! The rules of reserve, replace and sell (a point-of-sale sale), besides those of their lines, which are in `cart`.
//! Reads only.

use super::hold::Status;
use crate::config::{ORDER_LINES_MAX, ORDER_RESERVATIONS_MAX};
use crate::decision::{Answer, Refusal};
use crate::ledger::record::{EVENT_BYTES_MAX, LineState};
use crate::ledger::state::State;
use crate::moves::{CartPlan, Cause, Plan, Report};
use crate::table::NO_SLOT;
use stockhold_protocol::command::{FreezeScope, Replace, Sell, Target};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{BadField, Code, Deadline, Detail, Quantity, SkuId, Timestamp};

/// How a cart replaces another one.
pub(crate) enum Replacement {
    /// The old cart is a live hold. The new one keeps its stock and its origin.
    OfHold { slot: u32, stock: u32, origin: Timestamp, deadline: Deadline },
    /// The old cart has expired or was released. The new one is a plain reserve.
    OfEnded { slot: u32 },
}

impl State {
    /// The stock of a target that may promise something new. A channel is resolved to its current stock.
    #[inline]
    pub(crate) fn stock_of(&self, target: Target) -> Result<u32, Refusal> {
        let (catalog, frozen) = (&self.catalog, self.catalog.frozen());
        let stock = match target {
            Target::Stock(stock) => stock.0,
            Target::Channel(channel) if frozen.is_free_channel(channel.0) => {
                catalog.channels[channel.0 as usize].stock
            }
            Target::Channel(_) => u32::MAX,
        };
        if frozen.is_free_stock(stock) { Ok(stock) } else { self.looked_up_stock_of(target) }
    }

    /// As [`State::stock_of`], if something with a lower number is frozen.
    #[cold]
    fn looked_up_stock_of(&self, target: Target) -> Result<u32, Refusal> {
        let stock = self.known_stock_of(target)?;
        if self.is_frozen(target, stock) {
            return Err(Refusal::new(Code::Frozen).rule("target", "is frozen"));
        }
        Ok(stock)
    }

    /// Whether a target or its stock is frozen.
    pub(crate) fn is_frozen(&self, target: Target, stock: u32) -> bool {
        let frozen = self.catalog.frozen();
        let is_channel = match target {
            Target::Stock(_) => false,
            Target::Channel(channel) => frozen.has(FreezeScope::Channel(channel)),
        };
        is_channel || frozen.has_stock(stock)
    }

    /// The stock of a target, frozen or not.
    pub(crate) fn known_stock_of(&self, target: Target) -> Result<u32, Refusal> {
        let catalog = &self.catalog;
        let stock = match target {
            Target::Stock(stock) => catalog.has_stock(stock.0).then_some(stock.0),
            Target::Channel(channel) => catalog.channels.get(channel.0 as usize).map(|row| row.stock),
        };
        stock.ok_or_else(|| Refusal::unknown("target"))
    }

    /// Stock and deadline of a cart whose first reserve was at `origin`.
    pub(crate) fn terms_of(
        &self,
        target: Target,
        ttl_ms: Option<u32>,
        origin: Timestamp,
    ) -> Result<(u32, Deadline), Refusal> {
        let stock = self.stock_of(target)?;
        Ok((stock, self.deadline_or_none(ttl_ms, origin)?))
    }

    #[inline]
    pub(crate) fn deadline_or_none(
        &self,
        ttl_ms: Option<u32>,
        origin: Timestamp,
    ) -> Result<Deadline, Refusal> {
        ttl_ms.map_or(Ok(Deadline::NONE), |ttl_ms| self.deadline_of(ttl_ms, origin))
    }

    pub(crate) fn check_replace(&self, replace: &Replace<'_>) -> Result<Replacement, Refusal> {
        let slot = self.find_reservation(replace.old.0).ok_or(Refusal::new(Code::UnknownReservation))?;
        let old = self.reservations.get(slot);
        if old.owner != replace.new.owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        match self.status_of(old) {
            Status::Held => {}
            Status::Expired | Status::Released => return Ok(Replacement::OfEnded { slot }),
            Status::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Status::ShippedOrReplaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let origin = Timestamp(old.origin_ms);
        let stock = self.known_stock_of(replace.new.target)?;
        let deadline = self.deadline_or_none(replace.new.ttl_ms, origin)?;
        if stock != old.stock {
            let error = BadField::new("target", "must be the stock of the hold that is replaced");
            return Err(Refusal::field(&error));
        }
        Ok(Replacement::OfHold { slot, stock, origin, deadline })
    }

    /// Whether a reservation with this many lines may join the order that its reference names, or create it. Returns the order
    /// if there is one.
    #[inline]
    pub(crate) fn check_reference(
        &self,
        reference: &str,
        owner: u64,
        lines: usize,
    ) -> Result<Option<u32>, Refusal> {
        if reference.is_empty() {
            return Ok(None);
        }
        let Some(order) = self.find_order(reference) else {
            return self.check_order_limit().map(|()| None);
        };
        if self.orders.get(order).owner != owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        if self.reservations_of_order(order).count() >= ORDER_RESERVATIONS_MAX {
            return Err(Refusal::limit("order_reservations_max", ORDER_RESERVATIONS_MAX));
        }
        // The other half of the room is for what becomes of the units. An event of a sale books each line twice.
        self.check_event_room(order, lines.saturating_mul(2), EVENT_BYTES_MAX / 2)?;
        self.check_order_lines(order, lines).map(|()| Some(order))
    }

    /// Whether an order may get this many further lines.
    pub(crate) fn check_order_lines(&self, order: u32, lines: usize) -> Result<(), Refusal> {
        if self.count_order_lines(order).saturating_add(lines) > ORDER_LINES_MAX {
            return Err(Refusal::limit("order_lines_max", ORDER_LINES_MAX));
        }
        Ok(())
    }

    /// Whether a further order can be created. At the limit, the oldest settled order makes room for it.
    fn check_order_limit(&self) -> Result<(), Refusal> {
        let (book, configuration) = (&self.order_book, &self.core.configuration);
        if book.len() < configuration.orders_max {
            return Ok(());
        }
        let may_go = book.oldest != NO_SLOT && {
            let age_ms = self.core.time.0.saturating_sub(self.orders.get(book.oldest).settled_ms);
            age_ms >= configuration.order_retention_min_ms && !self.has_known_reservation(book.oldest)
        };
        if may_go { Ok(()) } else { Err(Refusal::limit("orders_max", configuration.orders_max)) }
    }

    /// The stock of a sale.
    pub(crate) fn check_sell(&self, sell: &Sell<'_>) -> Result<u32, Refusal> {
        let stock = if sell.forced { self.known_stock_of(sell.target)? } else { self.stock_of(sell.target)? };
        if self.catalog.source(sell.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        self.check_cart(sell.lines.len())?;
        Ok(stock)
    }
}

/// Plans the movements of a sale. The goods leave the source, and the quota is charged.
pub(crate) fn plan_sale(sell: &Sell<'_>, stock: u32, cart: &mut CartPlan, plan: &mut Plan) {
    cart.lines.clear();
    for (index, line) in cart.planned.iter().enumerate() {
        if line.counts {
            let units = 0_i64.saturating_sub(line.granted);
            plan.move_goods(line.sku, sell.source.0, units, Cause::Shipped, index);
            if line.quota_number != 0 {
                plan.promise(line.sku, stock, 0, line.granted, index);
            }
        }
        cart.lines.push(LineState { open: 0, shipped: line.granted, ..line.granted_line() });
    }
    plan.stock = Some(stock);
    if sell.forced {
        plan.is_fact = true;
        plan.report = Report::Shortfall;
    }
}

/// The answer to a planned cart. `requested` is its total quantity, and `lists` tells whether the answer lists the
/// granted lines.
pub(crate) fn grant_answer(cart: &CartPlan, deadline: Deadline, requested: i64, lists: bool) -> Answer {
    let granted = cart.planned.iter().fold(0, |sum: i64, line| sum.saturating_add(line.granted));
    let code = if granted < requested { Code::Partial } else { Code::Ok };
    let backordered = cart.planned.iter().fold(0, |sum: i64, line| sum.saturating_add(line.backordered));
    let backordered = Quantity::from_raw(backordered).unwrap_or(Quantity::MAX);
    let detail = if lists {
        Detail::Granted { lines: granted_lines(cart), backordered }
    } else if backordered > Quantity::ZERO {
        Detail::Backordered(backordered)
    } else {
        Detail::None
    };
    Answer { code, value: deadline.0, detail }
}

fn granted_lines(cart: &CartPlan) -> Vec<GrantedLine> {
    let quantity = |raw| Quantity::from_raw(raw).unwrap_or_default();
    let lines = cart.planned.iter();
    lines.map(|line| GrantedLine { sku: SkuId(line.sku), quantity: quantity(line.granted) }).collect()
}
