//! The machine's own invariants, checked from the records up: what recovery, tests and operators run.
//!
//! Everything is counted again and compared. [`Machine::validate`] does so at once, for a machine that nothing else uses. A
//! server that goes on selling validates in bounded steps: [`Machine::begin_validation`] marks an op, and
//! [`Machine::validation_step`] compares the state as of that op while commands are applied. Both use the same checks.
//! Nothing here changes the state or an answer.

pub(crate) mod count;
mod digest;
mod findings;
mod recount;
#[cfg(test)]
mod tests;
mod validating;

use crate::machine::Machine;
use crate::table::Progress;
use count::Recount;
use digest::DigestWalk;
use findings::{Findings, TOLD_MAX};
use stockhold_protocol::query::Validation;
pub(crate) use validating::Validating;

impl Machine {
    /// Broken invariants, as sentences; empty when all hold. The time that it takes is in proportion to the state.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut recount = Recount::new(&self.state);
        while recount.step(&self.state, u32::MAX) == Progress::More {}
        let mut findings = recount.finish();
        self.state.check_digest(&mut findings);
        findings.0
    }

    /// Whether a snapshot or a validation is walking over the records: one at a time.
    #[must_use]
    pub fn is_walking(&self) -> bool {
        !self.walk.is_over()
            || self.validating.as_ref().is_some_and(|validating| validating.records.is_some())
    }

    /// Whether [`Machine::begin_validation`] was called and the last step did not answer yet.
    #[must_use]
    pub const fn is_validating(&self) -> bool {
        self.validating.is_some()
    }

    /// Marks this op for a validation, after erasing what [`Machine::prepare_snapshot`] has left. Nothing else may walk
    /// over the records.
    pub fn begin_validation(&mut self) {
        assert!(!self.is_walking() && !self.is_validating(), "one walk over the records at a time");
        while self.state.erase_due_records(u32::MAX) {}
        let records = DigestWalk::begin(&mut self.state);
        self.state.recount = Some(Box::new(Recount::new(&self.state)));
        self.validating = Some(Validating {
            op: self.op(),
            digest: self.digest(),
            records: Some(records),
            findings: Findings::default(),
        });
    }

    /// Looks at up to `budget` records. Answers what was found when all have been looked at.
    pub fn validation_step(&mut self, budget: u32) -> Option<Validation> {
        let validating = self.validating.as_mut()?;
        if let Some(walk) = &mut validating.records {
            if walk.step(&mut self.state, budget) == Progress::Done {
                walk.judge(&mut validating.findings);
                validating.records = None;
            }
            return None;
        }
        let mut recount = self.state.recount.take()?;
        if recount.step(&self.state, budget) == Progress::More {
            self.state.recount = Some(recount);
            return None;
        }
        let validating = self.validating.take()?;
        let mut violations = validating.findings.0;
        violations.extend(recount.finish().0);
        violations.truncate(TOLD_MAX);
        Some(Validation { op: validating.op, digest: validating.digest, violations })
    }
}
