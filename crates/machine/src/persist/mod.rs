//! The state as the bytes of a snapshot, written in bounded steps while commands go on ([`snapshot`], [`walk`]), and back ([`load`]).

pub mod load;
pub mod snapshot;
pub(crate) mod walk;
