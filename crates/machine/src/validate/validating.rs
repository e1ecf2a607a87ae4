//! The part of a validation in progress that the machine stores.

use super::digest::DigestScan;
use crate::ledger::findings::Findings;

/// A validation in progress. The part that depends on commands is `State::recount`.
#[derive(Debug)]
pub(crate) struct Validating {
    pub(super) op: u64,
    pub(super) digest: u64,
    /// The scan for the digest; `None` when it is complete.
    pub(super) records: Option<DigestScan>,
    pub(super) findings: Findings,
}
