//! Memory whose first byte stands at a block boundary, so that one direct write can take it as it is. It is not a general
//! byte buffer: its capacity is fixed when it is made.

use super::layout::BLOCK_BYTES;
use super::width;

/// A growable run of bytes, block-aligned, with a fixed capacity.
///
/// The vector is over-allocated by one block and used from the first boundary on. It never grows past its capacity, so it
/// never moves; moving the value moves the handle only.
#[derive(Debug)]
pub struct AlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
    capacity: usize,
}

impl AlignedBuffer {
    /// An empty buffer for up to `capacity` bytes, rounded up to whole blocks.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.next_multiple_of(BLOCK_BYTES);
        let mut bytes: Vec<u8> = Vec::with_capacity(capacity + BLOCK_BYTES);
        let start = bytes.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start < BLOCK_BYTES, "the allocator gave memory that can be aligned");
        bytes.resize(start, 0);
        Self { bytes, start, capacity }
    }

    /// A buffer of `length` zero bytes.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        let mut buffer = Self::with_capacity(length);
        buffer.resize(length);
        buffer
    }

    /// How many bytes fit in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes; the first one is block-aligned.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The bytes, to change in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Adds bytes at the end; they must fit.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        assert!(more.len() <= self.capacity - self.len(), "the caller asked how much fits");
        self.bytes.extend_from_slice(more);
    }

    /// Makes it exactly `length` bytes long, with zeros where it grows.
    pub fn resize(&mut self, length: usize) {
        assert!(length <= self.capacity, "the caller asked how much fits");
        let length = self.start + length;
        if length < self.bytes.len() {
            self.bytes.truncate(length);
        } else {
            width::grow(&mut self.bytes, length);
        }
    }

    /// Lets an encoder that knows only vectors add to the end. It must add no more than fits and must not touch what stands there.
    pub fn append_with<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let address = self.bytes.as_ptr();
        let length = self.bytes.len();
        let answer = encode(&mut self.bytes);
        assert!(self.bytes.len() >= length, "an encoder only adds");
        assert!(self.len() <= self.capacity, "an encoder adds no more than fits");
        assert!(self.bytes.as_ptr() == address, "what fits never moves the buffer");
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the first byte is aligned, also after the handle has moved and the buffer was refilled.
    #[test]
    fn stays_aligned() {
        for capacity in [1, 4096, 5000, 1 << 20] {
            let mut buffer = AlignedBuffer::with_capacity(capacity);
            buffer.extend_from_slice(&[7]);
            let mut moved = Box::new(buffer);
            assert_eq!(moved.as_slice().as_ptr().align_offset(BLOCK_BYTES), 0);
            moved.resize(moved.capacity());
            assert_eq!(moved.as_slice().as_ptr().align_offset(BLOCK_BYTES), 0);
            assert_eq!(moved.as_slice()[0], 7);
            moved.resize(0);
            moved.append_with(|bytes| bytes.push(9));
            assert_eq!(moved.as_slice(), &[9]);
        }
    }
}
