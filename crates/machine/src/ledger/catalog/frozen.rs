//! Which stocks and channels are frozen. A frozen SKU is one by its settings.
//!
//! A cart must not pay for a rule that hardly ever binds. So the numbers below the first frozen one are known: of these
//! nothing needs to be looked up.

use std::collections::BTreeSet;
use stockhold_protocol::command::FreezeScope;
use stockhold_protocol::{ChannelId, StockId};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Frozen {
    scopes: BTreeSet<FreezeScope>,
    /// How many stocks and channels there are.
    stocks: u32,
    channels: u32,
    /// Stocks and channels with lower numbers exist and are not frozen.
    free_stocks: u32,
    free_channels: u32,
}

/// The key of the record of a frozen thing.
pub(super) fn key_of(scope: FreezeScope) -> u64 {
    match scope {
        FreezeScope::Stock(stock) => u64::from(stock.0),
        FreezeScope::Channel(channel) => CHANNEL | u64::from(channel.0),
    }
}

/// The frozen thing of a key.
pub(super) fn scope_of(key: u64) -> FreezeScope {
    let number = u32::try_from(key & !CHANNEL).unwrap_or(u32::MAX);
    if key & CHANNEL == 0 {
        FreezeScope::Stock(StockId(number))
    } else {
        FreezeScope::Channel(ChannelId(number))
    }
}

/// The bit of a key that distinguishes channels from stocks.
const CHANNEL: u64 = 1 << 32;

impl Frozen {
    /// Whether a stock exists and is not frozen, as far as that is known without looking.
    #[inline]
    pub(crate) const fn is_free_stock(&self, stock: u32) -> bool {
        stock < self.free_stocks
    }

    /// Whether a channel exists and is not frozen, as far as that is known without looking.
    #[inline]
    pub(crate) const fn is_free_channel(&self, channel: u32) -> bool {
        channel < self.free_channels
    }

    pub(crate) fn has(&self, scope: FreezeScope) -> bool {
        self.scopes.contains(&scope)
    }

    pub(crate) fn has_stock(&self, stock: u32) -> bool {
        !self.is_free_stock(stock) && self.has(FreezeScope::Stock(StockId(stock)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = FreezeScope> {
        self.scopes.iter().copied()
    }

    pub(super) fn insert(&mut self, scope: FreezeScope) {
        self.scopes.insert(scope);
        self.find_free();
    }

    pub(super) fn remove(&mut self, scope: FreezeScope) {
        self.scopes.remove(&scope);
        self.find_free();
    }

    pub(super) fn know_stocks(&mut self, count: u32) {
        self.stocks = count;
        self.find_free();
    }

    pub(super) fn know_channels(&mut self, count: u32) {
        self.channels = count;
        self.find_free();
    }

    fn find_free(&mut self) {
        (self.free_stocks, self.free_channels) = (self.stocks, self.channels);
        for scope in &self.scopes {
            match scope {
                FreezeScope::Stock(stock) => self.free_stocks = self.free_stocks.min(stock.0),
                FreezeScope::Channel(channel) => self.free_channels = self.free_channels.min(channel.0),
            }
        }
    }
}
