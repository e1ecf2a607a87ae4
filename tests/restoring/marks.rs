//! Marks keep what a restore to them needs, up to a bound.

use stockhold::config::Config;
use stockhold::directory::{ReadOnlyDirectory, oldest_restorable_op};
use stockhold::replica::{ReplicaError, Target};
use stockhold::restore::RestoreError;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;
use stockhold_protocol::Command;
use stockhold_protocol::command::{Mark, MarkRemoval};

use super::super::crash_images::life::{open_shop, with_command};
use super::super::crash_images::world::{START_MS, World, format_disk, small};
use super::restored;

/// A server with an open shop.
fn start(config: &Config) -> (RecordingStorage, World) {
    let disk = RecordingStorage::new();
    format_disk(&disk, config);
    let mut world = World::start(&disk, config, START_MS, 7).unwrap();
    open_shop(&mut world);
    (disk, world)
}

/// Fills more than two segments, and writes a snapshot.
fn sell(world: &mut World, first: u64) {
    for number in first..first + 60 {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
    world.ask_for_snapshot();
    world.run();
}

/// Sets a mark, and returns its op and the digest then.
fn mark(world: &mut World, number: u64, name: &str) -> (u64, u64) {
    world.done(number, Command::Mark(Mark::new(name)));
    (world.op(), world.digest())
}

fn segments(disk: &RecordingStorage) -> usize {
    let files = disk.share_to_read().list().unwrap();
    files.iter().filter(|file| file.name.ends_with(".segment")).count()
}

fn snapshots(disk: &RecordingStorage) -> Vec<u64> {
    ReadOnlyDirectory::open(disk.share_to_read()).unwrap().snapshots().unwrap()
}

fn restorable_from(disk: &RecordingStorage) -> u64 {
    let directory = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    oldest_restorable_op(directory.files().as_ref(), directory.manifest()).unwrap().unwrap()
}

fn assert_restores(disk: &RecordingStorage, (op, digest): (u64, u64)) {
    let (_, done) = restored(disk, Target::Op(op)).unwrap();
    assert_eq!((done.point.op, done.digest), (op, digest));
}

#[test]
fn a_mark_is_restored_after_ten_snapshots_and_a_dropped_one_is_trimmed() {
    // Proves that the third snapshot trims nothing that a mark needs, neither one before all snapshots nor one between
    // two; that no other snapshots are kept; and that the log goes when the mark does, after a restart too.
    let (disk, mut world) = start(&small());
    let first = mark(&mut world, 2_000_001, "first");
    for round in 0..3 {
        sell(&mut world, 1 + round * 60);
    }
    assert_eq!(restorable_from(&disk), 0);
    let second = mark(&mut world, 2_000_002, "second");
    let of_second = snapshots(&disk)[0];
    for round in 3..10 {
        sell(&mut world, 1 + round * 60);
    }
    assert_eq!((snapshots(&disk).len(), snapshots(&disk)[2]), (3, of_second), "two, and the one of the mark");
    assert_restores(&disk, first);
    assert_restores(&disk, second);
    let of_both = segments(&disk);
    world.done(2_000_003, Command::Unmark(MarkRemoval { name: "first".to_owned() }));
    sell(&mut world, 601);
    assert_eq!(restorable_from(&disk), of_second);
    assert!(segments(&disk) < of_both, "{} segments are left of {of_both}", segments(&disk));
    assert_restores(&disk, second);
    let refused = restored(&disk, Target::Op(first.0)).map(|_| ()).unwrap_err();
    assert!(matches!(refused, RestoreError::Replica(ReplicaError::TargetTooEarly { .. })), "{refused}");

    world.stop();
    let mut world = World::start(&disk, &small(), START_MS + 100_000, 8).unwrap();
    sell(&mut world, 661);
    sell(&mut world, 721);
    assert_restores(&disk, second);
    world.done(2_000_004, Command::Unmark(MarkRemoval { name: "second".to_owned() }));
    sell(&mut world, 781);
    assert_eq!(snapshots(&disk).len(), 2);
    assert!(verify(&disk.share_to_read(), |_, _| ()).unwrap().is_sound());
}

#[test]
fn beyond_the_bound_the_oldest_mark_loses_its_log() {
    // Proves that the bound holds, and that a later mark which fits is kept.
    let mut config = small();
    config.marks.keep_bytes = 8 * config.log.segment_bytes;
    let (disk, mut world) = start(&config);
    let old = mark(&mut world, 2_000_001, "old");
    for round in 0..6 {
        sell(&mut world, 1 + round * 60);
    }
    let new = mark(&mut world, 2_000_002, "new");
    for round in 6..9 {
        sell(&mut world, 1 + round * 60);
    }
    assert_restores(&disk, new);
    let from = restorable_from(&disk);
    assert!(from > old.0 && from <= new.0, "{from} is between {} and {}", old.0, new.0);
    for round in 9..14 {
        sell(&mut world, 1 + round * 60);
    }
    assert!(restorable_from(&disk) > new.0);
    assert_eq!(snapshots(&disk).len(), 2);
}
