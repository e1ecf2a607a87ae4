//! Validations while the server works: the machine counts itself again, a bounded number of records at a time, for all who asked before
//! it began. One at a time; what is counted is the machine's business.

use stockhold_machine::{Machine, Progress};
use stockhold_protocol::query::{Answer, Validation};

use super::answers::send_answer;
use super::reply_queue::ReplyWriter;
use super::snapshots::Waiter;

/// Records looked at in one step: 30 to 100 µs.
const RECORDS_PER_STEP: u32 = 512;

/// See the module.
#[derive(Debug, Default)]
pub struct ValidationStage {
    /// Who is served by the validation under way.
    served: Vec<Waiter>,
    /// Who asked after it had begun. Bounded as questions of connections are.
    waiting: Vec<Waiter>,
}

impl ValidationStage {
    /// Asks for a validation.
    pub fn request(&mut self, waiter: Waiter) {
        self.waiting.push(waiter);
    }

    /// Whether somebody waits for an answer.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.served.is_empty() || !self.waiting.is_empty()
    }

    /// Whether it waits for the records, over which a snapshot walks.
    #[must_use]
    pub fn waits_for_walk(&self, machine: &Machine) -> bool {
        self.has_work() && !machine.is_validating() && machine.is_walking()
    }

    /// Does a bounded amount; whether there is more to do at once.
    pub fn step(&mut self, machine: &mut Machine, replies: &mut ReplyWriter) -> bool {
        if machine.is_validating() {
            if let Some(validation) = machine.validation_step(RECORDS_PER_STEP) {
                self.answer(&validation, replies);
            }
            return self.has_work();
        }
        if self.waiting.is_empty() || machine.is_walking() {
            return false;
        }
        if machine.prepare_snapshot(RECORDS_PER_STEP) == Progress::Done {
            machine.begin_validation();
            self.served.append(&mut self.waiting);
        }
        true
    }

    fn answer(&mut self, validation: &Validation, replies: &mut ReplyWriter) {
        let answer = Answer::Validation(validation.clone());
        for waiter in self.served.drain(..) {
            send_answer(replies, waiter.address, waiter.request, &answer);
        }
    }
}
