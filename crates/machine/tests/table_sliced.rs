//! The sliced index against a map: contents for any times, memory, and freeing in bounded steps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stockhold_machine::table::sliced::{ROUND_MS, SLICE_MS};
use stockhold_machine::table::{Progress, SlicedIndex};

/// Spreads a number over 64 bits (the finaliser of `MurmurHash3`, a bijection).
fn spread(number: u64) -> u64 {
    let mut hash = number;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

fn hash_of(slot: u32) -> u64 {
    spread(u64::from(slot))
}

proptest! {
    #[test]
    fn the_index_holds_what_a_map_holds(
        steps in prop::collection::vec((any::<bool>(), any::<u32>(), 0..3 * ROUND_MS), 0..1_500),
        spread_ms in prop_oneof![Just(1), Just(SLICE_MS * 2), Just(3 * ROUND_MS)],
    ) {
        // Proves that entries of one slice, of several slices and of several rounds are found at their own
        // time, and not after they are removed.
        let mut index = SlicedIndex::new();
        let mut times = BTreeMap::new();
        for (number, (remove, pick, time_ms)) in steps.into_iter().enumerate() {
            let time_ms = time_ms % spread_ms;
            if remove && !times.is_empty() {
                let (&slot, &at_ms) = times.iter().nth(pick as usize % times.len()).unwrap();
                prop_assert!(!index.remove(at_ms + SLICE_MS, hash_of(slot), slot), "it is found only at its own time");
                prop_assert!(index.remove(at_ms, hash_of(slot), slot));
                prop_assert!(!index.remove(at_ms, hash_of(slot), slot), "an entry is removed once");
                times.remove(&slot);
            } else {
                let slot = u32::try_from(number).unwrap();
                index.insert(time_ms, hash_of(slot), slot, hash_of);
                times.insert(slot, time_ms);
            }
        }
        prop_assert_eq!(index.len(), times.len() as u64);
        prop_assert_eq!(index.is_empty(), times.is_empty());
        for (&slot, &time_ms) in &times {
            prop_assert_eq!(index.find(time_ms, hash_of(slot), |found| found == slot), Some(slot));
        }
    }
}

#[test]
fn an_entry_takes_at_most_19_bytes_and_14_from_6_million_on() {
    // Proves the bound on memory for entries that arrive evenly over several rounds, at every count from 1
    // to 12 million.
    const COUNT_MAX: u32 = 12_000_000;
    let mut index = SlicedIndex::new();
    for slot in 0..COUNT_MAX {
        let time_ms = u64::from(slot) * 3 * ROUND_MS / u64::from(COUNT_MAX / 12);
        index.insert(time_ms, hash_of(slot), slot, hash_of);
        let count = slot + 1;
        if count >= 1_000_000 && count.is_multiple_of(100_000) {
            let hundredths = index.bytes() * 100 / count as usize;
            let most = if count >= 6_000_000 { 1_400 } else { 1_900 };
            assert!(hundredths <= most, "{hundredths} hundredths of a byte per entry at {count}");
        }
    }
}

#[test]
fn it_is_freed_in_bounded_steps() {
    // Proves that each step frees little, and that all steps free everything.
    let mut index = SlicedIndex::new();
    for slot in 0..500_000 {
        index.insert(u64::from(slot) / 50, hash_of(slot), slot, hash_of);
    }
    let mut held = index.bytes();
    let mut steps = 0;
    while index.drop_chunk() == Progress::More {
        let now_held = index.bytes();
        assert!(held - now_held <= 256 * 1024, "one step freed {} bytes", held - now_held);
        held = now_held;
        steps += 1;
    }
    assert!(steps > 100, "{steps} steps");
}

#[test]
fn few_entries_take_little_memory() {
    // Proves that few ids, one per slice, do not take a chunk each.
    let mut index = SlicedIndex::new();
    for slot in 0..256 {
        index.insert(u64::from(slot) * SLICE_MS, hash_of(slot), slot, hash_of);
    }
    assert!(index.bytes() <= 512 * 1024, "{} bytes for 256 entries", index.bytes());
}
