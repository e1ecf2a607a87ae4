//! The numbers of catalog files: exact decimals, never binary floating point.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use stockhold_protocol::Quantity;

/// The decimals of a coordinate, which is stored in millionths of a degree.
const DEGREE_DECIMALS: usize = 6;
/// The number of millionths in a degree.
const DEGREE_SCALE: i64 = 1_000_000;

/// A quantity: a whole number, or a decimal in quotes such as `"2.5"`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount(pub Quantity);

/// A coordinate in degrees: a whole number, or a decimal in quotes such as `"40.7128"`. It is stored in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Degrees(pub i32);

impl From<Quantity> for Amount {
    fn from(quantity: Quantity) -> Self {
        Self(quantity)
    }
}

impl std::str::FromStr for Degrees {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be degrees with at most 6 decimals, such as \"40.7128\"";
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > DEGREE_DECIMALS {
            return Err(RULE);
        }
        let whole: i64 = whole.parse().map_err(|_| RULE)?;
        let part: i64 = format!("{part:0<DEGREE_DECIMALS$}").parse().map_err(|_| RULE)?;
        let magnitude = whole.checked_mul(DEGREE_SCALE).and_then(|w| w.checked_add(part)).ok_or(RULE)?;
        i32::try_from(if negative { -magnitude } else { magnitude }).map(Self).map_err(|_| RULE)
    }
}

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = i64::from(self.0).abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let decimals = format!("{:06}", magnitude % DEGREE_SCALE);
        let decimals = decimals.trim_end_matches('0');
        let dot = if decimals.is_empty() { "" } else { "." };
        write!(f, "{sign}{}{dot}{decimals}", magnitude / DEGREE_SCALE)
    }
}

impl Serialize for Amount {
    /// Whole units are written as a number, other quantities as a quoted decimal.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_decimal(&self.0.to_string(), serializer)
    }
}

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_decimal(&self.to_string(), serializer)
    }
}

fn serialize_decimal<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match text.parse::<i64>() {
        Ok(whole) => serializer.serialize_i64(whole),
        Err(_) => serializer.serialize_str(text),
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Decimal)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Degrees {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Decimal)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Reads an integer or a string as the text of a decimal.
struct Decimal;

impl Visitor<'_> for Decimal {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a decimal in quotes such as \"2.5\" (so that nothing is rounded)")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_come_back() {
        // Proves that a coordinate is unchanged after writing and reading, with signs and short decimals.
        for (text, micro) in [("40.7128", 40_712_800), ("-0.5", -500_000), ("0", 0), ("-74", -74_000_000)] {
            let degrees: Degrees = text.parse().unwrap();
            assert_eq!(degrees.0, micro);
            assert_eq!(degrees.to_string(), text);
        }
        for text in ["", "1.0000001", "east", "9999", ".5", "1e2"] {
            assert!(text.parse::<Degrees>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn a_float_is_refused_with_the_way_out() {
        // Proves that a binary fraction is never accepted as a quantity and that the message says what to write.
        let error = serde_json::from_str::<Amount>("2.5").unwrap_err().to_string();
        assert!(error.contains("in quotes"), "{error}");
        assert_eq!(serde_json::from_str::<Amount>("\"2.5\"").unwrap().0.raw(), 25_000);
        assert_eq!(serde_json::from_str::<Amount>("-3").unwrap().0.raw(), -30_000);
        assert_eq!(serde_json::to_string(&Amount(Quantity::from_raw(25_000).unwrap())).unwrap(), "\"2.5\"");
    }
}
