//! `Arena`: an append-only store of byte strings, kept in fixed chunks and read by position.
//!
//! An arena does not change records or free single ones: it is freed as a whole, chunk by chunk. Because it
//! is append-only, a length is a complete snapshot of it.

use super::Progress;

/// The size of a chunk in bytes, as a power of two.
const CHUNK_SHIFT: u32 = 18;
const CHUNK_BYTES: u32 = 1 << CHUNK_SHIFT;
/// The bytes of the length in front of each record (u16, little-endian).
const PREFIX_BYTES: usize = 2;

/// The longest record.
pub const RECORD_BYTES_MAX: usize = u16::MAX as usize;

/// The most chunks of an arena: a position has 32 bits.
const CHUNKS_MAX: usize = 1 << (u32::BITS - CHUNK_SHIFT);

/// Byte strings by position. See the module documentation.
#[derive(Debug, Default)]
pub struct Arena {
    chunks: Vec<Vec<u8>>,
    bytes_counted: u64,
}

impl Arena {
    /// An empty arena; it allocates nothing.
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), bytes_counted: 0 }
    }

    /// Whether a record of this length can be appended. False if the record is too long or the arena is
    /// full.
    pub fn has_room(&self, length: usize) -> bool {
        length <= RECORD_BYTES_MAX && (self.chunks.len() < CHUNKS_MAX || self.last_has_room(length))
    }

    /// Appends a record and returns its position. The caller must have checked
    /// [`has_room`](Self::has_room), or must bound by other means what it appends.
    pub fn push(&mut self, record: &[u8]) -> u32 {
        let Ok(length) = u16::try_from(record.len()) else {
            unreachable!("the caller bounds the length of a record");
        };
        if !self.last_has_room(record.len()) {
            assert!(self.chunks.len() < CHUNKS_MAX, "the caller bounds the arena");
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES as usize));
        }
        let chunk_number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_number];
        let position = chunk_number << CHUNK_SHIFT | chunk.len();
        chunk.extend_from_slice(&length.to_le_bytes());
        chunk.extend_from_slice(record);
        self.bytes_counted += u64::from(length) + PREFIX_BYTES as u64;
        let Ok(position) = u32::try_from(position) else {
            unreachable!("CHUNKS_MAX keeps positions within 32 bits");
        };
        position
    }

    /// The record at a position that [`push`](Self::push) returned.
    pub fn get(&self, position: u32) -> &[u8] {
        let chunk = &self.chunks[(position >> CHUNK_SHIFT) as usize];
        let start = (position & (CHUNK_BYTES - 1)) as usize;
        let length = usize::from(u16::from_le_bytes([chunk[start], chunk[start + 1]]));
        &chunk[start + PREFIX_BYTES..start + PREFIX_BYTES + length]
    }

    /// The number of bytes appended, including length prefixes and excluding the unused ends of chunks. It
    /// is the same for the same records in any order, so rules may depend on it.
    pub const fn bytes_counted(&self) -> u64 {
        self.bytes_counted
    }

    /// Heap bytes in use.
    pub fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_BYTES as usize + self.chunks.capacity() * size_of::<Vec<u8>>()
    }

    /// Frees one chunk. An arena that is no longer needed is freed in bounded steps by repeated calls. It
    /// must not be used after the first one.
    pub fn drop_chunk(&mut self) -> Progress {
        self.chunks.pop();
        if self.chunks.is_empty() { Progress::Done } else { Progress::More }
    }

    fn last_has_room(&self, length: usize) -> bool {
        self.chunks.last().is_some_and(|chunk| chunk.len() + PREFIX_BYTES + length <= CHUNK_BYTES as usize)
    }
}
