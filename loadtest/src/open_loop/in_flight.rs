//! The operations in flight on one connection of an open loop: which operations were sent together, and when each of
//! them was due. The module uses no socket and no clock.
//!
//! The depth of the connection limits the operations in flight. Operations beyond it wait and keep their due time, so
//! the wait is part of their latency. The limit bounds memory and hides nothing.

use crate::closed::round::Round;
use crate::load_error::LoadError;
use crate::schedule::Schedule;
use crate::tally::Tally;
use crate::test_catalog::TestCatalog;
use std::collections::VecDeque;
use std::time::Duration;
use stockhold_client::{CellFrame, ConnectionError, OutcomeFrame};

/// Rounds whose buffers are kept for reuse.
const SPARE_MAX: usize = 64;

/// The measured time, in nanoseconds since the beginning of the load.
#[derive(Clone, Copy, Debug)]
pub(super) struct MeasuredSpan {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl MeasuredSpan {
    pub(super) const fn holds(self, ns: u64) -> bool {
        self.from_ns <= ns && ns < self.to_ns
    }
}

/// The due times of the commands of one frame: runs of equal times, each with the index after its last command.
#[derive(Debug, Default)]
struct DueTimes(Vec<(u16, u64)>);

impl DueTimes {
    fn at(&self, index: u16) -> u64 {
        if let [(_, due)] = self.0.as_slice() {
            return *due;
        }
        let run = self.0.partition_point(|(end, _)| *end <= index);
        self.0.get(run).map_or(0, |(_, due)| *due)
    }

    /// Each time with the number of its commands.
    fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut begin = 0;
        self.0.iter().map(move |(end, due)| {
            let count = u64::from(*end - begin);
            begin = *end;
            (*due, count)
        })
    }
}

/// A round that was sent.
#[derive(Debug, Default)]
pub(super) struct InFlightRound {
    request: u64,
    count: u16,
    /// Whether the pace requested it. Confirms and releases of holds follow by themselves.
    is_asked: bool,
    due_times: DueTimes,
    pub(super) round: Round,
}

/// Commands of one frame that were due at the same time.
#[derive(Clone, Copy, Debug)]
struct Answered {
    due_ns: u64,
    count: u64,
    /// Commands among them that were not turned away.
    served: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct InFlight {
    schedule: Schedule,
    measured: MeasuredSpan,
    /// How many more operations may be in flight.
    room: u16,
    /// The round that is being built.
    pub(super) next: InFlightRound,
    rounds: VecDeque<InFlightRound>,
    spare: Vec<InFlightRound>,
    /// The answers of one frame.
    answered: Vec<Answered>,
}

impl InFlight {
    pub(super) fn new(schedule: Schedule, depth: u16, measured: MeasuredSpan) -> Self {
        Self {
            schedule,
            measured,
            room: depth,
            next: InFlightRound::default(),
            rounds: VecDeque::new(),
            spare: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// The next due time.
    pub(super) const fn next_ns(&self) -> Option<u64> {
        self.schedule.next_ns()
    }

    /// Stops the schedule.
    pub(super) const fn end(&mut self) {
        self.schedule.end();
    }

    /// Gathers the due operations that fit. Returns their number.
    pub(super) fn gather(&mut self, now_ns: u64) -> u16 {
        let group = u16::try_from(self.schedule.group()).unwrap_or(u16::MAX);
        self.next.due_times.0.clear();
        let mut count: u16 = 0;
        while count.checked_add(group).is_some_and(|more| more <= self.room)
            && let Some(due_ns) = self.schedule.take_due(now_ns)
        {
            count += group;
            self.next.due_times.0.push((count, due_ns));
        }
        count
    }

    /// Records that the gathered operations were sent under this request number.
    pub(super) fn sent(&mut self, request: u64, now_ns: u64, tally: &mut Tally) {
        let mut sent = std::mem::replace(&mut self.next, self.spare.pop().unwrap_or_default());
        sent.request = request;
        sent.is_asked = true;
        sent.count = sent.due_times.0.last().map_or(0, |(end, _)| *end);
        self.room -= sent.count;
        for (due_ns, count) in sent.due_times.runs().filter(|(due, _)| self.measured.holds(*due)) {
            tally.open.send_lag.record(Duration::from_nanos(now_ns.saturating_sub(due_ns)), count);
        }
        self.rounds.push_back(sent);
    }

    /// Takes answers to commands. Returns the index of a round that is complete.
    pub(super) fn take(
        &mut self,
        frame: &OutcomeFrame<'_>,
        now_ns: u64,
        catalog: &TestCatalog,
        tally: &mut Tally,
    ) -> Result<Option<usize>, LoadError> {
        let (at, sent) = find(&mut self.rounds, frame.request)?;
        let InFlightRound { round, due_times, .. } = sent;
        let answered = &mut self.answered;
        answered.clear();
        round.take(frame, catalog, tally, self.measured.holds(now_ns), |index, code| {
            // Codes that are never recorded mean that nothing happened; the server was busy, for example.
            let (due_ns, served) = (due_times.at(index), u64::from(code.is_recordable()));
            match answered.last_mut() {
                Some(run) if run.due_ns == due_ns => {
                    run.count += 1;
                    run.served += served;
                }
                Some(_) | None => answered.push(Answered { due_ns, count: 1, served }),
            }
        })?;
        let (is_asked, is_complete) = (sent.is_asked, sent.round.left == 0);
        self.count(is_asked, now_ns, tally);
        Ok(is_complete.then_some(at))
    }

    /// Takes the answer to checks. Returns the index of a round that is complete.
    pub(super) fn take_cells(
        &mut self,
        frame: &CellFrame<'_>,
        now_ns: u64,
        catalog: &TestCatalog,
        tally: &mut Tally,
        is_still: bool,
    ) -> Result<Option<usize>, LoadError> {
        let (at, sent) = find(&mut self.rounds, frame.request)?;
        sent.round.take_cells(frame, catalog, tally, is_still, self.measured.holds(now_ns));
        self.answered.clear();
        let answered = sent.due_times.runs();
        self.answered.extend(answered.map(|(due_ns, count)| Answered { due_ns, count, served: count }));
        let (is_asked, is_complete) = (sent.is_asked, sent.round.left == 0);
        self.count(is_asked, now_ns, tally);
        Ok(is_complete.then_some(at))
    }

    /// Latency is counted for operations that were due in the measured time, the rate for operations that were served
    /// in it.
    fn count(&self, is_asked: bool, now_ns: u64, tally: &mut Tally) {
        for &Answered { due_ns, count, served } in &self.answered {
            let latency = Duration::from_nanos(now_ns.saturating_sub(due_ns));
            if self.measured.holds(due_ns) {
                tally.latencies.record(latency, count);
            }
            if self.measured.holds(now_ns) {
                let at = Duration::from_nanos(now_ns - self.measured.from_ns);
                tally.series.record(at, latency, count);
                tally.open.operations += if is_asked { served } else { 0 };
            }
        }
    }

    /// The round with this index.
    pub(super) fn round(&mut self, at: usize) -> Option<&mut Round> {
        self.rounds.get_mut(at).map(|sent| &mut sent.round)
    }

    /// Continues a round with the confirms and releases of its holds, which became due when the holds were answered.
    pub(super) fn continues(&mut self, at: usize, request: u64, now_ns: u64) {
        let Some(mut sent) = self.rounds.remove(at) else { return };
        sent.request = request;
        sent.is_asked = false;
        sent.due_times.0.clear();
        sent.due_times.0.push((sent.count, now_ns));
        self.rounds.push_back(sent);
    }

    /// Removes a complete round.
    pub(super) fn complete(&mut self, at: usize) {
        let Some(sent) = self.rounds.remove(at) else { return };
        self.room += sent.count;
        if self.spare.len() < SPARE_MAX {
            self.spare.push(sent);
        }
    }

    /// Gives up overdue operations. They count with the time that they have waited.
    pub(super) fn give_up(&mut self, now_ns: u64, tally: &mut Tally) {
        let group = self.schedule.group();
        while let Some(due_ns) = self.schedule.take_due(u64::MAX) {
            if self.measured.holds(due_ns) {
                let waited = Duration::from_nanos(now_ns.saturating_sub(due_ns));
                tally.latencies.record(waited, group);
                tally.open.send_lag.record(waited, group);
                tally.open.unsent += group;
            }
        }
    }

    /// Commands that were not answered.
    pub(super) fn unanswered(&self) -> u64 {
        self.rounds.iter().map(|sent| u64::from(sent.round.left)).sum()
    }
}

fn find(
    rounds: &mut VecDeque<InFlightRound>,
    request: u64,
) -> Result<(usize, &mut InFlightRound), ConnectionError> {
    let found = rounds.iter_mut().enumerate().find(|(_, sent)| sent.request == request);
    found.ok_or(ConnectionError::UnexpectedAnswer(request))
}

#[cfg(test)]
#[path = "in_flight_tests.rs"]
mod tests;
