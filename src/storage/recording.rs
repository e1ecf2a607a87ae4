//! A storage in memory for tests and the simulator. It records every event, fails on demand, and builds the disk that a
//! crash at any past moment may leave. Each crash image is built from the beginning, so it is slow.

use std::sync::Arc;

use parking_lot::Mutex;

use super::memory::{DiskModel, Event, FileId, Survival, scramble};
use super::{
    Access, Action, DirectoryLock, FileEntry, FileSystemKind, Medium, ReadFrom, ReadStorage, ReadableFile,
    Storage, StorageError, StoredFile, WritePath, width,
};

/// A fault that occurs once. The number counts down the calls of that kind, from 1 for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The n-th write fails. Any part of it may be on the medium.
    FailWrite(u64),
    /// The n-th write writes only half of the bytes.
    ShortWrite(u64),
    /// The n-th sync of a file, or the sync inside the n-th durable write, fails.
    FailSync(u64),
    /// The n-th sync of the directory fails.
    FailSyncDirectory(u64),
    /// The n-th rename fails.
    FailRename(u64),
    /// The n-th creation of a file fails for lack of space.
    NoSpace(u64),
    /// The n-th write fails for lack of space, although the file had it reserved.
    NoSpaceWrite(u64),
    /// The n-th read fails.
    FailRead(u64),
    /// The n-th read returns one wrong bit. The medium is intact.
    WrongRead(u64),
    /// The power fails after n more events. Then nothing happens any more, and every call fails. A durable write is two
    /// events: the write and its becoming durable.
    PowerCut(u64),
}

/// A deliberate bug, which shows that the crash tests can detect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Durable writes return before anything is durable.
    SkipDurableWrite,
    /// Syncs of files do nothing.
    SkipSync,
    /// Syncs of the directory do nothing.
    SkipSyncDirectory,
}

/// A storage in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct RecordingStorage {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    base: DiskModel,
    disk: DiskModel,
    history: Vec<Event>,
    forgetful: bool,
    faults: Vec<Fault>,
    mutant: Option<Mutant>,
    capacity_bytes: Option<u64>,
    directory_poisoned: bool,
    locked: bool,
    /// The number of events until the power fails.
    power_left: Option<u64>,
}

impl RecordingStorage {
    /// A storage on an empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A storage on an existing disk, such as a crash image. Its history begins empty.
    #[must_use]
    pub fn on(disk: DiskModel) -> Self {
        let shared = Shared { base: disk.clone(), disk, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Stops recording the history, for long runs. From now on only [`RecordingStorage::crash_now`] builds images.
    pub fn forget_history(&self) {
        let mut shared = self.shared.lock();
        shared.forgetful = true;
        shared.history = Vec::new();
    }

    /// This storage as a shared [`Storage`].
    #[must_use]
    pub fn share(&self) -> super::SharedStorage {
        Arc::new(self.clone())
    }

    /// This storage as a shared [`ReadStorage`].
    #[must_use]
    pub fn share_to_read(&self) -> super::SharedReadStorage {
        Arc::new(self.clone())
    }

    /// The number of events so far. It identifies this moment for [`RecordingStorage::crash_at`].
    #[must_use]
    pub fn moment(&self) -> usize {
        self.shared.lock().history.len()
    }

    /// The events so far.
    #[must_use]
    pub fn history(&self) -> Vec<Event> {
        self.shared.lock().history.clone()
    }

    /// The disk after a crash at `moment`, the number of events that had happened. A durable write is two events, so
    /// the moment between them is a crash in the middle of the write.
    #[must_use]
    pub fn crash_at(&self, moment: usize, survival: Survival) -> Self {
        let shared = self.shared.lock();
        assert!(!shared.forgetful, "the history was recorded");
        let mut disk = shared.base.clone();
        for event in &shared.history[..moment] {
            disk.apply(event);
        }
        Self::on(disk.survive(survival))
    }

    /// The disk after a crash now.
    #[must_use]
    pub fn crash_now(&self, survival: Survival) -> Self {
        Self::on(self.shared.lock().disk.survive(survival))
    }

    /// Injects a fault.
    pub fn inject(&self, fault: Fault) {
        let mut shared = self.shared.lock();
        match fault {
            Fault::PowerCut(events) => shared.power_left = Some(events),
            Fault::FailWrite(_)
            | Fault::ShortWrite(_)
            | Fault::FailSync(_)
            | Fault::FailSyncDirectory(_)
            | Fault::FailRename(_)
            | Fault::NoSpace(_)
            | Fault::NoSpaceWrite(_)
            | Fault::FailRead(_)
            | Fault::WrongRead(_) => shared.faults.push(fault),
        }
    }

    /// Whether the power has failed.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.shared.lock().is_dark()
    }

    /// Removes all faults that have not occurred.
    pub fn disarm(&self) {
        let mut shared = self.shared.lock();
        assert!(!shared.is_dark(), "a power cut ends this storage");
        shared.faults.clear();
        shared.power_left = None;
    }

    /// Ends what ends with a process: pending faults, poisoned handles and the lock. Unsynced changes may still be
    /// lost.
    pub fn end_process(&self) {
        self.disarm();
        let mut shared = self.shared.lock();
        shared.directory_poisoned = false;
        shared.locked = false;
    }

    /// Enables a deliberate bug.
    pub fn set_mutant(&self, mutant: Mutant) {
        self.shared.lock().mutant = Some(mutant);
    }

    /// Limits the space that all files may take; `None` removes the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.lock().capacity_bytes = bytes;
    }

    /// The contents of a file as a reader sees them.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let shared = self.shared.lock();
        shared.disk.lookup(name).map(|file| shared.disk.contents(file).to_vec())
    }

    fn find(&self, name: &str) -> Result<RecordingFile, StorageError> {
        let shared = self.shared.lock();
        shared.check_power(Action::Open, name)?;
        let file = shared.find(name)?;
        Ok(RecordingFile::new(self, file, name))
    }

    /// Changes bytes of a file on the medium, from `offset` on.
    pub fn corrupt(&self, name: &str, offset: u64, change: impl FnOnce(&mut [u8])) {
        let mut shared = self.shared.lock();
        assert!(shared.disk.lookup(name).is_some(), "the file to corrupt exists");
        shared.disk = shared.disk.survive(Survival::Everything);
        shared.disk.corrupt(name, offset, change);
        shared.base = shared.disk.clone();
        shared.history.clear();
    }
}

impl Shared {
    fn happen(&mut self, event: Event) {
        if let Some(left) = &mut self.power_left {
            if *left == 0 {
                return;
            }
            *left -= 1;
        }
        self.disk.apply(&event);
        if !self.forgetful {
            self.history.push(event);
        }
    }

    /// Counts down the faults of one kind. Returns whether one is due.
    fn due(&mut self, pick: fn(&mut Fault) -> Option<&mut u64>) -> bool {
        let mut due = false;
        self.faults.retain_mut(|fault| match pick(fault) {
            Some(count) if *count <= 1 => {
                due = true;
                false
            }
            Some(count) => {
                *count -= 1;
                true
            }
            None => true,
        });
        due
    }

    fn is_dark(&self) -> bool {
        self.power_left == Some(0)
    }

    fn check_power(&self, action: Action, name: &str) -> Result<(), StorageError> {
        if self.is_dark() { Err(injected(action, name)) } else { Ok(()) }
    }

    fn check_directory(&self) -> Result<(), StorageError> {
        self.check_power(Action::SyncDirectory, "directory")?;
        if self.directory_poisoned {
            return Err(StorageError::Poisoned { name: "directory".to_owned() });
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Result<FileId, StorageError> {
        self.disk.lookup(name).ok_or_else(|| StorageError::NotFound { name: name.to_owned() })
    }

    fn has_room(&self, more: u64) -> bool {
        self.capacity_bytes.is_none_or(|capacity| self.disk.used_bytes() + more <= capacity)
    }
}

fn injected(action: Action, name: &str) -> StorageError {
    StorageError::Io { action, name: name.to_owned(), source: rustix::io::Errno::IO.into() }
}

fn no_space(action: Action, name: &str) -> StorageError {
    StorageError::NoSpace { action, name: name.to_owned(), source: rustix::io::Errno::NOSPC.into() }
}

impl ReadStorage for RecordingStorage {
    fn open_to_read(&self, name: &str, _from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        Ok(Box::new(self.find(name)?))
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        let shared = self.shared.lock();
        shared.check_power(Action::List, "directory")?;
        Ok(shared.disk.names().map(|(name, bytes)| FileEntry { name: name.to_owned(), bytes }).collect())
    }
}

impl Storage for RecordingStorage {
    fn create(&self, name: &str, bytes: u64, _access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        let mut shared = self.shared.lock();
        shared.check_directory()?;
        if shared.disk.lookup(name).is_some() {
            return Err(StorageError::Exists { name: name.to_owned() });
        }
        let refused = shared.due(|fault| if let Fault::NoSpace(count) = fault { Some(count) } else { None });
        if refused || !shared.has_room(bytes) {
            return Err(no_space(Action::Create, name));
        }
        let file = shared.disk.next_file();
        shared.happen(Event::Create { file, name: name.to_owned(), bytes });
        Ok(Box::new(RecordingFile::new(self, file, name)))
    }

    fn open(&self, name: &str, _access: Access) -> Result<Box<dyn StoredFile>, StorageError> {
        Ok(Box::new(self.find(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let mut shared = self.shared.lock();
        shared.check_directory()?;
        shared.find(from)?;
        if shared.due(|fault| if let Fault::FailRename(count) = fault { Some(count) } else { None }) {
            return Err(injected(Action::Rename, from));
        }
        shared.happen(Event::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        let mut shared = self.shared.lock();
        shared.check_directory()?;
        shared.find(name)?;
        shared.happen(Event::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        let mut shared = self.shared.lock();
        shared.check_directory()?;
        if shared.due(|fault| if let Fault::FailSyncDirectory(count) = fault { Some(count) } else { None }) {
            shared.directory_poisoned = true;
            return Err(injected(Action::SyncDirectory, "directory"));
        }
        if shared.mutant != Some(Mutant::SkipSyncDirectory) {
            shared.happen(Event::SyncDirectory);
        }
        Ok(())
    }

    fn lock(&self, _name: &str) -> Result<Box<dyn DirectoryLock>, StorageError> {
        let mut shared = self.shared.lock();
        if shared.locked {
            return Err(StorageError::Locked { holder: None });
        }
        shared.locked = true;
        Ok(Box::new(RecordingLock { shared: self.shared.clone() }))
    }

    fn medium(&self) -> Medium {
        Medium { file_system: FileSystemKind::Simulated, write_path: WritePath::Direct }
    }
}

#[derive(Debug)]
struct RecordingLock {
    shared: Arc<Mutex<Shared>>,
}

impl DirectoryLock for RecordingLock {}

impl Drop for RecordingLock {
    fn drop(&mut self) {
        self.shared.lock().locked = false;
    }
}

#[derive(Debug)]
struct RecordingFile {
    shared: Arc<Mutex<Shared>>,
    file: FileId,
    name: String,
    poisoned: bool,
}

impl RecordingFile {
    fn new(storage: &RecordingStorage, file: FileId, name: &str) -> Self {
        Self { shared: storage.shared.clone(), file, name: name.to_owned(), poisoned: false }
    }

    fn check_poison(&self) -> Result<(), StorageError> {
        if self.poisoned {
            return Err(StorageError::Poisoned { name: self.name.clone() });
        }
        Ok(())
    }

    fn poison(&mut self, error: StorageError) -> Result<(), StorageError> {
        self.poisoned = true;
        Err(error)
    }
}

/// The place of the wrong bit: in the last bytes that are not zeros, where a log ends, or anywhere before.
fn wrong_place(bytes: &[u8], drawn: u64) -> usize {
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
    let among = if drawn.is_multiple_of(2) { written.min(64) } else { written };
    written - 1 - width::index(drawn >> 1) % among
}

impl ReadableFile for RecordingFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.check_poison()?;
        Ok(width::length(self.shared.lock().disk.contents(self.file).len()))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.check_poison()?;
        let mut shared = self.shared.lock();
        shared.check_power(Action::Read, &self.name)?;
        if shared.due(|fault| if let Fault::FailRead(count) = fault { Some(count) } else { None }) {
            return Err(injected(Action::Read, &self.name));
        }
        let is_wrong =
            shared.due(|fault| if let Fault::WrongRead(count) = fault { Some(count) } else { None });
        let contents = shared.disk.contents(self.file);
        let start = width::index(offset).min(contents.len());
        let read = buffer.len().min(contents.len() - start);
        buffer[..read].copy_from_slice(&contents[start..start + read]);
        if is_wrong && read > 0 {
            buffer[wrong_place(&buffer[..read], scramble(offset ^ width::length(read)))] ^= 1;
        }
        Ok(read)
    }
}

impl StoredFile for RecordingFile {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.check_poison()?;
        let shared = self.shared.clone();
        let mut shared = shared.lock();
        let end = offset + width::length(bytes.len());
        shared.check_power(Action::Write, &self.name)?;
        let growth = end.saturating_sub(width::length(shared.disk.contents(self.file).len()));
        if growth > 0 && !shared.has_room(growth) {
            return self.poison(no_space(Action::Write, &self.name.clone()));
        }
        let full =
            shared.due(|fault| if let Fault::NoSpaceWrite(count) = fault { Some(count) } else { None });
        if full {
            return self.poison(no_space(Action::Write, &self.name.clone()));
        }
        let fails = shared.due(|fault| if let Fault::FailWrite(count) = fault { Some(count) } else { None });
        let short = shared.due(|fault| if let Fault::ShortWrite(count) = fault { Some(count) } else { None });
        let written = if short { bytes.len() / 2 } else { bytes.len() };
        shared.happen(Event::Write { file: self.file, offset, bytes: bytes[..written].into() });
        if fails {
            return self.poison(injected(Action::Write, &self.name.clone()));
        }
        if short {
            let name = self.name.clone();
            return self.poison(StorageError::ShortWrite { name, wanted: bytes.len(), written });
        }
        Ok(())
    }

    fn write_durable(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.write(offset, bytes)?;
        let shared = self.shared.clone();
        let mut shared = shared.lock();
        if shared.due(|fault| if let Fault::FailSync(count) = fault { Some(count) } else { None }) {
            return self.poison(injected(Action::Sync, &self.name.clone()));
        }
        if shared.mutant != Some(Mutant::SkipDurableWrite) {
            shared.happen(Event::Settle { file: self.file, offset, bytes: width::length(bytes.len()) });
        }
        shared.check_power(Action::Write, &self.name)
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.check_poison()?;
        let shared = self.shared.clone();
        let mut shared = shared.lock();
        if shared.due(|fault| if let Fault::FailSync(count) = fault { Some(count) } else { None }) {
            return self.poison(injected(Action::Sync, &self.name.clone()));
        }
        if shared.mutant != Some(Mutant::SkipSync) {
            shared.happen(Event::Sync { file: self.file });
        }
        shared.check_power(Action::Sync, &self.name)
    }
}
