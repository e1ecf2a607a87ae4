//! Arrays of atomics that grow in chunks. The only writer creates a chunk when it first needs it, and readers never
//! wait.

use std::sync::OnceLock;

/// The number of entries in a chunk.
pub(super) const CHUNK_ENTRIES: usize = 4_096;

/// An array with a fixed maximum number of entries. A chunk exists once it was written to.
#[derive(Debug)]
pub(super) struct GrowingArray<T> {
    chunks: Box<[OnceLock<Box<[T]>>]>,
}

impl<T: Default> GrowingArray<T> {
    /// An array for indexes below `entries_max`.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { chunks: (0..entries_max.div_ceil(CHUNK_ENTRIES)).map(|_| OnceLock::new()).collect() }
    }

    /// The entry, if its chunk exists.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        let chunk = self.chunks.get(index / CHUNK_ENTRIES)?.get()?;
        chunk.get(index % CHUNK_ENTRIES)
    }

    /// The entry, whose chunk is created if needed. `None` beyond the end of the array.
    pub(super) fn make(&self, index: u32) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        let chunk = self.chunks.get(index / CHUNK_ENTRIES)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK_ENTRIES).map(|_| T::default()).collect());
        chunk.get(index % CHUNK_ENTRIES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn an_array_has_a_fixed_length_and_grows_where_it_is_written() {
        // Proves the bounds, and that reading creates nothing.
        let array: GrowingArray<AtomicU32> = GrowingArray::new(CHUNK_ENTRIES + 1);
        assert!(array.get(0).is_none());
        array.make(5).unwrap().store(7, Ordering::Relaxed);
        assert_eq!(array.get(5).unwrap().load(Ordering::Relaxed), 7);
        assert!(array.get(4_096).is_none());
        assert!(array.make(u32::try_from(2 * CHUNK_ENTRIES).unwrap()).is_none());
        assert!(array.make(u32::MAX).is_none());
    }
}
