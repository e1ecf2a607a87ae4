//! The documented bound for the growth of the server's memory with peers of one kind, computed from the limits of the
//! server.

use super::peers::Kind;
use stockhold_protocol::handshake::Welcome;

/// An open connection that has sent only a Hello: its task, its slot, the used pages of its input buffer.
const IDLE_BYTES: u64 = 16 << 10;
/// Unsent bytes above which the server stops reading (`limits.outbox-bytes`), by default.
const OUTBOX_BYTES: u64 = 4 << 20;
/// One answer beyond that limit, and what a growing buffer reserves in advance.
const OUTBOX_SLACK_BYTES: u64 = 4 << 20;
/// Growth for other reasons at the same time: outcomes of the healthy carts, the allocator's arenas. Measured without
/// bad peers.
const BESIDE_BYTES: u64 = 64 << 20;

/// How much `count` peers of this kind may add at most.
pub(crate) fn of(kind: Kind, count: u32, welcome: &Welcome) -> u64 {
    // An incomplete frame, in a buffer that doubles as it grows.
    let frame_bytes = 2 * u64::from(welcome.limits.frame_body_bytes_max);
    let each = match kind {
        Kind::Mute | Kind::HalfHello | Kind::Idle | Kind::Crowd | Kind::Oversized | Kind::Garbage => {
            IDLE_BYTES
        }
        Kind::SlowReader | Kind::Flood => frame_bytes + OUTBOX_BYTES + OUTBOX_SLACK_BYTES,
        Kind::Endless => frame_bytes,
        // These peers read their answers, so at most one outbox is pending for each.
        Kind::Validations | Kind::Lists | Kind::Snapshots => OUTBOX_BYTES,
    };
    u64::from(count) * each + BESIDE_BYTES
}
