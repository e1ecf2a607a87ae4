//! The bytes of one frame: a head of 64 bytes, a payload, and zeros up to a whole block. A frame must match its
//! [`FramePlacement`] in the segment.

use crate::storage::AlignedBuffer;
use crate::storage::checksum::checksum;
use crate::storage::layout::{BLOCK_BYTES, PAYLOAD_BYTES_MAX, frame};
use crate::storage::width::{index, is_zero, length, length32, put, u32_at, u64_at};

/// The kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The frame contains a batch.
    Batch,
    /// The server stopped cleanly after this frame. It has no payload.
    End,
}

impl FrameKind {
    /// The number on disk.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Batch => 1,
            Self::End => 2,
        }
    }
}

/// Why a frame is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The block is all zeros, as in a new segment.
    #[error("the block is empty")]
    Zero,
    /// The block has no frame head of the current use of this segment. It may hold garbage, a stale frame or a torn
    /// one.
    #[error("the block has no frame head of this segment")]
    Head,
    /// The head is valid but belongs to another place in the segment.
    #[error("the frame head belongs to block {block}")]
    Place {
        /// The block number in the head.
        block: u32,
    },
    /// The head is intact, but a field has a value that is never written.
    #[error("the field at byte {offset} of the frame has a value that is never written")]
    Field {
        /// The offset of the field in the head.
        offset: usize,
    },
    /// The head is valid, but the payload is not.
    #[error("the payload does not match its checksum")]
    Body,
    /// The frame is valid, but does not begin with the next position.
    #[error("the frame begins with position {found}, expected {expected}")]
    Position {
        /// The position in the head.
        found: u64,
        /// The position that was expected.
        expected: u64,
    },
    /// The frame is valid, but does not follow the frame before it.
    #[error("the frame does not follow the one before it")]
    Chain,
    /// The frame is longer than the rest of the segment.
    #[error("the frame is longer than the rest of the segment")]
    Length,
}

impl FrameFault {
    /// Whether a write that a crash interrupted may look like this. An intact head with a wrong field may not.
    #[must_use]
    pub fn may_be_torn(self) -> bool {
        match self {
            Self::Zero | Self::Head | Self::Body => true,
            Self::Place { .. } | Self::Field { .. } | Self::Position { .. } | Self::Chain | Self::Length => {
                false
            }
        }
    }
}

/// Where a frame is and which frame it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlacement {
    /// The salt of the segment.
    pub salt: u64,
    /// The number of the block in the segment.
    pub block: u32,
    /// The position of the first record.
    pub first_position: u64,
    /// The checksum of the frame before it, or of the opening.
    pub previous: u64,
    /// All blocks below this one were durable when this frame was written.
    pub synced_block: u32,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Whether it is a batch or an end frame.
    pub kind: FrameKind,
    /// The placement that the head records.
    pub placement: FramePlacement,
    /// The number of records.
    pub records: u32,
    /// The length of the payload in bytes.
    pub payload_bytes: u32,
    /// The checksum of payload and padding.
    pub body_checksum: u64,
    /// The checksum of the head, which the next frame repeats.
    pub checksum: u64,
}

impl FrameHead {
    /// Decodes a head of the segment with this salt. `bytes` is at least one block.
    pub fn decode(bytes: &[u8], salt: u64) -> Result<Self, FrameFault> {
        let head = &bytes[..frame::HEAD_BYTES];
        if !head.starts_with(&frame::MAGIC) {
            return Err(if is_zero(&bytes[..BLOCK_BYTES]) { FrameFault::Zero } else { FrameFault::Head });
        }
        let checksum_found = u64_at(head, frame::CHECKSUM_AT);
        if u64_at(head, frame::SALT_AT) != salt || checksum_found != checksum(&head[..frame::CHECKSUM_AT]) {
            return Err(FrameFault::Head);
        }
        let kind =
            [FrameKind::Batch, FrameKind::End].into_iter().find(|kind| kind.code() == head[frame::KIND_AT]);
        let Some(kind) = kind else { return Err(FrameFault::Field { offset: frame::KIND_AT }) };
        if !is_zero(&head[frame::RESERVED_AT..frame::SALT_AT]) {
            return Err(FrameFault::Field { offset: frame::RESERVED_AT });
        }
        let decoded = Self {
            kind,
            placement: FramePlacement {
                salt,
                block: u32_at(head, frame::BLOCK_AT),
                first_position: u64_at(head, frame::FIRST_POSITION_AT),
                previous: u64_at(head, frame::PREVIOUS_AT),
                synced_block: u32_at(head, frame::SYNCED_BLOCK_AT),
            },
            records: u32_at(head, frame::RECORDS_AT),
            payload_bytes: u32_at(head, frame::PAYLOAD_BYTES_AT),
            body_checksum: u64_at(head, frame::BODY_CHECKSUM_AT),
            checksum: checksum_found,
        };
        decoded.check_fields()?;
        Ok(decoded)
    }

    fn check_fields(&self) -> Result<(), FrameFault> {
        if index(u64::from(self.payload_bytes)) > PAYLOAD_BYTES_MAX {
            return Err(FrameFault::Field { offset: frame::PAYLOAD_BYTES_AT });
        }
        let records_fit = match self.kind {
            FrameKind::Batch => self.records > 0,
            FrameKind::End => self.records == 0 && self.payload_bytes == 0,
        };
        if !records_fit {
            return Err(FrameFault::Field { offset: frame::RECORDS_AT });
        }
        if self.placement.first_position.checked_add(u64::from(self.records)).is_none() {
            return Err(FrameFault::Field { offset: frame::FIRST_POSITION_AT });
        }
        if self.placement.synced_block > self.placement.block {
            return Err(FrameFault::Field { offset: frame::SYNCED_BLOCK_AT });
        }
        Ok(())
    }

    /// The length of the frame, including padding.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(index(u64::from(self.payload_bytes)))
    }

    /// The payload within the bytes of the whole frame.
    #[must_use]
    pub fn payload_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[frame::HEAD_BYTES..frame::HEAD_BYTES + index(u64::from(self.payload_bytes))]
    }

    /// Checks payload and padding. `bytes` is the whole frame.
    pub fn check_body(&self, bytes: &[u8]) -> Result<(), FrameFault> {
        let padding_at = frame::HEAD_BYTES + index(u64::from(self.payload_bytes));
        if checksum(&bytes[frame::HEAD_BYTES..]) != self.body_checksum || !is_zero(&bytes[padding_at..]) {
            return Err(FrameFault::Body);
        }
        Ok(())
    }
}

/// The length of a frame whose payload has `payload_bytes` bytes.
#[must_use]
pub fn frame_bytes(payload_bytes: usize) -> usize {
    (frame::HEAD_BYTES + payload_bytes).next_multiple_of(BLOCK_BYTES)
}

/// A buffer for a batch. It reserves space for the head, so that the frame is written without a copy.
#[derive(Debug)]
pub struct FrameBuffer {
    buffer: AlignedBuffer,
    payload_bytes_max: usize,
}

impl FrameBuffer {
    /// An empty buffer for payloads up to `payload_bytes_max`, which is at most [`PAYLOAD_BYTES_MAX`].
    #[must_use]
    pub fn new(payload_bytes_max: usize) -> Self {
        assert!(payload_bytes_max <= PAYLOAD_BYTES_MAX, "the format limits the length of a payload");
        let mut buffer = AlignedBuffer::with_capacity(frame_bytes(payload_bytes_max));
        buffer.resize(frame::HEAD_BYTES);
        Self { buffer, payload_bytes_max }
    }

    /// Removes the payload.
    pub fn clear(&mut self) {
        self.buffer.resize(frame::HEAD_BYTES);
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_slice()[frame::HEAD_BYTES..]
    }

    /// The payload, for changes in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.as_mut_slice()[frame::HEAD_BYTES..]
    }

    /// The length of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - frame::HEAD_BYTES
    }

    /// Whether the payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more bytes fit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.payload_bytes_max - self.len()
    }

    /// Appends bytes to the payload. They must fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.remaining(), "the caller asked how much remains");
        self.buffer.extend_from_slice(bytes);
    }

    /// Truncates the payload to `payload_bytes`.
    pub fn truncate(&mut self, payload_bytes: usize) {
        assert!(payload_bytes <= self.len(), "truncating never grows");
        self.buffer.resize(frame::HEAD_BYTES + payload_bytes);
    }

    /// Lets an encoder append to the payload as a vector. The vector already contains the frame, so the encoder must
    /// only append, and at most [`FrameBuffer::remaining`] bytes.
    pub fn append_with<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let result = self.buffer.append_with(encode);
        assert!(self.len() <= self.payload_bytes_max, "an encoder adds no more than remains");
        result
    }

    /// The length that the frame will have on disk.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(self.len())
    }

    /// Fills in head and padding in place. Returns the bytes to write and the checksum that the next frame repeats.
    pub(crate) fn seal(&mut self, kind: FrameKind, records: u32, placement: &FramePlacement) -> (&[u8], u64) {
        let payload_bytes = self.len();
        self.buffer.resize(frame_bytes(payload_bytes));
        let bytes = self.buffer.as_mut_slice();
        let body = checksum(&bytes[frame::HEAD_BYTES..]);
        let head = &mut bytes[..frame::HEAD_BYTES];
        head.fill(0);
        put(head, frame::MAGIC_AT, &frame::MAGIC);
        put(head, frame::KIND_AT, &[kind.code()]);
        put(head, frame::SALT_AT, &placement.salt.to_le_bytes());
        put(head, frame::FIRST_POSITION_AT, &placement.first_position.to_le_bytes());
        put(head, frame::RECORDS_AT, &records.to_le_bytes());
        put(head, frame::PAYLOAD_BYTES_AT, &length32(payload_bytes).to_le_bytes());
        put(head, frame::BLOCK_AT, &placement.block.to_le_bytes());
        put(head, frame::SYNCED_BLOCK_AT, &placement.synced_block.to_le_bytes());
        put(head, frame::PREVIOUS_AT, &placement.previous.to_le_bytes());
        put(head, frame::BODY_CHECKSUM_AT, &body.to_le_bytes());
        let chain = checksum(&head[..frame::CHECKSUM_AT]);
        put(head, frame::CHECKSUM_AT, &chain.to_le_bytes());
        (self.buffer.as_slice(), chain)
    }

    /// Removes the padding, so that the payload is as the caller left it.
    pub(crate) fn unseal(&mut self, payload_bytes: usize) {
        self.buffer.resize(frame::HEAD_BYTES + payload_bytes);
    }
}

/// The number of the block at `offset`.
#[must_use]
pub fn block_at(offset: u64) -> u32 {
    length32(index(offset / length(BLOCK_BYTES)))
}
