//! The `stockhold` command: flags in, exit code out.

fn main() {}
