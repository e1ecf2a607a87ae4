//! The rules of a cart, line by line: what a line gets, or why it gets nothing. Reads only.
//!
//! Two SKUs never limit each other, so each line is planned by itself. What is done with a plan is in
//! `moves`.

use crate::decision::Refusal;
use crate::ledger::record::LineState;
use crate::ledger::state::{At, State};
use crate::machine::Machine;
use crate::moves::Planned;
use crate::stock::settings::Effective;
use crate::table::NO_SLOT;
use stockhold_protocol::command::{BackorderMode, Reserve};
use stockhold_protocol::limits::{QUANTITY_MAX, QUANTITY_SCALE};
use stockhold_protocol::{Code, Detail, Line, Quantity, SkuId};

/// Why a line gets nothing, and where it stands if that is known. Small, because every line's answer passes by it.
#[derive(Clone, Copy)]
pub(super) struct Stop {
    pub(super) code: Code,
    pub(super) at: Option<At>,
}

/// What a live hold that is being replaced has of one SKU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) units: i64,
    pub(super) counts: bool,
    pub(super) quota_number: u32,
}

impl Machine {
    pub(crate) fn check_room(&self, lines: usize) -> Result<(), Refusal> {
        let configuration = &self.state.core.configuration;
        if lines > configuration.lines_max as usize {
            let rule =
                format!("are {lines}, and lines_max of the configuration is {}", configuration.lines_max);
            return Err(Refusal::new(Code::BadField).rule("lines", rule));
        }
        if self.state.known >= configuration.reservations_max {
            return Err(Refusal::limit("reservations_max", configuration.reservations_max));
        }
        Ok(())
    }

    /// Sums the cart's lines by SKU; returns how many ten-thousandths were asked for in all.
    pub(crate) fn merge(&mut self, reserve: &Reserve<'_>) -> Result<i64, Refusal> {
        self.check_room(reserve.lines.len())?;
        reserve.lines.merge_into(&mut self.lines);
        Ok(self.lines.iter().fold(0, |sum: i64, line| sum.saturating_add(line.quantity.raw())))
    }

    /// Plans every line of the cart in hand for a stock; a replaced hold's units stay where they are.
    pub(crate) fn plan_cart(
        &mut self,
        stock: u32,
        best_effort: bool,
        replaced: Option<u32>,
    ) -> Result<(), Refusal> {
        self.planned.clear();
        let mut any = false;
        for index in 0..self.lines.len() {
            let line = self.lines[index];
            let kept = replaced.map_or(Kept::default(), |slot| self.state.kept(slot, line.sku.0));
            let planned = match self.state.plan_in_stock(stock, line, best_effort, kept) {
                Ok(planned) => planned,
                Err(stop) => return Err(self.state.refused_line(stop, line, index)),
            };
            any |= planned.granted > 0;
            self.planned.push(planned);
        }
        if any {
            return Ok(());
        }
        let (Some(planned), Some(line)) = (self.planned.first(), self.lines.first()) else {
            unreachable!("a cart has at least one line");
        };
        let code = self.state.why_nothing(planned.at, line.quantity.raw());
        Err(self.state.refused_line(Stop { code, at: Some(planned.at) }, *line, 0))
    }

    /// Plans a forced sale: the goods have left, so only what cannot be counted at all is refused.
    pub(crate) fn plan_forced(&mut self, stock: u32) -> Result<(), Refusal> {
        self.planned.clear();
        for index in 0..self.lines.len() {
            let line = self.lines[index];
            if let Err(code) = self.state.entry_to_sell(line.sku.0) {
                return Err(self.state.refused_line(Stop { code, at: None }, line, index));
            }
            let at = self.state.place_of_line(line.sku.0, stock);
            let counts = self.state.clusters.get(at.cluster).place(at.index).settings.manage_stock;
            let quota_number = self.state.quota_number(at);
            let granted = line.quantity.raw();
            self.planned.push(Planned { at, sku: line.sku.0, granted, counts, quota_number, backordered: 0 });
        }
        Ok(())
    }
}

impl State {
    /// Plans the one line of a cart that gets all or nothing.
    #[inline]
    pub(crate) fn plan_single(&mut self, stock: u32, line: Line) -> Result<Planned, Refusal> {
        let planned = self.plan_in_stock(stock, line, false, Kept::default());
        planned.map_err(|stop| self.refused_line(stop, line, 0))
    }

    /// Plans a line of a cart where it stands in a stock.
    #[expect(
        clippy::inline_always,
        reason = "what is planned stays in registers: 56 instructions of a reserve"
    )]
    #[inline(always)]
    fn plan_in_stock(
        &mut self,
        stock: u32,
        line: Line,
        best_effort: bool,
        kept: Kept,
    ) -> Result<Planned, Stop> {
        let at = match self.place_to_sell(line.sku.0, stock) {
            Ok(at) => at,
            // Whether a place was made before differs after a load, so it must not decide.
            Err(Code::NotAssigned) if kept.units > 0 => self.place_of_line(line.sku.0, stock),
            Err(code) => return Err(Stop { code, at: None }),
        };
        self.settle(at.cluster);
        let planned = self.plan_line(at, line, best_effort, kept);
        planned.map_err(|code| Stop { code, at: Some(at) })
    }

    /// The quota that a grant at this place takes from; 0 = none.
    pub(crate) fn quota_number(&self, at: At) -> u32 {
        let has_quota = self.clusters.get(at.cluster).place(at.index).has_quota;
        if has_quota { self.position(at).map_or(0, |row| row.quota_number) } else { 0 }
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
    #[expect(clippy::inline_always, reason = "as `plan_in_stock`, whose result it makes")]
    #[inline(always)]
    pub(super) fn plan_line(
        &self,
        at: At,
        line: Line,
        best_effort: bool,
        kept: Kept,
    ) -> Result<Planned, Code> {
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
        let place = cluster.place(at.index);
        let settings = &place.settings;
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
        let quota_left = self.quota_left(place);
        let kept_units = if kept.counts { kept.units } else { 0 };
        if best_effort {
            let room = if is_in_stock { formula.min(quota_left).max(0) } else { 0 };
            let most = asked.min(kept_units.saturating_add(room));
            planned.granted = sellable(settings, most).max(kept_units);
        }
        let growth = planned.granted.saturating_sub(kept_units);
        if growth > 0 {
            if !is_in_stock {
                return Err(Code::NoSourceInStock);
            }
            if growth > quota_left {
                return Err(Code::QuotaExceeded);
            }
            if growth > formula {
                return Err(Code::SoldOut);
            }
            if cluster.pool.promised(group, at.index).saturating_add(growth) > QUANTITY_MAX {
                return Err(Code::QuantityOverflow);
            }
        }
        planned.quota_number = if place.has_quota { self.quota_number(at) } else { 0 };
        if settings.backorders != BackorderMode::Off {
            planned.backordered = growth.saturating_sub(left.max(0)).clamp(0, growth.max(0));
        }
        Ok(planned)
    }

    /// Why a line of a best-effort cart gets nothing: the rule of sale that no part of it keeps, or what is missing.
    #[cold]
    fn why_nothing(&self, at: At, asked: i64) -> Code {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let place = cluster.place(at.index);
        if sellable(&place.settings, asked) == 0
            && let Err(code) = check_sale(&place.settings, asked)
        {
            return code;
        }
        if !cluster.pool.any_in_stock(group, at.index) {
            return Code::NoSourceInStock;
        }
        let left = cluster.pool.left(group, at.index);
        let formula = if place.settings.is_unlimited() {
            i64::MAX
        } else {
            left.saturating_sub(place.settings.eff_min())
        };
        let quota_left = self.quota_left(place);
        if quota_left < asked && quota_left <= formula { Code::QuotaExceeded } else { Code::SoldOut }
    }

    /// The refusal of a late confirm for a line that does not fit again.
    #[cold]
    pub(crate) fn too_late(&self, stock: u32, line: Line, index: usize) -> Refusal {
        let refusal = Refusal::of_line(Code::TooLate, index);
        let Some(at) = self.find(line.sku.0, stock) else { return refusal };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let left = cluster.pool_at(group, self.now_s()).left(group, at.index);
        naming_available(refusal, line.sku, self.cell_value(cluster, at.index, left))
    }

    /// The refusal of a line, with what the caller needs to know of it.
    #[cold]
    pub(super) fn refused_line(&self, stop: Stop, line: Line, index: usize) -> Refusal {
        let refusal = Refusal::of_line(stop.code, index);
        let (sku, asked) = (line.sku, line.quantity.raw());
        match (stop.code, stop.at) {
            (Code::SoldOut | Code::QuotaExceeded, Some(at)) => self.with_available(refusal, sku, at),
            (Code::UnknownName, _) => Refusal::unknown_in_line("lines", index),
            (Code::NotAssigned | Code::NoSourceInStock | Code::Composite, _) => refusal.of_sku(sku.0),
            (Code::QuantityOverflow, _) => refusal.bounded(sku.0, QUANTITY_MAX, asked),
            (code, Some(at)) => {
                let settings = &self.clusters.get(at.cluster).place(at.index).settings;
                refusal.bounded(sku.0, sale_bound(settings, code), asked)
            }
            (_, None) => refusal,
        }
    }

    /// Names what is left; the due holds of the cluster have ended.
    fn with_available(&self, refusal: Refusal, sku: SkuId, at: At) -> Refusal {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let left = cluster.pool.left(group, at.index);
        naming_available(refusal, sku, self.cell_value(cluster, at.index, left))
    }
}

/// Names what is left, if anything is.
fn naming_available(refusal: Refusal, sku: SkuId, available: i64) -> Refusal {
    match Quantity::from_raw(available) {
        // Nothing left is the common case of a storm and needs no words.
        Ok(available) if available > Quantity::ZERO => refusal.with(Detail::Available { sku, available }),
        Ok(_) | Err(_) => refusal,
    }
}

/// MSI's checks of a line's quantity, in their order (msi.md 3.5).
fn check_sale(settings: &Effective, asked: i64) -> Result<(), Code> {
    if settings.min_sale != 0 && asked < settings.min_sale {
        return Err(Code::BelowMinSale);
    }
    if settings.max_sale != 0 && asked > settings.max_sale {
        return Err(Code::AboveMaxSale);
    }
    if settings.increment != 0 && asked.checked_rem(settings.increment) != Some(0) {
        return Err(Code::NotAnIncrement);
    }
    if !settings.decimals && asked.checked_rem(QUANTITY_SCALE) != Some(0) {
        return Err(Code::DecimalsNotAllowed);
    }
    Ok(())
}

/// The bound that a quantity of a sale broke.
fn sale_bound(settings: &Effective, code: Code) -> i64 {
    let bounds = [
        (Code::BelowMinSale, settings.min_sale),
        (Code::AboveMaxSale, settings.max_sale),
        (Code::NotAnIncrement, settings.increment),
    ];
    // Whole units are the increment of a SKU without decimals.
    bounds.into_iter().find(|(of, _)| *of == code).map_or(QUANTITY_SCALE, |(_, bound)| bound)
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
