//! The deterministic inventory state machine of Stockhold: it decides who gets what.
//!
//! It is a pure function of its log: [`Machine::apply`] takes one command record and a proposed time, and
//! answers an outcome. There is no clock, no input or output, no thread, no randomness and no float in
//! here, and no `Result`: a refusal is an outcome, and a broken invariant of our own stops the program.
//!
//! Rooms, in reading order: [`config`] (limits that are state), `record` (the records and their bytes),
//! `catalog`, `settings`, [`sharing`] (the one rule against overselling), `cluster` (a SKU in a group of
//! stocks), `hold_time`, `state` (records, what is derived, and how records change), `machine` (one command after the
//! other), then the commands: `grant`, `lifecycle`, `goods`, `refund`, `define`, what they refuse with (`refusal`); and what is told: [`changes`],
//! `view`, `validate`, `stats`, [`snapshot`] and [`load`].
#![deny(clippy::arithmetic_side_effects)]
#![forbid(unsafe_code)]

mod actor;
mod ahead;
mod book;
mod catalog;
mod cells;
pub mod changes;
mod chunked;
mod cluster;
pub mod config;
mod core;
mod decision;
mod hold_time;
mod items;
mod ledger;
pub mod load;
mod machine;
mod moves;
#[cfg(feature = "mutants")]
pub mod mutant;
mod now;
mod once;
mod record;
mod refusal;
mod reservations;
mod seats;
mod settings;
pub mod sharing;
mod shelf;
pub mod snapshot;
mod state;
mod stats;
pub mod table;
mod validate;
mod verbs;
mod view;
mod walk;

pub use changes::{CellChange, Changes, SkuChange};
pub use config::{Configuration, Genesis, GenesisError, RULES_VERSION};
pub use hold_time::ClockView;
pub use load::{LoadError, Loader};
pub use machine::{BatchVerdict, DigestPoint, Machine};
pub use record::Section;
pub use snapshot::SnapshotMark;
pub use stats::Stats;
pub use table::{AHEAD, Progress};
