//! The guard of bulk commands. It is that of `guard`, SKU by SKU: the changes of a SKU together must not raise the
//! shortfall of a cluster, computed without allowances or with them. It names every source item that would lose goods.
//!
//! With independent stocks there is nothing to check: what leaves a source is on hand there.

use super::item_plan::{ItemChange, ItemPlan, ItemValues};
use crate::ledger::state::State;
use crate::stock::sharing::{Allowance, Supply};
use stockhold_protocol::Code;
use stockhold_protocol::command::Sharing;

impl State {
    /// Notes the source items whose goods promises need. A plan that is refused already is not checked.
    pub(crate) fn guard_items(&self, plan: &mut ItemPlan) {
        if plan.is_fact || plan.has_offenders() || self.core.configuration.sharing != Sharing::Exact {
            return;
        }
        let changes = std::mem::take(&mut plan.changes);
        let mut by_group = Vec::new();
        for of_sku in changes.chunk_by(|one, next| one.sku == next.sku) {
            self.guard_sku(of_sku, &mut by_group, plan);
        }
        plan.changes = changes;
    }

    fn guard_sku(&self, changes: &[ItemChange], by_group: &mut Vec<(u32, usize)>, plan: &mut ItemPlan) {
        if !changes.iter().any(|change| self.loses_goods(change)) {
            return;
        }
        self.group_changes(changes, by_group);
        let mut violated = Vec::new();
        for of_group in by_group.chunk_by(|one, next| one.0 == next.0) {
            if let Some(code) = self.violation_of(changes, of_group) {
                violated.push((of_group[0].0, code));
            }
        }
        if violated.is_empty() {
            return;
        }
        for change in changes.iter().filter(|change| self.loses_goods(change)) {
            let group = self.source_in_group(change.source).map(|in_group| in_group.group);
            if let Some((_, code)) = violated.iter().find(|(of, _)| Some(*of) == group) {
                let goods = |values: Option<ItemValues>| self.goods_of(change.source, values);
                let (had, keeps) = (goods(change.before), goods(change.after));
                plan.offend((change.sku, change.source), *code, (had, had.saturating_sub(keeps)));
            }
        }
    }

    /// The changes of sources that stocks sell from, by group: the group and the index of the change.
    pub(super) fn group_changes(&self, changes: &[ItemChange], by_group: &mut Vec<(u32, usize)>) {
        by_group.clear();
        let groups = changes.iter().map(|change| self.source_in_group(change.source));
        by_group.extend(groups.enumerate().filter_map(|(at, in_group)| Some((in_group?.group, at))));
        by_group.sort_unstable();
    }

    /// The code by which the changes in one group are refused, if promises need what they take.
    fn violation_of(&self, changes: &[ItemChange], of_group: &[(u32, usize)]) -> Option<Code> {
        let of_group = || of_group.iter().map(|(_, at)| &changes[*at]);
        let loser = of_group().find(|change| self.loses_goods(change))?;
        let in_group = self.source_in_group(loser.source)?;
        let cluster = self.clusters.get(self.cluster_of(loser.sku, in_group.group)?);
        let group = self.catalog.layout.group(in_group.group);
        let before = cluster.pool_at(group, self.now_s());
        if !before.has_promises(group) {
            return None;
        }
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        let none = |_: u32| Allowance::Units(0);
        let raises = |zeroed: bool| {
            let mut after = before.clone().into_owned();
            for change in of_group() {
                let Some(of_source) = self.source_in_group(change.source) else { continue };
                let supply = |values| self.supply_of_values(change.source, values);
                let planned = if zeroed { without_deficit(change) } else { change.after };
                after.change_supply(group, of_source.index, change.before.map(supply), planned.map(supply));
            }
            after.shortfall(group, none) > before.shortfall(group, none)
                || after.shortfall(group, allowed) > before.shortfall(group, allowed)
        };
        if !raises(false) {
            return None;
        }
        // Goods that arrive at a source below zero first raise it to zero.
        Some(if raises(true) { Code::NeededElsewhere } else { Code::SourceBelowZero })
    }

    fn loses_goods(&self, change: &ItemChange) -> bool {
        self.goods_of(change.source, change.before) > self.goods_of(change.source, change.after)
    }

    /// The goods that an item supplies.
    fn goods_of(&self, source: u32, values: Option<ItemValues>) -> i64 {
        let supply = values.map(|values| self.supply_of_values(source, values));
        supply.filter(|supply| supply.counts).map_or(0, |supply| supply.on_hand.max(0))
    }

    /// What an item with these values supplies to its pool.
    pub(super) fn supply_of_values(&self, source: u32, values: ItemValues) -> Supply {
        let is_enabled = self.catalog.source(source).is_some_and(|source| source.enabled);
        Supply { on_hand: values.on_hand, counts: values.in_stock && is_enabled }
    }
}

/// The item after a change, as if its quantity had been zero instead of negative.
fn without_deficit(change: &ItemChange) -> Option<ItemValues> {
    let deficit = change.before.map_or(0, |before| before.on_hand.min(0));
    change.after.map(|after| ItemValues { on_hand: after.on_hand.saturating_sub(deficit), ..after })
}
