//! Hold time: the time that counts for deadlines, for records that are kept for a while, and for the retention of ids.
//!
//! It is the time of the ops without the gaps between them. A gap is a time longer than `gap_max_ms` in which no op was logged, although a
//! server that runs logs a tick each second while anything can run out: the server was down, or its clock was wrong. Nobody loses a hold or
//! the answer to an id by that.
//!
//! Not for the time of an op, which is in the log, nor for how times are shown to people, for which the offset to the wall clock is kept here.

use stockhold_protocol::{BadField, Timestamp, tagged};
use wincode::{SchemaRead, SchemaWrite};

/// Most gaps that are kept apart. A further one moves the last one to its own time, which keeps the ids between the two for longer.
const GAPS_MAX: usize = 64;

/// How op time, hold time and wall clock lie to each other, and what a server may do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockView {
    /// Op time minus hold time, in milliseconds.
    pub hold_offset_ms: u64,
    /// Wall clock minus op time, in milliseconds, as the log says.
    pub wall_offset_ms: i64,
    /// How far a start may follow the wall clock, in milliseconds.
    pub jump_max_ms: u64,
    /// A wall clock up to this time may be followed however far it is; 0 = none.
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

/// How hold time, op time and wall time lie to each other: a part of the core record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Offsets {
    /// Op time minus hold time, in milliseconds: the sum of all gaps.
    pub(crate) hold_ms: u64,
    /// Op time minus hold time before the first of `gaps`.
    hold_before_ms: u64,
    /// Gaps that lie less than the retention of ids back, the earliest first.
    gaps: Vec<Gap>,
    /// Wall clock minus op time, in milliseconds, when it was last seen to have changed.
    pub(crate) wall_ms: i64,
    /// An operator has said that a wall clock up to this time is right.
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

    /// The time of the ops at a hold time.
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

    /// Whether no gap is kept.
    #[inline]
    pub(crate) const fn is_without_gaps(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Forgets gaps at or before this hold time.
    pub(crate) fn forget(&mut self, hold_time_ms: u64) {
        while let Some(first) = self.gaps.first().filter(|gap| gap.at_ms <= hold_time_ms) {
            self.hold_before_ms = first.offset_ms;
            self.gaps.remove(0);
        }
    }

    /// Whether a machine can have made these by the time of an op.
    pub(crate) fn check(&self, op_time: Timestamp) -> Result<(), BadField> {
        let last_ms = self.gaps.last().map_or(self.hold_ms, |gap| gap.offset_ms);
        let ascend = self.gaps.is_sorted_by(|a, b| a.at_ms < b.at_ms && a.offset_ms < b.offset_ms);
        let first_ms = self.gaps.first().map_or(u64::MAX, |gap| gap.offset_ms);
        let fits = self.gaps.len() <= GAPS_MAX && ascend && self.hold_before_ms <= first_ms;
        if self.hold_ms > op_time.0 || last_ms != self.hold_ms || !fits {
            return Err(BadField::new("offsets", "fit neither each other nor the time of the op"));
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
    fn a_hold_time_stands_for_the_op_time_before_or_after_each_gap() {
        // Proves the way back from hold time to op time on both sides of each gap, also of two without an op between them.
        let mut offsets = offsets(&[(1_000, 500), (2_000, 100), (2_000, 7)]);
        let op_times = |offsets: &Offsets| [0, 999, 1_000, 1_999, 2_000, 9_000].map(|ms| offsets.op_time(ms));
        assert_eq!(op_times(&offsets), [0, 999, 1_500, 2_499, 2_607, 9_607]);
        assert_eq!(offsets.hold_time(Timestamp(2_607)), Timestamp(2_000));
        offsets.forget(1_500);
        assert_eq!(op_times(&offsets)[3..], [2_499, 2_607, 9_607]);
        offsets.forget(2_000);
        assert_eq!(op_times(&offsets)[4..], [2_607, 9_607]);
        assert_eq!(offsets.check(Timestamp(607)), Ok(()));
        assert!(offsets.check(Timestamp(606)).is_err(), "gaps are no longer than all time");
    }

    #[test]
    fn gaps_beyond_the_limit_keep_ids_for_longer_and_never_shorter() {
        // Proves that what is kept of gaps is bounded, and that the bound moves no op time forward.
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
