//! The progress of a recount of all promises. Commands can be applied between its steps, so it is stored in
//! the state. It is not part of any record.

use crate::ledger::findings::Findings;
use std::collections::BTreeMap;
use stockhold_protocol::Timestamp;

/// The units of one SKU in one stock that are promised to orders and to holds.
#[derive(Default, PartialEq, Eq, Debug, Clone, Copy)]
pub(crate) struct Sums {
    pub(crate) confirmed: i64,
    pub(crate) held: i64,
}

/// Returns each number below `end` once.
#[derive(Debug)]
pub(crate) struct VisitOnce {
    cursor: u32,
    end: u32,
    /// One bit per number: visited out of order.
    visited: Vec<u64>,
}

impl VisitOnce {
    pub(crate) fn new(end: u32) -> Self {
        // The system provides zeroed memory page by page when it is first touched, so this causes no pause.
        Self { cursor: 0, end, visited: vec![0; end.div_ceil(u64::BITS) as usize] }
    }

    /// The next number that was not visited yet.
    pub(crate) fn next(&mut self) -> Option<u32> {
        while self.cursor < self.end {
            let number = self.cursor;
            self.cursor = number.saturating_add(1);
            if !self.mark(number) {
                return Some(number);
            }
        }
        None
    }

    /// Whether a number was not visited yet. It counts as visited afterwards.
    pub(crate) fn is_first_visit(&mut self, number: u32) -> bool {
        number >= self.cursor && number < self.end && !self.mark(number)
    }

    /// Marks a number as visited. Returns whether it was visited before.
    fn mark(&mut self, number: u32) -> bool {
        let word = &mut self.visited[(number / u64::BITS) as usize];
        let bit = 1 << (number % u64::BITS);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

/// A recount as of one op. The counting is in `recount`.
#[derive(Debug)]
pub(crate) struct Recount {
    /// The op of the mark, and its time.
    pub(crate) op: u64,
    pub(crate) time: Timestamp,
    pub(crate) reservations: VisitOnce,
    /// Units that are promised without a reservation.
    pub(crate) unreserved: VisitOnce,
    /// Clusters whose promises must be counted as of the mark.
    pub(crate) clusters: VisitOnce,
    /// Clusters whose own numbers must be compared. These must agree at any time.
    pub(crate) cluster_checks: VisitOnce,
    /// Orders whose totals must be compared with their reservations. These must agree at any time.
    pub(crate) orders: VisitOnce,
    /// Old names up to this op have been checked. These must be sound at any time.
    pub(crate) old_names: u64,
    /// Low-stock configurations up to this one have been checked. These must be sound at any time.
    pub(crate) notifies: Option<(u32, u32)>,
    pub(crate) sums: BTreeMap<(u32, u32), Sums>,
    pub(crate) findings: Findings,
    pub(crate) has_overflowed: bool,
}
