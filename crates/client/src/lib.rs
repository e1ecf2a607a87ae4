//! The client of Stockhold: what checkouts, merchants' systems and load generators use to talk to a server.
//!
//! Two faces on the same bytes: [`PipelinedConnection`] for callers that keep many carts in flight in
//! explicit batches, without an allocation or a task for each, and (to come) one shared handle for many
//! tasks. It is *not* for deciding anything about quantities: a refusal of the server is data that is
//! handed on as it is.
#![forbid(unsafe_code)]

mod batch;
mod connection;
mod error;
mod ids;
mod pipeline;
mod reply;

pub use batch::{Batch, PushError};
pub use connection::{HANDSHAKE_MS, PipelinedConnection, SendError};
pub use error::{ConnectionError, SubmitError};
pub use ids::{IdSource, wall_clock_ms};
pub use pipeline::Pipeline;
pub use reply::{Availability, CellFrame, OutcomeFrame, Outcomes, Reply};
pub use stockhold_protocol as protocol;
