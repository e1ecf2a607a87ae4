//! `Generations`: entries that are kept for a period of time and then dropped together. The machine keeps
//! its recorded outcomes in one.
//!
//! A generation is an append-only list of small entries, their index, and an arena for data that does not
//! fit into an entry. Dropping the oldest generation makes its entries invisible at once. Its memory is
//! freed afterwards in bounded steps, and not before a snapshot that covers it has copied it. Entries never
//! change, so the mark of a snapshot is one count per generation.
//!
//! An entry whose content can be computed from one of the caller's records needs no row. It is stored as a
//! *reference*: the slot of that record. A reference counts like any other entry. When the record is
//! removed, the caller replaces the reference by a row. When the generation is dropped first, the caller
//! takes the slots back, a few at a time. The caller writes references to snapshots itself.
//!
//! This module does not decide when a generation is dropped, or what its number means: the caller computes
//! numbers (client time divided by a period) and drops generations.

use std::collections::VecDeque;

use super::Progress;
use super::arena::Arena;
use super::digest::Digest;
pub use super::generation::{ENTRY_BYTES, Entry, Key};
use super::generation::{Generation, REFERENCE, entry_of};

/// The most generations that are alive at the same time. The caller's range of numbers must be smaller.
pub const GENERATIONS_MAX: usize = 8192;

/// Entries by generation. See the module documentation.
#[derive(Debug)]
pub struct Generations<E: Copy> {
    /// The generations that are alive, ordered by number.
    alive: VecDeque<Box<Generation<E>>>,
    /// Dropped generations whose memory is not freed yet, ordered by number.
    dropped: VecDeque<Box<Generation<E>>>,
    /// Generations below this number were dropped and cannot be created again.
    number_min: u64,
    entries: u64,
    bytes_counted: u64,
    snapshot: Snapshot,
}

/// The snapshot in progress: the generations that are still to be copied. Of the first one, `visited`
/// entries are done.
#[derive(Debug, Default)]
struct Snapshot {
    active: bool,
    marks: VecDeque<Mark>,
    visited: u32,
}

/// The number of entries of a generation when the snapshot began.
#[derive(Debug, Clone, Copy)]
struct Mark {
    number: u64,
    entries: u32,
}

/// What a dropped generation contained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedGeneration {
    /// Its number.
    pub number: u64,
    /// The number of its entries.
    pub entries: u32,
    /// Its counted bytes.
    pub bytes_counted: u64,
    /// The sum of the hashes that were added to it.
    pub digest: Digest,
}

impl<E: Copy> Generations<E> {
    const ENTRY_FITS: () =
        assert!(size_of::<E>() as u64 <= ENTRY_BYTES, "an entry is not larger than its counted size");

    /// Without any generation.
    pub const fn new() -> Self {
        let () = Self::ENTRY_FITS;
        let snapshot = Snapshot { active: false, marks: VecDeque::new(), visited: 0 };
        Self {
            alive: VecDeque::new(),
            dropped: VecDeque::new(),
            number_min: 0,
            entries: 0,
            bytes_counted: 0,
            snapshot,
        }
    }

    /// The number of entries of all generations that are alive.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The number of references among the entries that are alive. The cost is one step per generation.
    pub fn references(&self) -> u64 {
        self.alive.iter().map(|generation| u64::from(generation.entries - generation.rows.len())).sum()
    }

    /// The counted size: 32 bytes per entry, plus the side bytes with their length prefixes. It is the same
    /// for the same records in any order, so rules may depend on it.
    pub const fn bytes_counted(&self) -> u64 {
        self.bytes_counted
    }

    /// Whether an entry can be inserted into the generation with this number: it was not dropped, and the
    /// limit of generations is not exceeded.
    pub fn has_room_for(&self, number: u64) -> bool {
        number >= self.number_min && (self.alive.len() < GENERATIONS_MAX || self.generation(number).is_some())
    }

    /// Heap bytes in use, including dropped generations that are not freed yet. The cost is one step per
    /// generation.
    pub fn bytes(&self) -> usize {
        self.alive.iter().chain(&self.dropped).map(|generation| generation.bytes()).sum()
    }

    /// The number of generations that are alive.
    pub fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether no generation is alive.
    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// The number of the oldest generation alive.
    pub fn oldest(&self) -> Option<u64> {
        self.alive.front().map(|generation| generation.number)
    }

    /// The lowest number that an insert may use. Generations below it were dropped.
    pub const fn number_min(&self) -> u64 {
        self.number_min
    }

    /// The entry with this key for which `is_match` returns true.
    #[inline]
    pub fn find(&self, key: Key, is_match: impl Fn(&Entry<'_, E>) -> bool) -> Option<Entry<'_, E>> {
        self.generation(key.number)?.find(key, is_match)
    }

    /// The address that a search for this key reads first. This function does not read it.
    #[inline]
    pub fn prefetch_target(&self, key: Key) -> Option<&u32> {
        self.generation(key.number)?.index.prefetch_target(key.time_ms, key.hash)
    }

    /// The slot of a reference for which `is_match` returns true. The search covers dropped generations
    /// whose slots were not all taken back yet.
    pub fn find_reference(&self, key: Key, is_match: impl Fn(u32) -> bool) -> Option<u32> {
        let generation = self.generation_kept(key.number)?;
        if generation.references.is_empty() {
            // The generation has no references, or it is being freed.
            return None;
        }
        let found = generation.find(key, |entry| match entry {
            Entry::Row(_) => false,
            Entry::Reference(slot) => is_match(*slot),
        });
        match found? {
            Entry::Row(_) => None,
            Entry::Reference(slot) => Some(slot),
        }
    }

    /// Appends an entry and adds the hash of its record to the digest of its generation, which is created
    /// with its first entry. `hash_of` returns the hash of an existing entry.
    ///
    /// The number must not be below [`number_min`](Self::number_min).
    pub fn insert(&mut self, key: Key, entry: E, record_hash: u64, hash_of: impl Fn(&Entry<'_, E>) -> u64) {
        let generation = self.generation_or_new(key.number);
        generation.digest.add(record_hash);
        generation.entries += 1;
        generation.push(key, entry, hash_of);
        self.entries += 1;
        self.bytes_counted += ENTRY_BYTES;
    }

    /// Like [`insert`](Self::insert), for an entry that can be computed from the caller's record in this
    /// slot.
    #[inline]
    pub fn insert_reference(
        &mut self,
        key: Key,
        slot: u32,
        record_hash: u64,
        hash_of: impl Fn(&Entry<'_, E>) -> u64,
    ) {
        assert!(slot & REFERENCE == 0, "the caller has fewer than 2^31 records");
        let generation = self.generation_or_new(key.number);
        generation.digest.add(record_hash);
        generation.entries += 1;
        generation.references.push(slot);
        let Generation { rows, index, .. } = generation;
        index.insert(key.time_ms, key.hash, slot | REFERENCE, |indexed| hash_of(&entry_of(rows, indexed)));
        self.entries += 1;
        self.bytes_counted += ENTRY_BYTES;
    }

    /// Ends a reference because its record is removed. `entry` replaces it, unless the generation was
    /// dropped. False if there is none.
    pub fn end_reference(
        &mut self,
        key: Key,
        slot: u32,
        entry: E,
        hash_of: impl Fn(&Entry<'_, E>) -> u64,
    ) -> bool {
        let is_alive = key.number >= self.number_min;
        let Some(generation) = self.generation_kept_mut(key.number) else { return false };
        if generation.references.is_empty() {
            return false;
        }
        let is_found = generation.index.remove(key.time_ms, key.hash, slot | REFERENCE);
        if is_found && is_alive {
            generation.push(key, entry, hash_of);
        }
        is_found
    }

    /// Takes up to `count` slots of references back from dropped generations, each with its generation's
    /// number. Slots may have been freed or used again since. No generation is freed before.
    pub fn take_references(&mut self, count: u32, taken: &mut Vec<(u64, u32)>) {
        let mut left = count;
        for generation in &mut self.dropped {
            while left > 0 {
                let Some(slot) = generation.references.pop() else { break };
                taken.push((generation.number, slot));
                left -= 1;
            }
        }
    }

    /// Whether side bytes of this length fit into this generation.
    pub fn has_side_room(&self, number: u64, length: usize) -> bool {
        self.generation(number)
            .map_or_else(|| Arena::new().has_room(length), |generation| generation.arena.has_room(length))
    }

    /// Appends side bytes and returns their position. The caller then [inserts](Self::insert) the entry
    /// that contains the position.
    pub fn push_side(&mut self, number: u64, record: &[u8]) -> u32 {
        let arena = &mut self.generation_or_new(number).arena;
        let counted_before = arena.bytes_counted();
        let position = arena.push(record);
        let counted = arena.bytes_counted() - counted_before;
        self.bytes_counted += counted;
        position
    }

    /// The side bytes of a generation that is alive.
    pub fn arena(&self, number: u64) -> Option<&Arena> {
        self.generation(number).map(|generation| &generation.arena)
    }

    /// Visits every row that is alive, with the arena of its side bytes. This is for validation, not for
    /// rules.
    pub fn for_each(&self, mut visit: impl FnMut(&E, &Arena)) {
        for generation in &self.alive {
            for row in 0..generation.rows.len() {
                visit(generation.rows.get(row), &generation.arena);
            }
        }
    }

    /// Drops the oldest generation, which [`free_some`](Self::free_some) frees later.
    pub fn drop_oldest(&mut self) -> Option<DroppedGeneration> {
        let generation = self.alive.pop_front()?;
        let dropped = DroppedGeneration {
            number: generation.number,
            entries: generation.entries,
            bytes_counted: generation.bytes_counted(),
            digest: generation.digest,
        };
        self.number_min = dropped.number + 1;
        self.entries -= u64::from(dropped.entries);
        self.bytes_counted -= dropped.bytes_counted;
        self.dropped.push_back(generation);
        Some(dropped)
    }

    /// Forbids numbers below this one, as if their generations had been dropped. None of them may be alive.
    /// For a period without entries, and for a load.
    pub fn raise_number_min(&mut self, number: u64) {
        assert!(
            self.oldest().is_none_or(|oldest| oldest >= number),
            "a generation that is alive must be dropped, not forbidden"
        );
        self.number_min = self.number_min.max(number);
    }

    /// Whether dropped generations are not freed yet.
    pub fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Frees up to `chunks` chunks of dropped generations, unless a snapshot still has to copy them.
    /// `Done`: nothing can be freed at present.
    pub fn free_some(&mut self, chunks: u32) -> Progress {
        for _ in 0..chunks {
            let copy_from = self.snapshot.marks.front().map_or(u64::MAX, |mark| mark.number);
            let Some(generation) = self
                .dropped
                .front_mut()
                .filter(|generation| generation.number < copy_from && generation.references.is_empty())
            else {
                return Progress::Done;
            };
            if generation.drop_chunk() == Progress::Done {
                self.dropped.pop_front();
            }
        }
        if self.dropped.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Begins a snapshot of this instant, which [`copy_next`](Self::copy_next) copies. Only one snapshot
    /// may be in progress.
    pub fn begin_snapshot(&mut self) {
        assert!(!self.snapshot.active, "one snapshot at a time");
        let marks = self
            .alive
            .iter()
            .map(|generation| Mark { number: generation.number, entries: generation.rows.len() });
        self.snapshot = Snapshot { active: true, marks: marks.collect(), visited: 0 };
    }

    /// Visits up to `budget` entries of the snapshot, the oldest generation first. Each generation costs
    /// one entry more. The arena contains the entry's side bytes. `Done` ends the snapshot. To abort a
    /// snapshot, continue with a visitor that does nothing.
    pub fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(u64, &E, &Arena)) -> Progress {
        let mut left = budget;
        while let Some(&mark) = self.snapshot.marks.front() {
            if left == 0 {
                return Progress::More;
            }
            let count = left.min(mark.entries - self.snapshot.visited);
            let Some(generation) = self.generation_kept(mark.number) else {
                unreachable!("a generation of the snapshot is not freed before it is copied");
            };
            for row in self.snapshot.visited..self.snapshot.visited + count {
                visit(mark.number, generation.rows.get(row), &generation.arena);
            }
            left -= count;
            self.snapshot.visited += count;
            if self.snapshot.visited == mark.entries {
                self.snapshot.marks.pop_front();
                self.snapshot.visited = 0;
                left = left.saturating_sub(1);
            }
        }
        self.snapshot = Snapshot::default();
        Progress::Done
    }

    #[inline]
    fn generation(&self, number: u64) -> Option<&Generation<E>> {
        // Nearly every id was made a moment ago, so the newest generation is tried first, and the search is out of line.
        match self.alive.back() {
            Some(newest) if newest.number == number => Some(newest),
            Some(_) | None => self.older_generation(number),
        }
    }

    #[inline(never)]
    fn older_generation(&self, number: u64) -> Option<&Generation<E>> {
        let place = self.alive.binary_search_by_key(&number, |generation| generation.number).ok()?;
        Some(&self.alive[place])
    }

    /// A generation that is alive, or that is dropped and not freed yet.
    fn generation_kept(&self, number: u64) -> Option<&Generation<E>> {
        if number >= self.number_min {
            return self.generation(number);
        }
        let place = self.dropped.binary_search_by_key(&number, |generation| generation.number).ok()?;
        Some(&self.dropped[place])
    }

    fn generation_kept_mut(&mut self, number: u64) -> Option<&mut Generation<E>> {
        let generations = if number >= self.number_min { &mut self.alive } else { &mut self.dropped };
        let place = generations.binary_search_by_key(&number, |generation| generation.number).ok()?;
        Some(&mut generations[place])
    }

    #[inline]
    fn generation_or_new(&mut self, number: u64) -> &mut Generation<E> {
        assert!(number >= self.number_min, "a dropped generation is not created again");
        let place = match self.alive.back() {
            Some(newest) if newest.number == number => self.alive.len() - 1,
            Some(_) | None => self.place_or_new(number),
        };
        &mut self.alive[place]
    }

    fn place_or_new(&mut self, number: u64) -> usize {
        self.alive.binary_search_by_key(&number, |generation| generation.number).unwrap_or_else(|place| {
            assert!(self.alive.len() < GENERATIONS_MAX, "the caller bounds the number of generations");
            self.alive.insert(place, Box::new(Generation::new(number)));
            place
        })
    }
}

impl<E: Copy> Default for Generations<E> {
    fn default() -> Self {
        Self::new()
    }
}
