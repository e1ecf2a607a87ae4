//! Scenarios as text that cover every rule of the machine: one command per line with its expected answer.
//! After every line, five machines that are treated differently are compared and validated (see
//! `machines`).
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod budgets;
mod bulk;
mod commands;
mod expiry;
mod explaining;
mod flash;
mod gaps;
mod goods;
mod identity;
mod independent;
mod lifecycle;
mod lists;
mod machines;
mod marks;
mod names;
mod order_records;
mod orders;
mod readmit;
mod refusals;
mod reserving;
mod reviving;
mod scanning;
mod script;
mod sku_names;
mod sourcing;
mod steps_back;
mod words;
