//! The Stockhold server: the shell around the deterministic machine.

pub mod catalog;
pub mod directory;
pub mod snapshot;
pub mod storage;
pub mod wal;
