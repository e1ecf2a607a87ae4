//! The open loop of one connection. It sleeps until an operation is due or an answer arrives, whatever the server
//! does. Its sender decides what is due and what an answer means: the rounds of the scenarios (`rounds`) or the
//! shoppers of a sale.

pub(crate) mod facts;
mod in_flight;
pub(crate) mod rounds;
mod timer;

use crate::interrupt::Interrupt;
use crate::load_error::LoadError;
use std::time::{Duration, Instant};
use stockhold_client::PipelinedConnection;
use timer::Timer;

/// How often the interrupt is polled while nothing else happens.
const POLL_NS: u64 = 100_000_000;

/// What one connection sends and receives. Times are nanoseconds since the beginning of the load.
pub(crate) trait Sender {
    /// Sends what is due, as far as there is room.
    fn send_due(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError>;

    /// Takes the answers that have arrived.
    fn take_replies(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError>;

    /// The next due time. `None` if only an answer can make something due.
    fn next_ns(&self) -> Option<u64>;

    /// Lets nothing new become due. What was begun is completed.
    fn stop_new(&mut self);
}

/// Nanoseconds since `began`.
pub(crate) fn ns_since(began: Instant) -> u64 {
    span_ns(began.elapsed())
}

/// A span as nanoseconds.
pub(crate) fn span_ns(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Runs until nothing is due any more and everything is answered.
pub(crate) async fn serve(
    connection: &mut PipelinedConnection,
    sender: &mut impl Sender,
    began: Instant,
    interrupt: &Interrupt,
) -> Result<(), LoadError> {
    let timer = Timer::new()?;
    let mut expires_ns = 0;
    loop {
        if interrupt.is_set() {
            sender.stop_new();
        }
        let now_ns = ns_since(began);
        sender.send_due(connection, now_ns)?;
        let next_ns = sender.next_ns();
        if next_ns.is_none() && connection.in_flight() == 0 {
            return Ok(());
        }
        // Without room nothing can be sent, even if it is due. Then the loop waits for an answer.
        let poll_ns = now_ns.saturating_add(POLL_NS);
        let wake_ns = next_ns.filter(|due| *due > now_ns).unwrap_or(poll_ns).min(poll_ns);
        // A timer that expires a little early does no harm, and setting it again is a system call.
        if expires_ns <= now_ns || expires_ns > wake_ns {
            timer.set(Duration::from_nanos(wake_ns.saturating_sub(ns_since(began))))?;
            expires_ns = wake_ns;
        }
        tokio::select! {
            biased;
            turned = connection.turn(), if connection.in_flight() > 0 => turned?,
            expired = timer.expired() => {
                expired?;
                expires_ns = 0;
            }
        }
        sender.take_replies(connection, ns_since(began))?;
    }
}
