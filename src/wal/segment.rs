//! The two head blocks of a segment, and names of segment files. Frames are in `frame`.
//!
//! Block 0 (the header) is written and synced before the file gets its name, so a named segment with a bad header is always
//! damage. Block 1 (the opening) is written when the segment is taken into use; a crash may tear that write.

use uuid::Uuid;

use super::Durability;
use crate::storage::AlignedBuffer;
use crate::storage::checksum::checksum;
use crate::storage::layout::{self, BLOCK_BYTES, FORMAT_VERSION, header, opening};
use crate::storage::width::{array_at, is_zero, length32, put, u32_at, u64_at};

/// How segment files end.
pub const SEGMENT_SUFFIX: &str = ".segment";

/// The name of a segment: its sequence number in 16 digits, so that names sort as numbers do.
#[must_use]
pub fn segment_name(sequence: u64) -> String {
    format!("{sequence:016}{SEGMENT_SUFFIX}")
}

/// The sequence number in a segment's name; `None` for any other file.
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    // The last number of all is nobody's: each segment has a successor.
    let sequence = digits.parse().ok().filter(|sequence| *sequence < u64::MAX)?;
    (segment_name(sequence) == name).then_some(sequence)
}

/// What is wrong with a head block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// It is all zeros: never written.
    #[error("the block is empty")]
    Zero,
    /// It does not begin as such a block does.
    #[error("the block does not begin with the expected letters")]
    Magic,
    /// It was written by another version.
    #[error("the format version is {found}, this program reads {FORMAT_VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
    /// Its checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A field has a value that is never written.
    #[error("the field at byte {offset} has a value that is never written")]
    Field {
        /// Where.
        offset: usize,
    },
    /// The file ends before the block does.
    #[error("the file is too short")]
    Short,
}

/// Block 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log.
    pub log_uuid: Uuid,
    /// Its place in the row, from 1.
    pub sequence: u64,
    /// Drawn for each use of the file: no frame of an earlier use has it.
    pub salt: u64,
    /// The length of the file.
    pub segment_bytes: u64,
    /// When it was prepared.
    pub created_ms: u64,
}

/// Block 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentOpening {
    /// The salt of block 0.
    pub salt: u64,
    /// The epoch of all records in the segment.
    pub epoch: u64,
    /// The first position.
    pub first_position: u64,
    /// When frames of this segment are durable.
    pub durability: Durability,
    /// Where and why the predecessor ended.
    pub previous: PreviousEnd,
}

/// The end of a segment, as its successor records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousEnd {
    /// The segment; 0 when there is none.
    pub sequence: u64,
    /// The byte after its last valid frame.
    pub end_offset: u64,
    /// Its last position.
    pub last_position: u64,
    /// The checksum of its last frame, or of its opening when it has none.
    pub chain: u64,
    /// Why it ended there.
    pub reason: EndReason,
}

/// Why a segment, or the log, ended where it did. The numbers are on disk: append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// There is nothing before: the first segment of a new log.
    Start,
    /// It was full.
    Rotated,
    /// The server stopped and said so.
    CleanStop,
    /// The server stopped without saying so, after a whole frame.
    Crash,
    /// The server stopped in the middle of a write, whose frame was cut off.
    TornTail,
    /// There is nothing before: the directory was restored up to the position before.
    Restore,
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
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Start, Self::Rotated, Self::CleanStop, Self::Crash, Self::TornTail, Self::Restore]
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
    /// The block.
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

    /// Reads the block.
    pub fn decode(block: &[u8]) -> Result<Self, BlockFault> {
        // The version is looked at before the checksum: a later version may sum differently.
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
    /// The block, and its checksum: the `previous` of the first frame.
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

    /// Reads the block; answers its checksum too. `salt` is that of block 0.
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
