//! The due list against maps: items by second, and sums that are removed at one instant.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stockhold_machine::table::DueList;

#[derive(Debug, Clone)]
enum Step {
    Push(u32),
    Take { ahead: u32, budget: u32 },
    AddHash(u32, u64),
    SubHash(usize),
    TakeHashSum(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..300).prop_map(Step::Push),
        8 => (0_u32..2).prop_map(Step::Push),
        1 => (0_u32..40, 0_u32..50).prop_map(|(ahead, budget)| Step::Take { ahead, budget }),
        6 => (1_u32..300, any::<u64>()).prop_map(|(ahead, hash)| Step::AddHash(ahead, hash)),
        3 => any::<usize>().prop_map(Step::SubHash),
        1 => (0_u32..40).prop_map(Step::TakeHashSum),
    ]
}

/// A due list and its model.
#[derive(Default)]
struct Pair {
    due: DueList,
    items: BTreeMap<u32, Vec<u32>>,
    hashes: Vec<(u32, u64)>,
    item: u32,
    now: u32,
}

impl Pair {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Push(ahead) => {
                self.item += 1;
                self.due.push(self.now + ahead, self.item);
                self.items.entry(self.now + ahead).or_default().push(self.item);
            }
            Step::Take { ahead, budget } => self.take(self.now + ahead, budget),
            Step::AddHash(ahead, hash) => {
                self.due.add_hash(self.now + ahead, hash);
                self.hashes.push((self.now + ahead, hash));
            }
            Step::SubHash(at) => {
                if let Some(at) = at.checked_rem(self.hashes.len()) {
                    let (second, hash) = self.hashes.swap_remove(at);
                    self.due.sub_hash(second, hash);
                }
            }
            Step::TakeHashSum(ahead) => {
                self.now += ahead;
                let now = self.now;
                let passed = self.hashes.extract_if(.., |(second, _)| *second <= now);
                let expected = passed.fold(0_u64, |sum, (_, hash)| sum.wrapping_add(hash));
                assert_eq!(self.due.take_hash_sum(now), expected);
                assert_eq!(self.due.take_hash_sum(now), 0, "a sum is taken once");
            }
        }
        let items: usize = self.items.values().map(Vec::len).sum();
        assert_eq!(self.due.len(), items as u64);
        assert_eq!(self.due.is_empty(), items == 0);
        assert_eq!(self.due.next_due(), self.items.keys().next().copied());
    }

    fn take(&mut self, now: u32, budget: u32) {
        let mut taken = Vec::new();
        let more = self.due.take_due(now, budget, &mut taken);
        let due_count: usize = self.items.range(..=now).map(|(_, items)| items.len()).sum();
        assert_eq!(taken.len(), due_count.min(budget as usize));
        assert_eq!(more, taken.len() < due_count);
        for item in taken {
            let Some(mut first) = self.items.first_entry() else {
                panic!("item {item} is in no second");
            };
            let items_before = first.get().len();
            first.get_mut().retain(|&other| other != item);
            assert_eq!(
                first.get().len() + 1,
                items_before,
                "item {item} is returned once, from the earliest second"
            );
            if first.get().is_empty() {
                first.remove();
            }
        }
    }
}

proptest! {
    #[test]
    fn due_list_holds_what_maps_hold(steps in prop::collection::vec(step(), 0..600)) {
        // Proves that items are returned once, when they are due and not before, the earliest second first,
        // and that sums are exact.
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step);
        }
        pair.take(u32::MAX, u32::MAX);
        prop_assert!(pair.due.is_empty());
        prop_assert_eq!(pair.due.next_due(), None);
    }
}

#[test]
fn a_million_hashes_of_one_second_are_removed_by_one_subtraction() {
    // Proves that the cost of a second does not grow with its records: no memory is used per hash.
    let mut due = DueList::new();
    due.add_hash(100, 1);
    let held = due.bytes();
    for hash in 0..1_000_000 {
        due.add_hash(100, hash);
    }
    assert_eq!(due.bytes(), held);
    assert_eq!(due.take_hash_sum(99), 0);
    assert_eq!(due.take_hash_sum(100), 1 + 999_999 * 1_000_000 / 2);
    assert_eq!(due.take_hash_sum(101), 0);
}

#[test]
fn a_crowded_second_takes_less_than_five_bytes_per_item() {
    // Proves that items are packed, that a million pushes to one second never copy the list, and that
    // memory is used again.
    let mut due = DueList::new();
    let mut held = due.bytes();
    for item in 0..1_000_000 {
        due.push(50, item);
        let now_held = due.bytes();
        assert!(now_held - held <= 3 * 64 * 1024, "one push took {} bytes", now_held - held);
        held = now_held;
    }
    assert!(held < 4_900_000, "{held} bytes");
    let mut taken = Vec::new();
    while due.take_due(50, 1_000, &mut taken) {}
    taken.sort_unstable();
    assert_eq!(taken, (0..1_000_000).collect::<Vec<u32>>());
    for item in 0..1_000_000 {
        due.push(51, item);
    }
    assert!(due.bytes() <= held + 512 * 1024, "{} bytes after {held}", due.bytes());
}

#[test]
fn the_first_and_the_last_second_work() {
    // Proves that the first and the last second that 32 bits can represent work like others.
    let mut due = DueList::new();
    due.push(u32::MAX, 2);
    due.push(0, 1);
    due.add_hash(0, 5);
    due.add_hash(u32::MAX, 7);
    assert_eq!(due.next_due(), Some(0));
    let mut taken = Vec::new();
    assert!(!due.take_due(0, 10, &mut taken));
    assert_eq!(due.take_hash_sum(0), 5);
    assert!(due.take_due(u32::MAX, 0, &mut taken), "a budget of nothing takes nothing");
    assert!(!due.take_due(u32::MAX, 10, &mut taken));
    assert_eq!(due.take_hash_sum(u32::MAX), 7);
    assert_eq!(taken, [1, 2]);
}
