//! How much the server's memory may grow for peers of one kind: the bound that the documentation promises, from the limits of the server.

use super::peers::Kind;
use stockhold_protocol::handshake::Welcome;

/// An open connection that has sent nothing beyond a hello: its task, its seat, the pages of its input buffer that were used.
const IDLE_BYTES: u64 = 16 << 10;
/// Unsent bytes beyond which nothing more is read (`limits.outbox-bytes`), by default.
const OUTBOX_BYTES: u64 = 4 << 20;
/// One answer beyond that, and what a growing buffer reserves ahead.
const OUTBOX_SLACK_BYTES: u64 = 4 << 20;
/// What grows at the same time for other reasons: outcomes of the healthy carts, the allocator's arenas. It is measured with no bad peers.
const BESIDE_BYTES: u64 = 64 << 20;

/// The most that `count` peers of this kind may add.
pub(crate) fn of(kind: Kind, count: u32, welcome: &Welcome) -> u64 {
    // A frame under way, in a buffer that doubles as it grows.
    let frame_bytes = 2 * u64::from(welcome.limits.frame_body_bytes_max);
    let each = match kind {
        Kind::Mute | Kind::HalfHello | Kind::Idle | Kind::Crowd | Kind::Oversized | Kind::Garbage => {
            IDLE_BYTES
        }
        Kind::SlowReader | Kind::Flood => frame_bytes + OUTBOX_BYTES + OUTBOX_SLACK_BYTES,
        Kind::Endless => frame_bytes,
        // They read what they are answered, so no more than an outbox waits for each of them.
        Kind::Validations | Kind::Lists | Kind::Snapshots => OUTBOX_BYTES,
    };
    u64::from(count) * each + BESIDE_BYTES
}
