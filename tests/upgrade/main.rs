//! Two releases side by side: this one, and a stand-in for a later one (the feature `next-release`). They open each
//! other's directories and talk to each other. This is not part of `cargo test`, because it needs the other program:
//! `scripts/upgrade.sh` builds it and runs this.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

mod directories;
mod programs;
mod relay;
mod wire;
