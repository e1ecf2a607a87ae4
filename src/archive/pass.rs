//! Brings an archive up to date with a data directory, step by step: manifest, log, snapshots.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::ArchiveError;
use super::contents::{Contents, EpochObjects};
use super::names::{EpochName, alive_path, path};
use super::passing::PassingSnapshot;
use super::store::Store;
use crate::directory::{MANIFEST_NAME, Manifest, ReadOnlyDirectory};
use crate::snapshot::{LogPoint, SnapshotError, parse_snapshot_name, snapshot_name};
use crate::storage::width::{index, length};
use crate::storage::{ReadFrom, ReadableFile, SharedReadStorage, StorageError};
use crate::wal::SegmentTail;

/// What one pass has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The number of snapshots.
    pub snapshots: u64,
    /// The number of snapshots that were left out, because they are damaged.
    pub damaged: u64,
    /// The number of completed segments.
    pub segments: u64,
    /// The number of pieces of the segment in use.
    pub parts: u64,
    /// The number of bytes.
    pub bytes: u64,
    /// The last position in the archive.
    pub last_position: u64,
    /// The segment in use. Those before it are archived.
    pub segment_in_use: u64,
}

/// Whoever lets a pass run: says how far it may go, and is told how far it has come.
pub trait PassGuide {
    /// The last position that may be archived now, which must be durable; `u64::MAX` = everything that can be read.
    fn last_position(&mut self) -> u64;

    /// Whether the log is to be archived now, although something large is being copied.
    fn log_is_due(&mut self) -> bool {
        false
    }

    /// The log is archived up to the last position that was asked for.
    fn log_archived(&mut self, _passed: &Passed) {}

    /// The number of bytes that were written so far.
    fn written(&mut self, _bytes: u64) {}
}

/// The guide of a single pass.
struct Once<P> {
    last_position: u64,
    progress: P,
}

impl<P: FnMut(u64)> PassGuide for Once<P> {
    fn last_position(&mut self) -> u64 {
        self.last_position
    }

    fn written(&mut self, bytes: u64) {
        (self.progress)(bytes);
    }
}

/// What happens between the pieces of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// Nothing: what is copied must be archived before the rest of the log.
    Nothing,
    /// The log is archived, if that is due.
    Log,
}

/// How completed segments are archived that the archive has nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completed {
    /// As whole objects.
    Whole,
    /// In pieces, because a copy is under way already.
    InPieces,
}

/// A pass that is under way.
pub(super) struct Run<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) guide: &'a mut dyn PassGuide,
    pub(super) passed: Passed,
}

/// Archives one data directory.
#[derive(Debug)]
pub struct Archiver {
    pub(super) files: SharedReadStorage,
    store: Arc<Store>,
    /// What the archive has of this log.
    known: Contents,
    /// The segment in use.
    pub(super) tail: Option<SegmentTail>,
    manifest: Option<Manifest>,
    /// What is not needed from this point on was removed from the archive, and is not archived again.
    pub(super) kept_from: Option<LogPoint>,
    /// Snapshots that were found damaged.
    damaged: BTreeSet<u64>,
    /// Whether everything that is written is read back and compared.
    reads_back: bool,
}

impl Archiver {
    /// Lists the archive, to know what it has.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(files: SharedReadStorage, store: Arc<Store>) -> Result<Self, ArchiveError> {
        let known = Contents::read(&store)?;
        Ok(Self {
            files,
            store,
            known,
            tail: None,
            manifest: None,
            kept_from: None,
            damaged: BTreeSet::new(),
            reads_back: false,
        })
    }

    /// Reads back everything that is written from now on.
    #[must_use]
    pub fn reading_back(self) -> Self {
        Self { reads_back: true, ..self }
    }

    /// Archives everything up to `last_position`, which must be durable; `u64::MAX` = everything that can be read.
    /// `progress` receives the bytes written so far.
    ///
    /// # Errors
    /// [`ArchiveError`]. What was archived before stays, and the next pass continues.
    pub fn pass(&mut self, last_position: u64, progress: impl FnMut(u64)) -> Result<Passed, ArchiveError> {
        self.pass_with(&mut Once { last_position, progress })
    }

    /// As [`Archiver::pass`], with a guide.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn pass_with(&mut self, guide: &mut dyn PassGuide) -> Result<Passed, ArchiveError> {
        let directory = ReadOnlyDirectory::open(self.files.clone())?;
        let mut run = Run { manifest: directory.manifest(), guide, passed: Passed::default() };
        self.begin(&directory, &mut run)?;
        self.archive_log(&mut run, Completed::Whole)?;
        self.join_pieces(&mut run)?;
        // A snapshot is only useful together with the log up to it, so it comes last.
        for op in directory.snapshots()? {
            self.archive_snapshot(&directory, op, &mut run, Between::Log)?;
        }
        self.archive_addresses(&mut run)?;
        Ok(run.passed)
    }

    /// Archives the log alone: the short pass of a server that stops.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn pass_log(&mut self, guide: &mut dyn PassGuide) -> Result<Passed, ArchiveError> {
        let directory = ReadOnlyDirectory::open(self.files.clone())?;
        let mut run = Run { manifest: directory.manifest(), guide, passed: Passed::default() };
        self.begin(&directory, &mut run)?;
        self.archive_log(&mut run, Completed::InPieces)?;
        Ok(run.passed)
    }

    /// Archives what everything else is based on.
    fn begin(&mut self, directory: &ReadOnlyDirectory, run: &mut Run<'_>) -> Result<(), ArchiveError> {
        let manifest = directory.manifest();
        if manifest.base.op > 0 {
            // Without this snapshot, an epoch that began with a restore has no state, and nobody should find its manifest.
            self.archive_snapshot(directory, manifest.base.op, run, Between::Nothing)?;
        }
        self.archive_manifest(manifest, &mut run.passed)
    }

    /// The length of all objects in the archive.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let epochs = self.known.logs.values().flatten();
        epochs.flat_map(|(_, objects)| objects.lengths()).sum()
    }

    /// Archives nothing more of what is not needed from this point on.
    pub(super) fn keep_from(&mut self, point: LogPoint) {
        self.kept_from = Some(point);
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The log, and the epochs in which this data directory was written, oldest first.
    pub(super) fn history(&self) -> Result<(Uuid, Vec<EpochName>), ArchiveError> {
        let manifest = crate::directory::read_manifest(self.files.as_ref())?;
        Ok((manifest.log_uuid, super::contents::own_epochs(&manifest)))
    }

    /// The point before the first record of the data directory's log.
    pub(super) fn base(&self) -> LogPoint {
        self.manifest.as_ref().map_or_else(LogPoint::default, |manifest| manifest.base)
    }

    pub(super) fn known_objects(&self, log_uuid: Uuid, epoch: EpochName) -> Option<&EpochObjects> {
        self.known.objects(log_uuid, epoch)
    }

    pub(super) fn objects(&mut self, log_uuid: Uuid, epoch: EpochName) -> &mut EpochObjects {
        self.known.logs.entry(log_uuid).or_default().entry(epoch).or_default()
    }

    /// Writes that a server lives, at this time. A standby is not promoted while the object changes.
    pub(super) fn say_alive(&self, now_ms: u64) -> Result<(), ArchiveError> {
        let (log_uuid, _) = self.history()?;
        self.write(&alive_path(log_uuid), now_ms.to_string().into_bytes())
    }

    fn archive_manifest(&mut self, manifest: &Manifest, passed: &mut Passed) -> Result<(), ArchiveError> {
        if self.manifest.as_ref() == Some(manifest) {
            return Ok(());
        }
        let Some(present) = EpochName::present(manifest) else { return Ok(()) };
        let at = path(manifest.log_uuid, present, MANIFEST_NAME);
        let bytes = manifest.encode();
        if self.store.read_all(&at)?.as_deref() != Some(&bytes[..]) {
            passed.bytes += length(bytes.len());
            self.write(&at, bytes)?;
        }
        self.objects(manifest.log_uuid, present).has_manifest = true;
        self.manifest = Some(manifest.clone());
        Ok(())
    }

    /// Archives a snapshot. A damaged one is left out and reported, unless everything else is based on it.
    fn archive_snapshot(
        &mut self,
        directory: &ReadOnlyDirectory,
        op: u64,
        run: &mut Run<'_>,
        between: Between,
    ) -> Result<(), ArchiveError> {
        if self.damaged.contains(&op) {
            run.passed.damaged += 1;
            return Ok(());
        }
        match self.archive_sound_snapshot(directory, op, run, between) {
            Err(ArchiveError::Damaged(error)) if op != run.manifest.base.op => {
                tracing::error!(op, %error, source = ?error, "A SNAPSHOT IS DAMAGED AND IS NOT ARCHIVED; run `stockhold verify`");
                self.damaged.insert(op);
                run.passed.damaged += 1;
                Ok(())
            }
            other => other,
        }
    }

    fn archive_sound_snapshot(
        &mut self,
        directory: &ReadOnlyDirectory,
        op: u64,
        run: &mut Run<'_>,
        between: Between,
    ) -> Result<(), ArchiveError> {
        let name = snapshot_name(op);
        let manifest = directory.manifest();
        let header = match directory.read_snapshot(op, ReadFrom::Cache) {
            Ok(reader) => *reader.header(),
            // It was trimmed.
            Err(SnapshotError::Storage(StorageError::NotFound { .. })) => return Ok(()),
            Err(SnapshotError::Storage(error)) => return Err(error.into()),
            Err(error) => return Err(ArchiveError::Damaged(error)),
        };
        let Some(epoch) = epoch_of(manifest, header.epoch) else { return Ok(()) };
        let is_archived = self.objects(manifest.log_uuid, epoch).snapshots.contains_key(&op);
        if is_archived || self.kept_from.is_some_and(|kept| op < kept.op) {
            return Ok(());
        }
        // Without the log up to its position it would not be a state that the archive can go on from.
        if header.position > run.passed.last_position.max(manifest.base.position) {
            return Ok(());
        }
        let Some(bytes) = self.file_bytes(&name)? else { return Ok(()) };
        if self.copy(run, (&name, &path(manifest.log_uuid, epoch, &name)), bytes, between)? {
            self.objects(manifest.log_uuid, epoch).snapshots.insert(op, bytes);
            run.passed.snapshots += 1;
            run.passed.bytes += bytes;
            run.guide.written(run.passed.bytes);
        }
        Ok(())
    }

    pub(super) fn file_bytes(&self, name: &str) -> Result<Option<u64>, ArchiveError> {
        match self.files.open_to_read(name, ReadFrom::Cache) {
            Ok(file) => Ok(Some(file.bytes()?)),
            Err(StorageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies the beginning of a file. Returns false, and makes no object, if the file was removed meanwhile: its contents
    /// may have been replaced.
    pub(super) fn copy(
        &mut self,
        run: &mut Run<'_>,
        (name, to): (&str, &str),
        bytes: u64,
        between: Between,
    ) -> Result<bool, ArchiveError> {
        let file = match self.files.open_to_read(name, ReadFrom::Cache) {
            Ok(file) => file,
            Err(StorageError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut offset = 0;
        let mut sums = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut snapshot =
            parse_snapshot_name(name).map(|_| PassingSnapshot::new(name, run.manifest.log_uuid, bytes));
        let store = self.store.clone();
        let written = store.write_pieces(to, || {
            if offset > 0 && between == Between::Log && run.guide.log_is_due() {
                self.archive_log(run, Completed::InPieces)?;
            }
            let end = bytes.min(offset + length(self.store().piece_bytes()));
            let piece = read_range(file.as_ref(), offset, end)?;
            // A segment is renamed before it is reused, so while it has its name, what was read was right.
            if self.file_bytes(name)?.is_none() {
                return Err(StorageError::NotFound { name: name.to_owned() }.into());
            }
            sums.update(&piece);
            offset = end;
            if let Some(snapshot) = &mut snapshot {
                snapshot.pass(&piece).map_err(ArchiveError::Damaged)?;
            }
            Ok(piece)
        });
        match written {
            Err(ArchiveError::Storage(StorageError::NotFound { .. })) => return Ok(false),
            other => other?,
        }
        if self.reads_back && self.sum_of(to, bytes)? != sums.finalize() {
            return Err(ArchiveError::Differs { path: to.to_owned() });
        }
        Ok(true)
    }

    pub(super) fn write(&self, to: &str, contents: Vec<u8>) -> Result<(), ArchiveError> {
        let expected = self.reads_back.then(|| contents.clone());
        self.store.write(to, contents)?;
        match expected {
            Some(expected) if self.store.read_all(to)?.as_deref() != Some(&expected[..]) => {
                Err(ArchiveError::Differs { path: to.to_owned() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The checksum of an object.
    fn sum_of(&self, path: &str, bytes: u64) -> Result<u64, ArchiveError> {
        let mut sums = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        let mut offset = 0;
        while offset < bytes {
            let piece =
                self.store.read(path, offset, length(self.store().piece_bytes()).min(bytes - offset))?;
            if piece.is_empty() {
                break;
            }
            sums.update(&piece);
            offset += length(piece.len());
        }
        Ok(sums.finalize())
    }
}

/// The directory of an epoch of this data directory.
pub(super) fn epoch_of(manifest: &Manifest, epoch: u64) -> Option<EpochName> {
    manifest.epochs.iter().find(|one| one.epoch == epoch).map(EpochName::of)
}

/// The bytes of a file from `begin` to `end`, or to the end of the file.
pub(super) fn read_range(file: &dyn ReadableFile, begin: u64, end: u64) -> Result<Vec<u8>, StorageError> {
    let mut bytes = vec![0; index(end - begin)];
    let read = file.read_at(begin, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}
