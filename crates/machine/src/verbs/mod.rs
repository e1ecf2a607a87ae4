//! The rules of the commands. A verb reads the state and either fills a plan or refuses the command.
//!
//! Quantities are changed only in `moves`, which executes the plans. The verbs of the catalog change
//! definitions, links and settings directly, because these are not quantities.

mod cart;
mod catalog;
mod goods;
mod hold;
mod order;
mod refund;
mod reserve;
