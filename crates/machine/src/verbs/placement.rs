//! Whether an order may be placed in a stock, and what its placement takes over.

use super::hold::Status;
use crate::decision::{Answer, Decision, Refusal};
use crate::ledger::record::{LineState, OrderLine, Total, body_of};
use crate::ledger::state::State;
use crate::moves::Plan;
use crate::refusal::quantity;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{BadField, Code, Line, SkuId, Timestamp};

/// What a placement does.
pub(crate) enum PlacementCheck {
    /// The same placement took effect before, or the order has exactly these units, confirmed. Nothing changes.
    Placed,
    /// A reservation is made.
    New {
        /// The holds of the order in this stock, live and expired ones. They end as replaced.
        holds: Vec<u32>,
        /// The time of the first reserve of the live ones, if there are any.
        origin: Option<Timestamp>,
    },
}

impl State {
    /// Checks a placement of an order in a stock. `requested` are its lines, summed by SKU, and `body` the hash of its command.
    pub(crate) fn check_placement(
        &self,
        (number, owner): (&str, u64),
        stock: u32,
        requested: &[Line],
        body: u32,
    ) -> Result<PlacementCheck, Refusal> {
        let Some(order) = self.find_order(number) else {
            return Ok(PlacementCheck::New { holds: Vec::new(), origin: None });
        };
        if self.orders.get(order).owner != owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        if self.was_placed(order, stock, body) {
            return Ok(PlacementCheck::Placed);
        }
        let (mut holds, mut origin) = (Vec::new(), None);
        let mut open: Vec<Line> = Vec::new();
        for (slot, row) in self.reservations_of_order(order).filter(|(_, row)| row.stock == stock) {
            let status = self.status_of(row);
            let is_live = matches!(status, Status::Held | Status::Confirmed);
            if is_live && body_of(row.grant().fingerprint) == body {
                return Ok(PlacementCheck::Placed);
            }
            match status {
                Status::Held => {
                    let earlier = origin.map_or(row.origin_ms, |known: u64| known.min(row.origin_ms));
                    origin = Some(earlier);
                    holds.push(slot);
                }
                Status::Expired => holds.push(slot),
                Status::Confirmed => self.add_open_lines(slot, &mut open),
                Status::Released | Status::ShippedOrReplaced => {}
            }
        }
        self.add_open_without_reservation(order, stock, &mut open);
        if !open.is_empty() {
            open.sort_unstable_by_key(|line| line.sku);
            let is_equal = holds.is_empty() && open == requested && self.has_only_open(order, stock);
            return if is_equal { Ok(PlacementCheck::Placed) } else { Err(Refusal::new(Code::OrderExists)) };
        }
        if !self.is_number_free(order, stock) {
            return Err(Refusal::new(Code::OrderExists));
        }
        holds.sort_unstable_by_key(|slot| self.reservations.get(*slot).grant().op);
        Ok(PlacementCheck::New { holds, origin: origin.map(Timestamp) })
    }

    /// Plans the end of a placement that has failed: its open units are given back.
    pub(crate) fn plan_place_failed(&self, slot: u32, number: &str, plan: &mut Plan) -> Decision {
        let order = self.find_order(number);
        if order.is_none() || order != self.order_of(slot) {
            let error = BadField::new("placement", "must be the command of a placement of this order");
            return Err(Refusal::field(&error));
        }
        let row = *self.reservations.get(slot);
        if !matches!(self.status_of(&row), Status::Held | Status::Confirmed) {
            return Ok(Answer::ok(0));
        }
        self.lines_of(slot, &mut plan.lines);
        plan.begin_change(EventKind::OrderPlaceFailed, slot, &row);
        self.release_all(row.stock, plan);
        plan.close_if_settled();
        Ok(Answer::ok(0))
    }

    /// Whether the same placement took effect before, and was not reported as failed since.
    fn was_placed(&self, order: u32, stock: u32, body: u32) -> bool {
        let mut was_placed = false;
        self.visit_events(order, |head, bookings| {
            if head.kind == EventKind::OrderPlaced && head.body == body {
                was_placed = true;
            }
            if head.kind == EventKind::OrderPlaceFailed && bookings.iter().any(|one| one.stock == stock) {
                was_placed = false;
            }
        });
        was_placed
    }

    fn add_open_lines(&self, slot: u32, open: &mut Vec<Line>) {
        let mut lines = Vec::new();
        self.lines_of(slot, &mut lines);
        add_open(&lines, open);
    }

    /// Adds the open units of an order in a stock that are in no reservation.
    fn add_open_without_reservation(&self, order: u32, stock: u32, open: &mut Vec<Line>) {
        let mut lines = Vec::new();
        self.unreserved_lines(self.orders.get(order).key, stock, &mut lines);
        add_open(&lines, open);
    }

    /// Whether all units that an order ever had in a stock are open.
    fn has_only_open(&self, order: u32, stock: u32) -> bool {
        let lines = self.order_lines_of(order);
        lines.iter().filter(|line| line.stock == stock).all(|line| {
            let ordered = line.totals.of(Total::Ordered);
            line.totals.open() == ordered && line.totals.of(Total::Beyond) == 0
        })
    }

    /// Whether an order without open units in a stock may be placed there: nothing was confirmed, or the placement failed
    /// before anything was shipped.
    fn is_number_free(&self, order: u32, stock: u32) -> bool {
        let lines = self.order_lines_of(order);
        let mut of_stock = lines.iter().filter(|line| line.stock == stock).peekable();
        if of_stock.peek().is_none() {
            return true;
        }
        let mut has_failed = false;
        self.visit_events(order, |head, bookings| {
            if bookings.iter().any(|one| one.stock == stock) {
                has_failed = head.kind == EventKind::OrderPlaceFailed;
            }
        });
        let nothing_left =
            |line: &OrderLine| line.totals.of(Total::Shipped) == 0 && line.totals.of(Total::Beyond) == 0;
        has_failed && of_stock.all(nothing_left)
    }
}

fn add_open(lines: &[LineState], open: &mut Vec<Line>) {
    for line in lines.iter().filter(|line| line.open > 0) {
        match open.iter_mut().find(|known| known.sku.0 == line.sku) {
            Some(known) => {
                let sum = known.quantity.raw().saturating_add(line.open);
                known.quantity = quantity(sum);
            }
            None => open.push(Line::new(SkuId(line.sku), quantity(line.open))),
        }
    }
}
