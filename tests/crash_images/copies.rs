//! Copies of a data directory that are made file by file while a server sells, takes snapshots and trims.

use super::life::{PER_ROUND, open_shop, time_of, with_command};
use super::world::{World, format_disk, small};
use stockhold::storage::memory::scramble;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{ReadStorage, Storage};
use stockhold::verify::{Note, verify};

const COPIES: u64 = 60;

/// A server with continuous sales.
struct Sale {
    storage: RecordingStorage,
    world: World,
    number: u64,
}

impl Sale {
    fn open() -> Self {
        let storage = RecordingStorage::new();
        storage.forget_history();
        format_disk(&storage, &small());
        let mut world = World::start(&storage, &small(), time_of(0), 7).unwrap();
        open_shop(&mut world);
        Self { storage, world, number: 0 }
    }

    /// Sells some batches, with a snapshot after every 25.
    fn go_on(&mut self, rounds: u64) {
        for _ in 0..rounds {
            self.world.time.advance_ms(PER_ROUND * 10);
            for _ in 0..PER_ROUND {
                self.number += 1;
                with_command(self.number, |command| self.world.hand_in(&[command]));
            }
            if (self.number / PER_ROUND).is_multiple_of(25) {
                self.world.ask_for_snapshot();
            }
            self.world.run();
        }
    }

    /// Copies all listed files one after the other, each in this many pieces. The sale continues between the pieces.
    fn copy(&mut self, seed: u64, pieces: usize, backwards: bool) -> RecordingStorage {
        let copy = RecordingStorage::new();
        let mut names: Vec<_> = self.storage.list().unwrap().into_iter().map(|file| file.name).collect();
        if backwards {
            names.reverse();
        }
        for (at, name) in (0..).zip(names) {
            let mut copied = Vec::new();
            for piece in 1..=pieces {
                // A file that was removed before its turn is not copied. A file that is being copied keeps its
                // contents.
                let Some(contents) = self.storage.contents(&name) else { break };
                let end = contents.len() * piece / pieces;
                copied.extend_from_slice(&contents[copied.len()..end]);
                let draw = scramble(seed * 1_000 + at * 10 + u64::try_from(piece).unwrap());
                self.go_on(if draw.is_multiple_of(3) { draw / 3 % 8 } else { 0 });
            }
            if !copied.is_empty() {
                copy.replace(&name, &copied).unwrap();
            }
        }
        copy
    }
}

#[test]
fn a_copy_of_the_newest_files_first_is_sound_while_a_server_runs() {
    // Proves that appends and trims during a copy are not reported as damage, and that a server starts from each such
    // copy.
    let mut sale = Sale::open();
    let mut shorter = 0;
    for seed in 0..COPIES {
        sale.go_on(9);
        let copy = sale.copy(seed, 1, true);
        let answer = verify(&copy.share_to_read(), |_, _| ()).unwrap();
        assert!(answer.is_sound(), "copy {seed}: {:?}", answer.findings);
        let world = World::start(&copy, &small(), time_of(sale.number), 99).unwrap();
        assert_eq!(answer.state, Some((world.op(), world.digest())));
        shorter += u32::from(world.op() < sale.world.op());
    }
    assert!(shorter > 30, "{shorter}: the copies were taken too fast to prove anything");
}

#[test]
fn a_copy_is_sound_only_if_a_server_starts_from_it() {
    // Proves for copies in any order, of whole files and of torn files, that a server starts from a sound copy at the
    // state that verify reports; and that a snapshot whose segments were trimmed meanwhile is a note and not a fault.
    let mut sale = Sale::open();
    let (mut sound, mut unsound, mut unreached) = (0, 0, 0);
    for seed in 0..4 * COPIES {
        sale.go_on(5);
        let copy = sale.copy(seed, if seed % 4 < 2 { 1 } else { 3 }, seed.is_multiple_of(2));
        let answer = verify(&copy.share_to_read(), |_, _| ()).unwrap();
        let world = World::start(&copy, &small(), time_of(sale.number), 99);
        if answer.is_sound() {
            let world = world.unwrap();
            assert_eq!(answer.state, Some((world.op(), world.digest())), "copy {seed}");
            sound += 1;
            unreached += u32::from(answer.notes.iter().any(|note| matches!(note, Note::Unreached { .. })));
        } else {
            unsound += 1;
        }
    }
    assert!(sound > 0 && unsound > 0, "{sound} sound, {unsound} not: the copies prove nothing");
    assert!(unreached > 0, "no snapshot was left behind by trimming");
}
