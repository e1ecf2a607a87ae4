//! The outcome of every command. Rules that concern the id come first, then the rules of the command.

use crate::limits::{Limits, Recorded, bad_field, busy};
use crate::state::{Line, Model, Reservation, Stage};
use crate::step::{Cart, HALF, SKUS, STOCKS, Step, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{Code, CommandId, Detail, Outcome, Quantity, SkuId};

/// Outcomes are grouped by periods of this length.
pub(crate) const GENERATION_MS: u64 = 15_000;
/// How far the client's time in an id may be ahead of the op's time.
const ID_AHEAD_MAX_MS: u64 = 300_000;

/// Code, value and detail of an answer. As an `Err` it changes nothing.
pub(crate) type Answer = (Code, u32, Detail);
pub(crate) type Decision = Result<Answer, Answer>;

pub(crate) fn plain(code: Code) -> Answer {
    (code, 0, Detail::None)
}

/// A refusal of the line at an index.
pub(crate) fn at(code: Code, index: usize) -> Answer {
    (code, u32::try_from(index).expect("small"), Detail::None)
}

/// An answer that names the violated bound.
pub(crate) fn bounded((code, value, _): Answer, sku: u32, bound: i64, asked: i64) -> Answer {
    (code, value, Detail::Bound { sku: SkuId(sku), bound: amount(bound), value: amount(asked) })
}

/// An answer that names the SKU that is the reason.
pub(crate) fn of_sku((code, value, _): Answer, sku: u32) -> Answer {
    (code, value, Detail::Sku(SkuId(sku)))
}

/// The answer to an unknown number in a field, of the line at an index.
pub(crate) fn unknown(field: &str, index: usize) -> Answer {
    let (code, value, _) = at(Code::UnknownName, index);
    (code, value, Detail::Field { field: field.to_owned(), rule: "is not a known name".to_owned() })
}

fn range(code: Code, min: u64, max: u64, value: u64) -> Answer {
    (code, 0, Detail::Range { min, max, value })
}

pub(crate) fn amount(raw: i64) -> Quantity {
    Quantity::from_raw(raw).expect("small")
}

/// Lines summed by SKU, in ten-thousandths.
pub(crate) fn merged(wanted: &Wanted) -> Vec<(u32, i64)> {
    let mut sums: BTreeMap<u32, i64> = BTreeMap::new();
    for (sku, halves) in wanted {
        *sums.entry(*sku).or_default() += halves * HALF;
    }
    sums.into_iter().collect()
}

/// What one line of a cart would be granted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlannedLine {
    pub(crate) sku: u32,
    pub(crate) granted: i64,
    pub(crate) counts: bool,
    pub(crate) quota: u32,
    pub(crate) backordered: i64,
}

/// What the live hold that is replaced has of a SKU.
#[derive(Clone, Copy, Default)]
pub(crate) struct HeldLine {
    pub(crate) units: i64,
    pub(crate) counts: bool,
    pub(crate) quota: u32,
}

impl Model {
    /// Lets time pass to `now_ms` (it never goes back) and answers the next command. `named` is the reservation that
    /// the step refers to.
    pub fn answer(&mut self, now_ms: u64, id: CommandId, step: &Step, named: CommandId) -> Outcome {
        self.pass(now_ms);
        self.op += 1;
        self.end_old_orders();
        self.raise_horizon();
        if matches!(step, Step::Tick) {
            let mut outcome = Outcome::new(Code::Ok, 0, self.op);
            outcome.recorded = false;
            return outcome;
        }
        let body = crate::step::body(step, named);
        if let Some(outcome) = self.known_answer(id, &body) {
            return outcome;
        }
        if self.is_from_future(id) {
            return Outcome::new(Code::IdFromFuture, 0, self.op).with(self.id_range(id));
        }
        if self.is_memory_full() {
            let (code, value, _) = busy();
            return Outcome::new(code, value, self.op);
        }
        if self.has_old_numbers(step) {
            return Outcome::new(Code::NamesChanged, self.name_generation(), self.op);
        }
        let (code, value, detail) = self.decide(id, step, named).unwrap_or_else(|refused| refused);
        let outcome = Outcome::new(code, value, self.op).with(detail);
        let (body, kept): (Arc<str>, _) = (body.into(), Arc::new(outcome.clone()));
        if outcome.recorded {
            Arc::make_mut(&mut self.recorded).insert(id, Recorded::new(body.clone(), kept.clone()));
        }
        if let Some(made) = self.reservations.get_mut(&id).filter(|made| made.body.is_empty()) {
            (made.body, made.outcome) = (body, kept);
        }
        outcome
    }

    fn known_answer(&self, id: CommandId, body: &str) -> Option<Outcome> {
        let again = |known: &str, outcome: &Outcome| {
            // A placement that was reported as failed before it was decided is recognized by its id alone.
            if known == body || known == "*" {
                Outcome { replayed: true, ..outcome.clone() }
            } else {
                Outcome::new(Code::IdReused, 0, self.op)
            }
        };
        if self.is_below_horizon(id) {
            return Some(match self.known(id) {
                Some(one) => again(&one.body, &one.outcome),
                None => Outcome::new(Code::IdTooOld, 0, self.op).with(self.id_range(id)),
            });
        }
        self.recorded.get(&id).map(|one| again(&one.body, &one.outcome))
    }

    pub(crate) fn is_from_future(&self, id: CommandId) -> bool {
        id.client_time_ms() > self.now_ms + ID_AHEAD_MAX_MS
    }

    pub(crate) fn id_range(&self, id: CommandId) -> Detail {
        let max = self.now_ms + ID_AHEAD_MAX_MS;
        Detail::Range { min: self.horizon * GENERATION_MS, max, value: id.client_time_ms() }
    }

    pub(crate) fn round_up(ms: u64) -> u64 {
        ms.div_ceil(1_000)
    }

    /// The stock and the deadline of a cart whose first reserve was at `origin_ms`. Deadline 0 means none.
    fn terms(&self, cart: &Cart, origin_ms: u64) -> Result<(u32, u64), Answer> {
        let stock = self.stock_to_promise(cart.target)?;
        Ok((stock, self.deadline_or_none(cart, origin_ms)?))
    }

    /// The deadline of a cart; 0 means none.
    fn deadline_or_none(&self, cart: &Cart, origin_ms: u64) -> Result<u64, Answer> {
        cart.ttl_ms.map_or(Ok(0), |ttl_ms| self.deadline(ttl_ms, origin_ms))
    }

    /// The second in which a hold ends whose cart began at `origin_ms`.
    pub(crate) fn deadline(&self, ttl_ms: u32, origin_ms: u64) -> Result<u64, Answer> {
        let Limits { ttl_min_ms, ttl_max_ms, ttl_total_ms, .. } = self.limits;
        let ttl_ms = u64::from(ttl_ms);
        if ttl_ms < ttl_min_ms || ttl_ms > ttl_max_ms {
            return Err(range(Code::TtlOutOfRange, ttl_min_ms, ttl_max_ms, ttl_ms));
        }
        let fits =
            |ttl_ms: u64| Self::round_up(self.hold_ms() + ttl_ms) <= Self::round_up(origin_ms + ttl_total_ms);
        if !fits(ttl_ms) {
            // The longest TTL that would be accepted: until the last second of the maximum total.
            let last_ms = Self::round_up(origin_ms + ttl_total_ms) * 1_000;
            let longest = last_ms.saturating_sub(self.hold_ms()).min(ttl_max_ms);
            assert!(longest == 0 || fits(longest) && (longest == ttl_max_ms || !fits(longest + 1)));
            return Err(range(Code::BeyondMaximumTotal, ttl_min_ms, longest, ttl_ms));
        }
        Ok(Self::round_up(self.hold_ms() + ttl_ms))
    }

    pub(crate) fn reserve(&mut self, id: CommandId, cart: &Cart) -> Decision {
        let (stock, deadline_s) = self.terms(cart, self.hold_ms())?;
        self.check_limits(cart.lines.len())?;
        self.check_order(cart.order, cart.owner)?;
        let planned = self.plan((stock, false), &merged(&cart.lines), cart.best_effort, &[])?;
        Ok(self.grant(id, (cart, stock), &planned, self.hold_ms(), deadline_s, false))
    }

    pub(crate) fn replace(&mut self, id: CommandId, cart: &Cart, named: CommandId) -> Decision {
        let old = self.known(named).ok_or(plain(Code::UnknownReservation))?.clone();
        if old.owner != cart.owner {
            return Err(plain(Code::OwnerDiffers));
        }
        match old.stage {
            Stage::Held if self.has_expired(&old) => return self.revive(id, cart, named),
            Stage::Held => {}
            Stage::Confirmed => return Err(plain(Code::AlreadyConfirmed)),
            Stage::Released => return self.revive(id, cart, named),
            Stage::Shipped | Stage::Replaced => return Err(plain(Code::AlreadyClosed)),
        }
        let stock = self.stock_of(cart.target).ok_or(unknown("target", 0))?;
        let deadline_s = self.deadline_or_none(cart, old.origin_ms)?;
        if stock != old.stock {
            return Err(bad_field("target", "must be the stock of the hold that is replaced"));
        }
        self.check_limits(cart.lines.len())?;
        self.check_order(cart.order, cart.owner)?;
        let place = (stock, self.is_frozen(cart.target, stock));
        let planned = self.plan(place, &merged(&cart.lines), cart.best_effort, std::slice::from_ref(&old))?;
        self.close(named, Stage::Replaced);
        self.book_change(named, &old, &Step::Tick);
        Ok(self.grant(id, (cart, stock), &planned, old.origin_ms, deadline_s, true))
    }

    /// A plain reserve that revives an expired or released cart. If it is granted, the old record is replaced.
    fn revive(&mut self, id: CommandId, cart: &Cart, named: CommandId) -> Decision {
        let answer = self.reserve(id, cart)?;
        let old = self.reservations[&named].clone();
        self.close(named, Stage::Replaced);
        self.book_change(named, &old, &Step::Tick);
        Ok(answer)
    }

    /// Closes a reservation and keeps its record for the window.
    pub(crate) fn close(&mut self, named: CommandId, stage: Stage) {
        let end_s = Self::round_up(self.hold_ms() + self.limits.window_ms);
        let one = self.reservations.get_mut(&named).expect("known");
        one.lines.iter_mut().for_each(|line| line.open = 0);
        one.stage = stage;
        one.end_s = one.end_s.max(end_s);
    }

    pub(crate) fn plan(
        &self,
        (stock, is_frozen): (u32, bool),
        lines: &[(u32, i64)],
        best_effort: bool,
        old: &[Reservation],
    ) -> Result<Vec<PlannedLine>, Answer> {
        let mut planned = Vec::new();
        for (index, (sku, asked)) in lines.iter().copied().enumerate() {
            if sku >= SKUS {
                return Err(unknown("lines", index));
            }
            let kept = HeldLine::of_all(self, old, sku);
            let line = self.plan_line(sku, (stock, is_frozen), asked, best_effort, kept);
            planned.push(line.map_err(|code| self.refused(code, (sku, asked), stock, index))?);
        }
        if planned.iter().all(|line| line.granted == 0) {
            let code = self.no_grant_reason(lines[0], (stock, is_frozen));
            return Err(self.refused(code, lines[0], stock, 0));
        }
        Ok(planned)
    }

    /// Why a best effort can grant nothing of a line.
    fn no_grant_reason(&self, (sku, asked): (u32, i64), (stock, is_frozen): (u32, bool)) -> Code {
        if self.largest_allowed_sale(sku, stock, asked) == 0 {
            return self.sale_rule(sku, stock, asked).expect_err("all that may be sold can be sold");
        }
        if let Err(code) = self.may_promise(sku, stock, is_frozen) {
            return code;
        }
        if !self.any_in_stock(sku, stock) {
            return Code::NoSourceInStock;
        }
        let settings = self.settings(sku, stock);
        let formula =
            if settings.is_unlimited() { i64::MAX } else { self.remaining(sku, stock) - settings.eff_min() };
        let quota_left = self.quota_left(sku, stock);
        if quota_left < asked && quota_left <= formula { Code::QuotaExceeded } else { Code::SoldOut }
    }

    pub(crate) fn refused(&self, code: Code, (sku, asked): (u32, i64), stock: u32, index: usize) -> Answer {
        let settings = self.settings(sku, stock);
        let answer = at(code, index);
        match code {
            Code::SoldOut | Code::QuotaExceeded | Code::TooLate => {
                let available = Quantity::from_raw(self.cell(sku, stock)).ok();
                match available.filter(|available| *available > Quantity::ZERO) {
                    Some(available) => (answer.0, answer.1, Detail::Available { sku: SkuId(sku), available }),
                    None => answer,
                }
            }
            Code::BelowMinSale => bounded(answer, sku, settings.min_sale, asked),
            Code::AboveMaxSale => bounded(answer, sku, settings.max_sale, asked),
            Code::NotAnIncrement => bounded(answer, sku, settings.increment.unwrap_or(0), asked),
            Code::NotOpen => (answer.0, answer.1, self.doors(sku, stock)),
            Code::DecimalsNotAllowed => bounded(answer, sku, QUANTITY_SCALE, asked),
            _ => of_sku(answer, sku),
        }
    }

    /// Whether a quantity may be sold in one line, and the reason if not.
    fn sale_rule(&self, sku: u32, stock: u32, asked: i64) -> Result<(), Code> {
        let settings = self.settings(sku, stock);
        if settings.min_sale != 0 && asked < settings.min_sale {
            return Err(Code::BelowMinSale);
        }
        if settings.max_sale != 0 && asked > settings.max_sale {
            return Err(Code::AboveMaxSale);
        }
        if settings.increment.is_some_and(|increment| asked % increment != 0) {
            return Err(Code::NotAnIncrement);
        }
        if !settings.decimals && asked % QUANTITY_SCALE != 0 {
            return Err(Code::DecimalsNotAllowed);
        }
        Ok(())
    }

    /// The largest quantity up to `most` that may be sold. All are tried, downwards.
    fn largest_allowed_sale(&self, sku: u32, stock: u32, most: i64) -> i64 {
        let tried = (1..=most / HALF).rev().map(|halves| halves * HALF);
        tried.into_iter().find(|granted| self.sale_rule(sku, stock, *granted).is_ok()).unwrap_or(0)
    }

    pub(crate) fn plan_line(
        &self,
        sku: u32,
        (stock, is_frozen): (u32, bool),
        asked: i64,
        best: bool,
        kept: HeldLine,
    ) -> Result<PlannedLine, Code> {
        if kept.units >= asked {
            return Ok(PlannedLine {
                sku,
                granted: asked,
                counts: kept.counts,
                quota: kept.quota,
                backordered: 0,
            });
        }
        if !self.is_assigned(sku, stock) {
            return Err(Code::NotAssigned);
        }
        if !best {
            self.sale_rule(sku, stock, asked)?;
        }
        if let Err(code) = self.may_promise(sku, stock, is_frozen) {
            if best {
                let HeldLine { units: granted, counts, quota } = kept;
                return Ok(PlannedLine { sku, granted, counts, quota, backordered: 0 });
            }
            return Err(code);
        }
        let settings = self.settings(sku, stock);
        if !settings.manage_stock {
            let granted = if best { self.largest_allowed_sale(sku, stock, asked) } else { asked };
            return Ok(PlannedLine { sku, granted, counts: false, quota: 0, backordered: 0 });
        }
        let left = self.remaining(sku, stock);
        let fits = if settings.is_unlimited() { i64::MAX } else { left - settings.eff_min() };
        let (in_stock, quota_left) = (self.any_in_stock(sku, stock), self.quota_left(sku, stock));
        let had = if kept.counts { kept.units } else { 0 };
        let granted = if best {
            let room = if in_stock { fits.min(quota_left).max(0) } else { 0 };
            self.largest_allowed_sale(sku, stock, asked.min(had.saturating_add(room))).max(had)
        } else {
            asked
        };
        let growth = granted - had;
        if growth > 0 && !in_stock {
            return Err(Code::NoSourceInStock);
        }
        if growth > 0 && growth > quota_left {
            return Err(Code::QuotaExceeded);
        }
        if growth > 0 && growth > fits {
            return Err(Code::SoldOut);
        }
        self.assert_growth_is_safe(sku, stock, growth, left);
        let backordered =
            if settings.backorders { (growth - left.max(0)).clamp(0, growth.max(0)) } else { 0 };
        Ok(PlannedLine { sku, granted, counts: true, quota: self.quota(sku, stock), backordered })
    }

    /// While there is no shortfall, the formula and a direct test whether all promises can be kept must agree.
    fn assert_growth_is_safe(&self, sku: u32, stock: u32, growth: i64, left: i64) {
        let all = (1 << STOCKS) - 1;
        if !self.independent && self.shortfall(sku, all, false) == 0 {
            let mut after = self.clone();
            after.hypothetical.insert((sku, stock), growth);
            assert_eq!(after.shortfall(sku, all, false) == 0, growth <= left, "the formula is the flow's");
        }
    }

    pub(crate) fn grant(
        &mut self,
        id: CommandId,
        (cart, stock): (&Cart, u32),
        planned: &[PlannedLine],
        origin_ms: u64,
        deadline_s: u64,
        is_replace: bool,
    ) -> Answer {
        let given = planned.iter().filter(|line| line.granted > 0);
        let lines: Vec<Line> = given
            .map(|line| Line {
                sku: line.sku,
                counts: line.counts,
                quota: if line.counts { line.quota } else { 0 },
                granted: line.granted,
                open: line.granted,
                shipments: Vec::new(),
                returned: 0,
                spent: BTreeMap::new(),
            })
            .collect();
        let granted: i64 = lines.iter().map(|line| line.granted).sum();
        let asked: i64 = cart.lines.iter().map(|(_, halves)| halves * HALF).sum();
        let end_s =
            if deadline_s == 0 { 0 } else { Self::round_up(deadline_s * 1_000 + self.limits.window_ms) };
        let stage = if deadline_s == 0 { Stage::Confirmed } else { Stage::Held };
        let outcome = Arc::new(Outcome::new(Code::Ok, 0, 0));
        let (owner, body) = (cart.owner, "".into());
        let (is_hold, order) = (deadline_s != 0, None);
        let made = Reservation {
            stock,
            owner,
            origin_ms,
            deadline_s,
            end_s,
            stage,
            lines,
            is_hold,
            order,
            body,
            outcome,
        };
        self.reservations.insert(id, made);
        self.join_order(id, cart.order, owner);
        let backordered = amount(planned.iter().map(|line| line.backordered).sum());
        let detail = if cart.best_effort || is_replace {
            let line =
                |line: &PlannedLine| GrantedLine { sku: SkuId(line.sku), quantity: amount(line.granted) };
            Detail::Granted { lines: planned.iter().map(line).collect(), backordered }
        } else if backordered > Quantity::ZERO {
            Detail::Backordered(backordered)
        } else {
            Detail::None
        };
        let code = if granted < asked { Code::Partial } else { Code::Ok };
        (code, u32::try_from(deadline_s).expect("small"), detail)
    }
}
