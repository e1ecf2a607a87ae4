//! Restores to marks, and to times that the wall clock showed twice.

use std::collections::BTreeMap;

use stockhold::directory::ReadOnlyDirectory;
use stockhold::replica::{ReplicaError, Target};
use stockhold::restore::{RestoreError, dry_run, marked_op};
use stockhold::storage::memory::Survival;
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

fn restored_machine(disk: &RecordingStorage, target: Target) -> (u64, stockhold::replica::Replica) {
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let replica = stockhold::restore::replica_at(&from, target, None, &mut |_| ()).unwrap();
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
