//! Ids: client-made command ids, and dense numbers of names.
//!
//! The machine assigns dense numbers in log order and never reuses them. They are valid within one (log uuid, epoch).
//! They intentionally support no arithmetic.

use crate::error::BadField;
use std::fmt;

/// The client-made 128-bit id of one mutation, in `UUIDv7` layout (RFC 9562, section 5.7).
///
/// The upper 48 bits are the client's time in milliseconds since the Unix epoch. The server indexes outcomes by that
/// time, which is why a late retry can never execute twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommandId(u128);

impl CommandId {
    /// The id of commands that no client sent (ticks).
    pub const NONE: Self = Self(0);

    /// Checks that a number has the layout of a `UUIDv7`.
    ///
    /// # Errors
    /// [`BadField`] when version or variant bits differ from `UUIDv7`.
    pub fn new(value: u128) -> Result<Self, BadField> {
        let version = (value >> 76) & 0xF;
        let variant = (value >> 62) & 0b11;
        if version == 7 && variant == 0b10 {
            Ok(Self(value))
        } else {
            Err(BadField::new("id", "must be a UUIDv7 (RFC 9562): version 7, variant 10"))
        }
    }

    /// Builds an id from the client's time (milliseconds since the Unix epoch, 48 bits are used) and 74 bits of
    /// randomness. The six version and variant bits of `random` are overwritten.
    #[must_use]
    pub const fn from_parts(client_time_ms: u64, random: u128) -> Self {
        let time = (client_time_ms as u128 & 0xFFFF_FFFF_FFFF) << 80;
        let rest = random & 0x0000_0000_0000_0FFF_3FFF_FFFF_FFFF_FFFF;
        Self(time | rest | (7 << 76) | (0b10 << 62))
    }

    /// The client's time in the id, in milliseconds since the Unix epoch.
    #[must_use]
    pub const fn client_time_ms(self) -> u64 {
        low_half(self.0 >> 80)
    }

    /// The id as a number. Its most significant bits are the time.
    #[must_use]
    pub const fn value(self) -> u128 {
        self.0
    }

    /// A well-mixed 64-bit hash of the id, equal on every machine (murmur3's finalizer over both halves).
    #[must_use]
    pub const fn hash64(self) -> u64 {
        let (low, high) = (low_half(self.0), low_half(self.0 >> 64));
        let mut x = low ^ high.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        x = (x ^ (x >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        x ^ (x >> 33)
    }

    /// The 16 bytes in RFC 9562 order, as on the wire and in the log.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.swap_bytes().to_le_bytes()
    }

    /// Reads 16 bytes in RFC 9562 order without checking version and variant. For ids that only refer to something:
    /// an invalid one is simply unknown.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes).swap_bytes())
    }
}

/// The lower 64 bits.
const fn low_half(value: u128) -> u64 {
    match value.to_le_bytes().first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => 0,
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xFFFF,
            (v >> 64) & 0xFFFF,
            (v >> 48) & 0xFFFF,
            v & 0xFFFF_FFFF_FFFF
        )
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for CommandId {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        if hex.len() != 32 || hex.starts_with('+') {
            return Err(BadField::new("id", "must be 32 hexadecimal digits, with or without dashes"));
        }
        let value = u128::from_str_radix(&hex, 16)
            .map_err(|_| BadField::new("id", "must be 32 hexadecimal digits, with or without dashes"))?;
        Self::new(value)
    }
}

/// The id of a reservation: the id of the reserve, replace or sell that made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ReservationId(pub CommandId);

impl From<CommandId> for ReservationId {
    fn from(id: CommandId) -> Self {
        Self(id)
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ReservationId {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, BadField> {
        text.parse().map(Self)
    }
}

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, wincode::SchemaRead, wincode::SchemaWrite,
        )]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

dense_id!(
    /// The dense number of a SKU.
    SkuId
);
dense_id!(
    /// The dense number of a stock (a virtual pool).
    StockId
);
dense_id!(
    /// The dense number of a source (a place that holds goods).
    SourceId
);
dense_id!(
    /// The dense number of a sales channel.
    ChannelId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_from_an_id() {
        // Proves that the time is preserved and that the layout bits are forced whatever the randomness is.
        for random in [0, u128::MAX, 0x1234_5678_9ABC_DEF0_0FED_CBA9_8765_4321] {
            let id = CommandId::from_parts(1_763_800_000_123, random);
            assert_eq!(id.client_time_ms(), 1_763_800_000_123);
            assert_eq!(CommandId::new(id.value()), Ok(id));
            assert_eq!(CommandId::from_bytes(id.to_bytes()), id);
            assert_eq!(id.to_string().parse::<CommandId>(), Ok(id));
        }
    }

    #[test]
    fn other_uuid_versions_are_refused() {
        // Proves that a UUIDv4, whose upper bits are not a time, is refused.
        assert!("0b4e6f0e-6a0c-4c1e-9f3b-1d2c3b4a5968".parse::<CommandId>().is_err());
        assert!(CommandId::new(0).is_err());
        assert!("zz".parse::<CommandId>().is_err());
    }

    #[test]
    fn bytes_stand_in_rfc_order() {
        // Proves that the wire bytes match what every UUID library prints.
        let id: CommandId = "019a0b3c-4d5e-7f60-8123-456789abcdef".parse().unwrap();
        assert_eq!(id.to_bytes()[..4], [0x01, 0x9a, 0x0b, 0x3c]);
    }
}
