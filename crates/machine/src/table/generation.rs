//! One generation of [`Generations`](super::generations::Generations): its entries, their index and their side data. When
//! it is made and dropped is decided there.

use super::Progress;
use super::arena::Arena;
use super::digest::Digest;
use super::rows::Rows;
use super::sliced::SlicedIndex;

/// The size that is counted for each entry, independent of the size of its type.
pub const ENTRY_BYTES: u64 = 32;

#[derive(Debug)]
pub(super) struct Generation<E: Copy> {
    pub(super) number: u64,
    pub(super) rows: Rows<E>,
    /// The slots of all references in the order of their insertion, including references that have ended.
    pub(super) references: Rows<u32>,
    /// Rows by their number; references by their slot, with the bit [`REFERENCE`] set.
    pub(super) index: SlicedIndex,
    pub(super) arena: Arena,
    pub(super) digest: Digest,
    /// The number of rows and references.
    pub(super) entries: u32,
}

/// The bit that marks a reference in an index.
pub(super) const REFERENCE: u32 = 1 << 31;

/// One entry.
#[derive(Debug)]
pub enum Entry<'a, E> {
    /// A row of its own.
    Row(&'a E),
    /// The caller's record in this slot.
    Reference(u32),
}

/// What an entry is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The number of its generation.
    pub number: u64,
    /// The time in its id, in milliseconds.
    pub time_ms: u64,
    /// A hash of its id, uniform over all 64 bits.
    pub hash: u64,
}

pub(super) fn entry_of<E: Copy>(rows: &Rows<E>, indexed: u32) -> Entry<'_, E> {
    if indexed & REFERENCE == 0 {
        Entry::Row(rows.get(indexed))
    } else {
        Entry::Reference(indexed & !REFERENCE)
    }
}

impl<E: Copy> Generation<E> {
    pub(super) fn new(number: u64) -> Self {
        Self {
            number,
            rows: Rows::new(),
            references: Rows::new(),
            index: SlicedIndex::new(),
            arena: Arena::new(),
            digest: Digest::EMPTY,
            entries: 0,
        }
    }

    pub(super) fn bytes_counted(&self) -> u64 {
        u64::from(self.entries) * ENTRY_BYTES + self.arena.bytes_counted()
    }

    pub(super) fn bytes(&self) -> usize {
        let lists = self.rows.bytes() + self.references.bytes();
        size_of::<Self>() + lists + self.index.bytes() + self.arena.bytes()
    }

    #[inline]
    pub(super) fn find(&self, key: Key, is_match: impl Fn(&Entry<'_, E>) -> bool) -> Option<Entry<'_, E>> {
        let found =
            self.index.find(key.time_ms, key.hash, |indexed| is_match(&entry_of(&self.rows, indexed)))?;
        Some(entry_of(&self.rows, found))
    }

    pub(super) fn push(&mut self, key: Key, entry: E, hash_of: impl Fn(&Entry<'_, E>) -> u64) {
        let Self { rows, index, .. } = self;
        let row = rows.push(entry);
        assert!(row & REFERENCE == 0, "a generation has fewer than 2^31 rows");
        index.insert(key.time_ms, key.hash, row, |indexed| hash_of(&entry_of(rows, indexed)));
    }

    /// Frees one chunk.
    pub(super) fn drop_chunk(&mut self) -> Progress {
        if self.rows.drop_chunk() == Progress::More || self.index.drop_chunk() == Progress::More {
            return Progress::More;
        }
        self.arena.drop_chunk()
    }
}
