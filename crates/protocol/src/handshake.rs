//! The handshake: which versions both speak, and whether the client's dense numbers are still valid.

use crate::limits::{FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, PROTOCOL_VERSION};
use wincode::{SchemaRead, SchemaWrite};

/// The client's first frame.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Hello {
    /// The oldest protocol version that the client speaks.
    pub version_min: u8,
    /// The newest.
    pub version_max: u8,
    /// Features that the client would use: bits, none defined yet; unknown ones are ignored.
    pub features: u64,
    /// Who it is, for logs; at most 255 bytes.
    pub client: String,
}

impl Hello {
    /// The hello of this version.
    #[must_use]
    pub fn new(client: &str) -> Self {
        Self {
            version_min: PROTOCOL_VERSION,
            version_max: PROTOCOL_VERSION,
            features: 0,
            client: client.to_owned(),
        }
    }

    /// The version that both speak, if there is one.
    #[must_use]
    pub const fn common_version(&self) -> Option<u8> {
        if self.version_min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= self.version_max {
            Some(PROTOCOL_VERSION)
        } else {
            None
        }
    }
}

/// The server's first frame.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct Welcome {
    /// The version that both will speak.
    pub version: u8,
    /// Features that both have.
    pub features: u64,
    /// The log's identity. Dense numbers are valid within (log uuid, epoch): another pair empties the
    /// client's cache of names.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// The rules that decide.
    pub rules_version: u32,
    /// The last op that the server had applied.
    pub op: u64,
    /// The server's time in milliseconds since the Unix epoch: what the time in ids must be near to, whatever the wall clock shows.
    pub time_ms: u64,
    /// Wall clock minus hold time, in milliseconds: what is added to a deadline that people are shown.
    pub shown_offset_ms: i64,
    /// What this connection may do.
    pub limits: ConnectionLimits,
    /// The server's version, for logs.
    pub server: String,
}

/// What one connection may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct ConnectionLimits {
    /// Longest frame body, in bytes.
    pub frame_body_bytes_max: u32,
    /// Most entries in one frame.
    pub frame_count_max: u32,
    /// Most commands that may wait for answers; more are answered `busy`.
    pub in_flight_max: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            frame_body_bytes_max: u32::try_from(FRAME_BODY_BYTES_MAX).unwrap_or(u32::MAX),
            frame_count_max: u32::try_from(FRAME_COUNT_MAX).unwrap_or(u32::MAX),
            in_flight_max: 16_384,
        }
    }
}
