//! The Stockhold server around the deterministic machine.
//!
//! ```text
//! server ──► net ──► pipeline ──► wal, snapshot ──► storage        (an arrow points to what a module may use)
//!              └────────┴───► machine, published
//! ```

pub mod archive;
pub mod assembly;
pub mod calendar;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod describe;
pub mod directory;
pub mod edge;
pub mod error;
pub mod geonames;
pub mod history;
pub mod metrics;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod named;
pub mod net;
pub mod pipeline;
pub mod published;
pub mod recovery;
pub mod replica;
pub mod restorable;
pub mod restore;
pub mod server;
pub mod snapshot;
pub mod sourcing;
pub mod status;
pub mod status_board;
pub mod storage;
pub mod tallies;
pub mod verify;
pub mod wal;
pub mod warning;
