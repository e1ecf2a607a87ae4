//! The protocol of Stockhold: ids, quantities, times, commands, outcomes, frames and their encodings.
//!
//! This crate contains everything that client and server must agree on, byte for byte. PROTOCOL.md describes the
//! same; a test compares the two. The crate makes no decisions: it has no clock, no I/O, no randomness and no
//! inventory rule. It refuses input only because of its bytes.
//!
//! Reading order: [`limits`], [`id`], [`quantity`], [`time`], [`mod@line`], [`command`], [`outcome`], [`batch`],
//! [`frame`], [`handshake`], [`query`], [`codec`], [`fields`].
#![forbid(unsafe_code)]

pub mod batch;
pub mod codec;
pub mod command;
pub mod error;
pub mod event;
pub mod fields;
pub mod frame;
pub mod handshake;
pub mod id;
pub mod layout;
pub mod limits;
pub mod line;
pub mod outcome;
pub mod quantity;
pub mod query;
pub mod time;

pub use command::{Command, Envelope};
pub use error::{BadField, FrameError};
pub use id::{ChannelId, CommandId, ReservationId, SkuId, SourceId, StockId};
pub use line::{Line, Lines};
pub use outcome::{Code, Detail, Offender, Outcome};
pub use quantity::Quantity;
pub use time::{Deadline, Timestamp};
