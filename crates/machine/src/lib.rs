//! The deterministic inventory state machine of Stockhold: it decides who gets what.
//!
//! It is a pure function of its log: no clock, no input or output, no thread, no randomness in here.

pub mod sharing;
pub mod table;
