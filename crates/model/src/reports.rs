//! What the shop says of its orders, and where their open units differ from that.

use crate::decide::{Decision, at, of_sku, plain, unknown};
use crate::orders::{Note, OrderUnits};
use crate::state::Model;
use crate::step::{HALF, SKUS, STOCKS, StateStep, order_number};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, Detail};

impl Model {
    /// What should be open of a line.
    pub(crate) fn expected(&self, number: u32, place: (u32, u32), units: &OrderUnits) -> i64 {
        let left = units.ordered - units.cancelled - units.shipped - units.refunded - units.written_off;
        let order = &self.orders.by_number[&number];
        match order.reported {
            Some((_, true)) => order.figures.get(&place).copied().unwrap_or(0),
            Some((state, false)) if state.is_final() => 0,
            Some(_) => left,
            None => left - units.lapsed,
        }
    }

    /// The lines of orders of which other units are open than should be: number, stock, SKU, what is missing.
    #[must_use]
    pub fn inconsistencies(&self) -> BTreeSet<(String, u32, u32, i64)> {
        let mut found = BTreeSet::new();
        for number in self.orders.by_number.keys().filter(|number| self.order(**number).is_some()) {
            for ((stock, sku), units) in self.order_units(*number) {
                let missing = self.expected(*number, (stock, sku), &units) - units.open();
                if missing != 0 {
                    found.insert((order_number(*number), stock, sku, missing));
                }
            }
        }
        found
    }

    /// Changes a report so that it mostly names lines that the order has.
    pub(crate) fn make_report_plausible(&self, step: &mut StateStep) {
        let keys: Vec<_> = self.booked(step.order).into_keys().collect();
        let Some(lines) = step.lines.as_mut().filter(|_| !keys.is_empty()) else { return };
        for (at, line) in lines.iter_mut().enumerate().filter(|(_, line)| line.1 != 0) {
            (line.0, line.1) = keys[at % keys.len()];
        }
        let mut seen = BTreeSet::new();
        lines.retain(|line| seen.insert((line.0, line.1)));
    }

    /// The shop says how it sees an order.
    pub(crate) fn report(&mut self, step: &StateStep) -> Decision {
        if self.order(step.order).is_none() {
            return Err(plain(Code::UnknownOrder));
        }
        let booked = self.booked(step.order);
        let lines = step.lines.as_ref();
        for (index, (stock, sku, _)) in lines.into_iter().flatten().enumerate() {
            if *sku >= SKUS || *stock >= STOCKS {
                return Err(unknown("lines", index));
            }
            if !booked.contains_key(&(*stock, *sku)) {
                return Err(of_sku(at(Code::NotInReservation, index), *sku));
            }
        }
        let figure = |line: &(u32, u32, i64)| ((line.0, line.1), line.2 * HALF);
        let figures: Option<BTreeMap<_, _>> = lines.map(|lines| lines.iter().map(figure).collect());
        let order = self.orders.by_number.get_mut(&step.order).expect("it is present");
        let mut after = order.figures.clone();
        if let Some(figures) = &figures {
            after = booked.keys().map(|place| (*place, figures.get(place).copied().unwrap_or(0))).collect();
            after.retain(|_, units| *units != 0);
        }
        let reported = Some((step.state, figures.is_some()));
        if order.reported == reported && order.figures == after {
            return Ok((Code::Ok, 1, Detail::None));
        }
        (order.reported, order.figures) = (reported, after);
        order.notes.push(Note::new(EventKind::OrderState, String::new()));
        self.touch(step.order);
        Ok((Code::Ok, 0, Detail::None))
    }
}
