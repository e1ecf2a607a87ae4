//! Outcomes: what the machine decided, as data. A refusal is an outcome, not an error.
//!
//! An outcome is 16 bytes (index u16, code u8, flags u8, value u32, op u64), followed, if its flag says
//! so, by a detail (length u16, bincode of [`Detail`]). Codes are append-only and never reused.

use crate::codec::{Reader, decode_cold, encode_cold};
use crate::error::BadField;
use crate::id::{SkuId, SourceId};
use crate::limits::DETAIL_BYTES_MAX;
use crate::quantity::Quantity;
use wincode::{SchemaRead, SchemaWrite};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $sentence:literal;)*) => {
        /// What was decided. Below 32 the command took effect; 32..=127 are refusals that are recorded
        /// under the id; from 128 on the answer is unrecorded and the id stays unused.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
            /// Stands for a code below 32 that this program does not know: the command took effect, and nobody may
            /// take it for a yes.
            UnknownEffect = 31,
            /// Stands for a code from 32 to 127 that this program does not know: the command was refused.
            UnknownRefusal = 127,
            /// Stands for a code from 128 on that this program does not know: nothing happened.
            UnknownAnswer = 255,
        }

        impl Code {
            /// Every code, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What stands for codes that this program does not know, one for each range. They are never sent.
            pub const STAND_INS: [Self; 3] = [Self::UnknownEffect, Self::UnknownRefusal, Self::UnknownAnswer];

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The code's name as documents, JSON and the command line spell it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::UnknownEffect => "unknown_effect",
                    Self::UnknownRefusal => "unknown_refusal",
                    Self::UnknownAnswer => "unknown_answer",
                }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => $sentence,)*
                    Self::UnknownEffect => "The command took effect in a way that this program does not know; ask what became of it.",
                    Self::UnknownRefusal => "The command was refused for a reason that this program does not know.",
                    Self::UnknownAnswer => "Nothing happened, for a reason that this program does not know.",
                }
            }
        }
    };
}

codes! {
    /// Done as asked.
    Ok = 0, "ok", "The command took effect as asked.";
    /// Best effort: less than asked was granted.
    Partial = 1, "partial", "Part of what was asked was granted; the lines say how much.";
    /// The hold had expired, its units still fitted, and it is confirmed.
    ConfirmedLate = 2, "confirmed_late", "The hold had expired, but its units still fitted: it is confirmed.";

    /// Not enough can be promised.
    SoldOut = 32, "sold_out", "There is not enough left to promise.";
    /// No source item of the SKU is in stock for this stock.
    NoSourceInStock = 33, "no_source_in_stock", "There are no source items with the in stock status.";
    /// No linked source has a source item of the SKU.
    NotAssigned = 34, "not_assigned", "The requested sku is not assigned to given stock.";
    /// Fewer than `min_sale_qty`.
    BelowMinSale = 35, "below_min_sale", "The quantity is below the fewest units that may be purchased.";
    /// More than `max_sale_qty`.
    AboveMaxSale = 36, "above_max_sale", "The quantity exceeds the most units allowed in a cart.";
    /// Not a multiple of `qty_increments`.
    NotAnIncrement = 37, "not_an_increment", "The product is sold only in multiples of its increment.";
    /// Parts of a unit of a SKU sold whole.
    DecimalsNotAllowed = 38, "decimals_not_allowed", "The product cannot be sold in parts of a unit.";
    /// A composite SKU has no units of its own.
    Composite = 39, "composite", "A composite SKU has no units of its own; reserve its parts.";
    /// The quota is used up.
    QuotaExceeded = 40, "quota_exceeded", "The quota of this SKU in this stock does not leave enough.";
    /// No such reservation, or its record is no longer kept.
    UnknownReservation = 41, "unknown_reservation", "There is no such reservation, or its record is no longer kept.";
    /// The reservation is confirmed already.
    AlreadyConfirmed = 42, "already_confirmed", "The reservation is confirmed already.";
    /// The reservation is closed already.
    AlreadyClosed = 43, "already_closed", "The reservation is closed already: shipped, released or replaced.";
    /// The hold has expired.
    Expired = 44, "expired", "The hold has expired.";
    /// Expired, and its units do not fit any more.
    TooLate = 45, "too_late", "The hold has expired and its units no longer fit; a new id may try again while the record is kept.";
    /// A hold must be confirmed first.
    NotConfirmed = 46, "not_confirmed", "The reservation is still a hold; confirm it first.";
    /// More than is open.
    MoreThanOpen = 47, "more_than_open", "More units are named than are open in the reservation.";
    /// More than was shipped and not yet returned.
    MoreThanShipped = 48, "more_than_shipped", "More units are returned than were shipped and not yet returned.";
    /// The units are needed by promises that only this source can keep.
    NeededElsewhere = 49, "needed_elsewhere", "These units cannot leave this source without breaking a promise.";
    /// The source does not hold that many.
    NotEnoughAtSource = 50, "not_enough_at_source", "The source does not hold that many units.";
    /// The source has no item of the SKU.
    NoSourceItem = 51, "no_source_item", "The source has no item of this SKU.";
    /// Another owner holds it.
    OwnerDiffers = 52, "owner_differs", "The reservation belongs to another owner.";
    /// The deadline would lie beyond the maximum total time.
    BeyondMaximumTotal = 53, "beyond_maximum_total", "The deadline would lie beyond the longest time that a hold may last in all.";
    /// A sum would leave the range of quantities.
    QuantityOverflow = 54, "quantity_overflow", "A quantity would leave the range of ±100,000,000,000 units.";
    /// The link would make a group of connected stocks that cannot be decided exactly in bounded time.
    GroupTooLarge = 55, "group_too_large", "The link would connect more stocks and sources than can be decided exactly; ARCHITECTURE.md gives the limits.";
    /// The change would break existing promises.
    WouldBreakPromises = 56, "would_break_promises", "The change would break promises that exist.";
    /// The name belongs to something else.
    NameTaken = 57, "name_taken", "The name belongs to something else already.";
    /// A bound on the number of things is reached.
    LimitReached = 58, "limit_reached", "A limit on the number of things is reached; the detail names it.";
    /// There is no such link.
    UnknownLink = 59, "unknown_link", "There is no such link.";
    /// The SKU is not in the reservation.
    NotInReservation = 60, "not_in_reservation", "The reservation holds no such SKU.";

    /// The queue or the outcome memory is full; nothing happened.
    Busy = 128, "busy", "The server is at a limit; nothing happened. Try again after the given milliseconds.";
    /// No changes are taken now.
    ReadOnly = 129, "read_only", "The server takes no such changes now because its disk is full; nothing happened.";
    /// A field breaks a rule.
    BadField = 130, "bad_field", "A field breaks a rule; nothing happened.";
    /// A dense number stands for nothing.
    UnknownName = 131, "unknown_name", "A number stands for no known name; resolve the name again.";
    /// The id was used with another body.
    IdReused = 132, "id_reused", "The id was used before with another body; nothing happened.";
    /// The id's outcome is no longer kept.
    IdTooOld = 133, "id_too_old", "The id is older than the outcomes that are kept; nothing happened.";
    /// The id's time is too far ahead.
    IdFromFuture = 134, "id_from_future", "The id's time lies more than five minutes ahead of the server's; nothing happened.";
    /// The numbers belong to another epoch.
    EpochChanged = 135, "epoch_changed", "The log's epoch has changed; resolve names again.";
    /// `min_op` was not reached before the deadline.
    Behind = 136, "behind", "The server has not reached the op that the check asks for.";
    /// The TTL is zero or outside the bounds.
    TtlOutOfRange = 137, "ttl_out_of_range", "The time to live is zero or outside the configured bounds; it is refused, not clamped.";
    /// The call's deadline passed before the command was logged.
    DeadlinePassed = 138, "deadline_passed", "The call's deadline passed before the command was logged; nothing happened.";
    /// The op was skipped by an operator after it had aborted the server.
    Skipped = 139, "skipped", "The op was skipped by an operator after it had stopped the server.";
    /// The command was never executed by these rules.
    NotSupported = 140, "not_supported", "This program does not execute that version of the rules.";
}

impl Code {
    /// The persisted number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code with this number, or what stands for it: a server of a later release may send codes that this program
    /// does not know.
    #[must_use]
    pub const fn of_peer(number: u8) -> Self {
        match (Self::from_number(number), number) {
            (Some(code), _) => code,
            (None, 0..32) => Self::UnknownEffect,
            (None, 32..128) => Self::UnknownRefusal,
            (None, 128..) => Self::UnknownAnswer,
        }
    }

    /// Whether the command took effect in a way that this program knows.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.number() < Self::UnknownEffect.number()
    }

    /// Whether the machine records such an outcome under the command's id.
    #[must_use]
    pub const fn is_recordable(self) -> bool {
        self.number() < 128
    }
}

/// The outcome answers an id that was used before.
const FLAG_REPLAYED: u8 = 1 << 0;
/// The outcome is recorded under its id.
const FLAG_RECORDED: u8 = 1 << 1;
/// A detail follows.
const FLAG_DETAIL: u8 = 1 << 2;

/// One granted line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct GrantedLine {
    /// What.
    pub sku: SkuId,
    /// How much was granted, or is shipped or open, as the command says.
    pub quantity: Quantity,
}

/// What some outcomes add to code and value. Variants are append-only. Whoever makes one bounds its list:
/// a detail beyond [`DETAIL_BYTES_MAX`] is our own bug.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// What was granted (best effort, replace).
    Granted {
        /// Line by line, sorted by SKU.
        lines: Vec<GrantedLine>,
        /// Units promised beyond what there is, covered by allowances.
        backordered: Quantity,
    },
    /// A grant that leans on allowances.
    Backordered(Quantity),
    /// What a refused line, or a late confirm, could still have had.
    Available {
        /// The SKU that does not fit.
        sku: SkuId,
        /// What can still be promised of it.
        available: Quantity,
    },
    /// Sources that would do instead.
    Sources(Vec<SourceId>),
    /// A fact was accepted and promises now exceed what there is.
    Shortfall(Quantity),
    /// A source item after a fact.
    Item {
        /// What lies there now.
        on_hand: Quantity,
        /// Its version: counts its changes.
        version: u32,
        /// Units that are promised and missing, over the whole group, allowances included.
        shortfall: Quantity,
    },
    /// Which field broke which rule.
    Field {
        /// The field's name.
        field: String,
        /// The rule.
        rule: String,
    },
    /// A quantity that a bound refuses.
    Bound {
        /// Of which SKU.
        sku: SkuId,
        /// The bound, as the code says: the fewest, the most, the increment, what is open, what lies there.
        bound: Quantity,
        /// The quantity that was asked for.
        value: Quantity,
    },
    /// A number that is outside its range, in the unit of the field.
    Range {
        /// The least that is accepted.
        min: u64,
        /// The most that is accepted; below `min`: nothing is accepted any more.
        max: u64,
        /// What was asked for.
        value: u64,
    },
    /// Which limit on the number of things is reached.
    Limit {
        /// Its name; that of the field of `configure` where there is one.
        name: String,
        /// Its value.
        value: u64,
    },
    /// The SKU that is the reason.
    Sku(SkuId),
}

/// The answer to one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What was decided.
    pub code: Code,
    /// The id was used before and this is its recorded outcome.
    pub replayed: bool,
    /// The outcome is recorded under its id. An edge refusal is not.
    pub recorded: bool,
    /// By kind and code: the deadline in seconds since the Unix epoch (reserve, extend, replace), the dense
    /// number (define, channel), the index of the line that was refused, the milliseconds after which to
    /// try again (busy). 0 where nothing is said.
    pub value: u32,
    /// The op that decided; for unrecorded answers the op as of which it was given.
    pub op: u64,
    /// More, where there is more.
    pub detail: Detail,
}

impl Outcome {
    /// An outcome without detail; `recorded` follows from the code.
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

    /// The typed answer to a bad field.
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

    /// Reads one outcome and the index of its command.
    ///
    /// # Errors
    /// [`BadField`] when bytes are missing or a code or detail is unknown.
    pub fn decode(reader: &mut Reader<'_>) -> Result<(u16, Self), BadField> {
        let code = |number| {
            Code::from_number(number).ok_or(BadField::new("outcome.code", "is not a code of PROTOCOL.md"))
        };
        Self::decode_with(reader, code, decode_detail)
    }

    /// As [`Self::decode`], for clients of servers that may be of a later release: an unknown code becomes what stands for
    /// its range, and an unknown detail is no detail, because the code stands by itself.
    ///
    /// # Errors
    /// [`BadField`] when bytes are missing, or are no detail although its variant is known.
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
            return Err(BadField::new("outcome.flags", "has a bit set that means nothing"));
        }
        let detail = if flags & FLAG_DETAIL == 0 { Detail::None } else { detail(reader)? };
        let replayed = flags & FLAG_REPLAYED != 0;
        let recorded = flags & FLAG_RECORDED != 0;
        Ok((index, Self { code, replayed, recorded, value, op, detail }))
    }
}

/// The bytes of the detail that a flag announces.
fn take_detail<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], BadField> {
    let length = usize::from(reader.u16("outcome.detail")?);
    if length > DETAIL_BYTES_MAX {
        return Err(BadField::new("outcome.detail", "must be at most 32 KiB"));
    }
    reader.take(length, "outcome.detail")
}

/// Variants of [`Detail`].
const DETAIL_VARIANTS: u32 = 12;

fn decode_detail_of_peer(reader: &mut Reader<'_>) -> Result<Detail, BadField> {
    let mut ahead = *reader;
    let bytes = take_detail(&mut ahead)?;
    if Reader::new(bytes).u32("outcome.detail")? < DETAIL_VARIANTS {
        return decode_detail(reader);
    }
    *reader = ahead;
    Ok(Detail::None)
}

/// Reads the detail that a flag announces: bounded, and not the empty one, which has no bytes.
fn decode_detail(reader: &mut Reader<'_>) -> Result<Detail, BadField> {
    let detail = Detail::decode(take_detail(reader)?)?;
    if detail == Detail::None {
        return Err(BadField::new("outcome.detail", "must not be announced when there is none"));
    }
    Ok(detail)
}

impl Detail {
    /// Appends the bincode of the detail; never more than [`DETAIL_BYTES_MAX`] bytes, because lines,
    /// sources and texts are bounded where they are made.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let encoded = encode_cold(self, out);
        assert!(encoded.is_ok(), "a detail is bounded and always encodes");
        assert!(out.len() - start <= DETAIL_BYTES_MAX, "a detail outgrew its bound");
    }

    /// Reads a detail.
    ///
    /// # Errors
    /// [`BadField`] when the bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadField> {
        decode_cold(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back() {
        // Proves that every code with every shape of detail survives its bytes.
        let details = [
            Detail::None,
            Detail::Available { sku: SkuId(3), available: Quantity::units(2).unwrap() },
            Detail::Sources(vec![SourceId(1), SourceId(2)]),
            Detail::Field { field: "lines".into(), rule: "must hold at least one line".into() },
            Detail::Bound { sku: SkuId(3), bound: Quantity::ZERO, value: Quantity::units(2).unwrap() },
            Detail::Range { min: 1, max: 0, value: u64::MAX },
            Detail::Limit { name: "links".into(), value: 7 },
            Detail::Sku(SkuId(3)),
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
        // Proves that each of the 256 numbers is a known code or what stands for its range, that what stands for others is no
        // yes, and that no program takes it for a code of its own.
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
        // Proves that the code stands, that the next outcome is found, and that nothing else is forgiven.
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
        let last = Detail::Sku(SkuId(1));
        let mut encoded = Vec::new();
        last.encode(&mut encoded);
        assert_eq!(encoded[..4], (DETAIL_VARIANTS - 1).to_le_bytes(), "the last variant that is known");
        for broken in [&[][..], &[1, 2, 3], &[0, 0, 0, 0], &[3, 0, 0, 0, 1], &[11, 0, 0, 0, 1, 0, 0, 0, 9]] {
            assert!(Outcome::decode_of_peer(&mut Reader::new(&with_detail(broken))).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn a_plain_outcome_is_sixteen_bytes() {
        // Proves the size that PROTOCOL.md and the speed budget count on.
        let mut bytes = Vec::new();
        Outcome::new(Code::Ok, 0, 1).encode(0, &mut bytes);
        assert_eq!(bytes.len(), crate::limits::OUTCOME_BYTES);
    }
}
