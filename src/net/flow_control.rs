//! When a connection is read from, and how long it may keep us waiting. It has no socket and no clock: who moves bytes says what was
//! moved and when, so that the simulator moves them by the same rules. What the bytes mean is the state's.

use super::connection_state::ConnectionState;
use super::context::NetLimits;

/// With so many commands on their way, nothing more is read from a connection, so that one that floods leaves the queue to the others.
const READ_AHEAD_COMMANDS: u32 = 1_024;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct FlowControl {
    opened_ms: u64,
    full_since_ms: Option<u64>,
    /// Since when a frame has been under way.
    frame_since_ms: Option<u64>,
    /// Since when nothing more is read because it ends.
    closing_since_ms: Option<u64>,
    /// Enough commands are on their way.
    is_paused: bool,
}

/// Whether a connection keeps us waiting too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerTimeout {
    /// It does not.
    Waiting,
    /// This did not come in time: the peer is told, and nothing more is read.
    Overdue(&'static str),
    /// Answers, or the last of them, were left unread for too long: the connection is cut.
    Expired,
}

impl FlowControl {
    /// Of a connection that opens now.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self {
            opened_ms: now_ms,
            full_since_ms: None,
            frame_since_ms: None,
            closing_since_ms: None,
            is_paused: false,
        }
    }

    /// Bytes were read: `used` of them were whole frames, `left` are the beginning of one.
    pub fn read(
        &mut self,
        (used, left): (usize, usize),
        state: &ConnectionState,
        now_ms: impl FnOnce() -> u64,
    ) {
        let since_ms = self.frame_since_ms.filter(|_| used == 0);
        self.frame_since_ms = if left == 0 { None } else { since_ms.or_else(|| Some(now_ms())) };
        self.is_paused = state.in_flight() >= READ_AHEAD_COMMANDS;
    }

    /// Bytes were written, or new ones wait: `unsent` of them are left.
    pub fn wrote(&mut self, unsent: usize, outbox_bytes_max: usize, now_ms: impl FnOnce() -> u64) {
        let is_full = unsent > outbox_bytes_max;
        if is_full != self.is_full() {
            self.full_since_ms = is_full.then(now_ms);
        }
    }

    /// Answers were handed over; whether reading may go on that was paused.
    pub fn resumes(&mut self, state: &ConnectionState) -> bool {
        let resumes = self.is_paused && state.in_flight() < READ_AHEAD_COMMANDS;
        self.is_paused &= !resumes;
        resumes
    }

    /// Whether more is unsent than a connection may leave unread.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full_since_ms.is_some()
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub const fn is_in_frame(&self) -> bool {
        self.frame_since_ms.is_some()
    }

    /// When the connection was opened.
    #[must_use]
    pub const fn opened_ms(&self) -> u64 {
        self.opened_ms
    }

    /// Whether more is read from the connection now.
    #[must_use]
    pub fn may_read(&self, state: &ConnectionState) -> bool {
        !self.is_full() && !self.is_paused && state.is_reading()
    }

    /// Looks at the clock; somebody does, several times a second.
    pub fn check_timeouts(
        &mut self,
        state: &ConnectionState,
        now_ms: u64,
        limits: &NetLimits,
    ) -> PeerTimeout {
        let passed_ms = |since_ms: Option<u64>| since_ms.map_or(0, |ms| now_ms.saturating_sub(ms));
        if state.is_reading() {
            if state.is_in_handshake() && passed_ms(Some(self.opened_ms)) > limits.handshake_ms {
                return PeerTimeout::Overdue("hello");
            }
            // A frame that waits here because nothing is read is not the peer's fault.
            if self.may_read(state) && passed_ms(self.frame_since_ms) > limits.frame_ms {
                return PeerTimeout::Overdue("the end of a frame");
            }
        } else if self.closing_since_ms.is_none() {
            self.closing_since_ms = Some(now_ms);
        }
        let unread_ms = passed_ms(self.full_since_ms).max(passed_ms(self.closing_since_ms));
        if unread_ms > limits.slow_reader_ms { PeerTimeout::Expired } else { PeerTimeout::Waiting }
    }
}
