//! Signed rows, as Magento keeps reservations: which promises they make and which they end. All rows of a command count
//! together, so their order says nothing.

use super::{Candidate, Want, more_than, take};
use crate::config::ORDER_LINES_MAX;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{Booking, EVENT_BYTES_MAX, NO_ORDER, Total, event_bytes_max};
use crate::ledger::state::State;
use crate::moves::{Ending, Plan, RowsOfOrder, RowsPlan, UnreservedUnits};
use crate::stock::sharing::Pool;
use crate::verbs::hold::Status;
use std::collections::BTreeMap;
use stockhold_protocol::Code;
use stockhold_protocol::command::{AppendReservations, Sharing, SignedRow, SkuKind};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::limits::QUANTITY_MAX;

/// A SKU in a stock.
type Place = (u32, u32);

/// Units that rows promise at a place.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    /// Units that must fit.
    checked: i64,
    /// What else the rows change there; may be negative.
    other: i64,
    /// The first row of the place.
    index: usize,
}

/// The rows of a command that have an effect, and what they change at each place.
struct Effect<'a> {
    append: &'a AppendReservations,
    growths: BTreeMap<Place, Growth>,
    /// The change of the sum that belongs to no order.
    unattributed: BTreeMap<Place, i64>,
}

impl State {
    /// Plans the rows of a command. The answer has the number of rows that have an effect: a SKU whose goods are not
    /// counted has no reservations.
    pub(crate) fn plan_rows(
        &self,
        append: &AppendReservations,
        plan: &mut Plan,
        rows: &mut RowsPlan,
    ) -> Decision {
        let mut merged = append.merged_rows();
        for row in &merged {
            self.check_row(append, row)?;
        }
        let counts = |row: &SignedRow| self.settings_at(row.sku.0, row.stock.0).manage_stock;
        merged.retain(counts);
        let appended = append.rows.iter().filter(|row| counts(row)).count();
        let mut effect = Effect { append, growths: BTreeMap::new(), unattributed: BTreeMap::new() };
        for of_order in merged.chunk_by(|a, b| a.order == b.order) {
            match of_order {
                [first, ..] if !first.order.is_empty() => {
                    let of_order = self.plan_rows_of_order(of_order, &mut effect, plan)?;
                    // Rows that find nothing open make no order.
                    if !of_order.events.is_empty() {
                        rows.orders.push(of_order);
                    }
                }
                unattributed => unattributed.iter().for_each(|row| {
                    add_unattributed(
                        &mut effect,
                        (row.stock.0, row.sku.0),
                        row.quantity.raw().saturating_neg(),
                    );
                }),
            }
        }
        self.check_room_for_orders(rows)?;
        self.check_sums(&mut effect)?;
        self.check_growths(&effect)?;
        let sums = effect.unattributed.into_iter().filter(|(_, units)| *units != 0);
        rows.unattributed = sums.map(|((stock, sku), units)| UnreservedUnits { stock, sku, units }).collect();
        Ok(Answer::ok(u32::try_from(appended).unwrap_or(u32::MAX)))
    }

    /// Checks the names of a row. A SKU must be assigned to the stock, unless the catalog does not know it.
    fn check_row(&self, append: &AppendReservations, row: &SignedRow) -> Result<(), Refusal> {
        let (stock, sku) = (row.stock.0, row.sku.0);
        let index = first_of(append, |one| (one.stock, one.sku) == (row.stock, row.sku));
        if !self.has_sku(sku) || !self.catalog.has_stock(stock) {
            return Err(Refusal::unknown_in_line("rows", index));
        }
        match self.skus.kind(sku) {
            SkuKind::Composite => Err(Refusal::of_line(Code::Composite, index).of_sku(sku)),
            SkuKind::Simple | SkuKind::Virtual if !self.is_assigned(sku, stock) => {
                Err(Refusal::of_line(Code::NotAssigned, index).of_sku(sku))
            }
            SkuKind::Simple | SkuKind::Virtual | SkuKind::Uncatalogued => Ok(()),
        }
    }

    fn is_assigned(&self, sku: u32, stock: u32) -> bool {
        self.find(sku, stock).is_some_and(|at| {
            let cluster = self.clusters.get(at.cluster);
            cluster.pool.is_assigned(self.catalog.layout.group(cluster.group), at.index)
        })
    }

    /// Plans the rows of one order: its new promises, what is given back of its open units, and its events. What is given
    /// back beyond its open units belongs to no order.
    fn plan_rows_of_order(
        &self,
        rows: &[SignedRow],
        effect: &mut Effect<'_>,
        plan: &mut Plan,
    ) -> Result<RowsOfOrder, Refusal> {
        let number = rows.first().map(|row| row.order.clone()).unwrap_or_default();
        let order = self.find_order(&number);
        let mut candidates = order.map_or(Vec::new(), |order| self.candidates(order));
        candidates.retain(|candidate| candidate.status == Status::Confirmed);
        let mut nets: BTreeMap<Place, i64> = BTreeMap::new();
        for row in rows {
            let net = nets.entry((row.stock.0, row.sku.0)).or_default();
            *net = net.saturating_sub(row.quantity.raw());
        }
        let (mut promised, mut wants) = (Vec::new(), Vec::new());
        for ((stock, sku), net) in &mut nets {
            let (stock, sku) = (*stock, *sku);
            let index = effect.index_of((stock, sku));
            if *net > 0 {
                promised.push(UnreservedUnits { stock, sku, units: *net });
                add_checked(growth_at(effect, (stock, sku)), *net);
                continue;
            }
            let open = open_of(&candidates, (stock, sku));
            let units = net.saturating_neg().min(open);
            let beyond = net.saturating_neg().saturating_sub(units);
            if beyond > 0 && self.core.configuration.sharing == Sharing::Exact {
                let lines = order.map_or(Vec::new(), |order| self.order_lines_of(order));
                let want = Want { sku, stock: Some(stock), left: beyond, index };
                return Err(more_than(Code::MoreThanOpen, &lines, &want, units));
            }
            add_unattributed(effect, (stock, sku), beyond.saturating_neg());
            add_other(growth_at(effect, (stock, sku)), units.saturating_neg());
            wants.push(Want { sku, stock: Some(stock), left: units, index });
            *net = units.saturating_neg();
        }
        wants.sort_by_key(|want| (want.sku, want.stock));
        let takes = take(&candidates, &mut wants, |_, line| line.open);
        plan.order = order;
        self.plan_endings(EventKind::ManualCompensation, &takes, Ending::Renewed, plan)?;
        plan.order = None;
        let of_order = RowsOfOrder { number, order, promised, events: events_of(rows, nets) };
        self.check_rows_of_order(&of_order)?;
        Ok(of_order)
    }

    /// Checks the limits of an order.
    fn check_rows_of_order(&self, rows: &RowsOfOrder) -> Result<(), Refusal> {
        let bytes = |(_, bookings): &(EventKind, Vec<Booking>)| event_bytes_max(bookings.len());
        let bytes = rows.events.iter().map(bytes).fold(0, usize::saturating_add);
        let known = rows.order.map_or(Vec::new(), |order| self.order_lines_of(order));
        let is_known = |one: &Place| known.iter().any(|line| (line.stock, line.sku) == *one);
        let mut places: Vec<Place> =
            rows.events.iter().flat_map(|(_, bookings)| bookings).map(|one| (one.stock, one.sku)).collect();
        places.sort_unstable();
        places.dedup();
        let added = places.iter().filter(|place| !is_known(place)).count();
        if let Some(order) = rows.order {
            self.check_order_lines(order, added)?;
            return self.check_event_bytes(order, bytes, EVENT_BYTES_MAX);
        }
        if added > ORDER_LINES_MAX {
            return Err(Refusal::limit("order_lines_max", ORDER_LINES_MAX));
        }
        if bytes > EVENT_BYTES_MAX {
            return Err(Refusal::limit("order_event_bytes_max", EVENT_BYTES_MAX));
        }
        Ok(())
    }

    /// New orders of rows make no settled order end, because it may be one of those that the rows name.
    fn check_room_for_orders(&self, rows: &RowsPlan) -> Result<(), Refusal> {
        let added = rows.orders.iter().filter(|rows| rows.order.is_none()).count();
        let added = u64::try_from(added).unwrap_or(u64::MAX);
        let most = self.core.configuration.orders_max;
        if self.order_book.len().saturating_add(added) > most && added > 0 {
            return Err(Refusal::limit("orders_max", most));
        }
        Ok(())
    }

    /// Checks the sums that belong to no order. With stocks that limit each other, no more is given back than was promised,
    /// and what is promised must fit.
    fn check_sums(&self, effect: &mut Effect<'_>) -> Result<(), Refusal> {
        let is_exact = self.core.configuration.sharing == Sharing::Exact;
        for (place, units) in effect.unattributed.clone() {
            let (stock, sku) = place;
            let index = effect.index_of(place);
            let before = self.unreserved_units(NO_ORDER, stock, sku);
            let after = before.saturating_add(units);
            if is_exact && after < 0 {
                let refusal = Refusal::of_line(Code::MoreThanOpen, index);
                return Err(refusal.bounded(sku, before, units.saturating_neg()));
            }
            if after.saturating_abs() > QUANTITY_MAX {
                return Err(Refusal::of_line(Code::QuantityOverflow, index).bounded(
                    sku,
                    QUANTITY_MAX,
                    after,
                ));
            }
            let growth = growth_at(effect, place);
            if is_exact && units > 0 {
                add_checked(growth, units);
            } else {
                add_other(growth, units);
            }
        }
        Ok(())
    }

    /// Checks that all growths fit beside each other, after everything that the command gives back.
    fn check_growths(&self, effect: &Effect<'_>) -> Result<(), Refusal> {
        let mut pools: BTreeMap<u32, Pool> = BTreeMap::new();
        for ((stock, sku), growth) in effect.growths.iter().filter(|(_, growth)| growth.other < 0) {
            self.add_to_pools(&mut pools, (*stock, *sku), growth.other);
        }
        for ((stock, sku), growth) in effect.growths.iter().filter(|(_, growth)| growth.checked > 0) {
            self.check_fits(&pools, (*stock, *sku), growth)?;
            self.add_to_pools(&mut pools, (*stock, *sku), growth.checked);
        }
        for ((stock, sku), growth) in &effect.growths {
            let promised = self.promised(*sku, *stock);
            let after = promised.saturating_add(growth.checked).saturating_add(growth.other);
            if after.saturating_abs() > QUANTITY_MAX {
                let refusal = Refusal::of_line(Code::QuantityOverflow, growth.index);
                return Err(refusal.bounded(*sku, QUANTITY_MAX, after));
            }
        }
        Ok(())
    }

    /// Changes the promises of a place in a copy of its pool.
    fn add_to_pools(&self, pools: &mut BTreeMap<u32, Pool>, (stock, sku): Place, units: i64) {
        let Some(at) = self.find(sku, stock) else { return };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let copy = || cluster.pool_at(group, self.now_s()).into_owned();
        pools.entry(at.cluster).or_insert_with(copy).add_promise(group, at.index, units);
    }

    /// Checks that units fit at a place. Rows know no minimum, maximum or increment, and take from no quota.
    fn check_fits(
        &self,
        pools: &BTreeMap<u32, Pool>,
        (stock, sku): Place,
        growth: &Growth,
    ) -> Result<(), Refusal> {
        let refusal = |code| Refusal::of_line(code, growth.index);
        let Some(at) = self.find(sku, stock) else { return Err(refusal(Code::NoSourceInStock).of_sku(sku)) };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let (present, settings) = (cluster.pool_at(group, self.now_s()), &cluster.place(at.index).settings);
        let pool = pools.get(&at.cluster).unwrap_or(&present);
        if !pool.any_in_stock(group, at.index) {
            return Err(refusal(Code::NoSourceInStock).of_sku(sku));
        }
        let room = pool.left(group, at.index).saturating_sub(settings.eff_min());
        if !settings.is_unlimited() && growth.checked > room {
            return Err(refusal(Code::SoldOut).bounded(sku, room.max(0), growth.checked));
        }
        Ok(())
    }
}

impl Effect<'_> {
    /// The position of the first row at a place.
    fn index_of(&self, (stock, sku): Place) -> usize {
        first_of(self.append, |row| (row.stock.0, row.sku.0) == (stock, sku))
    }
}

/// The growth at a place of the rows.
fn growth_at<'a>(effect: &'a mut Effect<'_>, place: Place) -> &'a mut Growth {
    let index = effect.index_of(place);
    let growth = effect.growths.entry(place).or_default();
    growth.index = index;
    growth
}

/// Adds units to the sum of a place that belongs to no order.
fn add_unattributed(effect: &mut Effect<'_>, place: Place, units: i64) {
    let sum = effect.unattributed.entry(place).or_default();
    *sum = sum.saturating_add(units);
}

const fn add_checked(growth: &mut Growth, units: i64) {
    growth.checked = growth.checked.saturating_add(units);
}

const fn add_other(growth: &mut Growth, units: i64) {
    growth.other = growth.other.saturating_add(units);
}

fn first_of(append: &AppendReservations, is_it: impl Fn(&SignedRow) -> bool) -> usize {
    append.rows.iter().position(is_it).unwrap_or(0)
}

fn open_of(candidates: &[Candidate], (stock, sku): Place) -> i64 {
    let of_stock = candidates.iter().filter(|candidate| candidate.stock == stock);
    let lines = of_stock.flat_map(|candidate| &candidate.lines).filter(|line| line.sku == sku);
    lines.fold(0, |sum: i64, line| sum.saturating_add(line.open))
}

/// The events of an order, one for each kind of row. `nets` are the changes of its open units: what rows give back beyond
/// that is not booked.
fn events_of(rows: &[SignedRow], nets: BTreeMap<Place, i64>) -> Vec<(EventKind, Vec<Booking>)> {
    let mut left: BTreeMap<Place, i64> = nets;
    // What may be given back: the units that were open and are not any more, and those that other rows promise.
    for net in left.values_mut() {
        *net = net.saturating_neg();
    }
    for row in rows.iter().filter(|row| row.quantity.raw() < 0) {
        let left = left.entry((row.stock.0, row.sku.0)).or_default();
        *left = left.saturating_sub(row.quantity.raw());
    }
    let mut events: Vec<(EventKind, Vec<Booking>)> = Vec::new();
    for row in rows {
        let (stock, sku, quantity) = (row.stock.0, row.sku.0, row.quantity.raw());
        let (total, units) = if quantity < 0 {
            (total_of_promise(row.event), quantity.saturating_neg())
        } else {
            let left = left.entry((stock, sku)).or_default();
            let units = quantity.min(*left).max(0);
            *left = left.saturating_sub(units);
            let total = total_of_end(row.event);
            (total, units.saturating_mul(total.sign().saturating_neg()))
        };
        if units == 0 {
            continue;
        }
        let booking = Booking { stock, sku, total, units, source: None };
        match events.last_mut() {
            Some((kind, bookings)) if *kind == row.event => bookings.push(booking),
            _ => events.push((row.event, vec![booking])),
        }
    }
    events
}

/// The total that counts units which a row promises.
const fn total_of_promise(kind: EventKind) -> Total {
    if matches!(kind, EventKind::OrderPlaced) { Total::Ordered } else { Total::Compensated }
}

/// The total that counts units which a row gives back.
const fn total_of_end(kind: EventKind) -> Total {
    match kind {
        EventKind::OrderPlaceFailed | EventKind::OrderCanceled => Total::Cancelled,
        EventKind::ShipmentCreated | EventKind::InvoiceCreated => Total::Shipped,
        EventKind::CreditmemoCreated => Total::Refunded,
        EventKind::OrderPlaced
        | EventKind::ManualCompensation
        | EventKind::OrderEdited
        | EventKind::ShipmentReversed
        | EventKind::HoldPlaced
        | EventKind::HoldExpired
        | EventKind::HoldReplaced
        | EventKind::OrderState => Total::Compensated,
    }
}
