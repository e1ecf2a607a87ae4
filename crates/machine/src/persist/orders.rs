//! Loading the orders of a snapshot, and joining them with their reservations.

use super::load::LoadError;
use crate::ledger::record::{
    NO_ORDER, NoteKind, OrderLine, OrderPartRow, OrderRow, OrderSums, PART_BYTES, Section,
};
use crate::ledger::state::State;
use crate::table::NO_SLOT;
use std::collections::BTreeSet;

impl State {
    pub(super) fn load_order(&mut self, row: OrderRow) -> Result<(), LoadError> {
        let slot = self.orders.insert(row);
        self.order_book.insert(slot, &self.orders);
        if row.further_parts() > 0 && self.order_book.with_further_parts.insert(row.key, slot).is_some() {
            return Err(LoadError::Dangling(Section::Order));
        }
        Ok(())
    }

    pub(super) fn load_order_part(&mut self, mut row: OrderPartRow) -> Result<(), LoadError> {
        let Some(order) = self.order_book.with_further_parts.get(&row.order).copied() else {
            return Err(LoadError::Dangling(Section::OrderPart));
        };
        // Parts may have any order in a snapshot.
        let (mut before, mut next) = (NO_SLOT, self.orders.get(order).more);
        while next != NO_SLOT && self.order_parts.get(next).at < row.at {
            (before, next) = (next, self.order_parts.get(next).next);
        }
        row.next = next;
        let slot = self.order_parts.insert(row);
        match before {
            NO_SLOT => self.orders.get_mut(order).more = slot,
            before => self.order_parts.get_mut(before).next = slot,
        }
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
        self.order_book.with_further_parts.clear();
        let ended = self.order_book.pass(self.now_s());
        assert!(ended == 0, "no order is counted before the first one");
        let slots: Vec<u32> = self.orders.iter().map(|(slot, _)| slot).collect();
        let mut settled = Vec::new();
        for slot in slots {
            if self.has_bad_events(slot) {
                return Err(LoadError::Dangling(Section::Order));
            }
            self.derive_order(slot);
            let row = *self.orders.get(slot);
            let is_counted = row.settled_number != 0;
            if !self.is_present(&row) || row.is_closed() != is_counted {
                return Err(LoadError::Dangling(Section::Order));
            }
            self.count_order(slot);
            if is_counted {
                settled.push((row.settled_number, slot));
            }
        }
        if self.has_orphaned_units() {
            return Err(LoadError::Dangling(Section::Unreserved));
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

    /// Whether units without a reservation name an order that does not exist.
    fn has_orphaned_units(&self) -> bool {
        let mut keys: BTreeSet<u64> = self.unreserved_by_key.keys().map(|(order, _, _)| *order).collect();
        keys.remove(&NO_ORDER);
        if !keys.is_empty() {
            self.orders.iter().for_each(|(_, row)| {
                keys.remove(&row.key);
            });
        }
        !keys.is_empty()
    }

    /// Whether the events of an order are incomplete, cannot be decoded, or have totals that no order can have.
    fn has_bad_events(&self, order: u32) -> bool {
        let row = self.orders.get(order);
        let (mut parts, mut next) = (0_usize, row.more);
        while next != NO_SLOT {
            let part = self.order_parts.get(next);
            let is_last = part.next == NO_SLOT;
            if usize::from(part.at) != parts || !is_last && part.bytes().len() != PART_BYTES {
                return true;
            }
            parts = parts.saturating_add(1);
            next = part.next;
        }
        let (mut bytes, mut sums) = (Vec::new(), OrderSums::default());
        self.order_events(order, &mut bytes);
        let is_bad = |line: &OrderLine| {
            !line.totals.is_sound() || !self.has_sku(line.sku) || !self.catalog.has_stock(line.stock)
        };
        parts != row.further_parts()
            || u32::try_from(bytes.len()) != Ok(row.event_bytes)
            || sums.sum(row.key, &bytes).is_err()
            || sums.lines.iter().any(is_bad)
    }
}
