//! The checksum of the data directory: CRC-64/NVME. It detects accidents, but does not protect against deliberate
//! changes.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of a byte sequence.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// The checksum of two byte sequences as if they were one.
#[must_use]
pub fn checksum_of_two(first: &[u8], second: &[u8]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(first);
    digest.update(second);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the algorithm is the standard CRC-64/NVME and that splitting does not change the result.
    #[test]
    fn check_value() {
        assert_eq!(checksum(b"123456789"), 0xAE8B_1486_0A79_9888);
        assert_eq!(checksum_of_two(b"1234", b"56789"), 0xAE8B_1486_0A79_9888);
    }
}
