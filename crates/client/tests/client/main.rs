//! The client against a server made of hands; one binary for all, because each costs a link.

mod calls;
mod epochs;
mod fake;
mod pipeline;
