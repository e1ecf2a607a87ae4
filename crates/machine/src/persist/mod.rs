//! Snapshots: the state is written in bounded steps while commands are applied ([`snapshot`], [`cursor`]),
//! and loaded again ([`load`]).

pub(crate) mod cursor;
pub mod load;
pub mod snapshot;
