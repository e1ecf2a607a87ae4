//! The units of every SKU at one moment, and the difference between two moments.

use std::collections::BTreeMap;

use stockhold_machine::Machine;
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{SkuId, SourceId, StockId};

/// The promised units of a SKU in a stock, in ten-thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promised {
    /// Units of confirmed orders.
    pub confirmed: i64,
    /// Units of live holds.
    pub held: i64,
}

/// The promised units of a SKU in a stock before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromiseChange {
    /// The SKU.
    pub sku: SkuId,
    /// The stock.
    pub stock: StockId,
    /// At the target.
    pub then: Promised,
    /// At the end of the log.
    pub now: Promised,
}

/// The units of a SKU on hand at a source before and after, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoodsChange {
    /// The SKU.
    pub sku: SkuId,
    /// The source.
    pub source: SourceId,
    /// At the target.
    pub then: i64,
    /// At the end of the log.
    pub now: i64,
}

/// All units that are not zero.
#[derive(Debug, Default)]
pub(super) struct Tables {
    promises: BTreeMap<(SkuId, StockId), Promised>,
    goods: BTreeMap<(SkuId, SourceId), i64>,
}

impl Tables {
    pub(super) fn of(machine: &Machine) -> Self {
        let mut tables = Self::default();
        let mut after = None;
        while let Some(QueryAnswer::Skus(page)) = machine.query(&Query::Skus { after, limit: u32::MAX }) {
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for sku in page {
                for position in sku.positions {
                    let (confirmed, held) = (position.confirmed.raw(), position.held.raw());
                    if confirmed != 0 || held != 0 {
                        tables.promises.insert((sku.id, position.stock), Promised { confirmed, held });
                    }
                }
                for item in sku.items {
                    if item.on_hand.raw() != 0 {
                        tables.goods.insert((sku.id, item.source), item.on_hand.raw());
                    }
                }
            }
        }
        tables
    }

    pub(super) fn promises_changed(&self, now: &Self) -> Vec<PromiseChange> {
        let changes = differences(&self.promises, &now.promises).into_iter();
        changes.map(|((sku, stock), then, now)| PromiseChange { sku, stock, then, now }).collect()
    }

    pub(super) fn goods_changed(&self, now: &Self) -> Vec<GoodsChange> {
        let changes = differences(&self.goods, &now.goods).into_iter();
        changes.map(|((sku, source), then, now)| GoodsChange { sku, source, then, now }).collect()
    }
}

/// The keys whose values differ. A missing value is the default.
fn differences<K: Ord + Copy, V: Default + Copy + PartialEq>(
    then: &BTreeMap<K, V>,
    now: &BTreeMap<K, V>,
) -> Vec<(K, V, V)> {
    let value = |map: &BTreeMap<K, V>, key: &K| map.get(key).copied().unwrap_or_default();
    let gone = then.keys().filter(|key| !now.contains_key(key));
    let mut keys: Vec<K> = now.keys().chain(gone).copied().collect();
    keys.sort_unstable();
    let both = keys.into_iter().map(|key| (key, value(then, &key), value(now, &key)));
    both.filter(|(_, then, now)| then != now).collect()
}
