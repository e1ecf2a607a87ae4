//! The bodies of the fuzz targets. Each accepts any bytes and panics when a guarantee is violated. The engine calls
//! them from `fuzz_targets`. `tests/fuzz_corpus` of the main workspace includes this file and replays what the engine
//! found, so there is one definition and no second fuzzing engine in the tests.
//!
//! Checksums would stop a fuzzer early. So `frame`, `segment` and `snapshot` repair the checksums after each damage
//! when the input says so. The code behind a checksum is then reached as with a malicious peer or disk.

pub mod catalog;
pub mod command;
pub mod csv;
pub mod draw;
#[path = "../../crates/machine/tests/model/drive.rs"]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a module does not handle is handled by another module"
)]
mod drive;
pub mod frame;
pub mod history;
pub mod machine_model;
pub mod seeds;
pub mod segment;
pub mod session;
pub mod snapshot;

/// The body of a target.
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
