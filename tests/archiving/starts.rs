//! Archives across starts of a server: a start may replace the segment in which nothing was logged.

use std::sync::Arc;

use object_store::memory::InMemory;
use stockhold::archive::{ArchiveError, Archiver};
use stockhold::config::{Config, DurabilityChoice};
use stockhold::replica::Target;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;

use super::super::crash_images::life::{open_shop, with_command};
use super::super::crash_images::world::{START_MS, World, format_disk, small};
use super::{digest_at, store, view};

fn archive(disk: &RecordingStorage, objects: &Arc<InMemory>) -> Result<(), ArchiveError> {
    Archiver::open(disk.share_to_read(), store(objects))?.reading_back().pass(u64::MAX, |_| ()).map(drop)
}

fn assert_archived(disk: &RecordingStorage, objects: &Arc<InMemory>) {
    archive(disk, objects).unwrap();
    let files = view(objects, None);
    let report = verify(&files, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(digest_at(files, Target::End), digest_at(disk.share_to_read(), Target::End));
}

fn buy(world: &mut World, numbers: std::ops::Range<u64>) {
    for number in numbers {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
    }
}

#[test]
fn a_segment_that_a_start_replaces_is_replaced_in_the_archive() {
    // Proves that no record is lost when the archive has the head, or the head and the end frame, of a blank segment whose
    // number the next start gives to another one.
    for stops_cleanly in [false, true] {
        let disk = RecordingStorage::new();
        format_disk(&disk, &small());
        let objects = Arc::new(InMemory::new());
        let mut at_ms = START_MS;
        for (seed, commands) in [(1, 20), (2, 0), (3, 3), (4, 0), (5, 0), (6, 1)] {
            at_ms += 60_000;
            let mut world = World::start(&disk, &small(), at_ms, seed).unwrap();
            if seed == 1 {
                open_shop(&mut world);
            }
            buy(&mut world, 100 * seed..100 * seed + commands);
            assert_archived(&disk, &objects);
            if stops_cleanly || seed != 2 {
                world.stop();
                if stops_cleanly {
                    assert_archived(&disk, &objects);
                }
            }
        }
    }
}

#[test]
fn a_segment_that_is_replaced_in_a_new_epoch_is_read_from_the_new_one() {
    // Proves the same where the start begins a new epoch, whose objects are in another place.
    let interval = |config: &mut Config| config.log.durability = DurabilityChoice::Interval;
    let mut config = small();
    interval(&mut config);
    let disk = RecordingStorage::new();
    format_disk(&disk, &config);
    let objects = Arc::new(InMemory::new());
    let mut world = World::start(&disk, &config, START_MS, 1).unwrap();
    open_shop(&mut world);
    buy(&mut world, 100..120);
    world.stop();
    let world = World::start(&disk, &config, START_MS + 60_000, 2).unwrap();
    assert_archived(&disk, &objects);
    drop(world);
    let disk = disk.crash_now(Survival::Everything);
    let mut world = World::start(&disk, &config, START_MS + 120_000, 3).unwrap();
    buy(&mut world, 300..303);
    assert_archived(&disk, &objects);
    world.stop();
    assert_archived(&disk, &objects);
}

#[test]
fn records_of_another_directory_are_never_replaced() {
    // Proves that a copy of a directory that is started beside it cannot remove from the archive what the first one has
    // archived, neither from the segment in use nor from the one that was in use when the copy was made.
    for commands_before in [0, 5] {
        let first = RecordingStorage::new();
        format_disk(&first, &small());
        let objects = Arc::new(InMemory::new());
        let mut world = World::start(&first, &small(), START_MS, 1).unwrap();
        open_shop(&mut world);
        world.stop();
        let mut world = World::start(&first, &small(), START_MS + 60_000, 2).unwrap();
        buy(&mut world, 200..200 + commands_before);
        let second = first.crash_now(Survival::Everything);
        buy(&mut world, 300..310);
        assert_archived(&first, &objects);
        let mut other = World::start(&second, &small(), START_MS + 60_000, 3).unwrap();
        buy(&mut other, 400..402);
        let refused = archive(&second, &objects).unwrap_err();
        assert!(matches!(refused, ArchiveError::OtherRecords { .. }), "{refused}");
        buy(&mut world, 310..320);
        assert_archived(&first, &objects);
        assert_eq!(digest_at(view(&objects, None), Target::End), (world.op(), world.digest()));
    }
}
