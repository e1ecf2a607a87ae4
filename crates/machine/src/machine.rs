//! The machine executes one command after the other. The state and the proposed time alone decide each.
//!
//! ```text
//! record ─► set time ─► bad field? ─► known id? ─► plan (reads only) ─► execute (cannot fail) ─► record outcome
//! ```
//! The machine does *not* use disks, sockets, clocks or threads. There are no errors either: any bytes give
//! an outcome.

mod carts;
mod orders;
mod readmit;

use crate::config::{ACTORS_MAX, Genesis, NOTIFIES_MAX, RULES_VERSION, WRITERS_MAX};
use crate::decision::{Answer, Decision, Refusal, Ticket};
use crate::ledger::actor::{OTHER, SERVER};
use crate::ledger::changes::Changes;
use crate::ledger::core::WriterRow;
use crate::ledger::hold_time::ClockView;
use crate::ledger::state::State;
use crate::moves::{CartPlan, Definition, ItemPlan, Plan};
use crate::table::record_hash;
use stockhold_protocol::batch::{BatchHeader, Run};
use stockhold_protocol::command::{Command, Envelope, PlainCart, Scratch};
use stockhold_protocol::{Code, CommandId, Outcome, SkuId, StockId, Timestamp};

/// The latest time of an op: one second before the last time that a deadline can represent, so the end of a
/// record is always later than the op that sets it.
const TIME_MAX: Timestamp = Timestamp(Timestamp::MAX.0 - 1_000);

/// The most ops between two digests, not counting the rest of the last batch.
const DIGEST_OPS: u64 = 4_096;

/// The digest of the state after the last op of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DigestPoint {
    /// The op.
    pub op: u64,
    /// The digest after that op.
    pub digest: u64,
}

/// Whether a batch must be applied. Any other batch is passed over: it takes no op and no time, and changes
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchVerdict {
    /// Apply its commands.
    Apply,
    /// It was applied before.
    Duplicate,
    /// The writer has begun a later session since. Batches of older sessions are not known any more, so it
    /// may or may not have been applied.
    OldSession {
        /// The session of the last batch of this writer.
        known: u64,
    },
    /// Batches of this writer are missing.
    Gap {
        /// The number that must come next.
        expected: u64,
    },
    /// There are more than [`WRITERS_MAX`] writers.
    TooManyWriters,
}

/// The state machine, with buffers for the command that it executes.
#[derive(Debug)]
pub struct Machine {
    /// Only the machine, snapshots and validations have it mutably. Verbs and views read it.
    state: State,
    /// The numbers of the actors that the current batch has introduced.
    batch_actors: Vec<u16>,
    /// Op and time before the current batch.
    batch_start: (u64, Timestamp),
    scratch: Scratch,
    cart: CartPlan,
    plan: Plan,
    items: ItemPlan,
    pub(crate) snapshot: crate::ledger::cursor::SnapshotCursor,
    pub(crate) validating: Option<crate::validate::Validating>,
}

impl Machine {
    /// A machine before its first op.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        Self::of(State::new(genesis))
    }

    pub(crate) fn of(state: State) -> Self {
        Self {
            batch_start: (state.core.op, state.core.time),
            state,
            batch_actors: Vec::new(),
            scratch: Scratch::default(),
            cart: CartPlan::default(),
            plan: Plan::default(),
            items: ItemPlan::default(),
            snapshot: crate::ledger::cursor::SnapshotCursor::default(),
            validating: None,
        }
    }

    /// The state, for readers.
    pub(crate) const fn state(&self) -> &State {
        &self.state
    }

    /// The state, for snapshots and validations: they erase records whose retention has ended, and mark how far their
    /// scan has come.
    pub(crate) const fn state_to_scan(&mut self) -> &mut State {
        &mut self.state
    }

    /// The version of the rules that are in force.
    #[must_use]
    pub const fn rules_version(&self) -> u32 {
        self.state.core.rules_version
    }

    /// The epoch of the log, according to its commands.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.state.core.epoch
    }

    /// How often a name was given to another thing.
    #[must_use]
    pub const fn name_generation(&self) -> u32 {
        self.state.core.name_generation
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

    /// Decides whether a batch must be applied. If so, it is registered as applied. Any other batch changes
    /// nothing.
    pub fn begin_batch(&mut self, header: &BatchHeader) -> BatchVerdict {
        let verdict = self.admit(header);
        if verdict == BatchVerdict::Apply {
            let core = &mut self.state.core;
            core.feature_level = core.feature_level.max(header.feature_level);
            self.batch_start = (core.op, core.time);
            self.batch_actors.clear();
            self.state.actor = SERVER;
            self.state.know_names(u32::MAX);
        }
        verdict
    }

    fn admit(&mut self, header: &BatchHeader) -> BatchVerdict {
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
        if row.session < known.session {
            return BatchVerdict::OldSession { known: known.session };
        }
        let expected = if row.session > known.session { 1 } else { known.number.saturating_add(1) };
        if row.session == known.session && row.number <= known.number {
            return BatchVerdict::Duplicate;
        }
        if row.number != expected {
            return BatchVerdict::Gap { expected };
        }
        *known = row;
        BatchVerdict::Apply
    }

    /// Begins a run of the current batch: the commands that follow belong to its actor. A new actor gets a
    /// number, whatever the outcome of its commands.
    pub fn begin_run(&mut self, run: &Run<'_>) {
        if let Some(actor) = run.introduces {
            let number = self.state.catalog.intern(actor, ACTORS_MAX);
            self.batch_actors.push(number);
        }
        self.state.actor = self.batch_actors.get(usize::from(run.actor)).copied().unwrap_or(OTHER);
        self.state.know_names(run.name_generation);
    }

    /// Ends the current batch. Returns op and digest at the end of the first batch after each 4,096 ops and
    /// after each second of op time. Every machine that applies the log returns them at the same ops, so
    /// they can be compared.
    pub fn end_batch(&mut self) -> Option<DigestPoint> {
        let (op, time) = self.batch_start;
        let is_due = op / DIGEST_OPS != self.op() / DIGEST_OPS || time.0 / 1_000 != self.time().0 / 1_000;
        is_due.then(|| {
            self.state.sum_positions();
            DigestPoint { op: self.op(), digest: self.digest() }
        })
    }

    /// Applies one command record as the next op. Any bytes give an outcome.
    pub fn apply(&mut self, proposed: Timestamp, record: &[u8]) -> Outcome {
        let op = self.next_op(proposed);
        if let Some(cart) = PlainCart::read(record) {
            return self.answer_once(op, (cart.id, cart.fingerprint()), true, |machine, ticket| {
                machine.reserve_plain(ticket, &cart)
            });
        }
        match Envelope::decode(record) {
            Ok(envelope) => self.decide(op, &envelope),
            Err(error) => Outcome::bad_field(&error, op),
        }
    }

    /// Counts an op without executing its record: an operator has skipped it after it had stopped the
    /// server.
    pub fn skip(&mut self, proposed: Timestamp) -> Outcome {
        let op = self.next_op(proposed);
        Outcome::new(Code::Skipped, 0, op)
    }

    /// Moves the changes for readers since the last call to `into`, which is overwritten.
    pub fn take_changes(&mut self, into: &mut Changes) {
        self.state.take_changes(into);
    }

    /// All cells, names and channels that readers need. `into` is overwritten.
    pub fn all_changes(&self, into: &mut Changes) {
        self.state.all_changes(into);
    }

    /// The first op time at which a hold ends and frees its units, if no gap comes before.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let second = self.state.next_due_s()?;
        Some(Timestamp(u64::from(second).saturating_mul(1_000).saturating_add(self.state.hold_offset_ms())))
    }

    /// Whether anything can expire: a hold, or the retention of an id. In this case a server must log a
    /// tick each second, so that time that passes can be distinguished from a gap.
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        self.state.next_due_s().is_some() || self.state.outcomes.entries() > 0
    }

    /// The offsets between op time, hold time and wall clock after the last op.
    #[must_use]
    pub const fn clock(&self) -> ClockView {
        self.state.clock_view()
    }

    /// Does up to `budget` steps of work that changes no answer: it refreshes cells of ended holds, erases
    /// records whose retention has ended, and frees memory. Returns true if more is left. The caller calls
    /// it between batches.
    pub fn sweep(&mut self, budget: u32) -> bool {
        let cells = self.state.refresh_due_clusters(budget);
        let records = self.state.erase_due_records(budget);
        let references = self.state.move_references(budget);
        let memory = self.state.outcomes.free_some(budget) == crate::table::Progress::More;
        cells || records || references || memory
    }

    /// The digest of the state after the last op. Equal states have equal digests on every machine.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let core = record_hash(crate::ledger::record::Section::Core as u8, &self.state.core_bytes());
        self.state.whole_digest().to_u64().wrapping_add(core).wrapping_add(self.state.catalog.hash())
    }

    /// What a stock can still promise of a SKU, exact after the last op.
    #[must_use]
    pub fn cell(&self, sku: SkuId, stock: StockId) -> i64 {
        match self.state.find(sku.0, stock.0) {
            Some(at) => {
                let cluster = self.state.clusters.get(at.cluster);
                let group = self.state.catalog.layout.group(cluster.group);
                let left = cluster.pool_at(group, self.state.now_s()).left(group, at.index);
                self.state.cell_value(cluster, at.index, left)
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
        let core = &mut self.state.core;
        if let Command::WallOffset(offset_ms) = envelope.command {
            core.offsets.wall_ms = offset_ms;
        }
        if let Command::BeginEpoch(start) = envelope.command
            // An epoch never decreases: in a cluster, more than one node may begin the same epoch.
            && start.epoch > core.epoch
        {
            core.epoch = start.epoch;
            core.readmitted = start.restored.then(|| op.saturating_sub(1));
        }
        if envelope.command.is_of_servers() {
            let mut outcome = Outcome::new(Code::Ok, 0, op);
            outcome.recorded = false;
            return outcome;
        }
        if let Command::Readmit(readmit) = &envelope.command {
            return self.readmit(op, envelope.id, readmit);
        }
        let fingerprint = envelope.command.fingerprint(&mut self.scratch);
        let has_numbers = envelope.command.kind().has_numbers();
        self.answer_once(op, (envelope.id, fingerprint), has_numbers, |machine, ticket| {
            machine.execute(ticket, &envelope.command)
        })
    }

    /// Returns the recorded answer of a known id. Otherwise executes the command and records its outcome.
    #[inline]
    fn answer_once(
        &mut self,
        op: u64,
        (id, fingerprint): (CommandId, u64),
        has_numbers: bool,
        execute: impl FnOnce(&mut Self, Ticket) -> Decision,
    ) -> Outcome {
        if let Some(answer) = self.state.answer_of_known_id(op, id, fingerprint) {
            return answer;
        }
        if has_numbers && self.state.has_old_numbers {
            return Outcome::new(Code::NamesChanged, self.name_generation(), op);
        }
        let outcome = decided(op, execute(self, Ticket { op, id, fingerprint }));
        #[cfg(feature = "mutants")]
        if !outcome.code.is_success() && crate::mutant::is(crate::mutant::Mutant::ForgetsRefusals) {
            return outcome;
        }
        if outcome.recorded {
            self.state.record(id, fingerprint, &outcome);
        }
        outcome
    }

    /// Plans a command, checks the whole plan with the guard once, and executes it.
    fn plan_and_execute(&mut self, verb: impl FnOnce(&State, &mut Plan) -> Decision) -> Decision {
        self.plan.clear();
        let answer = verb(&self.state, &mut self.plan)?;
        self.state.guard(&self.plan)?;
        self.state.check_event(&self.plan)?;
        self.state.execute(&self.plan);
        Ok(self.state.with_report(answer, &self.plan))
    }

    /// Plans what becomes of many source items, checks the whole plan, and executes it.
    #[inline(never)]
    fn plan_and_change(&mut self, verb: impl FnOnce(&State, &mut ItemPlan) -> Decision) -> Decision {
        self.items.clear();
        let answer = verb(&self.state, &mut self.items)?;
        self.state.guard_items(&mut self.items);
        self.items.verdict()?;
        self.state.change_items(&self.items);
        Ok(self.state.with_shortfall(answer, &self.items))
    }

    /// Checks a definition and executes it.
    fn define(&mut self, check: impl FnOnce(&State) -> Result<Definition, Refusal>) -> Decision {
        let definition = check(&self.state)?;
        Ok(self.state.define(definition))
    }

    fn execute(&mut self, ticket: Ticket, command: &Command<'_>) -> Decision {
        match command {
            Command::Reserve(reserve) => self.reserve(ticket, reserve),
            Command::Confirm(reservation) => {
                self.plan_and_execute(|state, plan| state.plan_confirm(*reservation, plan))
            }
            Command::Release(release) => {
                self.plan_and_execute(|state, plan| state.plan_release(release, plan))
            }
            Command::Extend(extend) => self.plan_and_execute(|state, plan| state.plan_extend(*extend, plan)),
            Command::Replace(replace) => self.replace(ticket, replace),
            Command::Ship(ship) => self.plan_and_execute(|state, plan| state.plan_ship(ship, plan)),
            Command::Sell(sell) => self.sell(ticket, sell),
            Command::Refund(refund) => self.plan_and_execute(|state, plan| state.plan_refund(refund, plan)),
            Command::Amend(amend) => {
                // Expired holds must not count.
                self.state.settle_lines(amend.reservation, &amend.lines);
                self.plan_and_execute(|state, plan| state.plan_amend(amend, plan))
            }
            Command::Unship(unship) => self.plan_and_execute(|state, plan| state.plan_unship(unship, plan)),
            Command::OrderPlaced(placement) => self.place(ticket, placement),
            Command::OrderEvent(event) => self.order_event(ticket, event),
            Command::PlaceFailed(failure) => self.place_failed(ticket.op, failure),
            Command::OrderState(report) => {
                self.plan_and_execute(|state, plan| state.plan_order_state(report, plan))
            }
            Command::AppendReservations(append) => self.append_rows(ticket.op, append),
            Command::Count(count) => self.plan_and_execute(|state, plan| state.plan_count(count, plan)),
            Command::Adjust(adjust) => self.plan_and_execute(|state, plan| state.plan_adjust(adjust, plan)),
            Command::Transfer(transfer) => {
                self.plan_and_execute(|state, plan| state.plan_transfer(transfer, plan))
            }
            Command::CountMany(count) => {
                self.plan_and_change(|state, plan| state.plan_count_many(count, plan))
            }
            Command::Assign(assign) => self.plan_and_change(|state, plan| state.plan_assign(assign, plan)),
            Command::Unassign(unassign) => {
                self.plan_and_change(|state, plan| state.plan_unassign(unassign, plan))
            }
            Command::TransferMany(transfer) => {
                self.plan_and_change(|state, plan| state.plan_transfer_many(transfer, NOTIFIES_MAX, plan))
            }
            Command::TransferLines(transfer) => {
                self.plan_and_change(|state, plan| state.plan_transfer_lines(transfer, plan))
            }
            Command::DefineSource(source) => self.define(|state| state.check_source(source)),
            Command::DefineStock(stock) => self.define(|state| state.check_stock(stock)),
            Command::DefineSku(sku) => self.define(|state| state.check_sku(sku)),
            Command::Link(link) => self.define(|state| state.check_link(*link)),
            Command::Unlink(link) => self.define(|state| state.check_unlink(*link)),
            Command::Channel(channel) => self.define(|state| state.check_channel(channel)),
            Command::Settings(change) => self.define(|state| state.check_settings(change)),
            Command::Quota(quota) => self.define(|state| state.check_quota(*quota)),
            Command::Freeze(freeze) => self.define(|state| state.check_freeze(*freeze)),
            Command::Notify(notify) => self.define(|state| state.check_notify(*notify, NOTIFIES_MAX)),
            Command::Rename(rename) => self.define(|state| state.check_rename(rename)),
            Command::Configure(change) => self.define(|state| state.check_configure(change)),
            Command::Tick | Command::WallOffset(_) | Command::BeginEpoch(_) | Command::Readmit(_) => {
                unreachable!("`decide` answers the commands of the server itself, and readmitted ones")
            }
            Command::AcceptClock(until) => self.define(|_| Ok(Definition::AcceptClock(*until))),
            Command::Mark(mark) => self.define(|state| state.check_mark(mark)),
            Command::Unmark(mark) => self.define(|state| state.check_unmark(mark)),
            Command::ActivateRules(version) if *version == RULES_VERSION => {
                self.state.core.rules_version = *version;
                Ok(Answer::ok(*version))
            }
            Command::ActivateRules(version) => {
                let (executed, asked) = (u64::from(RULES_VERSION), u64::from(*version));
                Err(Refusal::out_of_range(Code::NotSupported, executed, executed, asked))
            }
        }
    }
}

/// The outcome of a decision.
fn decided(op: u64, decision: Decision) -> Outcome {
    let (code, value, detail) = match decision {
        Ok(answer) => (answer.code, answer.value, answer.detail),
        Err(refusal) => (refusal.code, refusal.value, refusal.detail),
    };
    Outcome { detail, ..Outcome::new(code, value, op) }
}
