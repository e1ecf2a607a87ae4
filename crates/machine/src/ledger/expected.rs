//! What should be open of an order: by what the shop has said, or by what was ordered and has not ended.

use crate::ledger::orders::OrderUnits;
use crate::ledger::record::{OrderLine, OrderSums, ReportedState, Stage, Total, Totals};
use crate::ledger::state::State;

/// What should be open of a line, of which units of expired holds are no longer promised. An order whose state nobody has
/// reported is open, and its expired holds are forgotten.
pub(crate) fn expected_units(reported: Option<ReportedState>, units: &OrderUnits) -> i64 {
    let of = |total| units.totals.of(total);
    match reported {
        Some(ReportedState { has_figures: true, .. }) => of(Total::Reported),
        Some(ReportedState { state, .. }) if state.is_final() => 0,
        Some(_) => not_ended(&units.totals),
        None => not_ended(&units.totals).saturating_sub(units.lapsed),
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
        let differs = |line: &OrderLine| {
            let units = OrderUnits { totals: line.totals, lapsed: 0 };
            expected_units(reported, &units) != line.totals.open()
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
