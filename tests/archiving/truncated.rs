//! The archive of a directory whose log was cut.

use std::sync::Arc;

use object_store::memory::InMemory;
use stockhold::archive::Archiver;
use stockhold::directory::{Cut, Directory, ReadOnlyDirectory};
use stockhold::replica::Target;
use stockhold::snapshot::LogPoint;
use stockhold::storage::recording::RecordingStorage;
use stockhold::verify::verify;

use super::super::crash_images::world::{format_disk, small};
use super::{NOW_MS, digest_at, sale, store, view};

#[test]
fn an_archive_follows_a_log_that_was_cut() {
    // Proves that segments and snapshots which were cut off are left out of the new history, although their ops have the
    // numbers of later ones, and that every state before and after the cut is restored.
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let objects = Arc::new(InMemory::new());
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    let mut digests = std::collections::BTreeMap::new();
    sale(&disk, 1, 300, |world, number| {
        digests.insert(world.op(), world.digest());
        if number % 60 == 0 {
            world.ask_for_snapshot();
            world.run();
        }
        archiver.pass(u64::MAX, |_| ()).unwrap();
    });
    archiver.pass(u64::MAX, |_| ()).unwrap();
    let cut = *digests.keys().find(|op| **op > 260).unwrap();
    let manifest = ReadOnlyDirectory::open(disk.share_to_read()).unwrap().manifest().clone();
    let point = LogPoint { position: cut, op: cut };
    let found = Cut::find(&disk, &manifest, point).unwrap();
    Directory::open(disk.share()).unwrap().truncate(&found, NOW_MS).unwrap();
    digests.split_off(&(cut + 1));
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    archiver.pass(u64::MAX, |_| ()).unwrap();
    assert_eq!(digest_at(view(&objects, None), Target::End), (cut, digests[&cut]));
    sale(&disk, 301, 100, |world, _| {
        digests.insert(world.op(), world.digest());
        archiver.pass(u64::MAX, |_| ()).unwrap();
    });
    archiver.pass(u64::MAX, |_| ()).unwrap();
    let files = view(&objects, None);
    let report = verify(&files, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    for (op, digest) in digests.range(10..).filter(|(op, _)| *op % 7 == 0) {
        assert_eq!(digest_at(files.clone(), Target::Op(*op)), (*op, *digest));
    }
    assert_eq!(digest_at(files, Target::End), digest_at(disk.share_to_read(), Target::End));
}
