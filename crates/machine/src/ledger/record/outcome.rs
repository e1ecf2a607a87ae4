//! The record of an outcome, which is returned for a repeated id. It is found by id in its generation.

use super::{Section, id_of_words, id_words};
use crate::config::GENERATION_MS;
use crate::table::record_hash;
use stockhold_protocol::codec::{Fixed, Reader};
use stockhold_protocol::{BadField, Code, CommandId, Detail};

/// A recorded outcome, 32 bytes: id, 40 bits of fingerprint, code, op (48 bits), value. If the outcome has
/// a detail, its value and detail are in the generation's arena (the side bytes), and `value` is their
/// position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutcomeRow {
    pub(crate) id: [u64; 2],
    /// fingerprint 40 bits | op high 16 bits | side flag and code 8 bits.
    head: u64,
    /// value 32 bits | op low 32 bits.
    tail: u64,
}

const SIDE: u64 = 0x80;
const FINGERPRINT_40: u64 = (1 << 40) - 1;

impl OutcomeRow {
    pub(crate) fn new(id: CommandId, fingerprint: u64, code: u8, op: u64, value: u32, side: bool) -> Self {
        let side = if side { SIDE } else { 0 };
        let head = (fingerprint & FINGERPRINT_40) << 24 | (op >> 32 & 0xFFFF) << 8 | u64::from(code) | side;
        Self { id: id_words(id), head, tail: u64::from(value) << 32 | (op & 0xFFFF_FFFF) }
    }

    pub(crate) fn id(&self) -> CommandId {
        id_of_words(self.id)
    }

    pub(crate) const fn has_fingerprint(&self, fingerprint: u64) -> bool {
        self.head >> 24 == fingerprint & FINGERPRINT_40
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.head >> 24
    }

    pub(crate) fn code(&self) -> u8 {
        u8::try_from(self.head & 0x7F).unwrap_or(0)
    }

    pub(crate) const fn has_side(&self) -> bool {
        self.head & SIDE != 0
    }

    pub(crate) const fn op(&self) -> u64 {
        (self.head >> 8 & 0xFFFF) << 32 | (self.tail & 0xFFFF_FFFF)
    }

    pub(crate) fn value(&self) -> u32 {
        u32::try_from(self.tail >> 32).unwrap_or(0)
    }

    /// The bytes of the record with its side bytes, which replace their position in the arena.
    pub(crate) fn put(&self, side: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes(u16::try_from(side.len()).unwrap_or(u16::MAX)));
        out.extend_from_slice(side);
    }

    /// The hash of the record with its side bytes. `scratch` is overwritten if there are any.
    #[inline]
    pub(crate) fn hash(&self, side: &[u8], scratch: &mut Vec<u8>) -> u64 {
        if side.is_empty() {
            return record_hash(Section::Outcome as u8, &self.bytes(0));
        }
        scratch.clear();
        self.put(side, scratch);
        record_hash(Section::Outcome as u8, scratch)
    }

    fn bytes(&self, side_length: u16) -> [u8; 40] {
        let value = if self.has_side() { 0 } else { self.value() };
        let mut bytes = Fixed::new();
        bytes
            .put(self.id().to_bytes())
            .put(self.fingerprint().to_le_bytes())
            .put(self.op().to_le_bytes())
            .put(value.to_le_bytes())
            .put([self.code(), u8::from(self.has_side())])
            .put(side_length.to_le_bytes());
        bytes.done()
    }

    /// Reads a record and its side bytes. If there are side bytes, the caller must set the value to their
    /// position.
    pub(crate) fn get<'a>(reader: &mut Reader<'a>) -> Result<(Self, &'a [u8]), BadField> {
        let id = CommandId::from_bytes(reader.array("outcome.id")?);
        let fingerprint = reader.u64("outcome.fingerprint")?;
        let op = reader.u64("outcome.op")?;
        let value = reader.u32("outcome.value")?;
        let code = reader.u8("outcome.code")?;
        if !Code::from_number(code).is_some_and(Code::is_recordable) {
            return Err(BadField::new("outcome.code", "is not a known code of recorded outcomes"));
        }
        let side = match reader.u8("outcome.side")? {
            0 => false,
            1 => true,
            _ => return Err(BadField::new("outcome.side", "must be 0 or 1")),
        };
        let length = usize::from(reader.u16("outcome.side_length")?);
        let bytes = reader.take(length, "outcome.side")?;
        if side {
            read_side(bytes)?;
        } else if !bytes.is_empty() {
            return Err(BadField::new("outcome.side", "must be empty by the flag of the record"));
        }
        Ok((Self::new(id, fingerprint, code, op, value, side), bytes))
    }

    /// The same outcome with its side bytes at another position.
    pub(crate) fn with_side_position(self, position: u32) -> Self {
        Self { tail: u64::from(position) << 32 | (self.tail & 0xFFFF_FFFF), ..self }
    }
}

const _: () = assert!(size_of::<OutcomeRow>() == 32, "an outcome's fixed part is 32 bytes");

/// The generation of an id, which depends on the client's time in the id.
pub(crate) const fn generation_of(id: CommandId) -> u64 {
    id.client_time_ms() / GENERATION_MS
}

/// The value and the detail in side bytes. Side bytes always contain both.
pub(crate) fn read_side(side: &[u8]) -> Result<(u32, Detail), BadField> {
    let (value, detail) =
        side.split_first_chunk::<4>().ok_or(BadField::new("outcome.side", "must hold a value"))?;
    let detail = Detail::decode(detail)?;
    if detail == Detail::None {
        return Err(BadField::new("outcome.side", "must hold a detail"));
    }
    Ok((u32::from_le_bytes(*value), detail))
}
