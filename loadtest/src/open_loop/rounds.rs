//! The scenarios as an open loop: the due operations of a connection are sent as one round. Several rounds may be in
//! flight.

use super::in_flight::{InFlight, MeasuredSpan};
use super::{Sender, serve, span_ns};
use crate::generator::ThreadContext;
use crate::load_error::LoadError;
use crate::pace::Pace;
use crate::schedule::{Part, Schedule};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stockhold_client::{PipelinedConnection, Reply};

/// How long to wait for answers after the last operation was sent.
const ANSWERS_MAX: Duration = Duration::from_secs(30);

/// The plan of an open loop.
#[derive(Clone, Debug)]
pub(crate) struct OpenLoopPlan {
    /// From the beginning of the warm-up to the end of the measured time.
    pub(crate) pace: Arc<Pace>,
    /// How long after the end overdue operations are still sent.
    pub(crate) late_max: Duration,
}

/// The rounds of one connection.
#[derive(Debug)]
pub(crate) struct Rounds {
    context: Rc<ThreadContext>,
    in_flight: InFlight,
    late_ns: u64,
}

/// Drives one connection until everything that was due is answered.
pub(crate) async fn drive(
    mut connection: PipelinedConnection,
    context: Rc<ThreadContext>,
    asked: OpenLoopPlan,
    part: Part,
) {
    let window = context.window;
    let measured = MeasuredSpan {
        from_ns: span_ns(window.from.saturating_duration_since(window.began)),
        to_ns: span_ns(window.to.saturating_duration_since(window.began)),
    };
    let schedule = Schedule::new(asked.pace, part);
    let in_flight = InFlight::new(schedule, context.depth, measured);
    let late_ns = measured.to_ns.saturating_add(span_ns(asked.late_max));
    let mut rounds = Rounds { context: Rc::clone(&context), in_flight, late_ns };
    let limit = window.to.saturating_duration_since(Instant::now()) + asked.late_max + ANSWERS_MAX;
    let serving = serve(&mut connection, &mut rounds, window.began, &context.interrupt);
    let served = tokio::time::timeout(limit, serving).await;
    if let Err(broken) = served.unwrap_or(Err(LoadError::Stalled)) {
        let mut tally = context.tally.borrow_mut();
        tally.unknown += rounds.in_flight.unanswered();
        tally.broken.push(broken.to_string());
    }
}

impl Sender for Rounds {
    fn send_due(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError> {
        let tally = &mut *self.context.tally.borrow_mut();
        if now_ns > self.late_ns {
            self.in_flight.give_up(now_ns, tally);
            return Ok(());
        }
        let count = self.in_flight.gather(now_ns);
        if count > 0 {
            let builder = &mut *self.context.builder.borrow_mut();
            let asked = (count, connection.server_clock().now_ms());
            let ready = builder.begin(&self.context.catalog, tally, asked, &mut self.in_flight.next.round)?;
            let request = ready.submit(connection)?;
            self.in_flight.sent(request, now_ns, tally);
        }
        Ok(())
    }

    fn take_replies(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), LoadError> {
        let ThreadContext { catalog, is_still, .. } = &*self.context;
        while let Some(reply) = connection.next_reply()? {
            let tally = &mut *self.context.tally.borrow_mut();
            let complete = match reply {
                Reply::Outcomes(frame) => {
                    self.context.progress(u64::from(frame.len()));
                    self.in_flight.take(&frame, now_ns, catalog, tally)?
                }
                Reply::Cells(frame) => {
                    self.context.progress(u64::try_from(frame.len()).unwrap_or(u64::MAX));
                    self.in_flight.take_cells(&frame, now_ns, catalog, tally, *is_still)?
                }
                Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => None,
            };
            let Some(at) = complete else { continue };
            let Some(round) = self.in_flight.round(at) else { continue };
            let now_ms = connection.server_clock().now_ms();
            if let Some(ready) = self.context.builder.borrow_mut().go_on(now_ms, round)? {
                let request = ready.submit(connection)?;
                self.in_flight.continues(at, request, now_ns);
            } else {
                self.in_flight.complete(at);
            }
        }
        Ok(())
    }

    fn next_ns(&self) -> Option<u64> {
        self.in_flight.next_ns()
    }

    fn stop_new(&mut self) {
        self.in_flight.end();
    }
}
