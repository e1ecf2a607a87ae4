//! Archives of recorded disks: what a pass leaves can be read as a data directory, at every moment and under faults.

mod budget;
mod continuous;
mod faulty;
mod kept;
mod lost;
mod meanwhile;
mod starts;
mod truncated;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::crash_images::life::{live_with, time_of, with_command};
use super::crash_images::world::{START_MS, World, format_disk, small};
use super::restoring::states;
use faulty::FaultyStore;
use object_store::memory::InMemory;
use stockhold::archive::{ArchiveError, ArchiveView, Archiver, Contents, Store};
use stockhold::directory::{ReadOnlyDirectory, RestoreOptions};
use stockhold::replica::Target;
use stockhold::restore::{replica_at, restore};
use stockhold::storage::SharedReadStorage;
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;

const NOW_MS: u64 = START_MS + 3_600_000;

fn store(objects: &Arc<InMemory>) -> Arc<Store> {
    Arc::new(Store::over(objects.clone(), "memory").unwrap())
}

fn view(objects: &Arc<InMemory>, epoch: Option<&str>) -> SharedReadStorage {
    let store = store(objects);
    let contents = Contents::read(&store).unwrap();
    let log = contents.log(None).unwrap();
    let timeline = contents.timeline(&store, log, epoch).unwrap();
    Arc::new(ArchiveView::open(store, &contents, &timeline).unwrap())
}

fn digest_at(files: SharedReadStorage, target: Target) -> (u64, u64) {
    let directory = ReadOnlyDirectory::open(files).unwrap();
    let machine = replica_at(&directory, target, None, &mut |_| ()).unwrap().into_machine();
    (machine.op(), machine.digest())
}

/// Lets a server execute commands, and calls `each` after some of them.
fn sale(disk: &RecordingStorage, first: u64, commands: u64, mut each: impl FnMut(&mut World, u64)) {
    let mut world =
        World::start(disk, &small(), time_of(first).max(START_MS + first * 60_000), 7 + first).unwrap();
    if world.op() < 2 {
        super::crash_images::life::open_shop(&mut world);
    }
    for number in first..first + commands {
        world.time.advance_ms(10);
        with_command(number, |command| world.call(&[command]));
        each(&mut world, number);
    }
    world.stop();
}

#[test]
fn an_archive_that_follows_a_server_has_every_durable_op_at_every_pass() {
    // Proves that a view of the archive is sound after each pass, while segments fill, snapshots are written and the log is
    // trimmed, and that it leads to the digest that the server had.
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let objects = Arc::new(InMemory::new());
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap().reading_back();
    let mut passes = 0;
    sale(&disk, 1, 400, |world, number| {
        if number % 60 == 0 {
            world.ask_for_snapshot();
            world.run();
        }
        if number % 7 == 0 {
            let passed = archiver.pass(u64::MAX, |_| ()).unwrap();
            assert_eq!(passed.last_position, world.op());
            passes += 1;
            if passes % 6 == 0 {
                let files = view(&objects, None);
                assert_eq!(digest_at(files.clone(), Target::End), (world.op(), world.digest()));
                let report = verify(&files, |_, _| ()).unwrap();
                assert!(report.is_sound(), "{:?}", report.findings);
            }
        }
    });
    archiver.pass(u64::MAX, |_| ()).unwrap();
    let local =
        disk.share_to_read().list().unwrap().iter().filter(|file| file.name.ends_with(".segment")).count();
    let archived = view(&objects, None).list().unwrap();
    let kept = archived.iter().filter(|file| file.name.ends_with(".segment")).count();
    assert!(kept > local, "the archive keeps what the server has trimmed: {kept} of {local}");
    // Nothing is left to do, by this archiver or by another one.
    for archiver in [&mut archiver, &mut Archiver::open(disk.share_to_read(), store(&objects)).unwrap()] {
        let passed = archiver.pass(u64::MAX, |_| ()).unwrap();
        assert_eq!((passed.bytes, passed.parts, passed.segments, passed.snapshots), (0, 0, 0, 0));
    }
    // Every op is in the archive, because it was archived before it was trimmed.
    let whole = states(view(&objects, None));
    for op in [12, 60, 133, 250, 399] {
        assert_eq!(digest_at(view(&objects, None), Target::Op(op)).1, whole[&op].0);
    }
}

#[test]
fn faults_of_the_store_delay_an_archive_and_never_damage_it() {
    // Proves retries after 503s, lost answers and calls that hang: after each pass that succeeds, the archive is whole;
    // after one that fails, it still has everything that an earlier one had.
    for seed in 1..=6 {
        let disk = RecordingStorage::new();
        format_disk(&disk, &small());
        let objects = Arc::new(InMemory::new());
        let faulty = Arc::new(FaultyStore::over(objects.clone(), seed, 9));
        let unreliable =
            Store::over(faulty.clone(), "faulty").unwrap().with_timeout(Duration::from_millis(5));
        let unreliable = Arc::new(unreliable);
        let open = || loop {
            if let Ok(archiver) = Archiver::open(disk.share_to_read(), unreliable.clone()) {
                return archiver;
            }
        };
        let mut archiver = open();
        let (mut failed, mut archived) = (0, 0);
        sale(&disk, 1, 200, |world, number| {
            if number % 50 == 0 {
                world.ask_for_snapshot();
                world.run();
            }
            match archiver.pass(u64::MAX, |_| ()) {
                Ok(passed) => archived = passed.last_position,
                Err(ArchiveError::Store { .. } | ArchiveError::Timeout { .. }) => failed += 1,
                Err(error) => panic!("{error:?}"),
            }
            // A process that restarts knows nothing of earlier passes.
            if number % 40 == 0 {
                archiver = open();
            }
            if number % 20 == 0 && archived > 0 {
                let (op, _) = digest_at(view(&objects, None), Target::End);
                assert!(op >= archived, "seed {seed}: the archive has op {op}, and had {archived}");
            }
        });
        while archiver.pass(u64::MAX, |_| ()).is_err() {}
        assert!(failed > 5 && faulty.faults.load(Ordering::Relaxed) > 5, "{failed} passes failed");
        let report = verify(&view(&objects, None), |_, _| ()).unwrap();
        assert!(report.is_sound(), "seed {seed}: {:?}", report.findings);
        let local = digest_at(disk.share_to_read(), Target::End);
        assert_eq!(digest_at(view(&objects, None), Target::End), local);
    }
}

#[test]
fn two_directories_restored_from_one_archive_never_mix_in_it() {
    // Proves that two timelines with the same op numbers, and even the same epoch number, stay apart.
    let disk = live_with(&RecordingStorage::new(), &small(), true).storage.crash_now(Survival::Everything);
    let objects = Arc::new(InMemory::new());
    Archiver::open(disk.share_to_read(), store(&objects)).unwrap().pass(u64::MAX, |_| ()).unwrap();
    let (last, digest) = digest_at(view(&objects, None), Target::End);
    let mut ends = Vec::new();
    for branch in 0..2 {
        let directory = ReadOnlyDirectory::open(view(&objects, Some("1"))).unwrap();
        let mut replica = replica_at(&directory, Target::Op(last - 20), None, &mut |_| ()).unwrap();
        let to = RecordingStorage::new();
        let options = RestoreOptions {
            now_ms: NOW_MS + branch,
            salt_seed: 5 + branch,
            segment_bytes: 98_304,
            known_epoch: 0,
        };
        drop(restore(directory.manifest(), &mut replica, to.share(), options).unwrap());
        sale(&to, 1_000 * (branch + 1), 40, |_, _| ());
        Archiver::open(to.share_to_read(), store(&objects)).unwrap().pass(u64::MAX, |_| ()).unwrap();
        ends.push(digest_at(to.share_to_read(), Target::End));
    }
    assert_ne!(ends[0], ends[1]);
    assert_eq!(digest_at(view(&objects, Some("1")), Target::End), (last, digest));
    let store = store(&objects);
    let contents = Contents::read(&store).unwrap();
    let log = contents.log(None).unwrap();
    let names: Vec<String> = contents.epochs(log).map(|name| name.to_string()).collect();
    assert_eq!(names.len(), 3);
    for (name, end) in names[1..].iter().zip(&ends) {
        assert_eq!(digest_at(view(&objects, Some(name)), Target::End), *end);
        let timeline = contents.timeline(&store, log, Some(name)).unwrap();
        let parent = contents.parent(&store, &timeline).unwrap().unwrap();
        assert_eq!(parent.name.to_string(), names[0]);
    }
    for unclear in [None, Some("2")] {
        let refused = contents.timeline(&store, log, unclear).unwrap_err();
        assert!(matches!(refused, ArchiveError::Several { .. }), "{refused}");
    }
    let refused = contents.timeline(&store, log, Some("7")).unwrap_err().to_string();
    assert!(refused.contains(&names[0]), "{refused}");
}

#[test]
fn a_log_that_was_trimmed_before_it_was_archived_is_read_after_the_gap() {
    // Proves that an archive with a gap leads to the states after it, and says which ones are missing.
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let objects = Arc::new(InMemory::new());
    let mut first = Some(Archiver::open(disk.share_to_read(), store(&objects)).unwrap());
    sale(&disk, 1, 500, |world, number| {
        if number == 20 {
            first.take().unwrap().pass(u64::MAX, |_| ()).unwrap();
        }
        if number % 100 == 99 {
            world.ask_for_snapshot();
            world.run();
        }
    });
    Archiver::open(disk.share_to_read(), store(&objects)).unwrap().pass(u64::MAX, |_| ()).unwrap();
    let files = view(&objects, None);
    let report = verify(&files, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(digest_at(files.clone(), Target::End), digest_at(disk.share_to_read(), Target::End));
    let directory = ReadOnlyDirectory::open(files).unwrap();
    let early = replica_at(&directory, Target::Op(20), None, &mut |_| ()).map(drop).unwrap_err();
    assert!(early.to_string().contains("before the oldest state"), "{early}");
}
