//! Scenarios as text: every rule of the machine, one command per line with the answer that it must get. After
//! every line five machines that are treated differently are compared and validated (see `world`).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod budgets;
mod commands;
mod expiry;
mod gaps;
mod goods;
mod identity;
mod independent;
mod lifecycle;
mod lists;
mod refusals;
mod reserving;
mod reviving;
mod script;
mod words;
mod world;
