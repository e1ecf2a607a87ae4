//! The shoppers of one connection. Due actions become a frame of commands and a frame of checks; answers become
//! entries of the ledger and payments that are due later. The module uses no socket and no clock.

use super::plan::ShopperMix;
use super::record::{CommandKind, SaleRecord};
use crate::schedule::Schedule;
use std::collections::VecDeque;
use std::time::Duration;
use stockhold_client::{CommandBatch, ConnectionError, IdGenerator, OutcomeFrame, PushError};
use stockhold_protocol::command::{Command, Release};
use stockhold_protocol::{CommandId, Envelope, Lines, SkuId, StockId};
use stockhold_workload::{CartEnding, Ledger, Step};

/// The time between a hold and its payment or release.
pub(crate) const THINK_NS: u64 = 300_000_000;
/// A shopper sent later than this after the end was not sent in time.
const IN_TIME_SLACK: Duration = Duration::from_millis(500);
/// Maximum number of commands and checks that are sent at once.
const SENT_MAX: u64 = 1_024;
/// Frames whose buffers are kept for reuse.
const SPARE_MAX: usize = 64;

/// What a shopper will do with a hold.
#[derive(Clone, Copy, Debug)]
struct Decision {
    due_ns: u64,
    hold: CommandId,
    ending: CartEnding,
}

/// One command in flight.
#[derive(Clone, Copy, Debug)]
struct Pending {
    asked: CommandKind,
    due_ns: u64,
    /// The end of its record in the batch.
    end: usize,
}

/// A frame of commands in flight.
#[derive(Debug, Default)]
struct Frame {
    request: u64,
    batch: CommandBatch,
    pending: Vec<Pending>,
    answered: Vec<bool>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shoppers {
    mixes: ShopperMix,
    schedule: Schedule,
    ids: IdGenerator,
    decisions: VecDeque<Decision>,
    /// The frame that is being built.
    next: Frame,
    pairs: Vec<(SkuId, StockId)>,
    pairs_due: Vec<u64>,
    frames: VecDeque<Frame>,
    checks: VecDeque<(u64, Vec<u64>)>,
    spare: Vec<Frame>,
    in_time_ns: u64,
}

impl Shoppers {
    pub(crate) fn new(mixes: ShopperMix, schedule: Schedule, ids: IdGenerator, duration: Duration) -> Self {
        let in_time = duration + IN_TIME_SLACK;
        Self {
            mixes,
            schedule,
            ids,
            decisions: VecDeque::new(),
            next: Frame::default(),
            pairs: Vec::new(),
            pairs_due: Vec::new(),
            frames: VecDeque::new(),
            checks: VecDeque::new(),
            spare: Vec::new(),
            in_time_ns: u64::try_from(in_time.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The next due time. `None` if only an answer can make something due.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        let decision = self.decisions.front().map(|decision| decision.due_ns);
        [self.schedule.next_ns(), decision].into_iter().flatten().min()
    }

    /// Lets no new shopper arrive. Shoppers with a hold still pay or release it.
    pub(crate) const fn stop_new(&mut self) {
        self.schedule.end();
    }

    /// Gathers what is due, at most `room` commands and checks together.
    pub(crate) fn gather(
        &mut self,
        now_ns: u64,
        now_ms: u64,
        room: u32,
        record: &mut SaleRecord,
    ) -> Result<(), PushError> {
        let mut left = u64::from(room).min(SENT_MAX);
        while left > 0 && self.decisions.front().is_some_and(|decision| decision.due_ns <= now_ns) {
            let Some(decision) = self.decisions.pop_front() else { break };
            self.push_decision(decision, now_ms)?;
            left -= 1;
        }
        while left >= self.schedule.group() {
            let Some(due_ns) = self.schedule.take_due(now_ns) else { break };
            for _ in 0..self.schedule.group() {
                self.push_step(due_ns, now_ms)?;
            }
            left -= self.schedule.group();
            record.sent(due_ns, now_ns, self.schedule.group());
            if now_ns <= self.in_time_ns {
                record.shoppers_in_time += self.schedule.group();
            }
        }
        Ok(())
    }

    fn push_step(&mut self, due_ns: u64, now_ms: u64) -> Result<(), PushError> {
        match self.mixes.next_step(due_ns) {
            Step::Check(sku, stock) => {
                self.pairs.push((sku, stock));
                self.pairs_due.push(due_ns);
            }
            Step::Cart { target, lines, ttl_ms } => {
                self.next.batch.push_reserve(self.ids.next_at(now_ms), target, lines, ttl_ms)?;
                let end = self.next.batch.bytes().len();
                self.next.pending.push(Pending { asked: CommandKind::Cart, due_ns, end });
            }
        }
        Ok(())
    }

    fn push_decision(&mut self, decision: Decision, now_ms: u64) -> Result<(), PushError> {
        let reservation = decision.hold.into();
        let (asked, command) = match decision.ending {
            CartEnding::Confirm => (CommandKind::Payment, Command::Confirm(reservation)),
            CartEnding::Release => {
                (CommandKind::Release, Command::Release(Release { reservation, lines: Lines::NONE }))
            }
            CartEnding::Abandon => return Ok(()),
        };
        let id = self.ids.next_at(now_ms);
        self.next.batch.push(&Envelope::fresh(id, command))?;
        let end = self.next.batch.bytes().len();
        self.next.pending.push(Pending { asked, due_ns: decision.due_ns, end });
        Ok(())
    }

    /// The commands to send, if there are any.
    pub(crate) fn batch(&self) -> Option<&CommandBatch> {
        Some(&self.next.batch).filter(|batch| !batch.is_empty())
    }

    /// The checks to send.
    pub(crate) fn pairs(&self) -> &[(SkuId, StockId)] {
        &self.pairs
    }

    /// Records that the commands were sent under this request number.
    pub(crate) fn batch_sent(&mut self, request: u64) {
        let mut frame = std::mem::replace(&mut self.next, self.spare.pop().unwrap_or_default());
        frame.request = request;
        frame.answered.resize(frame.pending.len(), false);
        self.frames.push_back(frame);
    }

    /// Records that the checks were sent.
    pub(crate) fn pairs_sent(&mut self, request: u64) {
        self.checks.push_back((request, std::mem::take(&mut self.pairs_due)));
        self.pairs.clear();
    }

    /// Takes answers to commands.
    pub(crate) fn take_outcomes(
        &mut self,
        frame: &OutcomeFrame<'_>,
        now_ns: u64,
        record: &mut SaleRecord,
        ledger: &mut Ledger,
    ) -> Result<(), ConnectionError> {
        let unexpected = || ConnectionError::UnexpectedAnswer(frame.request);
        let at = self.frames.iter().position(|sent| sent.request == frame.request);
        let Some(at) = at else { return self.take_check(frame.request, now_ns, record) };
        for entry in frame.iter() {
            let (index, outcome) = entry?;
            let index = usize::from(index);
            let sent = self.frames.get_mut(at).ok_or_else(unexpected)?;
            let pending = sent.pending.get(index).copied().ok_or_else(unexpected)?;
            if let Some(answered) = sent.answered.get_mut(index) {
                *answered = true;
            }
            let envelope = Envelope::decode(sent.record(index))?;
            record.answered(pending.asked, &outcome, pending.due_ns, now_ns);
            ledger.note(&envelope, &outcome);
            if pending.asked == CommandKind::Cart && outcome.code.is_success() {
                let id = envelope.id;
                self.decide(id, now_ns, record);
            }
        }
        if frame.is_last
            && let Some(mut done) = self.frames.remove(at)
            && self.spare.len() < SPARE_MAX
        {
            done.batch.clear();
            done.pending.clear();
            done.answered.clear();
            self.spare.push(done);
        }
        Ok(())
    }

    fn decide(&mut self, hold: CommandId, now_ns: u64, record: &mut SaleRecord) {
        match self.mixes.source.next_ending() {
            CartEnding::Abandon => record.abandoned += 1,
            ending @ (CartEnding::Confirm | CartEnding::Release) => {
                let due_ns = self.schedule.round_up(now_ns + THINK_NS);
                self.decisions.push_back(Decision { due_ns, hold, ending });
            }
        }
    }

    /// Takes the answer to a frame of checks.
    pub(crate) fn take_check(
        &mut self,
        request: u64,
        now_ns: u64,
        record: &mut SaleRecord,
    ) -> Result<(), ConnectionError> {
        let at = self.checks.iter().position(|(sent, _)| *sent == request);
        let Some((_, due_times)) = at.and_then(|at| self.checks.remove(at)) else {
            return Err(ConnectionError::UnexpectedAnswer(request));
        };
        for due_ns in due_times {
            record.looked(due_ns, now_ns);
        }
        Ok(())
    }

    /// Called when the connection broke: the unanswered commands are recorded as unknown. Returns their number.
    pub(crate) fn record_unanswered(&mut self, ledger: &mut Ledger) -> u64 {
        let mut unknown = 0;
        for frame in self.frames.drain(..) {
            for (index, answered) in frame.answered.iter().enumerate() {
                if !answered {
                    ledger.note_unknown(frame.record(index));
                    unknown += 1;
                }
            }
        }
        unknown
    }
}

impl Frame {
    /// The record of one command.
    fn record(&self, index: usize) -> &[u8] {
        let end = self.pending.get(index).map_or(0, |pending| pending.end);
        let start =
            index.checked_sub(1).and_then(|before| self.pending.get(before)).map_or(0, |pending| pending.end);
        self.batch.bytes().get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "shoppers_tests.rs"]
mod tests;
