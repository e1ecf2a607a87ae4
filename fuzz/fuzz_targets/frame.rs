//! See `stockhold_fuzz::frame`.
#![no_main]
#![allow(missing_docs, reason = "the macro makes the entry point")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| stockhold_fuzz::frame::run(bytes));
