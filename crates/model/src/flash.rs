//! The rules of a flash sale: freezes, opening and closing.

use crate::decide::{Answer, Decision, at, of_sku, plain, unknown};
use crate::state::{Model, Reservation};
use std::collections::BTreeSet;
use stockhold_protocol::command::Target;
use stockhold_protocol::{Code, Detail, Timestamp};

/// The frozen stocks and channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frozen {
    stocks: BTreeSet<u32>,
    channels: BTreeSet<u32>,
}

impl Model {
    pub(crate) fn freeze(&mut self, target: Target, frozen: bool) -> Decision {
        self.stock_of(target).ok_or(unknown("scope", 0))?;
        let (set, number) = match target {
            Target::Stock(stock) => (&mut self.frozen.stocks, stock.0),
            Target::Channel(channel) => (&mut self.frozen.channels, channel.0),
        };
        if frozen {
            set.insert(number);
        } else {
            set.remove(&number);
        }
        Ok(plain(Code::Ok))
    }

    pub(crate) fn is_frozen_stock(&self, stock: u32) -> bool {
        self.frozen.stocks.contains(&stock)
    }

    pub(crate) fn is_frozen(&self, target: Target, stock: u32) -> bool {
        let is_channel = match target {
            Target::Stock(_) => false,
            Target::Channel(channel) => self.frozen.channels.contains(&channel.0),
        };
        is_channel || self.is_frozen_stock(stock)
    }

    /// The stock of a target from which nothing but new promises is wanted.
    pub(crate) fn stock_to_promise(&self, target: Target) -> Result<u32, Answer> {
        let stock = self.stock_of(target).ok_or(unknown("target", 0))?;
        if self.is_frozen(target, stock) {
            let (field, rule) = ("target".to_owned(), "is frozen".to_owned());
            return Err((Code::Frozen, 0, Detail::Field { field, rule }));
        }
        Ok(stock)
    }

    fn wall_ms(&self) -> u64 {
        self.now_ms.saturating_add_signed(self.wall_offset_ms())
    }

    /// Whether more of a SKU may be promised now.
    pub(crate) fn may_promise(&self, sku: u32, stock: u32, is_frozen: bool) -> Result<(), Code> {
        if is_frozen || self.settings(sku, stock).frozen {
            return Err(Code::Frozen);
        }
        if self.is_closed(sku, stock) { Err(Code::NotOpen) } else { Ok(()) }
    }

    /// Whether the sale of a SKU in a stock has not begun, or is over.
    #[must_use]
    pub fn is_closed(&self, sku: u32, stock: u32) -> bool {
        let settings = self.settings(sku, stock);
        let has_closed = settings.closes_ms != 0 && self.wall_ms() >= settings.closes_ms;
        self.wall_ms() < settings.opens_ms || has_closed
    }

    /// The times between which a SKU is sold, and now.
    pub(crate) fn doors(&self, sku: u32, stock: u32) -> Detail {
        let settings = self.settings(sku, stock);
        let max = if settings.closes_ms == 0 { Timestamp::MAX.0 } else { settings.closes_ms - 1 };
        Detail::Range { min: settings.opens_ms, max, value: self.wall_ms() }
    }

    /// Whether an expired hold may be confirmed, as far as freezes are concerned.
    pub(crate) fn check_thawed(&self, one: &Reservation) -> Result<(), Answer> {
        let is_frozen = |sku: u32| self.is_frozen_stock(one.stock) || self.settings(sku, one.stock).frozen;
        match one.lines.iter().position(|line| line.open > 0 && is_frozen(line.sku)) {
            Some(index) => Err(of_sku(at(Code::Frozen, index), one.lines[index].sku)),
            None => Ok(()),
        }
    }
}
