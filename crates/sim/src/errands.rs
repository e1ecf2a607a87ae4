//! What clients want done, and what they were told of it. An errand is a command under its id: it is sent until its outcome is
//! known, on whatever connection there is, and sometimes again after that. It knows no server.

use std::collections::{BTreeMap, BTreeSet};

use stockhold_model::{Model, Step, with_command};
use stockhold_protocol::{Code, CommandId, Envelope, Outcome};

use crate::rng::Rng;
use crate::violation::{Checked, broken, ensure};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) id: CommandId,
    step: Step,
    named: CommandId,
    /// As it is logged: without the mark of a fresh id.
    pub(crate) record: Vec<u8>,
    pub(crate) tries: u32,
    /// The recorded outcome, once it is known.
    told: Option<Outcome>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    list: Vec<Errand>,
    by_record: BTreeMap<Vec<u8>, usize>,
    /// Those whose end is not known.
    open: BTreeSet<usize>,
    /// Ids that may name a reservation.
    made: Vec<CommandId>,
    ids: u128,
}

impl Errands {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, place: usize) -> &Errand {
        &self.list[place]
    }

    /// Those whose end is not known.
    pub(crate) fn open(&self) -> Vec<usize> {
        self.open.iter().copied().collect()
    }

    pub(crate) fn next_id(&mut self, client_ms: u64) -> CommandId {
        self.ids += 1;
        CommandId::from_parts(client_ms, self.ids)
    }

    /// A step becomes an errand; answers its place and what the witness must know of it.
    pub(crate) fn begin(
        &mut self,
        rng: &mut Rng,
        client_ms: u64,
        step: &Step,
        model: &Model,
    ) -> Checked<usize> {
        let named = match step.pick() {
            Some(pick) if !self.made.is_empty() => self.picked(rng, pick),
            Some(_) | None => CommandId::NONE,
        };
        let step = model.make_plausible(step, named);
        let id = self.next_id(client_ms);
        if step.makes_reservation() {
            self.made.push(id);
        }
        self.add(id, step, named)
    }

    /// The same id with another body, as a client with a bug sends it.
    pub(crate) fn twist(&mut self, place: usize) -> Checked<usize> {
        let Errand { id, step, named, .. } = &self.list[place];
        let (id, step, named) = (*id, step.with_other_body(), *named);
        self.add(id, step, named)
    }

    fn add(&mut self, id: CommandId, step: Step, named: CommandId) -> Checked<usize> {
        let mut record = Vec::new();
        let mut encoded = Ok(());
        with_command(&step, named, &mut |command| {
            encoded = Envelope::new(id, command).encode(&mut record);
        });
        encoded.map_err(broken("a step that does not encode"))?;
        if let Some(place) = self.by_record.get(&record) {
            return Ok(*place);
        }
        let place = self.list.len();
        self.by_record.insert(record.clone(), place);
        self.open.insert(place);
        self.list.push(Errand { id, step, named, record, tries: 0, told: None });
        Ok(place)
    }

    /// Mostly one of the latest reservations, so that much happens to the same one.
    fn picked(&self, rng: &mut Rng, pick: usize) -> CommandId {
        let length = self.made.len();
        let back = if pick < 48 { pick % length.min(8) } else { rng.place(length) };
        self.made[length - 1 - back]
    }

    /// What the witness must know of an errand before it is sent.
    pub(crate) fn meaning(&self, place: usize) -> (Vec<u8>, CommandId, Step, CommandId) {
        let errand = &self.list[place];
        (errand.record.clone(), errand.id, errand.step.clone(), errand.named)
    }

    /// It is being sent; answers whether it was never sent before.
    pub(crate) fn send(&mut self, place: usize) -> bool {
        self.list[place].tries += 1;
        self.list[place].tries == 1
    }

    /// A client hears an outcome; answers whether that ends the errand.
    pub(crate) fn hear(&mut self, place: usize, outcome: &Outcome) -> Checked<bool> {
        let errand = &mut self.list[place];
        if outcome.recorded {
            if let Some(told) = &errand.told {
                let is_same = (told.code, told.value, told.op) == (outcome.code, outcome.value, outcome.op);
                ensure!(is_same, "{} was told {told:?} first and {outcome:?} later", errand.id);
            } else {
                errand.told = Some(outcome.clone());
            }
            self.open.remove(&place);
            return Ok(true);
        }
        // An edge refusal leaves the id unused. It may even come after an outcome: the first copy was slow, and a later one was
        // logged before the first arrived.
        let silent = [Code::Busy, Code::ReadOnly, Code::DeadlinePassed, Code::SoldOut];
        let says_nothing = silent.contains(&outcome.code);
        if !says_nothing {
            // Two copies may be decided in one order and heard in the other.
            let told_op = errand.told.as_ref().map_or(u64::MAX, |told| told.op);
            let may_be = outcome.op < told_op || outcome.code == Code::IdTooOld;
            ensure!(may_be, "{} was told {:?}, and then {outcome:?}", errand.id, errand.told);
            self.open.remove(&place);
        }
        Ok(!says_nothing)
    }

    /// What was told of ops after this one is lost, as the configured durability allows.
    pub(crate) fn forget_after(&mut self, op: u64) {
        for (place, errand) in self.list.iter_mut().enumerate() {
            if errand.told.as_ref().is_some_and(|told| told.op > op) {
                errand.told = None;
                self.open.insert(place);
            }
        }
    }

    /// Outcomes that clients know, by record.
    pub(crate) fn told(&self) -> impl Iterator<Item = (&Errand, &Outcome)> {
        self.list.iter().filter_map(|errand| Some((errand, errand.told.as_ref()?)))
    }
}
