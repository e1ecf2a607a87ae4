//! Integers in as few bytes as they need (LEB128): seven bits in each byte, the lowest first, and the highest bit set in
//! all bytes but the last.

use stockhold_protocol::BadField;
use stockhold_protocol::codec::Reader;

const MORE: u8 = 0x80;
const BITS: u32 = 7;

/// Appends an unsigned integer.
#[inline]
pub(super) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= u64::from(MORE) {
        out.push(low_bits(value) | MORE);
        value >>= BITS;
    }
    out.push(low_bits(value));
}

/// Appends a signed integer: 0, -1, 1, -2, … are stored as 0, 1, 2, 3, …
#[inline]
pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    put((value << 1 ^ value >> 63).cast_unsigned(), out);
}

/// Reads an unsigned integer.
#[inline]
pub(super) fn get(reader: &mut Reader<'_>, field: &'static str) -> Result<u64, BadField> {
    let (mut value, mut shift) = (0_u64, 0_u32);
    loop {
        let byte = reader.u8(field)?;
        let bits = u64::from(byte & !MORE);
        if bits.leading_zeros() < shift {
            return Err(BadField::new(field, "must fit into 64 bits"));
        }
        value |= bits << shift;
        if byte & MORE == 0 {
            return Ok(value);
        }
        shift = shift.saturating_add(BITS);
        if shift >= u64::BITS {
            return Err(BadField::new(field, "must fit into 64 bits"));
        }
    }
}

/// Reads an unsigned integer of at most 32 bits.
#[inline]
pub(super) fn get_u32(reader: &mut Reader<'_>, field: &'static str) -> Result<u32, BadField> {
    u32::try_from(get(reader, field)?).map_err(|_| BadField::new(field, "must fit into 32 bits"))
}

/// Reads a signed integer.
#[inline]
pub(super) fn get_signed(reader: &mut Reader<'_>, field: &'static str) -> Result<i64, BadField> {
    let value = get(reader, field)?;
    Ok((value >> 1).cast_signed() ^ 0_i64.wrapping_sub((value & 1).cast_signed()))
}

#[expect(clippy::cast_possible_truncation, reason = "the seven low bits are meant")]
const fn low_bits(value: u64) -> u8 {
    value as u8 & !MORE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back_in_as_few_bytes_as_they_need() {
        // Proves the encoding at the ends of each length, and that ten bytes with more than 64 bits are refused.
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1, u64::MAX - (1 << shift)] {
                let mut bytes = Vec::new();
                put(value, &mut bytes);
                assert_eq!(bytes.len(), usize::max(1, (70 - value.leading_zeros() as usize) / 7), "{value}");
                assert_eq!(get(&mut Reader::new(&bytes), "n"), Ok(value));
                for signed in [value.cast_signed(), value.cast_signed().wrapping_neg()] {
                    bytes.clear();
                    put_signed(signed, &mut bytes);
                    assert_eq!(get_signed(&mut Reader::new(&bytes), "n"), Ok(signed));
                }
            }
        }
        assert!(get(&mut Reader::new(&[0xff; 11]), "n").is_err());
        assert!(
            get(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]), "n").is_err()
        );
        assert!(get(&mut Reader::new(&[0x80]), "n").is_err());
        assert!(get_u32(&mut Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x10]), "n").is_err());
    }
}
