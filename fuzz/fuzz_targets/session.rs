//! See `stockhold_fuzz::session`.
#![no_main]
#![allow(missing_docs, reason = "the macro makes the entry point")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stockhold_fuzz::session::run(bytes));
