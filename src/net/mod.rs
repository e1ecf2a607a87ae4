//! The network: bytes of connections to commands, and answers back to bytes. It decides nothing about quantities.
//!
//! [`connection_state`] is the protocol of one connection without any I/O (`look` decides what is answered on the spot, `bodies` writes and checks what stands in frames); [`flow_control`] says when it is read from; [`connection`] moves its bytes; [`listener`] takes connections;
//! [`connection_table`] is one network thread's table of connections; [`permits`] says how many there may be. Everything of a connection stays on one thread.

mod classify;
pub mod connection;
pub mod connection_permits;
pub mod connection_state;
pub mod connection_table;
pub mod context;
pub mod flow_control;
mod frame_bodies;
pub mod listener;
mod open_requests;

pub use connection_state::ConnectionState;
pub use context::{NetContext, NetLimits};
pub use flow_control::{FlowControl, PeerTimeout};
