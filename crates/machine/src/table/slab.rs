//! `Slab`: records of one kind in fixed chunks, addressed by slot, with a snapshot of one instant while
//! they go on changing.
//!
//! A snapshot copies no chunk. The first change of a record that the walk has not reached yet puts the *old
//! value of that record* aside, so one change costs one record however scattered the changes are; a copy
//! per chunk would make a batch of scattered changes copy half the state at once. The next step of the walk
//! visits what was put aside before it goes on, so no more is ever held than was changed between two steps
//! (if a step's budget is larger than that).
//!
//! ```text
//! slots of the mark: [ visited | first change puts the old value aside ] slots made after the mark
//!                              ^ cursor                                ^ cursor + slots_left
//! ```
//! The order of visits means nothing.
//!
//! Not for order: slots are reused last-in first-out, and no outcome may depend on them.

use super::Progress;
use super::rows::Rows;

/// Records by slot. See the module for how snapshots work.
#[derive(Debug)]
pub struct Slab<T: Copy> {
    rows: Rows<T>,
    /// One bit per slot: whether it holds a record.
    live: Rows<u64>,
    /// Slots to use again, the last freed first.
    free: Rows<u32>,
    len: u32,
    walk: Walk<T>,
}

/// The snapshot under way; without one `slots_left` is 0, so that a change pays one comparison.
#[derive(Debug)]
struct Walk<T: Copy> {
    active: bool,
    /// Slots of the mark below this one are visited.
    cursor: u32,
    /// Slots of the mark from the cursor on.
    slots_left: u32,
    /// One bit per slot of the mark: changed since, before the walk came. A slot that is not is as it was.
    changed: Vec<u64>,
    /// What changed slots held at the mark, to be visited next.
    saved: Rows<T>,
}

impl<T: Copy> Walk<T> {
    const NONE: Self =
        Self { active: false, cursor: 0, slots_left: 0, changed: Vec::new(), saved: Rows::new() };
}

impl<T: Copy> Slab<T> {
    /// An empty slab; it allocates nothing.
    pub const fn new() -> Self {
        Self { rows: Rows::new(), live: Rows::new(), free: Rows::new(), len: 0, walk: Walk::NONE }
    }

    /// Records in the slab.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Slots in use or used before: a bound for walking over them.
    pub const fn slots(&self) -> u32 {
        self.rows.len()
    }

    /// Whether the slab holds no record.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts a record into the slot freed last, or into a new one. The caller bounds the count of records.
    pub fn insert(&mut self, record: T) -> u32 {
        let slot = if let Some(slot) = self.free.pop() {
            self.before_change(slot);
            *self.rows.get_mut(slot) = record;
            slot
        } else {
            let slot = self.rows.push(record);
            if slot.is_multiple_of(u64::BITS) {
                self.live.push(0);
            }
            slot
        };
        *self.live.get_mut(word_of(slot)) |= bit_of(slot);
        self.len += 1;
        slot
    }

    /// The record in this slot. The slot must hold one; only debug builds pay for the test, since it would
    /// cost another cache line.
    #[inline]
    pub fn get(&self, slot: u32) -> &T {
        debug_assert!(self.contains(slot));
        self.rows.get(slot)
    }

    /// The record in this slot, to change it. The slot must hold one.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut T {
        debug_assert!(self.contains(slot));
        self.before_change(slot);
        self.rows.get_mut(slot)
    }

    /// Takes the record out of this slot, which must hold one.
    pub fn remove(&mut self, slot: u32) -> T {
        assert!(self.contains(slot), "a slot is freed once");
        self.before_change(slot);
        *self.live.get_mut(word_of(slot)) &= !bit_of(slot);
        self.free.push(slot);
        self.len -= 1;
        *self.rows.get(slot)
    }

    /// Whether this slot holds a record.
    pub fn contains(&self, slot: u32) -> bool {
        slot < self.rows.len() && self.live.get(word_of(slot)) & bit_of(slot) != 0
    }

    /// All records with their slots, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0..self.live.len())
            .flat_map(|word| Bits(*self.live.get(word)).map(move |bit| word * u64::BITS + bit));
        slots.map(|slot| (slot, self.rows.get(slot)))
    }

    /// Heap bytes taken, those of a snapshot under way included.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.live.bytes() + self.free.bytes() + self.snapshot_bytes()
    }

    /// Marks this instant: the walk of [`copy_next`](Self::copy_next) visits the records as they are now. One
    /// snapshot at a time.
    pub fn begin_snapshot(&mut self) {
        assert!(!self.walk.active, "one snapshot at a time");
        // Zeroed memory comes from the system page by page as it is touched, so this is no pause.
        let changed = vec![0; self.live.len() as usize];
        self.walk = Walk { active: true, slots_left: self.rows.len(), changed, ..Walk::NONE };
    }

    /// Whether a snapshot is under way.
    pub const fn in_snapshot(&self) -> bool {
        self.walk.active
    }

    /// Records put aside that the next steps of the walk visit first: a caller that sees them pile up gives
    /// larger budgets.
    pub const fn saved_len(&self) -> u32 {
        self.walk.saved.len()
    }

    /// Heap bytes that the snapshot under way takes: a bit per slot, and what is put aside.
    pub fn snapshot_bytes(&self) -> usize {
        size_of_val(&*self.walk.changed) + self.walk.saved.bytes()
    }

    /// Visits up to `budget` records as they were at the mark (64 slots with nothing to visit cost as much as
    /// one record). `Done` ends the snapshot.
    ///
    /// To give a snapshot up, walk on with a visitor that does nothing.
    pub fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> Progress {
        let mut left = budget;
        while left > 0 {
            if let Some(record) = self.walk.saved.pop() {
                visit(&record);
                left -= 1;
            } else if self.walk.slots_left > 0 {
                left = self.visit_word_in_place(left, visit);
            } else {
                break;
            }
        }
        if self.walk.slots_left > 0 || !self.walk.saved.is_empty() {
            return Progress::More;
        }
        self.walk = Walk::NONE;
        Progress::Done
    }

    /// Visits what is unchanged in the word of slots under the cursor; returns the budget that is left.
    fn visit_word_in_place(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> u32 {
        let cursor = self.walk.cursor;
        let slots_end = cursor + self.walk.slots_left;
        let word_start = cursor - cursor % u64::BITS;
        let word_end = slots_end.min(word_start.saturating_add(u64::BITS));
        // An unchanged slot holds a record now if and only if it did at the mark.
        let mut pending = self.live.get(word_of(cursor)) & !self.walk.changed[word_of(cursor) as usize];
        pending &= u64::MAX << (cursor - word_start);
        pending &= u64::MAX >> (u64::BITS - (word_end - word_start));
        if pending == 0 {
            self.advance_to(word_end);
            return budget - 1;
        }
        let mut left = budget;
        for bit in Bits(pending) {
            if left == 0 {
                // The cursor stands behind the last record visited, so the rest of the word is found again.
                return 0;
            }
            visit(self.rows.get(word_start + bit));
            self.advance_to(word_start + bit + 1);
            left -= 1;
        }
        self.advance_to(word_end);
        left
    }

    fn advance_to(&mut self, cursor: u32) {
        self.walk.slots_left -= cursor - self.walk.cursor;
        self.walk.cursor = cursor;
    }

    #[inline]
    fn before_change(&mut self, slot: u32) {
        if slot.wrapping_sub(self.walk.cursor) < self.walk.slots_left {
            self.save(slot);
        }
    }

    /// Puts the record of a slot of the mark aside, if this is its first change and it held one.
    #[cold]
    #[inline(never)]
    fn save(&mut self, slot: u32) {
        let changed = &mut self.walk.changed[word_of(slot) as usize];
        if *changed & bit_of(slot) != 0 {
            return;
        }
        *changed |= bit_of(slot);
        if self.contains(slot) {
            self.walk.saved.push(*self.rows.get(slot));
        }
    }

    /// Frees some of the slab, records included: how one that nobody reads any more goes away in bounded
    /// steps. It must not be used after that.
    pub fn drop_chunk(&mut self) -> Progress {
        assert!(!self.walk.active, "a slab under a snapshot stays");
        self.len = 0;
        if self.rows.drop_chunk() == Progress::More || self.free.drop_chunk() == Progress::More {
            return Progress::More;
        }
        self.live.drop_chunk()
    }
}

impl<T: Copy> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

const fn word_of(slot: u32) -> u32 {
    slot / u64::BITS
}

const fn bit_of(slot: u32) -> u64 {
    1 << (slot % u64::BITS)
}

/// The numbers of the set bits of a word, the lowest first.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
