//! The slab against a map: contents, slots, and snapshots of one instant while records change.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stockhold_machine::table::{Progress, Rows, Slab};

/// A record so large that a chunk contains 256 of them, so that few changes affect several chunks of
/// several words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Large {
    value: u64,
    padding: [u64; 31],
}

fn large(value: u64) -> Large {
    Large { value, padding: [value; 31] }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    Change(usize, u64),
    Remove(usize),
    /// Removes most records, so that whole chunks are empty.
    Thin,
}

fn change() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u64>().prop_map(Step::Insert),
        4 => (any::<usize>(), any::<u64>()).prop_map(|(at, value)| Step::Change(at, value)),
        4 => any::<usize>().prop_map(Step::Remove),
        1 => Just(Step::Thin),
    ]
}

/// A slab and its model.
#[derive(Default)]
struct Pair {
    slab: Slab<Large>,
    model: BTreeMap<u32, u64>,
}

impl Pair {
    fn apply(&mut self, change: &Step) {
        match *change {
            Step::Insert(value) => self.insert(value),
            Step::Change(at, value) => {
                if let Some(slot) = self.pick(at) {
                    *self.slab.get_mut(slot) = large(value);
                    self.model.insert(slot, value);
                }
            }
            Step::Remove(at) => {
                if let Some(slot) = self.pick(at) {
                    self.remove(slot);
                }
            }
            Step::Thin => {
                let slots: Vec<u32> = self.model.keys().copied().filter(|slot| slot % 7 != 3).collect();
                for slot in slots {
                    self.remove(slot);
                }
            }
        }
    }

    fn insert(&mut self, value: u64) {
        let slot = self.slab.insert(large(value));
        assert_eq!(self.model.insert(slot, value), None, "a slot in use is not assigned again");
    }

    fn remove(&mut self, slot: u32) {
        let removed = self.slab.remove(slot);
        assert_eq!(removed, large(removed.value));
        assert_eq!(self.model.remove(&slot), Some(removed.value));
    }

    fn pick(&self, at: usize) -> Option<u32> {
        self.model.keys().nth(at.checked_rem(self.model.len())?).copied()
    }

    fn assert_equal(&self) {
        let content: Vec<(u32, u64)> = self.slab.iter().map(|(slot, record)| (slot, record.value)).collect();
        let expected: Vec<(u32, u64)> = self.model.iter().map(|(&slot, &value)| (slot, value)).collect();
        assert_eq!(content, expected);
        assert_eq!(self.slab.len() as usize, self.model.len());
        for (slot, value) in &self.model {
            assert!(self.slab.contains(*slot));
            assert_eq!(*self.slab.get(*slot), large(*value));
        }
    }

    /// Begins a snapshot, applies the changes with a step of the snapshot after each group, and compares it
    /// with the state at its beginning.
    fn snapshot(&mut self, changes: &[Step], budget: u32, changes_per_step: usize) {
        let mut expected: Vec<u64> = self.model.values().copied().collect();
        let mut visited = Vec::new();
        self.slab.begin_snapshot();
        let mut visit = |record: &Large| {
            assert_eq!(*record, large(record.value), "no record is torn");
            visited.push(record.value);
        };
        for group in changes.chunks(changes_per_step) {
            for change in group {
                self.apply(change);
            }
            if self.slab.in_snapshot() {
                let _progress: Progress = self.slab.copy_next(budget, &mut visit);
            }
        }
        while self.slab.in_snapshot() && self.slab.copy_next(budget, &mut visit) == Progress::More {}
        expected.sort_unstable();
        visited.sort_unstable();
        assert_eq!(visited, expected);
        assert_eq!(self.slab.snapshot_bytes(), 0, "saved records are freed at the end of the snapshot");
        self.assert_equal();
    }
}

proptest! {
    #[test]
    fn slab_holds_what_a_map_holds(changes in prop::collection::vec(change(), 0..400)) {
        // Proves that contents, order of iteration and liveness follow a map under any changes.
        let mut pair = Pair::default();
        for change in &changes {
            pair.apply(change);
        }
        pair.assert_equal();
    }

    #[test]
    fn snapshot_is_the_state_at_the_mark(
        size in 0_u64..1_200,
        first in prop::collection::vec(change(), 0..100),
        second in prop::collection::vec(change(), 0..300),
        third in prop::collection::vec(change(), 0..100),
        budget in prop_oneof![1_u32..8, 8_u32..200, Just(u32::MAX)],
        changes_per_step in 1_usize..20,
    ) {
        // Proves that a snapshot visits exactly the records that existed when it began, whatever changes
        // meanwhile, twice in a row.
        let mut pair = Pair::default();
        (0..size).for_each(|value| pair.insert(value));
        for change in &first {
            pair.apply(change);
        }
        pair.snapshot(&second, budget, changes_per_step);
        pair.snapshot(&third, budget, changes_per_step);
    }

    #[test]
    fn same_calls_give_same_slots(changes in prop::collection::vec(change(), 0..300)) {
        // Proves that slots depend only on the calls, and that a snapshot in progress does not affect them.
        let (mut one, mut other) = (Pair::default(), Pair::default());
        for (number, change) in changes.iter().enumerate() {
            if number % 50 == 10 {
                other.slab.begin_snapshot();
            }
            if other.slab.in_snapshot() {
                let _progress: Progress = other.slab.copy_next(3, &mut |_| ());
            }
            one.apply(change);
            other.apply(change);
            if number % 50 == 49 {
                while other.slab.in_snapshot() && other.slab.copy_next(100, &mut |_| ()) == Progress::More {}
            }
        }
        prop_assert_eq!(one.model, other.model);
    }
}

#[test]
fn every_budget_visits_every_record_once() {
    // Proves that the budget is kept and can end a step anywhere, also within a word of slots.
    for budget in 1..=200 {
        let mut slab = Slab::new();
        let slots: Vec<u32> = (0..150_u64).map(|value| slab.insert(value)).collect();
        slab.begin_snapshot();
        *slab.get_mut(slots[70]) = 1_000;
        slab.remove(slots[3]);
        let mut visited = Vec::new();
        loop {
            let before = visited.len();
            let progress = slab.copy_next(budget, &mut |record| visited.push(*record));
            assert!(visited.len() - before <= budget as usize);
            if progress == Progress::Done {
                break;
            }
        }
        visited.sort_unstable();
        assert_eq!(visited, (0..150).collect::<Vec<u64>>());
    }
}

#[test]
fn freed_slots_are_reused_last_first() {
    // Proves the order of reuse, which replicas and recovery share.
    let mut slab = Slab::new();
    for value in 0..5_u64 {
        assert_eq!(u64::from(slab.insert(value)), value);
    }
    slab.remove(1);
    slab.remove(3);
    assert_eq!(slab.insert(10), 3);
    assert_eq!(slab.insert(11), 1);
    assert_eq!(slab.insert(12), 5);
}

#[test]
fn a_change_during_a_snapshot_saves_one_record() {
    // Proves that a scattered change saves a record and not a chunk, that a second change and a change of a
    // visited record save nothing, and that the next step visits the saved records.
    let mut slab = Slab::new();
    let per_chunk = Rows::<[u64; 8]>::CHUNK_ROWS;
    let chunks = 64;
    for value in 0..u64::from(per_chunk * chunks) {
        slab.insert([value; 8]);
    }
    let bytes_before = slab.bytes();
    slab.begin_snapshot();
    let mut visited = 0;
    for round in 1..4 {
        for chunk in 0..chunks {
            slab.get_mut(chunk * per_chunk)[0] = 0;
            slab.get_mut(chunk * per_chunk + round)[1] = 0;
            slab.get_mut(chunk * per_chunk + round)[1] = 1;
        }
        assert_eq!(slab.saved_len(), if round == 1 { 2 * chunks } else { chunks - 1 });
        assert!(slab.snapshot_bytes() < 128 * 1024, "{} bytes", slab.snapshot_bytes());
        assert_eq!(slab.copy_next(4 * chunks, &mut |_| visited += 1), Progress::More);
        assert_eq!(slab.saved_len(), 0);
    }
    while slab.copy_next(per_chunk, &mut |_| visited += 1) == Progress::More {}
    assert_eq!(visited, per_chunk * chunks);
    assert_eq!(slab.bytes(), bytes_before, "a snapshot frees its memory");
}

#[test]
fn growing_costs_a_chunk_at_a_time() {
    // Proves that memory never exceeds the records by more than a chunk and the list of chunks: nothing
    // doubles.
    let mut slab = Slab::new();
    let mut before = 0;
    for value in 0..300_000_u64 {
        slab.insert([value; 8]);
        let bytes = slab.bytes();
        assert!(bytes - before <= 3 * 64 * 1024, "a step of {} bytes", bytes - before);
        before = bytes;
    }
    assert!(before < 300_000 * 64 + 4 * 64 * 1024, "{before} bytes");
}

#[test]
fn a_slab_is_freed_in_steps() {
    // Proves that freeing takes one step per chunk and that nothing is left at the end.
    let mut slab = Slab::new();
    for value in 0..100_000_u64 {
        slab.insert(value);
    }
    let mut steps = 1;
    while slab.drop_chunk() == Progress::More {
        steps += 1;
    }
    assert!(steps >= 100_000 / Rows::<u64>::CHUNK_ROWS, "{steps} steps");
    assert!(slab.is_empty());
    assert!(slab.bytes() < 16 * 1024, "only directories are left: {}", slab.bytes());
}

proptest! {
    #[test]
    fn rows_are_a_stack(pushes in prop::collection::vec(prop::option::weighted(0.7, any::<[u64; 100]>()), 0..500)) {
        // Proves that rows follow a vector under pushes and pops, across the borders of chunks.
        let (mut rows, mut model) = (Rows::new(), Vec::new());
        for push in pushes {
            match push {
                Some(row) => {
                    assert_eq!(rows.push(row) as usize, model.len());
                    model.push(row);
                }
                None => assert_eq!(rows.pop(), model.pop()),
            }
            assert_eq!(rows.len() as usize, model.len());
        }
        assert!(rows.iter().eq(model.iter()));
    }
}
