//! The client against a scripted server. There is one binary for all tests, because each binary costs a link.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

mod calls;
mod deadlines;
mod epochs;
mod fake;
mod orders;
mod rows;
mod sans_io;
mod words;
