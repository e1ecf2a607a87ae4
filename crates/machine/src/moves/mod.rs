//! The executor: the only code that changes a quantity, that is, the open units of a reservation, the
//! promised units of a stock and the quantity on hand at a source.
//!
//! A verb reads the state and fills a [`plan`]. The [`guard`] checks the complete plan once. [`execute`] then
//! applies it and cannot fail. [`grant`] does the same for a new reservation, whose lines are planned as a
//! cart. [`define`] executes definitions, which change no quantity. [`item_plan`], [`item_guard`] and [`items`] are
//! the same three for commands that change many source items. [`orders`] keeps the totals of orders, [`unreserved`] what is promised without a
//! reservation, [`rows`] executes signed rows. [`expiry`] ends holds at their deadline. [`structure`] rebuilds the clusters when sources, stocks or
//! links change. The rules of the commands are in `verbs`, not here.

mod define;
mod execute;
mod expiry;
mod grant;
mod guard;
mod item_guard;
mod item_plan;
mod items;
mod low_stock;
mod orders;
mod plan;
mod rows;
mod structure;
mod unreserved;

pub(crate) use define::{Definition, mode_of};
pub(crate) use grant::{Joining, Terms};
pub(crate) use item_plan::{FoundItem, ItemPlan, ItemValues};
pub(crate) use plan::{CartPlan, Cause, Ending, Plan, Planned, Report};
pub(crate) use rows::{RowsOfOrder, RowsPlan, UnreservedUnits};
