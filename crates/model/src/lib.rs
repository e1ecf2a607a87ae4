//! The rules of Stockhold in their simplest form: the expected outcome of every command.
//!
//! [`Model`] keeps plain lists and recomputes everything when it is asked: promises are summed over all reservations
//! ever made, what a stock has left is the literal formula over all subsets of stocks, and expiry follows from the
//! time. It shares no code and no optimization with the machine and depends only on the protocol. The tests of the
//! machine, the simulator and the fuzz targets compare their outcomes with it. It is *not* for production (a decision
//! is far more expensive here), not for worlds larger than [`SOURCES`] × [`STOCKS`] × [`SKUS`], and it does not cover
//! the definition of SKUs, stocks, sources and channels: the world is defined before anything else happens in it.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "the model must stop at the first inconsistency")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a module does not handle is handled by another module"
)]

mod bulk;
mod command;
mod decide;
mod events;
mod flash;
mod lifecycle;
mod limits;
mod low_stock;
mod marks;
mod merchant;
mod names;
mod orders;
mod refunds;
mod reports;
mod sell;
mod settings;
mod state;
mod step;

pub use bulk::Bulk;
pub use command::with_command;
pub use limits::Limits;
pub use marks::Mark;
pub use state::{Line, Model, Reservation, Stage};
pub use step::{
    CHANNELS, Cart, HALF, MARKS, ORDERS, OrderStep, RefundKind, SKUS, SOURCES, STOCKS, Setting, Step, Value,
    Wanted, channel_assignment, first_stock, has_decimals, long_sku_name, mark_name, order_number,
    sku_definition, sku_name, source_definition, stock_name,
};
pub use step::{RowStep, StateStep};
