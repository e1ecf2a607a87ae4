//! Rows of atomics that grow in chunks: the one writer makes a chunk when it first needs it, readers never wait. It knows nothing of
//! what the atomics mean.

use std::sync::OnceLock;

/// Entries of one chunk.
pub(super) const CHUNK_ENTRIES: usize = 4_096;

/// A row of up to a fixed number of entries; each chunk of it exists once it was written to.
#[derive(Debug)]
pub(super) struct GrowingArray<T> {
    chunks: Box<[OnceLock<Box<[T]>>]>,
}

impl<T: Default> GrowingArray<T> {
    /// A row for indexes below `entries_max`.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { chunks: (0..entries_max.div_ceil(CHUNK_ENTRIES)).map(|_| OnceLock::new()).collect() }
    }

    /// The entry, if its chunk exists.
    pub(super) fn get(&self, index: u32) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        let chunk = self.chunks.get(index / CHUNK_ENTRIES)?.get()?;
        chunk.get(index % CHUNK_ENTRIES)
    }

    /// The entry; its chunk is made if need be. `None` beyond the row's end.
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
    fn a_row_has_exactly_its_length_and_grows_where_it_is_written() {
        // Proves the bounds, and that reading makes nothing.
        let row: GrowingArray<AtomicU32> = GrowingArray::new(CHUNK_ENTRIES + 1);
        assert!(row.get(0).is_none());
        row.make(5).unwrap().store(7, Ordering::Relaxed);
        assert_eq!(row.get(5).unwrap().load(Ordering::Relaxed), 7);
        assert!(row.get(4_096).is_none());
        assert!(row.make(u32::try_from(2 * CHUNK_ENTRIES).unwrap()).is_none());
        assert!(row.make(u32::MAX).is_none());
    }
}
