//! Real files whose calls fail on request: before the call, in the middle, or after it, as with real media.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use stockhold::storage::{
    Access, Action, DirectoryLock, FileEntry, FsStorage, Medium, ReadFrom, ReadStorage, ReadableFile,
    Storage, StorageError, StoredFile, WritePath,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An error before anything was done.
    Error,
    /// No space, before anything was done.
    NoSpace,
    /// Half of the bytes were written.
    Short,
    /// An error after everything was done.
    ErrorAfter,
}

/// Calls of one kind on files whose names, when they were opened, end with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failpoint {
    pub(crate) action: Action,
    pub(crate) word: &'static str,
    pub(crate) failure: Failure,
}

impl Failpoint {
    pub(crate) const fn error(action: Action, word: &'static str) -> Self {
        Self { action, word, failure: Failure::Error }
    }
}

#[derive(Debug, Default)]
struct Plan {
    armed: Vec<Failpoint>,
    hits: u64,
    directory_poisoned: bool,
}

/// The calls that fail until this is changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failpoints(Arc<Mutex<Plan>>);

impl Failpoints {
    /// Makes calls fail.
    pub(crate) fn arm(&self, failpoint: Failpoint) {
        self.0.lock().armed.push(failpoint);
    }

    /// Makes only these calls fail.
    pub(crate) fn arm_only(&self, failpoint: Failpoint) {
        self.0.lock().armed = vec![failpoint];
    }

    /// Makes all calls succeed again.
    pub(crate) fn disarm(&self) {
        self.0.lock().armed.clear();
    }

    /// The number of calls that have failed.
    pub(crate) fn hits(&self) -> u64 {
        self.0.lock().hits
    }

    /// How this call fails, if it does.
    fn failure(&self, action: Action, name: &str) -> Option<Failure> {
        let mut plan = self.0.lock();
        let armed = plan.armed.iter().find(|point| point.action == action && name.ends_with(point.word));
        let failure = armed.map(|point| point.failure);
        plan.hits += u64::from(failure.is_some());
        failure
    }

    /// Fails a call that is atomic.
    fn check(&self, action: Action, name: &str) -> Result<(), StorageError> {
        match self.failure(action, name) {
            None => Ok(()),
            Some(Failure::NoSpace) => Err(no_space(action, name)),
            Some(Failure::Error | Failure::Short | Failure::ErrorAfter) => Err(error(action, name)),
        }
    }

    fn check_directory(&self) -> Result<(), StorageError> {
        if self.0.lock().directory_poisoned {
            return Err(StorageError::Poisoned { name: "the directory".to_owned() });
        }
        Ok(())
    }
}

fn error(action: Action, name: &str) -> StorageError {
    let source = io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error());
    StorageError::Io { action, name: name.to_owned(), source }
}

fn no_space(action: Action, name: &str) -> StorageError {
    let source = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
    StorageError::NoSpace { action, name: name.to_owned(), source }
}

/// A storage of real files with failpoints.
#[derive(Debug)]
pub(crate) struct FailingStorage {
    files: FsStorage,
    points: Failpoints,
}

impl FailingStorage {
    pub(crate) fn open(path: &std::path::Path, wanted: WritePath, points: &Failpoints) -> Self {
        // The next process does not know what this one has poisoned.
        points.0.lock().directory_poisoned = false;
        Self { files: FsStorage::open(path, wanted).unwrap(), points: points.clone() }
    }

    fn wrap(&self, name: &str, file: Box<dyn StoredFile>) -> Box<dyn StoredFile> {
        Box::new(FailingFile { file, name: name.to_owned(), points: self.points.clone(), is_poisoned: false })
    }
}

impl ReadStorage for FailingStorage {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        self.points.check(Action::Open, name)?;
        let file = self.files.open_to_read(name, from)?;
        Ok(Box::new(FailingReads { file, name: name.to_owned(), points: self.points.clone() }))
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        self.points.check(Action::List, "")?;
        self.files.list()
    }
}

impl Storage for FailingStorage {
    fn create(&self, name: &str, bytes: u64, access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        self.points.check_directory()?;
        self.points.check(Action::Create, name)?;
        Ok(self.wrap(name, self.files.create(name, bytes, access)?))
    }

    fn open(&self, name: &str, access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        self.points.check(Action::Open, name)?;
        Ok(self.wrap(name, self.files.open(name, access)?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.points.check_directory()?;
        self.points.check(Action::Rename, from)?;
        self.files.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.points.check_directory()?;
        self.points.check(Action::Remove, name)?;
        self.files.remove(name)
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        self.points.check_directory()?;
        let answer = self.points.check(Action::SyncDirectory, "");
        self.points.0.lock().directory_poisoned |= answer.is_err();
        answer?;
        self.files.sync_dir()
    }

    fn lock(&self, name: &str) -> Result<Box<dyn DirectoryLock>, StorageError> {
        self.points.check(Action::Lock, name)?;
        self.files.lock(name)
    }

    fn medium(&self) -> Medium {
        self.files.medium()
    }
}

#[derive(Debug)]
struct FailingFile {
    file: Box<dyn StoredFile>,
    /// The name when it was opened. A rename does not change it.
    name: String,
    points: Failpoints,
    is_poisoned: bool,
}

impl FailingFile {
    fn check_poison(&self) -> Result<(), StorageError> {
        if self.is_poisoned {
            return Err(StorageError::Poisoned { name: self.name.clone() });
        }
        Ok(())
    }

    fn change(
        &mut self,
        action: Action,
        bytes: &[u8],
        call: impl Fn(&mut dyn StoredFile, &[u8]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.check_poison()?;
        let Some(failure) = self.points.failure(action, &self.name) else {
            return call(self.file.as_mut(), bytes);
        };
        self.is_poisoned = true;
        match failure {
            Failure::Error => Err(error(action, &self.name)),
            Failure::NoSpace => Err(no_space(action, &self.name)),
            Failure::Short => {
                let written = bytes.len() / 2 / 4_096 * 4_096;
                call(self.file.as_mut(), &bytes[..written])?;
                Err(StorageError::ShortWrite { name: self.name.clone(), wanted: bytes.len(), written })
            }
            Failure::ErrorAfter => {
                call(self.file.as_mut(), bytes)?;
                Err(error(action, &self.name))
            }
        }
    }
}

impl ReadableFile for FailingFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.check_poison()?;
        self.points.check(Action::Read, &self.name)?;
        self.file.read_at(offset, buffer)
    }
}

impl StoredFile for FailingFile {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.change(Action::Write, bytes, |file, bytes| file.write(offset, bytes))
    }

    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.change(Action::Write, bytes, |file, bytes| {
            if bytes.is_empty() { Ok(()) } else { file.write_durable(offset, bytes) }
        })
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.change(Action::Sync, &[], |file, _| file.sync())
    }
}

/// A file for reading.
#[derive(Debug)]
struct FailingReads {
    file: Box<dyn ReadableFile>,
    name: String,
    points: Failpoints,
}

impl ReadableFile for FailingReads {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.file.bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.points.check(Action::Read, &self.name)?;
        self.file.read_at(offset, buffer)
    }
}
