//! Goods that move: ship, count, adjust, transfer, and the guard that keeps a movement from
//! breaking a promise.
//!
//! Counts and adjustments are facts: accepted, their shortfall reported. Shipments and transfers are
//! decisions: refused when they would raise the shortfall with or without allowances. Where stocks are
//! independent, the quantity at the source alone decides: a test across promises would let two orders for
//! one unit wait for each other for ever.

use crate::decision::{Answer, Decision, Refusal};
use crate::machine::Machine;
use crate::record::{ItemRow, LineState, Record, Stage};
use crate::refusal::quantity;
use crate::sharing::{Allowance, Change, Supply};
use crate::state::{At, State};
use stockhold_protocol::command::{Adjust, Count, Sharing, Ship, SkuKind, Transfer};
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Deadline, Detail, SkuId, SourceId};

/// Most sources that a refusal names as ones that would do instead.
const ALTERNATIVES_MAX: usize = 16;

/// Goods that would leave a source, and a promise that would end with it.
#[derive(Clone, Copy)]
struct Departure {
    sku: u32,
    source: u32,
    units: i64,
    /// Where the promise stands that ends, and how many units of it.
    promise: Option<(At, i64)>,
}

impl Machine {
    pub(crate) fn ship(&mut self, ship: &Ship<'_>) -> Decision {
        let slot = self.state.reservation(ship.reservation.0)?;
        let row = *self.state.reservations.get(slot);
        match row.stage() {
            Stage::Held if Deadline(row.deadline_s).has_passed(self.state.hold_time()) => {
                return Err(Refusal::new(Code::Expired));
            }
            Stage::Held => return Err(Refusal::new(Code::NotConfirmed)),
            Stage::Confirmed => {}
            Stage::Released | Stage::Shipped | Stage::Replaced => {
                return Err(Refusal::new(Code::AlreadyClosed));
            }
        }
        if self.state.catalog.source(ship.source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        ship.lines.merge_into(&mut self.lines);
        let mut lines = std::mem::take(&mut self.line_states);
        self.state.lines_of(slot, &mut lines);
        let planned = self.plan_shipment(&lines, row.stock, ship);
        self.line_states = lines;
        let planned = planned?;
        Ok(self.execute_shipment(slot, ship, &planned))
    }

    /// Which line ships how much.
    fn plan_shipment(
        &mut self,
        lines: &[LineState],
        stock: u32,
        ship: &Ship<'_>,
    ) -> Result<Vec<(usize, i64)>, Refusal> {
        let mut planned = Vec::with_capacity(self.lines.len());
        for (index, asked) in self.lines.iter().enumerate() {
            let units = asked.quantity.raw();
            let Some(at_line) = lines.iter().position(|line| line.sku == asked.sku.0) else {
                return Err(Refusal::of_line(Code::NotInReservation, index).of_sku(asked.sku.0));
            };
            let line = &lines[at_line];
            if units > line.open && !ship.forced {
                return Err(Refusal::of_line(Code::MoreThanOpen, index).bounded(line.sku, line.open, units));
            }
            planned.push((at_line, units));
            if !line.counts {
                continue;
            }
            let at = self.state.place_of_line(line.sku, stock);
            let promise = Some((at, units.min(line.open)));
            let departure = Departure { sku: line.sku, source: ship.source.0, units, promise };
            self.state.check_departure(departure, stock, index, ship.forced)?;
        }
        Ok(planned)
    }

    fn execute_shipment(&mut self, slot: u32, ship: &Ship<'_>, planned: &[(usize, i64)]) -> Answer {
        self.state.uncount(slot);
        let stock = self.state.reservations.get(slot).stock;
        let mut lines = std::mem::take(&mut self.line_states);
        let mut shortfall: i64 = 0;
        for (at_line, units) in planned {
            let line = &mut lines[*at_line];
            let ended = (*units).min(line.open);
            line.shipped = line.shipped.saturating_add(*units);
            let at = self.state.place_of_line(line.sku, stock);
            // A quota is not given back by a shipment: the budget is spent.
            self.state.end_promise(line, at, Stage::Confirmed, 0, ended, 0);
            if line.counts {
                self.state.take_from_item(line.sku, ship.source.0, *units);
                shortfall = shortfall.saturating_add(self.state.shortfall_of(line.sku));
            }
        }
        self.state.set_lines(slot, &lines);
        if lines.iter().all(|line| line.open == 0) {
            self.state.close(slot, Stage::Shipped);
        }
        self.line_states = lines;
        self.state.count(slot);
        let detail = if ship.forced { Detail::Shortfall(quantity(shortfall)) } else { Detail::None };
        Answer::ok(0).with(detail)
    }

    /// Checks that what a planned sale takes may leave the source.
    pub(crate) fn plan_departure(&mut self, source: u32, stock: u32, forced: bool) -> Result<(), Refusal> {
        let mut counted = self.planned.iter().enumerate().filter(|(_, line)| line.counts);
        counted.try_for_each(|(index, line)| {
            let departure = Departure { sku: line.sku, source, units: line.granted, promise: None };
            self.state.check_departure(departure, stock, index, forced)
        })
    }

    pub(crate) fn count(&mut self, count: &Count) -> Decision {
        self.state.check_item_names(count.sku, count.source)?;
        let on_hand = count.quantity.raw();
        let slot = self.state.item_or_new(count.sku.0, count.source.0);
        self.state.change_item(slot, |item| {
            item.on_hand = on_hand;
            item.in_stock = count.in_stock.unwrap_or(item.in_stock);
        });
        Ok(self.state.item_answer(slot))
    }

    pub(crate) fn adjust(&mut self, adjust: &Adjust) -> Decision {
        self.state.check_item_names(adjust.sku, adjust.source)?;
        let delta = adjust.delta.raw();
        let before = self
            .state
            .item(adjust.sku.0, adjust.source.0)
            .map_or(0, |slot| self.state.items.get(slot).on_hand);
        if before.saturating_add(delta).saturating_abs() > QUANTITY_MAX {
            let bound = QUANTITY_MAX.saturating_mul(delta.signum());
            return Err(Refusal::new(Code::QuantityOverflow).bounded(adjust.sku.0, bound, delta));
        }
        let slot = self.state.item_or_new(adjust.sku.0, adjust.source.0);
        self.state.change_item(slot, |item| item.on_hand = item.on_hand.saturating_add(delta));
        Ok(self.state.item_answer(slot))
    }

    pub(crate) fn transfer(&mut self, transfer: &Transfer) -> Decision {
        for (field, source) in [("from", transfer.from), ("to", transfer.to)] {
            if self.state.catalog.source(source.0).is_none() {
                return Err(Refusal::unknown(field));
            }
        }
        stockhold_protocol::Lines::Slice(&transfer.lines).merge_into(&mut self.lines);
        for (index, line) in self.lines.iter().enumerate() {
            self.state
                .check_item_names(line.sku, transfer.from)
                .map_err(|refusal| Refusal { value: u32::try_from(index).unwrap_or(u32::MAX), ..refusal })?;
            self.state.check_transfer(line.sku.0, transfer, line.quantity.raw(), index)?;
        }
        for line in std::mem::take(&mut self.lines) {
            let units = line.quantity.raw();
            self.state.take_from_item(line.sku.0, transfer.from.0, units);
            self.state.add_to_item(line.sku.0, transfer.to.0, units);
        }
        Ok(Answer::ok(0))
    }
}

impl State {
    /// The slot of a source item.
    pub(crate) fn item(&self, sku: u32, source: u32) -> Option<u32> {
        self.items_of(sku).find(|(_, item)| item.source == source).map(|(slot, _)| slot)
    }

    pub(crate) fn item_or_new(&mut self, sku: u32, source: u32) -> u32 {
        if let Some(slot) = self.item(sku, source) {
            return slot;
        }
        let row = ItemRow::new(sku, source);
        self.digest.add(row.hash(&mut self.scratch));
        let slot = self.add_item(row);
        let supply = self.supply_of(&row);
        self.tell_pool(&row, None, Some(supply));
        slot
    }

    /// What a source item brings to its pool.
    pub(crate) fn supply_of(&self, item: &ItemRow) -> Supply {
        let is_enabled = self.catalog.source(item.source).is_some_and(|source| source.enabled);
        Supply { on_hand: item.on_hand, counts: item.in_stock && is_enabled }
    }

    /// What a source brings of a SKU; the item that would be made where there is none yet.
    pub(crate) fn supply_at(&self, sku: u32, source: u32) -> Supply {
        let made = ItemRow::new(sku, source);
        let item = self.item(sku, source).map_or(made, |slot| *self.items.get(slot));
        self.supply_of(&item)
    }

    fn tell_pool(&mut self, item: &ItemRow, before: Option<Supply>, after: Option<Supply>) {
        let Some(seat) = self.seat_of_source(item.source) else { return };
        let number = self.cluster_or_new(item.sku, seat.group);
        let cluster = self.clusters.get_mut(number);
        cluster.pool.change_supply(self.catalog.layout.group(seat.group), seat.index, before, after);
        self.mark_changed(number);
    }

    /// Changes a source item, its pool and its version.
    pub(crate) fn change_item(&mut self, slot: u32, change: impl FnOnce(&mut ItemRow)) {
        let before = *self.items.get(slot);
        let mut after = before;
        change(&mut after);
        after.version = after.version.wrapping_add(1);
        self.digest.sub(before.hash(&mut self.scratch));
        self.digest.add(after.hash(&mut self.scratch));
        *self.items.get_mut(slot) = after;
        let (supply_before, supply_after) = (self.supply_of(&before), self.supply_of(&after));
        self.tell_pool(&after, Some(supply_before), Some(supply_after));
    }

    pub(crate) fn take_from_item(&mut self, sku: u32, source: u32, units: i64) {
        let slot = self.item_or_new(sku, source);
        self.change_item(slot, |item| item.on_hand = item.on_hand.saturating_sub(units));
    }

    pub(crate) fn add_to_item(&mut self, sku: u32, source: u32, units: i64) {
        let slot = self.item_or_new(sku, source);
        self.change_item(slot, |item| item.on_hand = item.on_hand.saturating_add(units));
    }

    fn check_item_names(&self, sku: SkuId, source: SourceId) -> Result<(), Refusal> {
        if self.catalog.source(source.0).is_none() {
            return Err(Refusal::unknown("source"));
        }
        if !self.has_sku(sku.0) {
            return Err(Refusal::unknown("sku"));
        }
        if self.skus.get(sku.0).kind == SkuKind::Composite {
            return Err(Refusal::new(Code::Composite).of_sku(sku.0));
        }
        Ok(())
    }

    /// Whether goods may come to a source.
    pub(crate) fn check_arrival(
        &self,
        sku: u32,
        source: u32,
        units: i64,
        index: usize,
    ) -> Result<(), Refusal> {
        if self.catalog.source(source).is_none() {
            return Err(Refusal::unknown_in_line("source", index));
        }
        let on_hand = self.item(sku, source).map_or(0, |slot| self.items.get(slot).on_hand);
        if on_hand.saturating_add(units) > QUANTITY_MAX {
            return Err(Refusal::of_line(Code::QuantityOverflow, index).bounded(sku, QUANTITY_MAX, units));
        }
        Ok(())
    }

    /// Whether so many units lie at a source.
    pub(crate) fn check_there(&self, sku: u32, source: u32, units: i64, index: usize) -> Result<(), Refusal> {
        let Some(slot) = self.item(sku, source) else {
            return Err(Refusal::of_line(Code::NoSourceItem, index).of_sku(sku));
        };
        let on_hand = self.items.get(slot).on_hand;
        if on_hand < units {
            return Err(Refusal::of_line(Code::NotEnoughAtSource, index).bounded(sku, on_hand, units));
        }
        Ok(())
    }

    /// Whether goods may leave a source: they are there, and nobody who was promised something would miss
    /// them.
    fn check_departure(
        &mut self,
        departure: Departure,
        stock: u32,
        index: usize,
        forced: bool,
    ) -> Result<(), Refusal> {
        let Departure { sku, source, units, .. } = departure;
        self.check_there(sku, source, units, index)?;
        if !forced && self.guards_promises() && self.raises_shortfall(departure) {
            let sources = self.alternatives(departure, stock);
            return Err(Refusal::of_line(Code::NeededElsewhere, index).with(Detail::Sources(sources)));
        }
        Ok(())
    }

    /// Whether goods may leave a source only if nobody who was promised something misses them.
    pub(crate) fn guards_promises(&self) -> bool {
        self.core.configuration.sharing == Sharing::Exact
    }

    /// Whether a departure would raise the shortfall of its group, without or with allowances.
    fn raises_shortfall(&mut self, departure: Departure) -> bool {
        let Some(seat) = self.seat_of_source(departure.source) else { return false };
        let Some(number) = self.cluster_of(departure.sku, seat.group) else { return false };
        self.settle(number);
        let Some(slot) = self.item(departure.sku, departure.source) else { return false };
        let before = self.supply_of(self.items.get(slot));
        let after = Supply { on_hand: before.on_hand.saturating_sub(departure.units), ..before };
        // A promise in another group ends there, which helps nobody here.
        let (stock_index, promise_delta) = match departure.promise {
            Some((at, units)) if at.cluster == number => (at.index, 0_i64.saturating_sub(units)),
            Some(_) | None => (0, 0),
        };
        let change = Change {
            source_index: seat.index,
            before: Some(before),
            after: Some(after),
            stock_index,
            promise_delta,
        };
        let cluster = self.clusters.get(number);
        let group = self.catalog.layout.group(seat.group);
        let none = |_: u32| Allowance::Units(0);
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        cluster.pool.would_short(group, change, none) > cluster.pool.shortfall(group, none)
            || cluster.pool.would_short(group, change, allowed) > cluster.pool.shortfall(group, allowed)
    }

    /// Other sources of the stock that could give the same units without harm, in the stock's order.
    fn alternatives(&mut self, departure: Departure, stock: u32) -> Vec<SourceId> {
        let mut found = Vec::new();
        for link in self.catalog.links_of(stock) {
            let other = Departure { source: link.source, ..departure };
            let holds = self.item(departure.sku, link.source).map(|slot| self.items.get(slot).on_hand);
            if link.source != departure.source
                && holds.is_some_and(|on_hand| on_hand >= departure.units)
                && !self.raises_shortfall(other)
            {
                found.push(SourceId(link.source));
            }
            if found.len() == ALTERNATIVES_MAX {
                break;
            }
        }
        found
    }

    fn check_transfer(
        &mut self,
        sku: u32,
        transfer: &Transfer,
        units: i64,
        index: usize,
    ) -> Result<(), Refusal> {
        self.check_arrival(sku, transfer.to.0, units, index)?;
        self.check_there(sku, transfer.from.0, units, index)?;
        if !self.guards_promises() {
            return Ok(());
        }
        let Some(seat) = self.seat_of_source(transfer.from.0) else { return Ok(()) };
        let Some(number) = self.cluster_of(sku, seat.group) else { return Ok(()) };
        self.settle(number);
        let cluster = self.clusters.get(number);
        let group = self.catalog.layout.group(seat.group);
        let mut trial = cluster.pool.clone();
        let before = self.supply_at(sku, transfer.from.0);
        let after = Supply { on_hand: before.on_hand.saturating_sub(units), ..before };
        trial.change_supply(group, seat.index, Some(before), Some(after));
        if let Some(other) = self.seat_of_source(transfer.to.0).filter(|other| other.group == seat.group) {
            let there = self.supply_at(sku, transfer.to.0);
            let known = self.item(sku, transfer.to.0).map(|_| there);
            let more = Supply { on_hand: there.on_hand.saturating_add(units), ..there };
            trial.change_supply(group, other.index, known, Some(more));
        }
        let none = |_: u32| Allowance::Units(0);
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        let raises = trial.shortfall(group, none) > cluster.pool.shortfall(group, none)
            || trial.shortfall(group, allowed) > cluster.pool.shortfall(group, allowed);
        if raises { Err(Refusal::of_line(Code::NeededElsewhere, index).of_sku(sku)) } else { Ok(()) }
    }

    /// Units of a SKU that are promised and missing, over all its groups, allowances included.
    pub(crate) fn shortfall_of(&mut self, sku: u32) -> i64 {
        let numbers: Vec<u32> = self.clusters_of(sku).map(|(number, _)| number).collect();
        for number in &numbers {
            self.settle(*number);
        }
        self.shortfall_seen(sku)
    }

    /// As [`State::shortfall_of`], for a reader.
    pub(crate) fn shortfall_seen(&self, sku: u32) -> i64 {
        self.clusters_of(sku).fold(0, |sum: i64, (_, cluster)| {
            let allowed = |index: u32| cluster.place(index).settings.allowance();
            let group = self.catalog.layout.group(cluster.group);
            sum.saturating_add(cluster.pool_at(group, self.now_s()).shortfall(group, allowed))
        })
    }

    fn item_answer(&mut self, slot: u32) -> Answer {
        let item = *self.items.get(slot);
        let shortfall = quantity(self.shortfall_of(item.sku));
        Answer::ok(item.version).with(Detail::Item {
            on_hand: quantity(item.on_hand),
            version: item.version,
            shortfall,
        })
    }
}
