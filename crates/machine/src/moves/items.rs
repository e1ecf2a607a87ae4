//! Applies the plan of a bulk command: source items are made, changed and removed, and low-stock configurations copied and
//! removed. This cannot fail.
//!
//! A version is never given to two states of the same source item, because a compare-and-set would take the later one
//! for the earlier one. So the state keeps the highest version that a removed item had, and a new item continues from
//! there.

use super::item_plan::{ItemChange, ItemPlan};
use crate::decision::Answer;
use crate::ledger::record::{ItemRow, Record};
use crate::ledger::state::State;
use crate::refusal::quantity;
use stockhold_protocol::Detail;

/// Buffers for the changes of one SKU.
#[derive(Default)]
struct Buffers {
    new: Vec<ItemRow>,
    removed: Vec<u32>,
    by_group: Vec<(u32, usize)>,
    clusters: Vec<(u32, u32)>,
}

impl State {
    /// Applies the complete plan.
    pub(crate) fn change_items(&mut self, plan: &ItemPlan) {
        let mut buffers = Buffers::default();
        for changes in plan.changes.chunk_by(|one, next| one.sku == next.sku) {
            self.change_items_of(changes, &mut buffers);
        }
        for (sku, source) in &plan.removed_notifies {
            self.remove_notify(*sku, *source);
        }
        for row in &plan.notifies {
            self.add_notify(*row);
        }
    }

    /// Adds the shortfall of the changed SKUs to the answer, if the plan asks for it.
    pub(crate) fn with_shortfall(&self, answer: Answer, plan: &ItemPlan) -> Answer {
        if !plan.reports_shortfall {
            return answer;
        }
        let of_skus = plan.changes.chunk_by(|one, next| one.sku == next.sku);
        let sum = of_skus.fold(0, |sum: i64, changes| sum.saturating_add(self.shortfall_of(changes[0].sku)));
        answer.with(Detail::Shortfall(quantity(sum)))
    }

    /// Applies the changes of one SKU.
    fn change_items_of(&mut self, changes: &[ItemChange], buffers: &mut Buffers) {
        let Some(ItemChange { sku, .. }) = changes.first().copied() else { return };
        buffers.new.clear();
        buffers.removed.clear();
        for change in changes {
            match (change.before, change.after) {
                (None, None) => {}
                (None, Some(values)) => {
                    let version = self.core.removed_version.wrapping_add(1);
                    let (on_hand, in_stock) = (values.on_hand, values.in_stock);
                    let source = change.source;
                    buffers.new.push(ItemRow { on_hand, version, in_stock, ..ItemRow::new(sku, source) });
                }
                (Some(_), Some(values)) => {
                    let row = self.items.get_mut(change.slot);
                    let before = *row;
                    row.on_hand = values.on_hand;
                    row.in_stock = values.in_stock;
                    row.version = row.version.wrapping_add(1);
                    let after = *row;
                    self.digest.sub(before.hash(&mut self.scratch));
                    self.digest.add(after.hash(&mut self.scratch));
                }
                (Some(_), None) => buffers.removed.push(change.slot),
            }
        }
        if !buffers.removed.is_empty() {
            buffers.removed.sort_unstable();
            for row in self.remove_items(sku, &buffers.removed) {
                self.digest.sub(row.hash(&mut self.scratch));
                self.core.removed_version = self.core.removed_version.max(row.version);
            }
        }
        if !buffers.new.is_empty() {
            for row in &buffers.new {
                self.digest.add(row.hash(&mut self.scratch));
            }
            self.add_items(sku, &buffers.new);
        }
        self.change_supplies(changes, buffers);
    }

    /// Passes the changes of a SKU to its pools.
    fn change_supplies(&mut self, changes: &[ItemChange], buffers: &mut Buffers) {
        let Buffers { by_group, clusters, .. } = buffers;
        self.group_changes(changes, by_group);
        let Some(sku) = changes.first().map(|change| change.sku) else { return };
        clusters.clear();
        clusters.extend(self.clusters_of(sku).map(|(number, cluster)| (cluster.group, number)));
        clusters.sort_unstable();
        for of_group in by_group.chunk_by(|one, next| one.0 == next.0) {
            let group = of_group[0].0;
            let known = clusters.binary_search_by_key(&group, |(of, _)| *of).ok();
            let number = match known {
                Some(place) => clusters[place].1,
                None => self.new_cluster(sku, group),
            };
            for (_, at) in of_group {
                let change = &changes[*at];
                let Some(in_group) = self.source_in_group(change.source) else { continue };
                let supply = |values| self.supply_of_values(change.source, values);
                let (before, after) = (change.before.map(supply), change.after.map(supply));
                let shape = self.catalog.layout.group(group);
                self.clusters.get_mut(number).pool.change_supply(shape, in_group.index, before, after);
            }
            self.mark_changed(number);
        }
    }
}
