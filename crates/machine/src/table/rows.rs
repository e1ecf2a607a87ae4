//! `Rows`: a stack of plain records in fixed chunks; it grows without moving anything and shrinks from its
//! end. Only the first chunk begins small and doubles, so that many short lists take little memory; what one
//! doubling moves is at most half a chunk.
//!
//! Not for records that are removed from the middle: that is a [`Slab`](super::Slab).

use super::{CHUNK_BYTES, NO_SLOT, Progress};

/// Rows that one `Rows` can hold: the last number is [`NO_SLOT`], which must stay free.
pub const ROWS_MAX: u32 = NO_SLOT;

/// A growing list of `T` in chunks of a power of two of rows, numbered from 0.
#[derive(Debug, Clone)]
pub struct Rows<T: Copy> {
    /// Every chunk but the first is allocated at its full capacity once; all but the last are full.
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T: Copy> Rows<T> {
    /// The number of rows in a chunk is two to this power.
    pub(super) const CHUNK_SHIFT: u32 = {
        assert!(size_of::<T>() > 0, "a row has a size");
        assert!(
            size_of::<T>() <= CHUNK_BYTES / 64,
            "a chunk holds at least 64 rows, one word of liveness bits"
        );
        (CHUNK_BYTES / size_of::<T>()).ilog2()
    };
    /// Rows in a chunk.
    pub const CHUNK_ROWS: u32 = 1 << Self::CHUNK_SHIFT;
    const ROW_MASK: u32 = Self::CHUNK_ROWS - 1;
    /// Rows that the first chunk begins with: a power of two, so that doubling ends at a full chunk.
    const FIRST_ROWS: u32 = if Self::CHUNK_ROWS < 16 { Self::CHUNK_ROWS } else { 16 };
    /// What one chunk takes of the heap.
    const CHUNK_BYTES_TAKEN: usize = (Self::CHUNK_ROWS as usize) * size_of::<T>();

    /// An empty list; it allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// Rows in the list.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the list has no row.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a row and returns its number.
    ///
    /// The caller bounds the count: more than [`ROWS_MAX`] rows are a broken invariant.
    pub fn push(&mut self, row: T) -> u32 {
        let number = self.len;
        assert!(number < ROWS_MAX, "the caller bounds the number of rows");
        let chunk_number = (number >> Self::CHUNK_SHIFT) as usize;
        if chunk_number == self.chunks.len() {
            let rows = if chunk_number == 0 { Self::FIRST_ROWS } else { Self::CHUNK_ROWS };
            self.chunks.push(Vec::with_capacity(rows as usize));
        }
        self.chunks[chunk_number].push(row);
        self.len = number + 1;
        number
    }

    /// Takes the last row. A chunk is freed only when the next one is needed from below, so a list that
    /// swings around a boundary allocates nothing.
    pub fn pop(&mut self) -> Option<T> {
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        let row = self.chunks.last_mut()?.pop()?;
        self.len -= 1;
        Some(row)
    }

    /// The row of this number, which must exist.
    #[inline]
    pub fn get(&self, number: u32) -> &T {
        &self.chunks[(number >> Self::CHUNK_SHIFT) as usize][(number & Self::ROW_MASK) as usize]
    }

    /// The row of this number, which must exist.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[(number >> Self::CHUNK_SHIFT) as usize][(number & Self::ROW_MASK) as usize]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// Frees the last chunk with the rows in it: how a list that nobody reads any more goes away in bounded
    /// steps.
    pub fn drop_chunk(&mut self) -> Progress {
        if let Some(chunk) = self.chunks.pop() {
            let rows = u32::try_from(chunk.len()).unwrap_or(Self::CHUNK_ROWS);
            self.len -= rows;
        }
        if self.chunks.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Heap bytes taken, unused rows of the last chunk and the directory of chunks included.
    pub fn bytes(&self) -> usize {
        let first = self.chunks.first().map_or(0, |chunk| chunk.capacity() * size_of::<T>());
        let rest = self.chunks.len().saturating_sub(1) * Self::CHUNK_BYTES_TAKEN;
        first + rest + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T: Copy> Default for Rows<T> {
    fn default() -> Self {
        Self::new()
    }
}
