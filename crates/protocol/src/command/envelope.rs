//! The record of one command: its header, and the way from bytes to a [`Command`] and back.
//!
//! Header, little-endian: length u16 (of the whole record), kind u8, flags u8, id 16 bytes in RFC order.

use super::{Command, Kind, body};
use crate::codec::Reader;
use crate::error::{BadField, FrameError};
use crate::id::CommandId;
use crate::limits::{COMMAND_BYTES_MAX, COMMAND_HEADER_BYTES};

/// Flag of every kind: the client has never sent this id before. It is cleared before the record is
/// logged and does not count when a repeated id is compared.
pub const FLAG_FRESH: u8 = 1 << 7;

/// Where the flags byte stands in a record.
pub const FLAGS_OFFSET: usize = 3;

/// A command with its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The client-made id; [`CommandId::NONE`] only for commands that servers make.
    pub id: CommandId,
    /// Whether the client marks the id as never sent before.
    pub fresh: bool,
    /// What to do.
    pub command: Command<'a>,
}

/// The length of the record at the start of `bytes`, header included.
///
/// # Errors
/// [`FrameError::Body`] when the length field cannot be right: then the rest of the frame is unreadable.
pub fn record_length(bytes: &[u8]) -> Result<usize, FrameError> {
    let Some(length) = bytes.first_chunk::<2>().map(|field| usize::from(u16::from_le_bytes(*field))) else {
        return Err(FrameError::Body("a command record is cut off inside its length"));
    };
    if length < COMMAND_HEADER_BYTES {
        return Err(FrameError::Body("a command record claims to be shorter than its header"));
    }
    if length > COMMAND_BYTES_MAX {
        return Err(FrameError::Body("a command record claims to be longer than 16 KiB"));
    }
    if length > bytes.len() {
        return Err(FrameError::Body("a command record claims to be longer than what is left of the frame"));
    }
    Ok(length)
}

const WRONG_LENGTH: BadField = BadField::new("length", "must be the length of the whole record");

/// Names the first field that a record too short for its header lacks.
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

impl<'a> Envelope<'a> {
    /// A command under an id that was used before or may have been.
    #[must_use]
    pub const fn new(id: CommandId, command: Command<'a>) -> Self {
        Self { id, fresh: false, command }
    }

    /// Reads one record, whose length [`record_length`] has told: its length field must agree with `record`.
    ///
    /// # Errors
    /// [`BadField`] names the field and the rule; the id can still be read by [`Envelope::id_of`].
    pub fn decode(record: &'a [u8]) -> Result<Self, BadField> {
        let Some((header, rest)) = record.split_first_chunk::<COMMAND_HEADER_BYTES>() else {
            return Err(cut_header(record));
        };
        let [low, high, kind, flags, id @ ..] = *header;
        if usize::from(u16::from_le_bytes([low, high])) != record.len() {
            return Err(WRONG_LENGTH);
        }
        let kind =
            Kind::from_code(kind).ok_or(BadField::new("kind", "must be a command kind of PROTOCOL.md"))?;
        let id = CommandId::from_bytes(id);
        let id = if kind.is_of_servers() { id } else { CommandId::new(id.value())? };
        let reader = Reader::new(rest);
        let command = body::decode(kind, flags & !FLAG_FRESH, reader)?;
        Ok(Self { id, fresh: flags & FLAG_FRESH != 0, command })
    }

    /// The id of a record whose body may be bad.
    #[must_use]
    pub fn id_of(record: &[u8]) -> Option<CommandId> {
        record.get(4..)?.first_chunk::<16>().map(|bytes| CommandId::from_bytes(*bytes))
    }

    /// Appends the record. The bytes decode to an equal envelope, or an error says why they could not.
    ///
    /// # Errors
    /// [`BadField`] when a field breaks a rule of the wire; `out` is left as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        let start = out.len();
        let fresh = if self.fresh { FLAG_FRESH } else { 0 };
        out.extend_from_slice(&[0, 0, self.command.kind().code(), fresh]);
        out.extend_from_slice(&self.id.to_bytes());
        let result = body::encode(&self.command, out).and_then(|flags| {
            let length = out.len() - start;
            match u16::try_from(length) {
                Ok(length) if usize::from(length) <= COMMAND_BYTES_MAX => Ok((length, flags)),
                Ok(_) | Err(_) => Err(BadField::new("length", "must not exceed 16 KiB for one command")),
            }
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
