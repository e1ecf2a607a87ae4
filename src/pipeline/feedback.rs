//! What stages read of the stages behind them: when a tick is due, how the machine's clocks lie to each other, and how the server is. Atomics,
//! nothing else.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use stockhold_machine::{ClockView, Machine};
use stockhold_protocol::Timestamp;

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerState {
    /// All is well.
    Running,
    /// The spare segment is in use and no other can be made: only commands that free or finish are taken.
    DiskReserve,
    /// No segment is left: nothing is taken.
    DiskFull,
    /// It is stopping in good order.
    Stopping,
    /// A log write failed: nothing is taken, and the process will end.
    LogFailed,
}

impl ServerState {
    const ALL: [Self; 5] =
        [Self::Running, Self::DiskReserve, Self::DiskFull, Self::Stopping, Self::LogFailed];

    /// The state as `status` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "ok",
            Self::DiskReserve | Self::DiskFull => "read_only(disk_full)",
            Self::Stopping => "stopping",
            Self::LogFailed => "read_only(log_failed)",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::DiskReserve => 1,
            Self::DiskFull => 2,
            Self::Stopping => 3,
            Self::LogFailed => 4,
        }
    }
}

/// The only things that are read backwards.
#[derive(Debug)]
pub struct Feedback {
    next_due_ms: AtomicU64,
    needs_ticks: AtomicBool,
    hold_offset_ms: AtomicU64,
    wall_offset_ms: AtomicI64,
    jump_max_ms: AtomicU64,
    accepted_until_ms: AtomicU64,
    state: AtomicU8,
}

impl Default for Feedback {
    fn default() -> Self {
        Self {
            next_due_ms: AtomicU64::new(u64::MAX),
            needs_ticks: AtomicBool::new(false),
            hold_offset_ms: AtomicU64::new(0),
            wall_offset_ms: AtomicI64::new(0),
            jump_max_ms: AtomicU64::new(0),
            accepted_until_ms: AtomicU64::new(0),
            state: AtomicU8::new(0),
        }
    }
}

impl Feedback {
    /// The applier tells what the machine's last op has changed for those before it. True if a tick is due earlier than it was: a sequencer
    /// that sleeps may sleep over it.
    pub fn update(&self, machine: &Machine) -> bool {
        let ClockView { hold_offset_ms, wall_offset_ms, jump_max_ms, accepted_until } = machine.clock();
        self.hold_offset_ms.store(hold_offset_ms, Ordering::Relaxed);
        self.wall_offset_ms.store(wall_offset_ms, Ordering::Relaxed);
        self.jump_max_ms.store(jump_max_ms, Ordering::Relaxed);
        self.accepted_until_ms.store(accepted_until.0, Ordering::Relaxed);
        self.needs_ticks.store(machine.needs_ticks(), Ordering::Relaxed);
        self.set_next_due(machine.next_due())
    }

    /// Says when a tick has work to do. True if that is earlier than it was.
    pub fn set_next_due(&self, time: Option<Timestamp>) -> bool {
        let time_ms = time.map_or(u64::MAX, |time| time.0);
        let before_ms = self.next_due_ms.load(Ordering::Relaxed);
        self.next_due_ms.store(time_ms, Ordering::Release);
        time_ms < before_ms
    }

    /// The time from which on a tick has work to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let time_ms = self.next_due_ms.load(Ordering::Acquire);
        (time_ms != u64::MAX).then_some(Timestamp(time_ms))
    }

    /// Whether time is to be logged while no command comes.
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        self.needs_ticks.load(Ordering::Relaxed)
    }

    /// How the machine's clocks lie to each other; each value is of some op, not all of the same.
    #[must_use]
    pub fn clock(&self) -> ClockView {
        ClockView {
            hold_offset_ms: self.hold_offset_ms.load(Ordering::Relaxed),
            wall_offset_ms: self.wall_offset_ms.load(Ordering::Relaxed),
            jump_max_ms: self.jump_max_ms.load(Ordering::Relaxed),
            accepted_until: Timestamp(self.accepted_until_ms.load(Ordering::Relaxed)),
        }
    }

    /// How the server is.
    #[must_use]
    pub fn state(&self) -> ServerState {
        let code = self.state.load(Ordering::Acquire);
        ServerState::ALL.into_iter().find(|state| state.code() == code).unwrap_or(ServerState::LogFailed)
    }

    /// Says how the server is; a worse state is kept.
    pub fn worsen(&self, state: ServerState) {
        self.state.fetch_max(state.code(), Ordering::AcqRel);
    }

    /// The disk has room, or is in its reserve: the two states that pass by themselves.
    pub fn set_space(&self, state: ServerState) {
        assert!(state <= ServerState::DiskFull, "only space is told here");
        let now = self.state.load(Ordering::Acquire);
        if now <= ServerState::DiskFull.code() && now != state.code() {
            // A lost race is against a worse state, which stays.
            self.state.compare_exchange(now, state.code(), Ordering::AcqRel, Ordering::Acquire).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_deadline_that_comes_sooner_is_news() {
        // Proves each way that the next deadline can move, none included.
        let feedback = Feedback::default();
        let at = |ms| Some(Timestamp(ms));
        assert!(!feedback.set_next_due(None));
        assert!(feedback.set_next_due(at(9)));
        assert!(!feedback.set_next_due(at(9)));
        assert!(feedback.set_next_due(at(8)));
        assert!(!feedback.set_next_due(at(10)));
        assert!(!feedback.set_next_due(None));
        assert_eq!(feedback.next_due(), None);
    }
}
