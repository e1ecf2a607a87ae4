//! Placements, and reports that one failed.

use crate::decide::{Answer, Decision, merged, plain, unknown};
use crate::limits::{Recorded, bad_field, busy};
use crate::orders::Orders;
use crate::state::{Model, Reservation, Stage};
use crate::step::{Cart, Step};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, CommandId, Detail, Outcome};

impl Model {
    pub(crate) fn place(&mut self, id: CommandId, cart: &Cart) -> Decision {
        let number = cart.order.expect("a placement names an order");
        let stock = self.stock_of(cart.target).ok_or(unknown("target", 0))?;
        self.check_limits(cart.lines.len())?;
        let asked = merged(&cart.lines);
        let body = crate::step::body(&Step::Place(cart.clone()), CommandId::NONE);
        let Some(holds) = self.placed_before(number, cart.owner, stock, &asked, &body)? else {
            return Ok((Code::Ok, 1, Detail::None));
        };
        self.check_order(cart.order, cart.owner)?;
        let live = holds.iter().filter(|id| self.is_live(id)).map(|id| self.reservations[id].origin_ms);
        let origin_ms = live.min().unwrap_or(self.hold_ms());
        let deadline_s = cart.ttl_ms.map_or(Ok(0), |ttl_ms| self.deadline(ttl_ms, origin_ms))?;
        let old: Vec<Reservation> = holds.iter().map(|id| self.reservations[id].clone()).collect();
        let planned = self.plan((stock, self.is_frozen(cart.target, stock)), &asked, false, &old)?;
        for (named, old) in holds.iter().zip(&old) {
            self.close(*named, Stage::Replaced);
            self.book_change(*named, old, &Step::Tick);
        }
        self.orders.joining = (EventKind::OrderPlaced, body);
        let answer = self.grant(id, (cart, stock), &planned, origin_ms, deadline_s, false);
        self.orders.joining = Orders::PLACED;
        Ok(answer)
    }

    /// The holds that a placement takes over. `None` if the order is placed already.
    pub(super) fn placed_before(
        &self,
        number: u32,
        owner: u64,
        stock: u32,
        asked: &[(u32, i64)],
        body: &str,
    ) -> Result<Option<Vec<CommandId>>, Answer> {
        let Some((_, of)) = self.order(number) else { return Ok(Some(Vec::new())) };
        if of != owner {
            return Err(plain(Code::OwnerDiffers));
        }
        let (mut was_placed, mut last_failed) = (false, false);
        for note in self.order_notes(number) {
            was_placed |= note.kind == EventKind::OrderPlaced && note.body == body;
            if note.stocks.contains(&stock) {
                last_failed = note.kind == EventKind::OrderPlaceFailed;
                was_placed &= !last_failed;
            }
        }
        if was_placed {
            return Ok(None);
        }
        let of_stock = |id: &CommandId| self.reservations[id].stock == stock;
        let ids: Vec<_> = self.ids_of(number).into_iter().filter(of_stock).collect();
        let is_same = |id: &&CommandId| {
            (self.is_live(id) || self.is_confirmed(id)) && &*self.reservations[id].body == body
        };
        if ids.iter().any(|id| is_same(&id)) {
            return Ok(None);
        }
        let holds: Vec<_> =
            ids.iter().filter(|id| self.reservations[id].stage == Stage::Held).copied().collect();
        let mut open: BTreeMap<u32, i64> = BTreeMap::new();
        for line in ids.iter().filter(|id| self.is_confirmed(id)).flat_map(|id| &self.reservations[id].lines)
        {
            *open.entry(line.sku).or_default() += line.open;
        }
        open.retain(|_, units| *units > 0);
        let booked: Vec<_> = self.booked(number).into_iter().filter(|((of, _), _)| *of == stock).collect();
        if !open.is_empty() {
            let only_open = booked.iter().all(|(_, one)| one.open() == one.ordered && one.beyond == 0);
            let is_equal = open.into_iter().eq(asked.iter().copied()) && holds.is_empty() && only_open;
            return if is_equal { Ok(None) } else { Err(plain(Code::OrderExists)) };
        }
        let nothing_left = booked.iter().all(|(_, one)| one.shipped == 0 && one.beyond == 0);
        if booked.is_empty() || last_failed && nothing_left {
            return Ok(Some(holds));
        }
        Err(plain(Code::OrderExists))
    }

    /// The recorded outcome of a placement that was reported as failed before it was decided.
    #[must_use]
    pub fn failed_placement(&self, id: CommandId) -> Option<Outcome> {
        let one = self.recorded.get(&id).filter(|one| one.outcome.code == Code::PlaceFailed)?;
        Some((*one.outcome).clone())
    }

    pub(crate) fn place_failed(&mut self, number: u32, named: CommandId) -> Decision {
        if let Some(one) = self.known(named).cloned() {
            let op = self.order(number).map(|(op, _)| op);
            if one.order.is_none() || one.order != op.map(|op| (number, op)) {
                let rule = "must be the command of a placement of this order";
                return Err(bad_field("placement", rule));
            }
            if one.stage == Stage::Confirmed || one.stage == Stage::Held && !self.has_expired(&one) {
                let mut after = one.clone();
                after.lines.iter_mut().for_each(|line| line.open = 0);
                self.settle_open(named, after);
                self.orders.joining = (EventKind::OrderPlaceFailed, String::new());
                self.book_change(named, &one, &Step::Release(0, Vec::new()));
                self.orders.joining = Orders::PLACED;
            }
            return Ok(plain(Code::Ok));
        }
        if self.is_below_horizon(named) || self.recorded.contains_key(&named) {
            return Ok(plain(Code::Ok));
        }
        if self.is_from_future(named) {
            return Err((Code::IdFromFuture, 0, self.id_range(named)));
        }
        if self.is_memory_full() {
            return Err(busy());
        }
        let outcome = Arc::new(Outcome::new(Code::PlaceFailed, 0, self.op));
        Arc::make_mut(&mut self.recorded).insert(named, Recorded::new("*".into(), outcome));
        Ok(plain(Code::Ok))
    }
}
