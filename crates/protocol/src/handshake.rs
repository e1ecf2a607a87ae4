//! The handshake: it agrees on the protocol version and capabilities, and says whether the client's dense numbers are
//! still valid. Both messages are tagged fields, so that later releases can extend them.

use crate::error::BadField;
use crate::fields::{Unknown, decode_fields, encode_fields};
use crate::limits::{
    FEATURE_LEVEL, FRAME_BODY_BYTES_MAX, FRAME_COUNT_MAX, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN,
};
use crate::tagged;
use std::fmt;

/// The protocol versions that one side speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// The oldest.
    pub min: u8,
    /// The newest.
    pub max: u8,
}

impl Versions {
    /// The versions of this program.
    pub const OWN: Self = Self { min: PROTOCOL_VERSION_MIN, max: PROTOCOL_VERSION };

    /// Whether a version is included.
    #[must_use]
    pub const fn contains(self, version: u8) -> bool {
        self.min <= version && version <= self.max
    }

    /// The newest version that both sides speak, if there is one.
    #[must_use]
    pub const fn common(self, other: Self) -> Option<u8> {
        let newest = if self.max < other.max { self.max } else { other.max };
        if self.contains(newest) && other.contains(newest) { Some(newest) } else { None }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "version {}", self.min)
        } else {
            write!(f, "versions {} to {}", self.min, self.max)
        }
    }
}

/// The client's first frame.
///
/// Field 5 with the optional bit is reserved for a token: text of at most 1,024 bytes that identifies the client. A
/// server of this version skips it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The oldest protocol version that the client speaks.
    pub version_min: u8,
    /// The newest protocol version that the client speaks.
    pub version_max: u8,
    /// Capabilities of the client beyond its version, as bits. None is defined yet; unknown bits are ignored.
    pub capabilities: u64,
    /// The client's name, for logs; at most 255 bytes.
    pub client: String,
}
tagged!(Hello { 1 version_min value, 2 version_max value, 3 capabilities value, 4 client value });

impl Hello {
    /// The Hello of this version.
    #[must_use]
    pub fn new(client: &str) -> Self {
        Self {
            version_min: PROTOCOL_VERSION_MIN,
            version_max: PROTOCOL_VERSION,
            capabilities: 0,
            client: client.to_owned(),
        }
    }

    /// The versions that the client speaks.
    #[must_use]
    pub const fn versions(&self) -> Versions {
        Versions { min: self.version_min, max: self.version_max }
    }

    /// The newest version that both sides speak, if there is one.
    #[must_use]
    pub const fn common_version(&self) -> Option<u8> {
        Versions::OWN.common(self.versions())
    }

    /// Appends the body of the frame.
    ///
    /// # Errors
    /// [`BadField`] when a text is too long to be encoded.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        encode_fields(self, out)
    }

    /// Decodes the body of the frame. Unknown optional fields are skipped.
    ///
    /// # Errors
    /// [`BadField`] names what cannot be decoded.
    pub fn decode(body: &[u8]) -> Result<Self, BadField> {
        decode_fields(body, Unknown::Skip)
    }
}

/// The server's first frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The version that both sides will speak.
    pub version: u8,
    /// The oldest version that the server speaks.
    pub version_min: u8,
    /// The newest protocol version that the server speaks.
    pub version_max: u8,
    /// The capabilities that both sides share beyond the version.
    pub capabilities: u64,
    /// The UUID of the log. Dense numbers are valid within (log uuid, epoch); another pair empties the client's cache
    /// of names.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// The version of the rules in force.
    pub rules_version: u32,
    /// The feature level of the server: the commands, settings, codes and fields that it knows.
    pub feature_level: u32,
    /// The last op that the server had applied.
    pub op: u64,
    /// The server's time in milliseconds since the Unix epoch. The time in ids must be close to it, whatever the wall
    /// clock shows.
    pub time_ms: u64,
    /// Wall clock minus hold time, in milliseconds. Add it to a deadline to display it.
    pub shown_offset_ms: i64,
    /// Increases when a released name is given to another thing. 0 in this release.
    pub name_generation: u32,
    /// The limits of this connection.
    pub limits: ConnectionLimits,
    /// The server's version, for logs.
    pub server: String,
}
tagged!(Welcome {
    1 version value,
    2 version_min value,
    3 version_max value,
    4 capabilities value,
    5 log_uuid value,
    6 epoch value,
    7 rules_version value,
    8 feature_level value,
    9 op value,
    10 time_ms value,
    11 shown_offset_ms value,
    12 name_generation value,
    13 limits nested,
    14 server value,
});

impl Default for Welcome {
    /// The Welcome of a server of this version with an empty log.
    fn default() -> Self {
        Self {
            version: PROTOCOL_VERSION,
            version_min: PROTOCOL_VERSION_MIN,
            version_max: PROTOCOL_VERSION,
            capabilities: 0,
            log_uuid: [0; 16],
            epoch: 1,
            rules_version: 1,
            feature_level: FEATURE_LEVEL,
            op: 0,
            time_ms: 0,
            shown_offset_ms: 0,
            name_generation: 0,
            limits: ConnectionLimits::default(),
            server: String::new(),
        }
    }
}

impl Welcome {
    /// Appends the body of the frame.
    ///
    /// # Errors
    /// [`BadField`] when a text is too long to be encoded.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadField> {
        encode_fields(self, out)
    }

    /// Decodes the body of the frame. Unknown optional fields are skipped.
    ///
    /// # Errors
    /// [`BadField`] names what cannot be decoded.
    pub fn decode(body: &[u8]) -> Result<Self, BadField> {
        decode_fields(body, Unknown::Skip)
    }
}

/// The limits of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionLimits {
    /// Longest frame body, in bytes.
    pub frame_body_bytes_max: u32,
    /// Most entries in one frame.
    pub frame_count_max: u32,
    /// Maximum number of commands that may wait for answers. Further commands are answered `busy`.
    pub in_flight_max: u32,
}

tagged!(ConnectionLimits { 1 frame_body_bytes_max value, 2 frame_count_max value, 3 in_flight_max value });

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            frame_body_bytes_max: u32::try_from(FRAME_BODY_BYTES_MAX).unwrap_or(u32::MAX),
            frame_count_max: u32::try_from(FRAME_COUNT_MAX).unwrap_or(u32::MAX),
            in_flight_max: 16_384,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        // Proves the choice for ranges of one and of several versions, on either side, and that disjoint ranges have
        // none.
        let versions = |min, max| Versions { min, max };
        let (now, next, later) = (versions(2, 2), versions(2, 3), versions(3, 4));
        assert_eq!(now.common(now), Some(2));
        assert_eq!((now.common(next), next.common(now)), (Some(2), Some(2)));
        assert_eq!((next.common(next), next.common(later), later.common(next)), (Some(3), Some(3), Some(3)));
        assert_eq!((now.common(later), later.common(now)), (None, None));
        assert_eq!(now.common(versions(1, 1)), None);
        assert_eq!(now.common(versions(3, 1)), None);
        assert_eq!((now.to_string(), next.to_string()), ("version 2".into(), "versions 2 to 3".into()));
    }
}
