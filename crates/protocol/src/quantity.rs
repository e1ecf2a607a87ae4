//! Quantities: exact fixed-point numbers, stored as a 64-bit count of ten-thousandths (MSI's decimal(12,4)). No
//! floating point.

use crate::error::BadField;
use crate::limits::{QUANTITY_MAX, QUANTITY_SCALE};
use std::fmt;

/// A count of ten-thousandths of a unit. Arithmetic is checked: results beyond ±[`QUANTITY_MAX`] are refused.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, wincode::SchemaRead, wincode::SchemaWrite,
)]
pub struct Quantity(i64);

impl Quantity {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest quantity in the machine.
    pub const MAX: Self = Self(QUANTITY_MAX);
    /// The least quantity.
    pub const MIN: Self = Self(-QUANTITY_MAX);

    /// A quantity of ten-thousandths.
    ///
    /// # Errors
    /// [`BadField`] beyond ±[`QUANTITY_MAX`].
    pub fn from_raw(raw: i64) -> Result<Self, BadField> {
        if (-QUANTITY_MAX..=QUANTITY_MAX).contains(&raw) {
            Ok(Self(raw))
        } else {
            Err(BadField::new("quantity", "must lie within ±100,000,000,000 units"))
        }
    }

    /// Whole units. `None` if out of range.
    #[must_use]
    pub fn units(units: i64) -> Option<Self> {
        units.checked_mul(QUANTITY_SCALE).and_then(|raw| Self::from_raw(raw).ok())
    }

    /// The count of ten-thousandths.
    #[must_use]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// The sum. `None` if out of range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(|raw| Self::from_raw(raw).ok())
    }

    /// The difference. `None` if out of range.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).and_then(|raw| Self::from_raw(raw).ok())
    }

    /// Whether the quantity is a whole number of units.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.0 % QUANTITY_SCALE == 0
    }
}

impl fmt::Display for Quantity {
    /// Prints as few decimals as needed: `3`, `-0.5`, `12.0625`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let scale = QUANTITY_SCALE.unsigned_abs();
        let (whole, part) = (magnitude / scale, magnitude % scale);
        let sign = if self.0 < 0 { "-" } else { "" };
        if part == 0 {
            return f.pad(&format!("{sign}{whole}"));
        }
        let decimals = format!("{part:04}");
        f.pad(&format!("{sign}{whole}.{}", decimals.trim_end_matches('0')))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Quantity {
    type Err = BadField;

    /// Parses `12`, `-3.5`, `0.0001`. More than four decimals are refused, because they could not be stored.
    fn from_str(text: &str) -> Result<Self, BadField> {
        let bad = |rule| BadField::new("quantity", rule);
        let no_number = || bad("must be a number, such as 12 or 3.5");
        let too_large = || bad("must lie within ±100,000,000,000 units");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && part.is_empty()) || !all_digits(whole) || !all_digits(part) {
            return Err(no_number());
        }
        let part = part.trim_end_matches('0');
        if part.len() > 4 {
            return Err(bad("must have at most 4 decimals, such as 3.5 or 0.0001"));
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
        let part: i64 = format!("{part:0<4}").parse().map_err(|_| no_number())?;
        let magnitude =
            whole.checked_mul(QUANTITY_SCALE).and_then(|w| w.checked_add(part)).ok_or_else(too_large)?;
        Self::from_raw(if negative { -magnitude } else { magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        // Proves that a printed quantity parses to the same quantity.
        for (text, raw) in [("0", 0), ("3", 30_000), ("-0.5", -5_000), ("12.0625", 120_625), ("0.0001", 1)] {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(quantity.raw(), raw);
            assert_eq!(quantity.to_string(), text);
        }
        assert_eq!("5.5000".parse::<Quantity>().unwrap().raw(), 55_000);
        assert_eq!(".5".parse::<Quantity>().unwrap().raw(), 5_000);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        // Proves that a fifth decimal, an overflow and a blank are refused, each with its own rule.
        let rule = |text: &str| text.parse::<Quantity>().unwrap_err().rule;
        for text in ["", "-", ".", "1e3", " 1", "+1", "1,5"] {
            assert_eq!(rule(text), "must be a number, such as 12 or 3.5", "{text}");
        }
        assert_eq!(rule("1.00001"), "must have at most 4 decimals, such as 3.5 or 0.0001");
        for text in ["9223372036854775807", "99999999999999999999", "100000000000.0001", "-100000000001"] {
            assert_eq!(rule(text), "must lie within ±100,000,000,000 units", "{text}");
        }
        assert_eq!(Quantity::MAX.checked_add(Quantity::from_raw(1).unwrap()), None);
    }
}
