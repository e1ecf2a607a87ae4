//! The low-stock configuration of an item, and the report of the items that are low. There is no index by quantity, as it
//! would cost every movement of goods time. So all configurations are scanned, in bounded steps between which commands are
//! applied, and the lowest items are kept. The memory does not depend on the number of configurations.

use crate::ledger::record::NotifyRow;
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::refusal::quantity;
use std::collections::BinaryHeap;
use stockhold_protocol::query::{
    LIST_MAX, LowStockCursor, LowStockFilter, LowStockItem, LowStockView, NotifyView,
};
use stockhold_protocol::{SkuId, SourceId};

/// A scan of all low-stock configurations in progress.
#[derive(Debug)]
pub struct LowStockScan {
    filter: LowStockFilter,
    after: Option<LowStockCursor>,
    limit: usize,
    /// The next SKU to visit; `None` at the end.
    next_sku: Option<u32>,
    matched: u64,
    /// The lowest items with their thresholds in ten-thousandths, the highest of them first.
    lowest: BinaryHeap<(LowStockCursor, i64)>,
}

impl Machine {
    /// Begins a scan of the items that are low and come after a place in the order of the report.
    #[must_use]
    pub fn begin_low_stock_scan(
        &self,
        filter: LowStockFilter,
        after: Option<LowStockCursor>,
        limit: u32,
    ) -> LowStockScan {
        let limit = limit.clamp(1, LIST_MAX) as usize;
        let next_sku = Some(filter.sku.map_or(0, |sku| sku.0));
        LowStockScan { filter, after, limit, next_sku, matched: 0, lowest: BinaryHeap::new() }
    }

    /// Visits SKUs until at least `budget` source items and SKUs were read. Returns the report when it is complete.
    pub fn low_stock_scan_step(&self, scan: &mut LowStockScan, budget: u32) -> Option<LowStockView> {
        let state = self.state();
        let mut cost: u32 = 0;
        while cost < budget {
            let next = scan.next_sku.and_then(|from| state.next_sku_with_notify(from));
            let next = next.filter(|sku| scan.filter.sku.is_none_or(|only| only.0 == *sku));
            let Some(sku) = next else {
                let lowest = std::mem::take(&mut scan.lowest).into_sorted_vec();
                let items = lowest.into_iter().map(|(place, threshold)| LowStockItem {
                    sku: place.sku,
                    source: place.source,
                    on_hand: place.on_hand,
                    threshold: quantity(threshold),
                });
                return Some(LowStockView { op: self.op(), matched: scan.matched, items: items.collect() });
            };
            cost = cost.saturating_add(state.visit_low_stock(sku, scan));
            scan.next_sku = sku.checked_add(1);
        }
        None
    }
}

impl State {
    pub(super) fn notify_view(&self, sku: u32, source: u32) -> Option<NotifyView> {
        let is_known = self.has_sku(sku) && self.catalog.source(source).is_some();
        is_known.then(|| {
            let row = self.notify_of(sku, source);
            let own = row.and_then(NotifyRow::own);
            let threshold = quantity(own.unwrap_or_else(|| self.inherited_threshold(sku)));
            NotifyView { is_set: row.is_some(), own: own.map(quantity), threshold }
        })
    }

    /// Visits the items of a SKU. Returns the cost in records read.
    fn visit_low_stock(&self, sku: u32, scan: &mut LowStockScan) -> u32 {
        let inherited = self.inherited_threshold(sku);
        let mut cost: u32 = 1;
        for (_, item) in self.items_of(sku) {
            cost = cost.saturating_add(1);
            let is_meant = item.in_stock
                && item.on_hand > 0
                && scan.filter.source.is_none_or(|only| only.0 == item.source)
                && self.catalog.source(item.source).is_some_and(|source| source.enabled);
            let Some(row) = is_meant.then(|| self.notify_of(sku, item.source)).flatten() else { continue };
            let threshold = row.own().unwrap_or(inherited);
            let place = LowStockCursor {
                on_hand: quantity(item.on_hand),
                sku: SkuId(sku),
                source: SourceId(item.source),
            };
            if item.on_hand >= threshold || scan.after.is_some_and(|after| place <= after) {
                continue;
            }
            scan.matched = scan.matched.saturating_add(1);
            scan.lowest.push((place, threshold));
            if scan.lowest.len() > scan.limit {
                scan.lowest.pop();
            }
        }
        cost
    }
}
