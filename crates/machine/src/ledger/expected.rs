//! What should be open of an order: by what the shop has said, or by what was ordered and has not ended.

use crate::ledger::record::{OrderLine, OrderSums, ReportedState, Stage, Total, Totals};
use crate::ledger::state::State;

/// What should be open of a line, of which units of expired holds are no longer promised. An order whose state nobody has
/// reported is open, and its expired holds are forgotten.
pub(crate) fn expected_units(reported: Option<ReportedState>, totals: &Totals, lapsed: i64) -> i64 {
    match reported {
        Some(ReportedState { has_figures: true, .. }) => totals.of(Total::Reported),
        Some(ReportedState { state, .. }) if state.is_final() => 0,
        Some(_) => not_ended(totals),
        None => not_ended(totals).saturating_sub(lapsed),
    }
}

/// What was ordered and neither cancelled nor refunded, lost or shipped.
fn not_ended(totals: &Totals) -> i64 {
    totals.open().saturating_sub(totals.of(Total::Compensated))
}

impl State {
    /// What the shop has said last of an order.
    pub(crate) fn reported_state(&self, order: u32) -> Option<ReportedState> {
        let (mut bytes, mut sums) = (Vec::new(), OrderSums::default());
        self.sum_order(order, &mut bytes, &mut sums);
        sums.reported
    }

    /// Notes whether an order is to be looked at for inconsistencies. It is called when its change ends.
    pub(crate) fn mark_to_check(&mut self, order: u32) {
        let key = self.orders.get(order).key;
        let sums = &self.sums_to_change(order).sums;
        let reported = sums.reported;
        // Nearly every order has neither a report nor a compensation.
        let differs = |line: &OrderLine| match reported {
            None => line.totals.of(Total::Compensated) != 0,
            Some(_) => expected_units(reported, &line.totals, 0) != line.totals.open(),
        };
        let is_to_check = sums.lines.iter().any(differs) || reported.is_some() && self.has_held(order);
        if is_to_check {
            self.order_book.to_check.insert(key, order);
        } else {
            self.order_book.to_check.remove(&key);
        }
    }

    /// Whether the record of an order has a hold, which may lapse without a change of the order.
    fn has_held(&self, order: u32) -> bool {
        self.reservations_of_order(order).any(|(_, row)| row.stage() == Stage::Held)
    }
}
