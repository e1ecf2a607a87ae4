//! Compares the orders with their reservations.

use crate::ledger::findings::Findings;
use crate::ledger::orders::is_hold;
use crate::ledger::record::{Stage, Total};
use crate::ledger::recount_progress::Recount;
use crate::ledger::state::State;
use std::collections::BTreeMap;

/// What the reservations of an order say of a SKU in a stock.
#[derive(Default, Clone, Copy)]
struct Found {
    open: i64,
    shipped: i64,
    returned: i64,
}

impl Recount {
    /// Checks one order as of now. Returns the cost.
    pub(super) fn check_order(&mut self, state: &State, slot: u32) -> u32 {
        if !state.orders.contains(slot) || !state.is_present(state.orders.get(slot)) {
            return 1;
        }
        let row = state.orders.get(slot);
        let number = String::from_utf8_lossy(row.number()).into_owned();
        if state.find_order(&number) != Some(slot) {
            self.findings.add(|| format!("order {number} is not in the index"));
        }
        let (mut found, mut cost) = state.recount_order(slot);
        for row in state.unreserved_of(row.key) {
            let sums = found.entry((row.stock, row.sku)).or_default();
            sums.open = sums.open.saturating_add(row.units);
        }
        for (key, units) in state.units_of_order(slot) {
            cost = cost.saturating_add(1);
            let reserved = found.get(&key).copied().unwrap_or_default();
            let (open, totals) = (units.open(), units.totals);
            let shipped = totals.of(Total::Shipped).saturating_add(totals.of(Total::Beyond));
            if open != reserved.open {
                self.findings.add(|| {
                    format!(
                        "order {number} has {open} open units of sku {} in stock {}, its reservations and rows have {}",
                        key.1, key.0, reserved.open
                    )
                });
            }
            // Reservations whose records have ended are no longer known, so the order may have more.
            let has_all = shipped >= reserved.shipped && totals.of(Total::Returned) >= reserved.returned;
            if !totals.is_sound() || !has_all {
                self.findings
                    .add(|| format!("order {number} has totals out of range: {units:?} for {key:?}"));
            }
        }
        let open_lines = state.order_lines_of(slot).iter().filter(|line| line.totals.open() > 0).count();
        if usize::try_from(row.open_lines) != Ok(open_lines) {
            self.findings
                .add(|| format!("order {number} counts {} open lines of {open_lines}", row.open_lines));
        }
        cost
    }
}

impl State {
    /// Sums the lines of the known reservations of an order. Also returns the cost.
    fn recount_order(&self, order: u32) -> (BTreeMap<(u32, u32), Found>, u32) {
        let (mut found, mut lines) = (BTreeMap::<_, Found>::new(), Vec::new());
        let mut cost: u32 = 1;
        for (slot, row) in self.reservations_of_order(order) {
            self.lines_of(slot, &mut lines);
            let is_open = match row.stage() {
                Stage::Confirmed => true,
                Stage::Held => is_hold(row) && !self.has_lapsed(row),
                Stage::Released | Stage::Shipped | Stage::Replaced => false,
            };
            for line in &lines {
                cost = cost.saturating_add(1);
                let sums = found.entry((row.stock, line.sku)).or_default();
                sums.open = sums.open.saturating_add(if is_open { line.open } else { 0 });
                sums.shipped = sums.shipped.saturating_add(line.shipped);
                sums.returned = sums.returned.saturating_add(line.returned);
            }
        }
        (found, cost)
    }

    /// Counts all orders again.
    pub(super) fn check_order_counts(&self, findings: &mut Findings) {
        let (mut orders, mut unsettled) = (0_u64, 0_u64);
        for (slot, _) in self.orders.iter().filter(|(_, row)| self.is_present(row)) {
            let is_open = self.units_of_order(slot).values().any(|units| units.open() > 0);
            orders = orders.saturating_add(1);
            unsettled = unsettled.saturating_add(u64::from(is_open));
        }
        let counted = (self.order_book.len(), self.order_book.unsettled());
        if counted != (orders, unsettled) {
            findings.add(|| {
                format!(
                    "there are {orders} orders, {unsettled} of them unsettled, but {counted:?} are counted"
                )
            });
        }
    }
}
