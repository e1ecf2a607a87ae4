//! Replays the seeds of the fuzzers and their findings through the same bodies, on stable Rust.

#[cfg(test)]
#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a library for the fuzzing engine and a module here")]
mod bodies;
#[cfg(test)]
mod replay;
