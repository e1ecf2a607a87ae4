//! Signed rows, in their simplest form. Units of an order without a reservation are kept as a reservation that no command can
//! name: its id has no time.

use super::Want;
use crate::decide::{Answer, Decision, at, bounded, of_sku, unknown};
use crate::orders::{Note, OrderUnits};
use crate::state::{Line, Model, Reservation, Stage};
use crate::step::{HALF, RowStep, SKUS, STOCKS};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

/// A SKU in a stock.
type Place = (u32, u32);

/// What an event books: stock, SKU, units.
type Booked = Vec<(u32, u32, OrderUnits)>;

/// Rows summed by order, event and place.
type Sums = BTreeMap<(Option<u32>, EventKind, u32, u32), i64>;

/// Whether an id stands for units without a reservation.
pub(crate) fn is_of_rows(id: CommandId) -> bool {
    id.client_time_ms() == 0
}

fn sums_of(rows: &[RowStep]) -> Sums {
    let mut sums = Sums::new();
    for row in rows {
        *sums.entry((row.order, row.event, row.stock, row.sku)).or_default() += row.halves * HALF;
    }
    sums
}

/// The body of rows in the form in which bodies are compared.
pub(crate) fn body(rows: &[RowStep]) -> String {
    format!("rows {:?}", sums_of(rows))
}

/// What rows promise, give back, and book.
#[derive(Default)]
struct Change {
    /// Promises that must fit, by place.
    checked: BTreeMap<Place, i64>,
    /// Everything else that changes the promises of a place.
    other: BTreeMap<Place, i64>,
    unattributed: BTreeMap<Place, i64>,
    orders: Vec<ChangeOfOrder>,
}

struct ChangeOfOrder {
    number: u32,
    promised: Vec<(Place, i64)>,
    ended: Vec<(Place, i64)>,
    notes: Vec<(EventKind, Booked)>,
}

impl Model {
    pub(crate) fn append_rows(&mut self, rows: &[RowStep]) -> Decision {
        let mut sums = sums_of(rows);
        let index = |(stock, sku): Place| {
            rows.iter().position(|row| (row.stock, row.sku) == (stock, sku)).expect("it is of a row")
        };
        for (_, _, stock, sku) in sums.keys() {
            if *sku >= SKUS || *stock >= STOCKS {
                return Err(unknown("rows", index((*stock, *sku))));
            }
            if !self.is_assigned(*sku, *stock) {
                return Err(of_sku(at(Code::NotAssigned, index((*stock, *sku))), *sku));
            }
        }
        let counts = |stock: u32, sku: u32| self.settings(sku, stock).manage_stock;
        sums.retain(|(_, _, stock, sku), _| counts(*stock, *sku));
        let appended = rows.iter().filter(|row| counts(row.stock, row.sku)).count();
        let mut change = Change::default();
        for ((_, _, stock, sku), units) in sums.iter().filter(|((order, ..), _)| order.is_none()) {
            *change.unattributed.entry((*stock, *sku)).or_default() -= units;
        }
        let mut numbers: Vec<u32> = sums.keys().filter_map(|(order, ..)| *order).collect();
        numbers.dedup();
        for number in numbers {
            let of_order: Sums = sums
                .iter()
                .filter(|((of, ..), _)| *of == Some(number))
                .map(|(key, one)| (*key, *one))
                .collect();
            self.plan_rows(number, &of_order, &index, &mut change)?;
        }
        let added = change.orders.iter().filter(|one| self.order(one.number).is_none()).count();
        let most = self.limits.orders_max;
        if added > 0 && self.order_counts().0 + u64::try_from(added).expect("small") > most {
            return Err((Code::LimitReached, 0, Detail::Limit { name: "orders_max".into(), value: most }));
        }
        self.check_rows(&index, &mut change)?;
        for one in change.orders {
            self.execute_rows(one);
        }
        for ((stock, sku), units) in change.unattributed {
            let sum = self.unattributed.entry((sku, stock)).or_default();
            *sum += units;
        }
        self.unattributed.retain(|_, units| *units != 0);
        Ok((Code::Ok, u32::try_from(appended).expect("small"), Detail::None))
    }

    fn plan_rows(
        &self,
        number: u32,
        sums: &Sums,
        index: &dyn Fn(Place) -> usize,
        change: &mut Change,
    ) -> Result<(), Answer> {
        let mut nets: BTreeMap<Place, i64> = BTreeMap::new();
        for ((_, _, stock, sku), units) in sums {
            *nets.entry((*stock, *sku)).or_default() -= units;
        }
        let (mut promised, mut ended) = (Vec::new(), Vec::new());
        let mut may_end: BTreeMap<Place, i64> = BTreeMap::new();
        for ((_, _, stock, sku), units) in sums.iter().filter(|(_, units)| **units < 0) {
            *may_end.entry((*stock, *sku)).or_default() -= units;
        }
        for (place, net) in nets {
            if net > 0 {
                promised.push((place, net));
                *change.checked.entry(place).or_default() += net;
                *may_end.entry(place).or_default() -= net;
                continue;
            }
            let confirmed = self.known_of(number).filter(|(_, one)| one.stage == Stage::Confirmed);
            let lines = confirmed.filter(|(_, one)| one.stock == place.0).flat_map(|(_, one)| &one.lines);
            let open: i64 = lines.filter(|line| line.sku == place.1).map(|line| line.open).sum();
            let units = open.min(-net);
            if units < -net && !self.independent {
                let want = Want {
                    index: index(place),
                    sku: place.1,
                    stock: Some(place.0),
                    left: -net - units,
                    is_returned: false,
                };
                return Err(self.more_than(number, Code::MoreThanOpen, &want, -net));
            }
            *change.unattributed.entry(place).or_default() -= -net - units;
            *change.other.entry(place).or_default() -= units;
            *may_end.entry(place).or_default() += units;
            ended.push((place, units));
        }
        let mut notes: Vec<(EventKind, Booked)> = Vec::new();
        for ((_, kind, stock, sku), units) in sums {
            let left = may_end.entry((*stock, *sku)).or_default();
            let booked = if *units < 0 {
                promise_of(*kind, -units)
            } else {
                let ends = (*units).min(*left);
                *left -= ends;
                end_of(*kind, ends)
            };
            if booked == OrderUnits::default() {
                continue;
            }
            if notes.last().is_none_or(|(last, _)| last != kind) {
                notes.push((*kind, Vec::new()));
            }
            notes.last_mut().expect("just made").1.push((*stock, *sku, booked));
        }
        if !notes.is_empty() {
            change.orders.push(ChangeOfOrder { number, promised, ended, notes });
        }
        Ok(())
    }

    fn check_rows(&self, index: &dyn Fn(Place) -> usize, change: &mut Change) -> Result<(), Answer> {
        for (place, units) in &change.unattributed {
            let before = self.unattributed.get(&(place.1, place.0)).copied().unwrap_or(0);
            if !self.independent && before + units < 0 {
                return Err(bounded(at(Code::MoreThanOpen, index(*place)), place.1, before, -units));
            }
            let is_checked = !self.independent && *units > 0;
            let of = if is_checked { &mut change.checked } else { &mut change.other };
            *of.entry(*place).or_default() += units;
        }
        let mut after = self.clone();
        for ((stock, sku), units) in change.other.iter().filter(|(_, units)| **units < 0) {
            after.hypothetical.insert((*sku, *stock), *units);
        }
        for ((stock, sku), units) in change.checked.iter().filter(|(_, units)| **units > 0) {
            let place = (*stock, *sku);
            if !after.any_in_stock(*sku, *stock) {
                return Err(of_sku(at(Code::NoSourceInStock, index(place)), *sku));
            }
            let settings = self.settings(*sku, *stock);
            let room = after.remaining(*sku, *stock) - settings.eff_min();
            if !settings.is_unlimited() && *units > room {
                return Err(bounded(at(Code::SoldOut, index(place)), *sku, room.max(0), *units));
            }
            *after.hypothetical.entry((*sku, *stock)).or_default() += units;
        }
        Ok(())
    }

    fn execute_rows(&mut self, change: ChangeOfOrder) {
        let number = change.number;
        if self.order(number).is_none() {
            self.create_order(number, 0);
        }
        for ((stock, sku), units) in change.promised {
            self.add_without_reservation(number, (stock, sku), units);
        }
        let mut ids = self.ids_of(number);
        ids.retain(|id| self.is_confirmed(id));
        let want = |(index, ((stock, sku), left)): (usize, (Place, i64))| Want {
            index,
            sku,
            stock: Some(stock),
            left,
            is_returned: false,
        };
        let mut wants: Vec<Want> = change.ended.into_iter().enumerate().map(want).collect();
        let takes = self.take(&ids, &mut wants, |named, line| self.open_of(named, line));
        for take in takes {
            self.reservations.get_mut(&take.named).expect("known").lines[take.line].open -= take.units;
        }
        self.close_settled(number);
        for (kind, booked) in change.notes {
            self.record_event(number, Note::new(kind, String::new()), booked, Vec::new());
        }
        self.touch(number);
        self.drop_ended_rows();
    }

    /// Changes rows so that those of an order mostly give back units that it has.
    pub(crate) fn make_rows_plausible(&self, rows: &mut [RowStep]) {
        for row in rows.iter_mut().filter(|row| row.halves > 0) {
            let Some(number) = row.order.filter(|number| self.order(*number).is_some()) else { continue };
            let open: Vec<(Place, OrderUnits)> =
                self.booked(number).into_iter().filter(|(_, units)| units.open() > 0).collect();
            let pick = row.stock as usize + row.sku as usize;
            if let Some(((stock, sku), units)) = open.get(pick % open.len().max(1)).filter(|_| pick % 4 != 3)
            {
                (row.stock, row.sku) = (*stock, *sku);
                row.halves = row.halves.min(units.open() / HALF).max(1);
            }
        }
    }

    /// Promises units of an order without a reservation.
    pub(super) fn add_without_reservation(&mut self, number: u32, (stock, sku): Place, units: i64) {
        let (op, owner) = self.made_by(number);
        let id = CommandId::from_parts(0, u128::from(op) << 20 | u128::from(number << 8) | u128::from(stock));
        let lines = Vec::new();
        let outcome = Arc::new(Outcome::new(Code::Ok, 0, u64::MAX));
        let one = self.reservations.entry(id).or_insert_with(|| Reservation {
            stock,
            owner,
            origin_ms: 0,
            deadline_s: 0,
            end_s: 0,
            stage: Stage::Confirmed,
            lines,
            is_hold: false,
            order: Some((number, op)),
            body: "rows".into(),
            outcome,
        });
        match one.lines.iter_mut().find(|line| line.sku == sku) {
            Some(line) => line.open += units,
            None => one.lines.push(Line {
                sku,
                counts: true,
                quota: 0,
                granted: units,
                open: units,
                shipments: Vec::new(),
                returned: 0,
                spent: BTreeMap::new(),
            }),
        }
        one.lines.sort_by_key(|line| line.sku);
    }

    /// Forgets what was shipped of units without a reservation, and those that are not open any more.
    pub(super) fn drop_ended_rows(&mut self) {
        self.reservations.retain(|id, one| {
            if is_of_rows(*id) {
                one.lines.retain(|line| line.open > 0);
                for line in &mut one.lines {
                    line.shipments.clear();
                    line.spent.clear();
                    (line.granted, line.returned) = (line.open, 0);
                }
                one.stage = Stage::Confirmed;
            }
            !one.lines.is_empty()
        });
    }
}

fn promise_of(kind: EventKind, units: i64) -> OrderUnits {
    if kind == EventKind::OrderPlaced {
        OrderUnits { ordered: units, ..OrderUnits::default() }
    } else {
        OrderUnits { compensated: units, ..OrderUnits::default() }
    }
}

fn end_of(kind: EventKind, units: i64) -> OrderUnits {
    let none = OrderUnits::default();
    match kind {
        EventKind::OrderPlaceFailed | EventKind::OrderCanceled => OrderUnits { cancelled: units, ..none },
        EventKind::ShipmentCreated | EventKind::InvoiceCreated => OrderUnits { shipped: units, ..none },
        EventKind::CreditmemoCreated => OrderUnits { refunded: units, ..none },
        _ => OrderUnits { compensated: -units, ..none },
    }
}
