//! Events that move goods: ship, unship and invoice.

use super::{Event, Take, Want};
use crate::decide::{Answer, at, bounded, of_sku, plain};
use crate::orders::{Moved, OrderUnits};
use crate::state::{Model, Stage};
use crate::step::{OrderStep, is_virtual};
use std::collections::BTreeMap;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, CommandId, Detail};

impl Model {
    pub(super) fn ship_order(
        &self,
        number: u32,
        source: u32,
        mut wants: Vec<Want>,
        forced: bool,
        event: &mut Event,
    ) -> Result<(), Answer> {
        let asked = wants.clone();
        let mut ids = self.ids_of(number);
        ids.sort_by_key(|id| (!self.is_linked(self.reservations[id].stock, source), self.is_live(id)));
        let mut takes = self.take(&ids, &mut wants, |named, line| {
            let may_ship = self.is_confirmed(&named) || forced && self.is_live(&named);
            if may_ship { self.open_of(named, line) } else { 0 }
        });
        let has_line = |id: &CommandId, want: &Want| {
            let one = &self.reservations[id];
            one.lines.iter().any(|line| want.is_of(one.stock, line.sku))
        };
        let mut beyond = Vec::new();
        for (want, asked) in wants.iter_mut().zip(&asked).filter(|(want, _)| want.left > 0) {
            if !forced {
                let is_held = ids.iter().any(|id| self.is_live(id) && has_line(id, want));
                let code = if is_held { Code::NotConfirmed } else { Code::MoreThanOpen };
                return Err(self.more_than(number, code, want, asked.left));
            }
            if let Some(named) = ids.iter().find(|id| has_line(id, want)) {
                let lines = &self.reservations[named].lines;
                let line = lines.iter().position(|line| line.sku == want.sku).expect("it has the line");
                beyond.push(Take { named: *named, line, index: want.index, units: want.left });
                want.left = 0;
            }
        }
        takes.extend(beyond);
        takes.sort_by_key(|take| ids.iter().position(|id| *id == take.named));
        for take in &takes {
            if self.is_live(&take.named) && event.one(take.named).stage == Stage::Held {
                event.confirm(take.named);
            }
            let is_promised = self.is_live(&take.named) || self.is_confirmed(&take.named);
            event.ship(take, source, is_promised);
            event.stock = Some(self.reservations[&take.named].stock);
        }
        for want in wants.iter().filter(|want| want.left > 0) {
            let booked = self.booked(number);
            let lines = self.line_keys(number);
            let line = lines.iter().find(|(stock, sku)| want.is_of(*stock, *sku));
            let Some((stock, sku)) = line.filter(|key| booked.contains_key(key)).copied() else {
                return Err(self.more_than(number, Code::MoreThanOpen, want, want.left));
            };
            event.book(stock, sku, OrderUnits { beyond: want.left, ..OrderUnits::default() });
            let counts = self.settings(sku, stock).manage_stock;
            event.shipped.push((stock, sku, counts.then_some(source), want.left));
            if counts {
                event.moved.push((stock, sku, source, want.left));
                event.goods(sku, source, -want.left);
            }
        }
        Ok(())
    }

    pub(super) fn unship_order(
        &self,
        step: &OrderStep,
        source: u32,
        mut wants: Vec<Want>,
        event: &mut Event,
    ) -> Result<(), Answer> {
        if wants.is_empty() {
            wants = self.wants_of_document(step, source);
        }
        if wants.is_empty() {
            return Err(plain(Code::MoreThanShipped));
        }
        let asked = wants.clone();
        let mut ids = self.ids_of(step.order);
        ids.reverse();
        let shipped = |named: CommandId, line: usize| {
            let shipments = &self.reservations[&named].lines[line].shipments;
            shipments.iter().filter(|one| one.of.0 == source).map(|one| one.units).sum()
        };
        let takes = self.take(&ids, &mut wants, shipped);
        self.unship_ended(step.order, source, &mut wants, event);
        if let Some((want, asked)) = wants.iter().zip(&asked).find(|(want, _)| want.left > 0) {
            return Err(self.more_than(step.order, Code::MoreThanShipped, want, asked.left));
        }
        for take in &takes {
            let one = event.one(take.named);
            let stock = one.stock;
            let line = &mut one.lines[take.line];
            let (sku, (reopened, goods)) = (line.sku, line.unship(source, take.units));
            if reopened > 0 {
                (one.stage, one.is_hold) = (Stage::Confirmed, false);
            }
            let beyond = reopened - take.units;
            event.book(stock, sku, OrderUnits { shipped: -reopened, beyond, ..OrderUnits::default() });
            if goods > 0 {
                event.moved.push((stock, sku, source, -take.units));
                event.left.push((stock, sku, source, -reopened));
                event.goods(sku, source, goods);
            }
        }
        Ok(())
    }

    /// Reverses shipments of units that no kept reservation has.
    fn unship_ended(&self, number: u32, source: u32, wants: &mut [Want], event: &mut Event) {
        for ((stock, sku), units) in self.booked(number) {
            let of_line = |one: &&Moved| (one.0, one.1, one.2) == (stock, sku, source);
            let left = &self.orders.by_number[&number].left;
            let left: i64 = left.iter().filter(of_line).map(|one| one.3).sum();
            let lines =
                self.known_of(number).filter(|(_, one)| one.stock == stock).flat_map(|(_, one)| &one.lines);
            let shipments = lines.filter(|line| line.sku == sku).flat_map(|line| &line.shipments);
            let known =
                shipments.filter(|one| one.of.0 == source && one.of.2).map(|one| one.units - one.beyond);
            let mut most = left - known.sum::<i64>() - units.returned;
            for want in wants.iter_mut().filter(|want| want.is_of(stock, sku)) {
                let units = want.left.min(most).max(0);
                if units == 0 {
                    continue;
                }
                (want.left, most) = (want.left - units, most - units);
                event.book(stock, sku, OrderUnits { shipped: -units, ..OrderUnits::default() });
                event.moved.push((stock, sku, source, -units));
                event.left.push((stock, sku, source, -units));
                event.goods(sku, source, units);
                event.promised.push((stock, sku, units));
            }
        }
    }

    pub(super) fn wants_of_document(&self, step: &OrderStep, source: u32) -> Vec<Want> {
        let mut sums: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        for note in self.order_notes(step.order) {
            if note.kind != EventKind::ShipmentCreated || note.document != step.document {
                continue;
            }
            for (stock, sku, from, units) in &note.shipped {
                if from.is_none_or(|from| from == source) {
                    *sums.entry((*sku, *stock)).or_default() += units;
                }
            }
        }
        let want =
            |(index, ((sku, stock), left))| Want { index, sku, stock: Some(stock), left, is_returned: false };
        sums.into_iter().enumerate().map(want).collect()
    }

    /// The enabled sources of a stock, by priority and then in the order in which they were linked.
    pub(super) fn sources_of(&self, stock: u32) -> Vec<u32> {
        let mut links: Vec<_> = self.links.iter().filter(|(of, ..)| *of == stock).collect();
        links.sort_by_key(|(_, _, priority)| *priority);
        let sources = links.into_iter().map(|(_, source, _)| *source);
        sources.filter(|source| self.enabled[*source as usize]).collect()
    }

    /// The goods of an item in stock that an event has not taken yet.
    pub(super) fn goods_left(&self, event: &Event, sku: u32, source: u32) -> i64 {
        let item = self.items.get(&(sku, source)).filter(|item| item.in_stock);
        let taken = event.leaving.iter().filter(|one| (one.1, one.2) == (sku, source)).map(|one| one.3);
        item.map_or(0, |item| (item.on_hand - taken.sum::<i64>()).max(0))
    }

    pub(super) fn invoice(&self, number: u32, wants: &[Want], event: &mut Event) -> Result<(), Answer> {
        let mut booked = self.booked(number);
        let lines = self.line_keys(number);
        let (mut delivered, mut invoiced) = (Vec::new(), Vec::new());
        for want in wants {
            let keys: Vec<_> = lines.iter().filter(|(stock, sku)| want.is_of(*stock, *sku)).collect();
            if keys.is_empty() {
                return Err(of_sku(at(Code::NotInReservation, want.index), want.sku));
            }
            let mut left = want.left;
            for (stock, sku) in keys.into_iter().copied() {
                let units = booked.get_mut(&(stock, sku)).expect("booked");
                let most = left.min(units.ordered - units.cancelled - units.invoiced).max(0);
                left -= most;
                if most > 0 {
                    invoiced.push((stock, sku, OrderUnits { invoiced: most, ..OrderUnits::default() }));
                    if is_virtual(sku) {
                        delivered.push(Want { stock: Some(stock), left: most.min(units.open()), ..*want });
                    }
                }
                units.invoiced += most;
            }
            if left > 0 {
                event.code = Code::Partial;
            }
        }
        delivered.sort_by_key(|want| (want.sku, want.stock));
        let mut ids = self.ids_of(number);
        ids.retain(|id| self.is_confirmed(id));
        let takes = self.take(&ids, &mut delivered, |named, line| self.open_of(named, line));
        for take in &takes {
            let one = &self.reservations[&take.named];
            let line = &one.lines[take.line];
            let mut left = take.units;
            for source in self.sources_of(one.stock) {
                let most = if line.counts { self.goods_left(event, line.sku, source) } else { left };
                let units = left.min(most);
                if units > 0 {
                    left -= units;
                    event.ship(&Take { units, ..*take }, source, true);
                    event.stock = Some(one.stock);
                }
            }
            if left > 0 {
                let refusal = at(Code::NotEnoughAtSource, take.index);
                return Err(bounded(refusal, line.sku, take.units - left, take.units));
            }
        }
        event.booked.extend(invoiced);
        Ok(())
    }

    /// Refuses goods that are not there, and shipments and losses that break a promise.
    pub(super) fn check_leaving(&self, event: &Event, is_shipment: bool) -> Result<(), Answer> {
        let on_hand = |sku: u32, source: u32| self.items.get(&(sku, source)).map(|item| item.on_hand);
        for (index, sku, source, _) in &event.leaving {
            let same = event.leaving.iter().filter(|one| (one.1, one.2) == (*sku, *source));
            let units: i64 = same.map(|one| one.3).sum();
            let held = on_hand(*sku, *source).ok_or(of_sku(at(Code::NoSourceItem, *index), *sku))?;
            if held < units {
                return Err(bounded(at(Code::NotEnoughAtSource, *index), *sku, held, units));
            }
        }
        let raises = |after: &Model, sku: u32, source: u32| {
            let group = self.group_of_source(source);
            group.is_some_and(|group| self.raises_shortfall(after, sku, group))
        };
        let mut leaving = event.leaving.clone();
        leaving.sort_by_key(|(index, sku, ..)| (*sku, *index));
        let missed = leaving.iter().find(|(_, sku, source, _)| raises(&event.after, *sku, *source));
        let Some((index, sku, source, _)) = missed else { return Ok(()) };
        let Some(stock) = event.stock.filter(|_| is_shipment) else {
            return Err(of_sku(at(Code::NeededElsewhere, *index), *sku));
        };
        let all: Vec<_> = event.leaving.iter().filter(|one| one.1 == *sku).collect();
        let units: i64 = all.iter().map(|one| one.3).sum();
        let mut links: Vec<_> = self.links.iter().filter(|(of, ..)| *of == stock).collect();
        links.sort_by_key(|(_, _, priority)| *priority);
        let mut sources = Vec::new();
        for (_, other, _) in links {
            if other == source || on_hand(*sku, *other).is_none_or(|held| held < units) {
                continue;
            }
            let mut after = event.after.clone();
            for (_, _, from, units) in &all {
                after.move_item(*sku, *from, *units);
                after.move_item(*sku, *other, -units);
            }
            if !raises(&after, *sku, *other) {
                sources.push(stockhold_protocol::SourceId(*other));
            }
        }
        let (code, value, _) = at(Code::NeededElsewhere, *index);
        Err((code, value, Detail::Sources(sources)))
    }
}
