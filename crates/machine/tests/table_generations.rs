//! Generations and the arena against maps: contents, drops, and snapshots that continue after a generation
//! is dropped.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use stockhold_machine::table::arena::RECORD_BYTES_MAX;
use stockhold_machine::table::generations::{Entry as Found, Key};
use stockhold_machine::table::{Arena, Digest, DroppedGeneration, Generations, Progress};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: u64,
    side: u32,
    rest: [u32; 5],
}

/// There are few different hashes, so entries collide and the comparison decides.
fn hash_of(key: u64) -> u64 {
    (key % 11).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn side_of(key: u64) -> Vec<u8> {
    key.to_le_bytes().repeat(usize::try_from(key % 40).unwrap_or(0))
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    DropOldest,
    Free(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0_u64..6).prop_map(Step::Insert),
        1 => Just(Step::DropOldest),
        2 => (0_u32..4).prop_map(Step::Free),
    ]
}

/// Generations and their model: keys by number.
#[derive(Default)]
struct Pair {
    generations: Generations<Entry>,
    model: BTreeMap<u64, Vec<u64>>,
    keys: u64,
    number_min: u64,
}

impl Pair {
    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Insert(ahead) => self.insert(self.number_min + ahead),
            Step::DropOldest => self.drop_oldest(),
            Step::Free(chunks) => {
                let _progress: Progress = self.generations.free_some(chunks);
            }
        }
    }

    fn insert(&mut self, number: u64) {
        self.keys += 1;
        let key = self.keys;
        let side = self.generations.push_side(number, &side_of(key));
        let entry = Entry { key, side, rest: [side; 5] };
        self.generations.insert(key_of(number, key), entry, key, hash_of_entry);
        self.model.entry(number).or_default().push(key);
    }

    fn row(&self, place: Key, key: u64) -> Option<&Entry> {
        let is_match = |found: &Found<'_, Entry>| matches!(found, Found::Row(entry) if entry.key == key);
        match self.generations.find(place, is_match)? {
            Found::Row(entry) => Some(entry),
            Found::Reference(_) => None,
        }
    }

    fn drop_oldest(&mut self) {
        let expected = self.model.pop_first().map(|(number, keys)| {
            self.number_min = number + 1;
            DroppedGeneration {
                number,
                entries: u32::try_from(keys.len()).unwrap_or(u32::MAX),
                bytes_counted: counted(&keys),
                digest: Digest::from_u64(keys.iter().sum()),
            }
        });
        assert_eq!(self.generations.drop_oldest(), expected);
        assert_eq!(self.generations.number_min(), self.number_min);
    }

    fn assert_equal(&self) {
        let keys: Vec<u64> = self.model.values().flatten().copied().collect();
        assert_eq!(self.generations.entries(), keys.len() as u64);
        assert_eq!(self.generations.bytes_counted(), counted(&keys));
        assert_eq!(self.generations.len(), self.model.len());
        assert_eq!(self.generations.is_empty(), self.model.is_empty());
        assert_eq!(self.generations.oldest(), self.model.keys().next().copied());
        for number in 0..self.number_min + 8 {
            let keys = self.model.get(&number);
            assert_eq!(self.generations.arena(number).is_some(), keys.is_some());
            for &key in keys.into_iter().flatten() {
                let found = self.row(key_of(number, key), key);
                assert_eq!(found.map(|entry| entry.key), Some(key));
                let side = found.map(|entry| entry.side).zip(self.generations.arena(number));
                assert_eq!(side.map(|(side, arena)| arena.get(side)), Some(&*side_of(key)));
                let elsewhere = key_of(number + 1, key);
                assert!(self.row(elsewhere, key).is_none());
            }
        }
    }
}

fn hash_of_entry(entry: &Found<'_, Entry>) -> u64 {
    match entry {
        Found::Row(entry) => hash_of(entry.key),
        Found::Reference(slot) => hash_of(u64::from(*slot)),
    }
}

/// The key of an entry. Entries of one generation have several times.
fn key_of(number: u64, key: u64) -> Key {
    Key { number, time_ms: number * 15_000 + key % 500, hash: hash_of(key) }
}

/// The counted bytes of entries with these keys.
fn counted(keys: &[u64]) -> u64 {
    keys.iter().map(|&key| 32 + 2 + 8 * (key % 40)).sum()
}

proptest! {
    #[test]
    fn generations_hold_what_a_map_holds(steps in prop::collection::vec(step(), 0..600)) {
        // Proves that entries are found only in their own generation, that counts are exact, and what a
        // drop removes.
        let mut pair = Pair::default();
        for step in &steps {
            pair.apply(step);
        }
        pair.assert_equal();
    }

    #[test]
    fn snapshot_is_the_state_at_the_mark(
        before in prop::collection::vec(step(), 0..300),
        during in prop::collection::vec(step(), 0..300),
        budget in prop_oneof![1_u32..6, 6_u32..100, Just(u32::MAX)],
        steps_per_walk in 1_usize..30,
    ) {
        // Proves that a snapshot visits exactly the entries that existed when it began, with their side
        // bytes, whatever is dropped and freed.
        let mut pair = Pair::default();
        for step in &before {
            pair.apply(step);
        }
        let expected: Vec<(u64, u64)> =
            pair.model.iter().flat_map(|(&number, keys)| keys.iter().map(move |&key| (number, key))).collect();
        let mut visited = Vec::new();
        let mut visit = |number: u64, entry: &Entry, arena: &Arena| {
            assert_eq!(arena.get(entry.side), side_of(entry.key));
            visited.push((number, entry.key));
        };
        pair.generations.begin_snapshot();
        let mut progress = Progress::More;
        for group in during.chunks(steps_per_walk) {
            for step in group {
                pair.apply(step);
            }
            if progress == Progress::More {
                progress = pair.generations.copy_next(budget, &mut visit);
            }
        }
        while progress == Progress::More {
            progress = pair.generations.copy_next(budget, &mut visit);
        }
        prop_assert_eq!(visited, expected);
        pair.assert_equal();
        while pair.generations.free_some(1) == Progress::More {}
        while pair.generations.drop_oldest().is_some() {}
        while pair.generations.free_some(2) == Progress::More {}
        prop_assert_eq!(pair.generations.bytes(), 0);
    }

    #[test]
    fn an_arena_returns_what_was_appended(lengths in prop::collection::vec(0_usize..=RECORD_BYTES_MAX, 0..40)) {
        // Proves that records of any length are read back unchanged, across chunks, and that their length
        // and prefix are counted.
        let mut arena = Arena::new();
        let mut records = VecDeque::new();
        for (number, length) in lengths.into_iter().enumerate() {
            let record = vec![u8::try_from(number).unwrap(); length];
            prop_assert!(arena.has_room(length));
            records.push_back((arena.push(&record), record));
        }
        let counted: usize = records.iter().map(|(_, record)| record.len() + 2).sum();
        prop_assert_eq!(arena.bytes_counted(), counted as u64);
        for (position, record) in &records {
            prop_assert_eq!(arena.get(*position), &**record);
        }
    }
}

#[test]
fn an_arena_reports_that_a_record_is_too_long() {
    // Proves the limit of a record at limit and limit + 1.
    let mut arena = Arena::new();
    assert!(arena.has_room(RECORD_BYTES_MAX));
    assert!(!arena.has_room(RECORD_BYTES_MAX + 1));
    let position = arena.push(&vec![7; RECORD_BYTES_MAX]);
    assert_eq!(arena.get(position).len(), RECORD_BYTES_MAX);
    let generations = Generations::<Entry>::new();
    assert!(generations.has_side_room(3, RECORD_BYTES_MAX));
    assert!(!generations.has_side_room(3, RECORD_BYTES_MAX + 1));
}

#[test]
fn a_dropped_generation_is_freed_after_the_snapshot() {
    // Proves that a drop frees nothing, that a snapshot keeps what it needs, and that memory is freed in
    // steps.
    let mut generations = Generations::new();
    for key in 0..50_000_u64 {
        let side = generations.push_side(1, &[1; 20]);
        let entry = Entry { key, side, rest: [0; 5] };
        generations.insert(key_of(1, key), entry, 0, hash_of_entry);
    }
    let full = generations.bytes();
    generations.begin_snapshot();
    assert_eq!(generations.drop_oldest().map(|dropped| dropped.entries), Some(50_000));
    assert_eq!(
        generations.free_some(1_000),
        Progress::Done,
        "nothing can be freed before the snapshot has copied it"
    );
    assert_eq!(generations.bytes(), full);
    assert_eq!(generations.entries(), 0);
    let mut visited = 0;
    while generations.copy_next(1_000, &mut |_, _, _| visited += 1) == Progress::More {}
    assert_eq!(visited, 50_000);
    let mut steps = 1;
    let mut held = full;
    while generations.free_some(1) == Progress::More {
        let now_held = generations.bytes();
        assert!(held - now_held <= 512 * 1024, "one step freed {} bytes", held - now_held);
        held = now_held;
        steps += 1;
    }
    assert!(steps > 20, "{steps} steps");
    assert_eq!(generations.bytes(), 0);
}

#[test]
fn the_least_number_can_be_raised_over_an_empty_span() {
    // Proves that a load, or a period without entries, can set the horizon that drops would have set.
    let mut generations = Generations::<Entry>::new();
    generations.raise_number_min(7);
    generations.raise_number_min(5);
    assert_eq!(generations.number_min(), 7);
    generations.insert(key_of(7, 1), Entry { key: 1, side: 0, rest: [0; 5] }, 0, hash_of_entry);
    generations.raise_number_min(7);
    assert_eq!(generations.oldest(), Some(7));
}

#[test]
fn a_reference_counts_as_an_entry_and_can_be_found_until_it_is_taken_back() {
    // Proves that references are found and counted, that a row can replace one, that they are still found
    // in a dropped generation, and that they are taken back before anything of it is freed.
    let mut generations = Generations::<Entry>::new();
    for slot in 0..100_u32 {
        generations.insert_reference(key_of(4, slot.into()), slot, slot.into(), hash_of_entry);
    }
    let found = |generations: &Generations<Entry>, slot: u32| {
        generations.find_reference(key_of(4, slot.into()), |other| other == slot)
    };
    assert_eq!((generations.entries(), generations.bytes_counted()), (100, 3_200));
    assert_eq!(found(&generations, 7), Some(7));
    let row = Entry { key: 7, side: 0, rest: [0; 5] };
    assert!(generations.end_reference(key_of(4, 7), 7, row, hash_of_entry));
    assert!(!generations.end_reference(key_of(4, 7), 7, row, hash_of_entry), "a reference ends once");
    assert_eq!(found(&generations, 7), None);
    let is_match = |entry: &Found<'_, Entry>| matches!(entry, Found::Row(entry) if entry.key == 7);
    assert!(generations.find(key_of(4, 7), is_match).is_some(), "a row has replaced it");
    assert_eq!((generations.entries(), generations.bytes_counted()), (100, 3_200));
    let digest = Digest::from_u64((0..100).sum());
    let dropped = DroppedGeneration { number: 4, entries: 100, bytes_counted: 3_200, digest };
    assert_eq!(generations.drop_oldest(), Some(dropped));
    assert_eq!(generations.free_some(1_000), Progress::Done, "nothing is freed before the slots are taken");
    assert!(generations.find(key_of(4, 9), |_| true).is_none(), "its entries are not found");
    assert_eq!(found(&generations, 9), Some(9), "its references are still found");
    assert!(generations.end_reference(key_of(4, 9), 9, row, hash_of_entry));
    assert_eq!(found(&generations, 9), None);
    let mut taken = Vec::new();
    generations.take_references(60, &mut taken);
    assert_eq!(taken.len(), 60);
    assert_eq!(found(&generations, 10), Some(10));
    generations.take_references(60, &mut taken);
    let mut slots: Vec<u32> = taken.iter().map(|(number, slot)| slot * u32::from(*number == 4)).collect();
    slots.sort_unstable();
    assert!(slots.iter().copied().eq(0..100), "each slot once, including those of ended references");
    while generations.free_some(1) == Progress::More {}
    assert_eq!(generations.bytes(), 0);
    assert_eq!(found(&generations, 10), None);
}
