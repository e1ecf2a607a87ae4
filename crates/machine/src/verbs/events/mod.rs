//! Events of an order: the shop names the order and not its reservations. This finds the units that an event means among
//! the reservations of the order, and changes them all in one plan.
//!
//! Each reservation is changed by the same methods of the plan as by a command that names it. Which units an event means
//! is in PROTOCOL.md ("Events of orders"); the arithmetic of refunds follows msi.md 4.3 to 4.5.

mod goods;
mod memo;
mod promise;
mod rows;
mod state;

use super::hold::Status;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{Events, LineState, NO_ORDER, OrderLine};
use crate::ledger::state::State;
use crate::moves::Plan;
use crate::table::NO_SLOT;
use stockhold_protocol::Code;
use stockhold_protocol::command::{EventLine, OrderAction, OrderEvent};
use stockhold_protocol::event::EventKind;

/// The value of an answer that repeats the first one of a document.
const REPEATED: u32 = 1;

/// A line of an event, and how many of its units are still to be found.
#[derive(Clone, Copy, Debug)]
struct Want {
    sku: u32,
    stock: Option<u32>,
    left: i64,
    /// The position of the line in the event.
    index: usize,
}

/// A reservation of the order, or its units in a stock that are in no reservation.
#[derive(Debug)]
struct Candidate {
    /// `NO_SLOT` stands for units without a reservation.
    slot: u32,
    stock: u32,
    /// The op of its grant. Units without a reservation come last.
    op: u64,
    status: Status,
    lines: Vec<LineState>,
}

/// Units of one line of a candidate that an event means.
#[derive(Clone, Copy, Debug)]
struct Take {
    slot: u32,
    stock: u32,
    at: usize,
    units: i64,
    index: usize,
}

/// The event that an action becomes in the history of its order.
const fn kind_of(action: OrderAction) -> EventKind {
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

impl State {
    /// The order that an event names.
    pub(crate) fn order(&self, number: &str) -> Result<u32, Refusal> {
        self.find_order(number).ok_or(Refusal::new(Code::UnknownOrder))
    }

    /// The first answer to the document of an event, if its order has that document already. `body` is the hash of the
    /// event.
    pub(crate) fn answer_of_document(
        &self,
        order: u32,
        event: &OrderEvent,
        body: u32,
    ) -> Result<Option<Answer>, Refusal> {
        if event.document.is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "mutants")]
        if crate::mutant::is(crate::mutant::Mutant::RepeatsDocuments) {
            return Ok(None);
        }
        let (kind, mut bytes, mut lines) = (kind_of(event.action), Vec::new(), Vec::new());
        self.order_events(order, &mut bytes);
        let mut events = Events::new(self.orders.get(order).key, &bytes);
        let mut first = None;
        while let Ok(Some(head)) = events.next_event(&mut lines, |_| {}) {
            if head.document != event.document {
                continue;
            }
            if head.kind == EventKind::ShipmentReversed && kind == EventKind::ShipmentCreated {
                return Err(Refusal::new(Code::Reversed));
            }
            if head.kind == kind {
                first = Some(head);
            }
        }
        match first {
            None => Ok(None),
            Some(head) if head.body == body => Ok(Some(Answer { code: head.code, ..Answer::ok(REPEATED) })),
            Some(_) => Err(Refusal::new(Code::DocumentReused)),
        }
    }

    /// Plans an event of an order. Its lines are summed by SKU, stock and purpose.
    pub(crate) fn plan_order_event(
        &self,
        order: u32,
        event: &OrderEvent,
        lines: &[EventLine],
        plan: &mut Plan,
    ) -> Decision {
        if event.source.is_some_and(|source| self.catalog.source(source.0).is_none()) {
            return Err(Refusal::unknown("source"));
        }
        let is_known = |line: &EventLine| {
            self.has_sku(line.sku.0) && line.stock.is_none_or(|stock| self.catalog.has_stock(stock.0))
        };
        if let Some(index) = lines.iter().position(|line| !is_known(line)) {
            return Err(Refusal::unknown_in_line("lines", index));
        }
        plan.order = Some(order);
        plan.event.kind = kind_of(event.action);
        plan.event.document.push_str(&event.document);
        let wants: Vec<Want> = lines.iter().enumerate().map(want_of).collect();
        let source = event.source.map_or(0, |source| source.0);
        let mut answer = match event.action {
            OrderAction::Confirm => self.plan_confirm_order(order, plan),
            OrderAction::Extend => self.plan_extend_order(order, event.ttl_ms.unwrap_or(0), plan),
            OrderAction::Cancel => self.plan_cancel_order(order, wants, plan),
            OrderAction::Ship => self.plan_ship_order(order, source, wants, event.forced, plan),
            OrderAction::Invoice => self.plan_invoice(order, &wants, plan),
            OrderAction::Refund => self.plan_memo(order, lines, event.source, plan),
            OrderAction::Compensate => self.plan_compensation(order, wants, event.forced, plan),
            OrderAction::Edit => self.plan_edit_order(order, &wants, plan),
            OrderAction::Unship => self.plan_unship_order(order, source, wants, &event.document, plan),
        }?;
        if answer.code == Code::Ok && plan.event.code != Code::Ok {
            answer.code = plan.event.code;
        }
        plan.event.code = answer.code;
        Ok(answer)
    }

    /// The reservations of an order whose records are known, the oldest grant first, and then its units without a
    /// reservation, stock by stock.
    fn candidates(&self, order: u32) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .reservations_of_order(order)
            .map(|(slot, row)| {
                let mut lines = Vec::new();
                self.lines_of(slot, &mut lines);
                Candidate { slot, stock: row.stock, op: row.grant().op, status: self.status_of(row), lines }
            })
            .collect();
        candidates.sort_by_key(|candidate| candidate.op);
        let key = self.orders.get(order).key;
        let mut stocks: Vec<u32> = self.unreserved_of(key).map(|row| row.stock).collect();
        stocks.dedup();
        candidates.extend(stocks.into_iter().map(|stock| {
            let mut lines = Vec::new();
            self.unreserved_lines(key, stock, &mut lines);
            Candidate { slot: NO_SLOT, stock, op: u64::MAX, status: Status::Confirmed, lines }
        }));
        candidates
    }

    /// Changes what takes belong to, one reservation after the other. Takes of one must follow each other.
    fn plan_takes(
        &self,
        kind: EventKind,
        takes: &[Take],
        plan: &mut Plan,
        mut change: impl FnMut(&Take, u32, &mut Plan) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for takes in takes.chunk_by(Take::is_beside) {
            let [first, ..] = takes else { continue };
            if first.slot == NO_SLOT {
                let key = plan.order.map_or(NO_ORDER, |order| self.orders.get(order).key);
                self.unreserved_lines(key, first.stock, &mut plan.lines);
                plan.begin_unreserved(kind, key, first.stock);
                for take in takes {
                    change(take, first.stock, plan)?;
                }
                plan.end_change();
                continue;
            }
            let row = *self.reservations.get(first.slot);
            self.lines_of(first.slot, &mut plan.lines);
            plan.begin_change(kind, first.slot, &row);
            self.load_shipments(plan);
            for take in takes {
                change(take, row.stock, plan)?;
            }
            if matches!(self.status_of(&row), Status::Held | Status::Confirmed) {
                plan.close_if_settled();
            }
            plan.end_change();
        }
        Ok(())
    }
}

/// The refusal of a line of which units are left. `found` units were there.
fn more_than(code: Code, lines: &[OrderLine], want: &Want, found: i64) -> Refusal {
    let is_in_order = lines.iter().any(|line| want.is_of(line.stock, line.sku));
    let refusal = Refusal::of_line(if is_in_order { code } else { Code::NotInReservation }, want.index);
    if is_in_order {
        refusal.bounded(want.sku, found, found.saturating_add(want.left))
    } else {
        refusal.of_sku(want.sku)
    }
}

fn want_of((index, line): (usize, &EventLine)) -> Want {
    Want { sku: line.sku.0, stock: line.stock.map(|stock| stock.0), left: line.quantity.raw(), index }
}

impl Take {
    /// Whether both are of the same reservation, or both of the same units without one.
    fn is_beside(&self, other: &Self) -> bool {
        (self.slot, self.stock) == (other.slot, other.stock)
    }
}

impl Candidate {
    fn has(&self, take: &Take) -> bool {
        (self.slot, self.stock) == (take.slot, take.stock)
    }
}

impl Want {
    fn is_of(&self, stock: u32, sku: u32) -> bool {
        self.sku == sku && self.stock.is_none_or(|wanted| wanted == stock)
    }
}

/// Takes units for the wants from the lines of reservations, in their order. The wants are sorted by SKU. Those that name the
/// stock are served before those that do not, which may take from other stocks. `available` says how many units of a line
/// may be taken.
fn take(
    candidates: &[Candidate],
    wants: &mut [Want],
    mut available: impl FnMut(&Candidate, &LineState) -> i64,
) -> Vec<Take> {
    let mut takes = Vec::new();
    for candidate in candidates {
        for (at, line) in candidate.lines.iter().enumerate() {
            let first = wants.partition_point(|want| want.sku < line.sku);
            let length = wants[first..].partition_point(|want| want.sku == line.sku);
            let of_sku = &mut wants[first..first.saturating_add(length)];
            let is_meant = |want: &Want| want.left > 0 && want.is_of(candidate.stock, line.sku);
            if !of_sku.iter().any(is_meant) {
                continue;
            }
            let mut most = available(candidate, line);
            for names_stock in [true, false] {
                let served = |want: &&mut Want| want.stock.is_some() == names_stock && is_meant(want);
                for want in of_sku.iter_mut().filter(served) {
                    let units = want.left.min(most);
                    if units > 0 {
                        want.left = want.left.saturating_sub(units);
                        most = most.saturating_sub(units);
                        takes.push(Take {
                            slot: candidate.slot,
                            stock: candidate.stock,
                            at,
                            units,
                            index: want.index,
                        });
                    }
                }
            }
        }
    }
    takes
}
