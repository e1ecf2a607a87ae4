//! `Rows`: a stack of `Copy` values in fixed chunks. It grows without moving its content and shrinks from
//! its end. Only the first chunk begins small and doubles, so that many short lists use little memory. One
//! doubling moves at most half a chunk.
//!
//! It does not remove rows from the middle: use a [`Slab`](super::Slab) for that.

use super::{CHUNK_BYTES, NO_SLOT, Progress};

/// The most rows of one `Rows`: [`NO_SLOT`] is never the number of a row.
pub const ROWS_MAX: u32 = NO_SLOT;

/// A growing list of `T`, numbered from 0. The number of rows in a chunk is a power of two.
#[derive(Debug, Clone)]
pub struct Rows<T: Copy> {
    /// Every chunk except the first is allocated with its full capacity. Every chunk except the last is
    /// full.
    chunks: Vec<Vec<T>>,
    len: u32,
}

impl<T: Copy> Rows<T> {
    /// The number of rows in a chunk is two to this power.
    pub(super) const CHUNK_SHIFT: u32 = {
        assert!(size_of::<T>() > 0, "a row has a size of at least one byte");
        assert!(
            size_of::<T>() <= CHUNK_BYTES / 64,
            "a chunk holds at least 64 rows, one word of liveness bits"
        );
        (CHUNK_BYTES / size_of::<T>()).ilog2()
    };
    /// Rows in a chunk.
    pub const CHUNK_ROWS: u32 = 1 << Self::CHUNK_SHIFT;
    const ROW_MASK: u32 = Self::CHUNK_ROWS - 1;
    /// The initial capacity of the first chunk: a power of two, so that doubling ends at a full chunk.
    const FIRST_ROWS: u32 = if Self::CHUNK_ROWS < 16 { Self::CHUNK_ROWS } else { 16 };
    /// Heap bytes of one chunk.
    const CHUNK_BYTES_TAKEN: usize = (Self::CHUNK_ROWS as usize) * size_of::<T>();

    /// An empty list; it allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    /// The number of rows.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the list has no rows.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a row and returns its number.
    ///
    /// The caller must bound the number of rows: more than [`ROWS_MAX`] rows break an invariant.
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

    /// Removes the last row and returns it. An empty chunk is freed only by the next `pop`, so a list whose
    /// length changes around the boundary of a chunk allocates nothing.
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

    /// Frees the last chunk with its rows. A list that is no longer needed is freed in bounded steps by
    /// repeated calls.
    pub fn drop_chunk(&mut self) -> Progress {
        if let Some(chunk) = self.chunks.pop() {
            let rows = u32::try_from(chunk.len()).unwrap_or(Self::CHUNK_ROWS);
            self.len -= rows;
        }
        if self.chunks.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Heap bytes in use, including unused rows and the list of chunks.
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
