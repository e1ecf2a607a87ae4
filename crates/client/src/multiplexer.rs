//! Shares one connection among many calls. It turns queued jobs into frames and routes replies to the calls that wait
//! for them.
//!
//! It does not spawn, reconnect or retry; the connection task drives it and ends it.

use crate::connection::PipelinedConnection;
use crate::error::{ConnectionError, FrameLimit, SubmitError};
use crate::job::{Job, JobError, Request, Responder, Response, respond};
use crate::names::LogIdentity;
use crate::options::Stream;
use crate::reply::{Outcomes, Reply};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// The calls that wait for the answer to one request.
#[derive(Debug)]
enum Slot {
    /// One call for each command of the frame, until the command is answered.
    Records(Vec<Option<Responder>>),
    Batch {
        outcomes: Outcomes,
        responder: Responder,
    },
    One(Responder),
    Empty,
}

/// See the module.
pub(crate) struct Multiplexer {
    pub(crate) connection: PipelinedConnection<Box<dyn Stream>>,
    pub(crate) identity: LogIdentity,
    /// Whether anything has been answered on this connection.
    pub(crate) has_answered: bool,
    slots: VecDeque<Slot>,
    /// The request number of the front of `slots`.
    first_request: u64,
    /// The records of the frame that is being built. The buffer is reused.
    records: Vec<u8>,
}

impl Multiplexer {
    pub(crate) fn new(connection: PipelinedConnection<Box<dyn Stream>>) -> Self {
        let identity = LogIdentity::of(connection.welcome());
        let (slots, records) = (VecDeque::new(), Vec::new());
        Self { connection, identity, has_answered: false, slots, first_request: 1, records }
    }

    pub(crate) const fn in_flight(&self) -> u32 {
        self.connection.in_flight()
    }

    /// Sends the jobs that the connection accepts now. Adjacent commands share a frame.
    pub(crate) fn submit(&mut self, waiting: &mut VecDeque<Job>, now: Instant) {
        while let Some(job) = waiting.pop_front() {
            if self.connection.is_stopping() {
                job.fail(JobError::NotSent(Arc::new(ConnectionError::Closed)));
            } else if self.has_old_numbers(&job) {
                job.fail(JobError::EpochChanged);
            } else if job.deadline <= now {
                job.fail(JobError::Expired);
            } else if !job.claim() {
                // The caller has given up, so the answer is not needed.
            } else if let Some(job) = self.submit_one(job, waiting, now) {
                waiting.push_front(job);
                return;
            }
        }
    }

    fn has_old_numbers(&self, job: &Job) -> bool {
        job.identity.is_some_and(|of| !of.is_of_epoch_of(&self.identity) || of.is_older_than(&self.identity))
    }

    /// Takes over a newer name generation, which another connection may have received first.
    fn know_names(&mut self, identity: LogIdentity) {
        if self.identity.is_older_than(&identity) {
            self.identity = identity;
            self.connection.protocol().know_names(identity.names);
        }
    }

    /// Sends one job, or returns it because the connection has no room now.
    fn submit_one(&mut self, job: Job, waiting: &mut VecDeque<Job>, now: Instant) -> Option<Job> {
        if let Some(identity) = job.identity {
            self.know_names(identity);
        }
        let deadline_ms = job.deadline_ms(now);
        let protocol = self.connection.protocol();
        let result = match &job.request {
            Request::Record(_) => return self.submit_records(job, waiting, now),
            Request::Batch(batch) => protocol.submit_records(batch.bytes(), batch.len(), deadline_ms),
            Request::Checks { pairs, min_op } => protocol.submit_checks(pairs, *min_op, deadline_ms),
            Request::Resolve(names) => protocol.submit_resolve(names),
            Request::Query(query) => protocol.submit_query(query),
        };
        match result {
            Ok(_) => {
                self.slots.push_back(if let Request::Batch(batch) = &job.request {
                    let mut outcomes = Outcomes::new();
                    outcomes.reset(batch.len());
                    Slot::Batch { outcomes, responder: job.responder }
                } else {
                    Slot::One(job.responder)
                });
            }
            Err(SubmitError::InFlight { in_flight, .. }) if in_flight > 0 => return Some(job),
            Err(SubmitError::Goodbye) => job.fail(JobError::NotSent(Arc::new(ConnectionError::Closed))),
            Err(SubmitError::TooLarge(limit)) => job.fail(JobError::TooLarge(limit)),
            Err(SubmitError::InFlight { max, .. }) => {
                let max = usize::try_from(max).unwrap_or(usize::MAX);
                let limit = FrameLimit::new("entries", entries(&job.request), max);
                job.fail(JobError::TooLarge(limit));
            }
            Err(SubmitError::Empty) => job.fail(JobError::TooLarge(FrameLimit::new("entries", 0, 0))),
        }
        None
    }

    /// Builds one frame of this command and the commands directly behind it.
    fn submit_records(&mut self, first: Job, waiting: &mut VecDeque<Job>, now: Instant) -> Option<Job> {
        let limits = self.connection.protocol().limits();
        let room = self.connection.room().min(limits.frame_count_max).min(u32::from(u16::MAX));
        if room == 0 {
            return Some(first);
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let bytes_max = usize::try_from(limits.frame_body_bytes_max).unwrap_or(usize::MAX);
        self.records.clear();
        let mut responders = Vec::new();
        let mut deadline_ms = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            // The longest deadline of the frame. A command that is logged after its own deadline is still answered.
            deadline_ms = deadline_ms.max(job.deadline_ms(now));
            if let Request::Record(record) = &job.request {
                self.records.extend_from_slice(record);
            }
            responders.push(Some(job.responder));
            let identity = self.identity;
            let left = bytes_max.saturating_sub(self.records.len());
            next = waiting.pop_front_if(|job| {
                let fits = matches!(&job.request, Request::Record(record) if record.len() <= left);
                let same = job.identity.is_none_or(|other| other == identity);
                fits && same && responders.len() < room && job.claim()
            });
        }
        let count = u16::try_from(responders.len()).unwrap_or(u16::MAX);
        let sent = self.connection.protocol().submit_records(&self.records, count, deadline_ms);
        if sent.is_ok() {
            self.slots.push_back(Slot::Records(responders));
        } else {
            // Only a record that is too long for this server's frames gets here.
            let limit = FrameLimit::new("bytes", self.records.len(), bytes_max);
            for responder in responders.into_iter().flatten() {
                respond(responder, Err(JobError::TooLarge(limit)));
            }
        }
        None
    }

    /// Routes every complete reply to the call that waits for it.
    pub(crate) fn take_replies(&mut self) -> Result<(), ConnectionError> {
        while let Some(reply) = self.connection.next_reply()? {
            let request = match &reply {
                Reply::Goodbye => continue,
                Reply::Outcomes(frame) => frame.request,
                Reply::Cells(frame) => frame.request,
                Reply::Resolved { request, .. } | Reply::Answer { request, .. } => *request,
            };
            let at = request.checked_sub(self.first_request).and_then(|at| usize::try_from(at).ok());
            let slot =
                at.and_then(|at| self.slots.get_mut(at)).ok_or(ConnectionError::UnexpectedAnswer(request))?;
            answer(slot, &reply, self.identity)?;
            self.has_answered = true;
            let names = self.connection.protocol().told_names();
            self.know_names(LogIdentity { names, ..self.identity });
            while self.slots.front().is_some_and(|slot| matches!(slot, Slot::Empty)) {
                self.slots.pop_front();
                self.first_request += 1;
            }
        }
        Ok(())
    }

    /// The connection is gone. The outcomes of what was sent are unknown.
    pub(crate) fn lose(&mut self, error: &Arc<ConnectionError>) {
        for slot in self.slots.drain(..) {
            let lost = || Err(JobError::Lost(Arc::clone(error)));
            match slot {
                Slot::Records(responders) => {
                    responders.into_iter().flatten().for_each(|responder| respond(responder, lost()));
                }
                Slot::Batch { responder, .. } | Slot::One(responder) => respond(responder, lost()),
                Slot::Empty => {}
            }
        }
    }
}

/// How many entries of a frame a request has.
fn entries(request: &Request) -> usize {
    match request {
        Request::Record(_) | Request::Query(_) => 1,
        Request::Batch(batch) => usize::from(batch.len()),
        Request::Checks { pairs, .. } => pairs.len(),
        Request::Resolve(names) => names.len(),
    }
}

fn answer(slot: &mut Slot, reply: &Reply<'_>, identity: LogIdentity) -> Result<(), ConnectionError> {
    match reply {
        Reply::Goodbye => Ok(()),
        Reply::Outcomes(frame) => match slot {
            Slot::Records(responders) => {
                for entry in frame.iter() {
                    let (index, outcome) = entry?;
                    let responder = responders.get_mut(usize::from(index)).and_then(Option::take);
                    let responder = responder.ok_or(ConnectionError::UnexpectedAnswer(frame.request))?;
                    respond(responder, Ok(Response::Outcome(outcome)));
                }
                if frame.is_last {
                    *slot = Slot::Empty;
                }
                Ok(())
            }
            Slot::Batch { outcomes, .. } => {
                outcomes.take(frame)?;
                if frame.is_last {
                    finish(slot, Response::Batch);
                }
                Ok(())
            }
            Slot::One(_) => {
                let first = frame.iter().next().transpose()?;
                let (_, outcome) = first.ok_or(ConnectionError::UnexpectedAnswer(frame.request))?;
                finish(slot, |_| Response::NoCells(outcome));
                Ok(())
            }
            Slot::Empty => Err(ConnectionError::UnexpectedAnswer(frame.request)),
        },
        Reply::Cells(frame) => {
            finish(slot, |_| Response::Cells { op: frame.op, cells: frame.raw().collect() });
            Ok(())
        }
        Reply::Resolved { numbers, .. } => {
            finish(slot, |_| Response::Numbers { identity, numbers: numbers.clone() });
            Ok(())
        }
        Reply::Answer { answer, .. } => {
            finish(slot, |_| Response::Answer(answer.clone()));
            Ok(())
        }
    }
}

/// Responds to the single call of a slot and empties the slot.
fn finish(slot: &mut Slot, finished: impl FnOnce(Outcomes) -> Response) {
    match std::mem::replace(slot, Slot::Empty) {
        Slot::Batch { outcomes, responder } => respond(responder, Ok(finished(outcomes))),
        Slot::One(responder) => respond(responder, Ok(finished(Outcomes::new()))),
        Slot::Records(_) | Slot::Empty => {}
    }
}
