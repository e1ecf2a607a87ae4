//! `Parts`: byte strings that are rarely long, each a chain of parts of one size, which are used again. A string is
//! addressed by the slot of its first part. Its owner keeps its length.

use super::NO_SLOT;
use super::slab::Slab;

/// The bytes of one part.
pub const PART_BYTES: usize = 28;

#[derive(Debug, Clone, Copy)]
struct Part {
    /// The slot of the next part; [`NO_SLOT`] in the last one.
    next: u32,
    bytes: [u8; PART_BYTES],
}

const _: () = assert!(size_of::<Part>() == 32, "half a cache line");

/// Byte strings in parts. See the module documentation.
#[derive(Debug, Default)]
pub struct Parts {
    parts: Slab<Part>,
}

impl Parts {
    /// An empty store; it allocates nothing.
    pub const fn new() -> Self {
        Self { parts: Slab::new() }
    }

    /// Stores a string and returns the slot of its first part; [`NO_SLOT`] for an empty one. The caller must
    /// bound the strings.
    pub fn insert(&mut self, bytes: &[u8]) -> u32 {
        let mut next = NO_SLOT;
        // From the last part to the first one, so that each knows its successor.
        for bytes in bytes.chunks(PART_BYTES).rev() {
            let mut part = Part { next, bytes: [0; PART_BYTES] };
            part.bytes[..bytes.len()].copy_from_slice(bytes);
            next = self.parts.insert(part);
        }
        next
    }

    /// Copies a string into a buffer of its length.
    pub fn read(&self, first: u32, into: &mut [u8]) {
        let mut next = first;
        for bytes in into.chunks_mut(PART_BYTES) {
            let part = self.parts.get(next);
            bytes.copy_from_slice(&part.bytes[..bytes.len()]);
            next = part.next;
        }
    }

    /// Whether a string of this length has these bytes.
    pub fn is(&self, first: u32, bytes: &[u8]) -> bool {
        let mut next = first;
        bytes.chunks(PART_BYTES).all(|bytes| {
            let part = self.parts.get(next);
            next = part.next;
            part.bytes[..bytes.len()] == *bytes
        })
    }

    /// Frees a string.
    pub fn remove(&mut self, first: u32) {
        let mut next = first;
        while next != NO_SLOT {
            next = self.parts.remove(next).next;
        }
    }

    /// The number of parts in use.
    pub const fn len(&self) -> u32 {
        self.parts.len()
    }

    /// Whether no part is in use.
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Heap bytes in use.
    pub fn bytes(&self) -> usize {
        self.parts.bytes()
    }
}
