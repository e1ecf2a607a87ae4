//! The bodies of command records: hot commands byte by byte, cold commands as tagged fields. PROTOCOL.md describes
//! them in "Bodies of hot commands" and "Bodies of cold commands".

use super::check::ColdBody;
use super::fingerprint::Scratch;
use super::order::{PART_BYTES, Parts};
use super::{Extend, Placement, Refund, Release, Replace, Reserve, Sell, Ship, Target};
use crate::codec::{BodyConfig, ColdConfig, Reader};
use crate::error::BadField;
use crate::fields::{Unknown, decode_fields, decode_fields_with, encode_fields, encode_fields_with};
use crate::id::{ChannelId, CommandId, ReservationId, SourceId, StockId};
use crate::limits::REFERENCE_BYTES_MAX;
use crate::line::{Lines, NARROW_BYTES, WIDE_BYTES, check_count};
use wincode::{SchemaReadOwned, SchemaWrite};

pub(super) const BY_CHANNEL: u8 = 1 << 0;
const BEST_EFFORT: u8 = 1 << 1;
pub(super) const HAS_TTL: u8 = 1 << 2;
pub(super) const HAS_OWNER: u8 = 1 << 3;
const HAS_REFERENCE: u8 = 1 << 4;
const WIDE: u8 = 1 << 5;
/// Replaces `BEST_EFFORT` in commands that move goods.
const FORCED: u8 = 1 << 1;
/// The flags that a reserve or a replace may have.
pub(super) const RESERVE_FLAGS: u8 = BY_CHANNEL | BEST_EFFORT | HAS_TTL | HAS_OWNER | HAS_REFERENCE | WIDE;

/// The body of a hot command: laid out by hand and read in place.
pub(super) trait HotBody<'a>: Sized {
    /// The flags that the command may have.
    const FLAGS: u8 = 0;

    /// Decodes the whole body. The flags are among [`HotBody::FLAGS`].
    fn decode(flags: u8, reader: Reader<'a>) -> Result<Self, BadField>;

    /// Appends the body and returns its flags.
    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField>;

    /// Appends the canonical form, by which a repeated id is compared.
    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_encoded(|out| self.encode(out));
    }
}

/// Decodes and checks the fields of a cold command. A command with an unknown field is refused as a whole.
pub(super) fn read_cold<T: ColdBody>(bytes: &[u8]) -> Result<T, BadField> {
    let body: T = decode_fields(bytes, Unknown::Refuse)?;
    body.check()?;
    Ok(body)
}

pub(super) fn write_cold<T: ColdBody>(body: &T, out: &mut Vec<u8>) -> Result<u8, BadField> {
    body.check()?;
    encode_fields(body, out)?;
    Ok(0)
}

/// Decodes the only field of a cold command, which has this name.
pub(super) fn read_single<T>(bytes: &[u8], name: &'static str) -> Result<T, BadField>
where
    T: SchemaReadOwned<ColdConfig, Dst = T> + SchemaReadOwned<BodyConfig, Dst = T>,
{
    decode_fields_with(bytes, Unknown::Refuse, |fields| fields.value(1, name)).map(|(value, _)| value)
}

pub(super) fn write_single<T>(value: &T, out: &mut Vec<u8>) -> Result<u8, BadField>
where
    T: SchemaWrite<ColdConfig, Src = T>,
{
    encode_fields_with(out, |fields| fields.value(1, value))?;
    Ok(0)
}

#[inline]
fn decode_target(flags: u8, reader: &mut Reader<'_>) -> Result<Target, BadField> {
    let number = reader.u32("target")?;
    Ok(if flags & BY_CHANNEL == 0 {
        Target::Stock(StockId(number))
    } else {
        Target::Channel(ChannelId(number))
    })
}

fn encode_target(target: Target, out: &mut Vec<u8>) -> u8 {
    let (number, flag) = match target {
        Target::Stock(stock) => (stock.0, 0),
        Target::Channel(channel) => (channel.0, BY_CHANNEL),
    };
    out.extend_from_slice(&number.to_le_bytes());
    flag
}

fn push_count(count: usize, out: &mut Vec<u8>) -> Result<(), BadField> {
    let count = u16::try_from(count).map_err(|_| BadField::new("lines", "must hold at most 256 lines"))?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}

fn encode_lines(lines: Lines<'_>, least: usize, out: &mut Vec<u8>) -> Result<u8, BadField> {
    check_count("lines", lines.len(), least)?;
    push_count(lines.len(), out)?;
    pack_lines(lines, out)
}

fn pack_lines(lines: Lines<'_>, out: &mut Vec<u8>) -> Result<u8, BadField> {
    for line in lines.iter() {
        crate::line::check_quantity(line.quantity.raw())?;
    }
    let wide = lines.needs_wide();
    lines.pack(wide, out);
    Ok(if wide { WIDE } else { 0 })
}

#[inline]
fn decode_lines<'a>(flags: u8, count: usize, reader: &mut Reader<'a>) -> Result<Lines<'a>, BadField> {
    let wide = flags & WIDE != 0;
    let bytes = reader.take(count * if wide { WIDE_BYTES } else { NARROW_BYTES }, "lines")?;
    Lines::parse(bytes, wide)
}

fn decode_counted_lines<'a>(flags: u8, least: usize, reader: &mut Reader<'a>) -> Result<Lines<'a>, BadField> {
    let count = usize::from(reader.u16("lines")?);
    check_count("lines", count, least)?;
    decode_lines(flags, count, reader)
}

fn decode_reservation(reader: &mut Reader<'_>) -> Result<ReservationId, BadField> {
    reader.array("reservation").map(|bytes| ReservationId(CommandId::from_bytes(bytes)))
}

#[inline]
fn decode_owner(flags: u8, reader: &mut Reader<'_>) -> Result<u64, BadField> {
    if flags & HAS_OWNER == 0 { Ok(0) } else { reader.u64("owner") }
}

#[inline]
fn decode_reference<'a>(flags: u8, reader: &mut Reader<'a>) -> Result<&'a str, BadField> {
    if flags & HAS_REFERENCE == 0 {
        return Ok("");
    }
    let length = usize::from(reader.u8("reference")?);
    if length > REFERENCE_BYTES_MAX {
        return Err(BadField::new("reference", "must be at most 32 bytes"));
    }
    let bytes = reader.take(length, "reference")?;
    std::str::from_utf8(bytes).map_err(|_| BadField::new("reference", "must be UTF-8"))
}

fn encode_owner_and_reference(owner: u64, reference: &str, out: &mut Vec<u8>) -> Result<u8, BadField> {
    let mut flags = 0;
    if owner != 0 {
        flags |= HAS_OWNER;
        out.extend_from_slice(&owner.to_le_bytes());
    }
    if !reference.is_empty() {
        let length =
            u8::try_from(reference.len()).ok().filter(|length| usize::from(*length) <= REFERENCE_BYTES_MAX);
        out.push(length.ok_or(BadField::new("reference", "must be at most 32 bytes"))?);
        out.extend_from_slice(reference.as_bytes());
        flags |= HAS_REFERENCE;
    }
    Ok(flags)
}

#[inline]
pub(super) fn decode_reserve(flags: u8, mut reader: Reader<'_>) -> Result<Reserve<'_>, BadField> {
    let target = decode_target(flags, &mut reader)?;
    let count = usize::from(reader.u16("lines")?);
    check_count("lines", count, 1)?;
    let ttl_ms = if flags & HAS_TTL == 0 { None } else { Some(reader.u32("ttl_ms")?) };
    let owner = decode_owner(flags, &mut reader)?;
    let reference = decode_reference(flags, &mut reader)?;
    let lines = decode_lines(flags, count, &mut reader)?;
    reader.finish()?;
    Ok(Reserve { target, lines, best_effort: flags & BEST_EFFORT != 0, ttl_ms, owner, reference })
}

fn encode_reserve(reserve: &Reserve<'_>, out: &mut Vec<u8>) -> Result<u8, BadField> {
    check_count("lines", reserve.lines.len(), 1)?;
    let mut flags = encode_target(reserve.target, out);
    push_count(reserve.lines.len(), out)?;
    if let Some(ttl_ms) = reserve.ttl_ms {
        flags |= HAS_TTL;
        out.extend_from_slice(&ttl_ms.to_le_bytes());
    }
    flags |= encode_owner_and_reference(reserve.owner, reserve.reference, out)?;
    flags |= pack_lines(reserve.lines, out)?;
    Ok(flags | if reserve.best_effort { BEST_EFFORT } else { 0 })
}

impl<'a> HotBody<'a> for Reserve<'a> {
    const FLAGS: u8 = RESERVE_FLAGS;

    fn decode(flags: u8, reader: Reader<'a>) -> Result<Self, BadField> {
        decode_reserve(flags, reader)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        encode_reserve(self, out)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_reserve(self);
    }
}

impl<'a> HotBody<'a> for Placement<'a> {
    const FLAGS: u8 = RESERVE_FLAGS & !BEST_EFFORT;

    fn decode(flags: u8, reader: Reader<'a>) -> Result<Self, BadField> {
        let cart = decode_reserve(flags, reader)?;
        check_placement(&cart)?;
        Ok(Self(cart))
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        check_placement(&self.0)?;
        encode_reserve(&self.0, out)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_reserve(&self.0);
    }
}

fn check_placement(cart: &Reserve<'_>) -> Result<(), BadField> {
    if cart.reference.is_empty() {
        return Err(BadField::new("reference", "must be the number of the order"));
    }
    if cart.best_effort {
        return Err(BadField::new("best_effort", "is not possible for a placement"));
    }
    Ok(())
}

/// The body of a confirm.
impl HotBody<'_> for ReservationId {
    fn decode(_: u8, mut reader: Reader<'_>) -> Result<Self, BadField> {
        let reservation = decode_reservation(&mut reader)?;
        reader.finish()?;
        Ok(reservation)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        out.extend_from_slice(&self.0.to_bytes());
        Ok(0)
    }
}

impl<'a> HotBody<'a> for Release<'a> {
    const FLAGS: u8 = WIDE;

    fn decode(flags: u8, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let reservation = decode_reservation(&mut reader)?;
        let lines = decode_counted_lines(flags, 0, &mut reader)?;
        reader.finish()?;
        Ok(Self { reservation, lines })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        out.extend_from_slice(&self.reservation.0.to_bytes());
        encode_lines(self.lines, 0, out)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_release(self);
    }
}

impl HotBody<'_> for Extend {
    fn decode(_: u8, mut reader: Reader<'_>) -> Result<Self, BadField> {
        let reservation = decode_reservation(&mut reader)?;
        let ttl_ms = reader.u32("ttl_ms")?;
        reader.finish()?;
        Ok(Self { reservation, ttl_ms })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        out.extend_from_slice(&self.reservation.0.to_bytes());
        out.extend_from_slice(&self.ttl_ms.to_le_bytes());
        Ok(0)
    }
}

impl<'a> HotBody<'a> for Replace<'a> {
    const FLAGS: u8 = RESERVE_FLAGS;

    fn decode(flags: u8, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let old = decode_reservation(&mut reader)?;
        Ok(Self { old, new: decode_reserve(flags, reader)? })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        out.extend_from_slice(&self.old.0.to_bytes());
        encode_reserve(&self.new, out)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_replace(self);
    }
}

impl<'a> HotBody<'a> for Ship<'a> {
    const FLAGS: u8 = FORCED | WIDE;

    fn decode(flags: u8, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let reservation = decode_reservation(&mut reader)?;
        let source = SourceId(reader.u32("source")?);
        let lines = decode_counted_lines(flags, 1, &mut reader)?;
        reader.finish()?;
        Ok(Self { reservation, source, lines, forced: flags & FORCED != 0 })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        out.extend_from_slice(&self.reservation.0.to_bytes());
        out.extend_from_slice(&self.source.0.to_le_bytes());
        let forced = if self.forced { FORCED } else { 0 };
        Ok(forced | encode_lines(self.lines, 1, out)?)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_ship(self);
    }
}

impl<'a> HotBody<'a> for Sell<'a> {
    const FLAGS: u8 = BY_CHANNEL | FORCED | HAS_OWNER | HAS_REFERENCE | WIDE;

    fn decode(flags: u8, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let target = decode_target(flags, &mut reader)?;
        let source = SourceId(reader.u32("source")?);
        let count = usize::from(reader.u16("lines")?);
        check_count("lines", count, 1)?;
        let owner = decode_owner(flags, &mut reader)?;
        let reference = decode_reference(flags, &mut reader)?;
        let lines = decode_lines(flags, count, &mut reader)?;
        reader.finish()?;
        Ok(Self { target, source, lines, forced: flags & FORCED != 0, owner, reference })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        check_count("lines", self.lines.len(), 1)?;
        let mut flags = encode_target(self.target, out);
        out.extend_from_slice(&self.source.0.to_le_bytes());
        push_count(self.lines.len(), out)?;
        flags |= encode_owner_and_reference(self.owner, self.reference, out)?;
        flags |= pack_lines(self.lines, out)?;
        Ok(flags | if self.forced { FORCED } else { 0 })
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_sell(self);
    }
}

impl<'a> HotBody<'a> for Refund<'a> {
    fn decode(_: u8, mut reader: Reader<'a>) -> Result<Self, BadField> {
        let reservation = decode_reservation(&mut reader)?;
        let count = usize::from(reader.u16("parts")?);
        check_count("parts", count, 1)?;
        let parts = Parts::parse(reader.take(count * PART_BYTES, "parts")?)?;
        reader.finish()?;
        Ok(Self { reservation, parts })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<u8, BadField> {
        check_count("parts", self.parts.len(), 1)?;
        out.extend_from_slice(&self.reservation.0.to_bytes());
        push_count(self.parts.len(), out)?;
        self.parts.pack(out);
        Ok(0)
    }

    fn canonical(&self, scratch: &mut Scratch) {
        scratch.put_refund(self);
    }
}
