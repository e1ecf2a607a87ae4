//! What stages read of the stages behind them: the second in which a tick is due, and how the server is. Atomics, nothing else.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

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
    next_due_s: AtomicU32,
    state: AtomicU8,
}

impl Default for Feedback {
    fn default() -> Self {
        Self { next_due_s: AtomicU32::new(u32::MAX), state: AtomicU8::new(0) }
    }
}

impl Feedback {
    /// The applier says when a tick has work to do. True if that is earlier than it was: a sequencer that sleeps may sleep over it.
    pub fn set_next_due(&self, second: Option<u32>) -> bool {
        let second = second.unwrap_or(u32::MAX);
        let before = self.next_due_s.load(Ordering::Relaxed);
        self.next_due_s.store(second, Ordering::Release);
        second < before
    }

    /// The second from which on a tick has work to do.
    #[must_use]
    pub fn next_due_s(&self) -> Option<u32> {
        let second = self.next_due_s.load(Ordering::Acquire);
        (second != u32::MAX).then_some(second)
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
        assert!(!feedback.set_next_due(None));
        assert!(feedback.set_next_due(Some(9)));
        assert!(!feedback.set_next_due(Some(9)));
        assert!(feedback.set_next_due(Some(8)));
        assert!(!feedback.set_next_due(Some(10)));
        assert!(!feedback.set_next_due(None));
        assert_eq!(feedback.next_due_s(), None);
    }
}
