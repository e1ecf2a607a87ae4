//! The commands of a checkout: reserving, paying, shipping and refunding.
//!
//! All of them borrow from their record: decoding one allocates nothing.

use crate::codec::Reader;
use crate::error::BadField;
use crate::id::{ChannelId, ReservationId, SkuId, SourceId, StockId};
use crate::line::{Lines, check_quantity};
use crate::quantity::Quantity;

/// Where a cart is sold: in a stock, or through a channel. A channel means the stock that it is assigned to when the
/// command is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stock by its dense number.
    Stock(StockId),
    /// A sales channel by its dense number. A repeated id is compared by the channel, not by its stock.
    Channel(ChannelId),
}

/// Reserves the units of one cart: the check and the promise are one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve<'a> {
    /// The stock or channel that the cart is sold from.
    pub target: Target,
    /// 1..=256 lines. Lines with the same SKU are summed.
    pub lines: Lines<'a>,
    /// Grants what is available instead of refusing the cart (whole units unless the SKU allows decimals).
    pub best_effort: bool,
    /// The TTL in milliseconds, which makes the reservation a hold. `None`: it is confirmed from the start. The
    /// machine refuses 0.
    pub ttl_ms: Option<u32>,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// An order reference, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}

/// Replaces a cart in one step: only the difference is reserved or released, all or nothing. If it is refused, the
/// old hold is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace<'a> {
    /// The reservation that is replaced. The owner must be the same.
    pub old: ReservationId,
    /// The whole new cart, with its own TTL. The id of the command becomes the id of the reservation.
    pub new: Reserve<'a>,
}

/// Releases promised units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    /// The reservation.
    pub reservation: ReservationId,
    /// The units to release. No lines means all that are open.
    pub lines: Lines<'a>,
}

/// Moves the deadline of a hold to the time of the op plus a TTL. It never shortens the hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The hold.
    pub reservation: ReservationId,
    /// The TTL in milliseconds, counted from the time of the op.
    pub ttl_ms: u32,
}

/// Ships promised units from a source, all lines or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship<'a> {
    /// The reservation whose units are shipped.
    pub reservation: ReservationId,
    /// The source that the goods leave.
    pub source: SourceId,
    /// The units that are shipped.
    pub lines: Lines<'a>,
    /// The goods *have* left. The shortfall test and the open-units test are skipped, and the shortfall is reported.
    /// The source must still hold the goods.
    pub forced: bool,
}

/// A point-of-sale sale: reserve, confirm and ship in one op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sell<'a> {
    /// The stock or channel that the goods are sold from.
    pub target: Target,
    /// The source that the goods leave.
    pub source: SourceId,
    /// 1..=256 lines.
    pub lines: Lines<'a>,
    /// The goods *have* left. The sale rules, the quota and the shortfall test are skipped, and the shortfall is
    /// reported. The source must still hold the goods.
    pub forced: bool,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// A receipt number, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}

/// Refunds parts of an order. Each part has its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund<'a> {
    /// The order.
    pub reservation: ReservationId,
    /// 1..=256 parts.
    pub parts: Parts<'a>,
}

/// What happens to the units of one refund part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum PartKind {
    /// Units that never left. Their promise ends.
    Unshipped,
    /// Units that left and came back to this source.
    Returned(SourceId),
    /// Units that never left and are lost. They leave this source and their promise ends.
    WrittenOff(SourceId),
}

/// One part of a refund.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundPart {
    /// The SKU.
    pub sku: SkuId,
    /// The quantity.
    pub quantity: Quantity,
    /// What happens to the units.
    pub kind: PartKind,
}

/// Bytes of one packed refund part: SKU u32, kind u8, source u32, quantity u64.
pub const PART_BYTES: usize = 17;

/// The parts of a refund, packed or from a slice.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// Parts packed in the bytes of the command. Every part has been checked.
    Packed(&'a [u8]),
    /// Parts of the caller.
    Slice(&'a [RefundPart]),
}

impl<'a> Parts<'a> {
    /// Checks packed bytes: complete parts, known kinds, positive quantities.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, BadField> {
        let (parts, _) = bytes.as_chunks::<PART_BYTES>();
        for part in parts {
            unpack(part)?;
        }
        Ok(Self::Packed(bytes))
    }

    /// The number of parts.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len() / PART_BYTES,
            Self::Slice(parts) => parts.len(),
        }
    }

    /// Whether there are no parts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = RefundPart> + use<'a> {
        let copy = *self;
        (0..copy.len()).filter_map(move |at| match copy {
            Self::Slice(parts) => parts.get(at).copied(),
            Self::Packed(bytes) => unpack(bytes.get(at * PART_BYTES..)?.first_chunk()?).ok(),
        })
    }

    /// Appends the packed parts.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        for part in self.iter() {
            let (kind, source) = match part.kind {
                PartKind::Unshipped => (1_u8, 0),
                PartKind::Returned(source) => (2, source.0),
                PartKind::WrittenOff(source) => (3, source.0),
            };
            out.extend_from_slice(&part.sku.0.to_le_bytes());
            out.push(kind);
            out.extend_from_slice(&source.to_le_bytes());
            out.extend_from_slice(&part.quantity.raw().to_le_bytes());
        }
    }
}

impl PartialEq for Parts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Parts<'_> {}

fn unpack(bytes: &[u8; PART_BYTES]) -> Result<RefundPart, BadField> {
    let mut reader = Reader::new(bytes);
    let sku = SkuId(reader.u32("parts.sku")?);
    let kind = reader.u8("parts.kind")?;
    let source = SourceId(reader.u32("parts.source")?);
    let raw = reader.i64("parts.quantity")?;
    check_quantity(raw)?;
    let kind = match kind {
        1 if source.0 == 0 => PartKind::Unshipped,
        1 => {
            return Err(BadField::new(
                "parts.source",
                "must be 0 for unshipped units, which lie at no source",
            ));
        }
        2 => PartKind::Returned(source),
        3 => PartKind::WrittenOff(source),
        _ => return Err(BadField::new("parts.kind", "must be 1 unshipped, 2 returned or 3 written off")),
    };
    Ok(RefundPart { sku, quantity: Quantity::from_raw(raw)?, kind })
}
