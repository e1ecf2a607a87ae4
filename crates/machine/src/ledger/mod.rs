//! The state: records, what is derived from them, and how both are read. It knows no command.
//!
//! From the bottom up: [`record`] has the persisted shapes, [`catalog`] and [`core`] what there is one of, [`state`] all of it;
//! then how it is found and read: [`records`] (digest and erasure), [`places`], [`items`], [`cells`], [`now`], and the outcomes:
//! [`reservations`], [`reservation_index`], [`dedupe`].

pub(crate) mod actor;
pub(crate) mod catalog;
mod cells;
pub mod changes;
pub(crate) mod core;
mod dedupe;
pub(crate) mod hold_time;
mod items;
mod now;
mod places;
pub(crate) mod record;
mod records;
pub(crate) mod reservation_index;
mod reservations;
pub(crate) mod state;
