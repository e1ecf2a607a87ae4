//! The outcomes of commands on existing reservations, and which steps are plausible for one.

use crate::bulk::Item;
use crate::decide::{Answer, Decision, HeldLine, amount, at, bounded, merged, of_sku, plain, unknown};
use crate::state::{Line, Model, Reservation, Shipment, Stage};
use crate::step::{HALF, SKUS, SOURCES, Step, Wanted};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::command::Target;
use stockhold_protocol::{Code, CommandId, Detail, SourceId, StockId};

/// Units that would leave a source, and how many of them are promised to the reservation.
pub(crate) struct Departure {
    pub(crate) index: usize,
    pub(crate) sku: u32,
    pub(crate) units: i64,
    pub(crate) promised: i64,
}

impl Model {
    /// Executes a step and returns its outcome.
    pub(crate) fn decide(&mut self, id: CommandId, step: &Step, named: CommandId) -> Decision {
        let before = self.reservations.get(&named).cloned();
        let decision = self.decide_step(id, step, named);
        // A replace and a failed placement book their changes themselves.
        if let Some(before) =
            before.filter(|_| decision.is_ok() && !matches!(step, Step::Replace(..) | Step::PlaceFailed(..)))
        {
            self.book_change(named, &before, step);
        }
        decision
    }

    fn decide_step(&mut self, id: CommandId, step: &Step, named: CommandId) -> Decision {
        match step {
            Step::Reserve(cart) => self.reserve(id, cart),
            Step::Replace(_, cart) => self.replace(id, cart, named),
            Step::Confirm(_) => self.confirm(named),
            Step::Release(_, lines) => self.release(named, lines),
            Step::Extend(_, ttl) => self.extend(named, *ttl),
            Step::Ship(_, source, lines, forced) => self.ship(named, *source, lines, *forced),
            Step::Sell(target, source, lines, forced) => self.sell(id, *target, *source, lines, *forced),
            Step::Amend(_, lines) => self.amend(named, lines),
            Step::Unship(_, source, lines) => self.unship(named, *source, lines),
            Step::Refund(_, parts) => self.refund(named, parts),
            Step::Place(cart) => self.place(id, cart),
            Step::PlaceFailed(_, order) => self.place_failed(*order, named),
            Step::Event(event) => self.order_event(id, event),
            Step::Append(rows) => self.append_rows(rows),
            Step::State(step) => self.report(step),
            other => self.merchant(other),
        }
    }

    pub(crate) fn named(&self, named: CommandId) -> Result<Reservation, Answer> {
        self.known(named).cloned().ok_or(plain(Code::UnknownReservation))
    }

    pub(crate) fn confirm(&mut self, named: CommandId) -> Decision {
        let mut one = self.named(named)?;
        let is_late = self.has_expired(&one);
        match one.stage {
            Stage::Held => {}
            Stage::Confirmed => return Err(plain(Code::AlreadyConfirmed)),
            Stage::Released | Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        }
        if is_late {
            self.fit_again(&mut one)?;
        }
        (one.stage, one.is_hold) = (Stage::Confirmed, false);
        self.reservations.insert(named, one);
        Ok(plain(if is_late { Code::ConfirmedLate } else { Code::Ok }))
    }

    /// Promises the lines of an expired hold again if they fit.
    pub(crate) fn fit_again(&self, one: &mut Reservation) -> Result<(), Answer> {
        self.check_thawed(one)?;
        for (index, line) in one.lines.iter_mut().enumerate() {
            if line.counts && line.open > 0 {
                if !self.fits(line.sku, one.stock, line.open) {
                    return Err(self.refused(Code::TooLate, (line.sku, line.open), one.stock, index));
                }
                line.counts = self.settings(line.sku, one.stock).manage_stock;
                line.quota = if line.counts { self.quota(line.sku, one.stock) } else { 0 };
            }
        }
        Ok(())
    }

    fn fits(&self, sku: u32, stock: u32, units: i64) -> bool {
        let settings = self.settings(sku, stock);
        if !settings.manage_stock {
            return true;
        }
        let formula = self.remaining(sku, stock) - settings.eff_min();
        let formula = if settings.is_unlimited() { i64::MAX } else { formula };
        self.any_in_stock(sku, stock) && units <= formula.min(self.quota_left(sku, stock))
    }

    pub(crate) fn extend(&mut self, named: CommandId, ttl_ms: u32) -> Decision {
        let mut one = self.named(named)?;
        match one.stage {
            Stage::Held if self.has_expired(&one) => return Err(plain(Code::Expired)),
            Stage::Held => {}
            Stage::Confirmed => return Err(plain(Code::AlreadyConfirmed)),
            Stage::Released | Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        }
        let asked_s = self.deadline(ttl_ms, one.origin_ms)?;
        if asked_s > one.deadline_s {
            one.deadline_s = asked_s;
            // The window may have been longer when the hold was made.
            one.end_s = one.end_s.max((asked_s * 1_000 + self.limits.window_ms).div_ceil(1_000));
        }
        let value = u32::try_from(one.deadline_s).expect("small");
        self.reservations.insert(named, one);
        Ok((Code::Ok, value, Detail::None))
    }

    pub(crate) fn release(&mut self, named: CommandId, lines: &Wanted) -> Decision {
        let mut one = self.named(named)?;
        match one.stage {
            Stage::Held if self.has_expired(&one) => return Err(plain(Code::Expired)),
            Stage::Held | Stage::Confirmed => {}
            Stage::Released | Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        }
        let asked = merged(lines);
        for (index, (sku, units)) in asked.iter().enumerate() {
            let line = one.lines.iter_mut().find(|line| line.sku == *sku);
            let line = line.ok_or(of_sku(at(Code::NotInReservation, index), *sku))?;
            if *units > line.open {
                return Err(bounded(at(Code::MoreThanOpen, index), *sku, line.open, *units));
            }
            line.open -= units;
        }
        if asked.is_empty() {
            one.lines.iter_mut().for_each(|line| line.open = 0);
        }
        self.settle_open(named, one);
        Ok(plain(Code::Ok))
    }

    /// Stores a reservation, and closes it if no units are open.
    pub(crate) fn settle_open(&mut self, named: CommandId, one: Reservation) {
        let is_over = one.lines.iter().all(|line| line.open == 0);
        let has_shipped = one.lines.iter().any(|line| line.shipped() > 0);
        self.reservations.insert(named, one);
        if is_over {
            self.close(named, if has_shipped { Stage::Shipped } else { Stage::Released });
        }
    }

    pub(crate) fn move_item(&mut self, sku: u32, source: u32, units: i64) {
        // Only a forced command takes goods from a source without an item. The new item is out of stock, so
        // that it sells no backorders.
        let new = Item { on_hand: 0, in_stock: units >= 0, version: self.removed_version };
        let item = self.items.entry((sku, source)).or_insert(new);
        item.on_hand += units;
        item.version += 1;
    }

    /// Whether a change raises short(0) or short(n) of a SKU in a group. Independent stocks skip this test:
    /// only the quantity at the source matters there.
    pub(crate) fn raises_shortfall(&self, after: &Model, sku: u32, group: u32) -> bool {
        !self.independent
            && [false, true]
                .into_iter()
                .any(|allowed| after.shortfall(sku, group, allowed) > self.shortfall(sku, group, allowed))
    }

    /// Whether a departure raises a shortfall in the group of its source. The promise of `promised` units ends.
    fn departure_raises(&self, sku: u32, source: u32, units: i64, stock: u32, promised: i64) -> bool {
        let Some(group) = self.group_of_source(source) else { return false };
        let mut after = self.clone();
        after.move_item(sku, source, -units);
        *after.hypothetical.entry((sku, stock)).or_default() -= promised;
        self.raises_shortfall(&after, sku, group)
    }

    /// Checks that the units are on hand at the source and that no other promise needs them.
    pub(crate) fn check_departures(
        &self,
        departures: &[Departure],
        source: u32,
        stock: u32,
        forced: bool,
    ) -> Result<(), Answer> {
        let on_hand = |sku: u32, source: u32| self.items.get(&(sku, source)).map(|item| item.on_hand);
        if forced {
            return Ok(());
        }
        for Departure { index, sku, units, .. } in departures {
            let held = on_hand(*sku, source).ok_or(of_sku(at(Code::NoSourceItem, *index), *sku))?;
            if held < *units {
                return Err(bounded(at(Code::NotEnoughAtSource, *index), *sku, held, *units));
            }
        }
        let raises = |departure: &&Departure| {
            self.departure_raises(departure.sku, source, departure.units, stock, departure.promised)
        };
        let missed = departures.iter().find(raises);
        let Some(Departure { index, sku, units, promised }) = missed else { return Ok(()) };
        let mut links: Vec<_> = self.links.iter().filter(|(of, ..)| *of == stock).collect();
        links.sort_by_key(|(_, _, priority)| *priority);
        let is_alternative = |other: u32| {
            other != source
                && on_hand(*sku, other).is_some_and(|held| held >= *units)
                && !self.departure_raises(*sku, other, *units, stock, *promised)
        };
        let sources =
            links.iter().map(|(_, other, _)| *other).filter(|other| is_alternative(*other)).map(SourceId);
        let (code, value, _) = at(Code::NeededElsewhere, *index);
        Err((code, value, Detail::Sources(sources.collect())))
    }

    pub(crate) fn ship(&mut self, named: CommandId, source: u32, lines: &Wanted, forced: bool) -> Decision {
        let mut one = self.named(named)?;
        let is_promised = match one.stage {
            Stage::Held if self.has_expired(&one) && !forced => return Err(plain(Code::Expired)),
            Stage::Held if self.has_expired(&one) => false,
            Stage::Held if !forced => return Err(plain(Code::NotConfirmed)),
            Stage::Held | Stage::Confirmed => {
                (one.stage, one.is_hold) = (Stage::Confirmed, false);
                true
            }
            Stage::Released | Stage::Shipped | Stage::Replaced if forced => false,
            Stage::Released | Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        };
        if source >= SOURCES {
            return Err(unknown("source", 0));
        }
        let asked = merged(lines);
        let mut departures = Vec::new();
        for (index, (sku, units)) in asked.iter().enumerate() {
            let line = one.lines.iter_mut().find(|line| line.sku == *sku);
            let line = line.ok_or(of_sku(at(Code::NotInReservation, index), *sku))?;
            if *units > line.open && !forced {
                return Err(bounded(at(Code::MoreThanOpen, index), *sku, line.open, *units));
            }
            let promised = if is_promised { (*units).min(line.open) } else { 0 };
            if line.counts {
                departures.push(Departure { index, sku: *sku, units: *units, promised });
            }
            line.ship(source, *units, promised);
        }
        self.check_departures(&departures, source, one.stock, forced)?;
        let counted: Vec<_> = one.lines.iter().filter(|line| line.counts).map(|line| line.sku).collect();
        let counted: Vec<_> = asked.into_iter().filter(|(sku, _)| counted.contains(sku)).collect();
        for (sku, units) in &counted {
            self.move_item(*sku, source, -units);
        }
        if is_promised {
            self.settle_open(named, one);
        } else {
            self.reservations.insert(named, one);
        }
        let short: i64 = counted.iter().map(|(sku, _)| self.total_shortfall(*sku)).sum();
        Ok((Code::Ok, 0, if forced { Detail::Shortfall(amount(short)) } else { Detail::None }))
    }

    /// A line that grows must fit, and it is charged to the quota in force. For a line that does not grow, only
    /// open units are cancelled.
    fn amend(&mut self, named: CommandId, lines: &Wanted) -> Decision {
        let mut one = self.named(named)?;
        match one.stage {
            Stage::Held if self.has_expired(&one) => return Err(plain(Code::Expired)),
            Stage::Held => return Err(plain(Code::NotConfirmed)),
            Stage::Confirmed => {}
            Stage::Released | Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        }
        let mut backordered = 0;
        for (index, (sku, total)) in merged(lines).into_iter().enumerate() {
            backordered += self.amend_line(&mut one, sku, total, index)?;
        }
        self.settle_open(named, one);
        let detail = if backordered > 0 { Detail::Backordered(amount(backordered)) } else { Detail::None };
        Ok((Code::Ok, 0, detail))
    }

    /// Changes the total quantity of one line. Returns how many units only an allowance covers.
    pub(crate) fn amend_line(
        &self,
        one: &mut Reservation,
        sku: u32,
        total: i64,
        index: usize,
    ) -> Result<i64, Answer> {
        let known = one.lines.iter().position(|line| line.sku == sku);
        let (open, shipped) = known.map_or((0, 0), |at| (one.lines[at].open, one.lines[at].shipped()));
        if known.is_none() && total == 0 {
            return Err(of_sku(at(Code::NotInReservation, index), sku));
        }
        if total < shipped {
            return Err(bounded(at(Code::MoreThanOpen, index), sku, open, open + shipped - total));
        }
        if let Some(at) = known.filter(|_| total <= open + shipped) {
            one.lines[at].open = total - shipped;
            return Ok(0);
        }
        if sku >= SKUS {
            return Err(unknown("lines", index));
        }
        let is_counted = known.is_some_and(|at| one.lines[at].counts);
        let kept = HeldLine { units: shipped + if is_counted { open } else { 0 }, counts: true, quota: 0 };
        let place = (one.stock, self.is_frozen_stock(one.stock));
        let planned = self.plan_line(sku, place, total, false, kept);
        let planned = planned.map_err(|code| self.refused(code, (sku, total), one.stock, index))?;
        let place = match known {
            Some(place) => place,
            None if one.lines.len() >= self.limits.lines_max as usize => {
                let value = self.limits.lines_max.into();
                return Err((Code::LimitReached, 0, Detail::Limit { name: "lines_max".into(), value }));
            }
            None => {
                let (shipments, spent) = (Vec::new(), BTreeMap::new());
                let (counts, quota, granted, open, returned) = (false, 0, 0, 0, 0);
                one.lines.push(Line { sku, counts, quota, granted, open, shipments, returned, spent });
                one.lines.len() - 1
            }
        };
        let line = &mut one.lines[place];
        (line.open, line.counts) = (total - shipped, planned.counts);
        line.quota = if planned.counts { planned.quota } else { 0 };
        Ok(planned.backordered)
    }

    /// Units shipped beyond the promise are reversed first. The others are promised again.
    fn unship(&mut self, named: CommandId, source: u32, lines: &Wanted) -> Decision {
        let mut one = self.named(named)?;
        if one.stage == Stage::Held && !self.has_expired(&one) {
            return Err(plain(Code::NotConfirmed));
        }
        if source >= SOURCES {
            return Err(unknown("source", 0));
        }
        let asked = merged(lines);
        let mut counted = Vec::new();
        for (index, (sku, units)) in asked.iter().enumerate() {
            let line = one.lines.iter_mut().find(|line| line.sku == *sku);
            let line = line.ok_or(of_sku(at(Code::NotInReservation, index), *sku))?;
            let all = line.shipments.iter().filter(|one| one.of.0 == source);
            let most = all.map(|one| one.units).sum();
            if *units > most {
                return Err(bounded(at(Code::MoreThanShipped, index), *sku, most, *units));
            }
            let (reopened, goods) = line.unship(source, *units);
            if reopened > 0 {
                one.stage = Stage::Confirmed;
            }
            if goods > 0 {
                counted.push((*sku, goods));
            }
        }
        self.reservations.insert(named, one);
        for (sku, units) in &counted {
            self.move_item(*sku, source, *units);
        }
        let short: i64 = counted.iter().map(|(sku, _)| self.total_shortfall(*sku)).sum();
        Ok((Code::Ok, 0, Detail::Shortfall(amount(short))))
    }

    /// Changes a step so that it mostly names SKUs and quantities of its reservation. Otherwise most random
    /// steps would be refused.
    #[must_use]
    pub fn make_plausible(&self, step: &Step, named: CommandId) -> Step {
        let mut step = step.clone();
        if let Step::Event(event) = &mut step {
            self.make_event_plausible(event);
        }
        if let Step::State(step) = &mut step {
            self.make_report_plausible(step);
        }
        if let Step::Append(rows) = &mut step {
            self.make_rows_plausible(rows);
        }
        let Some(one) = self.reservations.get(&named) else { return step };
        // Three of four steps are changed. Some of these name everything that is open.
        let aim = |pick: usize, sku: &mut u32, halves: &mut i64| {
            let line = &one.lines[*sku as usize % one.lines.len()];
            if !pick.is_multiple_of(4) {
                *sku = line.sku;
                let open = if line.open > 0 { line.open } else { line.shipped() - line.returned } / HALF;
                *halves = if pick.is_multiple_of(3) { open.max(1) } else { (*halves).min(open).max(1) };
            }
        };
        if let Some((pick, lines)) = step.named_lines_mut() {
            for (sku, halves) in lines.iter_mut() {
                aim(pick, sku, halves);
            }
            let mut seen = BTreeSet::new();
            lines.retain(|(sku, _)| seen.insert(*sku));
        }
        match &mut step {
            Step::Refund(pick, parts) => {
                for (sku, halves, _) in parts.iter_mut() {
                    aim(*pick, sku, halves);
                }
            }
            Step::Replace(pick, cart) if !pick.is_multiple_of(5) => {
                cart.owner = one.owner;
                if !pick.is_multiple_of(3) {
                    cart.order = one.order.map(|(number, _)| number);
                }
                if self.stock_of(cart.target) != Some(one.stock) {
                    cart.target = Target::Stock(StockId(one.stock));
                }
            }
            _ => {}
        }
        step
    }
}

impl Line {
    /// Ships units, of which so many are promised.
    pub(crate) fn ship(&mut self, source: u32, units: i64, promised: i64) {
        self.open -= promised;
        let of = (source, self.quota, self.counts);
        if !self.shipments.iter().any(|one| one.of == of) {
            self.shipments.push(Shipment { of, units: 0, beyond: 0 });
        }
        let from = self.shipments.iter_mut().find(|one| one.of == of).expect("just made");
        (from.units, from.beyond) = (from.units + units, from.beyond + units - promised);
        *self.spent.entry(self.quota).or_default() += promised;
    }

    /// Reverses shipments from a source, those beyond the promise first. Returns how many units are promised again, and how
    /// many were counted.
    pub(crate) fn unship(&mut self, source: u32, units: i64) -> (i64, i64) {
        let all = self.shipments.iter().filter(|one| one.of.0 == source);
        let reopened = (units - all.map(|one| one.beyond).sum::<i64>()).max(0);
        // Shipments that are charged to the line's current quota are reversed before the others.
        let quota = self.quota;
        let mut entries: Vec<_> = self.shipments.iter_mut().filter(|one| one.of.0 == source).collect();
        entries.sort_by_key(|one| one.of.1 != quota);
        let (mut unpromised_left, mut promised_left, mut goods) = (units - reopened, reopened, 0);
        for one in entries {
            let (unpromised, counted) = one.take(unpromised_left, true);
            let (promised, promised_counted) = one.take(promised_left, false);
            (unpromised_left, promised_left) = (unpromised_left - unpromised, promised_left - promised);
            goods += counted + promised_counted;
            if one.of.1 == quota {
                *self.spent.entry(quota).or_default() -= promised;
            }
        }
        self.open += reopened;
        (reopened, goods)
    }
}
