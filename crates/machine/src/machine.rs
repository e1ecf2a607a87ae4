//! The machine: one command after the other, each decided by the state and the proposed time alone.
//!
//! ```text
//! record ─► time passes ─► bad field? ─► known id? ─► plan (reads only) ─► execute (cannot fail) ─► outcome recorded
//! ```
//! It is *not* for anything that knows of disks, sockets, clocks or threads; and nothing in it is an
//! error: whatever the bytes, there is an outcome.

use crate::book::{Answered, MOVED_PER_OP, row_of_grant};
use crate::cart::Planned;
use crate::changes::Changes;
use crate::config::{GENERATION_MS, Genesis, ID_AHEAD_MAX_MS, RULES_VERSION, WRITERS_MAX};
use crate::record::{LineState, OutcomeRow};
use crate::state::{State, WriterRow};
use crate::table::record_hash;
use stockhold_protocol::batch::BatchHeader;
use stockhold_protocol::codec::encode_cold;
use stockhold_protocol::command::{Command, Envelope, Kind, Scratch};
use stockhold_protocol::{Code, CommandId, Detail, Line, Outcome, SkuId, StockId, Timestamp};

/// Side bytes that must fit before a command is executed: more than any recorded detail needs.
const SIDE_RESERVE: usize = 8 * 1024;
/// The latest time of an op: one second before the last one that a deadline can express, so that a record's
/// end always lies ahead of the op that sets it.
const TIME_MAX: Timestamp = Timestamp(Timestamp::MAX.0 - 1_000);
/// What a client that met full outcome memory is asked to wait, in milliseconds.
const BUSY_RETRY_MS: u32 = 1_000;

/// Whether a batch is to be applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchVerdict {
    /// Apply its commands.
    Apply,
    /// It was applied before: skip all of it.
    Duplicate,
    /// Batches of this writer are missing, or its session is older than one that was seen: refuse the log.
    Gap {
        /// The number that should come next.
        expected: u64,
    },
    /// More writers than are remembered.
    TooManyWriters,
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    pub(crate) state: State,
    pub(crate) scratch: Scratch,
    /// The lines of the command in hand, merged.
    pub(crate) lines: Vec<Line>,
    pub(crate) planned: Vec<Planned>,
    pub(crate) line_states: Vec<LineState>,
    pub(crate) walk: crate::snapshot::Walk,
}

/// A decision that is not a plain yes.
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) value: u32,
    pub(crate) detail: Detail,
}

impl Refusal {
    pub(crate) const fn new(code: Code) -> Self {
        Self { code, value: 0, detail: Detail::None }
    }

    /// A refusal of the line at `index`.
    pub(crate) fn of_line(code: Code, index: usize) -> Self {
        Self { code, value: u32::try_from(index).unwrap_or(u32::MAX), detail: Detail::None }
    }

    pub(crate) fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn field(error: &stockhold_protocol::BadField) -> Self {
        let detail = Detail::Field { field: error.field.to_owned(), rule: error.rule.to_owned() };
        Self { code: Code::BadField, value: 0, detail }
    }
}

/// What a command decided, before it is an outcome with an op.
pub(crate) type Decision = Result<Answer, Refusal>;

/// A command took effect.
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) value: u32,
    pub(crate) detail: Detail,
}

impl Answer {
    pub(crate) const fn ok(value: u32) -> Self {
        Self { code: Code::Ok, value, detail: Detail::None }
    }

    pub(crate) fn with(mut self, detail: Detail) -> Self {
        self.detail = detail;
        self
    }
}

impl Machine {
    /// A machine before its first op.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self::of(State::new(genesis))
    }

    pub(crate) fn of(state: State) -> Self {
        Self {
            state,
            scratch: Scratch::default(),
            lines: Vec::new(),
            planned: Vec::new(),
            line_states: Vec::new(),
            walk: crate::snapshot::Walk::default(),
        }
    }

    /// The last applied op; 0 = none.
    #[must_use]
    pub const fn op(&self) -> u64 {
        self.state.core.op
    }

    /// The time of the last applied op.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.state.core.time
    }

    /// Whether a batch of this writer comes next; if so it is remembered as applied.
    pub fn begin_batch(&mut self, header: &BatchHeader) -> BatchVerdict {
        let row = WriterRow { writer: header.writer, session: header.session, number: header.number };
        let writers = &mut self.state.core.writers;
        let Some(known) = writers.iter_mut().find(|known| known.writer == row.writer) else {
            if row.number != 1 {
                return BatchVerdict::Gap { expected: 1 };
            }
            if writers.len() >= WRITERS_MAX {
                return BatchVerdict::TooManyWriters;
            }
            writers.push(row);
            return BatchVerdict::Apply;
        };
        let expected = if row.session > known.session { 1 } else { known.number.saturating_add(1) };
        if row.session < known.session || (row.session == known.session && row.number < expected) {
            return BatchVerdict::Duplicate;
        }
        if row.number != expected {
            return BatchVerdict::Gap { expected };
        }
        *known = row;
        BatchVerdict::Apply
    }

    /// Applies one command record as the next op. Whatever the bytes are, there is an outcome.
    pub fn apply(&mut self, proposed: Timestamp, record: &[u8]) -> Outcome {
        let op = self.next_op(proposed);
        match Envelope::decode(record) {
            Ok(envelope) => self.decide(op, &envelope),
            Err(error) => Outcome::bad_field(&error, op),
        }
    }

    /// Lets an op pass without effect: an operator skipped it after it had stopped the server.
    pub fn skip(&mut self, proposed: Timestamp) -> Outcome {
        let op = self.next_op(proposed);
        Outcome::new(Code::Skipped, 0, op)
    }

    /// What changed for readers since the last call; `into` is overwritten.
    pub fn take_changes(&mut self, into: &mut Changes) {
        self.state.take_changes(into);
    }

    /// Everything that readers must know; `into` is overwritten.
    pub fn all_changes(&self, into: &mut Changes) {
        self.state.all_changes(into);
    }

    /// The second in which a hold ends, so that a tick would free its units for readers.
    #[must_use]
    pub fn next_due(&self) -> Option<u32> {
        self.state.next_due()
    }

    /// Does up to `budget` steps of work that changes no answer: refreshes due cells, erases records whose
    /// time is up, frees memory. True if more is left. For the shell, between batches.
    pub fn sweep(&mut self, budget: u32) -> bool {
        let cells = self.state.refresh_due_clusters(budget);
        let records = self.state.erase_due_records(budget);
        let references = self.state.move_references(budget);
        let memory = self.state.outcomes.free_some(budget) == crate::table::Progress::More;
        cells || records || references || memory
    }

    /// The digest of the state as of the last op: equal for equal states, on every machine.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut bytes = Vec::new();
        let encoded = encode_cold(&self.state.core_record(), &mut bytes);
        assert!(encoded.is_ok(), "the core record is bounded and always encodes");
        let core = record_hash(crate::record::Section::Core as u8, &bytes);
        self.state.whole_digest().to_u64().wrapping_add(core).wrapping_add(self.state.catalog.hash())
    }

    /// What can still be promised of a SKU in a stock, exact as of the last op.
    #[must_use]
    pub fn cell(&self, sku: SkuId, stock: StockId) -> i64 {
        match self.state.find(sku.0, stock.0) {
            Some(at) => {
                let cluster = self.state.clusters.get(at.cluster);
                let group = self.state.catalog.layout.group(cluster.group);
                let left = cluster.pool_at(group, self.state.now_s()).left(group, at.index);
                self.state.cell_value(at.cluster, at.index, left)
            }
            None => stockhold_protocol::query::CELL_NOT_ASSIGNED,
        }
    }

    fn next_op(&mut self, proposed: Timestamp) -> u64 {
        let time = self.state.core.time.max(proposed).min(TIME_MAX);
        self.state.core.op = self.state.core.op.saturating_add(1);
        self.state.pass_time(time);
        self.state.raise_horizon();
        self.state.core.op
    }

    fn decide(&mut self, op: u64, envelope: &Envelope<'_>) -> Outcome {
        if envelope.command.kind() == Kind::Tick {
            let mut outcome = Outcome::new(Code::Ok, 0, op);
            outcome.recorded = false;
            return outcome;
        }
        let fingerprint = envelope.command.fingerprint(&mut self.scratch);
        if let Some(answer) = self.answer_of_known_id(op, envelope.id, fingerprint) {
            return answer;
        }
        let decision = self.execute(op, envelope.id, fingerprint, &envelope.command);
        let outcome = match decision {
            Ok(answer) => Outcome::new(answer.code, answer.value, op).with(answer.detail),
            Err(refusal) => Outcome::new(refusal.code, refusal.value, op).with(refusal.detail),
        };
        #[cfg(feature = "mutants")]
        if !outcome.code.is_success() && crate::mutant::is(crate::mutant::Mutant::ForgetsRefusals) {
            return outcome;
        }
        if outcome.recorded {
            self.state.record(envelope.id, fingerprint, &outcome);
        }
        outcome
    }

    /// The answer to an id that was used, is too old, or cannot be recorded now; `None`: it is new.
    fn answer_of_known_id(&self, op: u64, id: CommandId, fingerprint: u64) -> Option<Outcome> {
        let number = generation_of(id);
        if number < self.state.core.horizon {
            let Some(slot) = self.state.find_reservation(id) else {
                return Some(Outcome::new(Code::IdTooOld, 0, op));
            };
            let grant = self.state.reservations.get(slot).grant();
            if grant.fingerprint != fingerprint {
                return Some(Outcome::new(Code::IdReused, 0, op));
            }
            return Some(self.state.granted_outcome(slot));
        }
        match self.state.answered(id) {
            Some(Answered::Row(row)) if row.is_of(fingerprint) => {
                return Some(self.state.recorded(number, row));
            }
            // As many bits are compared as a row keeps, because a row may take the grant's place at any time.
            Some(Answered::Grant(slot))
                if row_of_grant(self.state.reservations.get(slot)).is_of(fingerprint) =>
            {
                return Some(self.state.granted_outcome(slot));
            }
            Some(Answered::Row(_) | Answered::Grant(_)) => {
                return Some(Outcome::new(Code::IdReused, 0, op));
            }
            None => {}
        }
        if id.client_time_ms() > self.state.core.time.0.saturating_add(ID_AHEAD_MAX_MS) {
            return Some(Outcome::new(Code::IdFromFuture, 0, op));
        }
        let bytes = self.state.outcomes.bytes_counted().saturating_add(SIDE_RESERVE as u64);
        let is_full = bytes > self.state.core.configuration.outcome_bytes_max
            || !self.state.outcomes.has_side_room(number, SIDE_RESERVE);
        is_full.then(|| Outcome::new(Code::Busy, BUSY_RETRY_MS, op))
    }

    fn execute(&mut self, op: u64, id: CommandId, fingerprint: u64, command: &Command<'_>) -> Decision {
        let ticket = Ticket { op, id, fingerprint };
        match command {
            Command::Reserve(reserve) => self.reserve(ticket, reserve),
            Command::Confirm(reservation) => self.confirm(*reservation),
            Command::Release(release) => self.release(release),
            Command::Extend(extend) => self.extend(*extend),
            Command::Replace(replace) => self.replace(ticket, replace),
            Command::Ship(ship) => self.ship(ship),
            Command::Sell(sell) => self.sell(ticket, sell),
            Command::Refund(refund) => self.refund(refund),
            Command::Count(count) => self.count(count),
            Command::Adjust(adjust) => self.adjust(adjust),
            Command::Transfer(transfer) => self.transfer(transfer),
            Command::DefineSource(source) => self.define_source(source),
            Command::DefineStock(stock) => self.define_stock(stock),
            Command::DefineSku(sku) => self.define_sku(sku),
            Command::Link(link) => self.link(*link),
            Command::Unlink(link) => self.unlink(*link),
            Command::Channel(channel) => self.channel(channel),
            Command::Settings(change) => self.settings(change),
            Command::Quota(quota) => self.quota(*quota),
            Command::Configure(change) => self.configure(change),
            Command::Tick => Ok(Answer::ok(0)),
            Command::Mark(mark) => Ok(self.mark(mark)),
            Command::ActivateRules(version) if *version == RULES_VERSION => {
                self.state.core.rules_version = *version;
                Ok(Answer::ok(*version))
            }
            Command::ActivateRules(_) => Err(Refusal::new(Code::NotSupported)),
        }
    }
}

/// What a command that makes a reservation needs to know of itself.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    pub(crate) op: u64,
    pub(crate) id: CommandId,
    pub(crate) fingerprint: u64,
}

/// The generation that an id belongs to, by the client's time in it.
pub(crate) const fn generation_of(id: CommandId) -> u64 {
    id.client_time_ms() / GENERATION_MS
}

impl State {
    /// Drops the generations that are older than the retention, and, when memory is short, those older than
    /// the least retention. An id below the horizon that this leaves can never execute again.
    fn raise_horizon(&mut self) {
        let configuration = self.core.configuration;
        let oldest_kept = |retention: u64| self.core.time.0.saturating_sub(retention) / GENERATION_MS;
        let target = oldest_kept(configuration.id_retention_ms);
        let reserve = SIDE_RESERVE as u64;
        let is_short =
            self.outcomes.bytes_counted().saturating_add(reserve) > configuration.outcome_bytes_max;
        if self.core.horizon >= target && !is_short && !self.outcomes.has_dropped() {
            // Nothing to drop and nothing to free: so it is for all but a few ops.
            return;
        }
        let least = oldest_kept(configuration.id_retention_min_ms);
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
        let code = Code::from_number(row.code()).unwrap_or(Code::Ok);
        let mut outcome = Outcome::new(code, row.value(), row.op());
        outcome.replayed = true;
        if row.has_side()
            && let Some(arena) = self.outcomes.arena(number)
            && let Some((value, detail)) = arena.get(row.value()).split_first_chunk::<4>()
        {
            outcome.value = u32::from_le_bytes(*value);
            outcome.detail = Detail::decode(detail).unwrap_or_default();
        }
        outcome
    }
}
