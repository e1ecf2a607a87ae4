//! Tests that start the program as users do, and those that need a process to themselves: `failpoints` reads the log lines of all
//! servers of its process, so no other tests here may have a server within it.

mod circles;
mod cli_bicycles;
mod cli_process;
mod disk_full;
mod failpoints;
mod not_run;
mod tidy;
