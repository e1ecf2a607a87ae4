//! `SlicedIndex`: an index with one part for each slice of the time in an id. The parts are used in
//! rotation.
//!
//! Ids that arrive together were made at nearly the same time. So for a while all searches and inserts use
//! one or two parts, and these stay in the processor's cache, however large the whole index is. A single
//! index of millions of entries would miss the cache and the TLB each time; measured, this was a quarter of
//! the cost of a reservation. Ids that all have the same time are found as well as in a single index, and
//! no faster.
//!
//! A sliced index does not define an order, and does not distinguish old from new ids: slices return after
//! [`ROUND_MS`], so a part contains ids of several rounds.

use super::Progress;
use super::index::Index;

/// The period of one slice, in milliseconds. At a million ids per second a part gains 64,000 entries (about
/// 600 KiB) while it is in use.
pub const SLICE_MS: u64 = 64;
/// The number of parts.
const SLICES: usize = 256;
/// The period after which a part is used again, in milliseconds.
pub const ROUND_MS: u64 = SLICE_MS * SLICES as u64;

/// Parts are small, so the tags of their entries start at a low bit.
type Part = Index<6>;

/// Slots by time and hash. See the module documentation.
#[derive(Debug, Default)]
pub struct SlicedIndex {
    /// Empty before the first insert. Then it has all parts, each of which is created when it is first
    /// needed.
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

    /// Heap bytes in use. The cost is one step per part.
    pub fn bytes(&self) -> usize {
        let parts = self.parts.iter().flatten().map(|part| size_of::<Part>() + part.bytes());
        self.parts.capacity() * size_of::<Option<Box<Part>>>() + parts.sum::<usize>()
    }

    /// The slot among the entries with this time and hash for which `is_match` returns true.
    #[inline]
    pub fn find(&self, time_ms: u64, hash: u64, is_match: impl FnMut(u32) -> bool) -> Option<u32> {
        self.parts.get(part_of(time_ms))?.as_ref()?.find(hash, is_match)
    }

    /// The address that a search reads first. This function does not read it.
    #[inline]
    pub fn prefetch_target(&self, time_ms: u64, hash: u64) -> Option<&u32> {
        self.parts.get(part_of(time_ms))?.as_ref()?.prefetch_target(hash)
    }

    /// Adds an entry. `hash_of` returns the hash of a slot that is already in the index.
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

    /// Removes the entry of this slot. Returns false if there is none.
    pub fn remove(&mut self, time_ms: u64, hash: u64, slot: u32) -> bool {
        let part = self.parts.get_mut(part_of(time_ms)).and_then(Option::as_mut);
        let is_removed = part.is_some_and(|part| part.remove(hash, slot));
        self.len -= u64::from(is_removed);
        is_removed
    }

    /// Frees a part of the index. An index that is no longer needed is freed in bounded steps by repeated
    /// calls. It must not be used after the first one.
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

/// The part that contains ids of this time.
fn part_of(time_ms: u64) -> usize {
    usize::try_from(time_ms / SLICE_MS % SLICES as u64).unwrap_or(0)
}
