//! The digest of a state: a sum of the hashes of its records, in any order.
//!
//! Because the sum is commutative and has an inverse, one changed record costs one `sub` and one `add`, and
//! a snapshot is verified while it streams by. It is *not* a proof against a forger: whoever chooses
//! records freely can make two states with one digest. It finds our own mistakes (a replay that decided
//! otherwise, a snapshot that lost a record), which hit a given 64-bit sum with a chance of 2⁻⁶⁴; 128 bits
//! would cost every record a second sum to guard against nothing more likely.

use std::fmt;

/// The hash of one record: XXH3, 64 bits, seeded with the record's kind so that equal bytes of two kinds
/// differ. Part of the format: it never changes.
#[inline]
pub fn record_hash(kind: u8, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, u64::from(kind))
}

/// A wrapping sum of record hashes; the digest of nothing is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u64);

impl Digest {
    /// The digest of no record.
    pub const EMPTY: Self = Self(0);

    /// A digest that was written somewhere.
    pub const fn from_u64(sum: u64) -> Self {
        Self(sum)
    }

    /// The sum itself, to write it somewhere.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Counts a record.
    #[inline]
    pub const fn add(&mut self, hash: u64) {
        self.0 = self.0.wrapping_add(hash);
    }

    /// Stops counting a record.
    #[inline]
    pub const fn sub(&mut self, hash: u64) {
        self.0 = self.0.wrapping_sub(hash);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_hash_is_frozen() {
        // Proves that the hash in the format has not changed: 2d06800538d394c2 is XXH3's published value
        // for no bytes and seed 0.
        assert_eq!(record_hash(0, b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(record_hash(1, b"stockhold"), 0xd423_2b3c_b95b_78f7);
        assert_eq!(record_hash(2, b"stockhold"), 0x9d24_d3c3_2e54_2cc8);
        let long: Vec<u8> = (0..=255).collect();
        assert_eq!(record_hash(255, &long), 0xc7b1_7971_34cf_c576);
    }

    #[test]
    fn digest_forgets_order_and_removed_records() {
        // Proves that the digest depends on the set of records only.
        let (a, b, c) = (record_hash(1, b"a"), record_hash(1, b"b"), record_hash(2, b"a"));
        let mut one = Digest::EMPTY;
        for hash in [a, b, c] {
            one.add(hash);
        }
        one.sub(b);
        let mut other = Digest::EMPTY;
        other.add(c);
        other.add(a);
        assert_eq!(one, other);
        assert_ne!(one, Digest::EMPTY);
        assert_eq!(Digest::from_u64(one.to_u64()), one);
        assert_eq!(Digest::from_u64(0xab).to_string(), "00000000000000ab");
    }
}
