//! The payload of one log frame: a batch of command records, free of positions.
//!
//! Layout, little-endian: version u16 (1), rules u16, count u32, writer u64, session u64, number
//! u64, proposed time u64, applied op u64, applied digest u64 (the writer's own, for comparing machines;
//! 0 when unknown), then the records. The log gives the position: the first command's op.

use crate::codec::Reader;
use crate::command::record_length;
use crate::error::BadField;
use crate::time::Timestamp;

/// Bytes in front of the records.
pub const BATCH_HEADER_BYTES: usize = 56;
/// The version of this layout.
pub const BATCH_VERSION: u16 = 1;

/// What the writer says of its batch. A machine skips a number that it has applied, and refuses a gap, an older session
/// of a writer, and other rules than those in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// The version of the rules by which its writer decides.
    pub rules: u16,
    /// How many records follow.
    pub count: u32,
    /// Who wrote it.
    pub writer: u64,
    /// The writer's session; larger after each start.
    pub session: u64,
    /// 1 for the first batch of a session, then one more each.
    pub number: u64,
    /// The time that the writer proposes; an op's time is max(last, proposed).
    pub proposed: Timestamp,
    /// The op that the writer had applied when it wrote.
    pub applied_op: u64,
    /// The digest of its state at that op, or 0.
    pub applied_digest: u64,
}

impl BatchHeader {
    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[0..2].copy_from_slice(&BATCH_VERSION.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.rules.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        let words =
            [self.writer, self.session, self.number, self.proposed.0, self.applied_op, self.applied_digest];
        for (at, word) in words.into_iter().enumerate() {
            bytes[8 + at * 8..16 + at * 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// A batch as it stands in the log.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The writer's words.
    pub header: BatchHeader,
    records: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a payload; the records are walked later.
    ///
    /// # Errors
    /// [`BadField`] when the header is cut off or of another version.
    pub fn decode(payload: &'a [u8]) -> Result<Self, BadField> {
        let mut reader = Reader::new(payload);
        if reader.u16("batch.version")? != BATCH_VERSION {
            return Err(BadField::new("batch.version", "is not one that this program reads"));
        }
        let header = BatchHeader {
            rules: reader.u16("batch.rules")?,
            count: reader.u32("batch.count")?,
            writer: reader.u64("batch.writer")?,
            session: reader.u64("batch.session")?,
            number: reader.u64("batch.number")?,
            proposed: Timestamp(reader.u64("batch.proposed")?),
            applied_op: reader.u64("batch.applied_op")?,
            applied_digest: reader.u64("batch.applied_digest")?,
        };
        Ok(Self { header, records: reader.rest() })
    }

    /// The records one after the other; an error ends the walk.
    pub fn records(&self) -> impl Iterator<Item = Result<&'a [u8], BadField>> + use<'a> {
        split_records(self.records)
    }
}

/// Walks concatenated command records; an unreadable length ends the walk with an error.
pub fn split_records(bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], BadField>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (record, tail) = if let Ok(length) = record_length(rest) {
            rest.split_at(length)
        } else {
            rest = &[];
            return Some(Err(BadField::new("batch.records", "hold a record whose length cannot be right")));
        };
        rest = tail;
        Some(Ok(record))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back() {
        // Proves that every field has its own place.
        let header = BatchHeader {
            rules: 8,
            count: 1,
            writer: 2,
            session: 3,
            number: 4,
            proposed: Timestamp(5),
            applied_op: 6,
            applied_digest: 7,
        };
        let batch = Batch::decode(&header.to_bytes()).map(|batch| batch.header);
        assert_eq!(batch, Ok(header));
        assert!(Batch::decode(&header.to_bytes()[..55]).is_err());
    }
}
