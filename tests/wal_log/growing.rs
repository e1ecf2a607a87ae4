//! Logs that are read while a server appends.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use stockhold::directory::ReadOnlyDirectory;
use stockhold::storage::recording::RecordingStorage;
use stockhold::storage::{FileEntry, ReadFrom, ReadStorage, ReadableFile, StorageError};
use stockhold::wal::{CommitLog, LogError, LogReader};

use super::world::{OPTIONS, Running, formatted, payload, start};

/// A log to which batches are appended during each read of a segment, until there are enough.
#[derive(Clone)]
struct Growing {
    disk: RecordingStorage,
    running: Arc<Mutex<Running>>,
    last_position: u64,
    per_read: u64,
}

impl fmt::Debug for Growing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Growing").finish_non_exhaustive()
    }
}

impl Growing {
    fn grow(&self) {
        let mut running = self.running.lock();
        for _ in 0..self.per_read {
            let op = running.writer.next_position();
            if op <= self.last_position {
                running.append(&payload(op), 1).unwrap();
            }
        }
    }
}

impl ReadStorage for Growing {
    fn open_to_read(&self, name: &str, from: ReadFrom) -> Result<Box<dyn ReadableFile>, StorageError> {
        let file = self.disk.open_to_read(name, from)?;
        Ok(Box::new(GrowingFile { file, log: self.clone() }))
    }

    fn list(&self) -> Result<Vec<FileEntry>, StorageError> {
        self.disk.list()
    }
}

#[derive(Debug)]
struct GrowingFile {
    file: Box<dyn ReadableFile>,
    log: Growing,
}

impl ReadableFile for GrowingFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.file.bytes()
    }

    /// Later parts of the file are read later, as in a real system.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let (first, second) = buffer.split_at_mut(buffer.len() / 2);
        let read = self.file.read_at(offset, first)?;
        self.log.grow();
        Ok(read + self.file.read_at(offset + u64::try_from(read).unwrap(), second)?)
    }
}

fn read(log: &mut LogReader) -> Result<u64, LogError> {
    let mut next_position = 1;
    while let Some(frame) = log.next_frame()? {
        assert_eq!((frame.first_position, frame.payload), (next_position, payload(next_position).as_slice()));
        next_position += u64::from(frame.records);
    }
    Ok(next_position - 1)
}

/// Proves that a growing log is read in order, without a gap, at least to the end that it had, and is not reported as
/// damaged, by a reader for live logs. A reader for complete logs refuses it, because there it would be damage.
#[test]
fn a_log_that_grows_while_it_is_read_is_not_damaged() {
    let mut refused = 0;
    for (before, per_read) in (1..=9).flat_map(|before| (1..=4).map(move |per_read| (before, per_read))) {
        for present in [true, false] {
            let disk = formatted();
            let mut running = start(&disk.share(), OPTIONS, 7).unwrap();
            for op in 1..=before {
                running.append(&payload(op), 1).unwrap();
            }
            let running = Arc::new(Mutex::new(running));
            let last_position = before + 40;
            let growing = Growing { disk, running, last_position, per_read };
            let directory = ReadOnlyDirectory::open(Arc::new(growing.clone())).unwrap();
            if present {
                let mut log = directory.read_log(1).unwrap();
                let read = read(&mut log).unwrap();
                assert!(read >= before && read <= last_position);
                assert_eq!(log.into_end().unwrap().last_position(), read);
            } else {
                let manifest = directory.manifest();
                let read_to = stockhold::wal::ReadTo::End;
                let files = directory.files().clone();
                let answer = LogReader::open(files, manifest.log_uuid, directory.base(), 1, read_to)
                    .and_then(|mut log| read(&mut log));
                refused += u32::from(answer.is_err());
            }
        }
    }
    assert!(refused > 0, "no log grew at its end while it was read");
}
