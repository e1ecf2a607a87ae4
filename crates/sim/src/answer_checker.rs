//! Checks every frame when it leaves the server. An answer needs a committed op, an edge refusal must meet its
//! conditions, `busy` needs a full queue, and a cell must have the value at its op.

use std::collections::BTreeMap;

use stockhold::net::NetContext;
use stockhold_model::Model;
use stockhold_protocol::codec::Reader;
use stockhold_protocol::command::{FLAG_FRESH, FLAGS_OFFSET, record_length};
use stockhold_protocol::frame::{FrameKind, low_bits};
use stockhold_protocol::handshake::Welcome;
use stockhold_protocol::query::QueryAnswer;
use stockhold_protocol::{Code, Command, Envelope, Outcome};

use crate::oracle::Oracle;
use crate::server::{ConnectionKey, OwnedFrame};
use crate::violation::{CheckResult, Violation, ensure, violation};

/// A command that was read but not yet answered.
#[derive(Debug)]
struct PendingCommand {
    record: Vec<u8>,
    is_other: bool,
    until_ms: u64,
}

/// The unanswered requests of a connection.
#[derive(Debug, Default)]
struct PendingAnswers {
    commands: BTreeMap<(u64, u16), PendingCommand>,
    /// The (SKU, stock) pairs of checks that went to the applier, by request.
    checks: BTreeMap<u64, Vec<(u32, u32)>>,
}

impl PendingAnswers {
    fn others(&self) -> usize {
        self.commands.values().filter(|sent| sent.is_other).count()
    }
}

/// Counters for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnswerCounts {
    pub(crate) edge_refusals: u64,
    pub(crate) busy: u64,
    pub(crate) read_only: u64,
    pub(crate) deadline_passed: u64,
    pub(crate) replays: u64,
    pub(crate) cells: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct AnswerChecker {
    waiting: BTreeMap<ConnectionKey, PendingAnswers>,
    pub(crate) seen: AnswerCounts,
    /// Whether the applier has refreshed every cell since the last op.
    pub(crate) is_swept: bool,
    /// Whether the disk was full at some time during this process.
    pub(crate) may_be_full: bool,
}

/// The records of a frame of commands.
pub(crate) fn records_of(body: &[u8]) -> CheckResult<Vec<Vec<u8>>> {
    let mut rest = body;
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = record_length(rest).map_err(violation("a client's frame"))?;
        let (record, tail) = rest.split_at(length);
        records.push(record.to_vec());
        rest = tail;
    }
    Ok(records)
}

/// The outcomes of a frame.
pub(crate) fn outcomes_of(frame: &OwnedFrame) -> CheckResult<Vec<(u16, Outcome)>> {
    let mut reader = Reader::new(&frame.body);
    let outcome = |_| Outcome::decode(&mut reader).map_err(violation("an outcome that cannot be read"));
    let outcomes = (0..frame.count).map(outcome).collect::<CheckResult<Vec<_>>>()?;
    reader.finish().map_err(violation("bytes after the last outcome"))?;
    Ok(outcomes)
}

fn pairs_of(body: &[u8]) -> Vec<(u32, u32)> {
    let (pairs, _) = body.get(8..).unwrap_or_default().as_chunks::<8>();
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    pairs.iter().map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect()
}

impl AnswerChecker {
    /// The checker for the next process.
    pub(crate) fn after(before: &Self) -> Self {
        Self { seen: before.seen, ..Self::default() }
    }

    /// Called when a connection is gone. Its requests are dropped.
    pub(crate) fn forget(&mut self, key: ConnectionKey) {
        self.waiting.remove(&key);
    }

    /// Whether no connection waits for an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.values().all(|waiting| waiting.commands.is_empty() && waiting.checks.is_empty())
    }

    /// Called when the server has read frames of a connection and answered some of them at once.
    pub(crate) fn received(
        &mut self,
        key: ConnectionKey,
        (received, answered): (&[OwnedFrame], &[OwnedFrame]),
        context: &NetContext,
        oracle: &Oracle,
    ) -> CheckResult {
        let mut local = BTreeMap::new();
        for frame in answered {
            match frame.kind {
                FrameKind::Outcomes => {
                    for (index, outcome) in outcomes_of(frame)? {
                        let twice = local.insert((frame.request, index), outcome);
                        ensure!(twice.is_none(), "two answers to one command");
                    }
                }
                FrameKind::Cells => {
                    self.check_cells(received, frame, context.published.op(), oracle.model())?;
                }
                FrameKind::Welcome => {
                    let welcome = Welcome::decode(&frame.body).map_err(violation("a welcome"))?;
                    ensure!(welcome.op == oracle.op(), "a welcome at op {} of {}", welcome.op, oracle.op());
                }
                _ => {}
            }
        }
        for frame in received {
            match frame.kind {
                FrameKind::Commands => self.read_commands(key, frame, &mut local, context, oracle)?,
                FrameKind::Checks if !answered.iter().any(|answer| answer.request == frame.request) => {
                    let waiting = self.waiting.entry(key).or_default();
                    waiting.checks.insert(frame.request, pairs_of(&frame.body));
                }
                _ => {}
            }
        }
        // The remaining outcomes answer refused checks.
        let stray = local.into_iter().find(|(_, outcome)| outcome.code != Code::Busy);
        ensure!(stray.is_none(), "an answer to no command: {stray:?}");
        Ok(())
    }

    fn read_commands(
        &mut self,
        key: ConnectionKey,
        frame: &OwnedFrame,
        local: &mut BTreeMap<(u64, u16), Outcome>,
        context: &NetContext,
        oracle: &Oracle,
    ) -> CheckResult {
        let until_ms = match frame.deadline_ms {
            0 => u64::MAX,
            ms => context.clock.monotonic_ms() + u64::from(ms),
        };
        let mut others = self.waiting.get(&key).map_or(0, PendingAnswers::others);
        for (index, mut record) in (0..).zip(records_of(&frame.body)?) {
            let is_fresh = record[FLAGS_OFFSET] & FLAG_FRESH != 0;
            record[FLAGS_OFFSET] &= !FLAG_FRESH;
            let command = (frame.request, index);
            if let Some(outcome) = local.remove(&command) {
                let has_names = frame.names == low_bits(context.feedback.name_generation());
                self.check_local(&record, (is_fresh && has_names, others), &outcome, context, oracle)?;
                continue;
            }
            let envelope = Envelope::decode(&record).map_err(violation("a client's command"))?;
            let is_other = match &envelope.command {
                Command::Reserve(reserve) => reserve.best_effort,
                _ => true,
            };
            others += usize::from(is_other);
            let sent = PendingCommand { record, is_other, until_ms };
            self.waiting.entry(key).or_default().commands.insert(command, sent);
        }
        Ok(())
    }

    /// Checks an answer that does not come from the log: busy, read only, or an edge refusal.
    fn check_local(
        &mut self,
        record: &[u8],
        (is_fresh, others): (bool, usize),
        outcome: &Outcome,
        context: &NetContext,
        oracle: &Oracle,
    ) -> CheckResult {
        ensure!(!outcome.recorded && !outcome.replayed, "an answer without the log says that it is recorded");
        match outcome.code {
            Code::Busy => {
                self.seen.busy += 1;
                ensure!(outcome.value == context.limits.retry_after_ms, "busy without a time to wait");
                Ok(())
            }
            Code::SoldOut | Code::NotOpen => {
                self.seen.edge_refusals += 1;
                ensure!(is_fresh, "an edge refusal of an id that was sent before, or by earlier names");
                ensure!(others == 0, "an edge refusal with other commands in flight");
                ensure!(outcome.op == oracle.op(), "an edge refusal as of another op");
                check_edge_refusal(record, outcome.code, context, oracle.model())
            }
            _ => Err(Violation(format!("an answer without the log: {outcome:?}"))),
        }
    }

    /// Called when the applier or the sequencer has answered.
    pub(crate) fn delivered(
        &mut self,
        key: ConnectionKey,
        frame: &OwnedFrame,
        context: &NetContext,
        oracle: &mut Oracle,
    ) -> CheckResult {
        match frame.kind {
            FrameKind::Outcomes => {
                for (index, outcome) in outcomes_of(frame)? {
                    self.answered(key, (frame.request, index), &outcome, context, oracle)?;
                }
                Ok(())
            }
            FrameKind::Cells => {
                let waiting = self.waiting.entry(key).or_default();
                let pairs = waiting.checks.remove(&frame.request);
                ensure!(pairs.is_some(), "cells without a request");
                // The cells were taken between two batches some steps ago, so their op may be behind.
                Ok(())
            }
            FrameKind::Answer => {
                let answer = QueryAnswer::decode(&frame.body).map_err(violation("an answer"))?;
                if let QueryAnswer::Validation(validation) = answer {
                    let found = validation.violations.join("; ");
                    ensure!(found.is_empty(), "the machine's invariants are violated: {found}");
                }
                Ok(())
            }
            _ => Err(Violation(format!("a reply with a frame of kind {:?}", frame.kind))),
        }
    }

    fn answered(
        &mut self,
        key: ConnectionKey,
        command: (u64, u16),
        outcome: &Outcome,
        context: &NetContext,
        oracle: &mut Oracle,
    ) -> CheckResult {
        let waiting = self.waiting.entry(key).or_default();
        if waiting.checks.remove(&command.0).is_some() {
            ensure!(
                matches!(outcome.code, Code::Behind | Code::Busy),
                "a check was answered {:?}",
                outcome.code
            );
            return Ok(());
        }
        let sent = waiting.commands.remove(&command);
        let Some(sent) = sent else {
            return Err(Violation(format!("a command is answered twice: {outcome:?}")));
        };
        match outcome.code {
            Code::ReadOnly => {
                self.seen.read_only += 1;
                ensure!(self.may_be_full, "read only, although the disk has room");
                Ok(())
            }
            Code::DeadlinePassed => {
                self.seen.deadline_passed += 1;
                ensure!(sent.until_ms < context.clock.monotonic_ms(), "a deadline that has not passed");
                Ok(())
            }
            _ => {
                self.seen.replays += u64::from(outcome.replayed);
                oracle.check_answer(&sent.record, outcome)
            }
        }
    }

    /// Checks cells that were answered at once. They are never too large, and exact once all due holds are swept.
    fn check_cells(
        &mut self,
        received: &[OwnedFrame],
        frame: &OwnedFrame,
        op: u64,
        model: &Model,
    ) -> CheckResult {
        let Some(asked) = received.iter().find(|asked| asked.request == frame.request) else {
            return Err(Violation("cells without a request".to_owned()));
        };
        let (head, cells) = frame.body.split_at_checked(8).unwrap_or_default();
        ensure!(head == op.to_le_bytes(), "cells of another op than {op}");
        let (cells, _) = cells.as_chunks::<8>();
        let mut known = BTreeMap::new();
        for ((sku, stock), cell) in pairs_of(&asked.body).into_iter().zip(cells) {
            let cell = i64::from_le_bytes(*cell);
            let exact = *known.entry((sku, stock)).or_insert_with(|| model.cell(sku, stock));
            ensure!(
                cell <= exact,
                "a cell of SKU {sku} in stock {stock} is {cell}, but only {exact} is available"
            );
            ensure!(!self.is_swept || cell == exact, "an idle cell is {cell} instead of {exact}");
            self.seen.cells += 1;
        }
        Ok(())
    }
}

/// An edge refusal must be what the model would answer if the command were logged now.
fn check_edge_refusal(record: &[u8], code: Code, context: &NetContext, model: &Model) -> CheckResult {
    let envelope = Envelope::decode(record).map_err(violation("a refused command"))?;
    let Command::Reserve(reserve) = &envelope.command else {
        return Err(Violation("an edge refusal of a command that is not a reserve".to_owned()));
    };
    ensure!(!reserve.best_effort, "an edge refusal of a best effort");
    let later = model.at_time(context.clock.propose_now().0);
    let Some(stock) = later.stock_of(reserve.target) else {
        return Err(Violation(format!("an edge refusal at {:?}, which is unknown", reserve.target)));
    };
    let mut wanted: BTreeMap<u32, i64> = BTreeMap::new();
    for line in reserve.lines.iter() {
        *wanted.entry(line.sku.0).or_default() += line.quantity.raw();
    }
    if code == Code::NotOpen {
        let is_closed = wanted.keys().any(|sku| later.is_closed(*sku, stock));
        ensure!(is_closed, "an edge refusal at {} of a sale that is open: {wanted:?}", later.now_ms());
        return Ok(());
    }
    let there_is = |sku: u32| later.cell(sku, stock);
    ensure!(
        wanted.iter().any(|(sku, quantity)| *quantity > there_is(*sku)),
        "an edge refusal at {} of a cart that would have been granted: {wanted:?} of {:?}",
        later.now_ms(),
        wanted.keys().map(|sku| there_is(*sku)).collect::<Vec<_>>()
    );
    Ok(())
}
