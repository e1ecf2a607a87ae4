//! The only conversions between `usize` and explicit widths in the byte layer, and access to little-endian fields. The
//! caller has checked the lengths.

/// Bytes are compared and copied in blocks, which is fast in unoptimised builds too, because most bytes of a log are
/// zeros.
const ZEROS: [u8; 4_096] = [0; 4_096];

const _: () = assert!(usize::BITS == 64, "file offsets are used as indexes");

/// Converts a length or offset of a file to an index.
#[must_use]
pub fn index(value: u64) -> usize {
    match usize::try_from(value) {
        Ok(value) => value,
        Err(_) => unreachable!("usize has 64 bits"),
    }
}

/// Converts a length in memory to a length in a file.
#[must_use]
pub fn length(value: usize) -> u64 {
    match u64::try_from(value) {
        Ok(value) => value,
        Err(_) => unreachable!("usize has 64 bits"),
    }
}

/// Converts a length to a field of 32 bits.
#[must_use]
pub fn length32(value: usize) -> u32 {
    match u32::try_from(value) {
        Ok(value) => value,
        Err(_) => unreachable!("every length kept in 32 bits is bounded by a constant below 2^32"),
    }
}

/// The `N` bytes at `offset`.
#[must_use]
pub fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}

/// The little-endian 64-bit field at `offset`.
#[must_use]
pub fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

/// The little-endian 32-bit field at `offset`.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

/// The little-endian 16-bit field at `offset`.
#[must_use]
pub fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}

/// Writes `field` at `offset`.
pub fn put(bytes: &mut [u8], offset: usize, field: &[u8]) {
    bytes[offset..offset + field.len()].copy_from_slice(field);
}

/// Whether all bytes are zero.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// Appends zeros up to a length.
pub fn grow(bytes: &mut Vec<u8>, length: usize) {
    while bytes.len() < length {
        bytes.extend_from_slice(&ZEROS[..ZEROS.len().min(length - bytes.len())]);
    }
}
