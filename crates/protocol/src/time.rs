//! Times as values. This module has no clock: time comes from the log.

use std::fmt;

/// Milliseconds since the Unix epoch.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    wincode::SchemaRead,
    wincode::SchemaWrite,
)]
pub struct Timestamp(pub u64);

/// A deadline in whole seconds since the Unix epoch. 0 means none. A hold whose deadline is at or before the time of
/// an op no longer counts from that op on.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    wincode::SchemaRead,
    wincode::SchemaWrite,
)]
pub struct Deadline(pub u32);

impl Timestamp {
    /// The latest time that a deadline can express (the year 2106).
    pub const MAX: Self = Self(u32::MAX as u64 * 1_000);

    /// This time plus `ms`, at most [`Self::MAX`].
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        let sum = self.0.saturating_add(ms);
        if sum > Self::MAX.0 { Self::MAX } else { Self(sum) }
    }

    /// The first whole second at or after this time. A TTL becomes a deadline by this rule.
    #[must_use]
    pub fn round_up(self) -> Deadline {
        Deadline(u32::try_from(self.0.div_ceil(1_000)).unwrap_or(u32::MAX))
    }

    /// The last whole second at or before this time.
    #[must_use]
    pub fn second(self) -> u32 {
        u32::try_from(self.0 / 1_000).unwrap_or(u32::MAX)
    }

    /// The time for people, in whole seconds: `2026-11-22T03:04:05Z` (RFC 3339, UTC).
    ///
    /// This is Howard Hinnant's civil-from-days, in years that begin in March.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        let seconds = self.0 / 1_000;
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }
}

impl Deadline {
    /// No deadline.
    pub const NONE: Self = Self(0);

    /// Whether there is a deadline and it has passed at `now`.
    #[must_use]
    pub fn has_passed(self, now: Timestamp) -> bool {
        self.0 != 0 && self.0 <= now.second()
    }

    /// The deadline as a time.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        Timestamp(self.0 as u64 * 1_000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_passes_at_its_second_and_not_before() {
        // Proves the comparison of the rule "deadline <= op time".
        let deadline = Timestamp(5_001).round_up();
        assert_eq!(deadline, Deadline(6));
        assert!(!deadline.has_passed(Timestamp(5_999)));
        assert!(deadline.has_passed(Timestamp(6_000)));
        assert!(!Deadline::NONE.has_passed(Timestamp(6_000)));
        assert_eq!(Timestamp(5_000).round_up(), Deadline(5));
    }
    #[test]
    fn a_time_is_shown_as_a_date() {
        // Proves dates on both sides of a leap day and a century, and that any time has one.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_316_645, "2026-11-22T03:04:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(seconds * 1_000 + 999).to_rfc3339(), text);
        }
        assert!(Timestamp(u64::MAX).to_rfc3339().ends_with('Z'));
    }
}
