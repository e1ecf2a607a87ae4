//! Events that move goods: ship, unship and invoice (of virtual SKUs). Credit memos are in `memo`.

use super::{Candidate, Take, Want, more_than, take};
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{Booking, OrderLine, Shipment, Total};
use crate::ledger::state::State;
use crate::moves::{Cause, Plan, Report};
use crate::refusal::quantity;
use crate::table::NO_SLOT;
use crate::verbs::hold::Status;
use std::collections::BTreeMap;
use stockhold_protocol::command::SkuKind;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, Line, SkuId};

impl State {
    /// Ships confirmed units, first those of stocks that the source supplies. A forced ship also takes held ones, and
    /// counts what is left as shipped beyond the promise.
    pub(super) fn plan_ship_order(
        &self,
        order: u32,
        source: u32,
        mut wants: Vec<Want>,
        forced: bool,
        plan: &mut Plan,
    ) -> Decision {
        let asked = wants.clone();
        let mut candidates = self.candidates(order);
        let is_linked = |stock: u32| self.catalog.links().contains_key(&(stock, source));
        let is_held = |candidate: &Candidate| candidate.status == Status::Held;
        candidates.sort_by_key(|one| (!is_linked(one.stock), is_held(one), one.op));
        let may_ship = |candidate: &Candidate| match candidate.status {
            Status::Confirmed => true,
            Status::Held => forced,
            Status::Expired | Status::Released | Status::ShippedOrReplaced => false,
        };
        let mut takes = take(&candidates, &mut wants, |one, line| if may_ship(one) { line.open } else { 0 });
        let lines = self.order_lines_of(order);
        let mut beyond: Vec<Take> = Vec::new();
        for (want, asked) in wants.iter_mut().zip(&asked).filter(|(want, _)| want.left > 0) {
            let of_sku = |one: &&Candidate| one.lines.iter().any(|line| want.is_of(one.stock, line.sku));
            let known = candidates.iter().find(of_sku);
            if !forced {
                let is_held = candidates.iter().filter(of_sku).any(is_held);
                let code = if is_held { Code::NotConfirmed } else { Code::MoreThanOpen };
                let found = asked.left.saturating_sub(want.left);
                return Err(more_than(code, &lines, want, found));
            }
            if let Some(known) = known {
                let at = known.lines.iter().position(|line| line.sku == want.sku).unwrap_or(0);
                let units = std::mem::take(&mut want.left);
                beyond.push(Take { slot: known.slot, stock: known.stock, at, units, index: want.index });
            }
        }
        // Units beyond the promise are shipped with the others of their reservation.
        takes.extend(beyond);
        let position = |take: &Take| candidates.iter().position(|candidate| candidate.has(take));
        takes.sort_by_key(position);
        self.plan_takes(EventKind::ShipmentCreated, &takes, plan, |take, stock, plan| {
            let status = if take.slot == NO_SLOT {
                Status::Confirmed
            } else {
                self.status_of(self.reservations.get(take.slot))
            };
            if status == Status::Held && plan.changes_hold() {
                self.plan_confirm_begun(stock, false, plan)?;
            }
            let is_promised = matches!(status, Status::Held | Status::Confirmed);
            let open = if is_promised { plan.lines[take.at].open } else { 0 };
            plan.ship(take.at, source, take.units, take.units.min(open), take.index);
            Ok(())
        })?;
        for want in wants.iter().filter(|want| want.left > 0) {
            self.plan_beyond_order(&lines, source, want, plan)?;
        }
        if forced {
            plan.is_fact = true;
            plan.report = Report::Shortfall;
        }
        Ok(Answer::ok(0))
    }

    /// Ships units of an order of which no record of a reservation is known any more.
    fn plan_beyond_order(
        &self,
        lines: &[OrderLine],
        source: u32,
        want: &Want,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let Some(line) = lines.iter().find(|line| want.is_of(line.stock, line.sku)) else {
            return Err(more_than(Code::MoreThanOpen, lines, want, 0));
        };
        let counts = self.settings_at(line.sku, line.stock).manage_stock;
        let source_of_goods = counts.then_some(source);
        let (stock, sku, units) = (line.stock, line.sku, want.left);
        plan.bookings.push(Booking { stock, sku, total: Total::Beyond, units, source: source_of_goods });
        if counts {
            plan.move_goods(sku, source, 0_i64.saturating_sub(units), Cause::Shipped, want.index);
        }
        Ok(())
    }

    /// Reverses a shipment from a source: the newest grants first, or exactly the units of a document.
    pub(super) fn plan_unship_order(
        &self,
        order: u32,
        source: u32,
        mut wants: Vec<Want>,
        document: &str,
        plan: &mut Plan,
    ) -> Decision {
        if wants.is_empty() {
            wants = self.units_of_document(order, source, document);
        }
        if wants.is_empty() {
            return Err(Refusal::new(Code::MoreThanShipped));
        }
        let asked = wants.clone();
        let mut candidates = self.candidates(order);
        candidates.reverse();
        let mut shipments = Vec::new();
        let takes = take(&candidates, &mut wants, |one, line| {
            if one.slot == NO_SLOT {
                return 0;
            }
            self.shipments_of(one.slot, &mut shipments);
            let of_line = |shipment: &&Shipment| (shipment.sku, shipment.source) == (line.sku, source);
            shipments.iter().filter(of_line).fold(0, |sum, shipment| i64::saturating_add(sum, shipment.units))
        });
        self.plan_unship_of_ended(order, source, &candidates, &mut wants, plan);
        if let Some((want, asked)) = wants.iter().zip(&asked).find(|(want, _)| want.left > 0) {
            let found = asked.left.saturating_sub(want.left);
            return Err(more_than(Code::MoreThanShipped, &self.order_lines_of(order), want, found));
        }
        let placeholder = Line::new(SkuId(0), quantity(0));
        plan.requested.clear();
        plan.requested.resize(wants.len(), placeholder);
        let positions: BTreeMap<usize, usize> =
            wants.iter().enumerate().map(|(at, want)| (want.index, at)).collect();
        self.plan_takes(EventKind::ShipmentReversed, &takes, plan, |take, stock, plan| {
            let at = positions.get(&take.index).copied().unwrap_or(0);
            let sku = SkuId(plan.lines[take.at].sku);
            plan.requested[at] = Line::new(sku, quantity(take.units));
            self.plan_unship_line(stock, source, at, plan)
        })?;
        plan.is_fact = true;
        plan.report = Report::Shortfall;
        Ok(Answer::ok(0))
    }

    /// Reverses shipments of units that no kept reservation has: they are promised to the order without one. All that was
    /// returned counts as theirs, whichever source had shipped it.
    fn plan_unship_of_ended(
        &self,
        order: u32,
        source: u32,
        candidates: &[Candidate],
        wants: &mut [Want],
        plan: &mut Plan,
    ) {
        if wants.iter().all(|want| want.left == 0) {
            return;
        }
        let mut shipped = self.shipped_by_events(order, source);
        let mut shipments = Vec::new();
        for one in candidates.iter().filter(|one| one.slot != NO_SLOT) {
            self.shipments_of(one.slot, &mut shipments);
            for shipment in shipments.iter().filter(|shipment| shipment.counts && shipment.source == source) {
                let units = shipped.entry((one.stock, shipment.sku)).or_default();
                *units = units.saturating_sub(shipment.units.saturating_sub(shipment.beyond));
            }
        }
        let key = self.orders.get(order).key;
        for ((stock, sku), most) in shipped {
            let mut most = most;
            for want in wants.iter_mut().filter(|want| want.is_of(stock, sku)) {
                let units = want.left.min(most);
                if units <= 0 {
                    continue;
                }
                (want.left, most) = (want.left.saturating_sub(units), most.saturating_sub(units));
                let (total, back) = (Total::Shipped, 0_i64.saturating_sub(units));
                plan.bookings.push(Booking { stock, sku, total, units: back, source: Some(source) });
                plan.promise_unreserved(key, stock, sku, units, want.index);
                plan.move_goods(sku, source, units, Cause::Returned, want.index);
            }
        }
    }

    /// The units of an order that its events say a source has shipped from the promise, less all that was returned.
    fn shipped_by_events(&self, order: u32, source: u32) -> BTreeMap<(u32, u32), i64> {
        let mut shipped: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        self.visit_events(order, |_, bookings| {
            for booking in bookings {
                let units = match booking.total {
                    Total::Shipped if booking.source == Some(source) => booking.units,
                    Total::Returned => 0_i64.saturating_sub(booking.units),
                    Total::Ordered
                    | Total::Cancelled
                    | Total::Shipped
                    | Total::Beyond
                    | Total::Refunded
                    | Total::WrittenOff
                    | Total::Invoiced
                    | Total::Compensated
                    | Total::Reported => 0,
                };
                let sum = shipped.entry((booking.stock, booking.sku)).or_default();
                *sum = sum.saturating_add(units);
            }
        });
        shipped
    }

    /// The units that a document has shipped from a source.
    fn units_of_document(&self, order: u32, source: u32, document: &str) -> Vec<Want> {
        let mut shipped: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        self.visit_events(order, |head, bookings| {
            if head.kind != EventKind::ShipmentCreated || head.document != document {
                return;
            }
            for booking in bookings.iter().filter(|one| one.source.is_none_or(|from| from == source)) {
                if matches!(booking.total, Total::Shipped | Total::Beyond) {
                    let units = shipped.entry((booking.sku, booking.stock)).or_default();
                    *units = units.saturating_add(booking.units);
                }
            }
        });
        let want = |(index, ((sku, stock), left)): (usize, ((u32, u32), i64))| Want {
            sku,
            stock: Some(stock),
            left,
            index,
        };
        shipped.into_iter().enumerate().map(want).collect()
    }

    /// Counts units as invoiced, as many as were ordered and not cancelled. Units of a virtual SKU are delivered by that: they
    /// leave the sources of their stock in the order of priority (msi.md 4.1).
    pub(super) fn plan_invoice(&self, order: u32, wants: &[Want], plan: &mut Plan) -> Decision {
        let mut lines = self.order_lines_of(order);
        let mut candidates = self.candidates(order);
        candidates.retain(|candidate| candidate.status == Status::Confirmed);
        let mut delivered: Vec<Want> = Vec::new();
        let mut invoiced = Vec::new();
        for want in wants {
            if !lines.iter().any(|line| want.is_of(line.stock, line.sku)) {
                return Err(Refusal::of_line(Code::NotInReservation, want.index).of_sku(want.sku));
            }
            let mut left = want.left;
            for line in lines.iter_mut().filter(|line| want.is_of(line.stock, line.sku)) {
                let of = |total| line.totals.of(total);
                let most = of(Total::Ordered)
                    .saturating_sub(of(Total::Cancelled))
                    .saturating_sub(of(Total::Invoiced));
                let units = left.min(most);
                if units <= 0 {
                    continue;
                }
                left = left.saturating_sub(units);
                let (stock, sku) = (line.stock, line.sku);
                invoiced.push(Booking { stock, sku, total: Total::Invoiced, units, source: None });
                if self.skus.get(sku).kind == SkuKind::Virtual {
                    let left = units.min(line.totals.open());
                    delivered.push(Want { sku, stock: Some(stock), left, index: want.index });
                }
                line.totals.add(Total::Invoiced, units);
            }
            if left > 0 {
                plan.event.code = Code::Partial;
            }
        }
        delivered.sort_unstable_by_key(|want| (want.sku, want.stock));
        let takes = take(&candidates, &mut delivered, |_, line| line.open);
        let mut goods = BTreeMap::new();
        self.plan_takes(EventKind::InvoiceCreated, &takes, plan, |take, stock, plan| {
            self.plan_delivery(take, stock, &mut goods, plan)
        })?;
        plan.bookings.extend(invoiced);
        Ok(Answer::ok(0))
    }

    /// Ships units of one line from the sources of its stock, in the order of priority. `goods` are the units that the plan
    /// has already taken of a SKU at a source.
    fn plan_delivery(
        &self,
        take: &Take,
        stock: u32,
        goods: &mut BTreeMap<(u32, u32), i64>,
        plan: &mut Plan,
    ) -> Result<(), Refusal> {
        let (sku, counts) = (plan.lines[take.at].sku, plan.lines[take.at].counts);
        let mut left = take.units;
        for source in self.sources_by_priority(stock) {
            let most = if counts { self.goods_left(sku, source, goods) } else { left };
            let units = left.min(most);
            if units <= 0 {
                continue;
            }
            left = left.saturating_sub(units);
            let taken = goods.entry((sku, source)).or_default();
            *taken = taken.saturating_add(units);
            plan.ship(take.at, source, units, units, take.index);
        }
        if left > 0 {
            let found = take.units.saturating_sub(left);
            let refusal = Refusal::of_line(Code::NotEnoughAtSource, take.index);
            return Err(refusal.bounded(sku, found, take.units));
        }
        Ok(())
    }

    /// The enabled sources of a stock in the order of priority.
    pub(super) fn sources_by_priority(&self, stock: u32) -> impl Iterator<Item = u32> {
        let links = self.catalog.links_of(stock).into_iter().map(|link| link.source);
        links.filter(|source| self.catalog.source(*source).is_some_and(|source| source.enabled))
    }

    /// The units of an item in stock that a plan has not taken yet.
    pub(super) fn goods_left(&self, sku: u32, source: u32, taken: &BTreeMap<(u32, u32), i64>) -> i64 {
        let item = self.item(sku, source).map(|slot| self.items.get(slot)).filter(|item| item.in_stock);
        let taken = taken.get(&(sku, source)).copied().unwrap_or(0);
        item.map_or(0, |item| item.on_hand.saturating_sub(taken).max(0))
    }
}
