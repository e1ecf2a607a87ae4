//! What is in an archive and what is missing: objects that were removed, left over, or written twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use stockhold::archive::{ArchiveError, ArchivePolicy, Archiver, Contents, Retention, Store};
use stockhold::directory::{ReadOnlyDirectory, RestoreOptions};
use stockhold::replica::Target;
use stockhold::restore::{replica_at, restore};
use stockhold::storage::memory::Survival;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;

use super::super::crash_images::flips::flip;
use super::super::crash_images::life::live_with;
use super::super::crash_images::world::{format_disk, small};
use super::continuous::{archived as archiving, buy, policy, stage, start};
use super::faulty::FaultyStore;
use super::{NOW_MS, digest_at, sale, store, view};

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// The paths of the objects whose names end so.
fn paths(objects: &Arc<InMemory>, end: &str) -> Vec<String> {
    let all = store(objects).list().unwrap().into_iter().map(|object| object.path);
    all.filter(|path| path.ends_with(end)).collect()
}

/// Writes the beginning of a segment of the archive as a piece.
fn put_piece(objects: &Arc<InMemory>, segment: &str, range: std::ops::Range<u64>) {
    let piece = store(objects).read(segment, range.start, range.end - range.start).unwrap();
    let path = segment.replace(".segment", &format!(".{:012}.part", range.start));
    block_on(objects.put(&Path::from(path), PutPayload::from(piece))).unwrap();
}

/// A disk with several segments and snapshots, and its archive.
fn archived() -> (RecordingStorage, Arc<InMemory>) {
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let objects = Arc::new(InMemory::new());
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    sale(&disk, 1, 300, |world, number| {
        if number % 100 == 99 {
            world.ask_for_snapshot();
            world.run();
        }
        if number % 10 == 0 {
            archiver.pass(u64::MAX, |_| ()).unwrap();
        }
    });
    archiver.pass(u64::MAX, |_| ()).unwrap();
    (disk, objects)
}

fn assert_complete(disk: &RecordingStorage, objects: &Arc<InMemory>) {
    let files = view(objects, None);
    let report = verify(&files, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(digest_at(files, Target::End), digest_at(disk.share_to_read(), Target::End));
}

#[test]
fn what_was_removed_from_the_archive_is_not_archived_again() {
    // Proves that an archive that keeps less than the data directory does not upload and remove the rest in turn, and that
    // the newest snapshot counts as the present for ages, whatever the wall clock says.
    for retention in [Retention { snapshots: 1, age_ms: 0 }, Retention { snapshots: 0, age_ms: 1 }] {
        let (disk, objects) = archived();
        let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
        archiver.pass(u64::MAX, |_| ()).unwrap();
        archiver.retain(retention).unwrap();
        let kept = if retention.snapshots == 1 { 1 } else { 2 };
        assert_eq!(paths(&objects, ".snapshot").len(), kept);
        let passed = archiver.pass(u64::MAX, |_| ()).unwrap();
        assert_eq!((passed.bytes, passed.segments, passed.snapshots), (0, 0, 0));
        assert_complete(&disk, &objects);
        assert_leads_back(&archiver, &objects);
    }
}

/// That an archiver knows the oldest state which the archive leads back to.
fn assert_leads_back(archiver: &Archiver, objects: &Arc<InMemory>) {
    let from = archiver.restorable_from().unwrap().unwrap();
    assert_eq!(digest_at(view(objects, None), Target::Op(from)).0, from);
    if from > 0 {
        let directory = ReadOnlyDirectory::open(view(objects, None)).unwrap();
        let refused = replica_at(&directory, Target::Op(from - 1), None, &mut |_| ()).map(|_| ());
        assert!(refused.is_err(), "op {} is before the oldest state", from - 1);
    }
}

#[test]
fn pieces_that_are_left_over_or_overlap_do_no_harm() {
    // Proves that pieces of a removed segment are no gap and leave with the next retention, and that two writers that cut
    // the same bytes differently leave a readable segment.
    let (disk, objects) = archived();
    let segments = paths(&objects, ".segment");
    put_piece(&objects, &segments[0], 8_192..12_288);
    put_piece(&objects, &segments[1], 8_192..12_288);
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    assert_complete(&disk, &objects);
    block_on(objects.delete(&Path::from(segments[0].as_str()))).unwrap();
    assert_complete(&disk, &objects);
    archiver.pass(u64::MAX, |_| ()).unwrap();
    archiver.retain(Retention { snapshots: 1, age_ms: 0 }).unwrap();
    let left = paths(&objects, ".part");
    let stem = segments[0].trim_end_matches("segment");
    assert!(left.iter().all(|path| !path.starts_with(stem)), "{left:?}");
    assert_complete(&disk, &objects);

    let (disk, objects) = archived();
    let last = paths(&objects, ".segment").pop().unwrap();
    let bytes = store(&objects).list().unwrap().into_iter().find(|object| object.path == last).unwrap().bytes;
    for range in [0..12_288, 8_192..16_384, 8_192 + 4_096..16_384, 16_384..bytes] {
        put_piece(&objects, &last, range);
    }
    block_on(objects.delete(&Path::from(last.as_str()))).unwrap();
    assert_complete(&disk, &objects);
}

#[test]
fn a_segment_without_its_end_is_a_gap() {
    // Proves that states before a segment that was trimmed while only its beginning was archived are left out, and that
    // those after it can be restored.
    let (disk, objects) = archived();
    let segments = paths(&objects, ".segment");
    let leads_back = || {
        // What the server has trimmed cannot be archived again.
        let empty = RecordingStorage::new();
        let manifest = ReadOnlyDirectory::open(disk.share_to_read()).unwrap().manifest().clone();
        drop(empty.share().replace("MANIFEST", &manifest.encode()));
        let mut archiver = Archiver::open(empty.share_to_read(), store(&objects)).unwrap();
        assert!(archiver.pass(u64::MAX, |_| ()).is_err(), "there are no segments");
        assert_leads_back(&archiver, &objects);
        archiver.restorable_from().unwrap()
    };
    assert_eq!(leads_back(), Some(0));
    put_piece(&objects, &segments[1], 0..12_288);
    block_on(objects.delete(&Path::from(segments[1].as_str()))).unwrap();
    assert_complete(&disk, &objects);
    assert!(leads_back() > Some(0));
}

#[test]
fn a_manifest_in_the_wrong_place_is_refused() {
    // Proves that a hostile archive cannot make a history its own parent.
    let (_, objects) = archived();
    let manifest = paths(&objects, "MANIFEST").remove(0);
    let bytes = store(&objects).read_all(&manifest).unwrap().unwrap();
    let moved = manifest.replace("/00000001-", "/00000002-");
    block_on(objects.put(&Path::from(moved), PutPayload::from(bytes))).unwrap();
    let store = store(&objects);
    let contents = Contents::read(&store).unwrap();
    let refused = contents.timeline(&store, contents.log(None).unwrap(), None).unwrap_err();
    assert!(matches!(refused, ArchiveError::Misplaced { .. }), "{refused}");
}

#[test]
fn the_history_after_a_restore_appears_with_its_first_state() {
    // Proves that an interrupted first pass over a restored directory never leaves an epoch that leads nowhere.
    let disk = live_with(&RecordingStorage::new(), &small(), true).storage.crash_now(Survival::Everything);
    let directory = ReadOnlyDirectory::open(disk.share_to_read()).unwrap();
    let mut replica = replica_at(&directory, Target::End, None, &mut |_| ()).unwrap();
    let to = RecordingStorage::new();
    let options = RestoreOptions { now_ms: NOW_MS, salt_seed: 5, segment_bytes: 98_304, known_epoch: 0 };
    drop(restore(directory.manifest(), &mut replica, to.share(), options).unwrap());
    let mut interrupted = 0;
    for seed in 1..=40 {
        let objects = Arc::new(InMemory::new());
        let faulty = Arc::new(FaultyStore::over(objects.clone(), seed, 2));
        let unreliable = Store::over(faulty, "faulty").unwrap();
        let unreliable = Arc::new(unreliable.with_timeout(std::time::Duration::from_millis(5)));
        let Ok(mut archiver) = Archiver::open(to.share_to_read(), unreliable) else { continue };
        interrupted += u32::from(archiver.pass(u64::MAX, |_| ()).is_err());
        if !paths(&objects, "MANIFEST").is_empty() {
            assert_eq!(paths(&objects, ".snapshot").len(), 1, "seed {seed}");
        }
    }
    assert!(interrupted > 5);
}

#[test]
fn what_was_removed_is_not_archived_again_after_a_restart() {
    // Proves that a server which starts knows from the archive what it had removed there, before its first pass.
    let (disk, mut world) = start(&archiving(|_| ()));
    let objects = Arc::new(InMemory::new());
    let one = ArchivePolicy { retention: Retention { snapshots: 1, age_ms: 0 }, ..policy() };
    let mut before = stage(&world, &disk, store(&objects), one);
    for number in 1..=300 {
        buy(&mut world, number);
        if number % 100 == 99 {
            world.ask_for_snapshot();
            world.run();
            before.step();
        }
    }
    before.step();
    let kept = paths(&objects, "");
    assert_eq!(paths(&objects, ".snapshot").len(), 1);
    let local = disk.share_to_read().list().unwrap();
    assert!(local.iter().filter(|file| file.name.ends_with(".snapshot")).count() > 1);
    let counting = Arc::new(FaultyStore::over(objects.clone(), 1, 0));
    let counted = Arc::new(Store::over(counting.clone(), "counting").unwrap());
    stage(&world, &disk, counted, one).step();
    assert_eq!(counting.puts.load(Ordering::Relaxed), 1, "nothing is new but the sign of life");
    assert_eq!(paths(&objects, ""), kept);
}

#[test]
fn a_damaged_snapshot_never_gets_into_the_archive() {
    // Proves that a flipped bit anywhere in a snapshot is found while it is copied, in one piece or in many, that nothing
    // of it appears, that the log and the other snapshots are archived all the same, and that it is read only once.
    let (disk, _) = archived();
    let local = disk.share_to_read().list().unwrap();
    let snapshots: Vec<_> = local.iter().filter(|file| file.name.ends_with(".snapshot")).collect();
    let damaged = snapshots.last().unwrap();
    for (at, piece_bytes) in [(0, 512), (1, 512), (1, 8 << 20), (2, 512), (3, 512), (3, 8 << 20)] {
        let bytes = usize::try_from(damaged.bytes).unwrap();
        let offset = (bytes * at / 4 + 90).min(bytes - 1);
        flip(&disk, &damaged.name, offset, 3);
        let objects = Arc::new(InMemory::new());
        let store = Store::over(objects.clone(), "memory").unwrap().with_piece_bytes(piece_bytes);
        let mut archiver = Archiver::open(disk.share_to_read(), Arc::new(store)).unwrap();
        let passed = archiver.pass(u64::MAX, |_| ()).unwrap();
        assert_eq!((passed.damaged, passed.snapshots), (1, length(snapshots.len()) - 1), "byte {offset}");
        assert_eq!(paths(&objects, &damaged.name), Vec::<String>::new());
        assert_eq!(paths(&objects, ".snapshot").len(), snapshots.len() - 1);
        assert_complete(&disk, &objects);
        let again = archiver.pass(u64::MAX, |_| ()).unwrap();
        assert_eq!((again.damaged, again.bytes), (1, 0));
        flip(&disk, &damaged.name, offset, 3);
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}
