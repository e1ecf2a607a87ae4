//! Commands that a restore has undone, executed again under their own ids.
//!
//! The ids may be below the horizon, so ids alone do not keep such a command from being executed twice. The order of the
//! old ops does: the state keeps the last one that was readmitted. What the commands do is decided as for any other.

use super::{Machine, decided};
use crate::config::ACTORS_MAX;
use crate::decision::{Refusal, Ticket};
use crate::ledger::state::State;
use stockhold_protocol::batch::{Actor, ActorKind};
use stockhold_protocol::command::{Envelope, Readmit};
use stockhold_protocol::{BadField, Code, CommandId, Outcome};

impl Machine {
    pub(super) fn readmit(&mut self, op: u64, id: CommandId, readmit: &Readmit) -> Outcome {
        let undone = match Envelope::decode(&readmit.record) {
            Ok(undone) if undone.id == id => undone,
            Ok(_) => {
                return Outcome::bad_field(&BadField::new("record", "must have the id of the command"), op);
            }
            Err(error) => return Outcome::bad_field(&error, op),
        };
        let fingerprint = undone.command.fingerprint(&mut self.scratch);
        let is_recordable = !self.state.is_below_horizon(id);
        let known = if is_recordable {
            self.state.answer_of_known_id(op, id, fingerprint)
        } else {
            self.state.answer_of_kept_grant(op, id, fingerprint)
        };
        let checked = check(&self.state, readmit);
        if let Some(answer) = known.filter(|answer| answer.recorded || checked.is_ok()) {
            if answer.recorded && checked.is_ok() {
                // The client has repeated its command itself.
                self.state.core.readmitted = Some(readmit.op);
            }
            return answer;
        }
        if let Err(refusal) = checked {
            return decided(op, Err(refusal));
        }
        if undone.command.kind().has_numbers() && self.state.has_old_numbers {
            return Outcome::new(Code::NamesChanged, self.name_generation(), op);
        }
        self.state.core.readmitted = Some(readmit.op);
        let operator = self.state.actor;
        if !readmit.actor.is_empty() {
            let actor = Actor { kind: ActorKind::Claimed, name: &readmit.actor };
            self.state.actor = self.state.catalog.intern(actor, ACTORS_MAX);
        }
        let mut outcome = decided(op, self.execute(Ticket { op, id, fingerprint }, &undone.command));
        self.state.actor = operator;
        if is_recordable {
            if outcome.recorded {
                self.state.record(id, fingerprint, &outcome);
            }
        } else {
            self.state.index_unrecorded_grant();
            outcome.recorded = false;
        }
        outcome
    }
}

/// Whether the command may be readmitted now.
fn check(state: &State, readmit: &Readmit) -> Result<(), Refusal> {
    let epoch = state.core.epoch;
    let last = match state.core.readmitted {
        Some(last) if readmit.epoch == epoch => last,
        Some(_) | None => return Err(Refusal::out_of_range(Code::NotRestored, epoch, epoch, readmit.epoch)),
    };
    if readmit.op > last {
        return Ok(());
    }
    Err(Refusal::out_of_range(Code::AlreadyReadmitted, last.saturating_add(1), u64::MAX, readmit.op))
}
