//! The network: it turns the bytes of connections into commands and answers into bytes. It decides nothing about
//! quantities.
//!
//! [`listener`] accepts connections and gives each to a network thread. [`connection_table`] has the connections of one
//! thread, and [`connection_permits`] limits their number. [`connection`] moves the bytes of a connection, and
//! [`flow_control`] decides when it is read. [`connection_state`] is its protocol without any I/O: `classify` decides
//! which commands are answered at once, `frame_bodies` encodes and checks frames, and `open_requests` tracks the
//! requests in flight. A connection stays on one thread.

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
