//! Reads a finished file from the medium around the cache of the system, in large pieces. A snapshot that was just written
//! is checked so: through the cache, each byte would be copied once more, into memory that is fresh each time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use parking_lot::Mutex;
use rustix::fs::OFlags;

use super::aligned::AlignedBuffer;
use super::errno::from_io;
use super::layout::BLOCK_BYTES;
use super::{Action, ReadableFile, StorageError, width};

/// The bytes of one read.
const PIECE_BYTES: usize = 1 << 20;

/// A file that does not change while it is read.
#[derive(Debug)]
pub(super) struct DirectFile {
    file: File,
    name: String,
    piece: Mutex<Piece>,
}

/// The part of the file that was read last.
#[derive(Debug)]
struct Piece {
    offset: u64,
    bytes: AlignedBuffer,
}

impl DirectFile {
    /// Opens a file. `None` if its file system does not read around the cache.
    pub(super) fn open(path: &Path, name: &str) -> Result<Option<Self>, StorageError> {
        let flags = OFlags::DIRECT.bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if is_unsupported(&error) => return Ok(None),
            Err(source) => return Err(from_io(Action::Open, name, source)),
        };
        let mut bytes = AlignedBuffer::with_capacity(PIECE_BYTES);
        // Some file systems refuse the first read instead.
        match fill(&file, 0, &mut bytes) {
            Ok(()) => {}
            Err(error) if is_unsupported(&error) => return Ok(None),
            Err(source) => return Err(from_io(Action::Read, name, source)),
        }
        let piece = Mutex::new(Piece { offset: 0, bytes });
        Ok(Some(Self { file, name: name.to_owned(), piece }))
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

/// Reads the piece at an aligned offset. At the end of the file it is shorter.
fn fill(file: &File, offset: u64, bytes: &mut AlignedBuffer) -> io::Result<()> {
    bytes.resize(bytes.capacity());
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes.as_mut_slice()[filled..], offset + width::length(filled)) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                // An unaligned length is that of the end of the file.
                if !filled.is_multiple_of(BLOCK_BYTES) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.resize(filled);
    Ok(())
}

impl ReadableFile for DirectFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        Ok(self.file.metadata().map_err(|source| from_io(Action::Read, &self.name, source))?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let piece = &mut *self.piece.lock();
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + width::length(filled);
            let end = piece.offset + width::length(piece.bytes.len());
            if !(piece.offset..end).contains(&at) {
                piece.offset = at - at % width::length(BLOCK_BYTES);
                fill(&self.file, piece.offset, &mut piece.bytes)
                    .map_err(|source| from_io(Action::Read, &self.name, source))?;
            }
            let from = piece.bytes.as_slice().get(width::index(at - piece.offset)..).unwrap_or_default();
            if from.is_empty() {
                break;
            }
            let copied = from.len().min(buffer.len() - filled);
            buffer[filled..filled + copied].copy_from_slice(&from[..copied]);
            filled += copied;
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_a_file_is_read_as_it_was_written() {
        // Proves that ranges within pieces, across them and beyond the end of the file are those of the file.
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = directory.path().join("file");
        for length in [0, 1, BLOCK_BYTES, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 4_097] {
            let written: Vec<u8> = (0..length).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect();
            std::fs::write(&path, &written).unwrap();
            File::open(&path).unwrap().sync_all().unwrap();
            let file = DirectFile::open(&path, "file").unwrap().expect("the build directory is on a disk");
            assert_eq!(file.bytes().unwrap(), width::length(length));
            for from in [0, 1, 4_095, PIECE_BYTES - 10, PIECE_BYTES + 5, 2 * PIECE_BYTES + 4_000] {
                for bytes in [1, 100, 70_000, PIECE_BYTES + 3] {
                    let mut buffer = vec![0; bytes];
                    let read = file.read_at(width::length(from), &mut buffer).unwrap();
                    let expected = written.get(from..).unwrap_or_default();
                    let expected = &expected[..expected.len().min(bytes)];
                    assert_eq!(&buffer[..read], expected, "{length} bytes, {bytes} from {from}");
                }
            }
        }
    }
}
