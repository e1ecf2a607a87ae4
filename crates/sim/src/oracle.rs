//! The test oracle: it follows the log op by op with two machines of its own. The naive model predicts every outcome.
//! A replica that only replays the log provides the digest that the server's digest must equal. The world decides
//! when the oracle is asked, and about which server.

use std::collections::BTreeMap;

use stockhold::pipeline::apply::{BatchResult, apply_payload};
use stockhold::pipeline::digests::DigestComparison;
use stockhold_machine::{Genesis, Machine};
use stockhold_model::{Limits, Mark, Model, ORDERS, SKUS, STOCKS, Step, order_number};
use stockhold_protocol::batch::Batch;
use stockhold_protocol::query::{LIST_MAX, MarkView, Query, QueryAnswer};
use stockhold_protocol::{Command, CommandId, Envelope, Outcome, SkuId, StockId};

use crate::violation::{CheckResult, Violation, ensure, violation};

/// The expected meaning of a record.
#[derive(Clone, Debug)]
enum Expectation {
    /// Under this id it defines something with this number.
    Definition(CommandId, u32),
    /// It is a step of the model.
    Step { id: CommandId, step: Box<Step>, named: CommandId },
}

/// A batch from the log. A server writes each batch once, so positions and ops are equal; replaying checks that.
#[derive(Clone, Debug)]
struct LoggedBatch {
    first_op: u64,
    ops: u32,
    payload: Vec<u8>,
}

/// An op that was replayed.
#[derive(Clone, Debug)]
pub(crate) struct AppliedOp {
    pub(crate) record: Vec<u8>,
    pub(crate) outcome: Outcome,
    /// Whether an answer for it has left the server.
    answered: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Oracle {
    genesis: Genesis,
    limits: Limits,
    model: Model,
    replica: Machine,
    /// Compares the digests that the servers reported.
    trail: DigestComparison,
    /// Every record that any client ever sent, by its logged bytes.
    expectations: BTreeMap<Vec<u8>, Expectation>,
    batches: Vec<LoggedBatch>,
    applied_ops: Vec<AppliedOp>,
    /// The op that recorded the outcome of an id.
    decided: BTreeMap<CommandId, u64>,
    /// Outcomes of placements that were reported as failed before they were decided.
    failed: BTreeMap<CommandId, Outcome>,
    /// Ops up to this one belong to earlier processes.
    past_op: u64,
}

impl Oracle {
    pub(crate) fn new(genesis: Genesis, limits: Limits) -> Self {
        Self {
            genesis,
            limits,
            model: Model::new(limits, genesis.formatted_at.0),
            replica: Machine::new(&genesis),
            trail: DigestComparison::after(0),
            expectations: BTreeMap::new(),
            batches: Vec::new(),
            applied_ops: Vec::new(),
            decided: BTreeMap::new(),
            failed: BTreeMap::new(),
            past_op: 0,
        }
    }

    /// Announces a record that defines something, before a client sends it.
    pub(crate) fn expect_definition(&mut self, record: Vec<u8>, id: CommandId, number: u32) {
        self.expectations.insert(record, Expectation::Definition(id, number));
    }

    /// Announces a record before a client sends it.
    pub(crate) fn expect(&mut self, record: Vec<u8>, id: CommandId, step: Step, named: CommandId) {
        self.expectations.insert(record, Expectation::Step { id, step: Box::new(step), named });
    }

    pub(crate) fn op(&self) -> u64 {
        self.replica.op()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.replica.digest()
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Replays the next batch of the log. The model predicts each outcome, and the replica must decide the same.
    /// Returns the applied ops.
    pub(crate) fn replay_batch(
        &mut self,
        first_op: u64,
        ops: u32,
        payload: &[u8],
    ) -> CheckResult<&[AppliedOp]> {
        let mut outcomes = Vec::new();
        let batch_range = (first_op, ops);
        ensure!(self.op() + 1 == first_op, "a batch at position {first_op} follows op {}", self.op());
        let fate = apply_payload(
            &mut self.replica,
            batch_range,
            payload,
            |_| false,
            |_: &Machine, outcome| outcomes.push(outcome),
        )
        .map_err(violation("a logged batch cannot be applied"))?;
        let BatchResult::Applied(applied) = fate else {
            return Err(Violation(format!("batch at position {first_op}: {fate:?}")));
        };
        self.trail
            .compare(&applied.header, self.replica.epoch())
            .map_err(violation("the server was in another state"))?;
        self.trail.push(applied.digest);
        let batch = Batch::decode(payload).map_err(violation("a logged batch cannot be read"))?;
        let from = self.applied_ops.len();
        ensure!(
            outcomes.len() == usize::try_from(ops).unwrap_or(0),
            "batch at op {first_op} did not execute"
        );
        for (entry, outcome) in batch.entries().zip(outcomes) {
            let entry = entry.map_err(violation("a logged record cannot be read"))?;
            if let Some(run) = &entry.run {
                self.model.know_names(run.name_generation);
            }
            self.replay_op(batch.header.proposed.0, entry.record, outcome)?;
        }
        self.batches.push(LoggedBatch { first_op, ops, payload: payload.to_vec() });
        self.check_cells()?;
        self.check_marks()?;
        self.check_orders()?;
        Ok(&self.applied_ops[from..])
    }

    fn replay_op(&mut self, proposed_ms: u64, record: &[u8], outcome: Outcome) -> CheckResult {
        let op = self.model.op() + 1;
        match self.expectations.get(record).cloned() {
            Some(Expectation::Definition(id, number)) => {
                let expected = self.model.define(id, number);
                ensure!(outcome == expected, "op {op}, a definition: {outcome:?} instead of {expected:?}");
            }
            Some(Expectation::Step { id, step, named }) => {
                self.replay_step(proposed_ms, (id, &step, named), &outcome)?;
            }
            None => {
                ensure!(
                    is_of_servers(record),
                    "op {op} is neither a command that a client sent nor one of the server"
                );
                if let Ok(Envelope { command: Command::WallOffset(offset_ms), .. }) = Envelope::decode(record)
                {
                    self.model.set_wall_offset(offset_ms);
                }
                let expected = self.model.answer(proposed_ms, CommandId::NONE, &Step::Tick, CommandId::NONE);
                ensure!(outcome == expected, "op {op}, a tick: {outcome:?}");
            }
        }
        self.applied_ops.push(AppliedOp {
            record: record.to_vec(),
            outcome,
            answered: is_of_servers(record),
        });
        Ok(())
    }

    fn replay_step(
        &mut self,
        proposed_ms: u64,
        (id, step, named): (CommandId, &Step, CommandId),
        outcome: &Outcome,
    ) -> CheckResult {
        let before = step.is_grant().then(|| self.model.at_time(proposed_ms));
        let expected = self.model.answer(proposed_ms, id, step, named);
        let op = expected.op.max(self.model.op());
        ensure!(
            *outcome == expected,
            "op {op}, {step:?} of {named} under {id}: {outcome:?} instead of {expected:?}"
        );
        if outcome.recorded && !outcome.replayed {
            let twice = self.decided.insert(id, op);
            ensure!(twice.is_none(), "id {id} was decided by op {twice:?} and by op {op} again");
        }
        if let Some(failed) = self.model.failed_placement(named).filter(|failed| failed.op == outcome.op) {
            self.failed.insert(named, failed);
        }
        if let Some(before) = before.filter(|_| outcome.code.is_success() && !outcome.replayed) {
            for sku in 0..SKUS {
                let (was, is) = (before.total_shortfall(sku), self.model.total_shortfall(sku));
                ensure!(is <= was, "op {op} oversold SKU {sku}: {was} were missing, now {is} are");
            }
        }
        Ok(())
    }

    fn check_cells(&self) -> CheckResult {
        for sku in 0..SKUS {
            for stock in 0..STOCKS {
                let cell = self.replica.cell(SkuId(sku), StockId(stock));
                let expected = self.model.cell(sku, stock);
                ensure!(
                    cell == expected,
                    "after op {}: cell of SKU {sku} in stock {stock} is {cell} instead of {expected}",
                    self.op()
                );
            }
        }
        Ok(())
    }

    fn check_marks(&self) -> CheckResult {
        let shown_offset_ms = self.model.wall_offset_ms();
        let expected = self.model.marks().iter().map(|mark| {
            let Mark { op, name, time_ms } = mark.clone();
            MarkView { op, name, time_ms, shown_offset_ms }
        });
        let expected = QueryAnswer::Marks(expected.collect());
        let marks = self.replica.query(&Query::Marks { after: None, limit: LIST_MAX });
        ensure!(marks.as_ref() == Some(&expected), "op {}: {marks:?} instead of {expected:?}", self.op());
        Ok(())
    }

    /// Compares the orders, whose totals the model sums up from all that was ever booked.
    fn check_orders(&self) -> CheckResult {
        for order in 0..ORDERS {
            let expected = self.model.order_view(order);
            let found = self.replica.query(&Query::Order(order_number(order)));
            ensure!(
                found == Some(QueryAnswer::Order(expected.clone())),
                "after op {}: {found:?} instead of {expected:?}",
                self.op()
            );
        }
        let stats = self.replica.stats();
        let (counted, expected) = ((stats.orders, stats.orders_unsettled), self.model.order_counts());
        ensure!(counted == expected, "after op {}: {counted:?} orders instead of {expected:?}", self.op());
        Ok(())
    }

    /// Checks that the log still contains the same batch at this op.
    pub(crate) fn check_unchanged(&self, first_op: u64, ops: u32, payload: &[u8]) -> CheckResult {
        let known = self.batches.binary_search_by_key(&first_op, |batch| batch.first_op).ok();
        let known = known.map(|at| &self.batches[at]);
        let is_same = known.is_some_and(|known| known.ops == ops && known.payload == payload);
        ensure!(is_same, "the log now holds another batch at op {first_op} than it did");
        Ok(())
    }

    /// The outcome that the log recorded for an id, if this record caused it, or a report that this placement failed.
    pub(crate) fn decided(&self, id: CommandId, record: &[u8]) -> Option<&Outcome> {
        if let Some(failed) = self.failed.get(&id) {
            return Some(failed);
        }
        let op = *self.decided.get(&id)?;
        let applied_ops = self.applied_ops.get(usize::try_from(op - 1).ok()?)?;
        (applied_ops.record == record).then_some(&applied_ops.outcome)
    }

    /// Checks an answer to a logged command before it leaves. It must be the outcome of an op that was not answered
    /// before.
    pub(crate) fn check_answer(&mut self, record: &[u8], outcome: &Outcome) -> CheckResult {
        let is_own = |applied_ops: &&mut AppliedOp| {
            !applied_ops.answered && applied_ops.record == record && applied_ops.outcome == *outcome
        };
        let past = usize::try_from(self.past_op).unwrap_or(usize::MAX).min(self.applied_ops.len());
        let Some(applied_ops) = self.applied_ops[past..].iter_mut().find(is_own) else {
            return Err(Violation(format!("an answer without a committed op: {outcome:?}")));
        };
        applied_ops.answered = true;
        Ok(())
    }

    /// Called when the answering process is gone.
    pub(crate) fn end_process(&mut self) {
        self.past_op = self.op();
    }

    /// Goes back to an earlier op. Later ops were lost, as the configured durability allows.
    pub(crate) fn rewind(&mut self, op: u64) -> CheckResult {
        let mut earlier = Self::new(self.genesis, self.limits);
        earlier.expectations = std::mem::take(&mut self.expectations);
        for batch in self.batches.iter().take_while(|batch| batch.first_op <= op) {
            earlier.replay_batch(batch.first_op, batch.ops, &batch.payload)?;
        }
        ensure!(earlier.op() == op, "the log ends with op {op}, inside a batch");
        *self = earlier;
        self.end_process();
        Ok(())
    }
}

/// Whether a record is one that the server makes itself.
fn is_of_servers(record: &[u8]) -> bool {
    Envelope::decode(record).is_ok_and(|envelope| envelope.command.is_of_servers())
}
