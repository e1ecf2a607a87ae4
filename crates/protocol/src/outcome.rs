//! Outcomes: the decisions of the machine, as data. A refusal is an outcome, not an error.
//!
//! An outcome is 16 bytes (index u16, code u8, flags u8, value u32, op u64). If its flag is set, a detail follows
//! (length u16, bincode of [`Detail`]). Codes are append-only and never reused.

use crate::codec::{Reader, decode_cold, encode_cold};
use crate::error::BadField;
use crate::id::{SkuId, SourceId};
use crate::limits::DETAIL_BYTES_MAX;
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

mod code;

pub use code::Code;

/// The outcome answers an id that was used before.
const FLAG_REPLAYED: u8 = 1 << 0;
/// The outcome is recorded under its id.
const FLAG_RECORDED: u8 = 1 << 1;
/// A detail follows.
const FLAG_DETAIL: u8 = 1 << 2;

/// One granted line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct GrantedLine {
    /// The SKU.
    pub sku: SkuId,
    /// The quantity that was granted, shipped or is open, depending on the command.
    pub quantity: Quantity,
}

/// Why one source item lets a bulk command be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Offender {
    /// The SKU.
    pub sku: SkuId,
    /// The source.
    pub source: SourceId,
    /// The number of the code that the item alone would be refused with.
    pub code: u8,
    /// The quantity at the source, or the bound that is exceeded; 0 if the reason is no quantity.
    pub bound: Quantity,
    /// The quantity that was to leave or to be there; 0 if the reason is no quantity.
    pub value: Quantity,
}

impl Offender {
    /// The code that the item alone would be refused with.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::of_peer(self.code)
    }
}

/// What some outcomes report besides code and value. Variants are append-only. The code that makes a detail bounds
/// its list: a detail beyond [`DETAIL_BYTES_MAX`] is a bug of this program.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// What was granted (best effort, replace).
    Granted {
        /// Line by line, sorted by SKU.
        lines: Vec<GrantedLine>,
        /// Units promised beyond the goods on hand, covered by allowances.
        backordered: Quantity,
    },
    /// Units that a grant promised beyond the goods on hand, covered by allowances.
    Backordered(Quantity),
    /// What was still available of a refused line or a late confirm.
    Available {
        /// The SKU that was not available in full.
        sku: SkuId,
        /// The quantity that can still be promised.
        available: Quantity,
    },
    /// Sources that could ship instead.
    Sources(Vec<SourceId>),
    /// A fact was accepted, and promises now exceed the goods by this quantity.
    Shortfall(Quantity),
    /// A source item after a fact was recorded.
    Item {
        /// The quantity on hand after the command.
        on_hand: Quantity,
        /// The version of the item, which counts its changes.
        version: u32,
        /// Units that are promised and missing, over the whole group, allowances included.
        shortfall: Quantity,
    },
    /// Which field violates which rule.
    Field {
        /// The field's name.
        field: String,
        /// The rule.
        rule: String,
    },
    /// A quantity that violates a bound.
    Bound {
        /// The SKU.
        sku: SkuId,
        /// The bound. The code says which one: minimum, maximum, increment, open units, or quantity at the source.
        bound: Quantity,
        /// The requested quantity.
        value: Quantity,
    },
    /// A number outside its range, in the unit of the field.
    Range {
        /// The smallest accepted value.
        min: u64,
        /// The largest accepted value. If it is below `min`, no value is accepted any more.
        max: u64,
        /// The requested value.
        value: u64,
    },
    /// The limit on the number of things that is reached.
    Limit {
        /// The name of the limit: that of the field of `configure`, if there is one.
        name: String,
        /// The value of the limit.
        value: u64,
    },
    /// The SKU that is the reason.
    Sku(SkuId),
    /// The source items that let a bulk command be refused, by SKU and source. The code is that of the first one.
    Offenders {
        /// How many there are.
        count: u32,
        /// The first [`OFFENDERS_MAX`](crate::limits::OFFENDERS_MAX) of them.
        first: Vec<Offender>,
    },
}

/// The outcome of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The decision.
    pub code: Code,
    /// Whether the id was used before and this is its recorded outcome.
    pub replayed: bool,
    /// Whether the outcome is recorded under its id. An edge refusal is not.
    pub recorded: bool,
    /// Depends on kind and code: the deadline in seconds since the Unix epoch (reserve, extend, replace), the dense
    /// number (define, channel), the index of the refused line, the milliseconds after which to retry (busy), or 1 if an
    /// order was placed like this or given this document before. 0 in all other outcomes.
    pub value: u32,
    /// The op that decided. For an unrecorded answer, the op as of which it was given.
    pub op: u64,
    /// The detail, if there is one.
    pub detail: Detail,
}

impl Outcome {
    /// An outcome without detail. `recorded` follows from the code.
    #[must_use]
    pub const fn new(code: Code, value: u32, op: u64) -> Self {
        Self { code, replayed: false, recorded: code.is_recordable(), value, op, detail: Detail::None }
    }

    /// The outcome with a detail.
    #[inline]
    #[must_use]
    pub fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    /// The outcome for a bad field.
    #[must_use]
    pub fn bad_field(error: &BadField, op: u64) -> Self {
        let detail = Detail::Field { field: error.field.to_owned(), rule: error.rule.to_owned() };
        Self::new(Code::BadField, 0, op).with(detail)
    }

    /// Appends the outcome of the command at `index` of its frame.
    pub fn encode(&self, index: u16, out: &mut Vec<u8>) {
        let has_detail = !matches!(self.detail, Detail::None);
        let mut flags = 0;
        for (is_set, flag) in
            [(self.replayed, FLAG_REPLAYED), (self.recorded, FLAG_RECORDED), (has_detail, FLAG_DETAIL)]
        {
            if is_set {
                flags |= flag;
            }
        }
        let [i, j] = index.to_le_bytes();
        out.extend_from_slice(&[i, j, self.code.number(), flags]);
        out.extend_from_slice(&self.value.to_le_bytes());
        out.extend_from_slice(&self.op.to_le_bytes());
        if has_detail {
            let start = out.len();
            out.extend_from_slice(&[0, 0]);
            self.detail.encode(out);
            let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
            out[start..start + 2].copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Decodes one outcome and the index of its command.
    ///
    /// # Errors
    /// [`BadField`] when bytes are missing or a code or detail is unknown.
    pub fn decode(reader: &mut Reader<'_>) -> Result<(u16, Self), BadField> {
        let code =
            |number| Code::from_number(number).ok_or(BadField::new("outcome.code", "is not a known code"));
        Self::decode_with(reader, code, decode_detail)
    }

    /// Like [`Self::decode`], for clients whose server may be of a later release. An unknown code becomes the
    /// stand-in for its range. An unknown detail becomes no detail, because the code alone is meaningful.
    ///
    /// # Errors
    /// [`BadField`] when bytes are missing, or when a detail of a known variant cannot be decoded.
    pub fn decode_of_peer(reader: &mut Reader<'_>) -> Result<(u16, Self), BadField> {
        Self::decode_with(reader, |number| Ok(Code::of_peer(number)), decode_detail_of_peer)
    }

    #[inline]
    fn decode_with(
        reader: &mut Reader<'_>,
        code: impl FnOnce(u8) -> Result<Code, BadField>,
        detail: impl FnOnce(&mut Reader<'_>) -> Result<Detail, BadField>,
    ) -> Result<(u16, Self), BadField> {
        let index = reader.u16("outcome.index")?;
        let code = code(reader.u8("outcome.code")?)?;
        let flags = reader.u8("outcome.flags")?;
        let value = reader.u32("outcome.value")?;
        let op = reader.u64("outcome.op")?;
        if flags & !(FLAG_REPLAYED | FLAG_RECORDED | FLAG_DETAIL) != 0 {
            return Err(BadField::new("outcome.flags", "has a bit that is not known"));
        }
        let detail = if flags & FLAG_DETAIL == 0 { Detail::None } else { detail(reader)? };
        let replayed = flags & FLAG_REPLAYED != 0;
        let recorded = flags & FLAG_RECORDED != 0;
        Ok((index, Self { code, replayed, recorded, value, op, detail }))
    }
}

/// The bytes of the detail that the flag announces.
fn take_detail<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], BadField> {
    let length = usize::from(reader.u16("outcome.detail")?);
    if length > DETAIL_BYTES_MAX {
        return Err(BadField::new("outcome.detail", "must be at most 32 KiB"));
    }
    reader.take(length, "outcome.detail")
}

/// The number of variants of [`Detail`].
const DETAIL_VARIANTS: u32 = 13;

fn decode_detail_of_peer(reader: &mut Reader<'_>) -> Result<Detail, BadField> {
    let mut ahead = *reader;
    let bytes = take_detail(&mut ahead)?;
    if Reader::new(bytes).u32("outcome.detail")? < DETAIL_VARIANTS {
        return decode_detail(reader);
    }
    *reader = ahead;
    Ok(Detail::None)
}

/// Decodes the detail that the flag announces. It is bounded, and not the empty detail, which has no bytes.
fn decode_detail(reader: &mut Reader<'_>) -> Result<Detail, BadField> {
    let detail = Detail::decode(take_detail(reader)?)?;
    if detail == Detail::None {
        return Err(BadField::new("outcome.detail", "must not be announced when there is none"));
    }
    Ok(detail)
}

impl Detail {
    /// Appends the bincode of the detail. It has at most [`DETAIL_BYTES_MAX`] bytes, because lines, sources and texts
    /// are bounded where they are made.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let encoded = encode_cold(self, out);
        assert!(encoded.is_ok(), "a detail is bounded and always encodes");
        assert!(out.len() - start <= DETAIL_BYTES_MAX, "a detail outgrew its bound");
    }

    /// Decodes a detail.
    ///
    /// # Errors
    /// [`BadField`] when the bytes are not a detail.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadField> {
        decode_cold(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back() {
        // Proves that every code with every shape of detail survives encoding and decoding.
        let details = [
            Detail::None,
            Detail::Available { sku: SkuId(3), available: Quantity::units(2).unwrap() },
            Detail::Sources(vec![SourceId(1), SourceId(2)]),
            Detail::Field { field: "lines".into(), rule: "must hold at least one line".into() },
            Detail::Bound { sku: SkuId(3), bound: Quantity::ZERO, value: Quantity::units(2).unwrap() },
            Detail::Range { min: 1, max: 0, value: u64::MAX },
            Detail::Limit { name: "links".into(), value: 7 },
            Detail::Sku(SkuId(3)),
            Detail::Offenders {
                count: 101,
                first: vec![Offender {
                    sku: SkuId(3),
                    source: SourceId(1),
                    code: Code::NotEnoughAtSource.number(),
                    bound: Quantity::ZERO,
                    value: Quantity::units(2).unwrap(),
                }],
            },
        ];
        for code in Code::ALL {
            for detail in &details {
                let outcome = Outcome::new(*code, 77, 1 << 40).with(detail.clone());
                let mut bytes = Vec::new();
                outcome.encode(9, &mut bytes);
                let mut reader = Reader::new(&bytes);
                assert_eq!(Outcome::decode(&mut reader), Ok((9, outcome)));
                assert_eq!(reader.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn what_a_later_server_says_is_never_read_as_a_yes() {
        // Proves that each of the 256 numbers is a known code or the stand-in for its range, that no stand-in counts
        // as a success, and that no program encodes one.
        for number in 0..=u8::MAX {
            let mut bytes = Vec::new();
            Outcome::new(Code::Ok, 7, 9).encode(3, &mut bytes);
            bytes[2] = number;
            let (index, outcome) = Outcome::decode_of_peer(&mut Reader::new(&bytes)).unwrap();
            assert_eq!((index, outcome.value, outcome.op), (3, 7, 9));
            let strict = Outcome::decode(&mut Reader::new(&bytes));
            assert_eq!(strict.is_ok(), Code::from_number(number).is_some());
            if let Ok(strict) = strict {
                assert_eq!(strict, (3, outcome));
            } else {
                assert!(!outcome.code.is_success() && Code::STAND_INS.contains(&outcome.code), "{number}");
                assert_eq!(outcome.code.is_recordable(), number < 128);
                assert_eq!(outcome.code == Code::UnknownEffect, number < 32);
            }
        }
        assert!(Code::STAND_INS.iter().all(|code| !Code::ALL.contains(code)));
    }

    #[test]
    fn an_unknown_detail_is_no_detail_to_a_client_and_a_broken_one_is_broken() {
        // Proves that the code is kept, that the next outcome is found, and that nothing else is tolerated.
        let with_detail = |detail: &[u8]| {
            let mut bytes = Vec::new();
            Outcome::new(Code::SoldOut, 0, 1).encode(0, &mut bytes);
            bytes[3] |= FLAG_DETAIL;
            bytes.extend_from_slice(&u16::try_from(detail.len()).unwrap().to_le_bytes());
            bytes.extend_from_slice(detail);
            Outcome::new(Code::Ok, 0, 2).encode(1, &mut bytes);
            bytes
        };
        for variant in [DETAIL_VARIANTS, u32::MAX] {
            let bytes = with_detail(&[&variant.to_le_bytes()[..], &[1, 2, 3]].concat());
            let mut reader = Reader::new(&bytes);
            let first = Outcome::decode_of_peer(&mut reader).unwrap();
            assert_eq!(first, (0, Outcome::new(Code::SoldOut, 0, 1)));
            assert_eq!(Outcome::decode_of_peer(&mut reader), Ok((1, Outcome::new(Code::Ok, 0, 2))));
            assert!(Outcome::decode(&mut Reader::new(&bytes)).is_err());
        }
        let last = Detail::Offenders { count: 0, first: Vec::new() };
        let mut encoded = Vec::new();
        last.encode(&mut encoded);
        assert_eq!(encoded[..4], (DETAIL_VARIANTS - 1).to_le_bytes(), "the last variant that is known");
        for broken in [&[][..], &[1, 2, 3], &[0, 0, 0, 0], &[3, 0, 0, 0, 1], &[11, 0, 0, 0, 1, 0, 0, 0, 9]] {
            assert!(Outcome::decode_of_peer(&mut Reader::new(&with_detail(broken))).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_plain_outcome_is_sixteen_bytes() {
        // Proves the size that PROTOCOL.md and the performance budget rely on.
        let mut bytes = Vec::new();
        Outcome::new(Code::Ok, 0, 1).encode(0, &mut bytes);
        assert_eq!(bytes.len(), crate::limits::OUTCOME_BYTES);
    }
}
