//! `SlicedIndex`: an index in parts, one for each slice of the time that stands in an id, round and round.
//!
//! Ids that come together were made together, so for a while all look-ups and inserts meet in one or two
//! parts, and these stay in the processor's cache however large the whole has grown. One index of millions
//! would meet a cold line on a cold page each time; measured, that was a quarter of what a reservation cost.
//! Ids of one and the same time are found as well as in a single index, and no faster.
//!
//! Not for order, nor for telling old from new: slices return after [`ROUND_MS`], and a part then holds ids of
//! several rounds.

use super::Progress;
use super::index::Index;

/// The time that one slice covers, in milliseconds: at a million ids per second a part gains 64,000 entries,
/// some 600 KiB, while it is in use.
pub const SLICE_MS: u64 = 64;
/// The parts.
const SLICES: usize = 256;
/// The time after which a part is used again, in milliseconds.
pub const ROUND_MS: u64 = SLICE_MS * SLICES as u64;

/// Parts are small, so the bits that an entry keeps of its hash start low.
type Part = Index<6>;

/// Slots by time and hash. See the module.
#[derive(Debug, Default)]
pub struct SlicedIndex {
    /// No parts before the first insert; then all of them, made when they are needed.
    parts: Vec<Option<Box<Part>>>,
    len: u64,
}

impl SlicedIndex {
    /// An empty index; it allocates nothing.
    pub const fn new() -> Self {
        Self { parts: Vec::new(), len: 0 }
    }

    /// Entries in the index.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the index has no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes taken. Costs a step per part.
    pub fn bytes(&self) -> usize {
        let parts = self.parts.iter().flatten().map(|part| size_of::<Part>() + part.bytes());
        self.parts.capacity() * size_of::<Option<Box<Part>>>() + parts.sum::<usize>()
    }

    /// The slot among those of this time and hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, time_ms: u64, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.parts.get(part_of(time_ms))?.as_ref()?.find(hash, is_it)
    }

    /// What a search will read first, without reading it.
    #[inline]
    pub fn entrance(&self, time_ms: u64, hash: u64) -> Option<&u32> {
        self.parts.get(part_of(time_ms))?.as_ref()?.entrance(hash)
    }

    /// Adds an entry. `hash_of` gives the hash of a slot that is already in the index.
    ///
    /// The same slot must not be inserted twice.
    #[inline]
    pub fn insert(&mut self, time_ms: u64, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        if self.parts.is_empty() {
            self.parts.resize_with(SLICES, || None);
        }
        self.parts[part_of(time_ms)].get_or_insert_default().insert(hash, slot, hash_of);
        self.len += 1;
    }

    /// Removes the entry of this slot; false if there is none.
    pub fn remove(&mut self, time_ms: u64, hash: u64, slot: u32) -> bool {
        let part = self.parts.get_mut(part_of(time_ms)).and_then(Option::as_mut);
        let is_removed = part.is_some_and(|part| part.remove(hash, slot));
        self.len -= u64::from(is_removed);
        is_removed
    }

    /// Frees some of the index: how one that nobody reads any more goes away in bounded steps. It must not
    /// be used after that.
    pub fn drop_chunk(&mut self) -> Progress {
        self.len = 0;
        while let Some(last) = self.parts.last_mut() {
            if let Some(part) = last {
                if part.drop_chunk() == Progress::Done {
                    self.parts.pop();
                }
                return Progress::More;
            }
            self.parts.pop();
        }
        Progress::Done
    }
}

/// The part that ids of this time stand in.
fn part_of(time_ms: u64) -> usize {
    usize::try_from(time_ms / SLICE_MS % SLICES as u64).unwrap_or(0)
}
