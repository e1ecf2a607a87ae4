//! The encoding of a snapshot's head, frame heads and footer, and the names of snapshot files.

use uuid::Uuid;

use crate::storage::checksum::{checksum, checksum_of_two};
use crate::storage::layout::{CHECKSUM_BYTES, FORMAT_VERSION, snapshot, snapshot_footer, snapshot_frame};
use crate::storage::width::{array_at, index, is_zero, length32, put, u16_at, u32_at, u64_at};

/// The extension of snapshot files.
pub const SNAPSHOT_SUFFIX: &str = ".snapshot";

/// The file name of the snapshot after `op`. The op has 20 digits, so that names sort like ops.
#[must_use]
pub fn snapshot_name(op: u64) -> String {
    format!("{op:020}{SNAPSHOT_SUFFIX}")
}

/// The op in a snapshot's name; `None` for any other file.
#[must_use]
pub fn parse_snapshot_name(name: &str) -> Option<u64> {
    let op = name.strip_suffix(SNAPSHOT_SUFFIX)?.parse().ok()?;
    (snapshot_name(op) == name).then_some(op)
}

/// Why a snapshot is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// The file is too short.
    #[error("the file ends too early")]
    Short,
    /// Bytes follow the footer.
    #[error("bytes follow the footer")]
    Long,
    /// A head, a frame or the footer has another magic number.
    #[error("neither a frame nor the footer begins here")]
    Magic,
    /// It has another format version.
    #[error("the format version is {found}, this program reads {FORMAT_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// A checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A field has a value that is never written.
    #[error("the field at byte {offset} of the head has a value that is never written")]
    Field {
        /// The offset in the head.
        offset: usize,
    },
    /// The file name and the head have different ops.
    #[error("the head has op {found}, unlike the file name")]
    Op {
        /// The op in the head.
        found: u64,
    },
    /// The totals in the footer differ from those of the frames.
    #[error("the totals in the footer differ from those of the frames")]
    Totals,
}

/// A point in the log, as a position and as an op.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPoint {
    /// The position of the last record before the point.
    pub position: u64,
    /// The op of the machine after that record.
    pub op: u64,
}

impl LogPoint {
    /// The highest op that a machine can have at this later position, because a record takes at most one op.
    #[must_use]
    pub fn op_max_at(self, position: u64) -> u64 {
        self.op.saturating_add(position.saturating_sub(self.position))
    }
}

/// The head of a snapshot, which identifies the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The UUID of the log.
    pub log_uuid: Uuid,
    /// The epoch of the op.
    pub epoch: u64,
    /// The last op that the state contains.
    pub op: u64,
    /// The log position of the last record that the state contains.
    pub position: u64,
    /// The machine time after the op.
    pub time_ms: u64,
    /// The version of the rules in force.
    pub rules_version: u32,
    /// The feature level of the program that wrote it. It is not interpreted here.
    pub feature_level: u32,
}

/// The totals of one kind of section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionTotal {
    /// The kind.
    pub kind: u16,
    /// The number of frames.
    pub frames: u64,
    /// The number of records.
    pub records: u64,
    /// The length of the records.
    pub bytes: u64,
}

impl SnapshotHeader {
    /// The point of the state in the log.
    #[must_use]
    pub fn point(&self) -> LogPoint {
        LogPoint { position: self.position, op: self.op }
    }

    pub(super) fn encode(&self) -> [u8; snapshot::HEAD_BYTES] {
        let mut head = [0; snapshot::HEAD_BYTES];
        put(&mut head, snapshot::MAGIC_AT, &snapshot::MAGIC);
        put(&mut head, snapshot::VERSION_AT, &FORMAT_VERSION.to_le_bytes());
        put(&mut head, snapshot::RULES_VERSION_AT, &self.rules_version.to_le_bytes());
        put(&mut head, snapshot::UUID_AT, self.log_uuid.as_bytes());
        put(&mut head, snapshot::EPOCH_AT, &self.epoch.to_le_bytes());
        put(&mut head, snapshot::OP_AT, &self.op.to_le_bytes());
        put(&mut head, snapshot::TIME_MS_AT, &self.time_ms.to_le_bytes());
        put(&mut head, snapshot::POSITION_AT, &self.position.to_le_bytes());
        put(&mut head, snapshot::FEATURE_LEVEL_AT, &self.feature_level.to_le_bytes());
        let sum = checksum(&head[..snapshot::CHECKSUM_AT]);
        put(&mut head, snapshot::CHECKSUM_AT, &sum.to_le_bytes());
        head
    }

    pub(crate) fn decode(head: &[u8]) -> Result<Self, SnapshotFault> {
        if head.len() < snapshot::HEAD_BYTES {
            return Err(SnapshotFault::Short);
        }
        if !head.starts_with(&snapshot::MAGIC) {
            return Err(SnapshotFault::Magic);
        }
        if u64_at(head, snapshot::CHECKSUM_AT) != checksum(&head[..snapshot::CHECKSUM_AT]) {
            return Err(SnapshotFault::Checksum);
        }
        let found = u32_at(head, snapshot::VERSION_AT);
        if found != FORMAT_VERSION {
            return Err(SnapshotFault::Version { found });
        }
        let feature_level = u32_at(head, snapshot::FEATURE_LEVEL_AT);
        if feature_level == 0 {
            return Err(SnapshotFault::Field { offset: snapshot::FEATURE_LEVEL_AT });
        }
        if u64_at(head, snapshot::POSITION_AT) == u64::MAX {
            return Err(SnapshotFault::Field { offset: snapshot::POSITION_AT });
        }
        if !is_zero(&head[snapshot::RESERVED_AT..snapshot::CHECKSUM_AT]) {
            return Err(SnapshotFault::Field { offset: snapshot::RESERVED_AT });
        }
        Ok(Self {
            log_uuid: Uuid::from_bytes(array_at(head, snapshot::UUID_AT)),
            epoch: u64_at(head, snapshot::EPOCH_AT),
            op: u64_at(head, snapshot::OP_AT),
            position: u64_at(head, snapshot::POSITION_AT),
            time_ms: u64_at(head, snapshot::TIME_MS_AT),
            rules_version: u32_at(head, snapshot::RULES_VERSION_AT),
            feature_level,
        })
    }
}

/// The head of a snapshot frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) kind: u16,
    pub(super) records: u32,
    pub(super) bytes: usize,
    pub(super) index: u64,
    checksum: u64,
}

impl FrameHead {
    pub(super) fn encode(
        kind: u16,
        records: u32,
        index: u64,
        payload: &[u8],
    ) -> [u8; snapshot_frame::HEAD_BYTES] {
        let mut head = [0; snapshot_frame::HEAD_BYTES];
        put(&mut head, snapshot_frame::MAGIC_AT, &snapshot_frame::MAGIC);
        put(&mut head, snapshot_frame::KIND_AT, &kind.to_le_bytes());
        put(&mut head, snapshot_frame::RECORDS_AT, &records.to_le_bytes());
        put(&mut head, snapshot_frame::BYTES_AT, &length32(payload.len()).to_le_bytes());
        put(&mut head, snapshot_frame::INDEX_AT, &index.to_le_bytes());
        let sum = checksum_of_two(&head[..snapshot_frame::CHECKSUM_AT], payload);
        put(&mut head, snapshot_frame::CHECKSUM_AT, &sum.to_le_bytes());
        head
    }

    /// Decodes a head. Nothing in it is verified before [`FrameHead::check`].
    pub(super) fn decode(head: &[u8]) -> Result<Self, SnapshotFault> {
        let bytes = index(u64::from(u32_at(head, snapshot_frame::BYTES_AT)));
        if bytes > snapshot_frame::BYTES_MAX {
            return Err(SnapshotFault::Field { offset: snapshot_frame::BYTES_AT });
        }
        if !is_zero(&head[snapshot_frame::RESERVED_AT..snapshot_frame::RECORDS_AT]) {
            return Err(SnapshotFault::Field { offset: snapshot_frame::RESERVED_AT });
        }
        Ok(Self {
            kind: u16_at(head, snapshot_frame::KIND_AT),
            records: u32_at(head, snapshot_frame::RECORDS_AT),
            bytes,
            index: u64_at(head, snapshot_frame::INDEX_AT),
            checksum: u64_at(head, snapshot_frame::CHECKSUM_AT),
        })
    }

    pub(super) fn check(&self, head: &[u8], payload: &[u8], index: u64) -> Result<(), SnapshotFault> {
        if checksum_of_two(&head[..snapshot_frame::CHECKSUM_AT], payload) != self.checksum {
            return Err(SnapshotFault::Checksum);
        }
        if self.index != index {
            return Err(SnapshotFault::Field { offset: snapshot_frame::INDEX_AT });
        }
        Ok(())
    }
}

/// Adds a frame to the totals, which are sorted by kind.
pub(super) fn count_frame(sections: &mut Vec<SectionTotal>, kind: u16, records: u32, bytes: usize) {
    let at = sections.partition_point(|section| section.kind < kind);
    if sections.get(at).is_none_or(|section| section.kind != kind) {
        sections.insert(at, SectionTotal { kind, frames: 0, records: 0, bytes: 0 });
    }
    let section = &mut sections[at];
    section.frames += 1;
    section.records += u64::from(records);
    section.bytes += crate::storage::width::length(bytes);
}

pub(super) fn encode_footer(sections: &[SectionTotal], frames: u64, digest: &[u8; 16]) -> Vec<u8> {
    let mut footer = Vec::new();
    footer.extend_from_slice(&snapshot_footer::MAGIC);
    footer.extend_from_slice(&length32(sections.len()).to_le_bytes());
    footer.extend_from_slice(&frames.to_le_bytes());
    footer.extend_from_slice(digest);
    for section in sections {
        footer.extend_from_slice(&section.kind.to_le_bytes());
        footer.extend_from_slice(&[0; 6]);
        footer.extend_from_slice(&section.frames.to_le_bytes());
        footer.extend_from_slice(&section.records.to_le_bytes());
        footer.extend_from_slice(&section.bytes.to_le_bytes());
    }
    let sum = checksum(&footer);
    footer.extend_from_slice(&sum.to_le_bytes());
    footer
}

/// Checks the footer, which is the rest of the file, against the frames that were read. Returns the digest.
pub(super) fn check_footer(
    footer: &[u8],
    sections: &[SectionTotal],
    frames: u64,
) -> Result<[u8; 16], SnapshotFault> {
    if footer.len() < snapshot_footer::HEAD_BYTES + CHECKSUM_BYTES {
        return Err(SnapshotFault::Short);
    }
    let count = index(u64::from(u32_at(footer, snapshot_footer::SECTIONS_AT)));
    if count > snapshot_footer::SECTIONS_MAX {
        return Err(SnapshotFault::Field { offset: snapshot_footer::SECTIONS_AT });
    }
    let need = snapshot_footer::HEAD_BYTES + count * snapshot_footer::SECTION_BYTES + CHECKSUM_BYTES;
    if footer.len() != need {
        return Err(if footer.len() < need { SnapshotFault::Short } else { SnapshotFault::Long });
    }
    if u64_at(footer, need - CHECKSUM_BYTES) != checksum(&footer[..need - CHECKSUM_BYTES]) {
        return Err(SnapshotFault::Checksum);
    }
    let digest = array_at(footer, snapshot_footer::DIGEST_AT);
    // The totals have only one valid encoding, so the bytes are compared instead of the fields.
    if encode_footer(sections, frames, &digest) != footer {
        return Err(SnapshotFault::Totals);
    }
    Ok(digest)
}
