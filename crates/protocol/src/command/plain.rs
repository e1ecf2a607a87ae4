//! The common cart: a reserve of one narrow line, all or nothing, without a reference. Nearly all commands of a
//! sale are of this form, and it stands at fixed places in its record, so it can be read and decided without
//! going through what carts can be.
//!
//! Not for saying what is wrong with a record: whatever is not such a cart is for [`Envelope::decode`](super::Envelope::decode).

use super::body::{BY_CHANNEL, HAS_OWNER, HAS_TTL};
use super::envelope::FLAG_FRESH;
use super::{Kind, Reserve, Target};
use crate::id::{ChannelId, CommandId, SkuId, StockId};
use crate::limits::COMMAND_HEADER_BYTES;
use crate::line::{Line, Lines, NARROW_BYTES};
use crate::quantity::Quantity;

/// The header, the target (u32) and the count of lines (u16): what stands before anything that may be left out.
const HEAD_BYTES: usize = COMMAND_HEADER_BYTES + size_of::<u32>() + size_of::<u16>();

/// A reserve of one line; see the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlainCart {
    /// The client-made id.
    pub id: CommandId,
    /// Whether the client marks the id as never sent before.
    pub fresh: bool,
    /// What is sold from.
    pub target: Target,
    /// Time to live in milliseconds; `None`: born confirmed.
    pub ttl_ms: Option<u32>,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// What.
    pub line: Line,
}

impl PlainCart {
    /// Reads a record that is such a cart and breaks no rule; what it reads is what `Envelope::decode` reads.
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

    /// The same as a command; `line` must be its line.
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

/// What a common cart's record says of where it will be looked for: its id and its SKU, unchecked; of any other record the same bytes, which
/// mean something else there. For guesses that may be wrong.
#[inline]
#[must_use]
pub fn peek(record: &[u8]) -> Option<(CommandId, u32)> {
    let (head, _) = record.split_first_chunk::<COMMAND_HEADER_BYTES>()?;
    let [_, _, _, _, id @ ..] = *head;
    let (_, line) = record.split_last_chunk::<NARROW_BYTES>()?;
    let [s0, s1, s2, s3, ..] = *line;
    Some((CommandId::from_bytes(id), u32::from_le_bytes([s0, s1, s2, s3])))
}
