//! Tests that start the program as users do, and tests that need their own process: `failpoints` reads the log of all
//! servers in its process, so no other test here may run a server within it.

mod circles;
mod cli_bicycles;
mod cli_process;
mod disk_full;
mod failpoints;
mod not_run;
mod tidy;
