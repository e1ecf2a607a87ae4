//! The bodies of command records, kind by kind. PROTOCOL.md, section "Command bodies", is the same in prose.

use super::catalog::{Acceptance, Activation, Beginning, Offset};
use super::hot::{PART_BYTES, Parts};
use super::{Command, Extend, Kind, Refund, Release, Replace, Reserve, Sell, Ship, Target};
use crate::codec::Reader;
use crate::error::BadField;
use crate::fields::{Tagged, Unknown, decode_fields, encode_fields};
use crate::id::{ChannelId, CommandId, ReservationId, SourceId, StockId};
use crate::limits::REFERENCE_BYTES_MAX;
use crate::line::{Lines, NARROW_BYTES, WIDE_BYTES, check_count};

pub(super) const BY_CHANNEL: u8 = 1 << 0;
const BEST_EFFORT: u8 = 1 << 1;
pub(super) const HAS_TTL: u8 = 1 << 2;
pub(super) const HAS_OWNER: u8 = 1 << 3;
const HAS_REFERENCE: u8 = 1 << 4;
const WIDE: u8 = 1 << 5;
/// Takes the place of `BEST_EFFORT` in commands that move goods.
const FORCED: u8 = 1 << 1;
/// What a reserve or a replace may carry.
const RESERVE_FLAGS: u8 = BY_CHANNEL | BEST_EFFORT | HAS_TTL | HAS_OWNER | HAS_REFERENCE | WIDE;

#[inline]
pub(super) fn decode(kind: Kind, flags: u8, reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    if kind == Kind::Reserve && flags & !RESERVE_FLAGS == 0 {
        return decode_reserve(flags, reader).map(Command::Reserve);
    }
    decode_other(kind, flags, reader)
}

fn decode_other(kind: Kind, flags: u8, reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let allowed = match kind {
        Kind::Reserve | Kind::Replace => RESERVE_FLAGS,
        Kind::Sell => BY_CHANNEL | FORCED | HAS_OWNER | HAS_REFERENCE | WIDE,
        Kind::Ship => FORCED | WIDE,
        Kind::Release => WIDE,
        Kind::Confirm
        | Kind::Extend
        | Kind::Refund
        | Kind::Count
        | Kind::Adjust
        | Kind::Transfer
        | Kind::DefineSource
        | Kind::DefineStock
        | Kind::DefineSku
        | Kind::Link
        | Kind::Unlink
        | Kind::Channel
        | Kind::Settings
        | Kind::Quota
        | Kind::Configure
        | Kind::Tick
        | Kind::Mark
        | Kind::ActivateRules
        | Kind::WallOffset
        | Kind::AcceptClock
        | Kind::BeginEpoch => 0,
    };
    if flags & !allowed != 0 {
        return Err(BadField::new("flags", "has a bit set that means nothing for this kind"));
    }
    match kind {
        Kind::Reserve => decode_reserve(flags, reader).map(Command::Reserve),
        Kind::Confirm => decode_confirm(reader),
        Kind::Release => decode_release(flags, reader),
        Kind::Extend => decode_extend(reader),
        Kind::Replace => decode_replace(flags, reader),
        Kind::Ship => decode_ship(flags, reader),
        Kind::Sell => decode_sell(flags, reader),
        Kind::Refund => decode_refund(reader),
        Kind::Tick => reader.finish().map(|()| Command::Tick),
        Kind::Count
        | Kind::Adjust
        | Kind::Transfer
        | Kind::DefineSource
        | Kind::DefineStock
        | Kind::DefineSku
        | Kind::Link
        | Kind::Unlink
        | Kind::Channel
        | Kind::Settings
        | Kind::Quota
        | Kind::Configure
        | Kind::Mark
        | Kind::ActivateRules
        | Kind::WallOffset
        | Kind::AcceptClock
        | Kind::BeginEpoch => decode_catalog(kind, reader.rest()),
    }
}

/// The fields of a cold command; a command with one that is not known here is not obeyed by half.
fn read<T: Tagged>(bytes: &[u8]) -> Result<T, BadField> {
    decode_fields(bytes, Unknown::Refuse)
}

fn decode_catalog(kind: Kind, bytes: &[u8]) -> Result<Command<'static>, BadField> {
    let command = match kind {
        Kind::Count => Command::Count(read(bytes)?),
        Kind::Adjust => Command::Adjust(read(bytes)?),
        Kind::Transfer => Command::Transfer(read(bytes)?),
        Kind::DefineSource => Command::DefineSource(Box::new(read(bytes)?)),
        Kind::DefineStock => Command::DefineStock(read(bytes)?),
        Kind::DefineSku => Command::DefineSku(read(bytes)?),
        Kind::Link => Command::Link(read(bytes)?),
        Kind::Unlink => Command::Unlink(read(bytes)?),
        Kind::Channel => Command::Channel(read(bytes)?),
        Kind::Settings => Command::Settings(Box::new(read(bytes)?)),
        Kind::Quota => Command::Quota(read(bytes)?),
        Kind::Configure => Command::Configure(Box::new(read(bytes)?)),
        Kind::Mark => Command::Mark(read(bytes)?),
        Kind::ActivateRules => Command::ActivateRules(read::<Activation>(bytes)?.version),
        Kind::WallOffset => Command::WallOffset(read::<Offset>(bytes)?.offset_ms),
        Kind::AcceptClock => Command::AcceptClock(read::<Acceptance>(bytes)?.until_ms),
        Kind::BeginEpoch => Command::BeginEpoch(read::<Beginning>(bytes)?.epoch),
        Kind::Reserve
        | Kind::Confirm
        | Kind::Release
        | Kind::Extend
        | Kind::Replace
        | Kind::Ship
        | Kind::Sell
        | Kind::Refund
        | Kind::Tick => return Err(BadField::new("kind", "is not a catalog command")),
    };
    command.check_catalog()?;
    Ok(command)
}

/// Appends the body and tells the flags of the header.
pub(super) fn encode(command: &Command<'_>, out: &mut Vec<u8>) -> Result<u8, BadField> {
    match command {
        Command::Reserve(reserve) => return encode_reserve(reserve, out),
        Command::Replace(replace) => {
            out.extend_from_slice(&replace.old.0.to_bytes());
            return encode_reserve(&replace.new, out);
        }
        Command::Confirm(reservation) => out.extend_from_slice(&reservation.0.to_bytes()),
        Command::Release(release) => {
            out.extend_from_slice(&release.reservation.0.to_bytes());
            return encode_lines(release.lines, 0, out);
        }
        Command::Extend(extend) => {
            out.extend_from_slice(&extend.reservation.0.to_bytes());
            out.extend_from_slice(&extend.ttl_ms.to_le_bytes());
        }
        Command::Ship(ship) => {
            out.extend_from_slice(&ship.reservation.0.to_bytes());
            out.extend_from_slice(&ship.source.0.to_le_bytes());
            let forced = if ship.forced { FORCED } else { 0 };
            return Ok(forced | encode_lines(ship.lines, 1, out)?);
        }
        Command::Sell(sell) => return encode_sell(sell, out),
        Command::Refund(refund) => {
            check_count("parts", refund.parts.len(), 1)?;
            out.extend_from_slice(&refund.reservation.0.to_bytes());
            push_count(refund.parts.len(), out)?;
            refund.parts.pack(out);
        }
        Command::Tick => {}
        Command::Count(value) => encode_fields(value, out)?,
        Command::Adjust(value) => encode_fields(value, out)?,
        Command::Transfer(value) => encode_fields(value, out)?,
        Command::DefineSource(value) => encode_fields(value.as_ref(), out)?,
        Command::DefineStock(value) => encode_fields(value, out)?,
        Command::DefineSku(value) => encode_fields(value, out)?,
        Command::Link(value) => encode_fields(value, out)?,
        Command::Unlink(value) => encode_fields(value, out)?,
        Command::Channel(value) => encode_fields(value, out)?,
        Command::Settings(value) => encode_fields(value.as_ref(), out)?,
        Command::Quota(value) => encode_fields(value, out)?,
        Command::Configure(value) => encode_fields(value.as_ref(), out)?,
        Command::Mark(value) => encode_fields(value, out)?,
        Command::ActivateRules(version) => encode_fields(&Activation { version: *version }, out)?,
        Command::WallOffset(offset_ms) => encode_fields(&Offset { offset_ms: *offset_ms }, out)?,
        Command::BeginEpoch(epoch) => encode_fields(&Beginning { epoch: *epoch }, out)?,
        Command::AcceptClock(until_ms) => encode_fields(&Acceptance { until_ms: *until_ms }, out)?,
    }
    command.check_catalog()?;
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
fn decode_reserve(flags: u8, mut reader: Reader<'_>) -> Result<Reserve<'_>, BadField> {
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

fn decode_confirm(mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let reservation = decode_reservation(&mut reader)?;
    reader.finish()?;
    Ok(Command::Confirm(reservation))
}

fn decode_release(flags: u8, mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let reservation = decode_reservation(&mut reader)?;
    let lines = decode_counted_lines(flags, 0, &mut reader)?;
    reader.finish()?;
    Ok(Command::Release(Release { reservation, lines }))
}

fn decode_extend(mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let reservation = decode_reservation(&mut reader)?;
    let ttl_ms = reader.u32("ttl_ms")?;
    reader.finish()?;
    Ok(Command::Extend(Extend { reservation, ttl_ms }))
}

fn decode_replace(flags: u8, mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let old = decode_reservation(&mut reader)?;
    let new = decode_reserve(flags, reader)?;
    Ok(Command::Replace(Replace { old, new }))
}

fn decode_ship(flags: u8, mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let reservation = decode_reservation(&mut reader)?;
    let source = SourceId(reader.u32("source")?);
    let lines = decode_counted_lines(flags, 1, &mut reader)?;
    reader.finish()?;
    Ok(Command::Ship(Ship { reservation, source, lines, forced: flags & FORCED != 0 }))
}

fn decode_sell(flags: u8, mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let target = decode_target(flags, &mut reader)?;
    let source = SourceId(reader.u32("source")?);
    let count = usize::from(reader.u16("lines")?);
    check_count("lines", count, 1)?;
    let owner = decode_owner(flags, &mut reader)?;
    let reference = decode_reference(flags, &mut reader)?;
    let lines = decode_lines(flags, count, &mut reader)?;
    reader.finish()?;
    Ok(Command::Sell(Sell { target, source, lines, forced: flags & FORCED != 0, owner, reference }))
}

fn encode_sell(sell: &Sell<'_>, out: &mut Vec<u8>) -> Result<u8, BadField> {
    check_count("lines", sell.lines.len(), 1)?;
    let mut flags = encode_target(sell.target, out);
    out.extend_from_slice(&sell.source.0.to_le_bytes());
    push_count(sell.lines.len(), out)?;
    flags |= encode_owner_and_reference(sell.owner, sell.reference, out)?;
    flags |= pack_lines(sell.lines, out)?;
    Ok(flags | if sell.forced { FORCED } else { 0 })
}

fn decode_refund(mut reader: Reader<'_>) -> Result<Command<'_>, BadField> {
    let reservation = decode_reservation(&mut reader)?;
    let count = usize::from(reader.u16("parts")?);
    check_count("parts", count, 1)?;
    let parts = Parts::parse(reader.take(count * PART_BYTES, "parts")?)?;
    reader.finish()?;
    Ok(Command::Refund(Refund { reservation, parts }))
}
