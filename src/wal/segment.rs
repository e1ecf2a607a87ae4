//! The two head blocks of a segment and the names of segment files.
//!
//! Block 0 (the header) is written and synced before the file gets its name, so a segment with an invalid header is
//! always damaged. Block 1 (the opening) is written when the segment is taken into use, and a crash may tear that
//! write.

use uuid::Uuid;

use super::Durability;
use crate::storage::AlignedBuffer;
use crate::storage::checksum::checksum;
use crate::storage::layout::{self, BLOCK_BYTES, FORMAT_VERSION, header, opening};
use crate::storage::width::{array_at, is_zero, length32, put, u32_at, u64_at};

/// The extension of segment files.
pub const SEGMENT_SUFFIX: &str = ".segment";

/// The file name of a segment. Its sequence number has 16 digits, so that names sort like numbers.
#[must_use]
pub fn segment_name(sequence: u64) -> String {
    format!("{sequence:016}{SEGMENT_SUFFIX}")
}

/// The sequence number in a segment's name; `None` for any other file.
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    // The highest number is not valid, because each segment has a successor.
    let sequence = digits.parse().ok().filter(|sequence| *sequence < u64::MAX)?;
    (segment_name(sequence) == name).then_some(sequence)
}

/// Why a head block is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// It is all zeros, so it was never written.
    #[error("the block is empty")]
    Zero,
    /// It does not begin with the magic number.
    #[error("the block does not begin with the expected magic number")]
    Magic,
    /// It has another format version.
    #[error("the format version is {found}, this program reads {FORMAT_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// Its checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A field has a value that is never written.
    #[error("the field at byte {offset} has a value that is never written")]
    Field {
        /// The offset of the field.
        offset: usize,
    },
    /// The file is shorter than the block.
    #[error("the file is too short")]
    Short,
}

/// Block 0, the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The UUID of the log.
    pub log_uuid: Uuid,
    /// The sequence number of the segment, from 1.
    pub sequence: u64,
    /// Drawn for each use of the file, so no frame of an earlier use has it.
    pub salt: u64,
    /// The length of the file.
    pub segment_bytes: u64,
    /// When the segment was prepared.
    pub created_ms: u64,
}

/// Block 1, the opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOpening {
    /// The salt of block 0.
    pub salt: u64,
    /// The epoch of all records in the segment.
    pub epoch: u64,
    /// The position of the first record.
    pub first_position: u64,
    /// When frames of this segment become durable.
    pub durability: Durability,
    /// Where and why the predecessor ended.
    pub previous: PreviousEnd,
}

/// The end of a segment, as its successor records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousEnd {
    /// The sequence number of the segment; 0 if there is none.
    pub sequence: u64,
    /// The offset after its last valid frame.
    pub end_offset: u64,
    /// The position of its last record.
    pub last_position: u64,
    /// The checksum of its last frame, or of its opening if it has none.
    pub chain: u64,
    /// Why the segment ended there.
    pub reason: EndReason,
}

/// Why a segment or the log ended. The numbers are on disk, so they are append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// There is no predecessor: this is the first segment of a new log.
    Start,
    /// The segment was full.
    Rotated,
    /// The server stopped cleanly and wrote an end frame.
    CleanStop,
    /// The server stopped without an end frame, after a valid frame.
    Crash,
    /// The server stopped during a write, and a part of the frame is missing.
    TornTail,
    /// There is no predecessor: the directory was restored up to the position before.
    Restore,
    /// An operator has cut the log there. Frames of the segment may follow that are no part of it.
    Truncated,
}

impl EndReason {
    /// The number on disk.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Start => 0,
            Self::Rotated => 1,
            Self::CleanStop => 2,
            Self::Crash => 3,
            Self::TornTail => 4,
            Self::Restore => 5,
            Self::Truncated => 6,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [
            Self::Start,
            Self::Rotated,
            Self::CleanStop,
            Self::Crash,
            Self::TornTail,
            Self::Restore,
            Self::Truncated,
        ]
        .into_iter()
        .find(|reason| reason.code() == code)
    }
}

impl Durability {
    /// The number on disk.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Every => 1,
            Self::Interval => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Every, Self::Interval].into_iter().find(|durability| durability.code() == code)
    }
}

fn seal(mut block: AlignedBuffer) -> AlignedBuffer {
    let bytes = block.as_mut_slice();
    let sum = checksum(&bytes[..BLOCK_BYTES - layout::CHECKSUM_BYTES]);
    put(bytes, BLOCK_BYTES - layout::CHECKSUM_BYTES, &sum.to_le_bytes());
    block
}

fn check_block(block: &[u8], magic: &[u8], reserved_at: usize) -> Result<(), BlockFault> {
    let checksum_at = BLOCK_BYTES - layout::CHECKSUM_BYTES;
    if block.len() != BLOCK_BYTES {
        return Err(BlockFault::Short);
    }
    if is_zero(block) {
        return Err(BlockFault::Zero);
    }
    if !block.starts_with(magic) {
        return Err(BlockFault::Magic);
    }
    if u64_at(block, checksum_at) != checksum(&block[..checksum_at]) {
        return Err(BlockFault::Checksum);
    }
    if !is_zero(&block[reserved_at..checksum_at]) {
        return Err(BlockFault::Field { offset: reserved_at });
    }
    Ok(())
}

impl SegmentHeader {
    /// Encodes the block.
    #[must_use]
    pub fn encode(&self) -> AlignedBuffer {
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        let bytes = block.as_mut_slice();
        put(bytes, header::MAGIC_AT, &header::MAGIC);
        put(bytes, header::VERSION_AT, &FORMAT_VERSION.to_le_bytes());
        put(bytes, header::BLOCK_BYTES_AT, &length32(BLOCK_BYTES).to_le_bytes());
        put(bytes, header::UUID_AT, self.log_uuid.as_bytes());
        put(bytes, header::SEQUENCE_AT, &self.sequence.to_le_bytes());
        put(bytes, header::SALT_AT, &self.salt.to_le_bytes());
        put(bytes, header::SEGMENT_BYTES_AT, &self.segment_bytes.to_le_bytes());
        put(bytes, header::CREATED_MS_AT, &self.created_ms.to_le_bytes());
        seal(block)
    }

    /// Decodes the block.
    pub fn decode(block: &[u8]) -> Result<Self, BlockFault> {
        // The version is checked before the checksum, because a later version may use another checksum.
        if block.len() == BLOCK_BYTES && block.starts_with(&header::MAGIC) {
            let found = u32_at(block, header::VERSION_AT);
            if found != FORMAT_VERSION
                && u64_at(block, header::CHECKSUM_AT) == checksum(&block[..header::CHECKSUM_AT])
            {
                return Err(BlockFault::Version { found });
            }
        }
        check_block(block, &header::MAGIC, header::RESERVED_AT)?;
        if u32_at(block, header::BLOCK_BYTES_AT) != length32(BLOCK_BYTES) {
            return Err(BlockFault::Field { offset: header::BLOCK_BYTES_AT });
        }
        Ok(Self {
            log_uuid: Uuid::from_bytes(array_at(block, header::UUID_AT)),
            sequence: u64_at(block, header::SEQUENCE_AT),
            salt: u64_at(block, header::SALT_AT),
            segment_bytes: u64_at(block, header::SEGMENT_BYTES_AT),
            created_ms: u64_at(block, header::CREATED_MS_AT),
        })
    }
}

impl SegmentOpening {
    /// Encodes the block. Returns it with its checksum, which the first frame repeats.
    #[must_use]
    pub fn encode(&self) -> (AlignedBuffer, u64) {
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        let bytes = block.as_mut_slice();
        put(bytes, opening::MAGIC_AT, &opening::MAGIC);
        put(bytes, opening::SALT_AT, &self.salt.to_le_bytes());
        put(bytes, opening::EPOCH_AT, &self.epoch.to_le_bytes());
        put(bytes, opening::FIRST_POSITION_AT, &self.first_position.to_le_bytes());
        put(bytes, opening::DURABILITY_AT, &[self.durability.code()]);
        put(bytes, opening::PREVIOUS_REASON_AT, &[self.previous.reason.code()]);
        put(bytes, opening::PREVIOUS_SEQUENCE_AT, &self.previous.sequence.to_le_bytes());
        put(bytes, opening::PREVIOUS_END_AT, &self.previous.end_offset.to_le_bytes());
        put(bytes, opening::PREVIOUS_LAST_POSITION_AT, &self.previous.last_position.to_le_bytes());
        put(bytes, opening::PREVIOUS_CHAIN_AT, &self.previous.chain.to_le_bytes());
        let block = seal(block);
        let chain = u64_at(block.as_slice(), opening::CHECKSUM_AT);
        (block, chain)
    }

    /// Decodes the block. Returns it with its checksum. `salt` is the salt of block 0.
    pub fn decode(block: &[u8], salt: u64) -> Result<(Self, u64), BlockFault> {
        check_block(block, &opening::MAGIC, opening::RESERVED_AT)?;
        let durability = Durability::from_code(block[opening::DURABILITY_AT])
            .ok_or(BlockFault::Field { offset: opening::DURABILITY_AT })?;
        let reason = EndReason::from_code(block[opening::PREVIOUS_REASON_AT])
            .ok_or(BlockFault::Field { offset: opening::PREVIOUS_REASON_AT })?;
        if !is_zero(&block[opening::RESERVED_SMALL_AT..opening::PREVIOUS_SEQUENCE_AT]) {
            return Err(BlockFault::Field { offset: opening::RESERVED_SMALL_AT });
        }
        let decoded = Self {
            salt: u64_at(block, opening::SALT_AT),
            epoch: u64_at(block, opening::EPOCH_AT),
            first_position: u64_at(block, opening::FIRST_POSITION_AT),
            durability,
            previous: PreviousEnd {
                sequence: u64_at(block, opening::PREVIOUS_SEQUENCE_AT),
                end_offset: u64_at(block, opening::PREVIOUS_END_AT),
                last_position: u64_at(block, opening::PREVIOUS_LAST_POSITION_AT),
                chain: u64_at(block, opening::PREVIOUS_CHAIN_AT),
                reason,
            },
        };
        if decoded.salt != salt {
            return Err(BlockFault::Field { offset: opening::SALT_AT });
        }
        Ok((decoded, u64_at(block, opening::CHECKSUM_AT)))
    }
}
