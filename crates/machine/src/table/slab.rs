//! `Slab`: records of one kind in fixed chunks, addressed by slot. A snapshot contains the records of one
//! instant, while the records continue to change.
//!
//! A snapshot copies no chunks. The first change of a record that the snapshot has not visited yet saves the
//! *old value of that record*. So one change costs one record, however scattered the changes are. A copy per
//! chunk would make a batch of scattered changes copy half of the state at once. The next step of the
//! snapshot visits the saved records before it continues. So the number of saved records never exceeds the
//! number of changes between two steps, as long as the budget of a step is larger than that.
//!
//! ```text
//! slots at the beginning: [ visited | first change saves the old value ] slots added later
//!                                   ^ cursor                           ^ cursor + slots_left
//! ```
//! The order of visits has no meaning.
//!
//! Slots have no meaningful order either: they are reused last-in first-out, and no outcome may depend on
//! them.

use super::Progress;
use super::rows::Rows;

/// Records by slot. The module documentation describes how snapshots work.
#[derive(Debug)]
pub struct Slab<T: Copy> {
    rows: Rows<T>,
    /// One bit per slot: whether it contains a record.
    live: Rows<u64>,
    /// Free slots; the slot that was freed last is used first.
    free: Rows<u32>,
    len: u32,
    snapshot: Snapshot<T>,
}

/// The snapshot in progress. `slots_left` is 0 if there is none, so a change costs one comparison.
#[derive(Debug)]
struct Snapshot<T: Copy> {
    active: bool,
    /// Slots below this one were visited.
    cursor: u32,
    /// The number of slots from the cursor on that existed when the snapshot began.
    slots_left: u32,
    /// One bit per slot: the record was changed after the snapshot began and before it was visited.
    changed: Vec<u64>,
    /// The old values of changed slots. They are visited next.
    saved: Rows<T>,
}

impl<T: Copy> Snapshot<T> {
    const NONE: Self =
        Self { active: false, cursor: 0, slots_left: 0, changed: Vec::new(), saved: Rows::new() };
}

impl<T: Copy> Slab<T> {
    /// An empty slab; it allocates nothing.
    pub const fn new() -> Self {
        Self { rows: Rows::new(), live: Rows::new(), free: Rows::new(), len: 0, snapshot: Snapshot::NONE }
    }

    /// The number of records.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// The number of slots that are or were in use: a bound for iteration.
    pub const fn slots(&self) -> u32 {
        self.rows.len()
    }

    /// Whether the slab contains no records.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores a record in the slot that was freed last, or in a new one. The caller must bound the number
    /// of records.
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

    /// The record in this slot, which must contain one. Only debug builds check this, because the check
    /// would read another cache line.
    #[inline]
    pub fn get(&self, slot: u32) -> &T {
        debug_assert!(self.contains(slot));
        self.rows.get(slot)
    }

    /// The record in this slot, to be changed. The slot must contain one.
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> &mut T {
        debug_assert!(self.contains(slot));
        self.before_change(slot);
        self.rows.get_mut(slot)
    }

    /// Removes the record in this slot, which must contain one.
    pub fn remove(&mut self, slot: u32) -> T {
        assert!(self.contains(slot), "a freed slot contains a record");
        self.before_change(slot);
        *self.live.get_mut(word_of(slot)) &= !bit_of(slot);
        self.free.push(slot);
        self.len -= 1;
        *self.rows.get(slot)
    }

    /// Whether this slot contains a record.
    pub fn contains(&self, slot: u32) -> bool {
        slot < self.rows.len() && self.live.get(word_of(slot)) & bit_of(slot) != 0
    }

    /// All records with their slots, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = (0..self.live.len())
            .flat_map(|word| Bits(*self.live.get(word)).map(move |bit| word * u64::BITS + bit));
        slots.map(|slot| (slot, self.rows.get(slot)))
    }

    /// Heap bytes in use, including those of a snapshot in progress.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.live.bytes() + self.free.bytes() + self.snapshot_bytes()
    }

    /// Begins a snapshot of this instant: [`copy_next`](Self::copy_next) visits the records as they are
    /// now. Only one snapshot may be in progress.
    pub fn begin_snapshot(&mut self) {
        assert!(!self.snapshot.active, "one snapshot at a time");
        // The system provides zeroed memory page by page when it is first touched, so this causes no pause.
        let changed = vec![0; self.live.len() as usize];
        self.snapshot = Snapshot { active: true, slots_left: self.rows.len(), changed, ..Snapshot::NONE };
    }

    /// Whether a snapshot is in progress.
    pub const fn in_snapshot(&self) -> bool {
        self.snapshot.active
    }

    /// The number of saved records that the next steps visit first. A caller that sees it grow should use
    /// larger budgets.
    pub const fn saved_len(&self) -> u32 {
        self.snapshot.saved.len()
    }

    /// Heap bytes of the snapshot in progress: one bit per slot, and the saved records.
    pub fn snapshot_bytes(&self) -> usize {
        size_of_val(&*self.snapshot.changed) + self.snapshot.saved.bytes()
    }

    /// Visits up to `budget` records as they were when the snapshot began. 64 slots without a record to
    /// visit cost as much as one record. `Done` ends the snapshot.
    ///
    /// To abort a snapshot, continue with a visitor that does nothing.
    pub fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> Progress {
        let mut left = budget;
        while left > 0 {
            if let Some(record) = self.snapshot.saved.pop() {
                visit(&record);
                left -= 1;
            } else if self.snapshot.slots_left > 0 {
                left = self.visit_word_in_place(left, visit);
            } else {
                break;
            }
        }
        if self.snapshot.slots_left > 0 || !self.snapshot.saved.is_empty() {
            return Progress::More;
        }
        self.snapshot = Snapshot::NONE;
        Progress::Done
    }

    /// Visits the unchanged records among the 64 slots at the cursor. Returns the budget that is left.
    fn visit_word_in_place(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> u32 {
        let cursor = self.snapshot.cursor;
        let slots_end = cursor + self.snapshot.slots_left;
        let word_start = cursor - cursor % u64::BITS;
        let word_end = slots_end.min(word_start.saturating_add(u64::BITS));
        // An unchanged slot contains a record now if and only if it did when the snapshot began.
        let mut pending = self.live.get(word_of(cursor)) & !self.snapshot.changed[word_of(cursor) as usize];
        pending &= u64::MAX << (cursor - word_start);
        pending &= u64::MAX >> (u64::BITS - (word_end - word_start));
        if pending == 0 {
            self.advance_to(word_end);
            return budget - 1;
        }
        let mut left = budget;
        for bit in Bits(pending) {
            if left == 0 {
                // The cursor is just behind the last record visited, so the next call continues with the
                // rest of the word.
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
        self.snapshot.slots_left -= cursor - self.snapshot.cursor;
        self.snapshot.cursor = cursor;
    }

    #[inline]
    fn before_change(&mut self, slot: u32) {
        if slot.wrapping_sub(self.snapshot.cursor) < self.snapshot.slots_left {
            self.save(slot);
        }
    }

    /// Saves the record of a slot, if this is its first change in this snapshot and it contains a record.
    #[cold]
    #[inline(never)]
    fn save(&mut self, slot: u32) {
        let changed = &mut self.snapshot.changed[word_of(slot) as usize];
        if *changed & bit_of(slot) != 0 {
            return;
        }
        *changed |= bit_of(slot);
        if self.contains(slot) {
            self.snapshot.saved.push(*self.rows.get(slot));
        }
    }

    /// Frees a part of the slab with its records. A slab that is no longer needed is freed in bounded steps
    /// by repeated calls. It must not be used after the first one.
    pub fn drop_chunk(&mut self) -> Progress {
        assert!(!self.snapshot.active, "a slab is not freed while a snapshot is in progress");
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

/// The positions of the set bits of a word, the lowest first.
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
