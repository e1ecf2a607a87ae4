//! One frame: a head of 64 bytes, a payload, zeros up to a whole block. This file knows the bytes of a frame and nothing of the
//! segment around it, beyond the [`FramePlacement`] that the frame must match.

use crate::storage::AlignedBuffer;
use crate::storage::checksum::checksum;
use crate::storage::layout::{BLOCK_BYTES, PAYLOAD_BYTES_MAX, frame};
use crate::storage::width::{index, is_zero, length, length32, put, u32_at, u64_at};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// It holds a batch.
    Batch,
    /// It holds nothing: the server stopped here in good order.
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

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The block is all zeros, as in a fresh segment.
    #[error("the block is empty")]
    Zero,
    /// There is no head of a frame of this segment's present use here: garbage, a stale frame, or a torn one.
    #[error("there is no frame head of this segment here")]
    Head,
    /// The head is whole, but says that it belongs elsewhere in the segment.
    #[error("the frame says that it stands in block {block}")]
    Place {
        /// The block by the head.
        block: u32,
    },
    /// The head is whole, but a field has a value that is never written.
    #[error("the field at byte {offset} of the frame has a value that is never written")]
    Field {
        /// Where in the head.
        offset: usize,
    },
    /// The head is whole and the payload is not.
    #[error("the payload does not match its checksum")]
    Body,
    /// A whole frame with another position than the next.
    #[error("the frame begins with position {found}, expected {expected}")]
    Position {
        /// The position by the head.
        found: u64,
        /// The next position.
        expected: u64,
    },
    /// A whole frame that does not follow the frame before it.
    #[error("the frame does not follow the one before it")]
    Chain,
    /// The segment ends before the frame does.
    #[error("the frame is longer than the rest of the segment")]
    Length,
}

impl FrameFault {
    /// Whether a write that was cut off by a crash may look like this. A head that is whole and wrong may not.
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

/// Where a frame stands and what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlacement {
    /// The salt of the segment.
    pub salt: u64,
    /// The block in the segment.
    pub block: u32,
    /// The first position.
    pub first_position: u64,
    /// The checksum of the frame before, or of the opening.
    pub previous: u64,
    /// All blocks below this one were durable before this frame was written.
    pub synced_block: u32,
}

/// A whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Batch or end.
    pub kind: FrameKind,
    /// The place it claims.
    pub placement: FramePlacement,
    /// The number of records.
    pub records: u32,
    /// The length of the payload.
    pub payload_bytes: u32,
    /// The checksum over payload and padding.
    pub body_checksum: u64,
    /// The checksum over the head: what the next frame repeats.
    pub checksum: u64,
}

impl FrameHead {
    /// Reads a head that belongs to the segment with this salt; `bytes` is at least one block.
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

    /// The length of the frame with its padding.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(index(u64::from(self.payload_bytes)))
    }

    /// The payload in the bytes of the whole frame.
    #[must_use]
    pub fn payload_of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[frame::HEAD_BYTES..frame::HEAD_BYTES + index(u64::from(self.payload_bytes))]
    }

    /// Checks payload and padding; `bytes` is the whole frame.
    pub fn check_body(&self, bytes: &[u8]) -> Result<(), FrameFault> {
        let padding_at = frame::HEAD_BYTES + index(u64::from(self.payload_bytes));
        if checksum(&bytes[frame::HEAD_BYTES..]) != self.body_checksum || !is_zero(&bytes[padding_at..]) {
            return Err(FrameFault::Body);
        }
        Ok(())
    }
}

/// The length of a frame with a payload of `payload_bytes`.
#[must_use]
pub fn frame_bytes(payload_bytes: usize) -> usize {
    (frame::HEAD_BYTES + payload_bytes).next_multiple_of(BLOCK_BYTES)
}

/// Where a batch is built, with room for its head in front, so that the write takes it as it is.
#[derive(Debug)]
pub struct FrameBuffer {
    buffer: AlignedBuffer,
    payload_bytes_max: usize,
}

impl FrameBuffer {
    /// An empty buffer for payloads up to `payload_bytes_max`, at most [`PAYLOAD_BYTES_MAX`].
    #[must_use]
    pub fn new(payload_bytes_max: usize) -> Self {
        assert!(payload_bytes_max <= PAYLOAD_BYTES_MAX, "the format bounds a payload");
        let mut buffer = AlignedBuffer::with_capacity(frame_bytes(payload_bytes_max));
        buffer.resize(frame::HEAD_BYTES);
        Self { buffer, payload_bytes_max }
    }

    /// Forgets the payload.
    pub fn clear(&mut self) {
        self.buffer.resize(frame::HEAD_BYTES);
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.buffer.as_slice()[frame::HEAD_BYTES..]
    }

    /// The payload, to change in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.buffer.as_mut_slice()[frame::HEAD_BYTES..]
    }

    /// The length of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - frame::HEAD_BYTES
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more bytes fit.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.payload_bytes_max - self.len()
    }

    /// Adds bytes to the payload; they must fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.remaining(), "the caller asked how much remains");
        self.buffer.extend_from_slice(bytes);
    }

    /// Cuts the payload back to `payload_bytes`, to take back what was added last.
    pub fn truncate(&mut self, payload_bytes: usize) {
        assert!(payload_bytes <= self.len(), "truncating never grows");
        self.buffer.resize(frame::HEAD_BYTES + payload_bytes);
    }

    /// Lets an encoder that writes to a vector add to the payload. What the vector already holds belongs to the frame: the encoder
    /// must only add, and no more than [`FrameBuffer::remaining`].
    pub fn append_with<T>(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let answer = self.buffer.append_with(encode);
        assert!(self.len() <= self.payload_bytes_max, "an encoder adds no more than remains");
        answer
    }

    /// The length that the frame will have on disk.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(self.len())
    }

    /// Fills in the head and the padding, in place, and gives the bytes to write and the checksum that the next frame repeats.
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

    /// Takes the padding off again, so that the payload is as the caller left it.
    pub(crate) fn unseal(&mut self, payload_bytes: usize) {
        self.buffer.resize(frame::HEAD_BYTES + payload_bytes);
    }
}

/// The number of a block that begins at `offset`.
#[must_use]
pub fn block_at(offset: u64) -> u32 {
    length32(index(offset / length(BLOCK_BYTES)))
}
