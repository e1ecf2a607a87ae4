//! Answers questions between two batches: queries, checks that wait for an op, and validations. Its time is bounded by
//! a share of the applier's time, its memory by the answers that the network threads have not fetched yet.

use std::collections::VecDeque;

use stockhold_machine::Machine;
use stockhold_protocol::frame::{FrameKind, Header};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Code, Outcome, SkuId, StockId};

use super::answers::send_answer;
use super::links::ApplierLinks;
use super::question::{Question, QuestionKind};
use super::reply_queue::{AnsweredCounts, ReplyAddress, ReplyWriter};
use super::scans::{ScanStage, Wanted};
use super::snapshots::{SnapshotStage, Waiter};
use super::time_share::TimeShare;
use super::validation::ValidationStage;
use crate::sourcing;

/// The maximum number of questions answered in one turn.
const QUESTIONS_PER_TURN: usize = 64;
/// The maximum number of validation steps in one turn, and of steps of a scan.
const STEPS_PER_TURN: usize = 8;
/// The maximum number of checks that wait for an op.
const WAITING_MAX: usize = 4_096;
/// The maximum number of pairs of SKU and stock in the waiting checks: 8 MiB.
const WAITING_PAIRS_MAX: usize = 1 << 20;
/// While this many bytes of answers wait for the network threads, no further question is answered.
const UNFETCHED_BYTES_MAX: usize = 8 << 20;
/// The longest sleep while questions wait for their turn.
const RETRY_MS: u64 = 1;
/// The counts that the answer to a waiting check settles.
const ONE_CHECK: AnsweredCounts = AnsweredCounts { commands: 0, others: 0, queries: 0, checks: 1 };

/// A check that waits for an op.
#[derive(Debug)]
struct WaitingCheck {
    address: ReplyAddress,
    request: u64,
    min_op: u64,
    until_ms: u64,
    pairs: Vec<(SkuId, StockId)>,
}

/// The part of the applier that answers questions.
#[derive(Debug, Default)]
pub struct QueryStage {
    waiting: VecDeque<WaitingCheck>,
    waiting_pairs: usize,
    scans: ScanStage,
    validation: ValidationStage,
    share: TimeShare,
}

impl QueryStage {
    /// Notes that a batch was applied.
    pub fn note_batch(&mut self, now_us: u64) {
        self.share.note_batch(now_us);
    }

    /// Whether a validation waits until a snapshot has finished its walk over the records.
    #[must_use]
    pub fn waits_for_walk(&self, machine: &Machine) -> bool {
        self.validation.waits_for_walk(machine)
    }

    /// Whether a question waits and may be answered now.
    #[must_use]
    pub fn is_due(&self, machine: &Machine, links: &ApplierLinks) -> bool {
        (links.questions.depth() > 0 || self.has_steps(machine))
            && self.share.may_begin(links.clock.monotonic_us())
    }

    /// Whether checks wait for an op.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How long the applier may sleep.
    #[must_use]
    pub fn wait_ms(&self, machine: &Machine, links: &ApplierLinks) -> u64 {
        if links.questions.depth() > 0 || self.has_steps(machine) {
            return RETRY_MS;
        }
        let now_ms = links.clock.monotonic_ms();
        let next = self.waiting.iter().map(|check| check.until_ms.saturating_sub(now_ms)).min();
        next.map_or(u64::MAX, |ms| ms.max(1))
    }

    /// Whether a scan or a validation can take a step.
    fn has_steps(&self, machine: &Machine) -> bool {
        let can_validate = self.validation.has_work() && !self.validation.waits_for_walk(machine);
        self.scans.has_work() || can_validate
    }

    /// Takes one turn, if one may begin. Returns whether any work was done.
    pub fn step(
        &mut self,
        machine: &mut Machine,
        snapshots: &mut SnapshotStage,
        replies: &mut ReplyWriter,
        links: &ApplierLinks,
    ) -> bool {
        let is_asked = links.questions.depth() > 0 || self.has_waiting() || self.has_steps(machine);
        if !is_asked || !self.share.may_begin(links.clock.monotonic_us()) {
            return false;
        }
        self.share.begin(links.clock.monotonic_us());
        let mut has_worked = self.answer_waiting(machine, replies, links);
        for _ in 0..QUESTIONS_PER_TURN {
            if !self.has_time(links) || is_unfetched(replies, links) {
                break;
            }
            let Some(question) = links.questions.take() else { break };
            has_worked = true;
            self.answer(question, machine, snapshots, replies, links);
        }
        for _ in 0..STEPS_PER_TURN {
            if !self.has_time(links) || is_unfetched(replies, links) || !self.scans.has_work() {
                break;
            }
            self.scans.step(machine, replies);
            has_worked = true;
        }
        for _ in 0..STEPS_PER_TURN {
            if !self.has_time(links) || !self.validation.step(machine, replies) {
                break;
            }
            has_worked = true;
        }
        let took_us = self.share.end(links.clock.monotonic_us());
        if has_worked {
            links.metrics.question_turn_us.record(took_us);
        }
        has_worked
    }

    fn has_time(&self, links: &ApplierLinks) -> bool {
        self.share.has_time(links.clock.monotonic_us())
    }

    fn answer(
        &mut self,
        question: Question,
        machine: &Machine,
        snapshots: &mut SnapshotStage,
        replies: &mut ReplyWriter,
        links: &ApplierLinks,
    ) {
        let Question { address, request, kind } = question;
        let query = match kind {
            QuestionKind::Query(query) => query,
            QuestionKind::Checks { min_op, until_ms, pairs } => {
                let check = WaitingCheck { address, request, min_op, until_ms, pairs };
                return self.check(check, machine.op(), replies, links);
            }
        };
        links.metrics.queries_answered.add(1);
        let answer = match &query {
            Query::Status => QueryAnswer::Status(links.status.status(machine, links)),
            Query::Snapshot => return snapshots.request(Waiter { address, request }),
            Query::Validate => return self.validation.request(Waiter { address, request }),
            Query::Reservations { filter, after, limit } => {
                let wanted = Wanted::Reservations(*filter, *after, *limit);
                return self.scans.request(Waiter { address, request }, wanted, replies);
            }
            Query::LowStock { filter, after, limit } => {
                let wanted = Wanted::LowStock(*filter, *after, *limit);
                return self.scans.request(Waiter { address, request }, wanted, replies);
            }
            Query::Sourcing(request) => sourcing::answer(machine, &links.addresses, request),
            Query::PickupLocations(request) => sourcing::pickup_locations(machine, &links.addresses, request),
            Query::Reservation(_)
            | Query::Sku(_)
            | Query::Skus { .. }
            | Query::Sources { .. }
            | Query::Stocks { .. }
            | Query::OldNames { .. }
            | Query::Marks { .. }
            | Query::Explain { .. }
            | Query::Order(_)
            | Query::Orders { .. }
            | Query::OrderHistory { .. }
            | Query::Inconsistencies { .. }
            | Query::Notify { .. }
            | Query::Configuration => machine.query(&query).unwrap_or_else(|| {
                QueryAnswer::Failed("The machine does not answer this question.".to_owned())
            }),
        };
        send_answer(replies, address, request, &answer);
    }

    fn check(&mut self, check: WaitingCheck, op: u64, replies: &mut ReplyWriter, links: &ApplierLinks) {
        if check.min_op <= op {
            answer_check(&check, replies, links);
        } else if self.waiting.len() < WAITING_MAX
            && self.waiting_pairs + check.pairs.len() <= WAITING_PAIRS_MAX
        {
            self.waiting_pairs += check.pairs.len();
            self.waiting.push_back(check);
        } else {
            send_outcome(&check, Code::Busy, op, replies);
        }
    }

    /// Answers checks whose op is reached or whose time is up, as many as the turn has time for.
    fn answer_waiting(&mut self, machine: &Machine, replies: &mut ReplyWriter, links: &ApplierLinks) -> bool {
        let now_ms = links.clock.monotonic_ms();
        let op = machine.op();
        let before = self.waiting.len();
        for _ in 0..before {
            if !self.has_time(links) || is_unfetched(replies, links) {
                break;
            }
            let Some(check) = self.waiting.pop_front() else { break };
            if check.min_op > op && check.until_ms > now_ms {
                self.waiting.push_back(check);
                continue;
            }
            self.waiting_pairs -= check.pairs.len();
            if check.min_op <= op {
                answer_check(&check, replies, links);
            } else {
                send_outcome(&check, Code::Behind, op, replies);
            }
        }
        self.waiting.len() < before
    }
}

/// Whether so many answers wait for the network threads that another would only take memory.
fn is_unfetched(replies: &ReplyWriter, links: &ApplierLinks) -> bool {
    replies.bytes() + links.reply_queues.bytes() > UNFETCHED_BYTES_MAX
}

/// The cells were published after the last applied batch, so they are as of its op.
fn answer_check(check: &WaitingCheck, replies: &mut ReplyWriter, links: &ApplierLinks) {
    let count = u16::try_from(check.pairs.len()).unwrap_or(u16::MAX);
    let header = Header::new(FrameKind::Cells, check.request, count);
    let published = &links.published;
    replies.frame(check.address, header, ONE_CHECK, |out| {
        out.extend_from_slice(&published.op().to_le_bytes());
        for (sku, stock) in &check.pairs {
            out.extend_from_slice(&published.cell(*sku, *stock).value.to_le_bytes());
        }
    });
}

fn send_outcome(check: &WaitingCheck, code: Code, op: u64, replies: &mut ReplyWriter) {
    let outcome = Outcome::new(code, 0, op);
    replies.single_outcome(check.address, check.request, ONE_CHECK, &outcome);
}
