//! The command line as scripts use it: real processes, exit codes, JSON.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what is missing or cannot be started fails the test"
)]

mod beside;
mod dump;
mod explain;
mod flash;
mod follow;
mod geonames;
mod harness;
mod help;
mod import;
mod import_dry;
mod json;
mod list;
mod listening;
mod log_skip;
mod log_truncate;
mod log_verify;
mod low_stock;
mod marks;
mod names;
mod order;
mod pickup;
mod places;
mod refused;
mod rehearsal;
mod restore;
mod rows;
mod selecting;
mod served_log;
mod server;
mod status;
mod stock_work;
mod supervised;
mod waiting;
