//! A list of reservations that match a filter, the oldest first. There is no index of reservations by SKU, stock or age, as
//! it would cost every reservation memory and time. So all records are scanned, in bounded steps between which commands
//! are applied, and the oldest matches are kept. The memory does not depend on the number of records.

use crate::ledger::record::{LineState, ReservationRow};
use crate::ledger::state::State;
use crate::machine::Machine;
use crate::refusal::quantity;
use std::collections::BinaryHeap;
use stockhold_protocol::query::{LIST_MAX, ReservationFilter, ReservationState, ReservationsView};

/// The most lines of all reservations of one answer. The last reservation may exceed it.
const LINES_MAX: usize = 4_096;

/// A scan of all reservations in progress.
#[derive(Debug)]
pub struct ReservationScan {
    filter: ReservationFilter,
    /// The ops of the reservations that may match: after the first, up to the second.
    ops: (u64, u64),
    limit: usize,
    next_slot: u32,
    end_slot: u32,
    /// Ops and slots of the oldest matches, the youngest of them first.
    oldest: BinaryHeap<(u64, u32)>,
    /// The matches in their order, once all records were visited; the next one is last.
    in_order: Option<Vec<(u64, u32)>>,
    lines_listed: usize,
    lines: Vec<LineState>,
    view: ReservationsView,
}

impl Machine {
    /// Begins a scan of the reservations that match and were made by an op after `after`.
    #[must_use]
    pub fn begin_reservation_scan(
        &self,
        filter: ReservationFilter,
        after: u64,
        limit: u32,
    ) -> ReservationScan {
        let state = self.state();
        let op = state.core.op;
        let view = ReservationsView { op, matched: 0, promised: quantity(0), reservations: Vec::new() };
        ReservationScan {
            filter,
            ops: (after, op),
            limit: limit.clamp(1, LIST_MAX) as usize,
            next_slot: 0,
            end_slot: state.reservations.slots(),
            oldest: BinaryHeap::new(),
            in_order: None,
            lines_listed: 0,
            lines: Vec::new(),
            view,
        }
    }

    /// Visits at most `budget` records, and a few more if the last reservation has many lines. Returns the list when it is
    /// complete.
    pub fn reservation_scan_step(&self, scan: &mut ReservationScan, budget: u32) -> Option<ReservationsView> {
        let state = self.state();
        let mut cost: u32 = 0;
        while cost < budget {
            if scan.next_slot < scan.end_slot {
                cost = cost.saturating_add(state.visit(scan));
                continue;
            }
            let in_order = scan.in_order.get_or_insert_with(|| {
                let mut oldest = std::mem::take(&mut scan.oldest).into_sorted_vec();
                oldest.reverse();
                oldest
            });
            let next = if scan.lines_listed < LINES_MAX { in_order.pop() } else { None };
            let Some((op, slot)) = next else { return Some(scan.view.clone()) };
            // The slot may have another reservation by now, or this one may no longer match.
            if state.promised_of(slot, scan).is_some() && state.reservations.get(slot).grant().op == op {
                let id = state.reservations.get(slot).id();
                scan.lines_listed = scan.lines_listed.saturating_add(scan.lines.len().max(1));
                scan.view.reservations.extend(state.reservation_view(id));
            }
            cost = cost.saturating_add(u32::try_from(scan.lines.len()).unwrap_or(u32::MAX)).saturating_add(4);
        }
        None
    }
}

impl State {
    /// Visits the next record. Returns the cost in records read.
    fn visit(&self, scan: &mut ReservationScan) -> u32 {
        let slot = scan.next_slot;
        scan.next_slot = slot.saturating_add(1);
        scan.lines.clear();
        if let Some(promised) = self.promised_of(slot, scan) {
            scan.view.matched = scan.view.matched.saturating_add(1);
            scan.view.promised = quantity(scan.view.promised.raw().saturating_add(promised));
            scan.oldest.push((self.reservations.get(slot).grant().op, slot));
            if scan.oldest.len() > scan.limit {
                scan.oldest.pop();
            }
        }
        u32::try_from(scan.lines.len()).unwrap_or(u32::MAX).max(1)
    }

    /// The units that a reservation promises, of the SKU if one is named; `None` if it does not match.
    fn promised_of(&self, slot: u32, scan: &mut ReservationScan) -> Option<i64> {
        let row = self.reservations.contains(slot).then(|| self.reservations.get(slot))?;
        let (filter, (after, last)) = (scan.filter, scan.ops);
        let (op, state) = (row.grant().op, self.state_of(row));
        let age_ms = self.hold_time().0.saturating_sub(row.origin_ms);
        let is_candidate = op > after
            && op <= last
            && self.is_known(row)
            && filter.has_state(state)
            && filter.stock.is_none_or(|stock| stock.0 == row.stock)
            && filter.owner.is_none_or(|owner| owner == row.owner)
            && age_ms >= filter.older_than_ms;
        if !is_candidate {
            return None;
        }
        self.lines_of(slot, &mut scan.lines);
        let is_meant = |line: &&LineState| filter.sku.is_none_or(|sku| sku.0 == line.sku);
        let mut meant = scan.lines.iter().filter(is_meant).peekable();
        meant.peek()?;
        let promises = matches!(state, ReservationState::Held | ReservationState::Confirmed);
        let open = meant.filter(|line| promises && line.counts).map(|line| line.open);
        let promised = open.fold(0, i64::saturating_add);
        (promised > 0 || !filter.is_promised).then_some(promised)
    }

    /// Whether the record of a reservation is not only waiting for its erasure.
    fn is_known(&self, row: &ReservationRow) -> bool {
        let ends_at_s = row.ends_at_s();
        ends_at_s == 0 || ends_at_s > self.now_s()
    }
}
