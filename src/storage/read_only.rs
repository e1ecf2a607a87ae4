//! Read access to real files. It needs only the right to read: it creates no file, takes no lock and syncs nothing. So
//! it works on a read-only mount, on a copy and beside a running server.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::Advice;

use super::direct_read::DirectFile;
use super::errno::{from_io, of_directory};
use super::{Action, FileEntry, ReadFrom, ReadStorage, ReadableFile, StorageError, width};

/// A directory of real files, for reading.
#[derive(Clone, Debug)]
pub struct ReadOnlyFs {
    path: PathBuf,
}

impl ReadOnlyFs {
    /// Opens an existing directory.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let files = Self { path: path.to_owned() };
        // A missing or unreadable directory is reported at once.
        files.list()?;
        Ok(files)
    }

    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl ReadStorage for ReadOnlyFs {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        let failed = |source| from_io(Action::Open, name, source);
        if from == ReadFrom::MediumWhole
            && let Some(file) = DirectFile::open(&self.path.join(name), name)?
        {
            return Ok(Box::new(file));
        }
        let file = OpenOptions::new().read(true).open(self.path.join(name)).map_err(failed)?;
        match from {
            ReadFrom::Cache => {}
            ReadFrom::Medium | ReadFrom::MediumWhole => leave_cache(&file).map_err(failed)?,
        }
        Ok(Box::new(ReadOnlyFile { file, name: name.to_owned() }))
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        let name = self.path.display().to_string();
        let failed = |source| from_io(Action::List, &name, source);
        let mut entries = Vec::new();
        let opened = std::fs::read_dir(&self.path);
        for entry in opened.map_err(|source| of_directory(Action::List, &self.path, source))? {
            let entry = entry.map_err(failed)?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // The file was removed between the two calls.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            // Names that are not UTF-8 and subdirectories are not ours. They are listed, so that the directory does not
            // look empty.
            let bytes = if metadata.is_file() { metadata.len() } else { 0 };
            entries.push(FileEntry { name: entry.file_name().to_string_lossy().into_owned(), bytes });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }
}

/// Drops what the cache of the system holds of a file, unwritten bytes excepted.
pub(super) fn leave_cache(file: &File) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Lets a file that was written and synced leave the cache of the system, because nobody reads it soon. The memory is
/// used again for the next file. Otherwise each file would take fresh memory, which costs far more than the copy.
pub(crate) fn written_for_later(path: &Path) {
    // The cache is a matter of speed. A file that is gone already is not in it.
    drop(File::open(path).and_then(|file| leave_cache(&file)));
}

/// A real file, for reading.
#[derive(Debug)]
pub(super) struct ReadOnlyFile {
    pub(super) file: File,
    pub(super) name: String,
}

impl ReadableFile for ReadOnlyFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        Ok(self.file.metadata().map_err(|source| from_io(Action::Read, &self.name, source))?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + width::length(filled)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(from_io(Action::Read, &self.name, source)),
            }
        }
        Ok(filled)
    }
}
