//! The digest, computed again from the records: at once, or in steps as of one op.

use crate::ledger::cursor::{RecordSink, Sections};
use crate::ledger::findings::Findings;
use crate::ledger::record::{Record, Section};
use crate::ledger::state::State;
use crate::table::{Digest, NO_SLOT, Progress, record_hash};

/// A scan of all records as they were at one op.
#[derive(Debug)]
pub(super) struct DigestScan {
    sections: Sections,
    sum: HashSum,
    /// The running digest when the scan began.
    expected: Digest,
}

/// Sums up the hashes of records.
#[derive(Debug)]
struct HashSum {
    sum: Digest,
    bytes: Vec<u8>,
}

impl RecordSink for HashSum {
    fn write_record(&mut self, section: Section, put: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        put(&mut self.bytes);
        self.sum.add(record_hash(section as u8, &self.bytes));
    }
}

impl DigestScan {
    /// Begins a scan of this instant.
    pub(super) fn begin(state: &mut State) -> Self {
        state.sum_positions();
        state.begin_record_snapshots();
        let sum = HashSum { sum: Digest::EMPTY, bytes: Vec::new() };
        Self { sections: Sections::all(), sum, expected: state.digest }
    }

    /// Adds the records of up to `budget` slots.
    pub(super) fn step(&mut self, state: &mut State, budget: u32) -> Progress {
        let Some(section) = self.sections.current() else { return Progress::Done };
        if state.copy_section(section, budget, &mut self.sum) == Progress::Done {
            self.sections.advance();
        }
        if self.sections.is_done() { Progress::Done } else { Progress::More }
    }

    /// Compares the sum with the running digest, after the last step.
    pub(super) fn compare(&self, findings: &mut Findings) {
        compare_digests(self.expected, self.sum.sum, findings);
    }
}

fn compare_digests(running: Digest, found: Digest, findings: &mut Findings) {
    if found != running {
        findings.add(|| format!("the running digest {running} differs from that of the records, {found}"));
    }
}

impl State {
    /// Computes the digest of all records now and compares it.
    pub(super) fn check_digest(&self, findings: &mut Findings) {
        let mut digest = Digest::EMPTY;
        let mut bytes = Vec::new();
        let mut add = |hash: u64| digest.add(hash);
        self.skus.iter().for_each(|row| add(row.hash(&mut bytes)));
        self.settings.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.items.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.notifies.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.unreserved.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.positions.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        for (_, row) in self.reservations.iter() {
            if row.ends_at_s() != 0 && row.ends_at_s() <= self.now_s() {
                continue;
            }
            add(row.hash(&mut bytes));
            let mut next = row.more;
            while next != NO_SLOT {
                let line = self.lines.get(next);
                add(line.hash(&mut bytes));
                next = line.next;
            }
            let mut next = row.notes;
            while next != NO_SLOT {
                let note = self.notes.get(next);
                add(note.hash(&mut bytes));
                next = note.next;
            }
        }
        for (_, row) in self.orders.iter().filter(|(_, row)| self.is_present(row)) {
            add(row.hash(&mut bytes));
        }
        self.order_parts.iter().for_each(|(_, row)| add(row.hash(&mut bytes)));
        self.outcomes.for_each(|row, arena| {
            add(row.hash(if row.has_side() { arena.get(row.value()) } else { &[] }, &mut bytes));
        });
        for (_, row) in self.reservations.iter() {
            if let Some(outcome) = self.outcome_of_grant(row) {
                add(outcome.hash(&[], &mut bytes));
            }
        }
        compare_digests(self.whole_digest(), digest, findings);
    }
}
