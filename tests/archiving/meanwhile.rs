//! What happens while something large is uploaded: the log goes on, and a stop ends it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use stockhold::archive::{ArchiveError, Store};
use stockhold::replica::Target;

use super::super::crash_images::world::World;
use super::continuous::{archived, buy, lag, policy, stage, start};
use super::faulty::FaultyStore;
use super::{digest_at, view};

type OnPart = Mutex<Box<dyn FnMut() + Send>>;

/// A store that lets something happen with every part of an upload.
struct SlowStore {
    objects: Arc<InMemory>,
    on_part: Arc<OnPart>,
}

impl fmt::Debug for SlowStore {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("SlowStore")
    }
}

impl fmt::Display for SlowStore {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("SlowStore")
    }
}

struct SlowUpload {
    upload: Box<dyn MultipartUpload>,
    on_part: Arc<OnPart>,
}

impl fmt::Debug for SlowUpload {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("SlowUpload")
    }
}

#[async_trait]
impl MultipartUpload for SlowUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        (self.on_part.lock().unwrap())();
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[async_trait]
impl ObjectStore for SlowStore {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.objects.put_multipart_opts(at, options).await?;
        Ok(Box::new(SlowUpload { upload, on_part: self.on_part.clone() }))
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// A store of small parts, each of which takes as long as `on_part` lets pass.
fn slow(objects: &Arc<InMemory>, on_part: impl FnMut() + Send + 'static) -> Arc<Store> {
    let on_part: Arc<OnPart> = Arc::new(Mutex::new(Box::new(on_part)));
    let store = Store::over(Arc::new(SlowStore { objects: objects.clone(), on_part }), "slow").unwrap();
    Arc::new(store.with_piece_bytes(1_024))
}

#[test]
fn the_log_is_archived_while_a_snapshot_is_uploaded() {
    // Proves that the lag stays at an interval and one part, however long the upload of a snapshot takes, that segments
    // which are completed meanwhile lack nothing, and that the archive leads to every op at each moment.
    let (disk, mut world) = start(&archived(|_| ()));
    for number in 1..=100 {
        buy(&mut world, number);
    }
    let objects = Arc::new(InMemory::new());
    let world = Arc::new(Mutex::new(world));
    let seen: Arc<Mutex<Vec<(u64, u64, u64)>>> = Arc::default();
    let (seller, watched, lags) = (world.clone(), objects.clone(), seen.clone());
    let mut number = 100;
    let slow = slow(&objects, move || {
        // The first pass has the world to itself.
        let Ok(mut world) = seller.try_lock() else { return };
        let world: &mut World = &mut world;
        if lags.lock().unwrap().len() > 20 {
            return;
        }
        let (_, lag_ms) = lag(world);
        let (op, _) = digest_at(view(&watched, None), Target::End);
        lags.lock().unwrap().push((op, world.op(), lag_ms));
        for _ in 0..60 {
            number += 1;
            buy(world, number);
        }
        world.time.advance_ms(400);
    });
    let mut stage = {
        let mut world = world.lock().unwrap();
        let mut stage = stage(&world, &disk, slow, policy());
        stage.step();
        world.ask_for_snapshot();
        world.run();
        stage
    };
    stage.step();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert!(seen.len() > 8, "the upload takes {} parts", seen.len());
    for (op, last, lag_ms) in &seen {
        // A part takes a second here.
        assert!(*lag_ms <= 1_000 && last - op <= 60, "{seen:?}");
    }
    stage.step();
    let world = world.lock().unwrap();
    assert_eq!(digest_at(view(&objects, None), Target::End), (world.op(), world.digest()));
}

#[test]
fn a_stop_ends_a_long_upload_and_archives_the_end_of_the_log() {
    // Proves that the upload of a snapshot ends within one part, that the last op is archived all the same, and that a call
    // that hangs holds the stop no longer than it was told.
    let (disk, mut world) = start(&archived(|_| ()));
    let objects = Arc::new(InMemory::new());
    let parts = Arc::new(AtomicU64::new(0));
    let interrupted: Arc<Mutex<Option<Arc<Store>>>> = Arc::default();
    let (counted, stopped) = (parts.clone(), interrupted.clone());
    let slow = slow(&objects, move || {
        if let Some(store) = &*stopped.lock().unwrap() {
            counted.fetch_add(1, Ordering::Relaxed);
            store.interrupt_after(Duration::ZERO);
        }
    });
    let mut stage = stage(&world, &disk, slow.clone(), policy());
    stage.step();
    for number in 1..=20 {
        buy(&mut world, number);
    }
    world.ask_for_snapshot();
    world.run();
    *interrupted.lock().unwrap() = Some(slow.clone());
    stage.step();
    assert_eq!(parts.load(Ordering::Relaxed), 1, "no part follows an interruption");
    assert!(!has_snapshot(&objects));
    buy(&mut world, 21);
    world.stop();
    stage.finish(Duration::from_secs(5));
    assert!(!has_snapshot(&objects), "the end of the log is short, and snapshots are not");
    assert_eq!(digest_at(view(&objects, None), Target::End), digest_at(disk.share_to_read(), Target::End));

    let began = std::time::Instant::now();
    let hanging = Store::over(Arc::new(FaultyStore::hanging(objects)), "hanging").unwrap();
    hanging.interrupt_after(Duration::from_millis(20));
    assert!(matches!(hanging.list(), Err(ArchiveError::Interrupted)));
    assert!(began.elapsed() < Duration::from_secs(20), "the time limit of a call is a minute");
}

fn has_snapshot(objects: &Arc<InMemory>) -> bool {
    let all = Store::over(objects.clone(), "memory").unwrap().list().unwrap();
    all.iter().any(|object| object.path.ends_with(".snapshot"))
}
