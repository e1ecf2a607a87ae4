//! The only code that changes a quantity: what a reservation has open, what a stock has promised, what a source has on hand.
//!
//! A command makes a [`plan`] and reads only; the [`guard`] judges the whole plan once; [`execute`] carries it out and cannot
//! fail. [`grant`] is the same way for a new reservation, whose lines are planned as a cart. [`expiry`] ends what is due, and
//! [`structure`] derives the clusters anew when sources, stocks or links change. Not for rules of commands.

mod execute;
mod expiry;
mod grant;
mod guard;
mod plan;
mod structure;

pub(crate) use grant::Terms;
pub(crate) use plan::{Cause, Plan, Planned, Report};
