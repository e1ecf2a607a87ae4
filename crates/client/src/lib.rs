//! The client of Stockhold: what checkouts, merchants' systems and load generators use to talk to a server.
//!
//! Two faces on the same bytes. [`Client`] is one handle for many tasks: calls are coalesced into frames over
//! few connections, names are cached, and a call is retried under its own id until its deadline;
//! [`blocking::Client`] is the same without `async`. [`PipelinedConnection`] is for callers that keep many
//! carts in flight in explicit batches, without an allocation or a task for each.
//!
//! It is *not* for deciding anything about quantities: what the server refuses is data ([`Answer::Refused`])
//! and is handed on as it is. An error ([`CallError`]) means that there is no answer.
//!
//! Reading order: `batch`, `pipeline`, `connection` (the low level); `job`, `session`, `carrier`, `call`,
//! `client` (the handle); `commands`, `merchant`, `questions` (the calls).
#![forbid(unsafe_code)]

mod answer;
mod batch;
pub mod blocking;
mod call;
mod carrier;
mod cart;
mod client;
mod commands;
mod connection;
mod error;
mod ids;
mod job;
mod merchant;
mod names;
mod options;
mod pipeline;
mod questions;
mod reply;
mod server_clock;
mod session;

pub use answer::{Answer, Confirmed, Defined, Done, Extended, Noted, Refusal, Reserved, Settled, Shipped};
pub use batch::{Batch, PushError};
pub use cart::{Cart, line, units_of};
pub use client::{Client, ClientBuilder};
pub use commands::RefundLine;
pub use connection::{HANDSHAKE_MS, PipelinedConnection, SendError};
pub use error::{CallError, ConnectionError, NotDone, SubmitError};
pub use ids::{IdSource, wall_clock_ms};
pub use merchant::Note;
pub use names::{CartLine, Identity, ScopeRef, SkuRef, SourceRef, StockRef, TargetRef};
pub use options::{Dialer, Dialing, RetryPolicy, Stream};
pub use pipeline::Pipeline;
pub use questions::Checked;
pub use reply::{Availability, CellFrame, OutcomeFrame, Outcomes, Reply};
pub use server_clock::ServerClock;
pub use stockhold_protocol as protocol;
