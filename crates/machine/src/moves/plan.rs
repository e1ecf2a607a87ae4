//! A plan: the movements of units that a command makes, and the new values of the reservation that it
//! changes.
//!
//! The state does not change while a plan is built. The methods of [`Plan`] keep the lines of the reservation
//! consistent with the movements. The guard decides whether a plan is allowed.

use crate::ledger::record::{Booking, LineState, NO_ORDER, ReservationRow, Shipment, Stage, Total};
use crate::ledger::state::At;
use crate::table::NO_SLOT;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, Line, Lines};

/// The grant that is planned for one line of a cart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: At,
    pub(crate) sku: u32,
    pub(crate) granted: i64,
    pub(crate) counts: bool,
    /// The quota that it takes from; 0 = none.
    pub(crate) quota_number: u32,
    /// Units that only an allowance covers.
    pub(crate) backordered: i64,
}

impl Planned {
    /// The line as the reservation stores it.
    pub(crate) const fn granted_line(&self) -> LineState {
        LineState {
            sku: self.sku,
            quota_number: if self.counts { self.quota_number } else { 0 },
            counts: self.counts,
            granted: self.granted,
            open: self.granted,
            shipped: 0,
            returned: 0,
        }
    }
}

/// The plan of a cart. The buffers are reused for the next command.
#[derive(Debug, Default)]
pub(crate) struct CartPlan {
    /// The lines of the command, summed by SKU.
    pub(crate) requested: Vec<Line>,
    /// What each line is granted.
    pub(crate) planned: Vec<Planned>,
    /// The lines of the new reservation.
    pub(crate) lines: Vec<LineState>,
}

/// The reason for a movement of goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A count or an adjustment by the merchant.
    Adjusted,
    /// Shipped to a customer, or sold at a counter.
    Shipped,
    /// Returned by a customer, or a shipment that was reversed.
    Returned,
    /// Lost before the shipment.
    WrittenOff,
    /// Moved from one source to another.
    Transferred,
}

/// How a movement changes the number of held lines that are due at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineCount {
    Increases,
    Unchanged,
    Decreases,
}

/// The quantity that a movement changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// Units promised by confirmed reservations of a stock.
    Order { stock: u32, quota: i64 },
    /// Units promised in a stock to the order with this key, without a reservation.
    Unreserved { order: u64, stock: u32 },
    /// Units held in a stock until a deadline.
    Hold { stock: u32, deadline_s: u32, quota: i64, line: LineCount },
    /// Units on hand at a source. `in_stock` also sets the status of the source item.
    Goods { source: u32, cause: Cause, in_stock: Option<bool> },
}

impl Account {
    /// The stock whose promises it is a part of.
    pub(crate) const fn stock(&self) -> Option<u32> {
        match self {
            Self::Order { stock, .. } | Self::Unreserved { stock, .. } | Self::Hold { stock, .. } => {
                Some(*stock)
            }
            Self::Goods { .. } => None,
        }
    }
}

/// Units of one SKU that are added to an account, or removed from it if negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Movement {
    pub(crate) sku: u32,
    pub(crate) units: i64,
    pub(crate) account: Account,
    /// The line or refund part of the command that requested the movement. A refusal names it.
    pub(crate) line_index: usize,
}

/// The reservation that a plan changes, with its stage and deadline before and after. Units of an order that are in no
/// reservation are planned like a confirmed one, which has no record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReservationChange {
    /// `NO_SLOT` stands for the units of `order` that are in no reservation.
    pub(crate) slot: u32,
    /// The key of the order, if units without a reservation are changed.
    order: u64,
    pub(crate) stock: u32,
    pub(crate) before: Stage,
    pub(crate) after: Stage,
    pub(crate) deadline_before_s: u32,
    pub(crate) deadline_after_s: u32,
}

impl ReservationChange {
    /// The account of its promised units, at the stage and deadline planned so far.
    fn account(&self, quota: i64, line: LineCount) -> Account {
        let (stock, deadline_s) = (self.stock, self.deadline_after_s);
        if self.slot == NO_SLOT {
            Account::Unreserved { order: self.order, stock }
        } else if self.after == Stage::Held {
            Account::Hold { stock, deadline_s, quota, line }
        } else {
            Account::Order { stock, quota }
        }
    }
}

/// Why the promise of open units ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// They are promised again by the same plan.
    Renewed,
    /// They are counted in this total of the order.
    Counted(Total),
    /// They are counted in this total, and leave this source.
    CountedAt(Total, u32),
    /// A compensation takes them from the order.
    Compensated,
}

/// What the answer reports about the state after the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Report {
    #[default]
    Nothing,
    /// The total shortfall of the SKUs whose goods moved.
    Shortfall,
    /// The source item that changed.
    Item,
}

/// A reservation that a plan changes, with its lines and shipments after the plan.
#[derive(Debug)]
pub(crate) struct ChangedReservation {
    pub(crate) change: ReservationChange,
    pub(crate) lines: Vec<LineState>,
    pub(crate) shipments: Vec<Shipment>,
}

/// How the event of an order is recorded.
#[derive(Debug)]
pub(crate) struct PlannedEvent {
    pub(crate) kind: EventKind,
    pub(crate) code: Code,
    /// Its document; empty = none.
    pub(crate) document: String,
    /// A hash of the command that names the document.
    pub(crate) body: u32,
}

impl Default for PlannedEvent {
    fn default() -> Self {
        Self { kind: EventKind::OrderEdited, code: Code::Ok, document: String::new(), body: 0 }
    }
}

/// See the module documentation. The buffers are reused for the next command.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The lines of the command, summed by SKU.
    pub(crate) requested: Vec<Line>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) reservation: Option<ReservationChange>,
    /// The lines of the reservation after the plan.
    pub(crate) lines: Vec<LineState>,
    /// The shipments of the reservation after the plan. Empty if they do not change.
    pub(crate) shipments: Vec<Shipment>,
    /// The reservations that the plan has changed before this one. A command of an order may change many.
    pub(crate) others: Vec<ChangedReservation>,
    /// The order that the plan changes, if it is not that of its reservation.
    pub(crate) order: Option<u32>,
    /// The event of the order, and what it books. Without an order they have no effect.
    pub(crate) event: PlannedEvent,
    pub(crate) bookings: Vec<Booking>,
    /// Whether the reservation may belong to an order.
    may_have_order: bool,
    /// The stock whose other sources a refusal may list.
    pub(crate) stock: Option<u32>,
    /// Whether the plan records a fact. A fact is not checked against promises or the quantity on hand.
    pub(crate) is_fact: bool,
    pub(crate) report: Report,
}

impl Plan {
    pub(crate) fn clear(&mut self) {
        self.requested.clear();
        self.movements.clear();
        self.reservation = None;
        self.lines.clear();
        self.shipments.clear();
        self.others.clear();
        self.order = None;
        (self.event.code, self.event.body) = (Code::Ok, 0);
        self.event.document.clear();
        self.bookings.clear();
        self.may_have_order = false;
        self.stock = None;
        self.is_fact = false;
        self.report = Report::Nothing;
    }

    /// Sums the lines of the command by SKU into `requested`.
    pub(crate) fn merge_lines(&mut self, lines: &Lines<'_>) {
        lines.merge_into(&mut self.requested);
    }

    /// Sets the reservation that the plan changes. The caller has filled `lines` with its lines.
    pub(crate) fn begin_change(&mut self, kind: EventKind, slot: u32, row: &ReservationRow) {
        let (stage, deadline_s) = (row.stage(), row.deadline_s);
        self.stock = Some(row.stock);
        self.event.kind = kind;
        self.may_have_order = row.notes != NO_SLOT;
        self.reservation = Some(ReservationChange {
            slot,
            order: NO_ORDER,
            stock: row.stock,
            before: stage,
            after: stage,
            deadline_before_s: deadline_s,
            deadline_after_s: deadline_s,
        });
    }

    /// Sets the units of an order in a stock that are in no reservation as what the plan changes. The caller has filled
    /// `lines` with them.
    pub(crate) fn begin_unreserved(&mut self, kind: EventKind, order: u64, stock: u32) {
        self.stock = Some(stock);
        self.event.kind = kind;
        self.may_have_order = true;
        let (before, after) = (Stage::Confirmed, Stage::Confirmed);
        let (deadline_before_s, deadline_after_s) = (0, 0);
        self.reservation = Some(ReservationChange {
            slot: NO_SLOT,
            order,
            stock,
            before,
            after,
            deadline_before_s,
            deadline_after_s,
        });
    }

    /// The reservations that the plan changes.
    pub(super) fn changes(&self) -> impl Iterator<Item = &ReservationChange> {
        self.others.iter().map(|other| &other.change).chain(&self.reservation)
    }

    /// Ends the change of a reservation, so that the change of another one can begin.
    pub(crate) fn end_change(&mut self) {
        if let Some(change) = self.reservation.take() {
            let (lines, shipments) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.shipments));
            if change.slot == NO_SLOT {
                // Its movements say everything.
                return;
            }
            self.others.push(ChangedReservation { change, lines, shipments });
        }
    }

    fn reservation_mut(&mut self) -> &mut ReservationChange {
        let Some(change) = &mut self.reservation else {
            unreachable!("the verb began a change of a reservation before")
        };
        change
    }

    /// Whether the reservation is a hold, at the stage planned so far.
    pub(crate) fn changes_hold(&self) -> bool {
        self.reservation.is_some_and(|change| change.after == Stage::Held)
    }

    /// The index of the reservation's line with this SKU.
    pub(crate) fn line_of(&self, sku: u32) -> Option<usize> {
        self.lines.iter().position(|line| line.sku == sku)
    }

    /// Adds units to a total of the reservation's order.
    pub(crate) fn book(&mut self, sku: u32, total: Total, units: i64, source: Option<u32>) {
        if self.may_have_order && units != 0 {
            let stock = self.reservation_mut().stock;
            self.bookings.push(Booking { stock, sku, total, units, source });
        }
    }

    /// Ends the promise of open units of a line. `quota` of them are returned to its quota.
    pub(crate) fn end_promise(
        &mut self,
        at: usize,
        units: i64,
        quota: i64,
        ending: Ending,
        line_index: usize,
    ) {
        let change = *self.reservation_mut();
        // The totals do not contain the units of a hold.
        if change.deadline_after_s == 0 {
            let sku = self.lines[at].sku;
            match ending {
                Ending::Renewed => {}
                Ending::Counted(total) => self.book(sku, total, units, None),
                Ending::CountedAt(total, source) => {
                    let source = self.lines[at].counts.then_some(source);
                    self.book(sku, total, units, source);
                }
                Ending::Compensated => self.book(sku, Total::Compensated, 0_i64.saturating_sub(units), None),
            }
        }
        let line = &mut self.lines[at];
        // A line without open units no longer counts at its deadline.
        let had_open = line.open > 0;
        line.open = line.open.saturating_sub(units);
        if line.counts && had_open && units > 0 {
            let count = if line.open == 0 { LineCount::Decreases } else { LineCount::Unchanged };
            let account = change.account(0_i64.saturating_sub(quota), count);
            let (sku, units) = (line.sku, 0_i64.saturating_sub(units));
            self.movements.push(Movement { sku, units, account, line_index });
        }
    }

    /// Ships units of a line. `promised` of them are open units; the others are shipped beyond the promise.
    pub(crate) fn ship(&mut self, at: usize, source: u32, units: i64, promised: i64, line_index: usize) {
        let LineState { sku, quota_number, counts, .. } = self.lines[at];
        // A shipment returns nothing to the quota: sold units stay counted.
        self.end_promise(at, promised, 0, Ending::CountedAt(Total::Shipped, source), line_index);
        self.lines[at].shipped = self.lines[at].shipped.saturating_add(units);
        let beyond = units.saturating_sub(promised);
        self.book(sku, Total::Beyond, beyond, counts.then_some(source));
        let key = (sku, source, quota_number, counts);
        let of_line = |one: &&mut Shipment| (one.sku, one.source, one.quota_number, one.counts) == key;
        match self.shipments.iter_mut().find(of_line) {
            Some(known) => {
                known.units = known.units.saturating_add(units);
                known.beyond = known.beyond.saturating_add(beyond);
            }
            None => self.shipments.push(Shipment { sku, source, quota_number, counts, units, beyond }),
        }
        if counts {
            self.move_goods(sku, source, 0_i64.saturating_sub(units), Cause::Shipped, line_index);
        }
    }

    /// Returns units of a line to a source: first those that this source shipped, and of each shipment first
    /// those beyond the promise. The result is how many of them were counted when they were shipped.
    pub(crate) fn return_units(&mut self, at: usize, source: u32, units: i64) -> i64 {
        let line = &mut self.lines[at];
        line.returned = line.returned.saturating_add(units);
        let (sku, mut left, mut goods) = (line.sku, units, 0_i64);
        for is_of_source in [true, false] {
            let wanted = |one: &&mut Shipment| one.sku == sku && (one.source == source) == is_of_source;
            for shipment in self.shipments.iter_mut().filter(wanted) {
                let beyond = shipment.take_beyond(left);
                let taken = beyond.saturating_add(shipment.take_promised(left.saturating_sub(beyond)));
                left = left.saturating_sub(taken);
                goods = goods.saturating_add(if shipment.counts { taken } else { 0 });
            }
        }
        self.book(sku, Total::Returned, units, (goods > 0).then_some(source));
        goods
    }

    /// Moves all open units of a held line to another deadline, or to the confirmed units if there is none.
    pub(crate) fn move_promise(&mut self, at: usize, quota: i64, new_deadline_s: Option<u32>) {
        let change = *self.reservation_mut();
        let LineState { sku, open, counts, .. } = self.lines[at];
        if !counts || open == 0 {
            return;
        }
        let from = change.account(0_i64.saturating_sub(quota), LineCount::Decreases);
        let stock = change.stock;
        let to = match new_deadline_s {
            Some(deadline_s) => Account::Hold { stock, deadline_s, quota, line: LineCount::Increases },
            None => Account::Order { stock, quota },
        };
        let units = 0_i64.saturating_sub(open);
        self.movements.push(Movement { sku, units, account: from, line_index: at });
        self.movements.push(Movement { sku, units: open, account: to, line_index: at });
    }

    /// Adds confirmed units. `quota` of them are taken from the quota in force.
    pub(crate) fn promise(&mut self, sku: u32, stock: u32, units: i64, quota: i64, line_index: usize) {
        self.movements.push(Movement { sku, units, account: Account::Order { stock, quota }, line_index });
    }

    /// Adds units that are promised to the order with this key without a reservation.
    pub(crate) fn promise_unreserved(
        &mut self,
        order: u64,
        stock: u32,
        sku: u32,
        units: i64,
        line_index: usize,
    ) {
        let account = Account::Unreserved { order, stock };
        self.movements.push(Movement { sku, units, account, line_index });
    }

    /// Adds goods to a source, or removes them if `units` is negative.
    pub(crate) fn move_goods(&mut self, sku: u32, source: u32, units: i64, cause: Cause, line_index: usize) {
        let account = Account::Goods { source, cause, in_stock: None };
        self.movements.push(Movement { sku, units, account, line_index });
    }

    /// Records a count or an adjustment of a source item. The answer reports the item.
    pub(crate) fn adjust_item(&mut self, sku: u32, source: u32, units: i64, in_stock: Option<bool>) {
        let account = Account::Goods { source, cause: Cause::Adjusted, in_stock };
        self.movements.push(Movement { sku, units, account, line_index: 0 });
        self.is_fact = true;
        self.report = Report::Item;
    }

    /// Confirms the reservation. The units of a hold become part of the totals of its order.
    pub(crate) fn confirm(&mut self) {
        if self.reservation_mut().deadline_after_s != 0 && self.may_have_order {
            for at in 0..self.lines.len() {
                let LineState { sku, granted, open, .. } = self.lines[at];
                self.book(sku, Total::Ordered, granted, None);
                self.book(sku, Total::Cancelled, granted.saturating_sub(open), None);
            }
        }
        let change = self.reservation_mut();
        change.after = Stage::Confirmed;
        change.deadline_after_s = 0;
    }

    pub(crate) fn close(&mut self, stage: Stage) {
        self.reservation_mut().after = stage;
    }

    /// Closes the reservation if no units are open.
    pub(crate) fn close_if_settled(&mut self) {
        if self.lines.iter().all(|line| line.open == 0) {
            let has_shipped = self.lines.iter().any(|line| line.shipped > 0);
            self.close(if has_shipped { Stage::Shipped } else { Stage::Released });
        }
    }

    pub(crate) fn move_deadline(&mut self, deadline_s: u32) {
        self.reservation_mut().deadline_after_s = deadline_s;
    }
}
