//! Nothing but a place for the benches beside this file: `cargo bench -p stockhold-bench`.
