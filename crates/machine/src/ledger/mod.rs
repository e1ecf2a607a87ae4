//! The state: records, the data derived from them, and functions that read both. Nothing here knows a
//! command.
//!
//! From the bottom up: [`record`] has the persisted records; [`catalog`] and [`core`] have the data that
//! exists once; [`skus`] has the SKUs; [`state`] has all of it. The other modules find and read records: [`records`] (digest and
//! erasure), [`orders`], [`unreserved`], [`places`], [`items`], [`cells`], [`names`], [`now`], and, for outcomes, [`reservations`],
//! [`reservation_index`] and [`dedupe`].

pub(crate) mod actor;
pub(crate) mod catalog;
mod cells;
pub mod changes;
pub(crate) mod core;
pub(crate) mod cursor;
mod dedupe;
pub(crate) mod expected;
pub(crate) mod findings;
pub(crate) mod hold_time;
mod items;
mod low_stock;
pub(crate) mod marks;
mod names;
mod now;
pub(crate) mod old_names;
pub(crate) mod order_book;
pub(crate) mod order_scratch;
pub(crate) mod orders;
mod places;
pub(crate) mod record;
mod records;
pub(crate) mod recount_progress;
pub(crate) mod reservation_index;
mod reservations;
pub(crate) mod skus;
pub(crate) mod state;
mod unreserved;
