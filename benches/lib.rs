//! An empty library for the benches beside this file: `cargo bench -p stockhold-bench`.
