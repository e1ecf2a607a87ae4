//! `Generations`: records that are kept for a span of time and then go all together; the machine keeps its
//! recorded outcomes in one.
//!
//! A generation is an append-only list of small entries, their index, and an arena for what does not fit
//! into an entry. Dropping the oldest takes it out of sight at once; its memory goes in bounded steps
//! afterwards, and not before a snapshot that covers it has walked it. Since nothing changes once it is
//! appended, a snapshot is one count per generation.
//!
//! An entry that a record of the caller's tells by itself takes no row: it is a *reference* to that record, by
//! its slot. It counts as much as any entry. When the record goes, the caller puts a row in its place; when
//! the generation goes first, the caller takes the slots back, a few at a time. Snapshots of references are
//! the caller's.
//!
//! Not for deciding when a generation goes, nor for what its number means: the caller computes numbers
//! (client time divided by a span) and drops.

use std::collections::VecDeque;

use super::Progress;
use super::arena::Arena;
use super::digest::Digest;

use super::rows::Rows;
use super::sliced::SlicedIndex;

/// What an entry counts for, whatever the size of its type.
pub const ENTRY_BYTES: u64 = 32;

/// Generations alive at once. The caller's window of numbers must be smaller; a search among them is short.
pub const GENERATIONS_MAX: usize = 8192;

/// Entries by generation. See the module.
#[derive(Debug)]
pub struct Generations<E: Copy> {
    /// In the order of their numbers.
    alive: VecDeque<Box<Generation<E>>>,
    /// Dropped ones whose memory is still to be freed, in the order of their numbers.
    dropped: VecDeque<Box<Generation<E>>>,
    /// Numbers below this one were dropped and never come back.
    number_min: u64,
    entries: u64,
    bytes_counted: u64,
    walk: Walk,
}

#[derive(Debug)]
struct Generation<E: Copy> {
    number: u64,
    rows: Rows<E>,
    /// Slots that became references, in the order in which they did; those that are none any more included.
    references: Rows<u32>,
    /// Rows by their number, references by their slot and a bit.
    index: SlicedIndex,
    arena: Arena,
    digest: Digest,
    /// Rows and references.
    entries: u32,
}

/// Tells a reference from a row in an index.
const REFERENCE: u32 = 1 << 31;

/// What an entry is.
#[derive(Debug)]
pub enum Entry<'a, E> {
    /// A row of its own.
    Row(&'a E),
    /// The caller's record in this slot.
    Reference(u32),
}

/// The snapshot under way: generations still to visit, the first one from `visited` on.
#[derive(Debug, Default)]
struct Walk {
    active: bool,
    marks: VecDeque<Mark>,
    visited: u32,
}

/// How many entries a generation had at the mark.
#[derive(Debug, Clone, Copy)]
struct Mark {
    number: u64,
    entries: u32,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The number of its generation.
    pub number: u64,
    /// The time in its id, in milliseconds.
    pub time_ms: u64,
    /// A hash of its id, spread over all 64 bits.
    pub hash: u64,
}

/// What went with a dropped generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedGeneration {
    /// Its number.
    pub number: u64,
    /// Entries it had.
    pub entries: u32,
    /// What it counted for.
    pub bytes_counted: u64,
    /// The sum of the hashes that were added to it.
    pub digest: Digest,
}

fn entry_of<E: Copy>(rows: &Rows<E>, indexed: u32) -> Entry<'_, E> {
    if indexed & REFERENCE == 0 {
        Entry::Row(rows.get(indexed))
    } else {
        Entry::Reference(indexed & !REFERENCE)
    }
}

impl<E: Copy> Generation<E> {
    fn new(number: u64) -> Self {
        Self {
            number,
            rows: Rows::new(),
            references: Rows::new(),
            index: SlicedIndex::new(),
            arena: Arena::new(),
            digest: Digest::EMPTY,
            entries: 0,
        }
    }

    fn bytes_counted(&self) -> u64 {
        u64::from(self.entries) * ENTRY_BYTES + self.arena.bytes_counted()
    }

    fn bytes(&self) -> usize {
        let lists = self.rows.bytes() + self.references.bytes();
        size_of::<Self>() + lists + self.index.bytes() + self.arena.bytes()
    }

    fn find(&self, key: Key, is_it: impl Fn(&Entry<'_, E>) -> bool) -> Option<Entry<'_, E>> {
        let found =
            self.index.find(key.time_ms, key.hash, |indexed| is_it(&entry_of(&self.rows, indexed)))?;
        Some(entry_of(&self.rows, found))
    }

    fn push(&mut self, key: Key, entry: E, hash_of: impl Fn(&Entry<'_, E>) -> u64) {
        let Self { rows, index, .. } = self;
        let row = rows.push(entry);
        assert!(row & REFERENCE == 0, "a generation has fewer than 2^31 rows");
        index.insert(key.time_ms, key.hash, row, |indexed| hash_of(&entry_of(rows, indexed)));
    }

    /// Frees one chunk.
    fn drop_chunk(&mut self) -> Progress {
        if self.rows.drop_chunk() == Progress::More || self.index.drop_chunk() == Progress::More {
            return Progress::More;
        }
        self.arena.drop_chunk()
    }
}

impl<E: Copy> Generations<E> {
    const ENTRY_FITS: () =
        assert!(size_of::<E>() as u64 <= ENTRY_BYTES, "an entry is at most what it counts for");

    /// No generation yet.
    pub const fn new() -> Self {
        let () = Self::ENTRY_FITS;
        let walk = Walk { active: false, marks: VecDeque::new(), visited: 0 };
        Self {
            alive: VecDeque::new(),
            dropped: VecDeque::new(),
            number_min: 0,
            entries: 0,
            bytes_counted: 0,
            walk,
        }
    }

    /// Entries of all generations.
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// References among the entries that are alive. Costs a step per generation.
    pub fn references(&self) -> u64 {
        self.alive.iter().map(|generation| u64::from(generation.entries - generation.rows.len())).sum()
    }

    /// 32 bytes per entry, and the side bytes with their length prefixes: the same for the same records in
    /// any order, so that rules may use it.
    pub const fn bytes_counted(&self) -> u64 {
        self.bytes_counted
    }

    /// Whether an entry may be put into the generation of this number: it was not dropped, and there are not too many.
    pub fn has_room_for(&self, number: u64) -> bool {
        number >= self.number_min && (self.alive.len() < GENERATIONS_MAX || self.generation(number).is_some())
    }

    /// Heap bytes taken, dropped generations that are not freed yet included. Costs a step per generation.
    pub fn bytes(&self) -> usize {
        self.alive.iter().chain(&self.dropped).map(|generation| generation.bytes()).sum()
    }

    /// Generations alive.
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

    /// The least number that an insert may use: those below were dropped.
    pub const fn number_min(&self) -> u64 {
        self.number_min
    }

    /// The entry under this key for which `is_it` holds.
    pub fn find(&self, key: Key, is_it: impl Fn(&Entry<'_, E>) -> bool) -> Option<Entry<'_, E>> {
        self.generation(key.number)?.find(key, is_it)
    }

    /// What a search for this key will read first, without reading it.
    #[inline]
    pub fn entrance(&self, key: Key) -> Option<&u32> {
        self.generation(key.number)?.index.entrance(key.time_ms, key.hash)
    }

    /// The slot of a reference for which `is_it` holds, also in a generation that was dropped and whose slots
    /// were not all taken back yet.
    pub fn find_reference(&self, key: Key, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let generation = self.generation_kept(key.number)?;
        if generation.references.is_empty() {
            // It has none, or is being freed.
            return None;
        }
        let found = generation.find(key, |entry| match entry {
            Entry::Row(_) => false,
            Entry::Reference(slot) => is_it(*slot),
        });
        match found? {
            Entry::Row(_) => None,
            Entry::Reference(slot) => Some(slot),
        }
    }

    /// Appends an entry, and adds its record's hash to the sum that goes with its generation, which begins with
    /// its first entry. `hash_of` gives the hash of an entry that is there already.
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

    /// As [`insert`](Self::insert), of an entry that the caller's record in this slot tells.
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

    /// The record that a reference stands for goes: `entry` takes its place, unless the generation was dropped.
    /// False if there is no such reference.
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

    /// Takes slots of references back from dropped generations, up to `count`: each with the number of its
    /// generation. A slot may have been given up or used again since. Nothing of a generation is freed before
    /// its slots are taken.
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

    /// Whether this generation can take side bytes of this length.
    pub fn has_side_room(&self, number: u64, length: usize) -> bool {
        self.generation(number)
            .map_or_else(|| Arena::new().has_room(length), |generation| generation.arena.has_room(length))
    }

    /// Appends side bytes and returns their position; the entry that knows the position follows by
    /// [`insert`](Self::insert).
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

    /// Visits every row that is alive, with the arena of its side bytes: for checks, not for rules.
    pub fn for_each(&self, mut visit: impl FnMut(&E, &Arena)) {
        for generation in &self.alive {
            for row in 0..generation.rows.len() {
                visit(generation.rows.get(row), &generation.arena);
            }
        }
    }

    /// Drops the oldest generation: gone at once, freed by [`free_some`](Self::free_some).
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

    /// Forbids numbers below this one, as if their generations had been dropped; none of them may be alive.
    /// For an empty span of time, and for a load.
    pub fn raise_number_min(&mut self, number: u64) {
        assert!(
            self.oldest().is_none_or(|oldest| oldest >= number),
            "a generation alive is dropped, not forbidden"
        );
        self.number_min = self.number_min.max(number);
    }

    /// Whether dropped generations wait to be freed.
    pub fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Frees up to `chunks` chunks of dropped generations, except those that a snapshot still has to walk.
    /// `Done`: nothing can be freed for now.
    pub fn free_some(&mut self, chunks: u32) -> Progress {
        for _ in 0..chunks {
            let walked_from = self.walk.marks.front().map_or(u64::MAX, |mark| mark.number);
            let Some(generation) = self
                .dropped
                .front_mut()
                .filter(|generation| generation.number < walked_from && generation.references.is_empty())
            else {
                return Progress::Done;
            };
            if generation.drop_chunk() == Progress::Done {
                self.dropped.pop_front();
            }
        }
        if self.dropped.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Marks this instant for [`copy_next`](Self::copy_next). One snapshot at a time.
    pub fn begin_snapshot(&mut self) {
        assert!(!self.walk.active, "one snapshot at a time");
        let marks = self
            .alive
            .iter()
            .map(|generation| Mark { number: generation.number, entries: generation.rows.len() });
        self.walk = Walk { active: true, marks: marks.collect(), visited: 0 };
    }

    /// Visits up to `budget` entries of the mark, oldest generation first (a generation costs one more);
    /// the arena is for the entry's side bytes. `Done` ends the snapshot. To give it up, walk on with a
    /// visitor that does nothing.
    pub fn copy_next(&mut self, budget: u32, visit: &mut impl FnMut(u64, &E, &Arena)) -> Progress {
        let mut left = budget;
        while let Some(&mark) = self.walk.marks.front() {
            if left == 0 {
                return Progress::More;
            }
            let count = left.min(mark.entries - self.walk.visited);
            let Some(generation) = self.generation_kept(mark.number) else {
                unreachable!("a generation under a mark is alive or waits for the walk");
            };
            for row in self.walk.visited..self.walk.visited + count {
                visit(mark.number, generation.rows.get(row), &generation.arena);
            }
            left -= count;
            self.walk.visited += count;
            if self.walk.visited == mark.entries {
                self.walk.marks.pop_front();
                self.walk.visited = 0;
                left = left.saturating_sub(1);
            }
        }
        self.walk = Walk::default();
        Progress::Done
    }

    #[inline]
    fn generation(&self, number: u64) -> Option<&Generation<E>> {
        // Nearly every id was made a moment ago, so the newest generation is looked at first.
        match self.alive.back() {
            Some(newest) if newest.number == number => Some(newest),
            Some(_) | None => self.older_generation(number),
        }
    }

    fn older_generation(&self, number: u64) -> Option<&Generation<E>> {
        let place = self.alive.binary_search_by_key(&number, |generation| generation.number).ok()?;
        Some(&self.alive[place])
    }

    /// A generation that is alive, or dropped and not freed yet.
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
        assert!(number >= self.number_min, "a dropped generation does not come back");
        let place = match self.alive.back() {
            Some(newest) if newest.number == number => self.alive.len() - 1,
            Some(_) | None => self.place_or_new(number),
        };
        &mut self.alive[place]
    }

    fn place_or_new(&mut self, number: u64) -> usize {
        self.alive.binary_search_by_key(&number, |generation| generation.number).unwrap_or_else(|place| {
            assert!(self.alive.len() < GENERATIONS_MAX, "the caller's window bounds the generations");
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
