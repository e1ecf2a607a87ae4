//! `Index`: finds slots by a 64-bit hash. It uses linear hashing: a fixed number of inserts splits one
//! bucket, and the table is never rehashed as a whole.
//!
//! A bucket is one cache line with ten entries and a link to an overflow bucket. An entry is a slot and a
//! tag, which is 16 bits of the hash. The tag starts at bit `TAG_SHIFT`. From 2^`TAG_SHIFT` buckets on, the
//! tag contains the bit by which a bucket splits, so a split reads no record. The bits of the tag above
//! that one distinguish the entries of a bucket. With `TAG_SHIFT` 14 this holds from about 100,000 entries
//! on. At 12 million entries 9 bits are left, so about 1 of 90 searches meets a wrong record. An index that
//! stays smaller uses a lower `TAG_SHIFT`.
//!
//! Only a full bucket has overflow buckets, and only the first overflow bucket of a chain may have free
//! entries. So an insert touches at most two cache lines, and a removal fills the gap from the end of the
//! chain. Equal hashes, by accident or by malice, only make the chain longer that a search reads. Buckets
//! do not merge again: after a peak the index keeps its size, as the slots of the records do.
//!
//! The index does not see keys. The caller compares them, and provides hashes that are uniform over all 64
//! bits.

use super::rows::Rows;
use super::slab::Slab;
use super::{NO_SLOT, Progress};

const BUCKET_ENTRIES: usize = 10;
/// One bucket splits whenever there are more than 13/2 entries per bucket. This gives at most 12 bytes per
/// entry at any count, and few chains.
const ENTRIES_PER_TWO_BUCKETS: u64 = 13;

/// Slots by hash. See the module documentation.
#[derive(Debug, Default)]
pub struct Index<const TAG_SHIFT: u32 = 14> {
    /// The home buckets: 2^level of the last complete round, and those that were split since.
    buckets: Rows<Bucket>,
    overflow: Slab<Bucket>,
    len: u32,
}

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; BUCKET_ENTRIES],
    link: Link,
    /// Used entries come first.
    slots: [u32; BUCKET_ENTRIES],
}

const _: () = assert!(size_of::<Bucket>() == 64, "a bucket is one cache line");

/// The number of used entries of a bucket, in the lower four bits; above them the number of the next bucket
/// of the chain in `overflow`.
#[derive(Debug, Clone, Copy)]
struct Link(u32);

const COUNT_BITS: u32 = 4;
const COUNT_MASK: u32 = (1 << COUNT_BITS) - 1;
/// The end of a chain.
const NO_BUCKET: u32 = u32::MAX >> COUNT_BITS;

impl Link {
    const fn new(next: u32) -> Self {
        Self(next << COUNT_BITS)
    }

    const fn count(self) -> usize {
        (self.0 & COUNT_MASK) as usize
    }

    const fn next(self) -> u32 {
        self.0 >> COUNT_BITS
    }
}

impl Bucket {
    const EMPTY: Self =
        Self { tags: [0; BUCKET_ENTRIES], link: Link::new(NO_BUCKET), slots: [NO_SLOT; BUCKET_ENTRIES] };

    fn try_push(&mut self, tag: u16, slot: u32) -> bool {
        let count = self.link.count();
        if count >= BUCKET_ENTRIES {
            return false;
        }
        self.tags[count] = tag;
        self.slots[count] = slot;
        self.link.0 += 1;
        true
    }

    /// Removes the last entry, which must exist.
    fn pop(&mut self) -> (u16, u32) {
        self.link.0 -= 1;
        let last = self.link.count();
        (self.tags[last], self.slots[last])
    }

    const fn next(&self) -> u32 {
        self.link.next()
    }

    fn set_next(&mut self, next: u32) {
        assert!(next <= NO_BUCKET, "an index has fewer than 2^28 overflow buckets");
        self.link.0 = next << COUNT_BITS | self.link.0 & COUNT_MASK;
    }

    /// The entries in use.
    fn entries(&self) -> impl Iterator<Item = (u16, u32)> {
        self.tags.into_iter().zip(self.slots).take(self.link.count())
    }

    fn position_of(&self, tag: u16, slot: u32) -> Option<usize> {
        self.entries().position(|(used_tag, used)| used == slot && used_tag == tag)
    }

    /// One bit for each used entry with this tag. The loop is written so that it compiles to vector
    /// comparisons.
    #[inline]
    fn matches(&self, tag: u16) -> u32 {
        let mut mask = 0;
        for (position, &used_tag) in self.tags.iter().enumerate() {
            mask |= u32::from(used_tag == tag) << position;
        }
        mask & ((1 << self.link.count()) - 1)
    }
}

/// Which bucket contains an entry: its home bucket or an overflow bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Home(u32),
    Overflow(u32),
}

impl<const TAG_SHIFT: u32> Index<TAG_SHIFT> {
    /// An empty index; it allocates nothing.
    pub const fn new() -> Self {
        Self { buckets: Rows::new(), overflow: Slab::new(), len: 0 }
    }

    /// Entries in the index.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the index has no entry.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes in use.
    pub fn bytes(&self) -> usize {
        self.buckets.bytes() + self.overflow.bytes()
    }

    /// The home bucket of entries with this hash. There must be at least one bucket.
    #[inline]
    fn bucket_of(&self, hash: u64) -> u32 {
        let count = self.buckets.len();
        let round = 1_u32 << count.checked_ilog2().unwrap_or(0);
        let low = low_bits(hash);
        // In the middle of a round, a bucket has been split if the bucket with the longer number exists.
        let split = low & ((round << 1).wrapping_sub(1));
        if split < count { split } else { low & (round - 1) }
    }

    /// The slot among the entries with this hash for which `is_match` returns true.
    #[inline]
    pub fn find(&self, hash: u64, mut is_match: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.buckets.is_empty() {
            return None;
        }
        let tag = tag_of(hash, TAG_SHIFT);
        let mut bucket = self.buckets.get(self.bucket_of(hash));
        loop {
            let mut matches = bucket.matches(tag);
            while matches != 0 {
                let slot = bucket.slots[matches.trailing_zeros() as usize];
                if is_match(slot) {
                    return Some(slot);
                }
                matches &= matches - 1;
            }
            if bucket.next() == NO_BUCKET {
                return None;
            }
            bucket = self.overflow.get(bucket.next());
        }
    }

    /// The address that a search for this hash reads first: a word of its home bucket. This function does
    /// not read it.
    #[inline]
    pub fn prefetch_target(&self, hash: u64) -> Option<&u32> {
        (!self.buckets.is_empty()).then(|| &self.buckets.get(self.bucket_of(hash)).link.0)
    }

    /// Adds an entry. `hash_of` returns the hash of a slot that is already in the index. It is called in
    /// small indexes only.
    ///
    /// The same slot must not be inserted twice.
    #[inline]
    pub fn insert(&mut self, hash: u64, slot: u32, hash_of: impl Fn(u32) -> u64) {
        assert!(slot != NO_SLOT, "the last slot number is NO_SLOT");
        if self.buckets.is_empty() {
            self.buckets.push(Bucket::EMPTY);
        } else if u64::from(self.len) * 2 >= u64::from(self.buckets.len()) * ENTRIES_PER_TWO_BUCKETS {
            self.split_one(hash_of);
        }
        let home = self.bucket_of(hash);
        place(&mut self.overflow, self.buckets.get_mut(home), tag_of(hash, TAG_SHIFT), slot);
        self.len += 1;
    }

    /// Removes the entry of this slot. Returns false if there is none.
    pub fn remove(&mut self, hash: u64, slot: u32) -> bool {
        if self.buckets.is_empty() || slot == NO_SLOT {
            return false;
        }
        let home = self.bucket_of(hash);
        let Some((gap, gap_position)) = self.position_of(home, tag_of(hash, TAG_SHIFT), slot) else {
            return false;
        };
        let first_overflow = self.buckets.get(home).next();
        let tail =
            if first_overflow == NO_BUCKET { Place::Home(home) } else { Place::Overflow(first_overflow) };
        let tail_bucket = self.bucket_mut(tail);
        // The entry was found, so the bucket is not empty.
        let moved = tail_bucket.pop();
        let (last, next) = (tail_bucket.link.count(), tail_bucket.next());
        if (gap, gap_position) != (tail, last) {
            let bucket = self.bucket_mut(gap);
            (bucket.tags[gap_position], bucket.slots[gap_position]) = moved;
        }
        if last == 0 && first_overflow != NO_BUCKET {
            self.buckets.get_mut(home).set_next(next);
            self.overflow.remove(first_overflow);
        }
        self.len -= 1;
        true
    }

    /// Frees a part of the index. An index that is no longer needed is freed in bounded steps by repeated
    /// calls. It must not be used after the first one.
    pub fn drop_chunk(&mut self) -> Progress {
        self.len = 0;
        if self.buckets.drop_chunk() == Progress::More {
            return Progress::More;
        }
        self.overflow.drop_chunk()
    }

    fn bucket_mut(&mut self, place: Place) -> &mut Bucket {
        match place {
            Place::Home(number) => self.buckets.get_mut(number),
            Place::Overflow(number) => self.overflow.get_mut(number),
        }
    }

    fn position_of(&self, home: u32, tag: u16, slot: u32) -> Option<(Place, usize)> {
        let mut place = Place::Home(home);
        let mut bucket = self.buckets.get(home);
        loop {
            if let Some(position) = bucket.position_of(tag, slot) {
                return Some((place, position));
            }
            if bucket.next() == NO_BUCKET {
                return None;
            }
            place = Place::Overflow(bucket.next());
            bucket = self.overflow.get(bucket.next());
        }
    }

    /// Splits the next bucket of the round in two, by one more bit of the hash.
    fn split_one(&mut self, hash_of: impl Fn(u32) -> u64) {
        let level = self.buckets.len().ilog2();
        let lower = self.buckets.len() - (1 << level);
        let in_tag = (TAG_SHIFT..TAG_SHIFT + u16::BITS).contains(&level);
        let mut chain = *self.buckets.get(lower);
        let (mut lower_half, mut upper_half) = (Bucket::EMPTY, Bucket::EMPTY);
        loop {
            for (tag, slot) in chain.entries() {
                let is_upper = if in_tag {
                    tag >> (level - TAG_SHIFT) & 1 == 1
                } else {
                    hash_of(slot) >> level & 1 == 1
                };
                let half = if is_upper { &mut upper_half } else { &mut lower_half };
                place(&mut self.overflow, half, tag, slot);
            }
            if chain.next() == NO_BUCKET {
                break;
            }
            chain = self.overflow.remove(chain.next());
        }
        *self.buckets.get_mut(lower) = lower_half;
        self.buckets.push(upper_half);
    }
}

/// Puts an entry into a chain: into the home bucket, else into the first overflow bucket, else into a new
/// first overflow bucket.
#[inline]
fn place(overflow: &mut Slab<Bucket>, home: &mut Bucket, tag: u16, slot: u32) {
    if home.try_push(tag, slot) {
        return;
    }
    if home.next() != NO_BUCKET && overflow.get_mut(home.next()).try_push(tag, slot) {
        return;
    }
    let mut fresh = Bucket { link: Link::new(home.next()), ..Bucket::EMPTY };
    assert!(fresh.try_push(tag, slot), "an empty bucket has free entries");
    home.set_next(overflow.insert(fresh));
}

/// The 16 bits of a hash that begin at bit `shift`.
fn tag_of(hash: u64, shift: u32) -> u16 {
    u16::try_from(hash >> shift & u64::from(u16::MAX)).unwrap_or(u16::MAX)
}

fn low_bits(hash: u64) -> u32 {
    u32::try_from(hash & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
