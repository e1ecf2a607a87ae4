//! The digest of a state: the sum of the hashes of its records, in any order.
//!
//! The sum is commutative and has an inverse, so one changed record costs one `sub` and one `add`, and a
//! snapshot can be verified while it is read. The digest is *not* protection against forgery: anyone who
//! can choose the records can construct two states with the same digest. It detects our own errors, such as
//! a replay that decided differently or a snapshot that lost a record. Such an error produces a given
//! 64-bit sum with a probability of 2⁻⁶⁴. A 128-bit digest would cost a second sum per record and would not
//! detect any more likely error.

use std::fmt;

/// The hash of one record: XXH3 with 64 bits. The seed is the kind of the record, so equal bytes of two
/// kinds have different hashes. The hash is part of the disk format and never changes.
#[inline]
pub fn record_hash(kind: u8, bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(bytes, u64::from(kind))
}

/// A wrapping sum of record hashes. The sum of no records is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(u64);

impl Digest {
    /// The digest of no records.
    pub const EMPTY: Self = Self(0);

    /// A digest from its stored value.
    pub const fn from_u64(sum: u64) -> Self {
        Self(sum)
    }

    /// The value to store.
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Adds the hash of a record.
    #[inline]
    pub const fn add(&mut self, hash: u64) {
        self.0 = self.0.wrapping_add(hash);
    }

    /// Subtracts the hash of a record.
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
        // Proves that the hash in the disk format has not changed: 2d06800538d394c2 is the published value
        // of XXH3 for no bytes and seed 0.
        assert_eq!(record_hash(0, b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(record_hash(1, b"stockhold"), 0xd423_2b3c_b95b_78f7);
        assert_eq!(record_hash(2, b"stockhold"), 0x9d24_d3c3_2e54_2cc8);
        let long: Vec<u8> = (0..=255).collect();
        assert_eq!(record_hash(255, &long), 0xc7b1_7971_34cf_c576);
    }

    #[test]
    fn digest_does_not_depend_on_order_or_removed_records() {
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
