//! Restores to marks, and to times that the wall clock showed twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stockhold::directory::ReadOnlyDirectory;
use stockhold::replica::{ReplicaError, Target};
use stockhold::restore::{ATTEMPTS, RestoreError, dry_run, marked_op, replica_at};
use stockhold::storage::memory::Survival;
use stockhold::storage::{FileEntry, ReadFrom, ReadStorage, ReadableFile, SharedReadStorage, StorageError};
use stockhold_protocol::Command;
use stockhold_protocol::command::Mark;

use super::super::crash_images::life::{live_with, with_command};
use super::super::crash_images::world::{START_MS, World, small};
use super::{RecordingStorage, restored, states};

const MARKS: u64 = 200;
const HOUR_MS: u64 = 3_600_000;

fn life() -> RecordingStorage {
    live_with(&RecordingStorage::new(), &small(), false).storage.crash_now(Survival::Everything)
}

/// A server on the disk, an hour after its first life.
fn start(disk: &RecordingStorage) -> World {
    World::start(disk, &small(), START_MS + HOUR_MS, 50).unwrap()
}

fn sell(world: &mut World, numbers: std::ops::Range<u64>) {
    for number in numbers {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
}

#[test]
fn two_hundred_marks_are_restored_to_the_digests_of_a_replay_to_them() {
    // Proves that the name of a mark alone leads to its state, whatever the log does between two marks.
    let disk = life();
    let mut world = start(&disk);
    let mut marks = BTreeMap::new();
    for number in 0..MARKS {
        let first = 10_000 + number * 4;
        sell(&mut world, first..first + number % 4);
        let name = format!("round {number}");
        world.done(2_000_000 + number, Command::Mark(Mark::new(&name)));
        marks.insert(name, world.op());
    }
    world.stop();
    let states = states(disk.share_to_read());
    let (_, end) = restored_machine(&disk, Target::End);
    for (name, set_at) in &marks {
        let op = marked_op(end.machine(), name).unwrap();
        assert_eq!(op, *set_at, "{name}");
        let (_, done) = restored(&disk, Target::Op(op)).unwrap();
        assert_eq!((done.point.op, done.digest), (op, states[&op].0), "{name}");
    }
    assert_eq!(marked_op(end.machine(), "never set"), Err(Some(format!("round {}", MARKS - 1))));
}

/// A directory of which a server removes the file that is to be read next, so many times.
#[derive(Debug)]
struct Trimmed {
    files: SharedReadStorage,
    left: AtomicU32,
}

impl ReadStorage for Trimmed {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        let is_of_log = name.contains(".segment");
        let left = self.left.load(Ordering::Relaxed);
        if is_of_log && left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            return Err(StorageError::NotFound { name: name.to_owned() });
        }
        self.files.open_to_read(name, from)
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        self.files.list()
    }
}

#[test]
fn a_log_that_is_trimmed_while_it_is_read_is_read_again() {
    // Proves that files which vanish up to four times in a row cost nothing but time, that it ends if they always do, and
    // that the state is the same.
    let disk = life();
    let (digest, _) = restored_machine(&disk, Target::End);
    for (vanished, is_read) in [(1, true), (ATTEMPTS - 1, true), (u32::MAX, false)] {
        let trimmed = Trimmed { files: disk.share_to_read(), left: AtomicU32::new(vanished) };
        let from = ReadOnlyDirectory::open(Arc::new(trimmed)).unwrap();
        let replica = replica_at(&from, Target::End, None, &mut |_| ());
        match replica {
            Ok(replica) => assert!(is_read && replica.machine().digest() == digest, "{vanished}"),
            Err(error) => assert!(!is_read && error.is_vanished(), "{vanished}: {error}"),
        }
    }
}

fn restored_machine(disk: &RecordingStorage, target: Target) -> (u64, stockhold::replica::Replica) {
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let replica = replica_at(&from, target, None, &mut |_| ()).unwrap();
    (replica.machine().digest(), replica)
}

#[test]
fn a_time_that_the_wall_clock_showed_twice_is_refused() {
    // Proves that a time is refused if the clock was set back behind it later, by the restore and by its dry run, that a
    // time before the overlap and one after it are not, and that the ops themselves remain targets.
    let disk = life();
    let mut world = start(&disk);
    sell(&mut world, 10_000..10_040);
    let shown = START_MS + HOUR_MS;
    world.time.set_wall_ms(shown - HOUR_MS / 2);
    for number in 10_040..10_100 {
        world.time.advance_ms(200);
        let context = &world.assembly.context;
        let _correction = context.clock.correct(context.feedback.clock().into());
        with_command(number, |command| world.call(&[command]));
    }
    let last = world.op();
    world.stop();
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let both = |target| {
        let done = restored(&disk, target).map(|(_, done)| done.point.op);
        let dry = dry_run(std::slice::from_ref(&from), target, None, &mut |_| ());
        (done, dry.map(|(undone, _)| undone.target.0))
    };
    let (done, dry) = both(Target::Time(shown + 200));
    let Err(RestoreError::Replica(ReplicaError::TargetTwice { op: by_restore, .. })) = done else {
        panic!("{done:?}")
    };
    let Err(ReplicaError::TargetTwice { op: by_dry_run, .. }) = dry else { panic!("{dry:?}") };
    assert_eq!(by_restore, by_dry_run);
    assert!(by_restore < last);
    let (done, dry) = both(Target::Time(shown - HOUR_MS / 2 - 1_000));
    assert_eq!(done.unwrap(), dry.unwrap());
    let (done, dry) = both(Target::Op(by_restore));
    assert_eq!((done.unwrap(), dry.unwrap()), (by_restore, by_restore));
}
