//! Commands that name an order, in their simplest form: everything happens on a copy of the world, which replaces the
//! world if nothing is refused.

mod goods;
mod memo;
mod placement;
mod promise;
pub(crate) mod rows;

use crate::decide::{Answer, Decision, HeldLine, amount, at, bounded, of_sku, plain, unknown};
use crate::orders::{Moved, Note, OrderUnits};
use crate::state::{Model, Reservation, Stage};
use crate::step::{HALF, ORDERS, OrderStep, SKUS, SOURCES, STOCKS};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::command::OrderAction;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, CommandId, Detail};

/// A line of an event, summed. `left` units are still to be found.
#[derive(Clone, Copy, Debug)]
struct Want {
    index: usize,
    sku: u32,
    stock: Option<u32>,
    left: i64,
    is_returned: bool,
}

impl Want {
    fn is_of(&self, stock: u32, sku: u32) -> bool {
        self.sku == sku && self.stock.is_none_or(|of| of == stock)
    }
}

/// Units of a line of a reservation.
#[derive(Clone, Copy, Debug)]
struct Take {
    named: CommandId,
    line: usize,
    index: usize,
    units: i64,
}

/// Units that leave a source by decision: the line that asks for them, SKU, source, units.
type Leaving = (usize, u32, u32, i64);

/// An event in progress: the world after it, and what it books.
struct Event {
    after: Model,
    booked: Vec<(u32, u32, OrderUnits)>,
    /// Goods that left a source or came back to one.
    moved: Vec<Moved>,
    /// Units that left a source from the promise, or came back to it and to the promise.
    left: Vec<Moved>,
    /// Units that were shipped, with their source if goods left it.
    shipped: Vec<(u32, u32, Option<u32>, i64)>,
    leaving: Vec<Leaving>,
    /// Units that are promised without a reservation: stock, SKU, units.
    promised: Vec<(u32, u32, i64)>,
    /// SKUs whose goods were moved.
    touched: BTreeSet<u32>,
    code: Code,
    value: u32,
    /// The body of the hold that was confirmed last.
    body: Option<String>,
    /// The stock of the reservation that was changed last.
    stock: Option<u32>,
    backordered: i64,
}

impl Event {
    fn book(&mut self, stock: u32, sku: u32, units: OrderUnits) {
        self.booked.push((stock, sku, units));
    }

    fn goods(&mut self, sku: u32, source: u32, units: i64) {
        self.after.move_item(sku, source, units);
        self.touched.insert(sku);
    }

    fn one(&mut self, named: CommandId) -> &mut Reservation {
        self.after.reservations.get_mut(&named).expect("known")
    }

    /// Confirms a live hold with all its units.
    fn confirm(&mut self, named: CommandId) {
        let one = self.one(named);
        (one.stage, one.is_hold) = (Stage::Confirmed, false);
        let (stock, lines) = (one.stock, one.lines.clone());
        for line in lines {
            let (ordered, cancelled) = (line.granted, line.granted - line.open);
            self.book(stock, line.sku, OrderUnits { ordered, cancelled, ..OrderUnits::default() });
        }
    }

    /// Ends the promise of units. They are not booked while they are only held.
    fn end(&mut self, take: &Take, units: OrderUnits) {
        let one = self.one(take.named);
        let (stock, is_hold) = (one.stock, one.is_hold);
        let line = &mut one.lines[take.line];
        line.open -= take.units;
        let sku = line.sku;
        if !is_hold {
            self.book(stock, sku, units);
        }
    }

    /// Ships units of a line, as many as possible from its promise.
    fn ship(&mut self, take: &Take, source: u32, is_promised: bool) {
        let one = self.one(take.named);
        let stock = one.stock;
        let line = &mut one.lines[take.line];
        let promised = if is_promised { take.units.min(line.open) } else { 0 };
        let (sku, counts) = (line.sku, line.counts);
        line.ship(source, take.units, promised);
        let units = OrderUnits { shipped: promised, beyond: take.units - promised, ..OrderUnits::default() };
        self.book(stock, sku, units);
        self.shipped.push((stock, sku, counts.then_some(source), take.units));
        if counts {
            self.moved.push((stock, sku, source, take.units));
            self.left.push((stock, sku, source, promised));
            self.leaving.push((take.index, sku, source, take.units));
            self.goods(sku, source, -take.units);
        }
    }
}

impl Model {
    /// The lines of an event, summed by SKU, stock and purpose.
    fn wants(step: &OrderStep) -> Vec<Want> {
        let mut sums: BTreeMap<(u32, Option<u32>, bool), i64> = BTreeMap::new();
        for (sku, stock, halves, is_returned) in &step.lines {
            *sums.entry((*sku, *stock, *is_returned)).or_default() += halves * HALF;
        }
        let want = |(index, ((sku, stock, is_returned), left))| Want { index, sku, stock, left, is_returned };
        sums.into_iter().enumerate().map(want).collect()
    }

    pub(crate) fn order_event(&mut self, id: CommandId, step: &OrderStep) -> Decision {
        if self.order(step.order).is_none() {
            return Err(plain(Code::UnknownOrder));
        }
        let (wants, body) = (Self::wants(step), body(step));
        if let Some(answer) = self.answer_of_document(step, &body)? {
            return Ok(answer);
        }
        if step.source.is_some_and(|source| source >= SOURCES) {
            return Err(unknown("source", 0));
        }
        let is_unknown = |want: &&Want| want.sku >= SKUS || want.stock.is_some_and(|stock| stock >= STOCKS);
        if let Some(want) = wants.iter().find(is_unknown) {
            return Err(unknown("lines", want.index));
        }
        let mut event = self.begin_event();
        self.plan_event(step, &wants, &mut event)?;
        let is_fact = step.forced && step.action == OrderAction::Ship || step.action == OrderAction::Unship;
        if !is_fact {
            let is_shipment = matches!(step.action, OrderAction::Ship | OrderAction::Invoice);
            self.check_leaving(&event, is_shipment)?;
        }
        let added =
            if step.action == OrderAction::Compensate { self.plan_added(step, &wants)? } else { None };
        *self = event.after;
        self.close_settled(step.order);
        self.drop_ended_rows();
        let note = Note {
            kind: kind_of(step.action),
            document: step.document,
            body: event.body.unwrap_or(body),
            code: event.code,
            stocks: BTreeSet::new(),
            shipped: event.shipped,
        };
        self.record_event(step.order, note, event.booked, event.moved);
        self.orders.by_number.get_mut(&step.order).expect("an order").left.extend(event.left);
        for (stock, sku, units) in event.promised {
            self.add_without_reservation(step.order, (stock, sku), units);
        }
        if let Some((stock, planned)) = added {
            return Ok(self.add_units(id, step, stock, &planned));
        }
        let short: i64 = event.touched.iter().map(|sku| self.total_shortfall(*sku)).sum();
        let detail = if is_fact {
            Detail::Shortfall(amount(short))
        } else if event.backordered > 0 {
            Detail::Backordered(amount(event.backordered))
        } else {
            Detail::None
        };
        Ok((event.code, event.value, detail))
    }

    fn begin_event(&self) -> Event {
        Event {
            after: self.clone(),
            booked: Vec::new(),
            moved: Vec::new(),
            left: Vec::new(),
            shipped: Vec::new(),
            leaving: Vec::new(),
            promised: Vec::new(),
            touched: BTreeSet::new(),
            code: Code::Ok,
            value: 0,
            body: None,
            stock: None,
            backordered: 0,
        }
    }

    /// Does what the event says in the world after it.
    fn plan_event(&self, step: &OrderStep, wants: &[Want], event: &mut Event) -> Result<(), Answer> {
        let source = step.source.unwrap_or(0);
        match step.action {
            OrderAction::Confirm => self.confirm_order(step.order, event)?,
            OrderAction::Extend => self.extend_order(step.order, step.ttl_ms.unwrap_or(0), event)?,
            OrderAction::Cancel => self.cancel_order(step.order, wants.to_vec(), event)?,
            OrderAction::Ship => self.ship_order(step.order, source, wants.to_vec(), step.forced, event)?,
            OrderAction::Invoice => self.invoice(step.order, wants, event)?,
            OrderAction::Refund => self.memo(step.order, wants, step.source, event)?,
            OrderAction::Compensate => self.compensate(step.order, wants.to_vec(), step.forced, event)?,
            OrderAction::Edit => self.edit_order(step.order, wants, event)?,
            OrderAction::Unship => self.unship_order(step, source, wants.to_vec(), event)?,
        }
        Ok(())
    }

    fn answer_of_document(&self, step: &OrderStep, body: &str) -> Result<Option<Answer>, Answer> {
        let Some(document) = step.document else { return Ok(None) };
        let notes = self.order_notes(step.order).iter().filter(|note| note.document == Some(document));
        let notes: Vec<&Note> = notes.collect();
        if step.action == OrderAction::Ship
            && notes.iter().any(|note| note.kind == EventKind::ShipmentReversed)
        {
            return Err(plain(Code::Reversed));
        }
        match notes.iter().find(|note| note.kind == kind_of(step.action)) {
            None => Ok(None),
            Some(note) if note.body == body => Ok(Some((note.code, 1, Detail::None))),
            Some(_) => Err(plain(Code::DocumentReused)),
        }
    }

    /// The ids of an order's known reservations, the oldest grant first.
    fn ids_of(&self, number: u32) -> Vec<CommandId> {
        let mut ids: Vec<CommandId> = self.known_of(number).map(|(id, _)| *id).collect();
        ids.sort_by_key(|id| self.reservations[id].outcome.op);
        ids
    }

    fn is_live(&self, id: &CommandId) -> bool {
        let one = &self.reservations[id];
        one.stage == Stage::Held && !self.has_expired(one)
    }

    fn is_confirmed(&self, id: &CommandId) -> bool {
        self.reservations[id].stage == Stage::Confirmed
    }

    /// Takes units for the wants, reservation by reservation and line by line.
    fn take(
        &self,
        ids: &[CommandId],
        wants: &mut [Want],
        mut most: impl FnMut(CommandId, usize) -> i64,
    ) -> Vec<Take> {
        let mut takes = Vec::new();
        for named in ids {
            let one = &self.reservations[named];
            for (line, state) in one.lines.iter().enumerate() {
                let is_meant = |want: &Want| want.left > 0 && want.is_of(one.stock, state.sku);
                if !wants.iter().any(is_meant) {
                    continue;
                }
                let mut left = most(*named, line);
                let (named_stock, any_stock): (Vec<usize>, Vec<usize>) = (0..wants.len())
                    .filter(|at| is_meant(&wants[*at]))
                    .partition(|at| wants[*at].stock.is_some());
                for at in named_stock.into_iter().chain(any_stock) {
                    let want = &mut wants[at];
                    let units = want.left.min(left);
                    if units > 0 {
                        (want.left, left) = (want.left - units, left - units);
                        takes.push(Take { named: *named, line, index: want.index, units });
                    }
                }
            }
        }
        takes
    }

    fn open_of(&self, named: CommandId, line: usize) -> i64 {
        self.reservations[&named].lines[line].open
    }

    /// The refusal of a want of which units are left.
    fn more_than(&self, number: u32, code: Code, want: &Want, asked: i64) -> Answer {
        let is_in_order = self.booked(number).keys().any(|(stock, sku)| want.is_of(*stock, *sku));
        if is_in_order {
            bounded(at(code, want.index), want.sku, asked - want.left, asked)
        } else {
            of_sku(at(Code::NotInReservation, want.index), want.sku)
        }
    }

    /// Changes an event so that it mostly concerns an order that there is, and SKUs and quantities that it has.
    pub(crate) fn make_event_plausible(&self, event: &mut OrderStep) {
        let present: Vec<u32> = (0..ORDERS).filter(|number| self.order(*number).is_some()).collect();
        let pick = event.order as usize;
        if present.is_empty() || pick == 0 {
            return;
        }
        event.order = present[pick % present.len()];
        let held = self
            .known_of(event.order)
            .flat_map(|(_, one)| one.lines.iter().map(|line| (one.stock, line.sku)));
        let mut keys = self.line_keys(event.order);
        keys.extend(held);
        let units = self.booked(event.order);
        for (at, line) in event.lines.iter_mut().enumerate().filter(|_| pick % 4 != 1 && !keys.is_empty()) {
            let (stock, sku) = keys[(pick + at) % keys.len()];
            (line.0, line.1) = (sku, line.1.map(|_| stock));
            let of_line = units.get(&(stock, sku)).copied().unwrap_or_default();
            let most = match event.action {
                OrderAction::Invoice => of_line.ordered - of_line.invoiced,
                OrderAction::Unship => of_line.shipped + of_line.beyond,
                OrderAction::Refund => of_line.ordered,
                OrderAction::Edit => of_line.ordered + 2 * HALF,
                _ => of_line.open(),
            } / HALF;
            if most > 0 && line.2 > most {
                line.2 = if pick.is_multiple_of(2) { most } else { 1 + line.2 % most };
            }
        }
    }

    /// Closes the reservations of an order that have no open units left.
    fn close_settled(&mut self, number: u32) {
        for id in self.ids_of(number) {
            let one = self.reservations[&id].clone();
            let is_promised = self.is_live(&id) || one.stage == Stage::Confirmed;
            if is_promised && one.lines.iter().all(|line| line.open == 0) {
                self.settle_open(id, one);
            }
        }
    }
}

/// The stock and the lines of units that a compensation adds.
pub(super) type Added = Option<(u32, Vec<crate::decide::PlannedLine>)>;

/// The body of an event in the form in which bodies are compared.
pub(crate) fn body(step: &OrderStep) -> String {
    format!("{:?} {:?}", OrderStep { lines: Vec::new(), ..step.clone() }, Model::wants(step))
}

pub(crate) fn kind_of(action: OrderAction) -> EventKind {
    match action {
        OrderAction::Confirm | OrderAction::Extend => EventKind::OrderPlaced,
        OrderAction::Cancel => EventKind::OrderCanceled,
        OrderAction::Ship => EventKind::ShipmentCreated,
        OrderAction::Invoice => EventKind::InvoiceCreated,
        OrderAction::Refund => EventKind::CreditmemoCreated,
        OrderAction::Compensate => EventKind::ManualCompensation,
        OrderAction::Edit => EventKind::OrderEdited,
        OrderAction::Unship => EventKind::ShipmentReversed,
    }
}

impl HeldLine {
    /// The promises of several holds for one SKU. Expired ones have none.
    pub(crate) fn of_all(model: &Model, holds: &[Reservation], sku: u32) -> Self {
        let live = holds.iter().filter(|one| !model.has_expired(one)).flat_map(|one| &one.lines);
        let mut sum = Self::default();
        for line in live.filter(|line| line.sku == sku && line.open > 0) {
            if sum.counts && !line.counts {
                continue;
            }
            let before = if sum.counts == line.counts { sum.units } else { 0 };
            sum = Self { units: before + line.open, counts: line.counts, quota: line.quota };
        }
        sum
    }
}
