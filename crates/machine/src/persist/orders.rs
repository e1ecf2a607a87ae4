//! Loading the orders of a snapshot, and joining them with their reservations.

use super::load::LoadError;
use crate::ledger::record::{NoteKind, OrderLineRow, OrderRow, Section};
use crate::ledger::state::State;
use crate::table::NO_SLOT;

#[expect(clippy::unnecessary_wraps, reason = "the table of records calls each of them alike")]
impl State {
    pub(super) fn load_order(&mut self, row: OrderRow) -> Result<(), LoadError> {
        let slot = self.orders.insert(row);
        self.order_book.insert(slot, &self.orders);
        if row.open_lines != 0 {
            self.order_book.with_further_lines.insert(row.op, slot);
        }
        Ok(())
    }

    pub(super) fn load_order_line(&mut self, mut row: OrderLineRow) -> Result<(), LoadError> {
        let Some(order) = self.order_book.with_further_lines.get(&row.order).copied() else {
            return Err(LoadError::Dangling(Section::OrderLine));
        };
        row.next = self.orders.get(order).more;
        self.orders.get_mut(order).more = self.order_lines.insert(row);
        Ok(())
    }

    /// Joins a reservation with the order that its reference names.
    pub(super) fn join_loaded_order(&mut self, reservation: u32) -> Result<(), LoadError> {
        let row = self.reservations.get(reservation);
        if row.notes == NO_SLOT || self.notes.get(row.notes).kind != NoteKind::Reference {
            return Ok(());
        }
        let number = *self.notes.get(row.notes);
        let is_match = |slot| self.orders.get(slot).number() == number.part();
        let Some(order) = self.order_book.find(number.part(), is_match) else {
            return Err(LoadError::Dangling(Section::Order));
        };
        self.link_to_order(reservation, order);
        Ok(())
    }

    /// Derives and counts all orders, and puts the settled ones in their order.
    pub(super) fn derive_orders(&mut self) -> Result<(), LoadError> {
        self.order_book.with_further_lines.clear();
        let ended = self.order_book.pass(self.now_s());
        assert!(ended == 0, "no order is counted before the first one");
        let slots: Vec<u32> = self.orders.iter().map(|(slot, _)| slot).collect();
        let mut settled = Vec::new();
        for slot in slots {
            self.derive_order(slot);
            let row = *self.orders.get(slot);
            let is_counted = row.settled_number != 0;
            if !self.is_present(&row) || self.has_dangling_lines(slot) || row.is_closed() != is_counted {
                return Err(LoadError::Dangling(Section::Order));
            }
            self.count_order(slot);
            if is_counted {
                settled.push((row.settled_number, slot));
            }
        }
        settled.sort_unstable();
        if !settled.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(LoadError::Dangling(Section::Order));
        }
        for (_, slot) in settled {
            self.append_to_settled(slot);
        }
        self.plan_upkeep();
        Ok(())
    }

    fn has_dangling_lines(&self, order: u32) -> bool {
        let dangles = |line: &crate::ledger::record::OrderLine| {
            !self.has_sku(line.sku) || !self.catalog.has_stock(line.stock)
        };
        self.order_lines_of(order).any(dangles)
    }
}
