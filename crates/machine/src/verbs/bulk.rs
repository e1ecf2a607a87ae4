//! The commands that change many source items: `count_many`, `assign`, `unassign`, `transfer_many`, `transfer_lines`.
//!
//! Counts and assignments are facts. The others are decisions, unless they are forced. The rules are those of MSI's
//! bulk operations. What must be there for a transfer of lines is required of a forced one too: only promises do not
//! count then.

use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::NotifyRow;
use crate::ledger::state::State;
use crate::moves::{FoundItem, ItemPlan, ItemValues};
use stockhold_protocol::command::{Assign, CountMany, SkuKind, TransferLines, TransferMany, Unassign};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Line, Lines, SkuId, SourceId};

/// An item that is assigned: no units, out of stock.
const ASSIGNED: ItemValues = ItemValues { on_hand: 0, in_stock: false };

impl State {
    pub(crate) fn plan_count_many(&self, count: &CountMany, plan: &mut ItemPlan) -> Decision {
        for (index, line) in count.lines.iter().enumerate() {
            if self.catalog.source(line.source.0).is_none() {
                return Err(Refusal::unknown_in_line("source", index));
            }
            self.check_sku_in_line("sku", line.sku, index)?;
        }
        (plan.is_fact, plan.reports_shortfall) = (true, true);
        let mut lines = count.lines.clone();
        lines.sort_unstable_by_key(|line| (line.sku, line.source));
        for of_sku in lines.chunk_by(|one, next| one.sku == next.sku) {
            let sku = of_sku[0].sku.0;
            if self.is_composite(sku) {
                for line in of_sku {
                    plan.offend((sku, line.source.0), Code::Composite, (0, 0));
                }
                continue;
            }
            self.begin_sku(sku, plan);
            for line in of_sku {
                let (on_hand, before) = (line.quantity.raw(), plan.find(line.source.0));
                // A source item that is made below zero must not begin to sell backorders by that.
                let kept = before.map_or(on_hand >= 0, |item| item.values.in_stock);
                let in_stock = line.in_stock.unwrap_or(kept);
                plan.change(line.source.0, before, Some(ItemValues { on_hand, in_stock }));
            }
        }
        Ok(Answer::ok(0))
    }

    pub(crate) fn plan_assign(&self, assign: &Assign, plan: &mut ItemPlan) -> Decision {
        let (skus, sources) = self.check_pairs(&assign.skus, &assign.sources)?;
        plan.is_fact = true;
        for sku in skus.into_iter().filter(|sku| !self.is_composite(*sku)) {
            self.begin_sku(sku, plan);
            for source in &sources {
                if plan.find(*source).is_none() {
                    plan.change(*source, None, Some(ASSIGNED));
                }
            }
        }
        Ok(Answer::ok(count(plan.changes.len())))
    }

    pub(crate) fn plan_unassign(&self, unassign: &Unassign, plan: &mut ItemPlan) -> Decision {
        let (skus, sources) = self.check_pairs(&unassign.skus, &unassign.sources)?;
        (plan.is_fact, plan.reports_shortfall) = (unassign.forced, unassign.forced);
        for sku in skus {
            self.begin_sku(sku, plan);
            for source in &sources {
                if let Some(item) = plan.find(*source) {
                    plan.change(*source, Some(item), None);
                }
                if self.notify_of(sku, *source).is_some() {
                    plan.removed_notifies.push((sku, *source));
                }
            }
        }
        Ok(Answer::ok(count(plan.changes.len())))
    }

    /// Plans a transfer. Afterwards there must be at most `most` low-stock configurations.
    pub(crate) fn plan_transfer_many(
        &self,
        transfer: &TransferMany,
        most: u32,
        plan: &mut ItemPlan,
    ) -> Decision {
        let (from, to) = self.check_ends(transfer.from, transfer.to)?;
        let (skus, _) = self.check_pairs(&transfer.skus, &[transfer.from])?;
        (plan.is_fact, plan.reports_shortfall) = (transfer.forced, transfer.forced);
        let mut moved = 0_usize;
        for sku in skus.into_iter().filter(|sku| !self.is_composite(*sku)) {
            self.begin_sku(sku, plan);
            let target = plan.find(to);
            let Some(origin) = plan.find(from) else {
                if target.is_none() {
                    plan.change(to, None, Some(ASSIGNED));
                }
                continue;
            };
            let had = target.map_or(0, |item| item.values.on_hand);
            let on_hand = had.saturating_add(origin.values.on_hand);
            if on_hand.saturating_abs() > QUANTITY_MAX {
                let bound = QUANTITY_MAX.saturating_mul(on_hand.signum());
                plan.offend((sku, to), Code::QuantityOverflow, (bound, on_hand));
                continue;
            }
            let in_stock = origin.values.in_stock;
            plan.change(to, target, Some(ItemValues { on_hand, in_stock }));
            plan.change(from, Some(origin), (!transfer.unassign).then_some(ASSIGNED));
            self.transfer_notify(sku, (from, to), transfer.unassign, plan);
            moved = moved.saturating_add(1);
        }
        let kept = self.notifies.len().saturating_sub(count(plan.removed_notifies.len()));
        if !plan.notifies.is_empty() && kept.saturating_add(count(plan.notifies.len())) > most {
            return Err(Refusal::limit("low-stock configurations", most));
        }
        Ok(Answer::ok(count(moved)))
    }

    /// Plans that the target of moved goods gets the low-stock configuration of their origin, unless it has one.
    fn transfer_notify(&self, sku: u32, (from, to): (u32, u32), unassign: bool, plan: &mut ItemPlan) {
        let Some(origin) = self.notify_of(sku, from) else { return };
        if self.notify_of(sku, to).is_none() {
            plan.notifies.push(NotifyRow { source: to, ..*origin });
        }
        if unassign {
            plan.removed_notifies.push((sku, from));
        }
    }

    pub(crate) fn plan_transfer_lines(&self, transfer: &TransferLines, plan: &mut ItemPlan) -> Decision {
        let (from, to) = self.check_ends(transfer.from, transfer.to)?;
        for (index, line) in transfer.lines.iter().enumerate() {
            self.check_sku_in_line("sku", line.sku, index)?;
        }
        (plan.is_fact, plan.reports_shortfall) = (transfer.forced, transfer.forced);
        let mut lines: Vec<Line> = Vec::new();
        Lines::Slice(&transfer.lines).merge_into(&mut lines);
        for Line { sku: SkuId(sku), quantity } in lines {
            let units = quantity.raw();
            if self.is_composite(sku) {
                plan.offend((sku, from), Code::Composite, (0, 0));
                continue;
            }
            self.begin_sku(sku, plan);
            let (Some(origin), Some(target)) = (plan.find(from), plan.find(to)) else {
                for source in [from.min(to), from.max(to)] {
                    if plan.find(source).is_none() {
                        plan.offend((sku, source), Code::NoSourceItem, (0, 0));
                    }
                }
                continue;
            };
            let on_hand = origin.values.on_hand;
            if on_hand < units {
                plan.offend((sku, from), Code::NotEnoughAtSource, (on_hand, units));
                continue;
            }
            let sum = target.values.on_hand.saturating_add(units);
            if sum > QUANTITY_MAX {
                plan.offend((sku, to), Code::QuantityOverflow, (QUANTITY_MAX, sum));
                continue;
            }
            let left = ItemValues { on_hand: on_hand.saturating_sub(units), ..origin.values };
            plan.change(to, Some(target), Some(ItemValues { on_hand: sum, in_stock: true }));
            plan.change(from, Some(origin), Some(left));
        }
        Ok(Answer::ok(0))
    }

    fn begin_sku(&self, sku: u32, plan: &mut ItemPlan) {
        plan.begin_sku(
            sku,
            self.items_of(sku).map(|(slot, item)| FoundItem {
                source: item.source,
                slot,
                values: ItemValues { on_hand: item.on_hand, in_stock: item.in_stock },
            }),
        );
    }

    /// Checks numbers of SKUs and sources. Returns each once, in ascending order.
    fn check_pairs(&self, skus: &[SkuId], sources: &[SourceId]) -> Result<(Vec<u32>, Vec<u32>), Refusal> {
        for (index, sku) in skus.iter().enumerate() {
            self.check_sku_in_line("skus", *sku, index)?;
        }
        for (index, source) in sources.iter().enumerate() {
            if self.catalog.source(source.0).is_none() {
                return Err(Refusal::unknown_in_line("sources", index));
            }
        }
        let mut skus: Vec<u32> = skus.iter().map(|sku| sku.0).collect();
        let mut sources: Vec<u32> = sources.iter().map(|source| source.0).collect();
        for numbers in [&mut skus, &mut sources] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        Ok((skus, sources))
    }

    /// Checks the sources of a transfer.
    fn check_ends(&self, from: SourceId, to: SourceId) -> Result<(u32, u32), Refusal> {
        for (field, source) in [("from", from), ("to", to)] {
            if self.catalog.source(source.0).is_none() {
                return Err(Refusal::unknown(field));
            }
        }
        Ok((from.0, to.0))
    }

    fn check_sku_in_line(&self, field: &str, sku: SkuId, index: usize) -> Result<(), Refusal> {
        if self.has_sku(sku.0) { Ok(()) } else { Err(Refusal::unknown_in_line(field, index)) }
    }

    fn is_composite(&self, sku: u32) -> bool {
        self.skus.kind(sku) == SkuKind::Composite
    }
}

/// A number of things for an answer.
fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}
