//! The records of orders: how they are found, linked with their reservations, counted and read. Rules are not here, and
//! the totals are changed in `moves`.
//!
//! The totals of an order contain what was confirmed. Units of a hold that was never confirmed are read from the
//! reservation as long as its record is kept, so a hold lapses without a change of its order.

use crate::ledger::order_scratch::OrderScratch;
use crate::ledger::record::{
    Booking, EventHead, Events, NoteKind, OrderLine, OrderRow, OrderSums, Record, ReservationRow, Stage,
    Total, Totals,
};
use crate::ledger::state::State;
use crate::table::NO_SLOT;
use std::collections::BTreeMap;
use stockhold_protocol::Deadline;

/// The units of a SKU in a stock of an order, those of its holds included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderUnits {
    pub(crate) totals: Totals,
    /// Units of expired holds.
    pub(crate) lapsed: i64,
}

impl OrderUnits {
    pub(crate) fn open(&self) -> i64 {
        self.totals.open().saturating_sub(self.lapsed)
    }
}

impl State {
    /// The order with this number.
    pub(crate) fn find_order(&self, number: &str) -> Option<u32> {
        let is_match = |slot| {
            let row = self.orders.get(slot);
            row.number() == number.as_bytes() && self.is_present(row)
        };
        self.order_book.find(number.as_bytes(), is_match)
    }

    /// Whether an order has not ended. The record of one that has may still wait for its erasure.
    pub(crate) fn is_present(&self, row: &OrderRow) -> bool {
        row.is_kept() || row.ends_at_s > self.now_s()
    }

    /// The order that a reservation belongs to.
    #[inline]
    pub(crate) fn order_of(&self, reservation: u32) -> Option<u32> {
        let note = self.reservations.get(reservation).notes;
        if note == NO_SLOT {
            return None;
        }
        // The reference comes before the notes of other kinds.
        let note = self.notes.get(note);
        (note.kind == NoteKind::Reference && note.order != NO_SLOT).then_some(note.order)
    }

    /// Makes a reservation one of those of an order.
    pub(crate) fn link_to_order(&mut self, reservation: u32, order: u32) {
        let note = self.reservations.get(reservation).notes;
        let sibling = self.orders.get(order).reservations;
        let note = self.notes.get_mut(note);
        (note.order, note.sibling) = (order, sibling);
        self.orders.get_mut(order).reservations = reservation;
    }

    /// Removes a reservation that is being erased from its order. An order of which nothing was confirmed is erased with
    /// the last one.
    pub(crate) fn unlink_from_order(&mut self, reservation: u32) {
        let Some(order) = self.order_of(reservation) else { return };
        let sibling = |state: &Self, slot: u32| state.notes.get(state.reservations.get(slot).notes).sibling;
        let after = sibling(self, reservation);
        let first = self.orders.get(order).reservations;
        if first == reservation {
            self.orders.get_mut(order).reservations = after;
        } else {
            let mut before = first;
            while sibling(self, before) != reservation {
                before = sibling(self, before);
            }
            let note = self.reservations.get(before).notes;
            self.notes.get_mut(note).sibling = after;
        }
        let row = *self.orders.get(order);
        if row.reservations == NO_SLOT && !row.is_kept() {
            self.order_book.remove(order, row.number());
            self.orders.remove(order);
        }
    }

    /// The reservations of an order whose records are known, the one that joined last first.
    pub(crate) fn reservations_of_order(&self, order: u32) -> impl Iterator<Item = (u32, &ReservationRow)> {
        let at = |slot: u32| (slot != NO_SLOT).then_some(slot);
        let next = move |slot: &u32| at(self.notes.get(self.reservations.get(*slot).notes).sibling);
        std::iter::successors(at(self.orders.get(order).reservations), next)
            .map(|slot| (slot, self.reservations.get(slot)))
            .filter(|(_, row)| row.ends_at_s() == 0 || row.ends_at_s() > self.now_s())
    }

    /// The bytes of the events of an order. `out` is overwritten.
    pub(crate) fn order_events(&self, order: u32, out: &mut Vec<u8>) {
        let row = self.orders.get(order);
        out.clear();
        out.extend_from_slice(row.first_part());
        let mut next = row.more;
        while next != NO_SLOT {
            let part = self.order_parts.get(next);
            out.extend_from_slice(part.bytes());
            next = part.next;
        }
    }

    /// Visits the stored events of an order. Returns their number.
    pub(crate) fn visit_events(&self, order: u32, mut visit: impl FnMut(&EventHead<'_>, &[Booking])) -> u32 {
        let (mut bytes, mut lines, mut bookings) = (Vec::new(), Vec::new(), Vec::new());
        self.order_events(order, &mut bytes);
        let mut events = Events::new(self.orders.get(order).key, &bytes);
        let mut number: u32 = 0;
        loop {
            bookings.clear();
            match events.next_event(&mut lines, |booking| bookings.push(booking)) {
                Ok(Some(head)) => visit(&head, &bookings),
                Ok(None) | Err(_) => return number,
            }
            number = number.saturating_add(1);
        }
    }

    /// Sums the events of an order.
    pub(crate) fn sum_order(&self, order: u32, bytes: &mut Vec<u8>, sums: &mut OrderSums) {
        self.order_events(order, bytes);
        let summed = sums.sum(self.orders.get(order).key, bytes);
        assert!(summed.is_ok(), "this program wrote the events, or checked them when they were loaded");
    }

    /// The sums of an order whose change has begun.
    pub(crate) fn sums_to_change(&mut self, order: u32) -> &mut OrderScratch {
        if self.order_scratch.order != order {
            let mut scratch = std::mem::replace(&mut self.order_scratch, OrderScratch::new());
            self.sum_order(order, &mut scratch.bytes, &mut scratch.sums);
            self.order_scratch = OrderScratch { order, ..scratch };
        }
        &mut self.order_scratch
    }

    /// Encodes an event of an order whose change has begun, and adds it to its sums. The bytes are to be appended to the
    /// order.
    pub(crate) fn encode_event(
        &mut self,
        order: u32,
        head: &EventHead<'_>,
        bookings: impl Iterator<Item = Booking>,
    ) -> Vec<u8> {
        let key = self.orders.get(order).key;
        let scratch = self.sums_to_change(order);
        let mut bytes = std::mem::take(&mut scratch.bytes);
        bytes.clear();
        scratch.sums.put_event(key, head, bookings, &mut bytes);
        bytes
    }

    /// Keeps the buffer of [`State::encode_event`] for the next event.
    pub(crate) fn keep_event_buffer(&mut self, bytes: Vec<u8>) {
        self.order_scratch.bytes = bytes;
    }

    /// Notes that an order has no events yet, so that none are read.
    pub(crate) fn begin_new_order(&mut self, order: u32) {
        self.order_scratch.sums.clear();
        self.order_scratch.order = order;
    }

    /// The lines of an order: the units that were confirmed.
    pub(crate) fn order_lines_of(&self, order: u32) -> Vec<OrderLine> {
        let (mut bytes, mut sums) = (Vec::new(), OrderSums::default());
        self.sum_order(order, &mut bytes, &mut sums);
        sums.lines
    }

    /// How many lines an order has, those of its holds included.
    pub(crate) fn count_order_lines(&self, order: u32) -> usize {
        let held = self.reservations_of_order(order).filter(|(_, row)| is_hold(row));
        let held = held.map(|(_, row)| usize::from(row.grant().lines)).fold(0, usize::saturating_add);
        held.saturating_add(self.order_lines_of(order).len())
    }

    /// The units of an order by stock and SKU, those of its holds included.
    pub(crate) fn units_of_order(&self, order: u32) -> BTreeMap<(u32, u32), OrderUnits> {
        let mut units: BTreeMap<(u32, u32), OrderUnits> = BTreeMap::new();
        for line in self.order_lines_of(order) {
            units.entry((line.stock, line.sku)).or_default().totals = line.totals;
        }
        let mut lines = Vec::new();
        for (slot, row) in self.reservations_of_order(order).filter(|(_, row)| is_hold(row)) {
            self.lines_of(slot, &mut lines);
            for line in &lines {
                let units = units.entry((row.stock, line.sku)).or_default();
                units.totals.add(Total::Ordered, line.granted);
                units.totals.add(Total::Cancelled, line.granted.saturating_sub(line.open));
                if self.has_lapsed(row) {
                    units.lapsed = units.lapsed.saturating_add(line.open);
                }
            }
        }
        units
    }

    /// Whether the units of a hold are no longer promised because its deadline has passed.
    pub(crate) fn has_lapsed(&self, row: &ReservationRow) -> bool {
        row.stage() == Stage::Held && Deadline(row.deadline_s).has_passed(self.hold_time())
    }

    /// The sum of the hashes of an order and the further parts of its events.
    pub(crate) fn order_hash(&mut self, order: u32) -> u64 {
        let row = self.orders.get(order);
        let (mut sum, mut next) = (row.hash(&mut self.scratch), row.more);
        while next != NO_SLOT {
            let part = self.order_parts.get(next);
            sum = sum.wrapping_add(part.hash(&mut self.scratch));
            next = part.next;
        }
        sum
    }

    /// Takes an order out of the digest, the counts and the list of settled orders. It must be called before the order or
    /// one of its reservations changes.
    pub(crate) fn begin_order_change(&mut self, order: u32) {
        let hash = self.order_hash(order);
        self.digest.sub(hash);
        let (row, now_s) = (*self.orders.get(order), self.now_s());
        self.order_book.uncount(&row, hash, now_s);
        if row.is_closed() {
            self.take_from_settled(order);
        }
    }

    /// Counts an order after it or its reservations have changed. If no confirmed units are open, it becomes the last
    /// of the settled orders.
    pub(crate) fn end_order_change(&mut self, order: u32) {
        self.derive_order(order);
        self.order_scratch.order = NO_SLOT;
        if self.orders.get(order).is_closed() {
            self.add_to_settled(order);
        }
        self.count_order(order);
        self.plan_upkeep();
    }

    /// Adds an order to the digest and the counts.
    pub(crate) fn count_order(&mut self, order: u32) {
        let hash = self.order_hash(order);
        self.digest.add(hash);
        let now_s = self.now_s();
        self.order_book.count(self.orders.get(order), hash, now_s);
    }

    /// Computes the fields of an order that follow from its lines and reservations.
    pub(crate) fn derive_order(&mut self, order: u32) {
        let (mut held_until_s, mut ends_at_s) = (0, 0);
        for (_, row) in self.reservations_of_order(order) {
            ends_at_s = ends_at_s.max(row.ends_at_s());
            // A hold has open units. Without any, it would be released.
            if row.stage() == Stage::Held && !self.has_lapsed(row) {
                held_until_s = held_until_s.max(row.deadline_s);
            }
        }
        self.mark_to_check(order);
        let sums = &self.sums_to_change(order).sums;
        let open_lines = sums.lines.iter().filter(|line| line.totals.open() > 0).count();
        let row = self.orders.get_mut(order);
        row.open_lines = u32::try_from(open_lines).unwrap_or(u32::MAX);
        row.held_until_s = held_until_s;
        row.ends_at_s = if row.is_kept() { 0 } else { ends_at_s };
    }

    fn add_to_settled(&mut self, order: u32) {
        let last = self.order_book.newest;
        let number = if last == NO_SLOT { 1 } else { self.orders.get(last).settled_number.saturating_add(1) };
        let row = self.orders.get_mut(order);
        (row.settled_number, row.settled_ms) = (number, self.core.time.0);
        self.append_to_settled(order);
    }

    /// Appends an order to the list of settled orders.
    pub(crate) fn append_to_settled(&mut self, order: u32) {
        let last = std::mem::replace(&mut self.order_book.newest, order);
        let row = self.orders.get_mut(order);
        (row.older, row.newer) = (last, NO_SLOT);
        match last {
            NO_SLOT => self.order_book.oldest = order,
            last => self.orders.get_mut(last).newer = order,
        }
    }

    fn take_from_settled(&mut self, order: u32) {
        let row = self.orders.get_mut(order);
        let (older, newer) = (row.older, row.newer);
        (row.older, row.newer) = (NO_SLOT, NO_SLOT);
        (row.settled_number, row.settled_ms) = (0, 0);
        match older {
            NO_SLOT => self.order_book.oldest = newer,
            older => self.orders.get_mut(older).newer = newer,
        }
        match newer {
            NO_SLOT => self.order_book.newest = older,
            newer => self.orders.get_mut(newer).older = older,
        }
    }

    /// Erases a settled order, none of whose reservations is known any more.
    pub(crate) fn erase_order(&mut self, order: u32) {
        self.begin_order_change(order);
        let mut reservation = self.orders.get(order).reservations;
        // Their records only wait for their erasure.
        while reservation != NO_SLOT {
            let note = self.reservations.get(reservation).notes;
            let note = self.notes.get_mut(note);
            note.order = NO_SLOT;
            reservation = std::mem::replace(&mut note.sibling, NO_SLOT);
        }
        let row = self.orders.remove(order);
        self.order_book.remove(order, row.number());
        self.order_book.to_check.remove(&row.key);
        let mut part = row.more;
        while part != NO_SLOT {
            part = self.order_parts.remove(part).next;
        }
    }

    /// Whether a settled order has a reservation whose record is known.
    pub(crate) fn has_known_reservation(&self, order: u32) -> bool {
        self.reservations_of_order(order).next().is_some()
    }

    /// Computes the op time before which no settled order ends.
    pub(crate) fn plan_upkeep(&mut self) {
        let (book, configuration) = (&self.order_book, &self.core.configuration);
        let is_full = book.len() >= configuration.orders_max;
        let age_ms =
            if is_full { configuration.order_retention_min_ms } else { configuration.order_retention_ms };
        self.order_book.upkeep_ms = match book.oldest {
            NO_SLOT => u64::MAX,
            oldest => self.orders.get(oldest).settled_ms.saturating_add(age_ms),
        };
    }
}

/// Whether a reservation is a hold that was never confirmed and was not replaced. Its units are not part of the totals of
/// its order.
pub(crate) fn is_hold(row: &ReservationRow) -> bool {
    row.deadline_s != 0 && row.stage() != Stage::Replaced
}
