//! Failures of single calls on real files under a whole server: what is refused, what is answered, how the process
//! ends, and that a start afterwards has everything that was answered. The failures are those of a medium; the files
//! are real.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail like tests")]

mod aside;
mod failing;
mod shop;
mod space;
mod starting;
mod writing;
