//! The commands count, adjust and transfer.
//!
//! A count or an adjustment is a fact: it is accepted, and its shortfall is reported. A transfer is a
//! decision that the guard can refuse.

use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::state::State;
use crate::moves::{Cause, Plan};
use stockhold_protocol::command::{Adjust, Count, SkuKind, Transfer};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Lines, SkuId, SourceId};

impl State {
    pub(crate) fn plan_count(&self, count: &Count, plan: &mut Plan) -> Decision {
        self.check_item_names(count.sku, count.source)?;
        let delta = count.quantity.raw().saturating_sub(self.on_hand(count.sku.0, count.source.0));
        plan.adjust_item(count.sku.0, count.source.0, delta, count.in_stock);
        Ok(Answer::ok(0))
    }

    pub(crate) fn plan_adjust(&self, adjust: &Adjust, plan: &mut Plan) -> Decision {
        self.check_item_names(adjust.sku, adjust.source)?;
        let delta = adjust.delta.raw();
        let before = self.on_hand(adjust.sku.0, adjust.source.0);
        if before.saturating_add(delta).saturating_abs() > QUANTITY_MAX {
            let bound = QUANTITY_MAX.saturating_mul(delta.signum());
            return Err(Refusal::new(Code::QuantityOverflow).bounded(adjust.sku.0, bound, delta));
        }
        plan.adjust_item(adjust.sku.0, adjust.source.0, delta, None);
        Ok(Answer::ok(0))
    }

    pub(crate) fn plan_transfer(&self, transfer: &Transfer, plan: &mut Plan) -> Decision {
        let (from, to) = (transfer.from, transfer.to);
        for (field, source) in [("from", from), ("to", to)] {
            if self.catalog.source(source.0).is_none() {
                return Err(Refusal::unknown(field));
            }
        }
        plan.merge_lines(&Lines::Slice(&transfer.lines));
        for index in 0..plan.requested.len() {
            let (sku, units) = (plan.requested[index].sku, plan.requested[index].quantity.raw());
            self.check_item_names(sku, from)
                .map_err(|refusal| Refusal { value: u32::try_from(index).unwrap_or(u32::MAX), ..refusal })?;
            plan.move_goods(sku.0, to.0, units, Cause::Transferred, index);
            plan.move_goods(sku.0, from.0, 0_i64.saturating_sub(units), Cause::Transferred, index);
        }
        Ok(Answer::ok(0))
    }

    /// The quantity of a SKU on hand at a source.
    fn on_hand(&self, sku: u32, source: u32) -> i64 {
        self.item(sku, source).map_or(0, |slot| self.items.get(slot).on_hand)
    }

    fn check_item_names(&self, sku: SkuId, source: SourceId) -> Result<(), Refusal> {
        if self.catalog.source(source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        if !self.has_sku(sku.0) {
            return Err(Refusal::unknown("sku"));
        }
        if self.skus.kind(sku.0) == SkuKind::Composite {
            return Err(Refusal::new(Code::Composite).of_sku(sku.0));
        }
        Ok(())
    }
}
