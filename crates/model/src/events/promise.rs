//! Events that change what is promised: confirm, extend, cancel, edit and compensate.

use super::rows::is_of_rows;
use super::{Event, Want};
use crate::decide::{Answer, at, bounded, of_sku, plain};
use crate::limits::bad_field;
use crate::orders::{OrderUnits, Orders};
use crate::state::{Model, Reservation, Stage};
use crate::step::{Cart, OrderStep, SKUS};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, CommandId};

impl Model {
    pub(super) fn confirm_order(&self, number: u32, event: &mut Event) -> Result<(), Answer> {
        let ids = self.ids_of(number);
        let holds: Vec<_> = ids.iter().filter(|id| self.reservations[id].stage == Stage::Held).collect();
        if holds.is_empty() {
            let is_confirmed = ids.iter().any(|id| self.is_confirmed(id));
            return Err(plain(if is_confirmed { Code::AlreadyConfirmed } else { Code::AlreadyClosed }));
        }
        let expired = holds.iter().filter(|id| !self.is_live(id)).count();
        if expired > 1 {
            return Err(plain(Code::Expired));
        }
        for named in holds {
            if !self.is_live(named) {
                event.code = Code::ConfirmedLate;
            }
            if !self.is_live(named) {
                self.fit_again(event.one(*named))?;
            }
            event.confirm(*named);
            event.body = Some(self.reservations[named].body.to_string());
        }
        Ok(())
    }

    pub(super) fn extend_order(&self, number: u32, ttl_ms: u32, event: &mut Event) -> Result<(), Answer> {
        let ids = self.ids_of(number);
        let holds: Vec<_> = ids.iter().filter(|id| self.is_live(id)).collect();
        let mut earliest = u32::MAX;
        for named in &holds {
            let (_, deadline_s, _) = event.after.extend(**named, ttl_ms)?;
            earliest = earliest.min(deadline_s);
        }
        if !holds.is_empty() {
            event.value = earliest;
            return Ok(());
        }
        let has = |is: &dyn Fn(&Reservation) -> bool| ids.iter().any(|id| is(&self.reservations[id]));
        Err(plain(if has(&|one| one.stage == Stage::Confirmed) {
            Code::AlreadyConfirmed
        } else if has(&|one| self.has_expired(one)) {
            Code::Expired
        } else {
            Code::AlreadyClosed
        }))
    }

    pub(super) fn cancel_order(
        &self,
        number: u32,
        mut wants: Vec<Want>,
        event: &mut Event,
    ) -> Result<(), Answer> {
        let is_all = wants.is_empty();
        let mut ids = self.ids_of(number);
        let of_holds = ids.iter().map(|id| &self.reservations[id]);
        let of_holds = of_holds.flat_map(|one| one.lines.iter().map(|line| (one.stock, line.sku)));
        let keys: Vec<_> = self.line_keys(number).into_iter().chain(of_holds).collect();
        if let Some(want) = wants.iter().find(|want| !keys.iter().any(|key| want.is_of(key.0, key.1))) {
            return Err(of_sku(at(Code::NotInReservation, want.index), want.sku));
        }
        ids.retain(|id| self.is_live(id) || self.is_confirmed(id));
        ids.sort_by_key(|id| self.is_live(id));
        if is_all {
            let every = |sku| Want { index: 0, sku, stock: None, left: i64::MAX, is_returned: false };
            wants = (0..SKUS).map(every).collect();
        }
        let mut left: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        for (key, units) in self.booked(number) {
            let kept = units.shipped.max(units.invoiced);
            left.insert(key, (units.ordered - units.cancelled - kept).min(units.open()).max(0));
        }
        let takes = self.take(&ids, &mut wants, |named, line| {
            let open = self.open_of(named, line);
            if self.is_live(&named) {
                return open;
            }
            let one = &self.reservations[&named];
            let left = left.get_mut(&(one.stock, one.lines[line].sku)).expect("booked");
            let units = open.min(*left);
            *left -= units;
            units
        });
        for take in &takes {
            event.end(take, OrderUnits { cancelled: take.units, ..OrderUnits::default() });
        }
        if !is_all && wants.iter().any(|want| want.left > 0) {
            event.code = Code::Partial;
        }
        Ok(())
    }

    pub(super) fn compensate(
        &self,
        number: u32,
        mut wants: Vec<Want>,
        forced: bool,
        event: &mut Event,
    ) -> Result<(), Answer> {
        wants.retain(|want| want.left > 0);
        let asked = wants.clone();
        let mut ids = self.ids_of(number);
        ids.retain(|id| self.is_confirmed(id));
        let takes = self.take(&ids, &mut wants, |named, line| self.open_of(named, line));
        if let Some((want, asked)) = wants.iter().zip(&asked).find(|(want, _)| want.left > 0) {
            if !forced {
                return Err(self.more_than(number, Code::MoreThanOpen, want, asked.left));
            }
            event.code = Code::Partial;
        }
        for take in &takes {
            event.end(take, OrderUnits { compensated: -take.units, ..OrderUnits::default() });
        }
        Ok(())
    }

    /// Plans the units that a compensation adds, as a cart.
    pub(super) fn plan_added(&self, step: &OrderStep, wants: &[Want]) -> Result<super::Added, Answer> {
        let added: Vec<&Want> = wants.iter().filter(|want| want.left < 0).collect();
        let [first, ..] = added.as_slice() else { return Ok(None) };
        let Some(stock) = first.stock.filter(|_| added.iter().all(|want| want.stock == first.stock)) else {
            let rule = "must be the same one for all lines that add units to an order";
            return Err(bad_field("lines.stock", rule));
        };
        let lines: Vec<(u32, i64)> = added.iter().map(|want| (want.sku, -want.left)).collect();
        self.check_limits(lines.len())?;
        let planned = if step.forced {
            self.plan_forced(stock, &lines)?
        } else {
            self.plan((stock, self.is_frozen_stock(stock)), &lines, false, &[])?
        };
        Ok(Some((stock, planned)))
    }

    pub(super) fn add_units(
        &mut self,
        id: CommandId,
        step: &OrderStep,
        stock: u32,
        planned: &[crate::decide::PlannedLine],
    ) -> Answer {
        let (owner, lines) = (self.order(step.order).expect("it has an order").1, Vec::new());
        let target = stockhold_protocol::command::Target::Stock(stockhold_protocol::StockId(stock));
        let (best_effort, ttl_ms, order) = (false, None, Some(step.order));
        let cart = Cart { target, lines, best_effort, ttl_ms, owner, order };
        self.orders.joining = (EventKind::ManualCompensation, String::new());
        let answer = self.grant(id, (&cart, stock), planned, self.hold_ms(), 0, false);
        self.orders.joining = Orders::PLACED;
        answer
    }

    pub(super) fn edit_order(&self, number: u32, wants: &[Want], event: &mut Event) -> Result<(), Answer> {
        if wants.iter().any(|want| wants.iter().filter(|other| other.sku == want.sku).count() > 1) {
            return Err(bad_field("lines.sku", "must be named once: an edit changes one stock at a time"));
        }
        let booked = self.booked(number);
        let mut stocks: BTreeSet<u32> = wants.iter().filter_map(|want| want.stock).collect();
        if wants.iter().any(|want| want.stock.is_none()) {
            stocks.extend(booked.keys().map(|(stock, _)| *stock));
        }
        let stocks: Vec<u32> = stocks.into_iter().collect();
        let stock = match stocks.as_slice() {
            [stock] => *stock,
            [] => return Err(plain(Code::NotConfirmed)),
            _ => return Err(bad_field("lines.stock", "must be one stock: an edit changes one at a time")),
        };
        let mut ids = self.ids_of(number);
        ids.retain(|id| self.reservations[id].stock == stock);
        let is_held = ids.iter().any(|id| self.is_live(id));
        ids.retain(|id| self.is_confirmed(id));
        let Some(newest) = ids.iter().rev().find(|id| !is_of_rows(**id)).copied() else {
            return Err(plain(if is_held { Code::NotConfirmed } else { Code::AlreadyClosed }));
        };
        let (mut growths, mut shrinks) = (Vec::new(), Vec::new());
        for want in wants {
            let units = booked.get(&(stock, want.sku)).copied();
            if units.is_none() && want.left == 0 {
                return Err(of_sku(at(Code::NotInReservation, want.index), want.sku));
            }
            let units = units.unwrap_or_default();
            let ordered = units.open() + units.shipped;
            let least = units.shipped.max(units.invoiced).min(ordered);
            if want.left < least {
                let refusal = at(Code::MoreThanOpen, want.index);
                return Err(bounded(refusal, want.sku, ordered - least, ordered - want.left));
            }
            if want.left > ordered {
                growths.push((want.index, want.sku, want.left - ordered));
            } else {
                shrinks.push(Want { left: ordered - want.left, stock: Some(stock), ..*want });
            }
        }
        for take in self.take(&ids, &mut shrinks, |named, line| self.open_of(named, line)) {
            event.end(&take, OrderUnits { cancelled: take.units, ..OrderUnits::default() });
        }
        for (index, sku, growth) in growths {
            let ordered = self.grow(newest, sku, growth, index, event)?;
            event.book(stock, sku, OrderUnits { ordered, ..OrderUnits::default() });
        }
        Ok(())
    }

    /// Adds units to a line of a reservation, as an amend does. Returns how many.
    pub(super) fn grow(
        &self,
        named: CommandId,
        sku: u32,
        growth: i64,
        index: usize,
        event: &mut Event,
    ) -> Result<i64, Answer> {
        let one = event.after.reservations[&named].clone();
        let line = one.lines.iter().find(|line| line.sku == sku);
        let total = line.map_or(0, |line| line.open + line.shipped()) + growth;
        // The world before the event decides what fits.
        let mut grown = one;
        event.backordered += self.amend_line(&mut grown, sku, total, index)?;
        event.after.reservations.insert(named, grown);
        Ok(growth)
    }
}
