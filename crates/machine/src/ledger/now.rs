//! The time of the last op, as op time, as hold time and as the time that is shown to people.

use crate::config::{GENERATION_MS, ID_AHEAD_MAX_MS};
use crate::ledger::hold_time::{ClockView, Offsets};
use crate::ledger::state::State;
use stockhold_protocol::Timestamp;

impl State {
    /// The hold time of the last op, to which deadlines and retention refer.
    #[inline]
    pub(crate) fn hold_time(&self) -> Timestamp {
        self.core.offsets.hold_time(self.core.time)
    }

    /// The hold time of the last op, in seconds.
    #[inline]
    pub(crate) fn now_s(&self) -> u32 {
        self.hold_time().second()
    }

    /// Sets the time of the next op, which is not before the last one. A gap does not count as hold time.
    #[inline]
    pub(crate) fn move_time(&mut self, time: Timestamp) {
        let passed_ms = time.0.saturating_sub(self.core.time.0);
        if passed_ms > self.core.configuration.gap_max_ms {
            let hold_time_ms = self.hold_time().0;
            self.core.offsets.add_gap(hold_time_ms, passed_ms);
        }
        self.core.time = time;
    }

    /// The first generation whose ids are kept with this retention.
    #[inline]
    pub(crate) fn oldest_kept(&self, retention_ms: u64) -> u64 {
        let from_ms = self.hold_time().0.saturating_sub(retention_ms);
        self.core.offsets.op_time(from_ms) / GENERATION_MS
    }

    /// Removes the gaps that are older than the retention of ids.
    #[inline]
    pub(crate) fn forget_gaps(&mut self) {
        if !self.core.offsets.is_without_gaps() {
            let from_ms = self.hold_time().0.saturating_sub(self.core.configuration.id_retention_ms);
            self.core.offsets.forget(from_ms);
        }
    }

    /// The latest time that an id may have now, in milliseconds.
    #[inline]
    pub(crate) fn id_time_max(&self) -> u64 {
        self.core.time.0.saturating_add(ID_AHEAD_MAX_MS)
    }

    /// Op time minus hold time, in milliseconds.
    pub(crate) const fn hold_offset_ms(&self) -> u64 {
        self.core.offsets.hold_ms
    }

    pub(crate) const fn clock_view(&self) -> ClockView {
        let Offsets { hold_ms, wall_ms, accepted_until, .. } = self.core.offsets;
        let jump_max_ms = self.core.configuration.clock_jump_max_ms;
        ClockView { hold_offset_ms: hold_ms, wall_offset_ms: wall_ms, jump_max_ms, accepted_until }
    }

    /// An op time, converted to the wall clock for people.
    pub(crate) const fn shown(&self, op_time: Timestamp) -> Timestamp {
        Timestamp(op_time.0.saturating_add_signed(self.core.offsets.wall_ms))
    }

    /// Wall clock minus hold time, in milliseconds. Adding it to a hold time gives the time to show to
    /// people.
    pub(crate) fn shown_offset_ms(&self) -> i64 {
        self.core.offsets.wall_ms.saturating_add_unsigned(self.core.offsets.hold_ms)
    }
}
