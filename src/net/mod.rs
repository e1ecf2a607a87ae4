//! The network: bytes of connections to commands, and answers back to bytes. It decides nothing about quantities.
//!
//! [`session`] is the protocol of one connection without any I/O (`look` decides what is answered on the spot, `bodies` writes and checks what stands in frames); [`pace`] says when it is read from; [`connection`] moves its bytes; [`listener`] takes connections;
//! [`desk`] is one network thread's table of connections; [`places`] says how many there may be. Everything of a connection stays on one thread.

mod bodies;
pub mod connection;
pub mod desk;
pub mod gate;
pub mod listener;
mod look;
pub mod pace;
pub mod places;
mod requests;
pub mod session;

pub use gate::{Gate, GateLimits};
pub use pace::{Pace, Patience};
pub use session::Session;
