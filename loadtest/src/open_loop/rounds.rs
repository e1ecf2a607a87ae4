//! The scenarios as an open loop: whatever is due on a connection is sent as one round, several of which may be in flight.

use super::flights::{Flights, Measured};
use super::{Sender, serve, span_ns};
use crate::broken::Broken;
use crate::generator::Lane;
use crate::pace::Pace;
use crate::schedule::{Part, Schedule};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stockhold_client::{PipelinedConnection, Reply};

/// How long after the last operation was sent answers are waited for.
const ANSWERS_MAX: Duration = Duration::from_secs(30);

/// What an open loop is to keep to.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// From the beginning of the warm-up to the end of the measured time.
    pub(crate) pace: Arc<Pace>,
    /// How long after the end operations are sent that were due before it.
    pub(crate) late_max: Duration,
}

/// One connection's rounds.
#[derive(Debug)]
pub(crate) struct Rounds {
    lane: Rc<Lane>,
    flights: Flights,
    late_ns: u64,
}

/// One connection, from the beginning until everything that was due is answered.
pub(crate) async fn drive(mut connection: PipelinedConnection, lane: Rc<Lane>, asked: Asked, part: Part) {
    let window = lane.window;
    let measured = Measured {
        from_ns: span_ns(window.from.saturating_duration_since(window.began)),
        to_ns: span_ns(window.to.saturating_duration_since(window.began)),
    };
    let schedule = Schedule::new(asked.pace, part);
    let flights = Flights::new(schedule, lane.depth, measured);
    let late_ns = measured.to_ns.saturating_add(span_ns(asked.late_max));
    let mut rounds = Rounds { lane: Rc::clone(&lane), flights, late_ns };
    let limit = window.to.saturating_duration_since(Instant::now()) + asked.late_max + ANSWERS_MAX;
    let serving = serve(&mut connection, &mut rounds, window.began, &lane.interrupt);
    let served = tokio::time::timeout(limit, serving).await;
    if let Err(broken) = served.unwrap_or(Err(Broken::Stalled)) {
        let mut tally = lane.tally.borrow_mut();
        tally.unknown += rounds.flights.unanswered();
        tally.broken.push(broken.to_string());
    }
}

impl Sender for Rounds {
    fn send_due(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), Broken> {
        let tally = &mut *self.lane.tally.borrow_mut();
        if now_ns > self.late_ns {
            self.flights.give_up(now_ns, tally);
            return Ok(());
        }
        let count = self.flights.gather(now_ns);
        if count > 0 {
            let maker = &mut *self.lane.maker.borrow_mut();
            let asked = (count, connection.server_clock().now_ms());
            let ready = maker.begin(&self.lane.catalogue, tally, asked, &mut self.flights.next.round)?;
            let request = ready.submit(connection)?;
            self.flights.sent(request, now_ns, tally);
        }
        Ok(())
    }

    fn take_replies(&mut self, connection: &mut PipelinedConnection, now_ns: u64) -> Result<(), Broken> {
        let Lane { catalogue, is_still, .. } = &*self.lane;
        while let Some(reply) = connection.next_reply()? {
            let tally = &mut *self.lane.tally.borrow_mut();
            let landed = match reply {
                Reply::Outcomes(frame) => {
                    self.lane.progress(u64::from(frame.len()));
                    self.flights.take(&frame, now_ns, catalogue, tally)?
                }
                Reply::Cells(frame) => {
                    self.lane.progress(u64::try_from(frame.len()).unwrap_or(u64::MAX));
                    self.flights.look(&frame, now_ns, catalogue, tally, *is_still)?
                }
                Reply::Resolved { .. } | Reply::Answer { .. } | Reply::Goodbye => None,
            };
            let Some(at) = landed else { continue };
            let Some(round) = self.flights.round(at) else { continue };
            let now_ms = connection.server_clock().now_ms();
            if let Some(ready) = self.lane.maker.borrow_mut().go_on(now_ms, round)? {
                let request = ready.submit(connection)?;
                self.flights.goes_on(at, request, now_ns);
            } else {
                self.flights.landed(at);
            }
        }
        Ok(())
    }

    fn next_ns(&self) -> Option<u64> {
        self.flights.next_ns()
    }

    fn close_doors(&mut self) {
        self.flights.end();
    }
}
