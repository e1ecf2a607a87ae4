//! Validations of a running server. The machine recounts itself a bounded number of records at a time. One validation
//! runs at a time and answers all requests that arrived before it began.

use stockhold_machine::{Machine, Progress};
use stockhold_protocol::query::{QueryAnswer, Validation};

use super::answers::send_answer;
use super::reply_queue::ReplyWriter;
use super::snapshots::Waiter;

/// The number of records per step, which takes 30 to 100 µs.
const RECORDS_PER_STEP: u32 = 512;

/// The part of the applier that runs validations.
#[derive(Debug, Default)]
pub struct ValidationStage {
    /// The requests that the validation in progress answers.
    served: Vec<Waiter>,
    /// The requests that arrived after it had begun. The limit on questions in flight bounds them.
    waiting: Vec<Waiter>,
}

impl ValidationStage {
    /// Requests a validation.
    pub fn request(&mut self, waiter: Waiter) {
        self.waiting.push(waiter);
    }

    /// Whether a request waits for an answer.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.served.is_empty() || !self.waiting.is_empty()
    }

    /// Whether it waits until a snapshot has finished its walk over the records.
    #[must_use]
    pub fn waits_for_walk(&self, machine: &Machine) -> bool {
        self.has_work() && !machine.is_validating() && machine.is_walking()
    }

    /// Does a bounded amount of work. Returns whether there is more to do at once.
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
        let answer = QueryAnswer::Validation(validation.clone());
        for waiter in self.served.drain(..) {
            send_answer(replies, waiter.address, waiter.request, &answer);
        }
    }
}
