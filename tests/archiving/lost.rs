//! A place that loses objects, and one in which removed objects appear again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use stockhold::archive::{ArchiveView, Archiver, Contents};
use stockhold::directory::ReadOnlyDirectory;
use stockhold::replica::Target;
use stockhold::restore::replica_at;
use stockhold::storage::recording::RecordingStorage;

use super::super::crash_images::world::{format_disk, small};
use super::kept::block_on;
use super::{digest_at, sale, store, view};
use crate::restoring::states;

/// Every object of a store.
fn objects_of(objects: &Arc<InMemory>) -> BTreeMap<Path, bytes::Bytes> {
    let listed: Vec<_> = block_on(objects.list(None).collect());
    let read = |path: Path| {
        let got = block_on(objects.get(&path)).unwrap();
        (path, block_on(got.bytes()).unwrap())
    };
    listed.into_iter().map(|meta| read(meta.unwrap().location)).collect()
}

/// A directory and its archive, and every object that the archive ever had.
fn archived() -> (RecordingStorage, Arc<InMemory>, BTreeMap<Path, bytes::Bytes>) {
    let disk = RecordingStorage::new();
    format_disk(&disk, &small());
    let objects = Arc::new(InMemory::new());
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    let mut ever = BTreeMap::new();
    sale(&disk, 1, 250, |world, number| {
        if number % 100 == 0 {
            world.ask_for_snapshot();
            world.run();
        }
        if number % 7 == 0 {
            archiver.pass(u64::MAX, |_| ()).unwrap();
            ever.append(&mut objects_of(&objects));
        }
    });
    archiver.pass(u64::MAX, |_| ()).unwrap();
    ever.append(&mut objects_of(&objects));
    (disk, objects, ever)
}

/// The last op and digest that an archive leads to; `None` if it is refused.
fn end_of(objects: &Arc<InMemory>) -> Option<(u64, u64)> {
    let store = store(objects);
    let contents = Contents::read(&store).ok()?;
    let timeline = contents.timeline(&store, contents.log(None).ok()?, None).ok()?;
    let files = ArchiveView::open(store, &contents, &timeline).ok()?;
    let directory = ReadOnlyDirectory::open(Arc::new(files)).ok()?;
    let machine = replica_at(&directory, Target::End, None, &mut |_| ()).ok()?.into_machine();
    Some((machine.op(), machine.digest()))
}

#[test]
fn a_lost_object_is_a_refusal_or_no_loss_and_the_next_start_archives_it_again() {
    // Proves for each object that without it the archive leads to the digest of an op of the log or is refused, never to
    // another state, and that an archiver which starts brings back what the data directory still has.
    let (disk, objects, _) = archived();
    let whole = states(view(&objects, None));
    let end = end_of(&objects).unwrap();
    let (mut without_loss, mut earlier, mut refused) = (0, 0, 0);
    for (path, bytes) in objects_of(&objects) {
        block_on(objects.delete(&path)).unwrap();
        match end_of(&objects) {
            Some(same) if same == end => without_loss += 1,
            Some((op, digest)) => {
                assert_eq!(digest, whole[&op].0, "{path}");
                earlier += 1;
            }
            None => refused += 1,
        }
        let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
        archiver.pass(u64::MAX, |_| ()).unwrap();
        assert_eq!(end_of(&objects), Some(end), "{path}");
        block_on(objects.put(&path, bytes.into())).unwrap();
    }
    assert!(without_loss > 0 && earlier + refused > 0, "{without_loss} {earlier} {refused}");
}

#[test]
fn objects_that_appear_again_do_no_harm() {
    // Proves that pieces and segments which a store delivers once more, after they were replaced or removed, change
    // nothing for a restore, nor for the archiver that goes on.
    let (disk, objects, ever) = archived();
    let end = end_of(&objects).unwrap();
    let now = objects_of(&objects);
    let mut again = 0;
    for (path, bytes) in ever {
        if !now.contains_key(&path) {
            block_on(objects.put(&path, bytes.into())).unwrap();
            assert_eq!(end_of(&objects), Some(end), "{path}");
            again += 1;
        }
    }
    assert!(again > 10, "{again} objects were removed in the meantime");
    let mut archiver = Archiver::open(disk.share_to_read(), store(&objects)).unwrap();
    archiver.pass(u64::MAX, |_| ()).unwrap();
    assert_eq!(digest_at(view(&objects, None), Target::End), end);
}
