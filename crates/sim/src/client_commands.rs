//! The commands of clients, and the outcomes that were received. A command keeps its id. It is sent until its outcome
//! is known, over any connection, and sometimes again after that. This module knows no server.

use std::collections::{BTreeMap, BTreeSet};

use stockhold_model::{Model, Step, with_command};
use stockhold_protocol::{Code, CommandId, Envelope, Outcome};

use crate::rng::Rng;
use crate::violation::{CheckResult, ensure, violation};

/// One command.
#[derive(Clone, Debug)]
pub(crate) struct ClientCommand {
    pub(crate) id: CommandId,
    step: Step,
    named: CommandId,
    /// The record as it is logged, without the `fresh` flag.
    pub(crate) record: Vec<u8>,
    pub(crate) tries: u32,
    /// The recorded outcome, once it is known.
    recorded: Option<Outcome>,
}

/// All commands.
#[derive(Debug, Default)]
pub(crate) struct ClientCommands {
    list: Vec<ClientCommand>,
    by_record: BTreeMap<Vec<u8>, usize>,
    /// Commands whose outcome is not known.
    open: BTreeSet<usize>,
    /// Ids that may belong to a reservation.
    makers: Vec<CommandId>,
    ids: u128,
}

impl ClientCommands {
    /// The number of commands.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, index: usize) -> &ClientCommand {
        &self.list[index]
    }

    /// The commands whose outcome is not known.
    pub(crate) fn open(&self) -> Vec<usize> {
        self.open.iter().copied().collect()
    }

    pub(crate) fn next_id(&mut self, client_ms: u64) -> CommandId {
        self.ids += 1;
        CommandId::from_parts(client_ms, self.ids)
    }

    /// Turns a step into a command and returns its index.
    pub(crate) fn begin(
        &mut self,
        rng: &mut Rng,
        client_ms: u64,
        step: &Step,
        model: &Model,
    ) -> CheckResult<usize> {
        let named = match step.pick() {
            Some(pick) if !self.makers.is_empty() => self.picked(rng, pick),
            Some(_) | None => CommandId::NONE,
        };
        let step = model.make_plausible(step, named);
        let id = self.next_id(client_ms);
        if step.makes_reservation() {
            self.makers.push(id);
        }
        self.add(id, step, named)
    }

    /// Uses the same id with another body, as a buggy client would.
    pub(crate) fn reuse_id(&mut self, index: usize) -> CheckResult<usize> {
        let ClientCommand { id, step, named, .. } = &self.list[index];
        let (id, step, named) = (*id, step.with_other_body(), *named);
        self.add(id, step, named)
    }

    fn add(&mut self, id: CommandId, step: Step, named: CommandId) -> CheckResult<usize> {
        let mut record = Vec::new();
        let mut encoded = Ok(());
        with_command(&step, named, &mut |encoded_command| {
            encoded = Envelope::new(id, encoded_command).encode(&mut record);
        });
        encoded.map_err(violation("a step that does not encode"))?;
        if let Some(index) = self.by_record.get(&record) {
            return Ok(*index);
        }
        let index = self.list.len();
        self.by_record.insert(record.clone(), index);
        self.open.insert(index);
        self.list.push(ClientCommand { id, step, named, record, tries: 0, recorded: None });
        Ok(index)
    }

    /// Picks mostly one of the latest reservations, so that several commands refer to the same one.
    fn picked(&self, rng: &mut Rng, pick: usize) -> CommandId {
        let length = self.makers.len();
        let back = if pick < 48 { pick % length.min(8) } else { rng.index(length) };
        self.makers[length - 1 - back]
    }

    /// What the oracle must know of a command before it is sent.
    pub(crate) fn expectation(&self, index: usize) -> (Vec<u8>, CommandId, Step, CommandId) {
        let command = &self.list[index];
        (command.record.clone(), command.id, command.step.clone(), command.named)
    }

    /// Counts a sending. Returns whether the command was never sent before.
    pub(crate) fn send(&mut self, index: usize) -> bool {
        self.list[index].tries += 1;
        self.list[index].tries == 1
    }

    /// A client receives an outcome; returns whether that ends the command.
    pub(crate) fn receive(&mut self, index: usize, outcome: &Outcome) -> CheckResult<bool> {
        let command = &mut self.list[index];
        if outcome.recorded {
            if let Some(recorded) = &command.recorded {
                let is_same =
                    (recorded.code, recorded.value, recorded.op) == (outcome.code, outcome.value, outcome.op);
                ensure!(is_same, "{} was answered {recorded:?} first and {outcome:?} later", command.id);
            } else {
                command.recorded = Some(outcome.clone());
            }
            self.open.remove(&index);
            return Ok(true);
        }
        // An edge refusal leaves the id unused, and so does a refusal of old numbers. It may arrive after an outcome: the first copy was slow, and a later
        // one was logged before the first arrived.
        let silent = [Code::Busy, Code::ReadOnly, Code::DeadlinePassed, Code::SoldOut, Code::NamesChanged];
        let says_nothing = silent.contains(&outcome.code);
        if !says_nothing {
            // Two copies may be decided in one order and their answers received in the other.
            let recorded_op = command.recorded.as_ref().map_or(u64::MAX, |recorded| recorded.op);
            let may_be = outcome.op < recorded_op || outcome.code == Code::IdTooOld;
            ensure!(may_be, "{} was answered {:?}, and then {outcome:?}", command.id, command.recorded);
            self.open.remove(&index);
        }
        Ok(!says_nothing)
    }

    /// Drops the outcomes of ops after this one. They were lost, as the configured durability allows.
    pub(crate) fn forget_after(&mut self, op: u64) {
        for (index, command) in self.list.iter_mut().enumerate() {
            if command.recorded.as_ref().is_some_and(|recorded| recorded.op > op) {
                command.recorded = None;
                self.open.insert(index);
            }
        }
    }

    /// The outcomes that clients know.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (&ClientCommand, &Outcome)> {
        self.list.iter().filter_map(|command| Some((command, command.recorded.as_ref()?)))
    }
}
