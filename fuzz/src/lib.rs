//! The bodies of the fuzz targets: what is done with some bytes, and what must then hold. Each takes any bytes at all and panics where
//! a promise is broken. The engine calls them from `fuzz_targets`; `tests/fuzz_corpus` of the main workspace includes this file and
//! replays what the engine found, so there is one definition and no second fuzzing engine in the tests.
//!
//! Checksums would stop a fuzzer at the door, so `frame`, `segment` and `snapshot` mend them after each damage when the input says so:
//! what lies behind a checksum is then reached as if a peer, or a disk, had been malicious.

pub mod catalog;
pub mod command;
pub mod csv;
pub mod draw;
#[path = "../../crates/machine/tests/model/drive.rs"]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a room does not know belongs to the next room"
)]
mod drive;
pub mod frame;
pub mod history;
pub mod machine_model;
pub mod seeds;
pub mod segment;
pub mod session;
pub mod snapshot;

/// What is done with the bytes.
pub type Body = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Body); 8] = [
    ("frame", frame::run),
    ("command", command::run),
    ("session", session::run),
    ("segment", segment::run),
    ("snapshot", snapshot::run),
    ("csv", csv::run),
    ("catalog", catalog::run),
    ("machine_model", machine_model::run),
];
