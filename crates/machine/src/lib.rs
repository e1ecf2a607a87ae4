//! The deterministic inventory state machine of Stockhold: it decides who gets what.
//!
//! The machine is a pure function of its log: [`Machine::apply`] takes one command record and a proposed
//! time, and returns an outcome. The crate uses no clock, no I/O, no threads, no randomness and no floating
//! point. Functions that execute commands return no `Result`: a refusal is an outcome, and a broken
//! invariant stops the program.
//!
//! Modules, from the bottom up: `table` (containers), [`config`] (limits that are state), `stock` (what can
//! be promised; [`sharing`] is the rule against overselling), `ledger` (records and state), `moves` (the
//! only code that changes a quantity), `verbs` (what each command does), `machine` (executes one command
//! after the other). Beside the verbs there are modules that only read: `views`, `persist` (snapshots) and
//! `validate`.
#![deny(clippy::arithmetic_side_effects)]
#![forbid(unsafe_code)]

pub mod config;
mod decision;
mod ledger;
mod machine;
mod moves;
#[cfg(feature = "mutants")]
pub mod mutant;
mod persist;
mod prefetch;
mod refusal;
mod stock;
pub mod table;
mod validate;
mod verbs;
mod views;

pub use config::{Configuration, Genesis, GenesisError, RULES_VERSION};
pub use ledger::changes::{self, CellChange, Changes, SaleTimes, SkuChange};
pub use ledger::hold_time::ClockView;
pub use ledger::record::Section;
pub use machine::{BatchVerdict, DigestPoint, Machine};
pub use persist::load::{self, LoadError, Loader};
pub use persist::snapshot::{self, SnapshotMark};
pub use stock::sharing;
pub use table::{PREFETCH_WIDTH, Progress};
pub use views::low_stock::LowStockScan;
pub use views::reservations::ReservationScan;
pub use views::sourcing::{SourcingCandidate, SourcingCandidates};
pub use views::stats::Stats;
