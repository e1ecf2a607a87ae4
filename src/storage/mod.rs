//! Files of one data directory, behind a seam that can lie, fail and crash.
//!
//! This module is for creating, reading, writing, syncing and naming files, and for saying exactly what survives a
//! power cut. It is not for what stands in the files: segments, frames, snapshots and the manifest are the business
//! of `wal`, `snapshot` and `directory`; only the shared table of offsets ([`layout`]) stands here.
//!
//! There are two implementations: [`fs::FsStorage`] (real files) and [`recording::RecordingStorage`] (memory; it
//! records every event and builds the images that a crash may leave). What only reads takes a [`ReadStorage`], through which
//! nothing can be changed; [`read_only::ReadOnlyFs`] is one of real files.

pub mod aligned;
pub mod checksum;
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
pub use medium::{FileSystemKind, Medium};
pub use read_only::ReadOnlyFs;

/// A storage shared by the writer, the preparer of segments and the snapshot writer.
pub type SharedStorage = Arc<dyn Storage>;
/// A storage shared by those who only read.
pub type SharedReadStorage = Arc<dyn ReadStorage>;

/// Where a file is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The system's cache, where it holds the file.
    Cache,
    /// The medium, where the system lets us: what the cache holds of this file is dropped first.
    Medium,
}

/// How a file is going to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing through the cache; nothing is durable before [`StoredFile::sync`].
    Cached,
    /// Writing whole aligned blocks with [`StoredFile::write_durable`]; it is not for reading.
    Durable,
}

/// A file of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name; the directory is flat, so there is no slash in it.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// What can be read of one flat directory of files. Nothing here changes anything: no file, no name, no lock.
pub trait ReadStorage: Send + Sync + fmt::Debug {
    /// Opens a file that exists; [`StorageError::NotFound`] otherwise.
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError>;

    /// All files of the directory, sorted by name.
    fn list(&self) -> Result<Vec<FileEntry>, StorageError>;
}

/// One flat directory of files.
///
/// What the methods do to names (create, rename, remove) *must* be atomic, and is durable only after [`Storage::sync_dir`].
pub trait Storage: ReadStorage {
    /// Creates a file of `bytes` zeros with its space reserved.
    ///
    /// It *must* fail with [`StorageError::Exists`] when the name is taken, and with [`StorageError::NoSpace`], leaving no file
    /// behind, when the space cannot be had. Neither the length nor the name is durable before `sync` and `sync_dir`.
    fn create(&self, name: &str, bytes: u64, access: Access) -> Result<Box<dyn StoredFile>, StorageError>;

    /// Opens a file that exists, to write to it; [`StorageError::NotFound`] otherwise.
    fn open(&self, name: &str, access: Access) -> Result<Box<dyn StoredFile>, StorageError>;

    /// Gives a file another name. A file that had that name *must* be replaced in one step.
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<(), StorageError>;

    /// Makes all names durable. After a failure every later change of a name *must* answer [`StorageError::Poisoned`].
    fn sync_dir(&self) -> Result<(), StorageError>;

    /// Takes the directory for this process; [`StorageError::Locked`] when another has it. The lock lasts as long as the value.
    fn lock(&self, name: &str) -> Result<Box<dyn DirectoryLock>, StorageError>;

    /// What the files lie on, and whether that deserves a warning.
    fn medium(&self) -> Medium;

    /// Puts `contents` in place of the file `name` in one durable step: after a crash the file is wholly the old or wholly the new.
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

/// Files with this suffix were never finished; they are removed at start.
pub const TEMPORARY_SUFFIX: &str = ".tmp";

/// One open file, as far as it can be read.
pub trait ReadableFile: Send + fmt::Debug {
    /// The length of the file now.
    fn bytes(&self) -> Result<u64, StorageError>;

    /// Reads from `offset` until the buffer is full or the file ends; answers how many bytes were read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError>;
}

/// One open file.
///
/// A failed or short write, or a failed sync, *must* poison the handle: every later call answers [`StorageError::Poisoned`] and
/// nothing is tried again, for what the medium then holds is not known.
pub trait StoredFile: ReadableFile {
    /// Writes all bytes; they are durable after the next [`StoredFile::sync`] and *may* be before.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Writes all bytes with one system call; they *must* be durable when it returns. With [`Access::Durable`] the address of the
    /// bytes, their length and the offset *must* be multiples of [`layout::BLOCK_BYTES`].
    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes the contents and the length durable.
    fn sync(&mut self) -> Result<(), StorageError>;
}

/// A directory held by this process; dropping it lets go.
pub trait DirectoryLock: Send + Sync + fmt::Debug {}

/// What was being done when a storage error happened.
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
    /// The medium, or the quota on it, is full.
    #[error("no space left to {action} {name}")]
    NoSpace {
        /// What was being done.
        action: Action,
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such file.
    #[error("there is no file {name}")]
    NotFound {
        /// The file.
        name: String,
    },
    /// There is such a file already.
    #[error("there is a file {name} already")]
    Exists {
        /// The file.
        name: String,
    },
    /// Fewer bytes were written than given.
    #[error("only {written} of {wanted} bytes were written to {name}")]
    ShortWrite {
        /// The file.
        name: String,
        /// Bytes given.
        wanted: usize,
        /// Bytes taken.
        written: usize,
    },
    /// An earlier write or sync failed; nothing more is trusted.
    #[error("an earlier write or sync of {name} failed, so nothing more is done with it")]
    Poisoned {
        /// The file, or the directory.
        name: String,
    },
    /// Another process has the directory.
    #[error("the data directory is in use{}", holder.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The process that has it, if it said so.
        holder: Option<u32>,
    },
    /// Anything else the system said.
    #[error("cannot {action} {name}")]
    Io {
        /// What was being done.
        action: Action,
        /// The file, or the directory.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StorageError {
    /// Whether the medium is full: the one failure that may pass by itself.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }

    /// The file that was concerned, or the directory; none for a lock that somebody else holds.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::NoSpace { name, .. }
            | Self::NotFound { name }
            | Self::Exists { name }
            | Self::ShortWrite { name, .. }
            | Self::Poisoned { name }
            | Self::Io { name, .. } => Some(name),
            Self::Locked { .. } => None,
        }
    }
}
