//! What each command does: a verb reads the state and makes a plan, or refuses. `moves` carries plans out.
//!
//! Not for changing quantities. The verbs of the catalog change what is sold where, and by which rules; these are no quantities.

mod cart;
mod catalog;
mod goods;
mod hold;
mod order;
mod refund;
mod reserve;
