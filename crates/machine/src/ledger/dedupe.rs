//! Exactly once: what an id has answered, whether it may still execute, and the horizon below which it is too old.
//!
//! Not for how answers are stored: that is `book`, and the table of generations below it.

use crate::ledger::record::{OutcomeRow, generation_of, read_side};
use crate::ledger::reservation_index::{Answered, MOVED_PER_OP, row_of_grant};
use crate::ledger::state::State;
use stockhold_protocol::{Code, CommandId, Outcome};

/// Side bytes that must fit before a command is executed: more than any recorded detail needs.
const SIDE_RESERVE: usize = 8 * 1024;
/// What a client that met full outcome memory is asked to wait, in milliseconds.
const BUSY_RETRY_MS: u32 = 1_000;

impl State {
    /// The answer to an id that was used, is too old, or cannot be recorded now; `None`: it is new.
    pub(crate) fn answer_of_known_id(&self, op: u64, id: CommandId, fingerprint: u64) -> Option<Outcome> {
        let number = generation_of(id);
        if number < self.core.horizon {
            let Some(slot) = self.find_reservation(id) else {
                let detail = self.id_range(id.client_time_ms());
                return Some(Outcome::new(Code::IdTooOld, 0, op).with(detail));
            };
            let grant = self.reservations.get(slot).grant();
            if grant.fingerprint != fingerprint {
                return Some(Outcome::new(Code::IdReused, 0, op));
            }
            return Some(self.granted_outcome(slot));
        }
        match self.answered(id) {
            Some(Answered::Row(row)) if row.is_of(fingerprint) => {
                return Some(self.recorded(number, row));
            }
            // As many bits are compared as a row keeps, because a row may take the grant's place at any time.
            Some(Answered::Grant(slot)) if row_of_grant(self.reservations.get(slot)).is_of(fingerprint) => {
                return Some(self.granted_outcome(slot));
            }
            Some(Answered::Row(_) | Answered::Grant(_)) => {
                return Some(Outcome::new(Code::IdReused, 0, op));
            }
            None => {}
        }
        if id.client_time_ms() > self.id_time_max() {
            let detail = self.id_range(id.client_time_ms());
            return Some(Outcome::new(Code::IdFromFuture, 0, op).with(detail));
        }
        let bytes = self.outcomes.bytes_counted().saturating_add(SIDE_RESERVE as u64);
        let is_full = bytes > self.core.configuration.outcome_bytes_max
            || !self.outcomes.has_side_room(number, SIDE_RESERVE);
        is_full.then(|| Outcome::new(Code::Busy, BUSY_RETRY_MS, op))
    }

    /// Drops the generations that are older than the retention, and, when memory is short, those older than
    /// the least retention. An id below the horizon that this leaves can never execute again.
    pub(crate) fn raise_horizon(&mut self) {
        let configuration = self.core.configuration;
        self.forget_gaps();
        let target = self.oldest_kept(configuration.id_retention_ms);
        let reserve = SIDE_RESERVE as u64;
        let is_short =
            self.outcomes.bytes_counted().saturating_add(reserve) > configuration.outcome_bytes_max;
        if self.core.horizon >= target && !is_short && !self.outcomes.has_dropped() {
            // Nothing to drop and nothing to free: so it is for all but a few ops.
            return;
        }
        let least = self.oldest_kept(configuration.id_retention_min_ms);
        while let Some(oldest) = self.outcomes.oldest() {
            let is_short =
                self.outcomes.bytes_counted().saturating_add(reserve) > configuration.outcome_bytes_max;
            if oldest >= target && !(is_short && oldest < least) {
                break;
            }
            if let Some(dropped) = self.outcomes.drop_oldest() {
                self.digest.sub(dropped.digest.to_u64());
                #[cfg(feature = "mutants")]
                if crate::mutant::is(crate::mutant::Mutant::KeepsTheHorizon) {
                    continue;
                }
                self.core.horizon = self.core.horizon.max(dropped.number.saturating_add(1));
            }
        }
        #[cfg(feature = "mutants")]
        let target = if crate::mutant::is(crate::mutant::Mutant::KeepsTheHorizon) {
            self.core.horizon
        } else {
            target
        };
        if self.core.horizon < target {
            self.core.horizon = target;
        }
        self.outcomes.raise_number_min(self.core.horizon);
        // Moving and freeing are bounded per op and change no answer; what is left waits for the next one.
        self.move_references(MOVED_PER_OP);
        if self.outcomes.free_some(1) == crate::table::Progress::More {}
    }

    /// The recorded outcome of a row, marked as replayed.
    fn recorded(&self, number: u64, row: &OutcomeRow) -> Outcome {
        let Some(code) = Code::from_number(row.code()) else {
            unreachable!("a code is recorded by this program, or known to it since it was loaded");
        };
        let mut outcome = Outcome::new(code, row.value(), row.op());
        outcome.replayed = true;
        if row.has_side() {
            let side = self.outcomes.arena(number).map(|arena| arena.get(row.value()));
            let Some(Ok((value, detail))) = side.map(read_side) else {
                unreachable!(
                    "side bytes are written by this program, or were read once when they were loaded"
                );
            };
            (outcome.value, outcome.detail) = (value, detail);
        }
        outcome
    }
}
