//! A byte buffer that begins at a block boundary, so that a direct write needs no copy. Its capacity is fixed.

use super::layout::BLOCK_BYTES;
use super::width;

/// A growable, block-aligned byte buffer with a fixed capacity.
///
/// The vector is allocated with one extra block and used from the first block boundary on. It never grows beyond its
/// capacity, so its memory never moves, also when the buffer itself is moved.
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
        assert!(start < BLOCK_BYTES, "a vector of bytes can be aligned within one block");
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

    /// The number of bytes that fit in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of bytes in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether the buffer is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes. The first one is block-aligned.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The bytes, for changes in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    /// Appends bytes. They must fit.
    pub fn extend_from_slice(&mut self, more: &[u8]) {
        assert!(more.len() <= self.capacity - self.len(), "the caller has checked how much fits");
        self.bytes.extend_from_slice(more);
    }

    /// Sets the length. New bytes are zero.
    pub fn resize(&mut self, length: usize) {
        assert!(length <= self.capacity, "the caller has checked how much fits");
        let length = self.start + length;
        if length < self.bytes.len() {
            self.bytes.truncate(length);
        } else {
            width::grow(&mut self.bytes, length);
        }
    }

    /// Lets an encoder append to the buffer as a vector. It must not add more than fits and must not change the
    /// existing bytes.
    pub fn append_with<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let address = self.bytes.as_ptr();
        let length = self.bytes.len();
        let result = encode(&mut self.bytes);
        assert!(self.bytes.len() >= length, "an encoder only appends");
        assert!(self.len() <= self.capacity, "an encoder appends no more than fits");
        assert!(self.bytes.as_ptr() == address, "an append that fits never moves the buffer");
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the first byte is aligned, also after the buffer was moved and refilled.
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
