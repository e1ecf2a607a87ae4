//! Snapshots: the state is written in bounded steps while commands are applied ([`snapshot`]),
//! and loaded again ([`load`]).

pub mod load;
mod orders;
pub mod snapshot;
