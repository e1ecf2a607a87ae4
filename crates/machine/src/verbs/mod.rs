//! The rules of the commands. A verb reads the state and makes a plan or a definition, or refuses the command.
//!
//! Nothing is changed here: `moves` executes plans and definitions. The machine calls a verb, and then its execution.

mod bulk;
mod cart;
mod catalog;
mod events;
mod goods;
mod hold;
mod low_stock;
mod order;
mod placement;
mod refund;
mod reserve;

pub(crate) use cart::{CartMode, ExistingPromise, RefusalReason};
pub(crate) use placement::PlacementCheck;
pub(crate) use reserve::{Replacement, grant_answer, plan_sale};
