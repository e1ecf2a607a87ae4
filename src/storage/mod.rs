//! The files of a data directory, behind traits that let tests inject faults and crashes.
//!
//! This module creates, reads, writes, syncs and renames files, and defines exactly what survives a power cut. The
//! contents of segments and frames belong to `wal`, those of snapshots to `snapshot` and the manifest to `directory`.
//! Only the shared table of offsets ([`layout`]) is here.
//!
//! There are two implementations of [`Storage`]: [`fs::FsStorage`] with real files, and [`recording::RecordingStorage`]
//! in memory, which records every event and builds the images that a crash may leave. Code that only reads uses a
//! [`ReadStorage`], through which nothing can be changed. [`read_only::ReadOnlyFs`] implements it with real files.

pub mod aligned;
pub mod checksum;
mod direct_read;
mod errno;
pub mod fs;
pub mod layout;
pub mod medium;
pub mod memory;
pub mod read_only;
pub mod recording;
pub mod width;

use std::fmt;
use std::io;
use std::sync::Arc;

pub use aligned::AlignedBuffer;
pub use fs::FsStorage;
pub use medium::WritePath;
pub use medium::{FileSystemKind, Medium, Space};
pub use read_only::ReadOnlyFs;
pub(crate) use read_only::written_for_later;

/// A storage that is shared by the log writer, the segment preparer and the snapshotter.
pub type SharedStorage = Arc<dyn Storage>;
/// A storage that is shared by readers.
pub type SharedReadStorage = Arc<dyn ReadStorage>;

/// From where a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// From the cache of the system, if it holds the file.
    Cache,
    /// From the medium, if the system allows it: the cached contents of the file are dropped first.
    Medium,
    /// From the medium, and the whole file, which is complete: around the cache, if the file system allows it.
    MediumWhole,
}

/// How a file will be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read and written through the cache. Nothing is durable before [`StoredFile::sync`].
    Cached,
    /// It is written in whole aligned blocks with [`StoredFile::write_durable`], and not read.
    Durable,
}

/// A file of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// The name. The directory is flat, so the name has no slash.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// Read access to one flat directory of files. It changes no file, no name and no lock.
pub trait ReadStorage: Send + Sync + fmt::Debug {
    /// Opens an existing file. Returns [`StorageError::NotFound`] otherwise.
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError>;

    /// Lists all files of the directory, sorted by name.
    fn list(&self) -> Result<Vec<FileEntry>, StorageError>;
}

/// Access to one flat directory of files.
///
/// Changes of names (create, rename, remove) *must* be atomic. They are durable only after [`Storage::sync_dir`].
pub trait Storage: ReadStorage {
    /// Creates a file of `bytes` zeros and reserves its space.
    ///
    /// It *must* return [`StorageError::Exists`] if the name is in use. It *must* return [`StorageError::NoSpace`] and
    /// leave no file if the space is not available. Neither the length nor the name is durable before `sync` and
    /// `sync_dir`.
    fn create(&self, name: &str, bytes: u64, access: Access) -> Result<Box<dyn StoredFile>, StorageError>;

    /// Opens an existing file for writing. Returns [`StorageError::NotFound`] otherwise.
    fn open(&self, name: &str, access: Access) -> Result<Box<dyn StoredFile>, StorageError>;

    /// Renames a file. An existing file of the new name *must* be replaced atomically.
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<(), StorageError>;

    /// Makes all names durable. After a failure, every later change of a name *must* return [`StorageError::Poisoned`].
    fn sync_dir(&self) -> Result<(), StorageError>;

    /// Locks the directory for this process. Returns [`StorageError::Locked`] if another process has locked it. The
    /// lock lasts as long as the value.
    fn lock(&self, name: &str) -> Result<Box<dyn DirectoryLock>, StorageError>;

    /// The medium of the directory.
    fn medium(&self) -> Medium;

    /// The space of its file system, if that can be told.
    fn space(&self) -> Option<Space> {
        None
    }

    /// Atomically and durably replaces the contents of the file `name`. After a crash the file has either the old or
    /// the new contents.
    fn replace(&self, name: &str, contents: &[u8]) -> Result<(), StorageError> {
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        match self.remove(&temporary) {
            Ok(()) | Err(StorageError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut file = self.create(&temporary, 0, Access::Cached)?;
        file.write(0, contents)?;
        file.sync()?;
        drop(file);
        self.rename(&temporary, name)?;
        self.sync_dir()
    }
}

/// The suffix of unfinished files, which are removed at start.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// An open file for reading.
pub trait ReadableFile: Send + fmt::Debug {
    /// The length of the file now.
    fn bytes(&self) -> Result<u64, StorageError>;

    /// Reads from `offset` until the buffer is full or the file ends. Returns the number of bytes read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError>;
}

/// An open file for writing.
///
/// A failed or short write or a failed sync *must* poison the handle. Every later call then returns
/// [`StorageError::Poisoned`], and nothing is retried, because the contents of the medium are unknown.
pub trait StoredFile: ReadableFile {
    /// Writes all bytes. They are durable after the next [`StoredFile::sync`] and *may* be durable before.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Writes all bytes with one system call. They *must* be durable when it returns. With [`Access::Durable`], the
    /// address, the length and the offset of the bytes *must* be multiples of [`layout::BLOCK_BYTES`].
    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes the contents and the length durable.
    fn sync(&mut self) -> Result<(), StorageError>;
}

/// The lock of a directory. Dropping it releases the lock.
pub trait DirectoryLock: Send + Sync + fmt::Debug {}

/// The operation during which a storage error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Creating a file or reserving its space.
    Create,
    /// Opening a file.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Syncing a file.
    Sync,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Listing the directory.
    List,
    /// Syncing the directory.
    SyncDirectory,
    /// Locking the directory.
    Lock,
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::SyncDirectory => "sync the directory at",
            Self::Lock => "lock",
        })
    }
}

/// Why a call on a storage failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The medium or the quota on it is full.
    #[error("no space left to {action} {name}")]
    NoSpace {
        /// The operation.
        action: Action,
        /// The file.
        name: String,
        /// The system error.
        source: io::Error,
    },
    /// The file does not exist.
    #[error("there is no file {name}")]
    NotFound {
        /// The file.
        name: String,
    },
    /// The file exists already.
    #[error("there is a file {name} already")]
    Exists {
        /// The file.
        name: String,
    },
    /// Fewer bytes were written than requested.
    #[error("only {written} of {wanted} bytes were written to {name}")]
    ShortWrite {
        /// The file.
        name: String,
        /// The number of bytes requested.
        wanted: usize,
        /// The number of bytes written.
        written: usize,
    },
    /// An earlier write or sync failed, so the file is no longer used.
    #[error("an earlier write or sync of {name} failed, so it is no longer used")]
    Poisoned {
        /// The file, or the directory.
        name: String,
    },
    /// Another process has locked the directory.
    #[error("the data directory is in use{}", holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The number of that process, if known.
        holder: Option<u32>,
    },
    /// The directory does not exist.
    #[error("there is no directory {path}")]
    NoDirectory {
        /// The path that was given.
        path: String,
    },
    /// What must be a directory is something else.
    #[error("{path} is not a directory")]
    NotADirectory {
        /// The path.
        path: String,
    },
    /// This process lacks a permission.
    #[error("no permission to {action} {name}")]
    Denied {
        /// The operation.
        action: Action,
        /// The file, or the directory.
        name: String,
        /// The system error.
        source: io::Error,
    },
    /// Any other system error.
    #[error("cannot {action} {name}")]
    Io {
        /// The operation.
        action: Action,
        /// The file, or the directory.
        name: String,
        /// The system error.
        source: io::Error,
    },
}

impl StorageError {
    /// Whether the medium is full. This is the only failure that may resolve itself.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// Whether the directory that was asked for is at fault, and not the medium.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::Locked { .. } | Self::NoDirectory { .. } | Self::NotADirectory { .. } | Self::Denied { .. }
        )
    }

    /// The file or directory of the error; `None` for a lock that another process holds.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::NoSpace { name, .. }
            | Self::NotFound { name }
            | Self::Exists { name }
            | Self::ShortWrite { name, .. }
            | Self::Poisoned { name }
            | Self::NoDirectory { path: name }
            | Self::NotADirectory { path: name }
            | Self::Denied { name, .. }
            | Self::Io { name, .. } => Some(name),
            Self::Locked { .. } => None,
        }
    }
}
