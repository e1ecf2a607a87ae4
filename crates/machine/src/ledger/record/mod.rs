//! The records of the state. Those of the tables are small and of fixed size, except SKUs. Each defines its own bytes.
//!
//! The bytes are stored in snapshots and hashed for the digest (FORMAT.md, "Snapshot records"). They refer
//! to other records by id and never by slot, because slots are different in each process. Fields that only
//! say where something is in memory are not part of the bytes.

mod catalog;
mod goods;
mod note;
mod notify;
mod order;
mod order_event;
mod outcome;
mod reservation;
mod table;
mod unreserved;
mod varint;

pub(crate) use catalog::{ALL_STOCKS, SettingsRow, SkuRow};
pub(crate) use goods::{ItemRow, NO_QUOTA, PositionRow};
pub(crate) use note::{NOTE_BYTES, NoteKind, NoteRow, Shipment};
pub(crate) use notify::{INHERITED, NotifyRow};
pub(crate) use order::{EVENT_BYTES_MAX, OrderPartRow, OrderRow, PART_BYTES, order_key};
pub(crate) use order_event::{
    Booking, EventHead, Events, OrderLine, OrderSums, ReportedState, Total, Totals, body_of, event_bytes_max,
};
pub(crate) use outcome::{OutcomeRow, generation_of, read_side};
pub(crate) use reservation::{Grant, LineRow, LineState, ReservationRow, Stage};
pub use table::Section;
pub(crate) use table::{CatalogSection, Content, TableSection, each_table, record_table};
pub(crate) use unreserved::{NO_ORDER, UnreservedRow};

use crate::table::record_hash;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::fields::{FieldReader, FieldWriter, Unknown, decode_fields_with, encode_fields_with};
use stockhold_protocol::{BadField, CommandId};

/// A record of the state that defines its bytes.
pub(crate) trait Record: Sized {
    /// The section of a snapshot that contains it.
    const SECTION: Section;

    /// Appends its bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one record.
    fn get(reader: &mut Reader<'_>) -> Result<Self, BadField>;

    /// Its part of the digest.
    fn hash(&self, scratch: &mut Vec<u8>) -> u64 {
        scratch.clear();
        self.put(scratch);
        record_hash(Self::SECTION as u8, scratch)
    }
}

/// Appends a tagged record with its length (u32) in front. `kept` are fields of a later release, which have
/// higher numbers.
pub(crate) fn put_counted(
    out: &mut Vec<u8>,
    kept: &[u8],
    put: impl FnOnce(&mut FieldWriter<'_>) -> Result<(), BadField>,
) {
    let at = out.len();
    out.extend_from_slice(&[0; size_of::<u32>()]);
    let start = out.len();
    let encoded = encode_fields_with(out, put);
    assert!(encoded.is_ok(), "the records of the state are bounded and always encode");
    out.extend_from_slice(kept);
    let length = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX);
    out[at..start].copy_from_slice(&length.to_le_bytes());
}

/// Reads a tagged record with its length in front. Also returns the fields that this program does not know.
pub(crate) fn get_counted<'a, T>(
    reader: &mut Reader<'a>,
    get: impl FnOnce(&mut FieldReader<'a>) -> Result<T, BadField>,
) -> Result<(T, Vec<u8>), BadField> {
    let length = reader.u32("record.length")?;
    let bytes = reader.take(usize::try_from(length).unwrap_or(usize::MAX), "record")?;
    decode_fields_with(bytes, Unknown::Keep, get)
}

fn put_all(parts: &[&[u8]], out: &mut Vec<u8>) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// An id as two 64-bit words, so that a record does not need 16-byte alignment.
fn id_words(id: CommandId) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = id.value().to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)]
}

/// The id of two words.
fn id_of_words(words: [u64; 2]) -> CommandId {
    let value = (u128::from(words[1]) << 64) | u128::from(words[0]);
    CommandId::from_bytes(value.swap_bytes().to_le_bytes())
}
