//! The commands of a checkout: what a sale, its payment, its shipment and its undoing consist of.
//!
//! All of them borrow: reading one from its record allocates nothing.

use crate::codec::Reader;
use crate::error::BadField;
use crate::id::{ChannelId, ReservationId, SkuId, SourceId, StockId};
use crate::line::{Lines, check_quantity};
use crate::quantity::Quantity;

/// Where a cart is sold: a stock, or a channel that stands for the stock it is assigned to *now*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A stock by its dense number.
    Stock(StockId),
    /// A sales channel by its dense number; a repeated id is compared by the channel as it was sent.
    Channel(ChannelId),
}

/// Promise the units of one cart: check and append in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve<'a> {
    /// What is sold from.
    pub target: Target,
    /// 1..=256 lines; the same SKU twice counts as its sum.
    pub lines: Lines<'a>,
    /// Grant what fits instead of refusing the cart (whole units unless the SKU allows decimals).
    pub best_effort: bool,
    /// Time to live in milliseconds: a hold. `None`: born confirmed. 0 is refused by the machine.
    pub ttl_ms: Option<u32>,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// An order reference, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}

/// Change a cart in one step: net change only, all or nothing, the old hold untouched when refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replace<'a> {
    /// The reservation that is replaced; the same owner must be named.
    pub old: ReservationId,
    /// The cart as it shall be, with its own TTL; its id becomes the reservation's.
    pub new: Reserve<'a>,
}

/// Give promised units back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release<'a> {
    /// Whose.
    pub reservation: ReservationId,
    /// What; no lines means everything that is open.
    pub lines: Lines<'a>,
}

/// Move a hold's deadline to the op's time plus a TTL; never shortens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// Which hold.
    pub reservation: ReservationId,
    /// From the op's time on, in milliseconds.
    pub ttl_ms: u32,
}

/// Take promised units out of a source: all lines or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship<'a> {
    /// Whose promise is kept.
    pub reservation: ReservationId,
    /// Where the goods leave.
    pub source: SourceId,
    /// What leaves.
    pub lines: Lines<'a>,
    /// The goods *have* left: skip the shortfall test and the open-units test, report the shortfall. The source must hold
    /// them all the same.
    pub forced: bool,
}

/// A point-of-sale sale: reserve, confirm and ship in one op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sell<'a> {
    /// What is sold from.
    pub target: Target,
    /// Where the goods leave.
    pub source: SourceId,
    /// 1..=256 lines.
    pub lines: Lines<'a>,
    /// The goods *have* left: skip the rules of sale, the quota and the shortfall test, report the shortfall. The source must
    /// hold them all the same.
    pub forced: bool,
    /// An opaque owner; 0 means none.
    pub owner: u64,
    /// A receipt number, at most 32 bytes of UTF-8; empty means none.
    pub reference: &'a str,
}

/// Undo parts of an order, each part by its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refund<'a> {
    /// Of which order.
    pub reservation: ReservationId,
    /// 1..=256 parts.
    pub parts: Parts<'a>,
}

/// What happens to the units of one refund part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum PartKind {
    /// Units that never left: their promise ends.
    Unshipped,
    /// Units that had left and came back to this source.
    Returned(SourceId),
    /// Units that never left and are lost: they leave this source and their promise ends.
    WrittenOff(SourceId),
}

/// One part of a refund.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefundPart {
    /// What.
    pub sku: SkuId,
    /// How much.
    pub quantity: Quantity,
    /// What happens to it.
    pub kind: PartKind,
}

/// Bytes of one packed refund part: SKU u32, kind u8, source u32, quantity u64.
pub const PART_BYTES: usize = 17;

/// The parts of a refund, packed or from a slice.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// Still packed; every part has been checked.
    Packed(&'a [u8]),
    /// A caller's own parts.
    Slice(&'a [RefundPart]),
}

impl<'a> Parts<'a> {
    /// Checks packed bytes: whole parts, known kinds, positive quantities.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, BadField> {
        let (parts, _) = bytes.as_chunks::<PART_BYTES>();
        for part in parts {
            unpack(part)?;
        }
        Ok(Self::Packed(bytes))
    }

    /// How many parts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len() / PART_BYTES,
            Self::Slice(parts) => parts.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts in the order sent.
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
