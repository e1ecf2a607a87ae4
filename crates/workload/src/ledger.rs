//! The client's ledger: every acknowledged outcome with its id, its cart and its later changes.
//!
//! The caller records each command with its outcome. The ledger is bounded (see [`Ledger::new`]). It counts
//! reservations beyond the bound without keeping them. They are then missing from the audit, which may therefore miss
//! violations but never reports false ones.
//!
//! A reservation of one line takes about 130 bytes, including its index. Reservations with an owner, a reference,
//! several lines or other special fields also keep their record.

use std::collections::{BTreeMap, HashMap};
use stockhold_protocol::command::{Command, Envelope, PartKind, Reserve, Target};
use stockhold_protocol::{
    BadField, Code, CommandId, Deadline, Detail, Line, Lines, Outcome, Quantity, ReservationId, SkuId,
    StockId,
};

/// One refusal in this many is kept to be repeated.
const REFUSALS_KEPT_ONE_IN: u64 = 16;

/// Counters of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Reservations that were granted (reserve, replace, sell).
    pub granted: u64,
    /// Refusals that were recorded by the server.
    pub refused: u64,
    /// Refusals that the server did not record (edge refusals, busy, bad fields). Audits skip them.
    pub unrecorded: u64,
    /// Other commands that took effect: confirm, release, extend, ship, refund.
    pub changed: u64,
    /// Grants that were not kept because the ledger was full.
    pub unkept: u64,
    /// Changes of reservations that the ledger does not hold.
    pub unattributed: u64,
}

/// The state of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// A hold, which counts until its deadline.
    Held,
    /// An order.
    Confirmed,
    /// Released, replaced or refunded completely.
    Closed,
}

/// One acknowledged command that made, or would have made, a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: CommandId,
    /// The op that decided the command.
    pub(crate) op: u64,
    /// The op from which the reservation counts: the same op, or that of a late confirm.
    pub(crate) since_op: u64,
    /// The op that closed the reservation. 0: none.
    pub(crate) closed_op: u64,
    pub(crate) stock: StockId,
    /// The current deadline, after extensions.
    pub(crate) deadline: Deadline,
    /// The value of the original answer: the first deadline, or the index of the refused line.
    pub(crate) answered: u32,
    pub(crate) ttl_ms: u32,
    pub(crate) code: Code,
    /// The only line, if the cart is plain. Otherwise the lines are in the extras.
    line: Line,
    pub(crate) state: EntryState,
    /// Whether the record of the cart is among the extras.
    has_extra: bool,
}

impl Entry {
    /// Whether the reservation counts at `now_s`.
    pub(crate) fn counts_at(&self, now_s: u32) -> bool {
        self.code.is_success()
            && match self.state {
                EntryState::Held => self.deadline.0 > now_s,
                EntryState::Confirmed => true,
                EntryState::Closed => false,
            }
    }
}

/// Data that only few entries have.
#[derive(Clone, Debug, Default)]
struct Extra {
    /// The record as it was sent, without `fresh`.
    record: Box<[u8]>,
    /// The quantities that still count, line by line.
    open: Vec<Line>,
    /// The granted quantities.
    granted: Vec<Line>,
    detail: Detail,
}

/// A recorded command that changed a reservation. It is kept to be repeated.
#[derive(Clone, Debug)]
pub(crate) struct RecordedChange {
    pub(crate) record: Box<[u8]>,
    pub(crate) outcome: Outcome,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries_max: usize,
    keeps_all_refusals: bool,
    entries: Vec<Entry>,
    extras: HashMap<u32, Extra>,
    at: HashMap<CommandId, u32>,
    changed: Vec<RecordedChange>,
    unknown: Vec<Box<[u8]>>,
    tally: Tally,
}

impl Ledger {
    /// A ledger that keeps at most this many reservations, and as many changes of them.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        let entries_max = entries_max.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        Self { entries_max, ..Self::default() }
    }

    /// Keeps every recorded refusal to be repeated, not one in sixteen.
    #[must_use]
    pub const fn with_all_refusals(mut self) -> Self {
        self.keeps_all_refusals = true;
        self
    }

    /// The counters.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// How many commands are kept for the audit.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.entries.len() + self.changed.len()
    }

    /// Records the outcome of a command, given as its record.
    ///
    /// # Errors
    /// [`BadField`] when the record cannot be decoded.
    pub fn note_record(&mut self, record: &[u8], outcome: &Outcome) -> Result<(), BadField> {
        let envelope = Envelope::decode(record)?;
        self.note(&envelope, outcome);
        Ok(())
    }

    /// Records the outcome of a command.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a command that makes no promise is only repeated")]
    pub fn note(&mut self, envelope: &Envelope<'_>, outcome: &Outcome) {
        if !outcome.recorded {
            self.tally.unrecorded += 1;
            return;
        }
        match &envelope.command {
            Command::Reserve(reserve) => self.note_reserve(envelope, reserve, outcome),
            Command::Replace(replace) => {
                // If the first answer was lost, the retry's answer is marked as replayed. The old hold has ended all
                // the same.
                if outcome.code.is_success() && !self.at.contains_key(&envelope.id) {
                    self.close(replace.old, outcome.op);
                }
                self.note_reserve(envelope, &replace.new, outcome);
            }
            Command::Confirm(_)
            | Command::Release(_)
            | Command::Extend(_)
            | Command::Ship(_)
            | Command::Refund(_) => self.note_change(envelope, outcome),
            Command::Sell(sell) if !sell.forced => {
                let reserve = Reserve {
                    target: sell.target,
                    lines: sell.lines,
                    best_effort: false,
                    ttl_ms: None,
                    owner: sell.owner,
                    reference: sell.reference,
                };
                self.note_reserve(envelope, &reserve, outcome);
            }
            // A forced sale records a fact that may break promises, so it is repeated but not summed. The same holds
            // for commands that concern no reservation.
            _ => self.keep_changed(envelope, outcome),
        }
    }

    /// Records a command whose outcome is unknown. It is not summed until it is resolved (see
    /// [`Self::take_unknown`]).
    pub fn note_unknown(&mut self, record: &[u8]) {
        self.unknown.push(record.into());
    }

    /// Takes the records whose outcomes are unknown, to be sent again (without `fresh`) and recorded.
    pub fn take_unknown(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.unknown)
    }

    fn note_reserve(&mut self, envelope: &Envelope<'_>, reserve: &Reserve<'_>, outcome: &Outcome) {
        // The same answer after a retry is not counted again.
        if self.at.contains_key(&envelope.id) {
            return;
        }
        let granted = outcome.code.is_success();
        *(if granted { &mut self.tally.granted } else { &mut self.tally.refused }) += 1;
        let is_sampled =
            granted || self.keeps_all_refusals || envelope.id.hash64().is_multiple_of(REFUSALS_KEPT_ONE_IN);
        if self.entries.len() >= self.entries_max || !is_sampled {
            self.tally.unkept += u64::from(granted);
            return;
        }
        let Ok(at) = u32::try_from(self.entries.len()) else { return };
        let stock = match reserve.target {
            Target::Stock(stock) => stock,
            // The ledger does not know which stock a channel belongs to, so such carts are repeated but not summed.
            Target::Channel(_) => StockId(u32::MAX),
        };
        let is_plain = matches!(envelope.command, Command::Reserve(_))
            && matches!(reserve.target, Target::Stock(_))
            && reserve.lines.len() == 1
            && !reserve.best_effort
            && reserve.owner == 0
            && reserve.reference.is_empty()
            && outcome.detail == Detail::None;
        if !is_plain {
            self.extras.insert(at, extra_of(envelope, reserve, outcome));
        }
        let is_hold = granted && reserve.ttl_ms.is_some() && outcome.value != 0;
        self.entries.push(Entry {
            id: envelope.id,
            op: outcome.op,
            since_op: outcome.op,
            closed_op: 0,
            stock,
            deadline: if is_hold { Deadline(outcome.value) } else { Deadline::NONE },
            answered: outcome.value,
            ttl_ms: reserve.ttl_ms.unwrap_or(0),
            code: outcome.code,
            line: reserve.lines.get(0).unwrap_or_default(),
            state: if is_hold { EntryState::Held } else { EntryState::Confirmed },
            has_extra: !is_plain,
        });
        self.at.insert(envelope.id, at);
    }

    fn note_change(&mut self, envelope: &Envelope<'_>, outcome: &Outcome) {
        self.keep_changed(envelope, outcome);
        if !outcome.code.is_success() {
            self.tally.refused += 1;
            return;
        }
        self.tally.changed += 1;
        if let Command::Confirm(reservation) = &envelope.command {
            self.confirm(*reservation, outcome);
        } else if let Command::Extend(extend) = &envelope.command {
            if let Some(entry) = self.entry_mut(extend.reservation) {
                entry.deadline = Deadline(outcome.value);
            }
        } else if let Command::Release(release) = &envelope.command {
            if release.lines.is_empty() {
                self.close(release.reservation, outcome.op);
            } else {
                self.give_back(release.reservation, release.lines.iter(), outcome.op);
            }
        } else if let Command::Refund(refund) = &envelope.command {
            let returns = refund.parts.iter().filter(|part| !matches!(part.kind, PartKind::WrittenOff(_)));
            self.give_back(
                refund.reservation,
                returns.map(|part| Line::new(part.sku, part.quantity)),
                outcome.op,
            );
        }
        // Shipped units stay in the sum: they left for this promise and are not available to others.
    }

    fn keep_changed(&mut self, envelope: &Envelope<'_>, outcome: &Outcome) {
        if self.changed.len() < self.entries_max {
            self.changed.push(RecordedChange { record: record_of(envelope), outcome: outcome.clone() });
        }
    }

    fn entry_mut(&mut self, reservation: ReservationId) -> Option<&mut Entry> {
        let at = self.at.get(&reservation.0).and_then(|at| usize::try_from(*at).ok());
        let entry = at.and_then(|at| self.entries.get_mut(at));
        if entry.is_none() {
            self.tally.unattributed += 1;
        }
        entry
    }

    fn confirm(&mut self, reservation: ReservationId, outcome: &Outcome) {
        if let Some(entry) = self.entry_mut(reservation) {
            entry.state = EntryState::Confirmed;
            if outcome.code == Code::ConfirmedLate {
                // Between its deadline and this op the reservation did not count.
                entry.since_op = outcome.op;
            }
        }
    }

    fn close(&mut self, reservation: ReservationId, op: u64) {
        if let Some(entry) = self.entry_mut(reservation) {
            entry.state = EntryState::Closed;
            entry.closed_op = op;
        }
    }

    /// Subtracts units from what a reservation counts.
    fn give_back(&mut self, reservation: ReservationId, lines: impl Iterator<Item = Line>, op: u64) {
        let Some(at) = self.at.get(&reservation.0).copied() else {
            self.tally.unattributed += 1;
            return;
        };
        let Some(entry) = usize::try_from(at).ok().and_then(|at| self.entries.get_mut(at)) else { return };
        let only = entry.line;
        let extra = self.extras.entry(at).or_insert_with(|| Extra {
            open: vec![only],
            granted: vec![only],
            ..Extra::default()
        });
        for line in lines {
            if let Some(open) = extra.open.iter_mut().find(|open| open.sku == line.sku) {
                open.quantity =
                    open.quantity.checked_sub(line.quantity).unwrap_or_default().max(Quantity::ZERO);
            }
        }
        // Returned units are subtracted from the entry for its whole time. The audit may therefore miss a violation
        // but never reports a false one.
        if extra.open.iter().all(|line| line.quantity == Quantity::ZERO) {
            entry.state = EntryState::Closed;
            entry.closed_op = op;
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn changes(&self) -> &[RecordedChange] {
        &self.changed
    }

    /// The lines of a granted entry that still count.
    pub(crate) fn open_lines<'a>(&'a self, at: usize, entry: &'a Entry) -> &'a [Line] {
        self.extra(at).map_or(std::slice::from_ref(&entry.line), |extra| &extra.open)
    }

    /// The granted lines.
    pub(crate) fn granted_lines<'a>(&'a self, at: usize, entry: &'a Entry) -> &'a [Line] {
        self.extra(at).map_or(std::slice::from_ref(&entry.line), |extra| &extra.granted)
    }

    /// The acknowledged outcome.
    pub(crate) fn outcome_of(&self, at: usize, entry: &Entry) -> Outcome {
        let detail = self.extra(at).map_or(Detail::None, |extra| extra.detail.clone());
        Outcome::new(entry.code, entry.answered, entry.op).with(detail)
    }

    /// Calls `use_it` with the record of the command, to repeat it.
    pub(crate) fn with_record<T>(&self, at: usize, entry: &Entry, use_it: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(extra) = self.extra(at).filter(|_| entry.has_extra) {
            return use_it(&extra.record);
        }
        let reserve = Reserve {
            target: Target::Stock(entry.stock),
            lines: Lines::Slice(std::slice::from_ref(&entry.line)),
            best_effort: false,
            ttl_ms: Some(entry.ttl_ms).filter(|ttl_ms| *ttl_ms != 0),
            owner: 0,
            reference: "",
        };
        use_it(&record_of(&Envelope::new(entry.id, Command::Reserve(reserve))))
    }

    fn extra(&self, at: usize) -> Option<&Extra> {
        u32::try_from(at).ok().and_then(|at| self.extras.get(&at))
    }
}

fn extra_of(envelope: &Envelope<'_>, reserve: &Reserve<'_>, outcome: &Outcome) -> Extra {
    let mut granted = Vec::new();
    if let Detail::Granted { lines, .. } = &outcome.detail {
        granted.extend(lines.iter().map(|line| Line::new(line.sku, line.quantity)));
    } else {
        reserve.lines.merge_into(&mut granted);
    }
    Extra { record: record_of(envelope), open: granted.clone(), granted, detail: outcome.detail.clone() }
}

/// The record of a command, without `fresh`.
fn record_of(envelope: &Envelope<'_>) -> Box<[u8]> {
    let mut bytes = Vec::new();
    let encoded = Envelope::new(envelope.id, envelope.command.clone()).encode(&mut bytes);
    assert!(encoded.is_ok(), "a command that was answered with a decision encodes");
    bytes.into()
}

/// Sums by SKU and stock.
pub type Sums = BTreeMap<(SkuId, StockId), i64>;

impl Ledger {
    /// What counts at `now_s` (seconds since the Unix epoch), in ten-thousandths by SKU and stock: orders, and holds
    /// whose deadline is after it.
    #[must_use]
    pub fn counting(&self, now_s: u32) -> Sums {
        let mut sums = Sums::new();
        for (at, entry) in self.entries.iter().enumerate() {
            if entry.counts_at(now_s) {
                for line in self.open_lines(at, entry) {
                    *sums.entry((line.sku, entry.stock)).or_default() += line.quantity.raw();
                }
            }
        }
        sums
    }
}
