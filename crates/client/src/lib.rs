//! The client of Stockhold, for checkouts, merchants' systems and load generators.
//!
//! There are two interfaces to the same protocol. [`Client`] is one handle for many tasks: it coalesces calls into
//! frames over few connections, caches names, and retries a call under its own id until its deadline.
//! [`blocking::Client`] is the same without `async`. [`PipelinedConnection`] is for callers that keep many carts in
//! flight in explicit command batches, without an allocation or a task for each.
//!
//! The client decides nothing about quantities. A refusal of the server is data ([`Answer::Refused`]) and is returned
//! unchanged. An error ([`CallError`]) means that there is no answer.
//!
//! Reading order: `command_batch`, `sans_io`, `connection` (the low level); `job`, `multiplexer`, `connection_task`,
//! `call`, `client` (the handle); `commands`, `orders`, `rows`, `merchant`, `bulk`, `queries` (the calls).
#![forbid(unsafe_code)]

mod address;
mod answer;
pub mod blocking;
mod bulk;
mod call;
mod cart;
mod client;
mod command_batch;
mod commands;
mod connection;
mod connection_task;
mod error;
mod ids;
mod job;
mod merchant;
mod multiplexer;
mod names;
mod options;
mod orders;
mod queries;
mod reply;
mod rows;
mod sans_io;
mod server_clock;

pub use address::{DEFAULT_ADDRESS, SERVER_VARIABLE, server_address};
pub use answer::{
    Answer, Appended, Changed, Confirmed, Defined, Done, Extended, Noted, OrderChanged, Placed, Refusal,
    Reserved, Settled, Shipped,
};
pub use bulk::{Counted, TransferOptions};
pub use cart::{Cart, line, units_of};
pub use client::{Client, ClientBuilder};
pub use command_batch::{CommandBatch, PushError};
pub use commands::RefundLine;
pub use connection::{HANDSHAKE_MS, PipelinedConnection, SendError};
pub use error::{CallError, ConnectionError, FrameLimit, NotDone, SubmitError};
pub use ids::{IdGenerator, wall_clock_ms};
pub use merchant::Note;
pub use names::{CartLine, LogIdentity, ScopeRef, SkuRef, SourceRef, StockRef, TargetRef};
pub use options::{DialFuture, Dialer, RetryPolicy, Stream};
pub use orders::{ExpectedUnits, OrderUnits};
pub use queries::CheckResults;
pub use reply::{Availability, CellFrame, OutcomeFrame, Outcomes, Reply};
pub use rows::ReservationRow;
pub use sans_io::SansIoConnection;
pub use server_clock::ServerClock;
pub use stockhold_protocol as protocol;
