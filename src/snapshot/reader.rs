//! Reads a snapshot as a stream of frames. Each frame is checked, but only the end shows that nothing is missing.

use uuid::Uuid;

use super::format::{
    FrameHead, SectionTotal, SnapshotFault, SnapshotHeader, check_footer, count_frame, parse_snapshot_name,
};
use super::{SnapshotError, SnapshotSummary};
use crate::storage::layout::{CHECKSUM_BYTES, snapshot, snapshot_footer, snapshot_frame};
use crate::storage::width::{index, length};
use crate::storage::{ReadFrom, ReadStorage, ReadableFile, TEMPORARY_SUFFIX};

/// Records of one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionFrame<'a> {
    /// The kind of the section.
    pub kind: u16,
    /// The number of records.
    pub records: u32,
    /// The records.
    pub payload: &'a [u8],
}

/// A reader of one snapshot.
#[derive(Debug)]
pub struct SnapshotReader {
    name: String,
    file: Box<dyn ReadableFile>,
    bytes: u64,
    header: SnapshotHeader,
    offset: u64,
    frames: u64,
    sections: Vec<SectionTotal>,
    piece: Vec<u8>,
    digest: Option<[u8; 16]>,
}

/// The maximum length of a footer.
const FOOTER_BYTES_MAX: usize = snapshot_footer::HEAD_BYTES
    + snapshot_footer::SECTIONS_MAX * snapshot_footer::SECTION_BYTES
    + CHECKSUM_BYTES;

impl SnapshotReader {
    /// Opens a snapshot of this log and reads its head.
    pub fn open(
        storage: &dyn ReadStorage,
        name: &str,
        log_uuid: Uuid,
        from: ReadFrom,
    ) -> Result<Self, SnapshotError> {
        Self::of(storage.open_to_read(name, from)?, name, log_uuid)
    }

    /// Reads the head of a snapshot of this log.
    pub(crate) fn of(file: Box<dyn ReadableFile>, name: &str, log_uuid: Uuid) -> Result<Self, SnapshotError> {
        let mut head = [0; snapshot::HEAD_BYTES];
        let read = file.read_at(0, &mut head)?;
        let damaged = |source| SnapshotError::Damaged { name: name.to_owned(), offset: 0, source };
        let header = SnapshotHeader::decode(&head[..read]).map_err(damaged)?;
        if header.log_uuid != log_uuid {
            let (found, expected) = (header.log_uuid, log_uuid);
            return Err(SnapshotError::ForeignLog { name: name.to_owned(), found, expected });
        }
        let final_name = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
        if parse_snapshot_name(final_name) != Some(header.op) {
            return Err(damaged(SnapshotFault::Op { found: header.op }));
        }
        Ok(Self {
            name: name.to_owned(),
            bytes: file.bytes()?,
            file,
            header,
            offset: length(snapshot::HEAD_BYTES),
            frames: 0,
            sections: Vec::new(),
            piece: vec![0; snapshot_frame::HEAD_BYTES + snapshot_frame::BYTES_MAX],
            digest: None,
        })
    }

    /// The head.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.header
    }

    /// The next frame; `None` after the footer was read and matches.
    pub fn next_frame(&mut self) -> Result<Option<SectionFrame<'_>>, SnapshotError> {
        if self.digest.is_some() {
            return Ok(None);
        }
        let read = self.file.read_at(self.offset, &mut self.piece[..snapshot_frame::HEAD_BYTES])?;
        let head = &self.piece[..read];
        if head.starts_with(&snapshot_footer::MAGIC) {
            self.read_footer()?;
            return Ok(None);
        }
        if head.len() < snapshot_frame::HEAD_BYTES {
            return Err(self.damaged(SnapshotFault::Short));
        }
        if !head.starts_with(&snapshot_frame::MAGIC) {
            return Err(self.damaged(SnapshotFault::Magic));
        }
        let decoded = FrameHead::decode(head).map_err(|source| self.damaged(source))?;
        let (head, rest) = self.piece.split_at_mut(snapshot_frame::HEAD_BYTES);
        let payload = &mut rest[..decoded.bytes];
        let read = self.file.read_at(self.offset + length(snapshot_frame::HEAD_BYTES), payload)?;
        if read < decoded.bytes {
            return Err(self.damaged(SnapshotFault::Short));
        }
        if let Err(source) = decoded.check(head, payload, self.frames) {
            return Err(self.damaged(source));
        }
        self.offset += length(snapshot_frame::HEAD_BYTES + decoded.bytes);
        self.frames += 1;
        count_frame(&mut self.sections, decoded.kind, decoded.records, decoded.bytes);
        if self.sections.len() > snapshot_footer::SECTIONS_MAX {
            return Err(self.damaged(SnapshotFault::Field { offset: snapshot_frame::KIND_AT }));
        }
        let payload = &self.piece[snapshot_frame::HEAD_BYTES..snapshot_frame::HEAD_BYTES + decoded.bytes];
        Ok(Some(SectionFrame { kind: decoded.kind, records: decoded.records, payload }))
    }

    /// The bytes read so far, and the bytes in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.offset, self.bytes)
    }

    /// The totals and the digest. Frames that were not read yet are read and checked first.
    pub fn into_summary(mut self) -> Result<SnapshotSummary, SnapshotError> {
        while self.next_frame()?.is_some() {}
        let Some(digest) = self.digest else {
            unreachable!("reading ends with the footer, which has the digest")
        };
        Ok(SnapshotSummary { header: self.header, sections: self.sections, digest, bytes: self.bytes })
    }

    fn read_footer(&mut self) -> Result<(), SnapshotError> {
        let left = self.bytes - self.offset.min(self.bytes);
        let longest = length(FOOTER_BYTES_MAX);
        if left > longest {
            return Err(self.damaged(SnapshotFault::Long));
        }
        let mut footer = vec![0; index(left)];
        let read = self.file.read_at(self.offset, &mut footer)?;
        match check_footer(&footer[..read], &self.sections, self.frames) {
            Ok(digest) => {
                self.digest = Some(digest);
                self.offset += left;
                Ok(())
            }
            Err(source) => Err(self.damaged(source)),
        }
    }

    fn damaged(&self, source: SnapshotFault) -> SnapshotError {
        SnapshotError::Damaged { name: self.name.clone(), offset: self.offset, source }
    }
}
