//! Times for people: milliseconds since 1970 as RFC 3339 has them, in UTC, and back.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use stockhold_protocol::Timestamp;

/// A time as RFC 3339 has it, in UTC: `2026-11-29T16:07:43Z`, with a fraction if it is no whole second.
#[must_use]
pub fn rfc3339(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{ms} ms since 1970"), |time| time.to_string())
}

/// Reads a time of RFC 3339, with any offset from UTC.
///
/// # Errors
/// A sentence that shows the form.
pub fn parse_rfc3339(text: &str) -> Result<u64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        format!(
            "`{text}` is no time of RFC 3339, for example 2026-11-29T16:07:43Z or 2026-11-29T17:07:43+01:00"
        )
    })?;
    u64::try_from(time.as_millisecond()).map_err(|_| format!("`{text}` is before 1970"))
}

/// When a sale opens or closes, by the wall clock: a time of RFC 3339, or `none`, which is stored as 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Door(pub Timestamp);

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.0 == 0 { f.write_str("none") } else { f.write_str(&rfc3339(self.0.0)) }
    }
}

impl FromStr for Door {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let ms = parse_rfc3339(text).map_err(|error| format!("{error}; or write none"))?;
        Ok(Self(Timestamp(ms)))
    }
}

impl Serialize for Door {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Door {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_printed() {
        // Proves both directions, other offsets, and that a bad time is refused with the form.
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_764_432_463_007, "2025-11-29T16:07:43.007Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(parse_rfc3339(text), Ok(ms));
        }
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(rfc3339(u64::MAX), "18446744073709551615 ms since 1970");
        for bad in
            ["", "yesterday", "2026-11-29", "1764432463", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z"]
        {
            assert!(parse_rfc3339(bad).is_err(), "{bad}");
        }
    }
}
