//! Times on the command line. Each has a unit, because a bare number would be read as another one by somebody.

use std::time::Duration;

/// Why a text is no time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeError {
    /// A number without a unit.
    #[error("{0} has no unit; write {0}ms, {0}s, {0}m, {0}h or {0}d")]
    Unit(String),
    /// A negative time.
    #[error("a time is not negative; write a time such as 250ms, 90s, 15m, 2h or 1d")]
    Negative,
    /// No time at all where there must be some.
    #[error("the time must be more than 0; write a time such as 250ms, 90s, 15m, 2h or 1d")]
    Zero,
    /// A fraction.
    #[error(
        "a time is a whole number; use a smaller unit, such as 1500ms for 1.5 seconds or 90m for 1.5 hours"
    )]
    Fraction,
    /// More milliseconds than 64 bits have.
    #[error("the time is too long")]
    TooLong,
    /// Anything else.
    #[error("write a time such as 250ms, 90s, 15m, 2h or 1d")]
    Form,
}

/// Parses `1500ms`, `90s`, `15m`, `2h` or `1d`.
///
/// # Errors
/// [`TimeError`] with what is wrong and what is right.
pub fn duration(text: &str) -> Result<Duration, TimeError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.strip_prefix('-').is_some_and(|rest| is_number(&rest.replace('.', ""))) {
        return Err(TimeError::Negative);
    }
    if digits.contains('.') && is_number(&digits.replace('.', "")) {
        return Err(TimeError::Fraction);
    }
    if !is_number(digits) {
        return Err(TimeError::Form);
    }
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(TimeError::Unit(digits.to_owned())),
        _ => return Err(TimeError::Form),
    };
    let count: Option<u64> = digits.parse().ok();
    let ms = count.and_then(|count| count.checked_mul(unit_ms));
    ms.map(Duration::from_millis).ok_or(TimeError::TooLong)
}

/// Parses a time that is more than 0.
///
/// # Errors
/// [`TimeError`] with what is wrong and what is right.
pub fn some_duration(text: &str) -> Result<Duration, TimeError> {
    match duration(text)? {
        Duration::ZERO => Err(TimeError::Zero),
        time => Ok(time),
    }
}

/// Converts to whole milliseconds, at most the highest number of 64 bits.
pub(super) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Formats seconds since the Unix epoch as `2026-11-22T03:04:05Z`.
pub(super) fn utc(seconds: u64) -> String {
    crate::calendar::rfc3339(seconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        // Proves each unit, and that everything else is refused with what is wrong.
        for (text, ms) in [
            ("0ms", 0),
            ("1500ms", 1_500),
            ("7s", 7_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("5").unwrap_err().to_string(), "5 has no unit; write 5ms, 5s, 5m, 5h or 5d");
        for (text, error) in [
            ("-3s", TimeError::Negative),
            ("-3", TimeError::Negative),
            ("1.5h", TimeError::Fraction),
            ("99999999999999999999s", TimeError::TooLong),
            ("999999999999999999d", TimeError::TooLong),
        ] {
            assert_eq!(duration(text), Err(error), "{text}");
        }
        for text in ["", "m", "5 m", "1y", "5M", "1h30m", "soon", "-", ".", "5s ", "٣s"] {
            assert_eq!(duration(text), Err(TimeError::Form), "{text}");
        }
        assert_eq!(some_duration("0s"), Err(TimeError::Zero));
        assert_eq!(some_duration("1ms"), Ok(Duration::from_millis(1)));
    }

    #[test]
    fn dates_are_written() {
        // Proves dates on both sides of a leap day and a century.
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_316_645), "2026-11-22T03:04:05Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
