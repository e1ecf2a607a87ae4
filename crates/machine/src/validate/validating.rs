//! A validation under way, as far as the machine keeps it.

use super::digest::DigestWalk;
use super::findings::Findings;

/// A validation under way; the part that commands can disturb stands in the state.
#[derive(Debug)]
pub(crate) struct Validating {
    pub(super) op: u64,
    pub(super) digest: u64,
    /// `None` when the records have been summed up.
    pub(super) records: Option<DigestWalk>,
    pub(super) findings: Findings,
}
