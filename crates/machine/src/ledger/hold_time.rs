//! Hold time: the time that counts for deadlines, for records that are kept for a period, and for the
//! retention of ids.
//!
//! Hold time is op time without the gaps. A gap is a period longer than `gap_max_ms` in which no op was
//! logged. A running server logs a tick each second while anything can expire, so in a gap the server was
//! down or its clock was wrong. No client loses a hold, or the answer to an id, because of a gap.
//!
//! Op time itself is in the log. How times are shown to people is not decided here either, but the offset
//! to the wall clock is stored here.

use stockhold_protocol::{BadField, Timestamp, tagged};
use wincode::{SchemaRead, SchemaWrite};

/// The most gaps that are stored separately. A further gap is merged with the last one, which keeps ids
/// between the two for longer.
const GAPS_MAX: usize = 64;

/// The offsets between op time, hold time and wall clock, and how far a server may follow the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockView {
    /// Op time minus hold time, in milliseconds.
    pub hold_offset_ms: u64,
    /// Wall clock minus op time according to the log, in milliseconds.
    pub wall_offset_ms: i64,
    /// How far a starting server may follow the wall clock, in milliseconds.
    pub jump_max_ms: u64,
    /// A wall clock up to this time may be followed at any distance; 0 = none.
    pub accepted_until: Timestamp,
}

/// One gap between two ops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
struct Gap {
    /// Hold time at the gap, in milliseconds.
    at_ms: u64,
    /// Op time minus hold time after it, in milliseconds.
    offset_ms: u64,
}

/// The offsets between hold time, op time and wall clock: a part of the core record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Offsets {
    /// Op time minus hold time, in milliseconds: the sum of all gaps.
    pub(crate) hold_ms: u64,
    /// Op time minus hold time before the first of `gaps`.
    hold_before_ms: u64,
    /// Gaps within the retention of ids, the earliest first.
    gaps: Vec<Gap>,
    /// Wall clock minus op time when it was last seen to have changed, in milliseconds.
    pub(crate) wall_ms: i64,
    /// An operator has confirmed that a wall clock up to this time is correct.
    pub(crate) accepted_until: Timestamp,
}

tagged!(Offsets {
    1 hold_ms value,
    2 hold_before_ms value,
    3 gaps value,
    4 wall_ms value,
    5 accepted_until value,
});

impl Offsets {
    /// The hold time of an op.
    #[inline]
    pub(crate) const fn hold_time(&self, op_time: Timestamp) -> Timestamp {
        Timestamp(op_time.0.saturating_sub(self.hold_ms))
    }

    /// The op time at a hold time.
    pub(crate) fn op_time(&self, hold_time_ms: u64) -> u64 {
        let gap = self.gaps.iter().rev().find(|gap| gap.at_ms <= hold_time_ms);
        hold_time_ms.saturating_add(gap.map_or(self.hold_before_ms, |gap| gap.offset_ms))
    }

    pub(crate) fn add_gap(&mut self, hold_time_ms: u64, gap_ms: u64) {
        if self.gaps.is_empty() {
            self.hold_before_ms = self.hold_ms;
        }
        self.hold_ms = self.hold_ms.saturating_add(gap_ms);
        let gap = Gap { at_ms: hold_time_ms, offset_ms: self.hold_ms };
        match self.gaps.last_mut().filter(|last| last.at_ms == hold_time_ms) {
            Some(last) => *last = gap,
            None => self.gaps.push(gap),
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(GAPS_MAX.saturating_sub(1));
        }
    }

    /// Whether no gaps are stored.
    #[inline]
    pub(crate) const fn is_without_gaps(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Removes the gaps at or before this hold time.
    pub(crate) fn forget(&mut self, hold_time_ms: u64) {
        while let Some(first) = self.gaps.first().filter(|gap| gap.at_ms <= hold_time_ms) {
            self.hold_before_ms = first.offset_ms;
            self.gaps.remove(0);
        }
    }

    /// Checks that a machine could have these offsets at the time of an op.
    pub(crate) fn check(&self, op_time: Timestamp) -> Result<(), BadField> {
        let last_ms = self.gaps.last().map_or(self.hold_ms, |gap| gap.offset_ms);
        let ascend = self.gaps.is_sorted_by(|a, b| a.at_ms < b.at_ms && a.offset_ms < b.offset_ms);
        let first_ms = self.gaps.first().map_or(u64::MAX, |gap| gap.offset_ms);
        let fits = self.gaps.len() <= GAPS_MAX && ascend && self.hold_before_ms <= first_ms;
        if self.hold_ms > op_time.0 || last_ms != self.hold_ms || !fits {
            return Err(BadField::new("offsets", "must agree with each other and with the time of the op"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(gaps: &[(u64, u64)]) -> Offsets {
        let mut offsets = Offsets::default();
        for (at_ms, gap_ms) in gaps {
            offsets.add_gap(*at_ms, *gap_ms);
        }
        offsets
    }

    #[test]
    fn hold_time_converts_to_op_time_before_and_after_each_gap() {
        // Proves the conversion from hold time to op time on both sides of each gap, and with two gaps that
        // have no op between them.
        let mut offsets = offsets(&[(1_000, 500), (2_000, 100), (2_000, 7)]);
        let op_times = |offsets: &Offsets| [0, 999, 1_000, 1_999, 2_000, 9_000].map(|ms| offsets.op_time(ms));
        assert_eq!(op_times(&offsets), [0, 999, 1_500, 2_499, 2_607, 9_607]);
        assert_eq!(offsets.hold_time(Timestamp(2_607)), Timestamp(2_000));
        offsets.forget(1_500);
        assert_eq!(op_times(&offsets)[3..], [2_499, 2_607, 9_607]);
        offsets.forget(2_000);
        assert_eq!(op_times(&offsets)[4..], [2_607, 9_607]);
        assert_eq!(offsets.check(Timestamp(607)), Ok(()));
        assert!(offsets.check(Timestamp(606)).is_err(), "the sum of the gaps is not more than op time");
    }

    #[test]
    fn gaps_beyond_the_limit_never_shorten_the_retention_of_ids() {
        // Proves that the number of stored gaps is bounded, and that the bound moves no op time forward.
        let all: Vec<(u64, u64)> = (1..=200).map(|at| (at * 10, at)).collect();
        let offsets = offsets(&all);
        assert_eq!(offsets.gaps.len(), GAPS_MAX);
        assert_eq!(offsets.check(Timestamp(1 << 40)), Ok(()));
        for hold_ms in 0..2_100 {
            let sum: u64 = all.iter().filter(|(at_ms, _)| *at_ms <= hold_ms).map(|(_, gap_ms)| gap_ms).sum();
            let exact = hold_ms + sum;
            assert!(offsets.op_time(hold_ms) <= exact);
            assert!(offsets.op_time(hold_ms) == exact || (640..2_000).contains(&hold_ms), "at {hold_ms}");
        }
    }
}
