//! The lines of a cart: a SKU and a positive quantity, borrowed from bytes or from a slice.
//!
//! There are two packings, so that the common cart stays small: *narrow* lines of 8 bytes, whose quantity fits 32
//! bits of ten-thousandths (429,496.7295 units), and *wide* lines of 12 bytes.

use crate::error::BadField;
use crate::id::SkuId;
use crate::limits::{LINE_QUANTITY_MAX, LINES_MAX};
use crate::quantity::Quantity;

/// Bytes of a narrow line: SKU u32, quantity u32.
pub const NARROW_BYTES: usize = 8;
/// Bytes of a wide line: SKU u32, quantity u64.
pub const WIDE_BYTES: usize = 12;

/// One line: a positive quantity of one SKU.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Hash,
    Default,
    wincode::SchemaRead,
    wincode::SchemaWrite,
)]
pub struct Line {
    /// The SKU.
    pub sku: SkuId,
    /// The quantity.
    pub quantity: Quantity,
}

impl Line {
    /// A line of `quantity`.
    #[must_use]
    pub const fn new(sku: SkuId, quantity: Quantity) -> Self {
        Self { sku, quantity }
    }
}

/// The lines of one command, in the order in which they were sent.
#[derive(Clone, Copy, Debug)]
pub enum Lines<'a> {
    /// Lines packed in the bytes of the command. Every line has been checked.
    Packed {
        /// The packed lines.
        bytes: &'a [u8],
        /// Whether the lines are wide.
        wide: bool,
    },
    /// Lines of the caller.
    Slice(&'a [Line]),
}

impl<'a> Lines<'a> {
    /// No lines (a release of everything that is open).
    pub const NONE: Lines<'static> = Lines::Slice(&[]);

    /// Checks packed bytes: complete lines, each quantity in 1..=[`LINE_QUANTITY_MAX`].
    #[inline]
    pub(crate) fn parse(bytes: &'a [u8], wide: bool) -> Result<Self, BadField> {
        if wide {
            for line in (Self::Packed { bytes, wide }).iter() {
                check_quantity(line.quantity.raw())?;
            }
        } else {
            let (lines, _) = bytes.as_chunks::<NARROW_BYTES>();
            // Every 32-bit quantity is below the largest quantity of a line.
            if lines.iter().any(|[_, _, _, _, quantity @ ..]| *quantity == [0; 4]) {
                check_quantity(0)?;
            }
        }
        Ok(Self::Packed { bytes, wide })
    }

    /// The number of lines.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Packed { bytes, wide } => bytes.len() / if *wide { WIDE_BYTES } else { NARROW_BYTES },
            Self::Slice(lines) => lines.len(),
        }
    }

    /// Whether there are no lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines in the order in which they were sent.
    pub fn iter(&self) -> impl Iterator<Item = Line> + use<'a> {
        let copy = *self;
        (0..copy.len()).filter_map(move |at| copy.get(at))
    }

    /// The line at `at`, counted from 0.
    #[must_use]
    #[inline]
    pub fn get(&self, at: usize) -> Option<Line> {
        match self {
            Self::Slice(lines) => lines.get(at).copied(),
            Self::Packed { bytes, wide: false } => {
                let chunk = bytes.get(at.checked_mul(NARROW_BYTES)?..)?.first_chunk::<NARROW_BYTES>()?;
                let (sku, quantity) = (chunk.first_chunk::<4>()?, chunk.last_chunk::<4>()?);
                let quantity = Quantity::from_raw(i64::from(u32::from_le_bytes(*quantity))).ok()?;
                Some(Line::new(SkuId(u32::from_le_bytes(*sku)), quantity))
            }
            Self::Packed { bytes, wide: true } => {
                let chunk = bytes.get(at.checked_mul(WIDE_BYTES)?..)?.first_chunk::<WIDE_BYTES>()?;
                let (sku, quantity) = (chunk.first_chunk::<4>()?, chunk.last_chunk::<8>()?);
                // A raw value out of range is mapped to zero, which `parse` refuses.
                let quantity = Quantity::from_raw(i64::from_le_bytes(*quantity)).unwrap_or_default();
                Some(Line::new(SkuId(u32::from_le_bytes(*sku)), quantity))
            }
        }
    }

    /// Writes the lines to `out` (which is cleared first), sorted by SKU, with lines of the same SKU summed. A cart
    /// is decided in this form, and a repeated id is compared by it.
    pub fn merge_into(&self, out: &mut Vec<Line>) {
        out.clear();
        if self.len() == 1 {
            // The common cart needs no summing or sorting.
            out.extend(self.get(0));
            return;
        }
        out.extend(self.iter());
        out.sort_unstable_by_key(|line| line.sku);
        out.dedup_by(|next, kept| {
            let same = next.sku == kept.sku;
            if same {
                let sum = kept.quantity.checked_add(next.quantity);
                kept.quantity = sum.unwrap_or(Quantity::MAX);
            }
            same
        });
    }

    /// Whether the lines must be packed as wide lines.
    pub(crate) fn needs_wide(&self) -> bool {
        self.iter().any(|line| u32::try_from(line.quantity.raw()).is_err())
    }

    /// Appends the packed lines.
    pub(crate) fn pack(&self, wide: bool, out: &mut Vec<u8>) {
        for line in self.iter() {
            out.extend_from_slice(&line.sku.0.to_le_bytes());
            if wide {
                out.extend_from_slice(&line.quantity.raw().to_le_bytes());
            } else {
                let raw = u32::try_from(line.quantity.raw()).unwrap_or(u32::MAX);
                out.extend_from_slice(&raw.to_le_bytes());
            }
        }
    }
}

impl PartialEq for Lines<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Lines<'_> {}

/// Checks one line's quantity.
#[inline]
pub(crate) fn check_quantity(raw: i64) -> Result<(), BadField> {
    if (1..=LINE_QUANTITY_MAX).contains(&raw) {
        Ok(())
    } else {
        Err(BadField::new("lines.quantity", "must be between 0.0001 and 100,000,000 units"))
    }
}

/// Checks the number of lines or parts of a command.
#[inline]
pub(crate) fn check_count(field: &'static str, count: usize, least: usize) -> Result<(), BadField> {
    if count < least {
        Err(BadField::new(field, "must hold at least one entry"))
    } else if count > LINES_MAX {
        Err(BadField::new(field, "must hold at most 256 entries"))
    } else {
        Ok(())
    }
}
