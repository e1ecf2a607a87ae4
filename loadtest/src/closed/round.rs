//! One round of a connection: the commands that it sends together, and what their answers mean for the ledger. Timing
//! and sockets are up to the generator.

use super::scenario::{Chooser, Scenario, Work};
use crate::load_error::LoadError;
use crate::samples::Sample;
use crate::tally::Tally;
use crate::test_catalog::TestCatalog;
use stockhold_client::{
    CellFrame, CommandBatch, ConnectionError, IdGenerator, OutcomeFrame, PipelinedConnection, SubmitError,
    units_of,
};
use stockhold_protocol::command::{Release, Reserve, Target};
use stockhold_protocol::{
    Code, Command, CommandId, Envelope, Line, Lines, Outcome, ReservationId, SkuId, StockId,
};

/// The longest pause that is made for a busy server.
const PAUSE_MAX_MS: u32 = 1_000;
/// The TTL of holds: longer than any round.
const HOLD_TTL_MS: u32 = 60_000;

/// A frame that is ready to be sent.
#[derive(Debug)]
pub(crate) enum PreparedFrame<'a> {
    Commands(&'a CommandBatch),
    Checks(&'a [(SkuId, StockId)]),
}

impl PreparedFrame<'_> {
    /// Submits the frame. Returns its request number.
    pub(crate) fn submit(&self, connection: &mut PipelinedConnection) -> Result<u64, SubmitError> {
        match self {
            Self::Commands(batch) => connection.submit(batch),
            Self::Checks(pairs) => connection.submit_checks(pairs, 0, 0),
        }
    }
}

/// The kind of the commands in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoundKind {
    /// New carts with this many lines.
    Carts { lines: u32 },
    /// New carts at even indexes, each followed by its retry.
    Pairs,
    /// Confirms and releases of holds.
    HoldEnds,
    /// Checks.
    Checks,
}

/// The commands of one connection that wait for their answers.
#[derive(Debug)]
pub(crate) struct Round {
    kind: RoundKind,
    /// The position of each cart's first SKU in the catalog.
    firsts: Vec<u32>,
    /// The ids of holds that must be confirmed or released.
    holds: Vec<CommandId>,
    /// Whether the holds at even indexes are confirmed and the others released.
    is_even_confirmed: bool,
    /// The answers of carts at even indexes, until their retries are answered.
    answers: Vec<Option<Outcome>>,
    /// The cart that is sampled: its index, its id and its TTL.
    sampled: Option<(u16, CommandId, Option<u32>)>,
    /// Commands without an answer.
    pub(crate) left: u16,
    /// How long a busy server asks the client to wait.
    pub(crate) pause_ms: u32,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            kind: RoundKind::Carts { lines: 1 },
            firsts: Vec::new(),
            holds: Vec::new(),
            is_even_confirmed: false,
            answers: Vec::new(),
            sampled: None,
            left: 0,
            pause_ms: 0,
        }
    }
}

/// Builds rounds. It is never borrowed across an await.
#[derive(Debug)]
pub(crate) struct RoundBuilder {
    scenario: Scenario,
    chooser: Chooser,
    random: fastrand::Rng,
    ids: IdGenerator,
    /// The time in new ids.
    now_ms: u64,
    batch: CommandBatch,
    pairs: Vec<(SkuId, StockId)>,
}

impl RoundBuilder {
    pub(crate) fn new(scenario: Scenario, catalog: &TestCatalog, seed: u64) -> Self {
        Self {
            scenario,
            chooser: Chooser::new(scenario.choice, catalog),
            random: fastrand::Rng::with_seed(seed),
            ids: IdGenerator::new(),
            now_ms: 0,
            batch: CommandBatch::new(),
            pairs: Vec::new(),
        }
    }

    /// Builds a new round of this many commands, with ids of the given server time.
    pub(crate) fn begin(
        &mut self,
        catalog: &TestCatalog,
        tally: &mut Tally,
        (depth, now_ms): (u16, u64),
        round: &mut Round,
    ) -> Result<PreparedFrame<'_>, LoadError> {
        self.now_ms = now_ms;
        let work = self.scenario.work(&mut self.random);
        round.firsts.clear();
        round.holds.clear();
        (round.left, round.pause_ms, round.sampled) = (depth, 0, None);
        self.batch.clear();
        match work {
            Work::Carts { lines: 1 } => {
                round.kind = RoundKind::Carts { lines: 1 };
                self.carts(catalog, tally, depth, None, round)?;
            }
            Work::Carts { lines } => {
                round.kind = RoundKind::Carts { lines };
                self.wide_carts(catalog, tally, (depth, lines), round)?;
            }
            Work::Holds => {
                round.kind = RoundKind::Carts { lines: 1 };
                round.is_even_confirmed = self.random.bool();
                self.carts(catalog, tally, depth, Some(HOLD_TTL_MS), round)?;
                round.holds.extend(self.batch.ids());
                // Only confirmed holds can be found again.
                round.sampled = round.sampled.filter(|(index, ..)| round.is_confirmed(*index));
            }
            Work::Twice => {
                round.kind = RoundKind::Pairs;
                self.pairs(catalog, depth, round)?;
            }
            Work::Checks => {
                round.kind = RoundKind::Checks;
                self.checks(catalog, depth, round);
                return Ok(PreparedFrame::Checks(&self.pairs));
            }
        }
        Ok(PreparedFrame::Commands(&self.batch))
    }

    /// Single-line carts. Other code is compared with this loop, so it makes no decisions.
    fn carts(
        &mut self,
        catalog: &TestCatalog,
        tally: &mut Tally,
        depth: u16,
        ttl_ms: Option<u32>,
        round: &mut Round,
    ) -> Result<(), LoadError> {
        let unit = units_of(1);
        let sampled = tally.samples.wants_next().then(|| self.random.u16(..depth));
        for index in 0..depth {
            let first = self.chooser.choose(&mut self.random);
            let id = self.ids.next_at(self.now_ms);
            let target = Target::Stock(catalog.stock_for(id));
            self.batch.push_reserve(id, target, &[Line::new(catalog.sku(first), unit)], ttl_ms)?;
            round.firsts.push(first);
            if sampled == Some(index) {
                round.sampled = Some((index, id, ttl_ms));
            }
        }
        Ok(())
    }

    /// Carts of several lines.
    fn wide_carts(
        &mut self,
        catalog: &TestCatalog,
        tally: &mut Tally,
        (depth, lines): (u16, u32),
        round: &mut Round,
    ) -> Result<(), LoadError> {
        let sampled = tally.samples.wants_next().then(|| self.random.u16(..depth));
        let mut cart = Vec::new();
        for index in 0..depth {
            let first = self.chooser.choose(&mut self.random);
            let id = self.ids.next_at(self.now_ms);
            catalog.lines_of(first, lines, &mut cart);
            let target = Target::Stock(catalog.stock_for(id));
            self.batch.push_reserve(id, target, &cart, None)?;
            round.firsts.push(first);
            if sampled == Some(index) {
                round.sampled = Some((index, id, None));
            }
        }
        Ok(())
    }

    /// Carts, each directly followed by its retry. An odd index at the end stays unused.
    fn pairs(&mut self, catalog: &TestCatalog, depth: u16, round: &mut Round) -> Result<(), LoadError> {
        let unit = units_of(1);
        round.answers.clear();
        for _ in 0..depth / 2 {
            let first = self.chooser.choose(&mut self.random);
            let id = self.ids.next_at(self.now_ms);
            let target = Target::Stock(catalog.stock_for(id));
            let lines = [Line::new(catalog.sku(first), unit)];
            for fresh in [true, false] {
                let lines = Lines::Slice(&lines);
                let reserve =
                    Reserve { target, lines, best_effort: false, ttl_ms: None, owner: 0, reference: "" };
                self.batch.push(&Envelope { fresh, ..Envelope::new(id, Command::Reserve(reserve)) })?;
                round.firsts.push(first);
            }
            round.answers.push(None);
        }
        round.left = depth / 2 * 2;
        Ok(())
    }

    fn checks(&mut self, catalog: &TestCatalog, depth: u16, round: &mut Round) {
        self.pairs.clear();
        for _ in 0..depth {
            let first = self.chooser.choose(&mut self.random);
            self.pairs.push((catalog.sku(first), catalog.stock));
            round.firsts.push(first);
        }
    }

    /// Builds the confirms and releases for the holds of a round, if there are any.
    pub(crate) fn go_on(
        &mut self,
        now_ms: u64,
        round: &mut Round,
    ) -> Result<Option<PreparedFrame<'_>>, LoadError> {
        self.now_ms = now_ms;
        if round.holds.is_empty() {
            return Ok(None);
        }
        self.batch.clear();
        let mut index = 0;
        for hold in round.holds.drain(..) {
            let reservation = ReservationId::from(hold);
            let command = if is_confirmed(index, round.is_even_confirmed) {
                Command::Confirm(reservation)
            } else {
                Command::Release(Release { reservation, lines: Lines::Slice(&[]) })
            };
            self.batch.push(&Envelope::fresh(self.ids.next_at(self.now_ms), command))?;
            index += 1;
        }
        (round.kind, round.sampled, round.left) = (RoundKind::HoldEnds, None, index);
        Ok(Some(PreparedFrame::Commands(&self.batch)))
    }
}

const fn is_confirmed(index: u16, is_even_confirmed: bool) -> bool {
    index.is_multiple_of(2) == is_even_confirmed
}

impl Round {
    const fn is_confirmed(&self, index: u16) -> bool {
        is_confirmed(index, self.is_even_confirmed)
    }

    /// Counts the answers of one frame, and reports the index and code of each.
    pub(crate) fn take(
        &mut self,
        frame: &OutcomeFrame<'_>,
        catalog: &TestCatalog,
        tally: &mut Tally,
        is_measured: bool,
        mut answered: impl FnMut(u16, Code),
    ) -> Result<(), LoadError> {
        for entry in frame.iter() {
            let (index, outcome) = entry?;
            let Some(first) = self.firsts.get(usize::from(index)).copied() else {
                return Err(ConnectionError::UnexpectedAnswer(frame.request).into());
            };
            answered(index, outcome.code);
            tally.answers.count(outcome.code);
            if is_measured {
                tally.measured.count(outcome.code);
            }
            if outcome.code == Code::Busy {
                self.pause_ms = self.pause_ms.max(outcome.value.clamp(1, PAUSE_MAX_MS));
            }
            tally.last_op = tally.last_op.max(outcome.op);
            if let Some((_, id, ttl_ms)) = self.sampled.filter(|(at, ..)| *at == index && outcome.recorded) {
                let (RoundKind::Carts { lines }, Outcome { code, value, op, .. }) = (self.kind, &outcome)
                else {
                    continue;
                };
                let (code, value, op) = (*code, *value, *op);
                tally.samples.keep(Sample { id, sku: first, lines, ttl_ms, code, value, op });
            }
            match self.kind {
                RoundKind::Carts { lines } => {
                    tally.count_cart(catalog, (first, lines), &outcome, is_measured);
                }
                RoundKind::Pairs => self.take_of_pair(index, first, outcome, catalog, tally, is_measured),
                RoundKind::HoldEnds => {
                    if outcome.code.is_success() && !self.is_confirmed(index) {
                        tally.give_back(first);
                    }
                }
                RoundKind::Checks => return Err(ConnectionError::UnexpectedAnswer(frame.request).into()),
            }
        }
        self.left = self.left.saturating_sub(frame.len());
        Ok(())
    }

    /// Counts the answer of a cart or of its retry, which must be the same.
    fn take_of_pair(
        &mut self,
        index: u16,
        first: u32,
        outcome: Outcome,
        catalog: &TestCatalog,
        tally: &mut Tally,
        is_measured: bool,
    ) {
        if !outcome.replayed {
            tally.count_cart(catalog, (first, 1), &outcome, is_measured);
        }
        let Some(answer) = self.answers.get_mut(usize::from(index / 2)) else { return };
        match answer.take() {
            None => *answer = Some(outcome),
            Some(other) => {
                let of = |outcome: &Outcome| (outcome.code, outcome.value, outcome.op);
                // One of the two was executed and the other replayed, in whatever order they were answered.
                let is_kept = of(&other) == of(&outcome) && other.replayed != outcome.replayed;
                // An unrecorded answer leaves the id unused. Both are then first attempts.
                tally.changed_retries += u64::from(other.recorded && outcome.recorded && !is_kept);
            }
        }
    }

    /// Counts the cells that answer checks.
    pub(crate) fn take_cells(
        &mut self,
        frame: &CellFrame<'_>,
        catalog: &TestCatalog,
        tally: &mut Tally,
        is_still: bool,
        is_measured: bool,
    ) {
        for (cell, first) in frame.raw().zip(&self.firsts) {
            let there = catalog.salable_of(*first);
            let is_right = if is_still { cell == there } else { (0..=there).contains(&cell) };
            tally.wrong_checks += u64::from(!is_right);
        }
        let count = u16::try_from(frame.len()).unwrap_or(u16::MAX);
        if is_measured {
            tally.checks += u64::from(count);
        }
        self.left = self.left.saturating_sub(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: Outcome, second: Outcome) -> Tally {
        let catalog = TestCatalog::imaginary(1);
        let mut tally = Tally::new(1).unwrap();
        let mut round = Round { kind: RoundKind::Pairs, answers: vec![None], ..Round::default() };
        round.take_of_pair(0, 0, first, &catalog, &mut tally, true);
        round.take_of_pair(1, 0, second, &catalog, &mut tally, true);
        tally
    }

    #[test]
    fn a_retry_must_get_the_answer_of_its_cart() {
        // Proves that the ledger counts a pair once, in any order of answers, and notices another answer and a second
        // execution.
        let granted = Outcome::new(Code::Ok, 0, 7);
        let again = Outcome { replayed: true, ..granted.clone() };
        for (first, second) in [(granted.clone(), again.clone()), (again.clone(), granted.clone())] {
            let tally = pair(first, second);
            assert_eq!((tally.granted[0], tally.sold, tally.changed_retries), (1, 1, 0));
        }
        let executed_twice = pair(granted.clone(), Outcome { op: 8, ..granted.clone() });
        assert_eq!((executed_twice.granted[0], executed_twice.changed_retries), (2, 1));
        let otherwise = pair(granted, Outcome { code: Code::SoldOut, ..again });
        assert_eq!(otherwise.changed_retries, 1);
    }

    #[test]
    fn half_of_the_holds_are_confirmed() {
        // Proves that neighbours have different endings, in both cases.
        for is_even_confirmed in [true, false] {
            let round = Round { is_even_confirmed, ..Round::default() };
            assert_eq!(
                (round.is_confirmed(0), round.is_confirmed(1)),
                (is_even_confirmed, !is_even_confirmed)
            );
        }
    }
}
