//! A copy of one log of an archive in another place, kept up to date object by object. It is an archive itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::ArchiveError;
use super::names::{EpochName, File, alive_path, parse, part_name, path};
use super::store::{Object, Store};
use crate::directory::MANIFEST_NAME;
use crate::storage::layout::FRAMES_OFFSET;
use crate::storage::width::length;

/// What one step has copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirrored {
    /// The number of objects that are new here.
    pub objects: u64,
    /// The number of objects that were removed here.
    pub removed: u64,
    /// The number of bytes that were read from the archive.
    pub bytes: u64,
}

/// A copy of one log.
#[derive(Debug)]
pub struct Mirror {
    from: Arc<Store>,
    to: Arc<Store>,
    log_uuid: Uuid,
}

type Objects = BTreeMap<String, u64>;

/// The objects of a log in an archive, and what its server says of itself there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignsOfLife {
    objects: Objects,
    alive: Option<bytes::Bytes>,
}

impl Mirror {
    /// The copy of a log of `from` in `to`.
    #[must_use]
    pub fn new(from: Arc<Store>, to: Arc<Store>, log_uuid: Uuid) -> Self {
        Self { from, to, log_uuid }
    }

    /// What differs between two moments if a server writes to the archive in between.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn signs_of_life(&self) -> Result<SignsOfLife, ArchiveError> {
        let alive = self.from.read_all(&alive_path(self.log_uuid))?;
        Ok(SignsOfLife { objects: objects_of(&self.from, self.log_uuid)?, alive })
    }

    /// Copies what is new, and removes what the archive has removed.
    ///
    /// # Errors
    /// [`ArchiveError`]. The next step continues. An object that was removed while it was to be read is one of
    /// [`ArchiveError::is_vanished`].
    pub fn step(&self) -> Result<Mirrored, ArchiveError> {
        let theirs = objects_of(&self.from, self.log_uuid)?;
        let mut ours = objects_of(&self.to, self.log_uuid)?;
        let mut mirrored = Mirrored::default();
        self.remove_replaced(&theirs, &mut ours, &mut mirrored)?;
        // Pieces first: what they bring is missing longest. A segment is made of them where possible.
        let (pieces, rest): (Vec<_>, Vec<_>) =
            theirs.iter().partition(|(path, _)| matches!(parse(path), Some((_, _, File::Part { .. }))));
        for (path, bytes) in pieces.into_iter().chain(rest) {
            let is_manifest = path.ends_with(MANIFEST_NAME);
            if ours.get(path) == Some(bytes) && !is_manifest {
                continue;
            }
            if is_manifest {
                self.copy_manifest(path, &mut mirrored)?;
            } else if !self.join(path, *bytes, &ours)? {
                self.copy(path, *bytes)?;
                mirrored.bytes += bytes;
                mirrored.objects += 1;
            }
            ours.insert(path.clone(), *bytes);
        }
        for path in ours.keys().filter(|path| !theirs.contains_key(*path)) {
            self.to.remove(path)?;
            mirrored.removed += 1;
        }
        Ok(mirrored)
    }

    /// Removes the pieces of the newest segment if the archive has replaced them by those of another one.
    fn remove_replaced(
        &self,
        theirs: &Objects,
        ours: &mut Objects,
        mirrored: &mut Mirrored,
    ) -> Result<(), ArchiveError> {
        let is_first = |path: &&String| matches!(parse(path), Some((_, _, File::Part { offset: 0, .. })));
        let Some(first) = ours.keys().filter(is_first).max().cloned() else { return Ok(()) };
        let head = length(FRAMES_OFFSET);
        let is_replaced = theirs.contains_key(&first)
            && self.from.read(&first, 0, head)? != self.to.read(&first, 0, head)?;
        if !is_replaced {
            return Ok(());
        }
        let stem = first.trim_end_matches(".000000000000.part").to_owned();
        for path in ours.keys().filter(|path| path.starts_with(&stem)).cloned().collect::<Vec<_>>() {
            self.to.remove(&path)?;
            ours.remove(&path);
            mirrored.removed += 1;
        }
        Ok(())
    }

    fn copy_manifest(&self, path: &str, mirrored: &mut Mirrored) -> Result<(), ArchiveError> {
        let Some(manifest) = self.from.read_all(path)? else { return Ok(()) };
        if self.to.read_all(path)?.as_deref() != Some(&manifest[..]) {
            self.to.write(path, manifest.to_vec())?;
            mirrored.objects += 1;
            mirrored.bytes += length(manifest.len());
        }
        Ok(())
    }

    /// Makes a completed segment of its pieces. Returns false if they are not all here.
    fn join(&self, at: &str, bytes: u64, ours: &Objects) -> Result<bool, ArchiveError> {
        let Some((log_uuid, epoch, File::Segment(segment))) = parse(at) else { return Ok(false) };
        let mut offset = 0;
        let mut pieces = Vec::new();
        while offset < bytes {
            let Some((path, length)) = piece_at(ours, (log_uuid, epoch, segment), offset) else {
                return Ok(false);
            };
            pieces.push(path);
            offset += length;
        }
        let mut pieces = pieces.into_iter();
        let (mut open, mut left) = (Vec::new(), bytes);
        self.to.write_pieces(at, || {
            let piece_bytes = self.to.piece_bytes();
            while open.len() < piece_bytes {
                let Some(path) = pieces.next() else { break };
                open.extend_from_slice(&self.to.read_all(&path)?.unwrap_or_default());
            }
            let end = open.len().min(piece_bytes).min(crate::storage::width::index(left));
            left -= length(end);
            Ok(open.drain(..end).collect())
        })?;
        Ok(true)
    }

    fn copy(&self, path: &str, bytes: u64) -> Result<(), ArchiveError> {
        let mut offset = 0;
        self.to.write_pieces(path, || {
            let piece_bytes = length(self.to.piece_bytes()).min(bytes - offset);
            let piece = if piece_bytes == 0 {
                Vec::new()
            } else {
                self.from.read(path, offset, piece_bytes)?.to_vec()
            };
            offset += length(piece.len());
            Ok(piece)
        })
    }
}

/// The piece of a segment that begins at this offset, and its length.
fn piece_at(
    objects: &Objects,
    (log_uuid, epoch, segment): (Uuid, EpochName, u64),
    offset: u64,
) -> Option<(String, u64)> {
    let path = path(log_uuid, epoch, &part_name(segment, offset));
    objects.get(&path).filter(|bytes| **bytes > 0).map(|bytes| (path.clone(), *bytes))
}

fn objects_of(store: &Store, log_uuid: Uuid) -> Result<Objects, ArchiveError> {
    let of_log = |object: &Object| parse(&object.path).is_some_and(|(log, ..)| log == log_uuid);
    let objects = store.list()?.into_iter().filter(of_log);
    Ok(objects.map(|object| (object.path, object.bytes)).collect())
}
