//! The common cart: a reserve of one narrow line, all or nothing, without a reference. Nearly all commands of a sale
//! have this form. Its fields are at fixed offsets of its record, so it is decoded without the general code.
//!
//! This module does not report errors: any record that is not such a cart is decoded by
//! [`Envelope::decode`](super::Envelope::decode).

use super::body::{BY_CHANNEL, HAS_OWNER, HAS_TTL};
use super::envelope::FLAG_FRESH;
use super::{Kind, Reserve, Target};
use crate::id::{ChannelId, CommandId, SkuId, StockId};
use crate::limits::COMMAND_HEADER_BYTES;
use crate::line::{Line, Lines, NARROW_BYTES};
use crate::quantity::Quantity;

/// The header, the target (u32) and the number of lines (u16): everything before the optional fields.
const HEAD_BYTES: usize = COMMAND_HEADER_BYTES + size_of::<u32>() + size_of::<u16>();

/// A reserve of one line; see the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlainCart {
    /// The client-made id.
    pub id: CommandId,
    /// Whether the client marks the id as never sent before.
    pub fresh: bool,
    /// The stock or channel that the cart is sold from.
    pub target: Target,
    /// The TTL in milliseconds. `None`: confirmed from the start.
    pub ttl_ms: Option<u32>,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// The line.
    pub line: Line,
}

impl PlainCart {
    /// Decodes a record that is such a cart and violates no rule. The result equals that of `Envelope::decode`.
    #[inline]
    #[must_use]
    pub fn read(record: &[u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<HEAD_BYTES>()?;
        let [l0, l1, kind, flags, id @ .., t0, t1, t2, t3, c0, c1] = *head;
        let is_plain = kind == Kind::Reserve.code()
            && flags & !(FLAG_FRESH | BY_CHANNEL | HAS_TTL | HAS_OWNER) == 0
            && u16::from_le_bytes([c0, c1]) == 1
            && usize::from(u16::from_le_bytes([l0, l1])) == record.len();
        if !is_plain {
            return None;
        }
        let (ttl_ms, rest) = if flags & HAS_TTL == 0 {
            (None, rest)
        } else {
            let (ttl_ms, rest) = rest.split_first_chunk()?;
            (Some(u32::from_le_bytes(*ttl_ms)), rest)
        };
        let (owner, rest) = if flags & HAS_OWNER == 0 {
            (0, rest)
        } else {
            let (owner, rest) = rest.split_first_chunk()?;
            (u64::from_le_bytes(*owner), rest)
        };
        let [s0, s1, s2, s3, quantity @ ..] = *<&[u8; NARROW_BYTES]>::try_from(rest).ok()?;
        let quantity = u32::from_le_bytes(quantity);
        if quantity == 0 {
            return None;
        }
        let target = u32::from_le_bytes([t0, t1, t2, t3]);
        let target = if flags & BY_CHANNEL == 0 {
            Target::Stock(StockId(target))
        } else {
            Target::Channel(ChannelId(target))
        };
        let id = CommandId::new(CommandId::from_bytes(id).value()).ok()?;
        let quantity = Quantity::from_raw(i64::from(quantity)).ok()?;
        let line = Line::new(SkuId(u32::from_le_bytes([s0, s1, s2, s3])), quantity);
        Some(Self { id, fresh: flags & FLAG_FRESH != 0, target, ttl_ms, owner, line })
    }

    /// The same cart as a command. `line` must be its line.
    #[must_use]
    pub fn as_reserve<'a>(&self, line: &'a [Line; 1]) -> Reserve<'a> {
        Reserve {
            target: self.target,
            lines: Lines::Slice(line),
            best_effort: false,
            ttl_ms: self.ttl_ms,
            owner: self.owner,
            reference: "",
        }
    }
}

/// The id and SKU of a common cart, unchecked, for prefetching. In any other record the same bytes mean something
/// else, so the result is only a hint.
#[inline]
#[must_use]
pub fn peek(record: &[u8]) -> Option<(CommandId, u32)> {
    let (head, _) = record.split_first_chunk::<COMMAND_HEADER_BYTES>()?;
    let [_, _, _, _, id @ ..] = *head;
    let (_, line) = record.split_last_chunk::<NARROW_BYTES>()?;
    let [s0, s1, s2, s3, ..] = *line;
    Some((CommandId::from_bytes(id), u32::from_le_bytes([s0, s1, s2, s3])))
}
