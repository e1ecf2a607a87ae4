//! Commands: everything that can change the state, and the record in which a command is sent and logged.
//!
//! A command record has the same bytes on the wire and in the log: a 20-byte header (length, kind, flags, id), rarely
//! the hash of a key, and a body. Hot commands (`hot`) have hand-laid bodies and are decoded in place without
//! allocating. Cold commands (`catalog`) have bodies of tagged fields. After [`Envelope::decode`] a command is
//! well-formed; only the machine decides whether it is *allowed*. All commands are listed in one table (`table`).

mod body;
pub mod bulk;
pub mod catalog;
mod check;
mod envelope;
mod fingerprint;
pub mod hot;
pub mod order;
mod order_event;
mod order_state;
mod plain;
mod rows;
mod table;

pub use bulk::*;
pub use catalog::*;
pub use envelope::{Envelope, FLAG_FRESH, FLAG_HAS_KEY, FLAGS_OFFSET, KeyHash, record_length};
pub use fingerprint::{FINGERPRINT_MASK, Scratch};
pub use hot::{Extend, Placement, Release, Replace, Reserve, Sell, Ship, Target};
pub use order::*;
pub use order_event::{EventLine, OrderAction, OrderEvent, PlaceFailed};
pub use order_state::{ExpectedLine, OrderStateReport};
pub use plain::{PlainCart, peek};
pub use rows::{AppendReservations, SignedRow};
pub use table::{Command, Kind, Role};
