//! `DueList`: what comes due at which second, and how much of the digest stops counting then.
//!
//! Two things per second: a list of items, taken a bounded number at a time once their second has come, and a
//! sum of record hashes, which leaves all at once however many records it stands for. They pass
//! independently: a million holds expire in one instant, their records are erased over many.
//!
//! Not for order: the items of a second come in an order that follows from the pushes, which differ after a
//! load, so no outcome may depend on it. Removal is lazy: an item that is no longer due at its second is for
//! the caller to recognise when it comes.

use std::collections::BTreeMap;

use super::NO_SLOT;
use super::slab::Slab;

/// Seconds in a page, one per bit of its mask.
const PAGE_SECONDS: u32 = u64::BITS;
const BLOCK_ITEMS: usize = 14;

/// Items and hash sums by second. See the module.
#[derive(Debug)]
pub struct DueList {
    /// Per second the first block of items, the only one that may have room.
    lists: Seconds<u32>,
    blocks: Slab<Block>,
    items: u64,
    sums: Seconds<Sum>,
    /// Seconds up to this one no longer count; none before the first call of `hash_due`.
    summed_through: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    sum: u64,
    /// Hashes in the sum, so that a sum that happens to be 0 is not taken for none.
    count: u32,
}

/// Items of one second; a cache line.
#[derive(Debug, Clone, Copy)]
struct Block {
    items: [u32; BLOCK_ITEMS],
    count: u32,
    next: u32,
}

const _: () = assert!(size_of::<Block>() == 64, "a block is one cache line");

/// A value per second, in pages, so that a dense span of seconds makes a small tree.
#[derive(Debug)]
struct Seconds<V: Copy> {
    pages: BTreeMap<u32, Box<Page<V>>>,
}

#[derive(Debug)]
struct Page<V: Copy> {
    /// A bit per second that has a value.
    used: u64,
    values: [V; PAGE_SECONDS as usize],
}

impl<V: Copy> Seconds<V> {
    const fn new() -> Self {
        Self { pages: BTreeMap::new() }
    }

    /// The earliest second that has a value.
    fn first(&self) -> Option<u32> {
        let (&number, page) = self.pages.first_key_value()?;
        Some(number * PAGE_SECONDS + page.used.trailing_zeros())
    }

    /// The value of a second, which is `absent` until now if it has none.
    fn get_or_insert(&mut self, second: u32, absent: V) -> &mut V {
        let page = self
            .pages
            .entry(second / PAGE_SECONDS)
            .or_insert_with(|| Box::new(Page { used: 0, values: [absent; PAGE_SECONDS as usize] }));
        let bit = second % PAGE_SECONDS;
        let value = &mut page.values[bit as usize];
        if page.used & (1 << bit) == 0 {
            page.used |= 1 << bit;
            *value = absent;
        }
        value
    }

    fn get_mut(&mut self, second: u32) -> Option<&mut V> {
        let page = self.pages.get_mut(&(second / PAGE_SECONDS))?;
        let bit = second % PAGE_SECONDS;
        (page.used & (1 << bit) != 0).then_some(&mut page.values[bit as usize])
    }

    /// Takes the value of a second, and the page with its last value.
    fn remove(&mut self, second: u32) -> Option<V> {
        let value = *self.get_mut(second)?;
        let number = second / PAGE_SECONDS;
        let page = self.pages.get_mut(&number)?;
        page.used &= !(1 << (second % PAGE_SECONDS));
        if page.used == 0 {
            self.pages.remove(&number);
        }
        Some(value)
    }

    /// Heap bytes taken; the tree's own nodes are estimated at twice their content.
    fn bytes(&self) -> usize {
        self.pages.len() * (size_of::<Page<V>>() + 2 * size_of::<(u32, Box<Page<V>>)>())
    }
}

impl DueList {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            lists: Seconds::new(),
            blocks: Slab::new(),
            items: 0,
            sums: Seconds::new(),
            summed_through: None,
        }
    }

    /// Items in the list, those that their owners no longer care for included.
    pub const fn len(&self) -> u64 {
        self.items
    }

    /// Whether the list has no item.
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Heap bytes taken.
    pub fn bytes(&self) -> usize {
        self.blocks.bytes() + self.lists.bytes() + self.sums.bytes()
    }

    /// Lets an item come due at a second.
    pub fn push(&mut self, second: u32, item: u32) {
        let first = self.lists.get_or_insert(second, NO_SLOT);
        self.items += 1;
        if *first != NO_SLOT {
            let block = self.blocks.get_mut(*first);
            if (block.count as usize) < BLOCK_ITEMS {
                block.items[block.count as usize] = item;
                block.count += 1;
                return;
            }
        }
        let mut items = [0; BLOCK_ITEMS];
        items[0] = item;
        *first = self.blocks.insert(Block { items, count: 1, next: *first });
    }

    /// The earliest second that has items.
    pub fn next_due(&self) -> Option<u32> {
        self.lists.first()
    }

    /// Moves up to `budget` items of the seconds up to `now` into `taken`, earlier seconds first; true if
    /// more are due.
    pub fn take_due(&mut self, now: u32, budget: u32, taken: &mut Vec<u32>) -> bool {
        let mut left = budget;
        while let Some(second) = self.next_due().filter(|&second| second <= now) {
            if left == 0 {
                return true;
            }
            left -= self.take_block(second, left, taken);
        }
        false
    }

    /// Takes from the first block of a second; returns how many.
    fn take_block(&mut self, second: u32, budget: u32, taken: &mut Vec<u32>) -> u32 {
        let Some(first) = self.lists.get_mut(second) else {
            unreachable!("the second was found by its items");
        };
        let block = self.blocks.get_mut(*first);
        let count = block.count.min(budget);
        block.count -= count;
        let start = block.count as usize;
        taken.extend_from_slice(&block.items[start..start + count as usize]);
        self.items -= u64::from(count);
        if start == 0 {
            *first = self.blocks.remove(*first).next;
            if *first == NO_SLOT {
                self.lists.remove(second);
            }
        }
        count
    }

    /// Adds a record's hash to the sum of a second that has not passed.
    pub fn add_hash(&mut self, second: u32, hash: u64) {
        self.assert_counts(second);
        let entry = self.sums.get_or_insert(second, Sum { sum: 0, count: 0 });
        entry.sum = entry.sum.wrapping_add(hash);
        entry.count += 1;
    }

    /// Takes a record's hash out of the sum of a second that has not passed.
    pub fn sub_hash(&mut self, second: u32, hash: u64) {
        self.assert_counts(second);
        let Some(entry) = self.sums.get_mut(second) else {
            unreachable!("a hash leaves the second into which it was added");
        };
        entry.sum = entry.sum.wrapping_sub(hash);
        entry.count -= 1;
        if entry.count == 0 {
            assert!(entry.sum == 0, "the sum of no record is 0");
            self.sums.remove(second);
        }
    }

    /// The sum of the hashes of all seconds up to `now`, which leave the list: afterwards these records count
    /// no more and must not be subtracted again.
    pub fn hash_due(&mut self, now: u32) -> u64 {
        self.take_hashes(now).0
    }

    /// As [`hash_due`](Self::hash_due), and of how many records it is the sum.
    pub fn take_hashes(&mut self, now: u32) -> (u64, u64) {
        let (mut total, mut count): (u64, u64) = (0, 0);
        while let Some(second) = self.sums.first().filter(|&second| second <= now) {
            let Some(entry) = self.sums.remove(second) else { break };
            total = total.wrapping_add(entry.sum);
            count += u64::from(entry.count);
        }
        self.summed_through = self.summed_through.max(Some(now));
        (total, count)
    }

    fn assert_counts(&self, second: u32) {
        let counts = self.summed_through.is_none_or(|passed| second > passed);
        assert!(counts, "hashes of a passed second no longer count");
    }
}

impl Default for DueList {
    fn default() -> Self {
        Self::new()
    }
}
