//! `Chunked`: a list that grows by chunks and never moves its elements. It is for derived data that is not
//! `Copy`.
//!
//! It is not for records of the state: those are stored in a [`Slab`](crate::table::Slab), which supports
//! snapshots.

/// The number of elements in a chunk.
const CHUNK: usize = 1_024;

/// A growing list whose elements are numbered from 0.
#[derive(Debug)]
pub(crate) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunked<T> {
    pub(crate) const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        self.chunks.last().map_or(0, |last| full.saturating_add(last.len()))
    }

    pub(crate) fn push(&mut self, value: T) -> u32 {
        let number = self.len();
        if number.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[number / CHUNK].push(value);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        let at = number as usize;
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    /// The element with this number, if it exists.
    pub(crate) fn find(&self, number: u32) -> Option<&T> {
        let at = number as usize;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> &mut T {
        let at = number as usize;
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }
}
