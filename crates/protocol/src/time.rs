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
}
