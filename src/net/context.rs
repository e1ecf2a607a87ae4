//! What all connections of a server share: the queues for commands and questions, the published cells, the clock and
//! the limits.

use std::sync::Arc;

use stockhold_protocol::handshake::{ConnectionLimits, Welcome};
use stockhold_protocol::limits::FRAME_COUNT_MAX;

use super::connection_permits::{ConnectionPermit, ConnectionPermits};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pipeline::question::Questions;
use crate::pipeline::{Feedback, Ingress};
use crate::published::Published;

/// The limits of connections. The configuration has their defaults and minimums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetLimits {
    /// The maximum number of connections, not counting those reserved for peers on this machine.
    pub connections: usize,
    /// The maximum number of commands in flight per connection.
    pub in_flight: u32,
    /// The maximum number of questions in flight per connection.
    pub questions: u32,
    /// When a connection has more unsent bytes than this, nothing more is read from it.
    pub outbox_bytes: usize,
    /// The maximum length of a frame body.
    pub frame_body_bytes: usize,
    /// The time in which a new connection must send its hello, in milliseconds.
    pub handshake_ms: u64,
    /// How long a connection may leave a full outbox unread, in milliseconds.
    pub slow_reader_ms: u64,
    /// The time in which a frame must arrive completely once it has begun, in milliseconds.
    pub frame_ms: u64,
    /// The maximum memory of the buffers of all connections.
    pub buffer_bytes: usize,
    /// The maximum time that a check waits for an op, in milliseconds.
    pub check_wait_ms: u64,
    /// The delay that a `busy` answer asks the client for, in milliseconds.
    pub retry_after_ms: u32,
}

/// What all connections of a server share.
#[derive(Debug)]
pub struct NetContext {
    /// The queue of commands.
    pub ingress: Arc<Ingress>,
    /// The queue of questions.
    pub questions: Arc<Questions>,
    /// Published cells and names.
    pub published: Arc<Published>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// The state of the server and of the machine's clocks.
    pub feedback: Arc<Feedback>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The limits.
    pub limits: NetLimits,
    /// The UUID of the log.
    pub log_uuid: [u8; 16],
    /// The epoch of the log.
    pub epoch: u64,
    /// The version of the rules in force.
    pub rules_version: u32,
    /// The permits of connections.
    pub permits: ConnectionPermits,
}

impl NetContext {
    /// The answer to a hello after both sides have agreed on a version.
    #[must_use]
    pub fn welcome(&self, version: u8) -> Welcome {
        let limits = ConnectionLimits {
            frame_body_bytes_max: u32::try_from(self.limits.frame_body_bytes).unwrap_or(u32::MAX),
            frame_count_max: u32::try_from(FRAME_COUNT_MAX).unwrap_or(u32::MAX),
            in_flight_max: self.limits.in_flight,
        };
        let clock = self.feedback.clock();
        Welcome {
            version,
            log_uuid: self.log_uuid,
            epoch: self.epoch,
            rules_version: self.rules_version,
            op: self.published.op(),
            time_ms: self.clock.propose_now().0,
            shown_offset_ms: clock.wall_offset_ms.saturating_add_unsigned(clock.hold_offset_ms),
            name_generation: self.feedback.name_generation(),
            limits,
            server: concat!("stockhold ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Welcome::default()
        }
    }

    /// Acquires a permit for a new connection and counts it. `is_local` tells that the peer is on this machine.
    #[must_use]
    pub fn admit(&self, is_local: bool) -> Option<ConnectionPermit> {
        let permit = self.permits.acquire(is_local)?;
        self.metrics.connections_accepted.add(1);
        self.update_open_gauge();
        Some(permit)
    }

    /// Releases the permit of a connection that has ended.
    pub fn release(&self, permit: ConnectionPermit) {
        self.permits.release(permit);
        self.update_open_gauge();
    }

    fn update_open_gauge(&self) {
        self.metrics.connections_open.set(u64::try_from(self.permits.in_use()).unwrap_or(u64::MAX));
    }
}
