//! See `stockhold_fuzz::command`.
#![no_main]
#![allow(missing_docs, reason = "the macro makes the entry point")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stockhold_fuzz::command::run(bytes));
