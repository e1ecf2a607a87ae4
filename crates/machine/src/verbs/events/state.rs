//! What the shop says of an order. No promise changes by that.

use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{Booking, OrderSums, ReportedState, Total};
use crate::ledger::state::State;
use crate::moves::Plan;
use stockhold_protocol::Code;
use stockhold_protocol::command::{ExpectedLine, OrderStateReport};
use stockhold_protocol::event::EventKind;

/// The value of an answer to a report that says nothing new.
const KNOWN: u32 = 1;

impl State {
    /// Plans the event of a report. The figures of a line that is not named become 0.
    pub(crate) fn plan_order_state(&self, report: &OrderStateReport, plan: &mut Plan) -> Decision {
        let order = self.order(&report.order)?;
        let (mut bytes, mut sums) = (Vec::new(), OrderSums::default());
        self.sum_order(order, &mut bytes, &mut sums);
        let lines = report.lines.as_deref().unwrap_or(&[]);
        for (index, line) in lines.iter().enumerate() {
            if !self.has_sku(line.sku.0) || !self.catalog.has_stock(line.stock.0) {
                return Err(Refusal::unknown_in_line("lines", index));
            }
            let is_line =
                sums.lines.iter().any(|known| (known.stock, known.sku) == (line.stock.0, line.sku.0));
            if !is_line {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(line.sku.0));
            }
        }
        let reported = ReportedState { state: report.state, has_figures: report.lines.is_some() };
        if reported.has_figures {
            for known in &sums.lines {
                let is_line = |line: &&ExpectedLine| (line.stock.0, line.sku.0) == (known.stock, known.sku);
                let figure = lines.iter().find(is_line).map_or(0, |line| line.quantity.raw());
                let units = figure.saturating_sub(known.totals.of(Total::Reported));
                if units != 0 {
                    let (stock, sku, total) = (known.stock, known.sku, Total::Reported);
                    plan.bookings.push(Booking { stock, sku, total, units, source: None });
                }
            }
        }
        if sums.reported == Some(reported) && plan.bookings.is_empty() {
            return Ok(Answer::ok(KNOWN));
        }
        plan.order = Some(order);
        plan.event.kind = EventKind::OrderState;
        plan.event.body = reported.body();
        Ok(Answer::ok(0))
    }
}
