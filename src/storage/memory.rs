//! A disk model in memory. It knows of every byte and every name whether a power cut may lose it. `recording`
//! implements [`super::Storage`] with it and adds the history and the faults.
//!
//! The model guarantees that a sector is written atomically and that everything synced survives. It guarantees no order
//! among unsynced sectors, among unsynced names or between the two, nor that a synced file has its name after a crash,
//! nor that a length and the bytes below it survive together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::width;

/// The unit of atomic writes.
pub const SECTOR_BYTES: u64 = 512;

/// The identity of a file, independent of its name.
pub type FileId = u64;

/// An event on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file of zeros was created.
    Create {
        /// The file.
        file: FileId,
        /// Its first name.
        name: String,
        /// Its length.
        bytes: u64,
    },
    /// Bytes were written.
    Write {
        /// The file.
        file: FileId,
        /// The offset.
        offset: u64,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
    /// A durable write returned, so its bytes survive.
    Settle {
        /// The file.
        file: FileId,
        /// The offset.
        offset: u64,
        /// The number of bytes.
        bytes: u64,
    },
    /// A sync of a file returned, so all its bytes and its length survive.
    Sync {
        /// The file.
        file: FileId,
    },
    /// A file was renamed.
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// A file was removed.
    Remove {
        /// The name.
        name: String,
    },
    /// A sync of the directory returned, so all names survive.
    SyncDirectory,
}

/// How much of the unsynced changes survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// Everything, as when only the process ends.
    Everything,
    /// A random part, drawn from this seed for each sector, each name and each length.
    Drawn(u64),
}

#[derive(Clone, Debug)]
struct PendingWrite {
    offset: u64,
    bytes: Arc<[u8]>,
}

#[derive(Clone, Debug, Default)]
struct ModelFile {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<PendingWrite>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link { name: String, file: FileId },
    Rename { from: String, to: String, file: FileId },
    Unlink { name: String },
}

/// The disk model.
#[derive(Clone, Debug, Default)]
pub struct DiskModel {
    files: BTreeMap<FileId, ModelFile>,
    names: BTreeMap<String, FileId>,
    durable_names: BTreeMap<String, FileId>,
    pending_names: Vec<NameChange>,
    last_file: FileId,
}

impl DiskModel {
    /// The file that has this name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<FileId> {
        self.names.get(name).copied()
    }

    /// All names and the lengths of their files.
    pub fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names.iter().map(|(name, file)| (name.as_str(), width::length(self.contents(*file).len())))
    }

    /// The contents of a file as a reader sees them.
    #[must_use]
    pub fn contents(&self, file: FileId) -> &[u8] {
        self.files.get(&file).map_or(&[], |file| file.live.as_slice())
    }

    /// A file number that was never used.
    #[must_use]
    pub fn next_file(&self) -> FileId {
        self.last_file + 1
    }

    /// The space that all named files take.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.names().map(|(_, bytes)| bytes).sum()
    }

    /// Changes bytes of a file on the medium, like a medium fault.
    pub fn corrupt(&mut self, name: &str, offset: u64, change: impl FnOnce(&mut [u8])) {
        let file = self.lookup(name).and_then(|file| self.files.get_mut(&file));
        let Some(file) = file else { return };
        assert!(file.pending.is_empty(), "only a disk without pending writes is corrupted");
        change(&mut file.live[width::index(offset)..]);
        file.durable.clone_from(&file.live);
    }

    /// Applies an event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Create { file, name, bytes } => {
                let zeros = vec![0; width::index(*bytes)];
                self.last_file = self.last_file.max(*file);
                self.files.insert(*file, ModelFile { live: zeros, ..ModelFile::default() });
                self.names.insert(name.clone(), *file);
                self.pending_names.push(NameChange::Link { name: name.clone(), file: *file });
            }
            Event::Write { file, offset, bytes } => {
                if let Some(file) = self.files.get_mut(file) {
                    put_growing(&mut file.live, *offset, bytes);
                    file.pending.push(PendingWrite { offset: *offset, bytes: bytes.clone() });
                }
            }
            Event::Settle { file, offset, bytes } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.settle(*offset, offset + bytes);
                }
            }
            Event::Sync { file } => {
                if let Some(file) = self.files.get_mut(file) {
                    file.durable.clone_from(&file.live);
                    file.pending.clear();
                }
            }
            Event::Rename { from, to } => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                    self.pending_names.push(NameChange::Rename { from: from.clone(), to: to.clone(), file });
                }
            }
            Event::Remove { name } => {
                if self.names.remove(name).is_some() {
                    self.pending_names.push(NameChange::Unlink { name: name.clone() });
                }
            }
            Event::SyncDirectory => {
                self.durable_names.clone_from(&self.names);
                self.pending_names.clear();
                self.files.retain(|file, _| self.durable_names.values().any(|named| named == file));
            }
        }
    }

    /// The disk after a power cut now. Everything on it is durable.
    #[must_use]
    pub fn survive(&self, survival: Survival) -> Self {
        let mut coins = Coins::new(survival);
        let mut names = self.durable_names.clone();
        for change in &self.pending_names {
            if !coins.toss() {
                continue;
            }
            match change {
                NameChange::Link { name, file } => {
                    names.insert(name.clone(), *file);
                }
                NameChange::Rename { from, to, file } => {
                    if names.get(from) == Some(file) {
                        names.remove(from);
                    }
                    names.insert(to.clone(), *file);
                }
                NameChange::Unlink { name } => {
                    names.remove(name);
                }
            }
        }
        let mut files = BTreeMap::new();
        for file in names.values() {
            let contents = self.files.get(file).map(|model| model.survive(&mut coins)).unwrap_or_default();
            files.insert(*file, ModelFile { live: contents.clone(), durable: contents, pending: Vec::new() });
        }
        Self {
            files,
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            last_file: self.last_file,
        }
    }
}

impl ModelFile {
    /// Makes every pending write that touches the range durable. A write that only overlaps the range becomes durable
    /// as a whole. This makes no difference here, because no writer of this project writes overlapping ranges in both
    /// ways.
    fn settle(&mut self, start: u64, end: u64) {
        let durable = &mut self.durable;
        self.pending.retain(|write| {
            let overlaps = write.offset < end && start < write.offset + width::length(write.bytes.len());
            if overlaps {
                put_growing(durable, write.offset, &write.bytes);
            }
            !overlaps
        });
    }

    fn survive(&self, coins: &mut Coins) -> Vec<u8> {
        let mut contents = self.durable.clone();
        if self.live.len() > contents.len() && coins.toss() {
            width::grow(&mut contents, self.live.len());
        }
        for write in &self.pending {
            let mut start = write.offset;
            let end = write.offset + width::length(write.bytes.len());
            while start < end {
                let stop = end.min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
                if coins.toss() {
                    let piece = width::index(start - write.offset)..width::index(stop - write.offset);
                    put_growing(&mut contents, start, &write.bytes[piece]);
                }
                start = stop;
            }
        }
        contents
    }
}

fn put_growing(contents: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = width::index(offset);
    let end = start + bytes.len();
    if contents.len() < end {
        width::grow(contents, end);
    }
    contents[start..end].copy_from_slice(bytes);
}

/// Draws which changes survive a power cut.
struct Coins {
    survival: Survival,
    state: u64,
    /// The probability to survive, out of 256. With one half alone, a long write would hardly ever survive nearly
    /// whole.
    keep: u64,
}

impl Coins {
    fn new(survival: Survival) -> Self {
        let mut coins = Self { survival, state: 0, keep: 128 };
        if let Survival::Drawn(seed) = survival {
            coins.state = seed;
            coins.keep = [16, 128, 240, 252][width::index(coins.next() % 4)];
        }
        coins
    }

    fn toss(&mut self) -> bool {
        match self.survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Drawn(_) => self.next() % 256 < self.keep,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.state)
    }
}

/// The mixing step of splitmix64. It maps consecutive numbers to unrelated numbers.
#[must_use]
pub fn scramble(value: u64) -> u64 {
    let mut mixed = value;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
