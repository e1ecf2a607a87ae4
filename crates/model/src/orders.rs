//! Orders in the model: a list of what was booked, from which all totals are summed when they are asked for.

use crate::decide::{Answer, amount, merged, plain};
use crate::events::rows::is_of_rows;
use crate::state::{Line, Model, Reservation, Stage};
use crate::step::{HALF, RefundKind, Step, order_number};
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::query::{OrderLineView, OrderView};
use stockhold_protocol::{Code, CommandId, Detail, Quantity, SkuId, StockId};

/// The most settled orders that one op looks at.
const ENDED_PER_OP: usize = 4;

/// The units of an order in ten-thousandths, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderUnits {
    /// Granted.
    pub(crate) ordered: i64,
    /// Of holds that have expired.
    pub(crate) lapsed: i64,
    /// Given back.
    pub(crate) cancelled: i64,
    /// Shipped from the promise.
    pub(crate) shipped: i64,
    /// Shipped beyond it.
    pub(crate) beyond: i64,
    /// Returned by the customer.
    pub(crate) returned: i64,
    /// Refunded before they were shipped.
    pub(crate) refunded: i64,
    /// Lost before they were shipped.
    pub(crate) written_off: i64,
    /// Invoiced.
    pub(crate) invoiced: i64,
    /// Added by compensations.
    pub(crate) compensated: i64,
}

impl OrderUnits {
    /// The units that are still promised.
    pub(crate) fn open(&self) -> i64 {
        let ended = self.lapsed + self.cancelled + self.shipped + self.refunded + self.written_off;
        self.ordered + self.compensated - ended
    }

    fn add(&mut self, more: &Self) {
        self.ordered += more.ordered;
        self.lapsed += more.lapsed;
        self.cancelled += more.cancelled;
        self.shipped += more.shipped;
        self.beyond += more.beyond;
        self.returned += more.returned;
        self.refunded += more.refunded;
        self.written_off += more.written_off;
        self.invoiced += more.invoiced;
        self.compensated += more.compensated;
    }
}

/// Goods that left a source for an order, or came back to one: stock, SKU, source, units.
pub(crate) type Moved = (u32, u32, u32, i64);

/// One event of an order.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) kind: EventKind,
    pub(crate) document: Option<u32>,
    /// The body of its command, if a repetition is recognized by it.
    pub(crate) body: String,
    pub(crate) code: Code,
    /// The stocks in which it booked something.
    pub(crate) stocks: BTreeSet<u32>,
    /// The units that it shipped: stock, SKU, source, units.
    pub(crate) shipped: Vec<(u32, u32, Option<u32>, i64)>,
}

impl Note {
    pub(crate) fn new(kind: EventKind, body: String) -> Self {
        Self { kind, document: None, body, code: Code::Ok, stocks: BTreeSet::new(), shipped: Vec::new() }
    }
}

/// An order, present or past.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The op that made it.
    op: u64,
    owner: u64,
    /// What was booked: stock, SKU, units.
    booked: Vec<(u32, u32, OrderUnits)>,
    moved: Vec<Moved>,
    /// Units that left a source from the promise, less those whose shipment was reversed.
    pub(crate) left: Vec<Moved>,
    /// The events that booked something or have a document.
    pub(crate) notes: Vec<Note>,
    settled_ms: u64,
    /// What the shop has said last: the state, and whether it has said what should be open.
    pub(crate) reported: Option<(OrderState, bool)>,
    /// What should be open by stock and SKU, if the shop has said so.
    pub(crate) figures: BTreeMap<(u32, u32), i64>,
}

/// All orders.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    /// The event as which new units are booked, with the body of its command.
    pub(crate) joining: (EventKind, String),
    pub(crate) by_number: BTreeMap<u32, Order>,
    /// The orders of which all that was booked is settled, the one that changed last at the end.
    settled: Vec<u32>,
    /// Orders that ended at the end of their retention, and orders that made room for others.
    ended: (u64, u64),
}

impl Orders {
    pub(crate) const PLACED: (EventKind, String) = (EventKind::OrderPlaced, String::new());
}

impl Default for Orders {
    fn default() -> Self {
        Self { joining: Self::PLACED, by_number: BTreeMap::new(), settled: Vec::new(), ended: (0, 0) }
    }
}

impl Model {
    /// Op and owner of an order, if there is one with this number.
    pub(crate) fn order(&self, number: u32) -> Option<(u64, u64)> {
        let order = self.orders.by_number.get(&number)?;
        let is_present = !order.notes.is_empty() || self.known_of(number).next().is_some();
        is_present.then_some((order.op, order.owner))
    }

    /// Op and owner of an order that is present, or has just been made.
    pub(crate) fn made_by(&self, number: u32) -> (u64, u64) {
        let order = &self.orders.by_number[&number];
        (order.op, order.owner)
    }

    /// An order as a query shows it.
    #[must_use]
    pub fn order_view(&self, number: u32) -> Option<OrderView> {
        let (op, owner) = self.order(number)?;
        let line = |((stock, sku), units): ((u32, u32), OrderUnits)| OrderLineView {
            stock: StockId(stock),
            sku: SkuId(sku),
            ordered: amount(units.ordered),
            lapsed: amount(units.lapsed),
            cancelled: amount(units.cancelled),
            shipped: amount(units.shipped),
            beyond: amount(units.beyond),
            returned: amount(units.returned),
            refunded: amount(units.refunded),
            written_off: amount(units.written_off),
            open: amount(units.open()),
            invoiced: amount(units.invoiced),
            compensated: amount(units.compensated),
            expected: amount(self.expected(number, (stock, sku), &units)),
        };
        let lines: Vec<_> = self.order_units(number).into_iter().map(line).collect();
        let open_lines = lines.iter().filter(|line| line.open > Quantity::ZERO).count();
        let mut reservations: Vec<_> = self
            .known_of(number)
            .filter(|(id, _)| !is_of_rows(**id))
            .map(|(id, one)| (one.outcome.op, id.to_bytes()))
            .collect();
        reservations.sort_unstable();
        Some(OrderView {
            number: order_number(number),
            op,
            owner,
            settled: open_lines == 0,
            events: self.count_events(number),
            open_lines: u32::try_from(open_lines).expect("small"),
            lines,
            reservations: reservations.into_iter().map(|(_, id)| id).collect(),
            state: self.orders.by_number[&number].reported.as_ref().map_or(0, |(state, _)| state.number()),
        })
    }

    /// The units of an order by stock and SKU.
    pub(crate) fn order_units(&self, number: u32) -> BTreeMap<(u32, u32), OrderUnits> {
        let mut units = self.booked(number);
        for (_, one) in self.known_of(number).filter(|(_, one)| one.is_hold && one.stage != Stage::Replaced) {
            for line in &one.lines {
                let lapsed = if self.has_expired(one) { line.open } else { 0 };
                let (ordered, cancelled) = (line.granted, line.granted - line.open);
                let held = OrderUnits { ordered, lapsed, cancelled, ..OrderUnits::default() };
                units.entry((one.stock, line.sku)).or_default().add(&held);
            }
        }
        units
    }

    /// The number of events of an order, those of its holds included.
    fn count_events(&self, number: u32) -> u32 {
        let of_hold = |one: &Reservation| {
            let is_released =
                one.stage == Stage::Replaced || one.lines.iter().any(|line| line.open < line.granted);
            let is_expired = self.has_expired(one) && one.lines.iter().any(|line| line.open > 0);
            1 + u32::from(is_released) + u32::from(is_expired)
        };
        let holds = self.known_of(number).filter(|(_, one)| one.is_hold).map(|(_, one)| of_hold(one));
        let stored = u32::try_from(self.orders.by_number[&number].notes.len()).expect("small");
        stored + holds.sum::<u32>()
    }

    /// The number of orders, and of those with open units.
    #[must_use]
    pub fn order_counts(&self) -> (u64, u64) {
        let numbers = || self.orders.by_number.keys().filter(|number| self.order(**number).is_some());
        let is_open = |number: &&u32| self.order_units(**number).values().any(|units| units.open() != 0);
        let wide = |count: usize| u64::try_from(count).expect("small");
        (wide(numbers().count()), wide(numbers().filter(is_open).count()))
    }

    /// How many orders have ended with their retention, and how many made room for others.
    #[must_use]
    pub fn ended_orders(&self) -> (u64, u64) {
        self.orders.ended
    }

    /// The events of an order, the oldest first.
    pub(crate) fn order_notes(&self, number: u32) -> &[Note] {
        self.orders.by_number.get(&number).map_or(&[], |order| &order.notes)
    }

    /// The stocks and SKUs of an order in the order in which they were first booked.
    pub(crate) fn line_keys(&self, number: u32) -> Vec<(u32, u32)> {
        let mut keys = Vec::new();
        for (stock, sku, _) in &self.orders.by_number[&number].booked {
            if !keys.contains(&(*stock, *sku)) {
                keys.push((*stock, *sku));
            }
        }
        keys
    }

    /// Goods of a line that left sources or came back to them, in the order in which they did.
    pub(crate) fn moved_of(&self, number: u32, stock: u32, sku: u32) -> Vec<(u32, i64)> {
        let moved = self.orders.by_number[&number].moved.iter();
        let of_line = moved.filter(|one| (one.0, one.1) == (stock, sku));
        of_line.map(|(_, _, source, units)| (*source, *units)).collect()
    }

    /// Books an event. One that books nothing is kept if it has a document and the order had an event before.
    pub(crate) fn record_event(
        &mut self,
        number: u32,
        mut note: Note,
        booked: Vec<(u32, u32, OrderUnits)>,
        moved: Vec<Moved>,
    ) {
        let booked: Vec<_> = booked.into_iter().filter(|one| one.2 != OrderUnits::default()).collect();
        note.stocks = booked.iter().map(|one| one.0).collect();
        let order = self.orders.by_number.get_mut(&number).expect("an order");
        if !booked.is_empty() || note.document.is_some() && !order.notes.is_empty() {
            order.notes.push(note);
        }
        order.booked.extend(booked);
        order.moved.extend(moved);
        self.touch(number);
    }

    pub(crate) fn booked(&self, number: u32) -> BTreeMap<(u32, u32), OrderUnits> {
        let mut sums: BTreeMap<(u32, u32), OrderUnits> = BTreeMap::new();
        for (stock, sku, units) in self.orders.by_number.get(&number).iter().flat_map(|order| &order.booked) {
            sums.entry((*stock, *sku)).or_default().add(units);
        }
        sums
    }

    pub(crate) fn known_of(&self, number: u32) -> impl Iterator<Item = (&CommandId, &Reservation)> {
        let op = self.orders.by_number.get(&number).map(|order| order.op);
        let of_order = move |one: &Reservation| one.order.is_some() && one.order == op.map(|op| (number, op));
        self.reservations.iter().filter(move |(id, one)| of_order(one) && self.known(**id).is_some())
    }

    /// Whether a cart of this owner may name an order.
    pub(crate) fn check_order(&self, number: Option<u32>, owner: u64) -> Result<(), Answer> {
        let Some(number) = number else { return Ok(()) };
        match self.order(number) {
            Some((_, of)) if of != owner => return Err(plain(Code::OwnerDiffers)),
            Some(_) => return Ok(()),
            None => {}
        }
        let most = self.limits.orders_max;
        if self.order_counts().0 < most {
            return Ok(());
        }
        let may_go = |oldest: &u32| {
            self.order_age(*oldest) >= self.limits.order_retention_min_ms && !self.has_known(*oldest)
        };
        if self.orders.settled.first().is_some_and(may_go) {
            return Ok(());
        }
        Err((Code::LimitReached, 0, Detail::Limit { name: "orders_max".into(), value: most }))
    }

    fn has_known(&self, number: u32) -> bool {
        self.known_of(number).next().is_some()
    }

    fn order_age(&self, number: u32) -> u64 {
        self.now_ms - self.orders.by_number[&number].settled_ms
    }

    fn erase_order(&mut self, number: u32) {
        self.orders.by_number.remove(&number);
        self.orders.settled.retain(|one| *one != number);
    }

    /// Ends settled orders whose time has come, as far as one op does.
    pub(crate) fn end_old_orders(&mut self) {
        for _ in 0..ENDED_PER_OP {
            let Some(oldest) = self.orders.settled.first().copied() else { return };
            let (age_ms, count) = (self.order_age(oldest), self.order_counts().0);
            let is_due = age_ms >= self.limits.order_retention_ms;
            let may_go = age_ms >= self.limits.order_retention_min_ms;
            if !(is_due || may_go && count >= self.limits.orders_max) {
                return;
            }
            if self.has_known(oldest) {
                self.touch(oldest);
            } else if is_due || count > self.limits.orders_max {
                self.orders.ended.0 += u64::from(is_due);
                self.orders.ended.1 += u64::from(!is_due);
                self.erase_order(oldest);
            } else {
                return;
            }
        }
    }

    /// An order or one of its reservations has changed.
    pub(crate) fn touch(&mut self, number: u32) {
        self.orders.settled.retain(|one| *one != number);
        let booked = self.booked(number);
        let now_ms = self.now_ms;
        let order = self.orders.by_number.get_mut(&number).expect("it has changed");
        if !order.notes.is_empty() && booked.values().all(|units| units.open() == 0) {
            order.settled_ms = now_ms;
            self.orders.settled.push(number);
        }
    }

    /// Makes an order that there is not.
    pub(crate) fn create_order(&mut self, number: u32, owner: u64) {
        self.orders.by_number.remove(&number);
        if self.order_counts().0 >= self.limits.orders_max {
            self.orders.ended.1 += 1;
            self.erase_order(self.orders.settled[0]);
        }
        let order = Order {
            op: self.op,
            owner,
            booked: Vec::new(),
            moved: Vec::new(),
            left: Vec::new(),
            notes: Vec::new(),
            settled_ms: 0,
            reported: None,
            figures: BTreeMap::new(),
        };
        self.orders.by_number.insert(number, order);
    }

    /// A new reservation joins the order that its command names.
    pub(crate) fn join_order(&mut self, id: CommandId, number: Option<u32>, owner: u64) {
        let Some(number) = number else { return };
        if self.order(number).is_none() {
            self.create_order(number, owner);
        }
        let op = self.orders.by_number[&number].op;
        let one = self.reservations.get_mut(&id).expect("just made");
        one.order = Some((number, op));
        let one = one.clone();
        if one.is_hold {
            self.touch(number);
            return;
        }
        let (kind, body) = self.orders.joining.clone();
        let is_compensation = kind == EventKind::ManualCompensation;
        let ordered = |line: &Line| {
            let (ordered, compensated) = if is_compensation { (0, line.granted) } else { (line.granted, 0) };
            (one.stock, line.sku, OrderUnits { ordered, compensated, ..OrderUnits::default() })
        };
        self.record_event(number, Note::new(kind, body), one.lines.iter().map(ordered).collect(), Vec::new());
        let shipped = |line: &Line| {
            (one.stock, line.sku, OrderUnits { shipped: line.shipped(), ..OrderUnits::default() })
        };
        let counted = one.lines.iter().filter(|line| line.counts);
        let from = |line: &Line| line.shipments.iter().map(|from| from.of.0).next();
        let moved = counted.filter_map(|line| Some((one.stock, line.sku, from(line)?, line.shipped())));
        let (moved, shipped): (Vec<Moved>, _) = (moved.collect(), one.lines.iter().map(shipped).collect());
        self.orders.by_number.get_mut(&number).expect("just made").left.extend(&moved);
        self.record_event(number, Note::new(EventKind::ShipmentCreated, String::new()), shipped, moved);
    }

    /// Books what a step has done to a reservation, by comparing it with what it was.
    pub(crate) fn book_change(&mut self, named: CommandId, before: &Reservation, step: &Step) {
        let Some((number, _)) = before.order else { return };
        let after = self.reservations[&named].clone();
        let mut changes: Vec<(u32, OrderUnits)> = Vec::new();
        if before.is_hold && !after.is_hold {
            for line in &before.lines {
                let (ordered, cancelled) = (line.granted, line.granted - line.open);
                changes.push((line.sku, OrderUnits { ordered, cancelled, ..OrderUnits::default() }));
            }
        }
        let was = |sku: u32| before.lines.iter().find(|line| line.sku == sku);
        for line in &after.lines {
            let opened = line.open - was(line.sku).map_or(0, |line| line.open);
            let beyond = beyond_of(line) - was(line.sku).map_or(0, beyond_of);
            let shipped = line.shipped() - was(line.sku).map_or(0, Line::shipped) - beyond;
            let units = match step {
                Step::Ship(..) | Step::Unship(..) => OrderUnits { shipped, beyond, ..OrderUnits::default() },
                Step::Release(..) if !before.is_hold => {
                    OrderUnits { cancelled: -opened, ..OrderUnits::default() }
                }
                Step::Amend(..) if opened > 0 => OrderUnits { ordered: opened, ..OrderUnits::default() },
                Step::Amend(..) => OrderUnits { cancelled: -opened, ..OrderUnits::default() },
                Step::Refund(_, parts) => refunded(parts, line.sku),
                _ => OrderUnits::default(),
            };
            changes.push((line.sku, units));
        }
        let mut left: Vec<Moved> = Vec::new();
        let moved = |(at, line): (usize, &Line)| {
            let was = before.lines.get(at).map_or(0, counted_units);
            let source = match step {
                Step::Ship(_, source, ..) | Step::Unship(_, source, _) => Some(*source),
                Step::Refund(_, parts) => parts.iter().find_map(|part| match part {
                    (sku, _, RefundKind::Returned(source)) if *sku == line.sku => Some(*source),
                    _ => None,
                }),
                _ => None,
            };
            let goods = counted_units(line) - was;
            // All units of a change are those of goods if any are.
            let units = match step {
                Step::Refund(..) => -(line.returned - before.lines.get(at).map_or(0, |line| line.returned)),
                _ => line.shipped() - before.lines.get(at).map_or(0, Line::shipped),
            };
            Some((after.stock, line.sku, source.filter(|_| goods != 0)?, units))
        };
        let moved: Vec<Moved> = after.lines.iter().enumerate().filter_map(moved).collect();
        if matches!(step, Step::Ship(..) | Step::Unship(..)) {
            for (stock, sku, source, _) in &moved {
                let of_sku = changes.iter().filter(|(of, _)| of == sku);
                left.extend(of_sku.map(|(_, units)| (*stock, *sku, *source, units.shipped)));
            }
        }
        let (joining, _) = self.orders.joining.clone();
        // A confirmed hold may be a placement that is sent again.
        let (kind, body) = match step {
            _ if joining == EventKind::OrderPlaceFailed => (joining, String::new()),
            Step::Confirm(_) => (EventKind::OrderPlaced, before.body.to_string()),
            _ => (EventKind::OrderEdited, String::new()),
        };
        let booked = changes.into_iter().map(|(sku, units)| (after.stock, sku, units)).collect();
        self.record_event(number, Note::new(kind, body), booked, moved);
        self.orders.by_number.get_mut(&number).expect("an order").left.extend(left);
    }
}

/// Units of a line that left a source and did not come back.
fn counted_units(line: &Line) -> i64 {
    line.shipments.iter().filter(|one| one.of.2).map(|one| one.units).sum()
}

fn beyond_of(line: &Line) -> i64 {
    line.shipments.iter().map(|one| one.beyond).sum()
}

fn refunded(parts: &[(u32, i64, RefundKind)], sku: u32) -> OrderUnits {
    let sum = |is_meant: fn(&RefundKind) -> bool| -> i64 {
        let meant = parts.iter().filter(|(of, _, kind)| *of == sku && is_meant(kind));
        meant.map(|(_, halves, _)| halves * HALF).sum()
    };
    OrderUnits {
        refunded: sum(|kind| matches!(kind, RefundKind::Unshipped)),
        returned: sum(|kind| matches!(kind, RefundKind::Returned(_))),
        written_off: sum(|kind| matches!(kind, RefundKind::Lost(_))),
        ..OrderUnits::default()
    }
}

/// The order that a sale over the counter names.
pub(crate) fn order_of_sale(lines: &[(u32, i64)]) -> Option<u32> {
    let units: i64 = merged(&lines.to_vec()).iter().map(|(_, units)| units / HALF).sum();
    u32::try_from(units % 8).ok().filter(|number| *number < 4)
}
