//! The record of one command: its header, and the conversion between bytes and a [`Command`].
//!
//! The header is little-endian: length u16 (of the whole record), kind u8, flags u8, id 16 bytes in RFC order. If a
//! flag is set, the 16-byte hash of a key follows before the body.

use super::{Command, Kind, body};
use crate::codec::Reader;
use crate::error::{BadField, FrameError};
use crate::id::CommandId;
use crate::limits::COMMAND_HEADER_BYTES;

/// A flag of every kind: the client has never sent this id before. It is cleared before the record is logged, and
/// ignored when a repeated id is compared.
pub const FLAG_FRESH: u8 = 1 << 7;

/// A flag of every kind that has an id: the hash of a key follows the header. It is ignored when a repeated id is
/// compared.
pub const FLAG_HAS_KEY: u8 = 1 << 6;

/// The offset of the kind byte in a record.
pub(super) const KIND_OFFSET: usize = 2;

/// The offset of the flags byte in a record.
pub const FLAGS_OFFSET: usize = 3;

/// The hash of the idempotency key of an HTTP caller. Servers compute it. It is borrowed, so that commands without a
/// key, which are the vast majority, do not grow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyHash<'a>(pub &'a [u8; 16]);

/// A command with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The client-made id. It is [`CommandId::NONE`] only for commands that servers make.
    pub id: CommandId,
    /// Whether the client marks the id as never sent before.
    pub fresh: bool,
    /// The idempotency key, if the command came with one.
    pub key: Option<KeyHash<'a>>,
    /// The command.
    pub command: Command<'a>,
}

/// The length of the record at the start of `bytes`, header included.
///
/// # Errors
/// [`FrameError::Body`] when the length field is invalid. The rest of the frame is then unreadable.
pub fn record_length(bytes: &[u8]) -> Result<usize, FrameError> {
    let Some(length) = bytes.first_chunk::<2>().map(|field| usize::from(u16::from_le_bytes(*field))) else {
        return Err(FrameError::Body("a command record is cut off inside its length"));
    };
    if length < COMMAND_HEADER_BYTES {
        return Err(FrameError::Body("a command record claims to be shorter than its header"));
    }
    if length > bytes.len() {
        return Err(FrameError::Body("a command record claims to be longer than what is left of the frame"));
    }
    Ok(length)
}

const WRONG_LENGTH: BadField = BadField::new("length", "must be the length of the whole record");

/// Names the first header field that a short record lacks.
#[cold]
fn cut_header(record: &[u8]) -> BadField {
    let mut reader = Reader::new(record);
    let length = match reader.u16("length") {
        Ok(length) => usize::from(length),
        Err(error) => return error,
    };
    if length != record.len() {
        return WRONG_LENGTH;
    }
    let fields = reader.u8("kind").and_then(|_| reader.u8("flags")).and_then(|_| reader.array::<16>("id"));
    fields.err().unwrap_or(WRONG_LENGTH)
}

/// A key identifies a request of a caller. Commands that servers make have none.
fn check_key(kind: Kind) -> Result<(), BadField> {
    if kind.is_of_servers() {
        return Err(BadField::new("key", "must not stand in a command that servers make"));
    }
    Ok(())
}

impl<'a> Envelope<'a> {
    /// A command under an id that was used before or may have been.
    #[must_use]
    pub const fn new(id: CommandId, command: Command<'a>) -> Self {
        Self { id, fresh: false, key: None, command }
    }

    /// A command under an id that has never been sent.
    #[must_use]
    pub const fn fresh(id: CommandId, command: Command<'a>) -> Self {
        Self { id, fresh: true, key: None, command }
    }

    /// Decodes one record. Its length field must agree with the length of `record`, which [`record_length`] returned.
    ///
    /// # Errors
    /// [`BadField`] names the field and the rule. The id can still be read by [`Envelope::id_of`].
    pub fn decode(record: &'a [u8]) -> Result<Self, BadField> {
        let Some((header, rest)) = record.split_first_chunk::<COMMAND_HEADER_BYTES>() else {
            return Err(cut_header(record));
        };
        let [low, high, kind, flags, id @ ..] = *header;
        if usize::from(u16::from_le_bytes([low, high])) != record.len() {
            return Err(WRONG_LENGTH);
        }
        let id = CommandId::from_bytes(id);
        if kind == Kind::Reserve.code() && flags & !(FLAG_FRESH | body::RESERVE_FLAGS) == 0 {
            let id = CommandId::new(id.value())?;
            let reserve = body::decode_reserve(flags, Reader::new(rest))?;
            return Ok(Self {
                id,
                fresh: flags & FLAG_FRESH != 0,
                key: None,
                command: Command::Reserve(reserve),
            });
        }
        Self::decode_other(kind, flags, id, Reader::new(rest))
    }

    /// Decodes any record that is not a reserve without a key. It stays apart, so that the number of kinds does not matter to a reserve.
    #[inline(never)]
    fn decode_other(kind: u8, flags: u8, id: CommandId, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let kind = Kind::from_code(kind).ok_or(BadField::new("kind", "is not a known kind"))?;
        let id = if kind.is_of_servers() { id } else { CommandId::new(id.value())? };
        let mut key = None;
        if flags & FLAG_HAS_KEY != 0 {
            check_key(kind)?;
            key = Some(KeyHash(reader.array_ref("key")?));
        }
        let command = Command::decode_body(kind, flags & !(FLAG_FRESH | FLAG_HAS_KEY), reader)?;
        Ok(Self { id, fresh: flags & FLAG_FRESH != 0, key, command })
    }

    /// The id of a record whose body may be invalid.
    #[must_use]
    pub fn id_of(record: &[u8]) -> Option<CommandId> {
        record.get(4..)?.first_chunk::<16>().map(|bytes| CommandId::from_bytes(*bytes))
    }

    /// Appends the record. The bytes decode to an equal envelope.
    ///
    /// # Errors
    /// [`BadField`] when a field violates a rule of the protocol; `out` is then unchanged.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        let start = out.len();
        let kind = self.command.kind();
        let mut flags = if self.fresh { FLAG_FRESH } else { 0 };
        if self.key.is_some() {
            check_key(kind)?;
            flags |= FLAG_HAS_KEY;
        }
        out.extend_from_slice(&[0, 0, kind.code(), flags]);
        out.extend_from_slice(&self.id.to_bytes());
        if let Some(KeyHash(key)) = &self.key {
            out.extend_from_slice(*key);
        }
        let result = self.command.encode_body(out).and_then(|flags| {
            let length = out.len() - start;
            let length = u16::try_from(length)
                .map_err(|_| BadField::new("length", "must not exceed 65,535 bytes for one command"))?;
            Ok((length, flags))
        });
        match result {
            Ok((length, flags)) => {
                out[start..start + 2].copy_from_slice(&length.to_le_bytes());
                out[start + FLAGS_OFFSET] |= flags;
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}
