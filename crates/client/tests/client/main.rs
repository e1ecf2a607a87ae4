//! The client against a server made of hands; one binary for all, because each costs a link.
#![expect(clippy::unwrap_used, reason = "these are tests; a failed step must stop them")]

mod calls;
mod epochs;
mod fake;
mod sans_io;
