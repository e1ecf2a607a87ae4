//! The command refund: unshipped units are cancelled, shipped units are returned, or lost units are written
//! off.
//!
//! All parts of a refund form one op and one plan. A hold is given back with a release instead.

use super::hold::Status;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::Total;
use crate::ledger::state::State;
use crate::moves::{Cause, Ending, Plan};
use stockhold_protocol::Code;
use stockhold_protocol::command::{PartKind, Refund, RefundPart};
use stockhold_protocol::event::EventKind;

impl State {
    pub(crate) fn plan_refund(&self, refund: &Refund<'_>, plan: &mut Plan) -> Decision {
        let (row, status) = self.begin_plan(EventKind::CreditmemoCreated, refund.reservation, plan)?;
        let is_closed = match status {
            Status::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Status::Expired => return Err(Refusal::new(Code::Expired)),
            Status::Confirmed => false,
            Status::Released | Status::ShippedOrReplaced => true,
        };
        if refund.parts.iter().any(|part| matches!(part.kind, PartKind::Returned(_))) {
            self.load_shipments(plan);
        }
        for (index, part) in refund.parts.iter().enumerate() {
            self.plan_refund_part(row.stock, part, is_closed, index, plan)?;
        }
        if !is_closed {
            plan.close_if_settled();
        }
        Ok(Answer::ok(0))
    }

    fn plan_refund_part(
        &self,
        stock: u32,
        part: RefundPart,
        is_closed: bool,
        index: usize,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let (sku, units) = (part.sku.0, part.quantity.raw());
        let Some(at) = plan.line_of(sku) else {
            return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(sku));
        };
        if let PartKind::Returned(source) | PartKind::WrittenOff(source) = part.kind
            && self.catalog.source(source.0).is_none()
        {
            return Err(Refusal::unknown_in_line("parts", index));
        }
        let line = plan.lines[at];
        let left = line.shipped.saturating_sub(line.returned);
        let refused = |code: Code| Refusal::of_line(code, index);
        let (source, change, cause) = match part.kind {
            PartKind::Unshipped | PartKind::WrittenOff(_) if is_closed => {
                return Err(refused(Code::AlreadyClosed));
            }
            PartKind::Unshipped | PartKind::WrittenOff(_) if units > line.open => {
                return Err(refused(Code::MoreThanOpen).bounded(sku, line.open, units));
            }
            PartKind::Returned(_) if units > left => {
                return Err(refused(Code::MoreThanShipped).bounded(sku, left, units));
            }
            PartKind::Unshipped => {
                let quota = self.quota_of(&line, stock, units);
                plan.end_promise(at, units, quota, Ending::Counted(Total::Refunded), index);
                return Ok(());
            }
            PartKind::WrittenOff(source) => {
                // As in a shipment, written-off units stay counted in the quota.
                plan.end_promise(at, units, 0, Ending::CountedAt(Total::WrittenOff, source.0), index);
                (source.0, 0_i64.saturating_sub(units), Cause::WrittenOff)
            }
            PartKind::Returned(source) => {
                let goods = plan.return_units(at, source.0, units);
                (source.0, goods, Cause::Returned)
            }
        };
        let is_counted = if cause == Cause::Returned { change > 0 } else { line.counts };
        if is_counted {
            plan.move_goods(sku, source, change, cause, index);
        }
        Ok(())
    }
}
