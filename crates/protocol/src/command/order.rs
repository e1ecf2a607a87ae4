//! The commands that change a confirmed order: amend, unship and refund.

use super::check::ColdBody;
use super::fingerprint::Scratch;
use crate::codec::Reader;
use crate::error::BadField;
use crate::fields::{FieldReader, FieldWriter, Tagged};
use crate::id::{CommandId, ReservationId, SkuId, SourceId};
use crate::line::{Line, Lines, check_count, check_quantity};
use crate::quantity::Quantity;

/// Reverses a shipment in one step: the units are on hand at the source again, and their promise is open
/// again. It is a fact: no promise can refuse it, and its shortfall is reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unship {
    /// The reservation whose units were shipped.
    pub reservation: ReservationId,
    /// The source that shipped the units and has them on hand again.
    pub source: SourceId,
    /// 1..=256 lines; the same SKU twice counts as its sum.
    pub lines: Vec<Line>,
}

impl Tagged for Unship {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &self.reservation.0.to_bytes())?;
        fields.value(2, &self.source)?;
        fields.value(3, &self.lines)
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let reservation = ReservationId(CommandId::from_bytes(fields.value(1, "reservation")?));
        Ok(Self { reservation, source: fields.value(2, "source")?, lines: fields.value(3, "lines")? })
    }
}

impl ColdBody for Unship {
    fn check(&self) -> Result<(), BadField> {
        check_lines(&self.lines)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_reservation(self.reservation);
        scratch.put_encoded(|out| {
            out.extend_from_slice(&self.source.0.to_le_bytes());
            Ok(())
        });
        scratch.put_lines(Lines::Slice(&self.lines));
    }
}

/// Changes a confirmed order in one step. A decrease cancels open units. An increase must fit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Amend {
    /// The order.
    pub reservation: ReservationId,
    /// 1..=256 lines with the new total quantity of each SKU, shipped units included. 0 cancels a line. Other lines of
    /// the order do not change.
    pub lines: Vec<Line>,
}

impl Tagged for Amend {
    fn put_fields(&self, fields: &mut FieldWriter<'_>) -> Result<(), BadField> {
        fields.value(1, &self.reservation.0.to_bytes())?;
        fields.value(2, &self.lines)
    }

    fn get_fields(fields: &mut FieldReader<'_>) -> Result<Self, BadField> {
        let reservation = ReservationId(CommandId::from_bytes(fields.value(1, "reservation")?));
        Ok(Self { reservation, lines: fields.value(2, "lines")? })
    }
}

impl ColdBody for Amend {
    fn check(&self) -> Result<(), BadField> {
        check_count("lines", self.lines.len(), 1)?;
        let nonzero = self.lines.iter().filter(|line| line.quantity != Quantity::ZERO);
        nonzero.copied().try_for_each(|line| check_quantity(line.quantity.raw()))
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_reservation(self.reservation);
        scratch.put_lines(Lines::Slice(&self.lines));
    }
}

fn check_lines(lines: &[Line]) -> Result<(), BadField> {
    check_count("lines", lines.len(), 1)?;
    lines.iter().try_for_each(|line| check_quantity(line.quantity.raw()))
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
    /// Units that were never shipped. They are cancelled: their promise ends.
    Unshipped,
    /// Shipped units that the customer returned to this source.
    Returned(SourceId),
    /// Units that were lost before the shipment. They are removed from this source and their promise ends.
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
    /// Parts in a slice of the caller.
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
            return Err(BadField::new("parts.source", "must be 0 for unshipped units"));
        }
        2 => PartKind::Returned(source),
        3 => PartKind::WrittenOff(source),
        _ => return Err(BadField::new("parts.kind", "must be 1 unshipped, 2 returned or 3 written off")),
    };
    Ok(RefundPart { sku, quantity: Quantity::from_raw(raw)?, kind })
}
