//! The index against a map: contents, equal hashes, memory at every count, and the search within a bucket.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stockhold_machine::table::{Index, Progress};

/// Spreads a number over 64 bits (the finaliser of `MurmurHash3`, a bijection).
fn spread(number: u64) -> u64 {
    let mut hash = number;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// Entries as (hash, slot); slots are unique, hashes need not be.
#[derive(Default)]
struct Pair {
    index: Index,
    hash_of_slot: BTreeMap<u32, u64>,
}

impl Pair {
    fn insert(&mut self, hash: u64, slot: u32) {
        self.index.insert(hash, slot, |slot| self.hash_of_slot[&slot]);
        assert_eq!(self.hash_of_slot.insert(slot, hash), None);
    }

    fn remove(&mut self, slot: u32) {
        let hash = self.hash_of_slot[&slot];
        self.hash_of_slot.remove(&slot);
        assert!(!self.index.remove(hash ^ 1 << 20, slot), "another hash removes nothing");
        assert!(self.index.remove(hash, slot));
        assert!(!self.index.remove(hash, slot), "an entry is removed once");
    }

    fn assert_equal(&self) {
        assert_eq!(self.index.len() as usize, self.hash_of_slot.len());
        for (&slot, &hash) in &self.hash_of_slot {
            assert_eq!(self.index.find(hash, |found| found == slot), Some(slot));
        }
    }

    /// The slots that a search for this hash passes to the comparison.
    fn candidates(&self, hash: u64) -> BTreeSet<u32> {
        let mut offered = BTreeSet::new();
        let found = self.index.find(hash, |slot| {
            assert!(offered.insert(slot), "a slot is compared once");
            false
        });
        assert_eq!(found, None);
        offered
    }
}

proptest! {
    #[test]
    fn index_holds_what_a_map_holds(
        steps in prop::collection::vec((any::<bool>(), any::<u32>(), 0_u64..40), 0..1_500),
        equal_hashes in any::<bool>(),
    ) {
        // Proves that every entry is found, and none that was removed, through splits and with hashes that
        // collide.
        let mut pair = Pair::default();
        for (number, (remove, pick, family)) in steps.into_iter().enumerate() {
            let count = pair.hash_of_slot.len();
            if remove && count > 0 {
                let slot = *pair.hash_of_slot.keys().nth(pick as usize % count).unwrap();
                pair.remove(slot);
            } else {
                let slot = u32::try_from(number).unwrap();
                pair.insert(spread(if equal_hashes { family } else { u64::from(slot) }), slot);
            }
        }
        pair.assert_equal();
        for slot in 0..50 {
            if !pair.hash_of_slot.contains_key(&slot) {
                prop_assert_eq!(pair.index.find(spread(u64::from(slot)), |found| found == slot), None);
            }
        }
    }
}

#[test]
fn an_empty_index_finds_nothing() {
    // Proves that searches and removals work before the first insert.
    let mut index = Index::<14>::new();
    assert_eq!(index.find(7, |_| true), None);
    assert!(!index.remove(7, 7));
    assert_eq!(index.bytes(), 0);
}

#[test]
fn equal_hashes_make_long_chains_that_shrink_again() {
    // Proves that 20,000 entries with one hash are found among others, and that their memory is used again.
    let mut pair = Pair::default();
    for slot in 0..20_000 {
        pair.insert(42, slot);
        pair.insert(spread(u64::from(slot)), 1_000_000 + slot);
    }
    assert_eq!(pair.candidates(42).range(..20_000).count(), 20_000);
    assert_eq!(pair.index.find(42, |slot| slot == 77), Some(77));
    let peak = pair.index.bytes();
    for slot in (0..20_000).rev() {
        if slot != 77 {
            assert!(pair.index.remove(42, slot));
            pair.hash_of_slot.remove(&slot);
        }
    }
    assert_eq!(pair.index.find(42, |slot| slot == 77), Some(77));
    assert!(pair.candidates(42).len() < 20);
    pair.assert_equal();
    for slot in 20_000..39_999 {
        pair.insert(43, slot);
    }
    assert!(pair.index.bytes() <= peak + 64 * 1024, "{} bytes after {peak}", pair.index.bytes());
    assert_eq!(pair.candidates(43).range(20_000..40_000).count(), 19_999);
}

#[test]
fn an_entry_takes_at_most_12_bytes_at_any_count() {
    // Proves the bound of 12 bytes per entry at every count from 1 to 12 million, and that a search for an
    // absent hash compares few records.
    const COUNT_MAX: u32 = 12_000_000;
    let mut index = Index::<14>::new();
    let mut worst = 0;
    for slot in 0..COUNT_MAX {
        index.insert(spread(u64::from(slot)), slot, |slot| spread(u64::from(slot)));
        let count = slot + 1;
        if count >= 1_000_000 && count.is_multiple_of(10_000) {
            let hundredths = index.bytes() * 100 / count as usize;
            assert!(hundredths <= 1_200, "{hundredths} hundredths of a byte per entry at {count}");
            worst = worst.max(hundredths);
        }
    }
    let mut compared = 0_u32;
    for number in 0..100_000_u64 {
        let absent = spread(u64::from(COUNT_MAX) + number);
        assert_eq!(
            index.find(absent, |_| {
                compared += 1;
                false
            }),
            None
        );
        let slot = u32::try_from(number * 119).unwrap();
        assert_eq!(index.find(spread(u64::from(slot)), |found| found == slot), Some(slot));
    }
    assert!(compared < 4_000, "{compared} records compared for 100,000 absent hashes");
    println!(
        "worst {worst} hundredths of a byte per entry; {compared} of 100,000 absent hashes met a record"
    );
    for slot in 0..COUNT_MAX / 2 {
        assert!(index.remove(spread(u64::from(slot)), slot));
    }
    assert_eq!(index.len(), COUNT_MAX / 2);
    let mut steps = 0;
    while index.drop_chunk() == Progress::More {
        steps += 1;
    }
    assert!(steps > 1_000, "freed in {steps} steps");
}

#[test]
fn large_indexes_split_without_reading_records() {
    // Proves that from 2^14 buckets on the stored bits decide a split, so that it touches no record.
    let mut index = Index::<14>::new();
    let mut late_calls = 0_u32;
    for slot in 0..400_000_u32 {
        let calls = std::cell::Cell::new(0);
        index.insert(spread(u64::from(slot)), slot, |slot| {
            calls.set(calls.get() + 1);
            spread(u64::from(slot))
        });
        if slot > 16_384 * 13 / 2 + 1 {
            late_calls += calls.get();
        }
    }
    assert_eq!(late_calls, 0);
    for slot in (0..400_000_u32).step_by(37) {
        assert_eq!(index.find(spread(u64::from(slot)), |found| found == slot), Some(slot));
    }
}
