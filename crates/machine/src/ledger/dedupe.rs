//! Idempotency: whether an id was answered before, whether it may still execute, and the horizon below
//! which ids are too old.
//!
//! How outcomes are stored is in `reservation_index` and in the table of generations.

use crate::ledger::record::{OutcomeRow, generation_of, read_side};
use crate::ledger::reservation_index::{KnownOutcome, REFERENCES_MOVED_PER_OP, row_of_grant};
use crate::ledger::state::State;
use stockhold_protocol::{Code, CommandId, Outcome};

/// The space for side bytes that must be free before a command is executed: more than any recorded detail
/// needs.
const SIDE_RESERVE: usize = 8 * 1024;
/// How long a client is asked to wait when the memory for outcomes is full, in milliseconds.
const BUSY_RETRY_MS: u32 = 1_000;

impl State {
    /// The answer to an id that was used before, is too old, or cannot be recorded now. `None` means that
    /// the command must be executed.
    pub(crate) fn answer_of_known_id(&self, op: u64, id: CommandId, fingerprint: u64) -> Option<Outcome> {
        let number = generation_of(id);
        if self.is_below_horizon(id) {
            let detail = self.id_range(id.client_time_ms());
            let too_old = || Outcome::new(Code::IdTooOld, 0, op).with(detail);
            return Some(self.answer_of_kept_grant(op, id, fingerprint).unwrap_or_else(too_old));
        }
        match self.find_outcome(id) {
            // A placement that was reported as failed before it was decided is recognized by its id alone.
            Some(KnownOutcome::Row(row))
                if row.has_fingerprint(fingerprint) || row.code() == Code::PlaceFailed.number() =>
            {
                return Some(self.recorded_outcome(number, row));
            }
            // Only the bits that a row stores are compared, because a row can replace the grant at any
            // time.
            Some(KnownOutcome::Grant(slot))
                if row_of_grant(self.reservations.get(slot)).has_fingerprint(fingerprint) =>
            {
                return Some(self.granted_outcome(slot));
            }
            Some(KnownOutcome::Row(_) | KnownOutcome::Grant(_)) => {
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

    /// Whether outcomes of ids with the time of this one are not kept any more.
    pub(crate) fn is_below_horizon(&self, id: CommandId) -> bool {
        generation_of(id) < self.core.horizon
    }

    /// The answer to an id below the horizon whose reservation is still kept.
    pub(crate) fn answer_of_kept_grant(&self, op: u64, id: CommandId, fingerprint: u64) -> Option<Outcome> {
        let slot = self.find_reservation(id)?;
        if self.reservations.get(slot).grant().fingerprint != fingerprint {
            return Some(Outcome::new(Code::IdReused, 0, op));
        }
        Some(self.granted_outcome(slot))
    }

    /// Drops the generations that are older than the retention. If memory is short, it also drops those
    /// that are older than the minimum retention. An id below the resulting horizon can never execute
    /// again.
    pub(crate) fn raise_horizon(&mut self) {
        let configuration = self.core.configuration;
        self.forget_gaps();
        let target = self.oldest_kept(configuration.id_retention_ms);
        let reserve = SIDE_RESERVE as u64;
        let is_short =
            self.outcomes.bytes_counted().saturating_add(reserve) > configuration.outcome_bytes_max;
        if self.core.horizon >= target && !is_short && !self.outcomes.has_dropped() {
            // Nothing to drop and nothing to free, which is the case for nearly all ops.
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
        // Moving references and freeing memory are bounded per op and do not affect answers. The next ops
        // do the rest.
        self.move_references(REFERENCES_MOVED_PER_OP);
        if self.outcomes.free_some(1) == crate::table::Progress::More {}
    }

    /// The recorded outcome of a row, marked as replayed.
    fn recorded_outcome(&self, number: u64, row: &OutcomeRow) -> Outcome {
        let Some(code) = Code::from_number(row.code()) else {
            unreachable!("this program recorded the code, or checked it when it was loaded");
        };
        let mut outcome = Outcome::new(code, row.value(), row.op());
        outcome.replayed = true;
        if row.has_side() {
            let side = self.outcomes.arena(number).map(|arena| arena.get(row.value()));
            let Some(Ok((value, detail))) = side.map(read_side) else {
                unreachable!("this program wrote the side bytes, or decoded them when they were loaded");
            };
            (outcome.value, outcome.detail) = (value, detail);
        }
        outcome
    }
}
