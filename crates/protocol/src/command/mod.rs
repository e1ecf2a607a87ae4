//! Commands: everything that can change the state, and the record in which one travels and is logged.
//!
//! A command record is the same bytes on the wire and in the log: a 20-byte header (length, kind, flags,
//! id), seldom the hash of a key, and a body. Hot commands (`hot`) have hand-laid bodies and are read in place without allocating;
//! cold ones (`catalog`) have bodies of tagged fields. Past [`Envelope::decode`] a command is valid by type; whether
//! it is *allowed* is for the machine alone. All commands stand in one table (`table`).

mod body;
pub mod catalog;
mod check;
mod envelope;
mod fingerprint;
pub mod hot;
mod plain;
mod table;

pub use catalog::{
    Adjust, BackorderMode, Change, ChannelAssignment, Configure, Count, LinkDefinition, LinkRemoval, Mark,
    QuotaChange, SettingScope, SettingsChange, Sharing, SkuDefinition, SkuKind, SourceDefinition,
    StockDefinition, Transfer,
};
pub use envelope::{Envelope, FLAG_FRESH, FLAG_HAS_KEY, FLAGS_OFFSET, KeyHash, record_length};
pub use fingerprint::{FINGERPRINT_MASK, Scratch};
pub use hot::{Extend, PartKind, Parts, Refund, RefundPart, Release, Replace, Reserve, Sell, Ship, Target};
pub use plain::{PlainCart, peek};
pub use table::{Command, Kind, Role};
