//! The rules of Stockhold, written the slow and obvious way: what every command must answer.
//!
//! [`Model`] keeps plain lists and counts everything anew whenever it is asked: promises are summed over all
//! reservations ever made, what a stock has left is the literal formula over all subsets of stocks, and time passes by
//! itself. So it shares no shortcut, and no line, with the machine, and it depends on the protocol only. Tests of the
//! machine, the simulator and the fuzz targets hold their answers against it. It is *not* for production (a decision
//! costs far more here), not for worlds larger than [`SOURCES`] × [`STOCKS`] × [`SKUS`], and not for the definition of
//! SKUs, stocks, sources and channels: the world is defined before anything else happens in it.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a model that meets what it does not know stops at once")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a step that a room does not know belongs to the next room"
)]

mod decide;
mod lifecycle;
mod limits;
mod state;
mod step;

pub use limits::Limits;
pub use state::{Line, Model, Reservation, Stage};
pub use step::{
    CHANNELS, Cart, HALF, RefundKind, SKUS, SOURCES, STOCKS, Setting, Step, Value, Wanted,
    channel_assignment, first_stock, has_decimals, sku_name, source_definition, stock_name, with_command,
};
