//! `Slab`: records of one kind in fixed chunks, addressed by slot, with a snapshot of one instant while
//! they go on changing.
//!
//! A snapshot copies no chunk. The first change of a record that the walk has not reached yet puts the *old
//! value of that record* aside, so one change costs one record however scattered the changes are; a copy
//! per chunk would make a batch of scattered changes copy half the state at once.
//!
//! ```text
//! slots of the mark: [ visited | first change puts the old value aside ] slots made after the mark
//!                              ^ cursor                                ^ cursor + slots_left
//! ```
//! Within a chunk the walk visits what is unchanged in place, then what was put aside, then frees it. The
//! order of visits means nothing.
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
    /// Slots of the mark below this one are visited, or put aside in their chunk's `saved`.
    cursor: u32,
    /// Slots of the mark from the cursor on.
    slots_left: u32,
    /// The chunk being walked; all before it are done, what was put aside included.
    chunk: u32,
    /// What was put aside, by chunk of the mark.
    saved: Vec<Option<Box<Saved<T>>>>,
    saved_bytes: usize,
}

/// What a chunk was at the mark, where it differs from what it is now.
#[derive(Debug)]
struct Saved<T: Copy> {
    /// Liveness bits at the mark.
    live: Box<[u64]>,
    /// Slots changed since the mark.
    changed: Box<[u64]>,
    /// Old values of the changed slots that were live at the mark.
    old: Vec<T>,
}

impl<T: Copy> Saved<T> {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.live)
            + size_of_val(&*self.changed)
            + self.old.capacity() * size_of::<T>()
    }
}

impl<T: Copy> Slab<T> {
    const WORDS_PER_CHUNK: u32 = Rows::<T>::CHUNK_ROWS / u64::BITS;

    /// An empty slab; it allocates nothing.
    pub const fn new() -> Self {
        let walk =
            Walk { active: false, cursor: 0, slots_left: 0, chunk: 0, saved: Vec::new(), saved_bytes: 0 };
        Self { rows: Rows::new(), live: Rows::new(), free: Rows::new(), len: 0, walk }
    }

    /// Records in the slab.
    pub const fn len(&self) -> u32 {
        self.len
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

    /// Heap bytes taken, those put aside for a snapshot included.
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
            + self.live.bytes()
            + self.free.bytes()
            + self.saved_bytes()
            + self.walk.saved.capacity() * size_of::<Option<Box<Saved<T>>>>()
    }

    /// Marks this instant: the walk of [`copy_next`](Self::copy_next) visits the records as they are now.
    /// One snapshot at a time.
    pub fn begin_snapshot(&mut self) {
        assert!(!self.walk.active, "one snapshot at a time");
        let slots = self.rows.len();
        let chunks = slots.div_ceil(Rows::<T>::CHUNK_ROWS) as usize;
        let mut saved = Vec::with_capacity(chunks);
        saved.resize_with(chunks, || None);
        self.walk = Walk { active: true, cursor: 0, slots_left: slots, chunk: 0, saved, saved_bytes: 0 };
    }

    /// Whether a snapshot is under way.
    pub const fn in_snapshot(&self) -> bool {
        self.walk.active
    }

    /// Bytes put aside for the snapshot under way: what a caller watches to walk faster.
    pub const fn saved_bytes(&self) -> usize {
        self.walk.saved_bytes
    }

    /// Visits up to `budget` records as they were at the mark (64 empty slots cost as much as one record).
    /// `Done` ends the snapshot.
    ///
    /// To give a snapshot up, walk on with a visitor that does nothing: that frees what was put aside in
    /// bounded steps too.
    pub fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> Progress {
        let mut left = budget;
        while (self.walk.chunk as usize) < self.walk.saved.len() {
            if left == 0 {
                return Progress::More;
            }
            let slots_end = self.walk.cursor + self.walk.slots_left;
            let chunk_end = slots_end.min((self.walk.chunk + 1).saturating_mul(Rows::<T>::CHUNK_ROWS));
            left = if self.walk.cursor < chunk_end {
                self.visit_word_in_place(chunk_end, left, visit)
            } else {
                self.visit_saved(left, visit)
            };
        }
        self.walk =
            Walk { active: false, cursor: 0, slots_left: 0, chunk: 0, saved: Vec::new(), saved_bytes: 0 };
        Progress::Done
    }

    /// Visits what is unchanged in the word of slots under the cursor; returns the budget that is left.
    fn visit_word_in_place(&mut self, chunk_end: u32, budget: u32, visit: &mut impl FnMut(&T)) -> u32 {
        let cursor = self.walk.cursor;
        let word_start = cursor - cursor % u64::BITS;
        let word_end = chunk_end.min(word_start.saturating_add(u64::BITS));
        let mut pending = match &self.walk.saved[self.walk.chunk as usize] {
            Some(saved) => {
                let word = (word_of(cursor) % Self::WORDS_PER_CHUNK) as usize;
                saved.live[word] & !saved.changed[word]
            }
            None => *self.live.get(word_of(cursor)),
        };
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

    /// Visits what was put aside in the current chunk, frees it when nothing is left of it, and goes to the
    /// next chunk.
    fn visit_saved(&mut self, budget: u32, visit: &mut impl FnMut(&T)) -> u32 {
        let mut left = budget;
        let entry = &mut self.walk.saved[self.walk.chunk as usize];
        if let Some(saved) = entry {
            while left > 0 {
                let Some(record) = saved.old.pop() else { break };
                visit(&record);
                left -= 1;
            }
            if !saved.old.is_empty() {
                return left;
            }
            self.walk.saved_bytes -= saved.bytes();
            *entry = None;
        }
        self.walk.chunk += 1;
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

    /// Puts the record of a slot of the mark aside, if this is its first change.
    #[cold]
    #[inline(never)]
    fn save(&mut self, slot: u32) {
        let chunk = slot >> Rows::<T>::CHUNK_SHIFT;
        let entry = &mut self.walk.saved[chunk as usize];
        let bytes_before = entry.as_ref().map_or(0, |saved| saved.bytes());
        let first_word = chunk * Self::WORDS_PER_CHUNK;
        let live = &self.live;
        let saved = entry.get_or_insert_with(|| {
            let words = first_word..live.len().min(first_word + Self::WORDS_PER_CHUNK);
            let live: Box<[u64]> = words.map(|word| *live.get(word)).collect();
            let changed = vec![0; live.len()].into_boxed_slice();
            Box::new(Saved { live, changed, old: Vec::new() })
        });
        let word = (word_of(slot) - first_word) as usize;
        if saved.changed[word] & bit_of(slot) == 0 {
            saved.changed[word] |= bit_of(slot);
            if saved.live[word] & bit_of(slot) != 0 {
                saved.old.push(*self.rows.get(slot));
            }
        }
        self.walk.saved_bytes += saved.bytes() - bytes_before;
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
