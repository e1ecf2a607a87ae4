//! How far a count of all promises is, which commands may disturb: a part of the state that holds it, and not of any record.

use super::findings::Findings;
use std::collections::BTreeMap;
use stockhold_protocol::Timestamp;

/// What is promised in one stock of one SKU: to orders, and to holds.
#[derive(Default, PartialEq, Eq, Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) confirmed: i64,
    pub(super) held: i64,
}

/// The numbers below an end, each visited once.
#[derive(Debug)]
pub(super) struct Visits {
    cursor: u32,
    end: u32,
    /// One bit each: visited out of turn.
    visited: Vec<u64>,
}

impl Visits {
    pub(super) fn new(end: u32) -> Self {
        // Zeroed memory comes from the system page by page as it is touched, so this is no pause.
        Self { cursor: 0, end, visited: vec![0; end.div_ceil(u64::BITS) as usize] }
    }

    /// The next one in turn.
    pub(super) fn next(&mut self) -> Option<u32> {
        while self.cursor < self.end {
            let number = self.cursor;
            self.cursor = number.saturating_add(1);
            if !self.mark(number) {
                return Some(number);
            }
        }
        None
    }

    /// Whether this one is still to be visited; it counts as visited from now on.
    pub(super) fn is_first_of(&mut self, number: u32) -> bool {
        number >= self.cursor && number < self.end && !self.mark(number)
    }

    /// Marks one as visited; whether it was so before.
    fn mark(&mut self, number: u32) -> bool {
        let word = &mut self.visited[(number / u64::BITS) as usize];
        let bit = 1 << (number % u64::BITS);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

/// A count as of one op; `recount` does it.
#[derive(Debug)]
pub(crate) struct Recount {
    /// The op as of which everything is counted, and its time.
    pub(super) op: u64,
    pub(super) time: Timestamp,
    pub(super) reservations: Visits,
    /// Clusters whose promises are to be counted as of the mark.
    pub(super) clusters: Visits,
    /// Clusters whose own numbers are to be compared; these hold at any time.
    pub(super) checks: Visits,
    pub(super) sums: BTreeMap<(u32, u32), Sums>,
    pub(super) findings: Findings,
    pub(super) has_overflowed: bool,
}
