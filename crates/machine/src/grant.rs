//! Making promises: reserve, replace, and the sale at a counter. The rules of one cart stand here once.
//!
//! Plan first, reading only; then execute, which cannot fail. Two SKUs never limit each other, so a cart
//! is planned line by line.

use crate::machine::{Answer, Decision, Machine, Refusal, Ticket};
use crate::record::{Grant, LineRow, LineState, NO_QUOTA, ReferenceRow, ReservationRow, Stage};
use crate::settings::Effective;
use crate::state::{At, State};
use crate::table::NO_SLOT;
use stockhold_protocol::command::{BackorderMode, Replace, Reserve, Sell, SkuKind, Target};
use stockhold_protocol::limits::{QUANTITY_MAX, QUANTITY_SCALE};
use stockhold_protocol::outcome::GrantedLine;
use stockhold_protocol::{
    BadField, Code, CommandId, Deadline, Detail, Line, Outcome, Quantity, SkuId, Timestamp,
};

/// What one line of a cart will get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: At,
    pub(crate) sku: u32,
    pub(crate) granted: i64,
    pub(crate) counts: bool,
    /// The quota that it takes from; 0 = none.
    pub(crate) quota_number: u32,
    /// Units that lean on an allowance.
    pub(crate) backordered: i64,
}

/// What a live hold that is being replaced has of one SKU.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    units: i64,
    counts: bool,
    quota_number: u32,
}

/// The terms of a new reservation besides its lines.
struct Terms<'a> {
    ticket: Ticket,
    stock: u32,
    owner: u64,
    reference: &'a str,
    origin: Timestamp,
    deadline: Deadline,
    best_effort: bool,
}

impl Machine {
    pub(crate) fn reserve(&mut self, ticket: Ticket, reserve: &Reserve<'_>) -> Decision {
        let origin = self.state.core.time;
        let (stock, deadline) = self.terms_of(reserve, origin)?;
        let asked = self.merge(reserve)?;
        self.plan_cart(stock, reserve.best_effort, None)?;
        let terms = Terms {
            ticket,
            stock,
            owner: reserve.owner,
            reference: reserve.reference,
            origin,
            deadline,
            best_effort: reserve.best_effort,
        };
        Ok(self.grant(&terms, asked))
    }

    pub(crate) fn replace(&mut self, ticket: Ticket, replace: &Replace<'_>) -> Decision {
        let now = self.state.core.time;
        let slot =
            self.state.find_reservation(replace.old.0).ok_or(Refusal::new(Code::UnknownReservation))?;
        let old = *self.state.reservations.get(slot);
        if old.owner != replace.new.owner {
            return Err(Refusal::new(Code::OwnerDiffers));
        }
        match old.stage {
            Stage::Held if Deadline(old.deadline_s).has_passed(now) => {
                return self.reserve(ticket, &replace.new);
            }
            Stage::Held => {}
            Stage::Confirmed => return Err(Refusal::new(Code::AlreadyConfirmed)),
            Stage::Released => return self.reserve(ticket, &replace.new),
            Stage::Shipped | Stage::Replaced => return Err(Refusal::new(Code::AlreadyClosed)),
        }
        let origin = Timestamp(old.origin_ms);
        let (stock, deadline) = self.terms_of(&replace.new, origin)?;
        if stock != old.stock {
            let error = BadField::new("target", "must be the stock of the hold that is replaced");
            return Err(Refusal::field(&error));
        }
        let asked = self.merge(&replace.new)?;
        self.plan_cart(stock, replace.new.best_effort, Some(slot))?;
        self.end_hold(slot, Stage::Replaced);
        let terms = Terms {
            ticket,
            stock,
            owner: replace.new.owner,
            reference: replace.new.reference,
            origin,
            deadline,
            best_effort: replace.new.best_effort,
        };
        let answer = self.grant(&terms, asked);
        let lines = self.granted_lines();
        let backordered = self.backordered();
        Ok(answer.with(Detail::Granted { lines, backordered }))
    }

    pub(crate) fn sell(&mut self, ticket: Ticket, sell: &Sell<'_>) -> Decision {
        let stock = self.stock_of(sell.target)?;
        if self.state.catalog.source(sell.source.0).is_none() {
            return Err(Refusal::new(Code::UnknownName));
        }
        self.check_room(sell.lines.len())?;
        let mut lines = std::mem::take(&mut self.lines);
        sell.lines.merge_into(&mut lines);
        self.lines = lines;
        if sell.forced {
            self.plan_forced(stock)?;
        } else {
            self.plan_cart(stock, false, None)?;
        }
        self.plan_departure(sell.source.0, stock, sell.forced)?;
        self.execute_sale(ticket, stock, sell);
        let detail = if sell.forced { Detail::Shortfall(self.shortfall_of_plan()) } else { Detail::None };
        Ok(Answer::ok(0).with(detail))
    }

    /// The stock that a target stands for now.
    pub(crate) fn stock_of(&self, target: Target) -> Result<u32, Refusal> {
        let catalog = &self.state.catalog;
        let stock = match target {
            Target::Stock(stock) => catalog.has_stock(stock.0).then_some(stock.0),
            Target::Channel(channel) => catalog.channels.get(channel.0 as usize).map(|row| row.stock),
        };
        stock.ok_or(Refusal::new(Code::UnknownName))
    }

    /// Stock and deadline of a cart whose first reserve was at `origin`.
    fn terms_of(&self, reserve: &Reserve<'_>, origin: Timestamp) -> Result<(u32, Deadline), Refusal> {
        let stock = self.stock_of(reserve.target)?;
        let configuration = &self.state.core.configuration;
        let Some(ttl_ms) = reserve.ttl_ms.map(u64::from) else { return Ok((stock, Deadline::NONE)) };
        if !(configuration.ttl_min_ms..=configuration.ttl_max_ms).contains(&ttl_ms) {
            return Err(Refusal::new(Code::TtlOutOfRange));
        }
        let deadline = self.state.core.time.plus_ms(ttl_ms).round_up();
        if deadline > origin.plus_ms(configuration.ttl_total_max_ms).round_up() {
            return Err(Refusal::new(Code::BeyondMaximumTotal));
        }
        Ok((stock, deadline))
    }

    fn check_room(&self, lines: usize) -> Result<(), Refusal> {
        let configuration = &self.state.core.configuration;
        if lines > configuration.lines_max as usize {
            return Err(Refusal::field(&BadField::new(
                "lines",
                "are more than lines_max of the configuration",
            )));
        }
        if self.state.known >= configuration.reservations_max {
            return Err(Refusal { code: Code::Busy, value: 1_000, detail: Detail::None });
        }
        Ok(())
    }

    /// Sums the cart's lines by SKU; returns how many ten-thousandths were asked for in all.
    fn merge(&mut self, reserve: &Reserve<'_>) -> Result<i64, Refusal> {
        self.check_room(reserve.lines.len())?;
        reserve.lines.merge_into(&mut self.lines);
        Ok(self.lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity.raw())))
    }

    /// Plans every line of the cart in hand for a stock; a replaced hold's units stay where they are.
    fn plan_cart(&mut self, stock: u32, best_effort: bool, replaced: Option<u32>) -> Result<(), Refusal> {
        self.planned.clear();
        let mut any = false;
        for index in 0..self.lines.len() {
            let line = self.lines[index];
            self.check_sku(line.sku, index)?;
            let kept = replaced.map_or(Kept::default(), |slot| self.state.kept(slot, line.sku.0));
            let at = match self.state.find(line.sku.0, stock) {
                Some(at) => at,
                // Whether a place was made before differs after a load, so it must not decide.
                None if kept.units > 0 => self.state.place_of_line(line.sku.0, stock),
                None => return Err(Refusal::of_line(Code::NotAssigned, index)),
            };
            self.state.settle(at.cluster);
            let planned = self.state.plan_line(at, line, best_effort, kept);
            let planned = planned.map_err(|code| self.state.refused_line(code, at, line.sku, index))?;
            any |= planned.granted > 0;
            self.planned.push(planned);
        }
        if any {
            return Ok(());
        }
        let at = self.planned.first().map(|planned| planned.at);
        let sku = self.lines.first().map_or(SkuId(0), |line| line.sku);
        Err(at.map_or(Refusal::new(Code::SoldOut), |at| self.state.refused_line(Code::SoldOut, at, sku, 0)))
    }

    /// Plans a forced sale: the goods have left, so only what cannot be counted at all is refused.
    fn plan_forced(&mut self, stock: u32) -> Result<(), Refusal> {
        self.planned.clear();
        for index in 0..self.lines.len() {
            let line = self.lines[index];
            self.check_sku(line.sku, index)?;
            let at = self.state.place_of_line(line.sku.0, stock);
            let counts = self.state.clusters.get(at.cluster).place(at.index).settings.manage_stock;
            let quota_number = self.state.quota_number(at);
            let granted = line.quantity.raw();
            self.planned.push(Planned { at, sku: line.sku.0, granted, counts, quota_number, backordered: 0 });
        }
        Ok(())
    }

    /// Whether units of a line's SKU can be sold at all.
    fn check_sku(&self, sku: SkuId, index: usize) -> Result<(), Refusal> {
        if !self.state.has_sku(sku.0) {
            return Err(Refusal::of_line(Code::UnknownName, index));
        }
        if self.state.skus.get(sku.0).kind == SkuKind::Composite {
            return Err(Refusal::of_line(Code::Composite, index));
        }
        Ok(())
    }

    /// Executes the plan: a new reservation with its promises.
    fn grant(&mut self, terms: &Terms<'_>, asked: i64) -> Answer {
        let planned = std::mem::take(&mut self.planned);
        let mut lines = std::mem::take(&mut self.line_states);
        lines.clear();
        let mut granted: i64 = 0;
        for line in planned.iter().filter(|line| line.granted > 0) {
            self.state.promise_line(line, terms.deadline);
            granted = granted.saturating_add(line.granted);
            lines.push(LineState {
                sku: line.sku,
                quota_number: if line.counts { line.quota_number } else { 0 },
                counts: line.counts,
                granted: line.granted,
                open: line.granted,
                shipped: 0,
                returned: 0,
            });
        }
        self.planned = planned;
        let partial = granted < asked;
        let mut row = ReservationRow::new(terms.ticket.id, terms.stock);
        row.owner = terms.owner;
        row.origin_ms = terms.origin.0;
        row.set_grant(Grant {
            fingerprint: terms.ticket.fingerprint,
            op: terms.ticket.op,
            deadline_s: terms.deadline.0,
            lines: u16::try_from(lines.len()).unwrap_or(u16::MAX),
            partial,
            best_effort: terms.best_effort,
        });
        if terms.deadline != Deadline::NONE {
            row.stage = Stage::Held;
            row.erase_at_s = self.state.erase_at(terms.deadline.timestamp());
        }
        self.state.add_reservation(row, &lines, terms.reference);
        self.line_states = lines;
        let code = if partial { Code::Partial } else { Code::Ok };
        Answer { code, value: terms.deadline.0, detail: self.grant_detail(terms.best_effort) }
    }

    fn grant_detail(&self, best_effort: bool) -> Detail {
        let backordered = self.backordered();
        if best_effort {
            Detail::Granted { lines: self.granted_lines(), backordered }
        } else if backordered > Quantity::ZERO {
            Detail::Backordered(backordered)
        } else {
            Detail::None
        }
    }

    fn granted_lines(&self) -> Vec<GrantedLine> {
        let quantity = |raw| Quantity::from_raw(raw).unwrap_or_default();
        let lines = self.planned.iter();
        lines.map(|line| GrantedLine { sku: SkuId(line.sku), quantity: quantity(line.granted) }).collect()
    }

    fn backordered(&self) -> Quantity {
        let sum = self.planned.iter().fold(0, |sum: i64, line| sum.saturating_add(line.backordered));
        Quantity::from_raw(sum).unwrap_or(Quantity::MAX)
    }

    /// Units that are promised and missing of the counted SKUs of the plan in hand.
    fn shortfall_of_plan(&mut self) -> Quantity {
        let skus = self.planned.iter().filter(|line| line.counts).map(|line| line.sku);
        let sum = skus.fold(0, |sum: i64, sku| sum.saturating_add(self.state.shortfall_of(sku)));
        Quantity::from_raw(sum).unwrap_or(Quantity::MAX)
    }

    fn execute_sale(&mut self, ticket: Ticket, stock: u32, sell: &Sell<'_>) {
        let planned = std::mem::take(&mut self.planned);
        let mut lines = std::mem::take(&mut self.line_states);
        lines.clear();
        for line in &planned {
            if line.counts {
                self.state.take_from_item(line.sku, sell.source.0, line.granted);
                if line.quota_number != 0 {
                    let units = line.granted;
                    self.state.change_position(line.at, |row| {
                        row.quota_taken = row.quota_taken.saturating_add(units);
                    });
                    self.state.mark_changed(line.at.cluster);
                }
            }
            lines.push(LineState {
                sku: line.sku,
                quota_number: if line.counts { line.quota_number } else { 0 },
                counts: line.counts,
                granted: line.granted,
                open: 0,
                shipped: line.granted,
                returned: 0,
            });
        }
        self.planned = planned;
        let mut row = ReservationRow::new(ticket.id, stock);
        row.owner = sell.owner;
        row.origin_ms = self.state.core.time.0;
        row.set_grant(Grant {
            fingerprint: ticket.fingerprint,
            op: ticket.op,
            deadline_s: 0,
            lines: u16::try_from(lines.len()).unwrap_or(u16::MAX),
            partial: false,
            best_effort: false,
        });
        row.stage = Stage::Shipped;
        row.erase_at_s = self.state.erase_at(self.state.core.time);
        self.state.add_reservation(row, &lines, sell.reference);
        self.line_states = lines;
    }
}

impl State {
    /// When a record whose use ends at `from` stops being known.
    pub(crate) fn erase_at(&self, from: Timestamp) -> u32 {
        from.plus_ms(self.core.configuration.late_confirm_window_ms).round_up().0
    }

    /// The quota that a grant at this place takes from; 0 = none.
    pub(crate) fn quota_number(&self, at: At) -> u32 {
        self.position(at).filter(|row| row.quota_limit != NO_QUOTA).map_or(0, |row| row.quota_number)
    }

    /// How many of a line's units stand in the books of the quota in force.
    pub(crate) fn quota_units(&self, at: At, quota_number: u32, units: i64) -> i64 {
        let is_in_force = quota_number != 0 && self.quota_number(at) == quota_number;
        if is_in_force { units } else { 0 }
    }

    /// What a live hold has of a SKU.
    fn kept(&self, slot: u32, sku: u32) -> Kept {
        let row = self.reservations.get(slot);
        let kept =
            |line: LineState| Kept { units: line.open, counts: line.counts, quota_number: line.quota_number };
        let first = row.first_line();
        if first.sku == sku {
            return kept(first);
        }
        let mut next = row.more;
        while next != NO_SLOT {
            let line = self.lines.get(next);
            if line.state.sku == sku {
                return kept(line.state);
            }
            next = line.next;
        }
        Kept::default()
    }

    /// Decides one line: what it gets, or why it gets nothing.
    fn plan_line(&self, at: At, line: Line, best_effort: bool, kept: Kept) -> Result<Planned, Code> {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let asked = line.quantity.raw();
        let mut planned =
            Planned { at, sku: line.sku.0, granted: asked, counts: true, quota_number: 0, backordered: 0 };
        if kept.units >= asked {
            // A line that does not grow is never refused for quantity, and counts as it counted.
            return Ok(Planned { counts: kept.counts, quota_number: kept.quota_number, ..planned });
        }
        if !cluster.pool.is_assigned(group, at.index) {
            return Err(Code::NotAssigned);
        }
        let settings = &cluster.place(at.index).settings;
        if !best_effort {
            check_sale(settings, asked)?;
        }
        if !settings.manage_stock {
            planned.counts = false;
            planned.granted = if best_effort { sellable(settings, asked) } else { asked };
            return Ok(planned);
        }
        let left = cluster.pool.left(group, at.index);
        let is_in_stock = cluster.pool.any_in_stock(group, at.index);
        let formula =
            if settings.is_unlimited() { i64::MAX } else { left.saturating_sub(settings.eff_min()) };
        let quota_left = self.quota_left(at);
        let kept_units = if kept.counts { kept.units } else { 0 };
        if best_effort {
            let room = if is_in_stock { formula.min(quota_left).max(0) } else { 0 };
            let most = asked.min(kept_units.saturating_add(room));
            planned.granted = sellable(settings, most).max(kept_units);
        }
        let growth = planned.granted.saturating_sub(kept_units);
        if growth > 0 {
            let refusals = [
                (!is_in_stock, Code::NoSourceInStock),
                (growth > quota_left, Code::QuotaExceeded),
                (growth > formula, Code::SoldOut),
                (
                    cluster.pool.promised(group, at.index).saturating_add(growth) > QUANTITY_MAX,
                    Code::QuantityOverflow,
                ),
            ];
            if let Some((_, code)) = refusals.into_iter().find(|(refused, _)| *refused) {
                return Err(code);
            }
        }
        planned.quota_number = self.quota_number(at);
        if settings.backorders != BackorderMode::Off {
            planned.backordered = growth.saturating_sub(left.max(0)).clamp(0, growth.max(0));
        }
        Ok(planned)
    }

    /// The refusal of a line, with what it could still have had where that helps.
    fn refused_line(&self, code: Code, at: At, sku: SkuId, index: usize) -> Refusal {
        let refusal = Refusal::of_line(code, index);
        if !matches!(code, Code::SoldOut | Code::QuotaExceeded) {
            return refusal;
        }
        let cluster = self.clusters.get(at.cluster);
        let left = cluster.pool.left(self.catalog.layout.group(cluster.group), at.index);
        let available = self.cell_value(at.cluster, at.index, left);
        match Quantity::from_raw(available) {
            // Nothing left is the common case of a storm and needs no words.
            Ok(available) if available > Quantity::ZERO => refusal.with(Detail::Available { sku, available }),
            Ok(_) | Err(_) => refusal,
        }
    }

    /// Counts one planned line.
    fn promise_line(&mut self, line: &Planned, deadline: Deadline) {
        if !line.counts {
            return;
        }
        let quota = self.quota_units(line.at, line.quota_number, line.granted);
        if deadline == Deadline::NONE {
            self.promise(line.at, line.granted, quota);
        } else {
            self.hold(line.at, deadline.0, line.granted, quota);
        }
    }

    /// Stores a new reservation with its lines and reference.
    fn add_reservation(&mut self, mut row: ReservationRow, lines: &[LineState], reference: &str) {
        let id = row.id();
        if let Some(first) = lines.first() {
            row.set_first_line(*first);
        }
        for (at, state) in lines.iter().enumerate().skip(1).rev() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let line = LineRow { reservation: id, at, next: row.more, state: *state };
            row.more = self.lines.insert(line);
        }
        if !reference.is_empty() {
            row.reference = self.references.insert(ReferenceRow::new(id, reference));
        }
        let slot = self.reservations.insert(row);
        let reservations = &self.reservations;
        self.reservation_index.insert(id.hash64(), slot, |slot| reservations.get(slot).id().hash64());
        self.known = self.known.saturating_add(1);
        self.count(slot);
    }

    /// The outcome that the op of a live reservation answered.
    pub(crate) fn granted_outcome(&self, slot: u32) -> Outcome {
        let row = self.reservations.get(slot);
        let grant = row.grant();
        let code = if grant.partial { Code::Partial } else { Code::Ok };
        let mut outcome = Outcome::new(code, grant.deadline_s, grant.op);
        outcome.replayed = true;
        if grant.best_effort {
            let mut states = Vec::new();
            self.lines_of(slot, &mut states);
            let lines = states.iter().map(|line| GrantedLine {
                sku: SkuId(line.sku),
                quantity: Quantity::from_raw(line.granted).unwrap_or_default(),
            });
            outcome.detail = Detail::Granted { lines: lines.collect(), backordered: Quantity::ZERO };
        }
        outcome
    }

    /// All lines of a reservation, sorted by SKU as they were granted; `out` is overwritten.
    pub(crate) fn lines_of(&self, slot: u32, out: &mut Vec<LineState>) {
        let row = self.reservations.get(slot);
        out.clear();
        out.push(row.first_line());
        let mut next = row.more;
        while next != NO_SLOT {
            let line = self.lines.get(next);
            out.push(line.state);
            next = line.next;
        }
    }

    /// Writes the lines of a reservation back, in the order of [`State::lines_of`].
    pub(crate) fn set_lines(&mut self, slot: u32, lines: &[LineState]) {
        let Some((first, rest)) = lines.split_first() else { return };
        let row = self.reservations.get_mut(slot);
        row.set_first_line(*first);
        let mut next = row.more;
        for state in rest {
            let line = self.lines.get_mut(next);
            line.state = *state;
            next = line.next;
        }
    }

    /// The place of a line of a reservation: its SKU in the reservation's stock.
    pub(crate) fn place_of_line(&mut self, sku: u32, stock: u32) -> At {
        let Some(seat) = self.catalog.layout.place_of_stock(stock) else {
            unreachable!("every stock has a place in the layout");
        };
        At { cluster: self.cluster_or_new(sku, seat.group), index: seat.index }
    }

    /// Whether an id names a reservation that is kept.
    pub(crate) fn reservation(&self, id: CommandId) -> Result<u32, Refusal> {
        self.find_reservation(id).ok_or(Refusal::new(Code::UnknownReservation))
    }
}

/// MSI's checks of a line's quantity, in their order (msi.md 3.5).
fn check_sale(settings: &Effective, asked: i64) -> Result<(), Code> {
    let is_multiple = settings.increment == 0 || asked.checked_rem(settings.increment) == Some(0);
    let is_whole = settings.decimals || asked.checked_rem(QUANTITY_SCALE) == Some(0);
    let rules = [
        (settings.min_sale != 0 && asked < settings.min_sale, Code::BelowMinSale),
        (settings.max_sale != 0 && asked > settings.max_sale, Code::AboveMaxSale),
        (!is_multiple, Code::NotAnIncrement),
        (!is_whole, Code::DecimalsNotAllowed),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, code)| Err(code))
}

/// The most of `most` that may be sold in one line: whole units unless the SKU allows decimals, whole
/// increments, nothing below the fewest.
fn sellable(settings: &Effective, most: i64) -> i64 {
    let mut granted = if settings.max_sale == 0 { most } else { most.min(settings.max_sale) };
    let mut floor_to = |step: i64| {
        granted = granted.saturating_sub(granted.checked_rem(step).unwrap_or(0));
    };
    if !settings.decimals {
        floor_to(QUANTITY_SCALE);
    }
    if settings.increment != 0 {
        floor_to(settings.increment);
        // An increment may be a part of a unit; a SKU that is sold whole needs a common multiple.
        while !settings.decimals && granted > 0 && granted.checked_rem(QUANTITY_SCALE) != Some(0) {
            granted = granted.saturating_sub(settings.increment);
        }
    }
    if granted < settings.min_sale { 0 } else { granted.max(0) }
}
