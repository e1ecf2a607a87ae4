//! What a command wants to change: movements of units, and what becomes of the reservation that it names.
//!
//! A plan is made from a state that does not change meanwhile, so its methods keep the lines of the reservation and the movements
//! in step. Not for deciding whether a plan is allowed.

use crate::ledger::record::{LineState, ReservationRow, Shipment, Stage};
use crate::ledger::state::At;
use stockhold_protocol::{Line, Lines};

/// What one line of a cart will get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: At,
    pub(crate) sku: u32,
    pub(crate) granted: i64,
    pub(crate) counts: bool,
    /// The quota that it takes from; 0 = none.
    pub(crate) quota_number: u32,
    /// Units that lean on an allowance.
    pub(crate) backordered: i64,
}

impl Planned {
    /// The line of a reservation that this becomes.
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

/// Why goods move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A count or an adjustment: somebody saw what is there.
    Seen,
    /// Shipped to a customer, or sold at a counter.
    Shipped,
    /// Back from a customer.
    Returned,
    /// Lost before it was shipped.
    WrittenOff,
    /// From one source to another.
    Transferred,
}

/// What a movement does to the number of lines that a hold's deadline has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineCount {
    Joins,
    Stays,
    Leaves,
}

/// Where units are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// Promised by confirmed reservations of a stock.
    Order { stock: u32, quota: i64 },
    /// Held in a stock until a deadline.
    Hold { stock: u32, deadline_s: u32, quota: i64, line: LineCount },
    /// On hand at a source; the status of the source item changes with it where one is given.
    Goods { source: u32, cause: Cause, in_stock: Option<bool> },
}

/// Units of one SKU that join an account, or leave it where they are below zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Movement {
    pub(crate) sku: u32,
    pub(crate) units: i64,
    pub(crate) account: Account,
    /// The position in the command of what asks for it, which a refusal names.
    pub(crate) asked: usize,
}

/// The reservation that a plan changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) slot: u32,
    pub(crate) stock: u32,
    pub(crate) before: Stage,
    pub(crate) after: Stage,
    pub(crate) deadline_before_s: u32,
    pub(crate) deadline_after_s: u32,
}

impl Subject {
    /// Where its units are promised as far as the plan has come.
    fn account(&self, quota: i64, line: LineCount) -> Account {
        let (stock, deadline_s) = (self.stock, self.deadline_after_s);
        if self.after == Stage::Held {
            Account::Hold { stock, deadline_s, quota, line }
        } else {
            Account::Order { stock, quota }
        }
    }
}

/// What the answer says of the state after the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Report {
    #[default]
    Nothing,
    /// The shortfall of the SKUs whose goods moved.
    Shortfall,
    /// The source item that changed.
    Item,
}

/// See the module. Its buffers are used again for the next command.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The lines of the command, merged.
    pub(crate) asked: Vec<Line>,
    pub(crate) movements: Vec<Movement>,
    pub(crate) subject: Option<Subject>,
    /// The lines of the reservation as they will be.
    pub(crate) lines: Vec<LineState>,
    /// What each source has shipped of the reservation, as it will be; empty where nothing of that changes.
    pub(crate) shipments: Vec<Shipment>,
    /// The stock whose other sources a refusal may name.
    pub(crate) stock: Option<u32>,
    /// What happened already and is written down: no promise is asked.
    pub(crate) is_fact: bool,
    pub(crate) report: Report,
}

impl Plan {
    pub(crate) fn clear(&mut self) {
        self.asked.clear();
        self.movements.clear();
        self.subject = None;
        self.lines.clear();
        self.shipments.clear();
        self.stock = None;
        self.is_fact = false;
        self.report = Report::Nothing;
    }

    /// Takes the lines of the command.
    pub(crate) fn ask(&mut self, lines: &Lines<'_>) {
        lines.merge_into(&mut self.asked);
    }

    /// Changes this reservation, whose lines are those in hand.
    pub(crate) fn change(&mut self, slot: u32, row: &ReservationRow) {
        let (stage, deadline_s) = (row.stage(), row.deadline_s);
        self.stock = Some(row.stock);
        self.subject = Some(Subject {
            slot,
            stock: row.stock,
            before: stage,
            after: stage,
            deadline_before_s: deadline_s,
            deadline_after_s: deadline_s,
        });
    }

    fn subject(&mut self) -> &mut Subject {
        let Some(subject) = &mut self.subject else {
            unreachable!("a verb names the reservation before it changes its lines")
        };
        subject
    }

    /// The line of the reservation with this SKU.
    pub(crate) fn line_of(&self, sku: u32) -> Option<usize> {
        self.lines.iter().position(|line| line.sku == sku)
    }

    /// The promise of so many open units of a line ends; `quota` of them go back to its quota.
    pub(crate) fn end_promise(&mut self, at: usize, units: i64, quota: i64, asked: usize) {
        let subject = *self.subject();
        let line = &mut self.lines[at];
        // A line without open units has left its deadline already.
        let had_open = line.open > 0;
        line.open = line.open.saturating_sub(units);
        if line.counts && had_open && units > 0 {
            let count = if line.open == 0 { LineCount::Leaves } else { LineCount::Stays };
            let account = subject.account(0_i64.saturating_sub(quota), count);
            let (sku, units) = (line.sku, 0_i64.saturating_sub(units));
            self.movements.push(Movement { sku, units, account, asked });
        }
    }

    /// Units of a line leave for a customer. `ended` of them were promised to them; the others are beyond the promise.
    pub(crate) fn ship(&mut self, at: usize, source: u32, units: i64, ended: i64, asked: usize) {
        let LineState { sku, quota_number, counts, .. } = self.lines[at];
        // A quota is not given back by a shipment: the budget is spent.
        self.end_promise(at, ended, 0, asked);
        self.lines[at].shipped = self.lines[at].shipped.saturating_add(units);
        let beyond = units.saturating_sub(ended);
        let key = (sku, source, quota_number);
        let of_line = |one: &&mut Shipment| (one.sku, one.source, one.quota_number) == key;
        match self.shipments.iter_mut().find(of_line) {
            Some(known) => {
                known.units = known.units.saturating_add(units);
                known.beyond = known.beyond.saturating_add(beyond);
            }
            None => self.shipments.push(Shipment { sku, source, quota_number, units, beyond }),
        }
        if counts {
            self.move_goods(sku, source, 0_i64.saturating_sub(units), Cause::Shipped, asked);
        }
    }

    /// All open units of a line leave the hold for where `kept_until_s` says: another deadline, or an order.
    pub(crate) fn keep_promise(&mut self, at: usize, quota: i64, kept_until_s: Option<u32>) {
        let subject = *self.subject();
        let LineState { sku, open, counts, .. } = self.lines[at];
        if !counts || open == 0 {
            return;
        }
        let leaves = subject.account(0_i64.saturating_sub(quota), LineCount::Leaves);
        let stock = subject.stock;
        let joins = match kept_until_s {
            Some(deadline_s) => Account::Hold { stock, deadline_s, quota, line: LineCount::Joins },
            None => Account::Order { stock, quota },
        };
        let units = 0_i64.saturating_sub(open);
        self.movements.push(Movement { sku, units, account: leaves, asked: at });
        self.movements.push(Movement { sku, units: open, account: joins, asked: at });
    }

    /// Promises units to an order; `quota` of them are taken from the quota in force.
    pub(crate) fn promise(&mut self, sku: u32, stock: u32, units: i64, quota: i64, asked: usize) {
        self.movements.push(Movement { sku, units, account: Account::Order { stock, quota }, asked });
    }

    /// Goods come to a source, or leave it where they are below zero.
    pub(crate) fn move_goods(&mut self, sku: u32, source: u32, units: i64, cause: Cause, asked: usize) {
        let account = Account::Goods { source, cause, in_stock: None };
        self.movements.push(Movement { sku, units, account, asked });
    }

    /// What somebody saw of a source item: a fact, whose source item is reported.
    pub(crate) fn see_goods(&mut self, sku: u32, source: u32, units: i64, in_stock: Option<bool>) {
        let account = Account::Goods { source, cause: Cause::Seen, in_stock };
        self.movements.push(Movement { sku, units, account, asked: 0 });
        self.is_fact = true;
        self.report = Report::Item;
    }

    /// A hold becomes an order.
    pub(crate) fn confirm(&mut self) {
        let subject = self.subject();
        subject.after = Stage::Confirmed;
        subject.deadline_after_s = 0;
    }

    pub(crate) fn close(&mut self, stage: Stage) {
        self.subject().after = stage;
    }

    /// Closes the reservation if nothing is open any more.
    pub(crate) fn close_if_settled(&mut self) {
        if self.lines.iter().all(|line| line.open == 0) {
            let has_shipped = self.lines.iter().any(|line| line.shipped > 0);
            self.close(if has_shipped { Stage::Shipped } else { Stage::Released });
        }
    }

    pub(crate) fn move_deadline(&mut self, deadline_s: u32) {
        self.subject().deadline_after_s = deadline_s;
    }
}
