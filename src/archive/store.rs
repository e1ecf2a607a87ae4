//! The place of an archive: objects with paths, in a directory or an object store. Every call has a time limit.

use std::fmt;
use std::future::Future;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use super::ArchiveError;
use crate::storage::written_for_later;

/// The length of the pieces in which large files are uploaded; object stores want at least 5 MiB.
pub const PIECE_BYTES: usize = 8 << 20;
/// The default time limit of one call.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// How long a call goes on after an interruption.
const INTERRUPTED_AFTER: Duration = Duration::from_millis(50);
/// The time limit of the call that ends an upload which has failed.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a call was given up.
enum Cut {
    Timeout,
    Interrupted,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path below the root of the archive.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// The place of an archive.
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The directory of the objects, if they are files.
    directory: Option<PathBuf>,
    /// `None` while it is dropped.
    runtime: Option<Runtime>,
    timeout: Duration,
    piece_bytes: usize,
    /// When calls end; `None` = when they are finished.
    until: Mutex<Option<Instant>>,
    url: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Store").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the place that a URL or the path of a directory names. With `create` a missing directory is made.
    ///
    /// # Errors
    /// [`ArchiveError::Location`].
    pub fn open(url: &str, create: bool) -> Result<Self, ArchiveError> {
        let refused = |reason: String| ArchiveError::Location { url: url.to_owned(), reason };
        let path = match url.split_once("://") {
            Some(("file", path)) => path,
            None => url,
            Some(("s3" | "gs" | "az", _)) => {
                return cloud(url).and_then(|objects| Self::over(objects, url)).map_err(refused);
            }
            Some((scheme, _)) => {
                let known = "a directory, file:///…, s3://BUCKET/…, gs://BUCKET/… or az://CONTAINER/…";
                return Err(refused(format!("the scheme {scheme} is unknown; write {known}")));
            }
        };
        let files = local(path, create).map_err(refused)?;
        let mut store = Self::over(Arc::new(files), url).map_err(refused)?;
        store.directory = Some(PathBuf::from(path));
        Ok(store)
    }

    /// A store over any objects; tests inject faults here.
    ///
    /// # Errors
    /// A sentence if the runtime of the store cannot be started.
    pub fn over(objects: Arc<dyn ObjectStore>, url: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime: {error}"))?;
        Ok(Self {
            objects,
            directory: None,
            runtime: Some(runtime),
            timeout: TIMEOUT,
            piece_bytes: PIECE_BYTES,
            until: Mutex::new(None),
            url: url.to_owned(),
        })
    }

    /// Sets the time limit of one call.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let mut store = self;
        store.timeout = timeout;
        store
    }

    /// Lets every call end after this time with [`ArchiveError::Interrupted`], those that are running too.
    pub fn interrupt_after(&self, time: Duration) {
        *self.until.lock() = Some(Instant::now() + time);
    }

    /// Sets the length of pieces; tests cut small files into many.
    #[must_use]
    pub fn with_piece_bytes(self, piece_bytes: usize) -> Self {
        let mut store = self;
        store.piece_bytes = piece_bytes;
        store
    }

    /// The length of the pieces in which large files are uploaded.
    #[must_use]
    pub fn piece_bytes(&self) -> usize {
        self.piece_bytes
    }

    /// The location as it was given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    fn call<T>(
        &self,
        action: &'static str,
        path: &str,
        future: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, ArchiveError> {
        let limited = self.run(self.timeout, future);
        match limited {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(ArchiveError::Store { action, path: path.to_owned(), source }),
            Err(Cut::Interrupted) => Err(ArchiveError::Interrupted),
            Err(Cut::Timeout) => {
                Err(ArchiveError::Timeout { action, path: path.to_owned(), seconds: self.timeout.as_secs() })
            }
        }
    }

    fn run<T>(&self, timeout: Duration, future: impl Future<Output = T>) -> Result<T, Cut> {
        let Some(runtime) = &self.runtime else { unreachable!("only a drop takes the runtime") };
        runtime.block_on(async {
            let mut future = std::pin::pin!(future);
            let deadline = Instant::now() + timeout;
            loop {
                let now = Instant::now();
                if self.until.lock().is_some_and(|until| until <= now) {
                    return Err(Cut::Interrupted);
                }
                if deadline <= now {
                    return Err(Cut::Timeout);
                }
                if let Ok(done) =
                    tokio::time::timeout(INTERRUPTED_AFTER.min(deadline - now), future.as_mut()).await
                {
                    return Ok(done);
                }
            }
        })
    }

    /// All objects.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn list(&self) -> Result<Vec<Object>, ArchiveError> {
        let listing = self
            .objects
            .list(None)
            .map_ok(|meta| Object { path: meta.location.to_string(), bytes: meta.size });
        let mut objects: Vec<Object> = self.call("list", &self.url, listing.try_collect())?;
        objects.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(objects)
    }

    /// Reads a range of bytes; fewer than asked for at the end of the object.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read(&self, path: &str, offset: u64, bytes: u64) -> Result<bytes::Bytes, ArchiveError> {
        let location = Path::from(path);
        self.call("read", path, async { self.objects.get_range(&location, offset..offset + bytes).await })
    }

    /// Reads a whole small object; `None` if there is none.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn read_all(&self, path: &str) -> Result<Option<bytes::Bytes>, ArchiveError> {
        let location = Path::from(path);
        let read = self.call("read", path, async { self.objects.get(&location).await?.bytes().await });
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ArchiveError::Store { source: object_store::Error::NotFound { .. }, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object. It appears as a whole or not at all.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn write(&self, path: &str, contents: Vec<u8>) -> Result<(), ArchiveError> {
        let location = Path::from(path);
        let payload = PutPayload::from(contents);
        self.call("write", path, async { self.objects.put(&location, payload).await })?;
        self.leave_cache(path);
        Ok(())
    }

    fn leave_cache(&self, path: &str) {
        if let Some(directory) = &self.directory {
            written_for_later(&directory.join(path));
        }
    }

    /// Writes an object of any length from pieces of [`Store::piece_bytes`], the last one excepted. It appears as a
    /// whole or not at all. `next` returns an empty piece at the end.
    ///
    /// # Errors
    /// [`ArchiveError`], also that of `next`.
    pub fn write_pieces(
        &self,
        path: &str,
        mut next: impl FnMut() -> Result<Vec<u8>, ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let first = next()?;
        if first.len() < self.piece_bytes {
            return self.write(path, first);
        }
        let location = Path::from(path);
        let mut upload = self.call("write", path, async { self.objects.put_multipart(&location).await })?;
        let mut piece = first;
        let mut written = Ok(());
        while written.is_ok() && !piece.is_empty() {
            let payload = PutPayload::from(std::mem::take(&mut piece));
            written = self.call("write", path, upload.put_part(payload)).and_then(|()| {
                piece = next()?;
                Ok(())
            });
        }
        if written.is_ok() {
            written = self.call("write", path, async { upload.complete().await }).map(drop);
        }
        if written.is_err() {
            // The first error counts. An upload that cannot be aborted is invisible, and the store removes it later.
            if let Some(runtime) = &self.runtime {
                let aborted = async { tokio::time::timeout(ABORT_TIMEOUT, upload.abort()).await };
                drop(runtime.block_on(aborted));
            }
        } else {
            self.leave_cache(path);
        }
        written
    }

    /// Removes an object, if it exists.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn remove(&self, path: &str) -> Result<(), ArchiveError> {
        let location = Path::from(path);
        match self.call("remove", path, async { self.objects.delete(&location).await }) {
            Ok(()) | Err(ArchiveError::Store { source: object_store::Error::NotFound { .. }, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Store {
    /// A call that has exceeded its time limit may hang for ever in the kernel, and nobody waits for it.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A directory. Files are synced before they get their names.
fn local(path: &str, create: bool) -> Result<LocalFileSystem, String> {
    let path = FsPath::new(path);
    if create {
        std::fs::create_dir_all(path).map_err(|error| error.to_string())?;
    }
    let files = LocalFileSystem::new_with_prefix(path).map_err(|error| error.to_string())?;
    Ok(files.with_fsync(true))
}

/// A bucket. Credentials come from the environment, by the names that the provider's own tools use.
#[cfg(feature = "cloud")]
fn cloud(url: &str) -> Result<Arc<dyn ObjectStore>, String> {
    // Another part of the program may have installed one, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = url::Url::parse(url).map_err(|error| error.to_string())?;
    let options = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
    let (objects, prefix) = object_store::parse_url_opts(&url, options).map_err(|error| error.to_string())?;
    Ok(Arc::new(object_store::prefix::PrefixStore::new(objects, prefix)))
}

#[cfg(not(feature = "cloud"))]
fn cloud(_: &str) -> Result<Arc<dyn ObjectStore>, String> {
    Err("this program was built without the feature `cloud`".to_owned())
}
