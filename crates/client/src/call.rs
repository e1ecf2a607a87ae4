//! One call, from its first try to its settled answer: names, queueing, pauses between tries, and the deadline. The
//! id stays the same for all tries, unless the server refuses it for its time.

use crate::answer::{Settled, sku_of};
use crate::client::{Client, Shared};
use crate::command_batch::{CommandBatch, PushError};
use crate::error::{CallError, ConnectionError, NotDone};
use crate::job::{Job, JobError, Request, Response};
use crate::names::{Built, LogIdentity, Numbers, frames_of};
use crate::options::within;
use crate::reply::Outcomes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::time::Duration;
use stockhold_protocol::command::Kind;
use stockhold_protocol::query::Name;
use stockhold_protocol::{BadField, Code, CommandId, Outcome};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

/// The field of a line that is refused for its quantity.
const LINE_QUANTITY: &str = "lines.quantity";

/// How one exchange over one connection ended.
pub(crate) enum Exchange {
    Answered(Response),
    Failed(JobError),
    /// The deadline passed. `sent` is true if the job may have been sent.
    Late {
        sent: bool,
    },
}

/// Counts a call as open on its connection until it is dropped.
struct OpenCall<'a>(&'a AtomicU32);

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The state of the tries of one call.
#[derive(Debug)]
pub(crate) struct Tries {
    pub(crate) until: Instant,
    pub(crate) made: u32,
    /// The connection on which the last try failed.
    avoid: Option<usize>,
    /// Whether an earlier try may have taken effect.
    pub(crate) maybe_done: bool,
    /// Why the last try had no effect.
    why: NotDone,
}

impl Tries {
    pub(crate) fn new(deadline: Duration) -> Self {
        let until = Instant::now() + deadline;
        Self { until, made: 0, avoid: None, maybe_done: false, why: NotDone::DeadlinePassed }
    }

    /// Waits before the next try. Returns `Err` when no time or no try is left.
    pub(crate) async fn pause(&mut self, shared: &Shared, asked_ms: u32) -> Result<(), ()> {
        let policy = &shared.options.retry;
        self.made = self.made.saturating_add(1);
        if self.made >= policy.tries_max {
            return Err(());
        }
        let now = Instant::now();
        let left = self.until.saturating_duration_since(now);
        let asked = Duration::from_millis(u64::from(asked_ms)).min(left);
        sleep_until(now + asked + within(left.saturating_sub(asked), policy.pause(self.made - 1))).await;
        if Instant::now() < self.until { Ok(()) } else { Err(()) }
    }

    /// The error of a mutation that ends without an answer.
    pub(crate) fn give_up(&self, id: CommandId) -> CallError {
        if self.maybe_done {
            CallError::Unknown { id }
        } else {
            CallError::NotDone { id, why: self.why.clone() }
        }
    }

    /// The error of a query that ends without an answer.
    pub(crate) fn not_answered(&self) -> CallError {
        CallError::NotAnswered(self.why.clone())
    }

    /// Records why a try got no answer.
    pub(crate) fn note(&mut self, failed: JobError) {
        match failed {
            JobError::NotSent(error) => self.why = NotDone::Unreachable(error),
            JobError::Lost(error) => {
                self.maybe_done = true;
                self.why = NotDone::Unreachable(error);
            }
            JobError::EpochChanged | JobError::Expired => self.why = NotDone::DeadlinePassed,
            JobError::TooLarge(limit) => self.why = NotDone::TooLarge(limit),
        }
    }
}

impl Client {
    /// Queues a request on a connection and waits for the response.
    pub(crate) async fn exchange(
        &self,
        request: Request,
        identity: Option<LogIdentity>,
        tries: &mut Tries,
    ) -> Exchange {
        let at = self.shared.least_loaded(tries.avoid);
        tries.avoid = Some(at);
        let Some(queue) = self.shared.queues.get(at) else {
            return Exchange::Failed(JobError::NotSent(Arc::new(ConnectionError::Closed)));
        };
        queue.open_calls.fetch_add(1, Ordering::Relaxed);
        let _open_call = OpenCall(&queue.open_calls);
        let (responder, mut answer) = oneshot::channel();
        let claimed = Arc::new(AtomicBool::new(false));
        let job = Job { request, identity, deadline: tries.until, responder, claimed: Arc::clone(&claimed) };
        match timeout_at(tries.until, queue.jobs.send(job)).await {
            Err(_) => return Exchange::Late { sent: false },
            Ok(Err(_)) => return Exchange::Failed(JobError::NotSent(Arc::new(ConnectionError::Closed))),
            Ok(Ok(())) => {}
        }
        match timeout_at(tries.until, &mut answer).await {
            Err(_) => {
                answer.close();
                fence(Ordering::SeqCst);
                Exchange::Late { sent: claimed.load(Ordering::SeqCst) }
            }
            // The task was dropped with its runtime.
            Ok(Err(_)) => Exchange::Failed(JobError::Lost(Arc::new(ConnectionError::Closed))),
            Ok(Ok(Ok(finished))) => {
                tries.avoid = None;
                Exchange::Answered(finished)
            }
            Ok(Ok(Err(failed))) => Exchange::Failed(failed),
        }
    }

    /// Runs one mutation to its end. `build` encodes the command and is called once per try.
    pub(crate) async fn mutate(
        &self,
        kind: Kind,
        build: impl Fn(&mut Numbers<'_>) -> Result<(), BadField>,
    ) -> Result<Settled, CallError> {
        let mut tries = Tries::new(self.call.deadline);
        let (mut id, mut fresh) = self.call.id.unwrap_or_else(|| (self.new_id(), true));
        let mut may_renew = self.call.id.is_none();
        let Ok(Ok(_permit)) = timeout_at(tries.until, self.shared.in_flight_permits.acquire()).await else {
            return Err(tries.give_up(id));
        };
        // An id that was used before may have taken effect before this call.
        tries.maybe_done = !fresh;
        let mut numbers_of = None;
        loop {
            let built = self.build(id, fresh, &build, &mut tries, &mut numbers_of).await?;
            let identity = built.identity.filter(|_| built.by_name || built.by_number);
            let mut asked_ms = 0;
            match self.exchange(Request::Record(built.record), identity, &mut tries).await {
                Exchange::Answered(Response::Outcome(outcome))
                    if may_renew && is_of_other_time(outcome.code) =>
                {
                    // The client's estimate of the server's time was wrong and is corrected now. No other try was
                    // sent under this id, so a new id is safe. After a try without an answer it would not be safe.
                    (id, fresh, may_renew) = (self.new_id(), true, false);
                    continue;
                }
                Exchange::Answered(Response::Outcome(outcome)) if outcome.code == Code::NamesChanged => {
                    // The id is unused. The next `build` resolves the names again; it cannot resolve numbers that the caller gave.
                    self.shared.names.renew(outcome.value);
                    if built.by_number {
                        return Err(CallError::EpochChanged { earlier: tries.maybe_done.then_some(id) });
                    }
                }
                Exchange::Answered(Response::Outcome(outcome)) => {
                    match resolve_outcome(id, outcome, &mut tries) {
                        Resolution::Settled(outcome) => {
                            let sku_name =
                                sku_of(&outcome).and_then(|sku| self.shared.names.name_of(sku, &build));
                            return Ok(Settled { id, kind, outcome, sku_name });
                        }
                        Resolution::Retry { after_ms } => asked_ms = after_ms,
                        Resolution::Failed(error) => return Err(error),
                    }
                }
                Exchange::Answered(_) => return Err(CallError::Unknown { id }),
                Exchange::Failed(failed @ (JobError::TooLarge(_) | JobError::Expired)) => {
                    tries.note(failed);
                    return Err(tries.give_up(id));
                }
                // After a change of epoch or names the next `build` resolves the names again.
                Exchange::Failed(failed) => tries.note(failed),
                Exchange::Late { sent } => {
                    tries.maybe_done |= sent;
                    return Err(tries.give_up(id));
                }
            }
            (fresh, may_renew) = (false, false);
            if tries.pause(&self.shared, asked_ms).await.is_err() {
                return Err(tries.give_up(id));
            }
        }
    }

    /// Encodes one try. Names whose numbers are not cached are resolved first.
    async fn build(
        &self,
        id: CommandId,
        fresh: bool,
        build: &impl Fn(&mut Numbers<'_>) -> Result<(), BadField>,
        tries: &mut Tries,
        numbers_of: &mut Option<LogIdentity>,
    ) -> Result<Built, CallError> {
        loop {
            let (result, built) = self.shared.names.with(id, fresh, build);
            if let Err(field) = result {
                return Err(match built.bad_line {
                    Some((sku, quantity)) if field.field == LINE_QUANTITY => {
                        CallError::BadLine { sku, quantity, field }
                    }
                    Some(_) | None => CallError::BadField(field),
                });
            }
            if built.by_number {
                // Dense numbers that the caller gave belong to the log that was current when the call began.
                let of = *numbers_of.get_or_insert(built.identity.unwrap_or(LogIdentity {
                    log_uuid: [0; 16],
                    epoch: 0,
                    names: 0,
                }));
                if built.identity != Some(of) {
                    return Err(CallError::EpochChanged { earlier: tries.maybe_done.then_some(id) });
                }
            }
            if built.missing.is_empty() {
                return Ok(built);
            }
            match self.resolve_missing(built.missing, tries).await {
                Ok(()) => {}
                Err(CallError::NotAnswered(_)) => return Err(tries.give_up(id)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Resolves names and caches their numbers. An unknown name is an error.
    pub(crate) async fn resolve_missing(&self, names: Vec<Name>, tries: &mut Tries) -> Result<(), CallError> {
        let numbers = self.resolve_all(&names, tries).await?;
        match names.iter().zip(&numbers).find(|(_, number)| number.is_none()) {
            Some((name, _)) => Err(CallError::UnknownName(name.clone())),
            None => Ok(()),
        }
    }

    /// Resolves names and caches their numbers, which are all of one log identity.
    pub(crate) async fn resolve_all(
        &self,
        names: &[Name],
        tries: &mut Tries,
    ) -> Result<Vec<Option<u32>>, CallError> {
        'again: loop {
            let (mut numbers, mut identity) = (Vec::with_capacity(names.len()), None);
            for part in frames_of(names) {
                let (of_part, mut some) = self.resolve_now(part.to_vec(), tries).await?;
                if *identity.get_or_insert(of_part) != of_part {
                    continue 'again;
                }
                numbers.append(&mut some);
            }
            return Ok(numbers);
        }
    }

    /// Resolves one frame of names and caches their numbers.
    async fn resolve_now(
        &self,
        names: Vec<Name>,
        tries: &mut Tries,
    ) -> Result<(LogIdentity, Vec<Option<u32>>), CallError> {
        let finished = self.ask(|| (Request::Resolve(names.clone()), None), tries).await?;
        let Response::Numbers { identity, numbers } = finished else { return Err(CallError::other_answer()) };
        if numbers.len() != names.len() {
            return Err(CallError::other_answer());
        }
        self.shared.names.learn(identity, &names, &numbers);
        Ok((identity, numbers))
    }

    /// Sends a query until it is answered. A query changes nothing, so every failure may be retried.
    pub(crate) async fn ask(
        &self,
        mut request: impl FnMut() -> (Request, Option<LogIdentity>),
        tries: &mut Tries,
    ) -> Result<Response, CallError> {
        loop {
            let (request, identity) = request();
            let maybe_done = tries.maybe_done;
            let mut asked_ms = 0;
            match self.exchange(request, identity, tries).await {
                Exchange::Answered(Response::NoCells(outcome)) if outcome.code == Code::Busy => {
                    tries.why = NotDone::Busy;
                    asked_ms = outcome.value;
                }
                Exchange::Answered(finished) => return Ok(finished),
                Exchange::Failed(JobError::EpochChanged) => {
                    return Err(CallError::EpochChanged { earlier: None });
                }
                Exchange::Failed(failed @ (JobError::TooLarge(_) | JobError::Expired)) => {
                    tries.note(failed);
                    return Err(tries.not_answered());
                }
                Exchange::Failed(failed) => {
                    tries.note(failed);
                    // A lost query leaves no doubt about a command.
                    tries.maybe_done = maybe_done;
                }
                Exchange::Late { .. } => return Err(tries.not_answered()),
            }
            if tries.pause(&self.shared, asked_ms).await.is_err() {
                return Err(tries.not_answered());
            }
        }
    }

    /// Sends a whole command batch and waits for all outcomes, without an allocation or a task for each cart.
    /// Commands that find the server busy are sent again under their own ids. If the connection breaks, the whole
    /// batch is sent again. The dense numbers in the batch must belong to the log that the client is connected to.
    ///
    /// # Errors
    /// [`CallError::Unknown`] names the first id without an answer. The batch is then marked as a retry and can be
    /// sent again unchanged.
    pub async fn send_batch(&self, batch: &mut CommandBatch) -> Result<Outcomes, CallError> {
        let mut tries = Tries::new(self.call.deadline);
        let first = batch.ids().next().unwrap_or(CommandId::NONE);
        let permits = u32::from(batch.len()).min(self.shared.options.in_flight_max);
        let Ok(Ok(_permit)) =
            timeout_at(tries.until, self.shared.in_flight_permits.acquire_many(permits)).await
        else {
            return Err(tries.give_up(first));
        };
        let identity = self.identity();
        let mut outcomes = Outcomes::new();
        outcomes.reset(batch.len());
        let mut part = batch.clone();
        let mut indexes: Vec<u16> = (0..batch.len()).collect();
        batch.mark_retry();
        while !indexes.is_empty() {
            part.set_deadline_ms(0);
            let mut asked_ms = 0;
            match self.exchange(Request::Batch(part.clone()), identity, &mut tries).await {
                Exchange::Answered(Response::Batch(answers)) => {
                    if tries.maybe_done && answers.iter().any(|outcome| tells_of_this_try(outcome.code)) {
                        return Err(tries.give_up(first));
                    }
                    asked_ms = merge(&answers, &mut outcomes, &mut indexes);
                    tries.why = NotDone::Busy;
                    part = select(batch, &indexes).map_err(|_| tries.give_up(first))?;
                    if indexes.is_empty() {
                        break;
                    }
                }
                Exchange::Failed(JobError::EpochChanged) => {
                    return Err(CallError::EpochChanged { earlier: tries.maybe_done.then_some(first) });
                }
                Exchange::Failed(failed @ (JobError::TooLarge(_) | JobError::Expired)) => {
                    tries.note(failed);
                    return Err(tries.give_up(first));
                }
                Exchange::Failed(failed) => tries.note(failed),
                Exchange::Late { sent } => {
                    tries.maybe_done |= sent;
                    return Err(tries.give_up(first));
                }
                Exchange::Answered(_) => return Err(CallError::Unknown { id: first }),
            }
            part.mark_retry();
            if tries.pause(&self.shared, asked_ms).await.is_err() {
                // Some commands of the batch may have taken effect. Only a retry can find out which.
                tries.maybe_done |= indexes.len() < usize::from(batch.len());
                return Err(tries.give_up(first));
            }
        }
        Ok(outcomes)
    }
}

/// What an outcome means for a call.
enum Resolution {
    Settled(Outcome),
    Retry { after_ms: u32 },
    Failed(CallError),
}

/// Decides what an outcome means for the call.
fn resolve_outcome(id: CommandId, outcome: Outcome, tries: &mut Tries) -> Resolution {
    if outcome.code == Code::Busy {
        tries.why = NotDone::Busy;
        return Resolution::Retry { after_ms: outcome.value };
    }
    if outcome.code == Code::DeadlinePassed {
        tries.why = NotDone::DeadlinePassed;
        return if Instant::now() < tries.until {
            Resolution::Retry { after_ms: 0 }
        } else {
            Resolution::Failed(tries.give_up(id))
        };
    }
    if outcome.code == Code::UnknownEffect {
        return Resolution::Failed(CallError::UnknownEffect { id });
    }
    if tells_of_this_try(outcome.code) && tries.maybe_done && tries.made > 0 {
        return Resolution::Failed(CallError::Unknown { id });
    }
    Resolution::Settled(outcome)
}

/// Whether a code refuses an id because of its time.
const fn is_of_other_time(code: Code) -> bool {
    matches!(code, Code::IdTooOld | Code::IdFromFuture)
}

/// Whether a code only says that *this* try had no effect. An earlier try may still have had one.
fn tells_of_this_try(code: Code) -> bool {
    matches!(code, Code::ReadOnly | Code::IdTooOld | Code::IdFromFuture | Code::UnknownAnswer)
}

/// Moves the answers of the commands at `indexes` to their places in `outcomes`, and keeps the indexes of the
/// commands that found the server busy. Returns how long the server asks the client to wait, in milliseconds.
fn merge(answers: &Outcomes, outcomes: &mut Outcomes, indexes: &mut Vec<u16>) -> u32 {
    let mut busy = Vec::new();
    let mut asked_ms = 0;
    for (at, index) in (0_u16..).zip(indexes.iter()) {
        if let Some(outcome) = answers.get(at) {
            if outcome.code == Code::Busy {
                asked_ms = asked_ms.max(outcome.value);
                busy.push(*index);
            } else {
                outcomes.put(*index, outcome.clone());
            }
        }
    }
    *indexes = busy;
    asked_ms
}

/// Copies the commands at `indexes` into a batch of their own.
fn select(batch: &CommandBatch, indexes: &[u16]) -> Result<CommandBatch, PushError> {
    let mut part = CommandBatch::new();
    let mut wanted = indexes.iter().copied().peekable();
    for (at, record) in (0_u16..).zip(batch.records()) {
        if wanted.next_if_eq(&at).is_some() {
            part.push_record(record)?;
        }
    }
    Ok(part)
}
