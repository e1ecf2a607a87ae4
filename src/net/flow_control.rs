//! Decides when a connection is read, and when a peer has kept the server waiting for too long. It has no socket and no
//! clock. The code that moves the bytes reports what was moved and when, so that the simulator follows the same rules.

use super::connection_state::ConnectionState;
use super::context::NetLimits;

/// With this many commands in flight, nothing more is read from a connection, so that one connection cannot fill the
/// queue alone.
const READ_AHEAD_COMMANDS: u32 = 1_024;

/// The flow control of one connection.
#[derive(Clone, Copy, Debug)]
pub struct FlowControl {
    opened_ms: u64,
    full_since_ms: Option<u64>,
    /// When the current frame began.
    frame_since_ms: Option<u64>,
    /// When the connection began to close, after which nothing more is read.
    closing_since_ms: Option<u64>,
    /// Reading is paused because enough commands are in flight.
    is_paused: bool,
}

/// Whether a peer has kept the server waiting for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerTimeout {
    /// No timeout has passed.
    Waiting,
    /// This did not arrive in time. The peer is told, and nothing more is read.
    Overdue(&'static str),
    /// The peer has left answers unread for too long. The connection is cut.
    Expired,
}

impl FlowControl {
    /// The flow control of a connection that opens now.
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

    /// Notes a read: `used` bytes were whole frames, `left` bytes are the beginning of a frame.
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

    /// Notes a write, or new bytes to send: `unsent` bytes are left.
    pub fn wrote(&mut self, unsent: usize, outbox_bytes_max: usize, now_ms: impl FnOnce() -> u64) {
        let is_full = unsent > outbox_bytes_max;
        if is_full != self.is_full() {
            self.full_since_ms = is_full.then(now_ms);
        }
    }

    /// Notes that answers were delivered. Returns whether reading resumes after a pause.
    pub fn resumes(&mut self, state: &ConnectionState) -> bool {
        let resumes = self.is_paused && state.in_flight() < READ_AHEAD_COMMANDS;
        self.is_paused &= !resumes;
        resumes
    }

    /// Whether more bytes are unsent than the limit allows.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full_since_ms.is_some()
    }

    /// Whether a frame has begun and is not complete.
    #[must_use]
    pub const fn is_in_frame(&self) -> bool {
        self.frame_since_ms.is_some()
    }

    /// When the connection was opened.
    #[must_use]
    pub const fn opened_ms(&self) -> u64 {
        self.opened_ms
    }

    /// Whether the connection may be read now.
    #[must_use]
    pub fn may_read(&self, state: &ConnectionState) -> bool {
        !self.is_full() && !self.is_paused && state.is_reading()
    }

    /// Checks all timeouts. The caller does this several times a second.
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
            // A frame that is incomplete because the server does not read is not the peer's fault.
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
