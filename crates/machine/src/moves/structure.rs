//! Rebuilds clusters when a source is enabled or disabled, or when links or stocks change the groups.
//!
//! No quantity changes here. Clusters are derived from source items, positions and holds.

use crate::ledger::changes::{CellChange, SkuChange};
use crate::ledger::record::{LineState, PositionRow};
use crate::ledger::state::{At, State};
use crate::stock::cluster::{NEVER, Place};
use crate::stock::settings::NO_DOORS;
use crate::stock::sharing::Layout;
use crate::table::chunked::Chunked;
use crate::table::{DueList, NO_SLOT};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::command::SourceDefinition;
use stockhold_protocol::query::CELL_NOT_ASSIGNED;
use stockhold_protocol::{SkuId, StockId};

impl State {
    /// Redefines a source whose enabled flag changes, which adds or removes the supply of all its items.
    /// Returns the shortfall of its SKUs afterwards.
    pub(crate) fn switch_source(&mut self, source: u32, definition: SourceDefinition) -> i64 {
        let rows: Vec<_> =
            self.items.iter().filter(|(_, item)| item.source == source).map(|(_, item)| *item).collect();
        let before: Vec<_> = rows.iter().map(|item| self.supply_of(item)).collect();
        self.catalog.set_source(Some(source), definition);
        let Some(in_group) = self.source_in_group(source) else { return 0 };
        for (item, before) in rows.iter().zip(before) {
            let after = self.supply_of(item);
            let number = self.cluster_or_new(item.sku, in_group.group);
            let group = self.catalog.layout.group(in_group.group);
            let pool = &mut self.clusters.get_mut(number).pool;
            pool.change_supply(group, in_group.index, Some(before), Some(after));
            self.mark_changed(number);
        }
        rows.iter().fold(0, |sum: i64, item| sum.saturating_add(self.shortfall_of(item.sku)))
    }

    /// Switches to a new layout. Clusters are rebuilt from the source items and the places of the old
    /// clusters.
    pub(crate) fn adopt_layout(&mut self, layout: Layout) {
        self.recount_rest();
        let old_layout = std::mem::replace(&mut self.catalog.layout, layout);
        let mut old = std::mem::replace(&mut self.clusters, Chunked::new());
        self.holds_due = DueList::new();
        self.changed_clusters.clear();
        let mut kept_places: BTreeMap<(u32, u32), Place> = BTreeMap::new();
        let mut old_cells: Vec<(u32, u32)> = Vec::new();
        for cluster in old.iter_mut() {
            self.sku_entries.get_mut(cluster.sku).first_cluster = NO_SLOT;
            let stocks = old_layout.group(cluster.group).stocks();
            let blank = |place: &Place| Place::new(Arc::clone(&place.settings));
            for (stock, place) in stocks.iter().zip(cluster.places.iter_mut()) {
                old_cells.push((cluster.sku, *stock));
                if place.settings.sale_times() != NO_DOORS {
                    // A new cluster tells its own.
                    self.changes.doors.insert((SkuId(cluster.sku), StockId(*stock)), NO_DOORS);
                }
                if !place.is_blank() {
                    let empty = blank(place);
                    kept_places.insert((cluster.sku, *stock), std::mem::replace(place, empty));
                }
            }
        }
        self.fill_clusters();
        for ((sku, stock), place) in kept_places {
            self.attach_place(sku, stock, place);
        }
        for (sku, stock) in old_cells {
            if self.find(sku, stock).is_none() {
                let cell = CellChange {
                    sku: SkuId(sku),
                    stock: StockId(stock),
                    value: CELL_NOT_ASSIGNED,
                    upper_bound: false,
                };
                self.changes.cells.push(cell);
                self.changes.skus.push(SkuChange { sku: SkuId(sku), next_deadline_s: NEVER, cells: 1 });
            }
        }
        for number in 0..u32::try_from(self.clusters.len()).unwrap_or(u32::MAX) {
            self.mark_changed(number);
        }
    }

    /// Builds the clusters of all source items.
    pub(crate) fn fill_clusters(&mut self) {
        let rows: Vec<_> = self.items.iter().map(|(_, item)| *item).collect();
        for item in rows {
            let Some(in_group) = self.source_in_group(item.source) else { continue };
            let number = self.cluster_or_new(item.sku, in_group.group);
            let supply = self.supply_of(&item);
            let pool = &mut self.clusters.get_mut(number).pool;
            pool.change_supply(self.catalog.layout.group(in_group.group), in_group.index, None, Some(supply));
        }
    }

    /// Moves a place into the cluster that has its stock in the new layout.
    fn attach_place(&mut self, sku: u32, stock: u32, place: Place) {
        let at: At = self.place_of_line(sku, stock);
        let confirmed =
            if place.position == NO_SLOT { 0 } else { self.positions.get(place.position).confirmed };
        let cluster = self.clusters.get_mut(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        cluster.pool.add_promise(group, at.index, confirmed.saturating_add(place.units_held()));
        for deadline_s in place.deadlines() {
            self.holds_due.push(deadline_s, at.cluster);
            cluster.next_deadline = cluster.next_deadline.min(deadline_s);
        }
        let home = cluster.place_mut(at.index);
        let settings = Arc::clone(&home.settings);
        *home = place;
        home.settings = settings;
    }

    /// Adds a loaded position to its cluster.
    pub(crate) fn attach_position(&mut self, slot: u32, row: &PositionRow) {
        let at = self.place_of_line(row.sku, row.stock);
        let cluster = self.clusters.get_mut(at.cluster);
        let place = cluster.place_mut(at.index);
        (place.position, place.has_quota) = (slot, row.has_quota());
        cluster.pool.add_promise(self.catalog.layout.group(cluster.group), at.index, row.confirmed);
    }

    /// Adds the open lines of a loaded hold to their clusters.
    pub(crate) fn attach_hold(&mut self, stock: u32, deadline_s: u32, lines: &[LineState]) {
        for line in lines.iter().filter(|line| line.counts && line.open > 0) {
            let at = self.place_of_line(line.sku, stock);
            let quota = self.quota_units(at, line.quota_number, line.open);
            self.hold(at, deadline_s, line.open, quota);
        }
    }
}
