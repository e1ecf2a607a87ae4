//! Orders whose open units are not what the shop expects. Those that are looked at are kept in an index, so a list costs what
//! it finds.

use super::LIST_COST_MAX;
use crate::ledger::expected::expected_units;
use crate::ledger::state::State;
use crate::refusal::quantity;
use std::ops::Bound;
use stockhold_protocol::query::{InconsistenciesView, Inconsistency, LIST_MAX};
use stockhold_protocol::{SkuId, StockId};

impl State {
    /// The inconsistencies of at most `limit` orders.
    pub(super) fn inconsistencies(
        &self,
        is_final: Option<bool>,
        after: u64,
        limit: u32,
    ) -> InconsistenciesView {
        let limit = limit.clamp(1, LIST_MAX);
        let (mut items, mut cost, mut next) = (Vec::new(), 0_usize, 0);
        let orders = self.order_book.to_check.range((Bound::Excluded(after), Bound::Unbounded));
        for (at, (key, order)) in (0_u32..).zip(orders) {
            if at == limit || cost >= LIST_COST_MAX {
                break;
            }
            cost = cost.saturating_add(self.add_inconsistencies(*order, is_final, &mut items));
            next = *key;
        }
        let is_last = self.order_book.to_check.last_key_value().is_none_or(|(last, _)| *last <= next);
        InconsistenciesView {
            op: self.core.op,
            orders: u64::try_from(self.order_book.to_check.len()).unwrap_or(u64::MAX),
            items,
            next: if is_last || next == 0 { 0 } else { next },
        }
    }

    /// Adds those of one order. Returns the cost.
    fn add_inconsistencies(
        &self,
        order: u32,
        is_final: Option<bool>,
        items: &mut Vec<Inconsistency>,
    ) -> usize {
        let reported = self.reported_state(order);
        let order_is_final = reported.is_some_and(|reported| reported.state.is_final());
        if is_final.is_some_and(|is_final| is_final != order_is_final) {
            return 1;
        }
        let units = self.units_of_order(order);
        let number = String::from_utf8_lossy(self.orders.get(order).number());
        for ((stock, sku), units) in &units {
            let differs = expected_units(reported, &units.totals, units.lapsed).saturating_sub(units.open());
            if differs != 0 {
                items.push(Inconsistency {
                    order: number.clone().into_owned(),
                    state: reported.map_or(0, |reported| reported.state.number()),
                    stock: StockId(*stock),
                    sku: SkuId(*sku),
                    quantity: quantity(differs),
                    lapsed: quantity(units.lapsed),
                });
            }
        }
        units.len().saturating_add(2)
    }
}
