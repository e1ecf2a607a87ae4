//! Strings in parts against a map: contents and memory.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stockhold_machine::table::parts::PART_BYTES;
use stockhold_machine::table::{NO_SLOT, Parts};

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![
        4 => 0..=3 * PART_BYTES,
        1 => prop::sample::select(vec![0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 256]),
    ];
    prop_oneof![
        3 => length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length)).prop_map(Step::Insert),
        2 => any::<usize>().prop_map(Step::Remove),
    ]
}

fn assert_reads(parts: &Parts, first: u32, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    parts.read(first, &mut read);
    assert_eq!(read, bytes);
    assert!(parts.is(first, bytes));
    for at in 0..bytes.len() {
        let mut other = bytes.to_vec();
        other[at] ^= 1;
        assert!(!parts.is(first, &other), "another byte {at}");
    }
}

proptest! {
    #[test]
    fn parts_hold_what_a_map_holds(steps in prop::collection::vec(step(), 0..120)) {
        // Proves that every string is read back until it is removed, and that no part is lost.
        let (mut parts, mut strings) = (Parts::new(), BTreeMap::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(bytes) => {
                    let first = parts.insert(&bytes);
                    prop_assert_eq!(first == NO_SLOT, bytes.is_empty());
                    strings.insert(number, (first, bytes));
                }
                Step::Remove(pick) if !strings.is_empty() => {
                    let number = *strings.keys().nth(pick % strings.len()).unwrap();
                    let (first, _) = strings.remove(&number).unwrap();
                    parts.remove(first);
                }
                Step::Remove(_) => {}
            }
            for (first, bytes) in strings.values() {
                assert_reads(&parts, *first, bytes);
            }
            let used: usize = strings.values().map(|(_, bytes)| bytes.len().div_ceil(PART_BYTES)).sum();
            prop_assert_eq!(parts.len() as usize, used);
            prop_assert_eq!(parts.is_empty(), used == 0);
        }
    }
}

#[test]
fn freed_parts_are_used_again() {
    // Proves that strings of changing lengths take no more memory than the longest ones did.
    let mut parts = Parts::new();
    let mut insert_all = |length: usize| -> usize {
        let strings: Vec<u32> = (0..1_000).map(|_| parts.insert(&vec![7; length])).collect();
        for first in strings {
            parts.remove(first);
        }
        parts.bytes()
    };
    let most = insert_all(256);
    for length in [1, 28, 29, 100, 255, 256] {
        assert_eq!(insert_all(length), most, "{length}");
    }
}
