//! Values that earlier stages read of later ones: when a tick is due, the offsets of the machine's clocks, and the
//! state of the server. All are atomics.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};

use stockhold_machine::{ClockView, Machine};
use stockhold_protocol::Timestamp;

/// The state of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerState {
    /// The server runs normally.
    Running,
    /// The archive is required and too far behind. Only commands that free space or complete promises are accepted.
    ArchiveBehind,
    /// The spare segment is in use and no other can be prepared. Only commands that free space or complete promises are
    /// accepted.
    DiskReserve,
    /// No segment is left. No commands are accepted.
    DiskFull,
    /// The server is shutting down cleanly.
    Stopping,
    /// A log write has failed. No commands are accepted, and the process will end.
    LogFailed,
}

impl ServerState {
    const ALL: [Self; 6] = [
        Self::Running,
        Self::ArchiveBehind,
        Self::DiskReserve,
        Self::DiskFull,
        Self::Stopping,
        Self::LogFailed,
    ];

    /// The name of the state in `status`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "ok",
            Self::ArchiveBehind => "read_only(archive_behind)",
            Self::DiskReserve | Self::DiskFull => "read_only(disk_full)",
            Self::Stopping => "stopping",
            Self::LogFailed => "read_only(log_failed)",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::ArchiveBehind => 1,
            Self::DiskReserve => 2,
            Self::DiskFull => 3,
            Self::Stopping => 4,
            Self::LogFailed => 5,
        }
    }
}

/// The values that earlier stages read of later ones.
#[derive(Debug)]
pub struct Feedback {
    next_due_ms: AtomicU64,
    needs_ticks: AtomicBool,
    hold_offset_ms: AtomicU64,
    wall_offset_ms: AtomicI64,
    jump_max_ms: AtomicU64,
    accepted_until_ms: AtomicU64,
    name_generation: AtomicU32,
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
            name_generation: AtomicU32::new(0),
            state: AtomicU8::new(0),
        }
    }
}

impl Feedback {
    /// Publishes what the machine's last op has changed. Returns true if the next tick is now due earlier, because a
    /// sleeping sequencer may then sleep for too long.
    pub fn update(&self, machine: &Machine) -> bool {
        let ClockView { hold_offset_ms, wall_offset_ms, jump_max_ms, accepted_until } = machine.clock();
        self.hold_offset_ms.store(hold_offset_ms, Ordering::Relaxed);
        self.wall_offset_ms.store(wall_offset_ms, Ordering::Relaxed);
        self.jump_max_ms.store(jump_max_ms, Ordering::Relaxed);
        self.accepted_until_ms.store(accepted_until.0, Ordering::Relaxed);
        // Names are published before, so whoever reads this generation resolves by it or by a later one.
        self.name_generation.store(machine.name_generation(), Ordering::Release);
        self.needs_ticks.store(machine.needs_ticks(), Ordering::Relaxed);
        self.set_next_due(machine.next_due())
    }

    /// Sets the time from which a tick has work to do. Returns true if it is earlier than before.
    pub fn set_next_due(&self, time: Option<Timestamp>) -> bool {
        let time_ms = time.map_or(u64::MAX, |time| time.0);
        let before_ms = self.next_due_ms.load(Ordering::Relaxed);
        self.next_due_ms.store(time_ms, Ordering::Release);
        time_ms < before_ms
    }

    /// The time from which a tick has work to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let time_ms = self.next_due_ms.load(Ordering::Acquire);
        (time_ms != u64::MAX).then_some(Timestamp(time_ms))
    }

    /// Whether ticks are needed to log the time while no commands arrive.
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        self.needs_ticks.load(Ordering::Relaxed)
    }

    /// The offsets of the machine's clocks. The values may belong to different ops.
    #[must_use]
    pub fn clock(&self) -> ClockView {
        ClockView {
            hold_offset_ms: self.hold_offset_ms.load(Ordering::Relaxed),
            wall_offset_ms: self.wall_offset_ms.load(Ordering::Relaxed),
            jump_max_ms: self.jump_max_ms.load(Ordering::Relaxed),
            accepted_until: Timestamp(self.accepted_until_ms.load(Ordering::Relaxed)),
        }
    }

    /// The name generation: how often a name was given to another thing.
    #[must_use]
    pub fn name_generation(&self) -> u32 {
        self.name_generation.load(Ordering::Acquire)
    }

    /// The state of the server.
    #[must_use]
    pub fn state(&self) -> ServerState {
        let code = self.state.load(Ordering::Acquire);
        ServerState::ALL.into_iter().find(|state| state.code() == code).unwrap_or(ServerState::LogFailed)
    }

    /// Sets the state of the server, unless the current state is worse.
    pub fn worsen(&self, state: ServerState) {
        self.state.fetch_max(state.code(), Ordering::AcqRel);
    }

    /// Sets a state of disk and archive. These are the only states that can improve again.
    pub fn set_space(&self, state: ServerState) {
        assert!(state <= ServerState::DiskFull, "only states of disk and archive are set here");
        let now = self.state.load(Ordering::Acquire);
        if now <= ServerState::DiskFull.code() && now != state.code() {
            // If the exchange fails, a worse state was set meanwhile, and it stays.
            self.state.compare_exchange(now, state.code(), Ordering::AcqRel, Ordering::Acquire).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_earlier_deadline_is_reported() {
        // Proves every way that the next deadline can change, including none.
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
