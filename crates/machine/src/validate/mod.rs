//! Validation: the machine checks its own invariants by counting everything again from the records.
//! Recovery, tests and operators use it.
//!
//! [`Machine::validate`] does it at once, for a machine that is not in use. A server that continues to sell
//! validates in bounded steps: [`Machine::begin_validation`] marks an op, and [`Machine::validation_step`]
//! compares the state as of that op while commands are applied. Both use the same checks. Validation
//! changes neither the state nor an answer.

mod digest;
mod orders;
mod recount;
#[cfg(test)]
mod tests;
mod validating;

use crate::ledger::findings::{FINDINGS_MAX, Findings};
use crate::ledger::recount_progress::Recount;
use crate::machine::Machine;
use crate::table::Progress;
use digest::DigestScan;
use stockhold_protocol::query::Validation;
pub(crate) use validating::Validating;

impl Machine {
    /// Describes each broken invariant in a sentence; empty if all invariants hold. The duration is
    /// proportional to the size of the state.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut recount = Recount::new(self.state());
        while recount.step(self.state(), u32::MAX) == Progress::More {}
        let mut findings = recount.finish();
        self.state().check_digest(&mut findings);
        self.state().check_order_counts(&mut findings);
        findings.0
    }

    /// Whether a snapshot or a validation is scanning the records. Only one scan can be in progress.
    #[must_use]
    pub fn is_walking(&self) -> bool {
        !self.snapshot.is_done()
            || self.validating.as_ref().is_some_and(|validating| validating.records.is_some())
    }

    /// Whether a validation is in progress: [`Machine::begin_validation`] was called, and
    /// [`Machine::validation_step`] has not returned a result yet.
    #[must_use]
    pub const fn is_validating(&self) -> bool {
        self.validating.is_some()
    }

    /// Begins a validation as of this op, after erasing what [`Machine::prepare_snapshot`] has left. No
    /// other scan of the records may be in progress.
    pub fn begin_validation(&mut self) {
        assert!(
            !self.is_walking() && !self.is_validating(),
            "only one scan over the records may be in progress"
        );
        while self.state_to_scan().erase_due_records(u32::MAX) {}
        let records = DigestScan::begin(self.state_to_scan());
        let recount = Box::new(Recount::new(self.state()));
        self.state_to_scan().recount = Some(recount);
        self.validating = Some(Validating {
            op: self.op(),
            digest: self.digest(),
            records: Some(records),
            findings: Findings::default(),
        });
    }

    /// Checks up to `budget` records. Returns the result when all have been checked.
    pub fn validation_step(&mut self, budget: u32) -> Option<Validation> {
        let mut validating = self.validating.take()?;
        if let Some(mut scan) = validating.records.take() {
            if scan.step(self.state_to_scan(), budget) == Progress::More {
                validating.records = Some(scan);
            } else {
                scan.compare(&mut validating.findings);
            }
            self.validating = Some(validating);
            return None;
        }
        let mut recount = self.state_to_scan().recount.take()?;
        if recount.step(self.state(), budget) == Progress::More {
            self.state_to_scan().recount = Some(recount);
            self.validating = Some(validating);
            return None;
        }
        let mut violations = validating.findings.0;
        violations.extend(recount.finish().0);
        violations.truncate(FINDINGS_MAX);
        Some(Validation { op: validating.op, digest: validating.digest, violations })
    }
}
