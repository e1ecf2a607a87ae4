//! Storage in real files. Log files are written with one synced write that bypasses the cache, if the file system
//! supports it (`O_DIRECT` and `O_DSYNC`), otherwise with a write and an `fdatasync`. The caller decides what to write,
//! and when.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use super::errno::{errno, from_io, of_directory};
use super::layout::BLOCK_BYTES;
use super::medium::WritePath;
use super::read_only::{ReadOnlyFile, leave_cache};
use super::{
    Access, Action, AlignedBuffer, DirectoryLock, FileEntry, FileSystemKind, Medium, ReadFrom, ReadOnlyFs,
    ReadStorage, ReadableFile, Space, Storage, StorageError, StoredFile,
};

/// `O_DSYNC`. The constant of that name in rustix is `O_SYNC` on Linux, which also syncs the timestamps of the file and
/// so costs a journal commit for every write.
const OPEN_DSYNC: i32 = 0o10_000;

/// A directory of real files.
#[derive(Debug)]
pub struct FsStorage {
    path: PathBuf,
    directory: File,
    medium: Medium,
    poisoned: AtomicBool,
}

/// Creates a directory and its missing parents, and makes their names durable. Otherwise a power cut could remove the
/// directory with everything that was synced in it.
///
/// # Errors
/// [`StorageError`] with the directory that could not be created or synced.
pub fn make_directory(path: &Path) -> Result<(), StorageError> {
    let made: Vec<&Path> = path.ancestors().take_while(|path| is_missing(path)).collect();
    if path.exists() && !path.is_dir() {
        return Err(StorageError::NotADirectory { path: path.display().to_string() });
    }
    std::fs::create_dir_all(path)
        .map_err(|source| from_io(Action::Create, &path.display().to_string(), source))?;
    for parent in made.iter().filter_map(|path| path.parent()) {
        // The parent of a plain name is the current directory.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let synced = File::open(parent).and_then(|directory| directory.sync_all());
        synced.map_err(|source| from_io(Action::SyncDirectory, &parent.display().to_string(), source))?;
    }
    Ok(())
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && !path.exists()
}

const PROBE_NAME: &str = "probe.tmp";

impl FsStorage {
    /// Opens an existing directory. If a trial write shows that the file system does not support `Direct`, the other
    /// write path is used, and [`Storage::medium`] reports it.
    pub fn open(path: &Path, wanted: WritePath) -> Result<Self, StorageError> {
        let name = path.display().to_string();
        let failed = |action, source| from_io(action, &name, source);
        let directory = File::open(path).map_err(|source| of_directory(Action::Open, path, source))?;
        if !directory.metadata().map_err(|source| failed(Action::Open, source))?.is_dir() {
            return Err(StorageError::NotADirectory { path: name });
        }
        let statfs = rustix::fs::fstatfs(&directory).map_err(|source| failed(Action::Open, source.into()))?;
        let magic = u64::try_from(statfs.f_type).unwrap_or_default();
        let write_path = match wanted {
            WritePath::Fdatasync => WritePath::Fdatasync,
            WritePath::Direct => probe(path)?,
        };
        let medium = Medium { file_system: FileSystemKind::from_magic(magic), write_path };
        Ok(Self { path: path.to_owned(), directory, medium, poisoned: AtomicBool::new(false) })
    }

    fn check_poison(&self) -> Result<(), StorageError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StorageError::Poisoned { name: self.path.display().to_string() });
        }
        Ok(())
    }

    fn wrap(&self, file: File, name: &str, access: Access) -> FsFile {
        let path = match access {
            Access::Durable => self.medium.write_path,
            Access::Cached => WritePath::Fdatasync,
        };
        FsFile { file: ReadOnlyFile { file, name: name.to_owned() }, path, poisoned: false }
    }

    fn flags(&self, access: Access) -> i32 {
        match (access, self.medium.write_path) {
            (Access::Durable, WritePath::Direct) => direct_flags(),
            (Access::Durable | Access::Cached, _) => 0,
        }
    }
}

fn direct_flags() -> i32 {
    OFlags::DIRECT.bits().cast_signed() | OPEN_DSYNC
}

/// Writes one block in the way of the log, to test whether the file system supports it.
fn probe(directory: &Path) -> Result<WritePath, StorageError> {
    let path = directory.join(PROBE_NAME);
    let block = AlignedBuffer::zeroed(BLOCK_BYTES);
    let opened =
        OpenOptions::new().write(true).create(true).truncate(true).custom_flags(direct_flags()).open(&path);
    let result = opened.and_then(|file| file.write_at(block.as_slice(), 0));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(from_io(Action::Remove, PROBE_NAME, error));
        }
        Ok(()) | Err(_) => {}
    }
    match result {
        Ok(written) if written == BLOCK_BYTES => Ok(WritePath::Direct),
        Ok(_) => Ok(WritePath::Fdatasync),
        Err(error) => match errno(&error) {
            Some(Errno::INVAL | Errno::OPNOTSUPP) => Ok(WritePath::Fdatasync),
            Some(_) | None => Err(from_io(Action::Write, PROBE_NAME, error)),
        },
    }
}

impl ReadStorage for FsStorage {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        ReadOnlyFs::at(&self.path).open_to_read(name, from)
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        ReadOnlyFs::at(&self.path).list()
    }
}

impl Storage for FsStorage {
    fn create(&self, name: &str, bytes: u64, access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        self.check_poison()?;
        let path = self.path.join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .custom_flags(self.flags(access))
            .open(&path)
            .map_err(|source| from_io(Action::Create, name, source))?;
        if let Err(source) = reserve_space(&file, bytes) {
            // The first error is returned. If the unfinished file cannot be removed either, the next start removes it.
            drop(file);
            drop(std::fs::remove_file(&path));
            return Err(from_io(Action::Create, name, source));
        }
        Ok(Box::new(self.wrap(file, name, access)))
    }

    fn open(&self, name: &str, access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        self.check_poison()?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(self.flags(access))
            .open(self.path.join(name))
            .map_err(|source| from_io(Action::Open, name, source))?;
        Ok(Box::new(self.wrap(file, name, access)))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.check_poison()?;
        std::fs::rename(self.path.join(from), self.path.join(to))
            .map_err(|source| from_io(Action::Rename, from, source))
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.check_poison()?;
        std::fs::remove_file(self.path.join(name)).map_err(|source| from_io(Action::Remove, name, source))
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        self.check_poison()?;
        self.directory.sync_all().map_err(|source| {
            self.poisoned.store(true, Ordering::Release);
            from_io(Action::SyncDirectory, &self.path.display().to_string(), source)
        })
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DirectoryLock>, StorageError> {
        let failed = |source| from_io(Action::Lock, name, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path.join(name))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The process number is only for the error message. A lock file that cannot be read is locked all the
                // same.
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(StorageError::Locked { holder });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0).map_err(failed)?;
        Ok(Box::new(FsLock { _file: Arc::new(file) }))
    }

    fn medium(&self) -> Medium {
        self.medium
    }

    fn space(&self) -> Option<Space> {
        let found = rustix::fs::fstatvfs(&self.directory).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Some(Space { free_bytes: bytes(found.f_bavail), all_bytes: bytes(found.f_blocks) })
    }
}

/// Reserves space that reads as zeros. Without `fallocate` only the length is set, and the caller allocates the space
/// by writing it.
fn reserve_space(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

/// The lock is the open file. It is released when the file is closed, also by a crash.
#[derive(Debug)]
struct FsLock {
    _file: Arc<File>,
}

impl DirectoryLock for FsLock {}

#[derive(Debug)]
struct FsFile {
    file: ReadOnlyFile,
    path: WritePath,
    poisoned: bool,
}

impl FsFile {
    fn check_poison(&self) -> Result<(), StorageError> {
        if self.poisoned {
            return Err(StorageError::Poisoned { name: self.file.name.clone() });
        }
        Ok(())
    }

    fn poison<T>(&mut self, error: StorageError) -> Result<T, StorageError> {
        self.poisoned = true;
        Err(error)
    }

    fn write_once(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.check_poison()?;
        match self.file.file.write_at(bytes, offset) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => {
                let error =
                    StorageError::ShortWrite { name: self.file.name.clone(), wanted: bytes.len(), written };
                self.poison(error)
            }
            Err(source) => self.poison(from_io(Action::Write, &self.file.name.clone(), source)),
        }
    }
}

impl ReadableFile for FsFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.check_poison()?;
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.check_poison()?;
        self.file.read_at(offset, buffer)
    }
}

impl StoredFile for FsFile {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_once(offset, bytes)
    }

    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.write_once(offset, bytes)?;
        match self.path {
            WritePath::Direct => Ok(()),
            WritePath::Fdatasync => match self.file.file.sync_data() {
                Ok(()) => Ok(()),
                Err(source) => self.poison(from_io(Action::Sync, &self.file.name.clone(), source)),
            },
        }
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.check_poison()?;
        match self.file.file.sync_all() {
            Ok(()) => {
                // Whatever is synced so is not read soon, and its memory serves for what is written next. The cache is
                // a matter of speed.
                leave_cache(&self.file.file).ok();
                Ok(())
            }
            Err(source) => self.poison(from_io(Action::Sync, &self.file.name.clone(), source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::width;
    use super::*;

    /// Proves that a failed write poisons the handle. Here the write exceeds the maximum file length.
    #[test]
    fn a_failed_write_poisons_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path(), WritePath::Fdatasync).unwrap();
        storage.replace("file", b"contents").unwrap();
        let mut file = storage.open("file", Access::Cached).unwrap();
        assert!(matches!(
            file.write(u64::MAX >> 1, b"x"),
            Err(StorageError::Io { action: Action::Write, .. })
        ));
        assert!(matches!(file.write(0, b"x"), Err(StorageError::Poisoned { .. })));
        assert!(matches!(file.sync(), Err(StorageError::Poisoned { .. })));
        assert!(matches!(file.read_at(0, &mut [0]), Err(StorageError::Poisoned { .. })));
    }

    /// Proves that missing directories are created on all levels, that an existing one is left unchanged, and that an
    /// error names the directory.
    #[test]
    fn directories_are_made_where_they_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        make_directory(&path).unwrap();
        std::fs::write(path.join("file"), b"contents").unwrap();
        make_directory(&path).unwrap();
        assert_eq!(std::fs::read(path.join("file")).unwrap(), b"contents");
        match make_directory(&path.join("file/d")) {
            Err(StorageError::NotADirectory { path }) => assert!(path.ends_with("file/d")),
            other => panic!("{other:?}"),
        }
    }

    /// Proves that only one process can lock a directory, that the error names the holder, and that dropping the lock
    /// releases it.
    #[test]
    fn a_directory_is_held_once() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path(), WritePath::Direct).unwrap();
        let lock = storage.lock("LOCK").unwrap();
        let pid = std::process::id();
        match storage.lock("LOCK") {
            Err(StorageError::Locked { holder }) => assert_eq!(holder, Some(pid)),
            other => panic!("{other:?}"),
        }
        drop(lock);
        storage.lock("LOCK").unwrap();
    }

    /// Proves that the space of a real directory is told, as `df` would tell it.
    #[test]
    fn a_directory_has_space() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path(), WritePath::Fdatasync).unwrap();
        let space = storage.space().unwrap();
        assert!(space.free_bytes > 0 && space.free_bytes <= space.all_bytes, "{space:?}");
    }

    /// Proves that a created file has its length and reads as zeros, and that reading stops at its end.
    #[test]
    fn created_files_are_zeros() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path(), WritePath::Direct).unwrap();
        let file = storage.create("file", 10_000, Access::Durable).unwrap();
        assert_eq!(file.bytes().unwrap(), 10_000);
        let mut buffer = AlignedBuffer::zeroed(4 * BLOCK_BYTES);
        buffer.as_mut_slice().fill(1);
        let read = file.read_at(0, buffer.as_mut_slice()).unwrap();
        assert_eq!(read, 10_000);
        assert!(width::is_zero(&buffer.as_slice()[..read]));
        assert!(matches!(storage.create("file", 1, Access::Cached), Err(StorageError::Exists { .. })));
    }
}
