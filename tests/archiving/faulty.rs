//! An object store in memory whose calls fail, hang or forget on request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use stockhold::storage::memory::scramble;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The store answers 503 and does nothing.
    Unavailable,
    /// The store does what was asked, and the answer is lost.
    LostAnswer,
    /// No answer comes.
    Hangs,
}

/// A store that draws a fault for every call from a seed.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    objects: Arc<InMemory>,
    seed: u64,
    /// One of so many calls fails; 0 = none.
    one_in: u64,
    calls: AtomicU64,
    pub(crate) faults: AtomicU64,
    /// Objects that were written.
    pub(crate) puts: AtomicU64,
    hangs: bool,
}

impl FaultyStore {
    pub(crate) fn over(objects: Arc<InMemory>, seed: u64, one_in: u64) -> Self {
        Self {
            objects,
            seed,
            one_in,
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            puts: AtomicU64::new(0),
            hangs: false,
        }
    }

    /// A store that never answers.
    pub(crate) fn hanging(objects: Arc<InMemory>) -> Self {
        Self { hangs: true, ..Self::over(objects, 0, 1) }
    }

    fn draw(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let draw = scramble(self.seed ^ scramble(call));
        if self.one_in == 0 || !draw.is_multiple_of(self.one_in) {
            return None;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        Some(match draw >> 32 & 7 {
            _ if self.hangs => Fault::Hangs,
            0 => Fault::Hangs,
            1..=3 => Fault::LostAnswer,
            _ => Fault::Unavailable,
        })
    }

    async fn meet(&self, after: bool) -> Result<Option<Fault>> {
        match self.draw() {
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::LostAnswer) if after => Ok(Some(Fault::LostAnswer)),
            Some(_) => Err(unavailable()),
            None => Ok(None),
        }
    }
}

fn unavailable() -> Error {
    Error::Generic { store: "faulty", source: "503 Slow Down".into() }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.meet(true).await?;
        self.puts.fetch_add(1, Ordering::Relaxed);
        let done = self.objects.put_opts(at, payload, options).await?;
        if fault.is_some() { Err(unavailable()) } else { Ok(done) }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meet(false).await?;
        self.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.meet(false).await?;
        self.objects.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.draw().is_some() {
            return futures_util::stream::once(async { Err(unavailable()) }).boxed();
        }
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.hangs {
            return futures_util::stream::pending().boxed();
        }
        if self.draw().is_some() {
            return futures_util::stream::once(async { Err(unavailable()) }).boxed();
        }
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
