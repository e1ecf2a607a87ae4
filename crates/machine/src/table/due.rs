//! `DueList`: items that become due at a second, and the part of the digest that expires with each second.
//!
//! Each second has two things. The first is a list of items. They are taken a bounded number at a time once
//! their second has passed. The second is a sum of record hashes. It is removed in one step, however many
//! records it covers. The two proceed independently: a million holds expire at one instant, while their
//! records are erased in many steps.
//!
//! A due list does not define an order: the items of a second are returned in an order that depends on the
//! calls of `push`, which are different after a load. No outcome may depend on it. Removal is lazy: the
//! caller must recognise and ignore an item that is no longer due when it is returned.

use std::collections::BTreeMap;

use super::NO_SLOT;
use super::slab::Slab;

/// The seconds of a page, one per bit of its mask.
const PAGE_SECONDS: u32 = u64::BITS;
const BLOCK_ITEMS: usize = 14;

/// Items and hash sums by second. See the module documentation.
#[derive(Debug)]
pub struct DueList {
    /// For each second the first block of items. Only the first block of a second may have free entries.
    lists: Seconds<u32>,
    blocks: Slab<Block>,
    items: u64,
    sums: Seconds<Sum>,
    /// The last second whose sums were taken; none before the first call of `take_hashes`.
    summed_through: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Sum {
    sum: u64,
    /// The number of hashes in the sum. It distinguishes a sum that happens to be 0 from an empty one.
    count: u32,
}

/// Items of one second, in one cache line.
#[derive(Debug, Clone, Copy)]
struct Block {
    items: [u32; BLOCK_ITEMS],
    count: u32,
    next: u32,
}

const _: () = assert!(size_of::<Block>() == 64, "a block is one cache line");

/// A value per second. Seconds are grouped into pages, so a dense range of seconds needs a small tree.
#[derive(Debug)]
struct Seconds<V: Copy> {
    pages: BTreeMap<u32, Box<Page<V>>>,
}

#[derive(Debug)]
struct Page<V: Copy> {
    /// One bit for each second that has a value.
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

    /// The value of a second. A second without a value gets `initial`.
    fn get_or_insert(&mut self, second: u32, initial: V) -> &mut V {
        let page = self
            .pages
            .entry(second / PAGE_SECONDS)
            .or_insert_with(|| Box::new(Page { used: 0, values: [initial; PAGE_SECONDS as usize] }));
        let bit = second % PAGE_SECONDS;
        let value = &mut page.values[bit as usize];
        if page.used & (1 << bit) == 0 {
            page.used |= 1 << bit;
            *value = initial;
        }
        value
    }

    fn get_mut(&mut self, second: u32) -> Option<&mut V> {
        let page = self.pages.get_mut(&(second / PAGE_SECONDS))?;
        let bit = second % PAGE_SECONDS;
        (page.used & (1 << bit) != 0).then_some(&mut page.values[bit as usize])
    }

    /// Removes the value of a second, and the page if it is empty afterwards.
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

    /// Heap bytes in use. The nodes of the tree are estimated at twice their content.
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

    /// The number of items in the list, including stale ones.
    pub const fn len(&self) -> u64 {
        self.items
    }

    /// Whether the list has no items.
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Heap bytes in use.
    pub fn bytes(&self) -> usize {
        self.blocks.bytes() + self.lists.bytes() + self.sums.bytes()
    }

    /// Adds an item that becomes due at a second.
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

    /// Moves up to `budget` items of the seconds up to `now` into `taken`, earlier seconds first. Returns
    /// true if more items are due.
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

    /// Takes items from the first block of a second and returns how many.
    fn take_block(&mut self, second: u32, budget: u32, taken: &mut Vec<u32>) -> u32 {
        let Some(first) = self.lists.get_mut(second) else {
            unreachable!("next_due returns only seconds that have items");
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

    /// Adds the hash of a record to the sum of a second that has not passed.
    pub fn add_hash(&mut self, second: u32, hash: u64) {
        self.assert_not_passed(second);
        let entry = self.sums.get_or_insert(second, Sum { sum: 0, count: 0 });
        entry.sum = entry.sum.wrapping_add(hash);
        entry.count += 1;
    }

    /// Subtracts the hash of a record from the sum of a second that has not passed.
    pub fn sub_hash(&mut self, second: u32, hash: u64) {
        self.assert_not_passed(second);
        let Some(entry) = self.sums.get_mut(second) else {
            unreachable!("a hash is subtracted from the second to which it was added");
        };
        entry.sum = entry.sum.wrapping_sub(hash);
        entry.count -= 1;
        if entry.count == 0 {
            assert!(entry.sum == 0, "the sum of no records is 0");
            self.sums.remove(second);
        }
    }

    /// Removes the sums of all seconds up to `now` and returns their total. The hashes of these records
    /// must not be subtracted again.
    pub fn take_hash_sum(&mut self, now: u32) -> u64 {
        self.take_hashes(now).0
    }

    /// Like [`take_hash_sum`](Self::take_hash_sum). Also returns the number of records in the sum.
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

    fn assert_not_passed(&self, second: u32) {
        let is_ahead = self.summed_through.is_none_or(|passed| second > passed);
        assert!(is_ahead, "the sum of this second was taken already");
    }
}

impl Default for DueList {
    fn default() -> Self {
        Self::new()
    }
}
