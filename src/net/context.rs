//! What all connections of a server share: the way in for commands and questions, the cells, the clock and the limits.

use std::sync::Arc;

use stockhold_protocol::handshake::{ConnectionLimits, Welcome};
use stockhold_protocol::limits::FRAME_COUNT_MAX;

use super::connection_permits::{ConnectionPermit, ConnectionPermits};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pipeline::question::Questions;
use crate::pipeline::{Feedback, Ingress};
use crate::published::Published;

/// Limits of connections. Defaults and minimums stand in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetLimits {
    /// Most connections at once, beside those that only peers on this machine get.
    pub connections: usize,
    /// Most commands of one connection that wait for answers.
    pub in_flight: u32,
    /// Most questions of one connection that wait for answers.
    pub questions: u32,
    /// Unsent bytes of one connection beyond which nothing more is read from it.
    pub outbox_bytes: usize,
    /// Longest frame body.
    pub frame_body_bytes: usize,
    /// Milliseconds in which a new connection must say hello.
    pub handshake_ms: u64,
    /// Milliseconds that a connection may leave a full outbox unread.
    pub slow_reader_ms: u64,
    /// Milliseconds in which a frame that has begun must have come whole.
    pub frame_ms: u64,
    /// Bytes that the buffers of all connections may take.
    pub buffer_bytes: usize,
    /// Longest wait of a check for an op, in milliseconds.
    pub check_wait_ms: u64,
    /// What a busy answer tells the client to wait, in milliseconds.
    pub retry_after_ms: u32,
}

/// Shared by all connections.
#[derive(Debug)]
pub struct NetContext {
    /// Commands go in here.
    pub ingress: Arc<Ingress>,
    /// Questions go in here.
    pub questions: Arc<Questions>,
    /// Cells and names.
    pub published: Arc<Published>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// How the server is.
    pub feedback: Arc<Feedback>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The limits.
    pub limits: NetLimits,
    /// The log's identity.
    pub log_uuid: [u8; 16],
    /// The log's epoch.
    pub epoch: u64,
    /// The rules that decide.
    pub rules_version: u32,
    /// The permits of connections.
    pub permits: ConnectionPermits,
}

impl NetContext {
    /// The answer to a hello that agrees on a version.
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
            limits,
            server: concat!("stockhold ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Welcome::default()
        }
    }

    /// Counts a new connection in, if there is a permit for it; `is_local` when its peer is on this machine.
    #[must_use]
    pub fn admit(&self, is_local: bool) -> Option<ConnectionPermit> {
        let permit = self.permits.acquire(is_local)?;
        self.metrics.connections_accepted.add(1);
        self.update_open_gauge();
        Some(permit)
    }

    /// Counts a connection out.
    pub fn release(&self, permit: ConnectionPermit) {
        self.permits.release(permit);
        self.update_open_gauge();
    }

    fn update_open_gauge(&self) {
        self.metrics.connections_open.set(u64::try_from(self.permits.in_use()).unwrap_or(u64::MAX));
    }
}
