//! Restores a directory to ops and times, and compares each state with a replay that is written here.

mod marks;
mod moments;
mod undone;

use std::collections::BTreeMap;

use super::crash_images::life::{Life, live_with, time_of, with_command};
use super::crash_images::world::{START_MS, World, small};
use stockhold::calendar::rfc3339;
use stockhold::directory::{Directory, DirectoryError, EpochReason, ReadOnlyDirectory, RestoreOptions};
use stockhold::replica::{ReplicaError, Target};
use stockhold::restore::{RestoreError, Restored, replica_at, restore};
use stockhold::snapshot::LogPoint;
use stockhold::storage::SharedReadStorage;
use stockhold::storage::memory::{Survival, scramble};
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;
use stockhold_machine::{Genesis, Machine};
use stockhold_protocol::batch::Batch;

const NOW_MS: u64 = START_MS + 3_600_000;

/// The digest and the time after each op, by a replay from the first op without the program's own loop.
pub(crate) fn states(files: SharedReadStorage) -> BTreeMap<u64, (u64, u64)> {
    let directory = ReadOnlyDirectory::open(files).unwrap();
    let mut machine = Machine::new(&Genesis::decode(&directory.manifest().genesis).unwrap());
    let mut states = BTreeMap::from([(0, (machine.digest(), machine.time().0))]);
    let skipped = |op: u64| directory.manifest().skips.iter().any(|skip| skip.op == op);
    let mut log = directory.read_log(1).unwrap();
    while let Some(frame) = log.next_frame().unwrap() {
        let batch = Batch::decode(frame.payload).unwrap();
        machine.begin_batch(&batch.header);
        for entry in batch.entries() {
            let entry = entry.unwrap();
            if let Some(run) = &entry.run {
                machine.begin_run(run);
            }
            if skipped(machine.op() + 1) {
                machine.skip(batch.header.proposed);
            } else {
                machine.apply(batch.header.proposed, entry.record);
            }
            states.insert(machine.op(), (machine.digest(), machine.time().0));
        }
        machine.end_batch();
    }
    states
}

fn options() -> RestoreOptions {
    RestoreOptions { now_ms: NOW_MS, salt_seed: 5, segment_bytes: small().log.segment_bytes, known_epoch: 0 }
}

/// Restores to a new disk.
fn restored(from: &RecordingStorage, target: Target) -> Result<(RecordingStorage, Restored), RestoreError> {
    let from = ReadOnlyDirectory::open(from.share_to_read()).unwrap();
    let mut replica = replica_at(&from, target, None, &mut |_| ())?;
    let to = RecordingStorage::new();
    let restored = restore(from.manifest(), &mut replica, to.share(), options())?;
    Ok((to, restored))
}

/// A life whose log has four epochs: begun, two skips and a restore between them.
fn four_epochs(snapshots: bool) -> RecordingStorage {
    let life = live_with(&RecordingStorage::new(), &small(), snapshots);
    let mut disk = life.storage.crash_now(Survival::Everything);
    for round in 1..3 {
        let (op, position) = {
            let world = World::start(&disk, &small(), NOW_MS, 90 + round).unwrap();
            (world.op(), world.op())
        };
        let mut directory = Directory::open(disk.share()).unwrap();
        directory.add_skip(op, "for the test", LogPoint { position, op }, NOW_MS).unwrap();
        drop(directory);
        play(&disk, 400 * round);
        disk = disk.crash_now(Survival::Everything);
    }
    disk
}

/// Lets a server on this disk execute commands with these numbers.
fn play(disk: &RecordingStorage, first: u64) {
    let now_ms = time_of(first);
    let mut world = World::start(disk, &small(), now_ms.max(NOW_MS), 70 + first).unwrap();
    for number in first..first + 40 {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
    world.stop();
}

fn two_hundred(last: u64) -> impl Iterator<Item = u64> {
    (1..=200).map(move |seed| scramble(seed) % (last + 1))
}

#[test]
fn every_op_and_time_of_a_log_with_four_epochs_is_restored_to_the_digest_of_its_replay() {
    // Proves that a restore is exact at any op, within batches too, from a trimmed log and from a whole one.
    let (whole, trimmed) = (four_epochs(false), four_epochs(true));
    let states = states(whole.share_to_read());
    let last = *states.last_key_value().unwrap().0;
    let manifest = ReadOnlyDirectory::open(whole.share_to_read()).unwrap().manifest().clone();
    assert_eq!(manifest.epoch(), 3, "with the restore there are four");
    let mut too_early = 0;
    for op in two_hundred(last) {
        let (digest, time_ms) = states[&op];
        let (to, done) = restored(&whole, Target::Op(op)).unwrap();
        assert_eq!((done.point.op, done.digest, done.wall_ms), (op, digest, time_ms));
        assert_eq!(done.directory.manifest().log_uuid, manifest.log_uuid);
        drop(done);
        // The new directory is sound, starts with the same state, and goes on in a new epoch.
        let report = verify(&to.share_to_read(), |_, _| ()).unwrap();
        assert!(report.is_sound(), "op {op}: {:?}", report.findings);
        let world = World::start(&to, &small(), NOW_MS, 99).unwrap();
        assert_eq!((world.op(), world.digest()), (op, digest));
        let epochs = &world.assembly.directory.manifest().epochs;
        assert_eq!(epochs.last().map(|epoch| (epoch.epoch, epoch.reason)), Some((4, EpochReason::Restore)));
        match restored(&trimmed, Target::Op(op)) {
            Ok((_, done)) => assert_eq!((done.point.op, done.digest), (op, digest)),
            Err(RestoreError::Replica(ReplicaError::TargetTooEarly { oldest_op, .. })) => {
                assert!(op < oldest_op);
                too_early += 1;
            }
            Err(error) => panic!("op {op}: {error:?}"),
        }
        // The last op of this time, or of the millisecond before it.
        for at_ms in [time_ms, time_ms - 1] {
            let until = states.iter().rev().find(|(_, (_, time_ms))| *time_ms <= at_ms);
            let done = restored(&whole, Target::Time(at_ms)).map(|(_, done)| (done.point.op, done.digest));
            match until {
                Some((op, (digest, _))) => assert_eq!(done.unwrap(), (*op, *digest), "{}", rfc3339(at_ms)),
                None => assert!(matches!(
                    done,
                    Err(RestoreError::Replica(ReplicaError::TargetTooEarly { oldest_op: 0, .. }))
                )),
            }
        }
    }
    assert!(too_early > 0, "the log was trimmed");
}

#[test]
fn targets_outside_the_log_are_refused_with_its_range() {
    // Proves both ends, by op and by time, for a log that was trimmed.
    let disk = live_with(&RecordingStorage::new(), &small(), true).storage.crash_now(Survival::Everything);
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let oldest = *from.snapshots().unwrap().last().unwrap();
    let last = restored(&disk, Target::End).unwrap().1;
    let message = |target: Target| {
        let error = restored(&disk, target).map(|(_, done)| done.point.op).unwrap_err();
        let RestoreError::Replica(error) = error else { panic!("{error:?}") };
        error.to_string()
    };
    assert!(restored(&disk, Target::Op(oldest)).is_ok());
    let early = message(Target::Op(oldest - 1));
    assert!(early.contains(&format!("the state after op {oldest}, 20")), "{early}");
    assert!(restored(&disk, Target::Op(last.point.op)).is_ok());
    let late = message(Target::Op(last.point.op + 1));
    assert!(late.contains(&format!("the last op is {}, 20", last.point.op)), "{late}");
    assert!(message(Target::Time(START_MS - 1)).contains("before the oldest state"));
    assert!(restored(&disk, Target::Time(last.wall_ms)).is_ok());
    assert!(message(Target::Time(last.wall_ms + 1)).contains("after the end of the log"));
}

#[test]
fn a_restored_log_goes_on_and_is_restored_again() {
    // Proves that ops and positions continue, that a second restore keeps the lineage, and that clients see new epochs.
    let life: Life = live_with(&RecordingStorage::new(), &small(), true);
    let disk = life.storage.crash_now(Survival::Everything);
    let op = *life.digests.keys().rev().nth(3).unwrap();
    let (disk, done) = restored(&disk, Target::Op(op)).unwrap();
    drop(done);
    play(&disk, 800);
    let last = World::start(&disk, &small(), NOW_MS + 60_000, 98).unwrap().op();
    assert!(last > op + 40);
    let (again, done) = restored(&disk, Target::Op(op + 20)).unwrap();
    let manifest = done.directory.manifest();
    let epochs: Vec<_> = manifest.epochs.iter().map(|epoch| (epoch.epoch, epoch.reason)).collect();
    assert_eq!(epochs, [(1, EpochReason::Format), (2, EpochReason::Restore), (3, EpochReason::Restore)]);
    assert_eq!(manifest.base.op, op + 20);
    drop(done);
    let world = World::start(&again, &small(), NOW_MS + 120_000, 97).unwrap();
    assert_eq!((world.op(), world.welcome().epoch), (op + 20, 3));
    assert!(verify(&again.share_to_read(), |_, _| ()).unwrap().is_sound());
}

#[test]
fn a_restore_touches_no_directory_that_is_in_use() {
    // Proves that only an empty directory is restored into, and that the source is not changed.
    let disk = live_with(&RecordingStorage::new(), &small(), true).storage.crash_now(Survival::Everything);
    let moment = disk.moment();
    let (to, done) = restored(&disk, Target::End).unwrap();
    assert_eq!(disk.moment(), moment, "nothing was written");
    drop(done);
    let from = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let mut replica = replica_at(&from, Target::End, None, &mut |_| ()).unwrap();
    let refused = restore(from.manifest(), &mut replica, to.share(), options()).unwrap_err();
    assert!(matches!(refused, RestoreError::Directory(DirectoryError::NotEmpty { .. })), "{refused:?}");
}

#[test]
fn a_crash_during_a_restore_leaves_no_directory_that_starts_with_another_state() {
    // Proves that every moment of a restore leaves either nothing to start or the whole state.
    let disk = live_with(&RecordingStorage::new(), &small(), true).storage.crash_now(Survival::Everything);
    let (to, done) = restored(&disk, Target::End).unwrap();
    let digest = done.digest;
    drop(done);
    let mut starts = 0;
    for moment in 0..=to.moment() {
        for survival in [Survival::Nothing, Survival::Everything, Survival::Drawn(moment as u64 + 1)] {
            let image = to.crash_at(moment, survival);
            if let Ok(world) = World::start(&image, &small(), NOW_MS, 96) {
                assert_eq!(world.digest(), digest);
                starts += 1;
            }
        }
    }
    assert!(starts > 0, "the last moment starts");
}
