//! The rules of a cart: the quantity that each line is granted, or the reason why it is refused. Reads only.
//!
//! SKUs never limit each other, so each line is planned independently. The machine ends the due holds of a line's
//! place before it plans the line, and `moves` executes the planned lines.

use crate::decision::Refusal;
use crate::ledger::record::LineState;
use crate::ledger::state::{At, State};
use crate::moves::{CartPlan, Planned};
use crate::stock::settings::Effective;
use crate::table::NO_SLOT;
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::limits::{QUANTITY_MAX, QUANTITY_SCALE};
use stockhold_protocol::{Code, Detail, Line, Quantity, SkuId};

/// Why a line is refused, and the place of its SKU in the stock if it is known. The type is small, because
/// every planned line returns it on the hot path.
#[derive(Clone, Copy)]
pub(crate) struct RefusalReason {
    pub(crate) code: Code,
    pub(crate) at: Option<At>,
}

/// Units of a SKU that the reservation already has, so that a replace or amend needs no new promise for them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExistingPromise {
    pub(crate) units: i64,
    pub(crate) counts: bool,
    pub(crate) quota_number: u32,
}

/// How the lines of a cart are planned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CartMode {
    /// Whether fewer units than requested may be granted.
    pub(crate) best_effort: bool,
    /// Whether the stock or the channel is frozen, so that no line may grow.
    pub(crate) is_frozen: bool,
}

impl CartMode {
    /// All or nothing, from what is not frozen.
    pub(crate) const WHOLE: Self = Self { best_effort: false, is_frozen: false };
}

impl State {
    /// Checks the limits of the configuration for a new reservation with this many lines.
    pub(crate) fn check_cart(&self, lines: usize) -> Result<(), Refusal> {
        let configuration = &self.core.configuration;
        if lines > configuration.lines_max as usize {
            let rule = format!("must hold at most {} entries (lines_max)", configuration.lines_max);
            return Err(Refusal::new(Code::BadField).rule("lines", rule));
        }
        if self.known >= configuration.reservations_max {
            return Err(Refusal::limit("reservations_max", configuration.reservations_max));
        }
        Ok(())
    }

    /// Refuses a planned cart if none of its lines is granted any units. This names the reason for the first line.
    pub(crate) fn require_grant(&self, cart: &CartPlan, mode: CartMode) -> Result<(), Refusal> {
        if cart.planned.iter().any(|planned| planned.granted > 0) {
            return Ok(());
        }
        let (Some(planned), Some(line)) = (cart.planned.first(), cart.requested.first()) else {
            unreachable!("a cart has at least one line");
        };
        let code = self.no_grant_reason(planned.at, line.quantity.raw(), mode);
        Err(self.line_refusal(RefusalReason { code, at: Some(planned.at) }, *line, 0))
    }

    /// Plans a line of a forced sale, which is granted completely.
    pub(crate) fn plan_forced_line(&self, at: At, line: Line) -> Planned {
        let counts = self.clusters.get(at.cluster).place(at.index).settings.manage_stock;
        let (granted, quota_number) = (line.quantity.raw(), self.quota_number(at));
        Planned { at, sku: line.sku.0, granted, counts, quota_number, backordered: 0 }
    }

    /// The quota that a grant at this place takes from; 0 = none.
    pub(crate) fn quota_number(&self, at: At) -> u32 {
        let has_quota = self.clusters.get(at.cluster).place(at.index).has_quota;
        if has_quota { self.position(at).map_or(0, |row| row.quota_number) } else { 0 }
    }

    /// How many of a line's units are counted in the quota in force.
    pub(crate) fn quota_units(&self, at: At, quota_number: u32, units: i64) -> i64 {
        let is_in_force = quota_number != 0 && self.quota_number(at) == quota_number;
        if is_in_force { units } else { 0 }
    }

    /// The open units of a SKU in holds. Expired ones have none that are promised. If some of them count and others do not,
    /// those that count are meant.
    pub(crate) fn existing_promises(&self, slots: &[u32], sku: u32) -> ExistingPromise {
        let mut sum = ExistingPromise::default();
        for slot in slots {
            let one = self.existing_promise(*slot, sku);
            if one.units == 0 || self.has_lapsed(self.reservations.get(*slot)) || sum.counts && !one.counts {
                continue;
            }
            let before = if sum.counts == one.counts { sum.units } else { 0 };
            sum = ExistingPromise { units: before.saturating_add(one.units), ..one };
        }
        sum
    }

    /// The open units of a SKU in a live hold.
    fn existing_promise(&self, slot: u32, sku: u32) -> ExistingPromise {
        let row = self.reservations.get(slot);
        let existing = |line: LineState| ExistingPromise {
            units: line.open,
            counts: line.counts,
            quota_number: line.quota_number,
        };
        let first = row.first_line();
        if first.sku == sku {
            return existing(first);
        }
        let mut next = row.more;
        while next != NO_SLOT {
            let line = self.lines.get(next);
            if line.state.sku == sku {
                return existing(line.state);
            }
            next = line.next;
        }
        ExistingPromise::default()
    }

    /// Plans one line: the granted quantity, or the code of its refusal. The cluster must be settled.
    #[expect(
        clippy::inline_always,
        reason = "the planned line stays in registers, which saves 56 instructions per reserve"
    )]
    #[inline(always)]
    pub(crate) fn plan_line(
        &self,
        at: At,
        line: Line,
        mode: CartMode,
        existing: ExistingPromise,
    ) -> Result<Planned, Code> {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let requested = line.quantity.raw();
        let mut planned = Planned {
            at,
            sku: line.sku.0,
            granted: requested,
            counts: true,
            quota_number: 0,
            backordered: 0,
        };
        if existing.units >= requested {
            // A line that does not grow is never refused because of quantities. It stays counted or
            // uncounted.
            return Ok(Planned { counts: existing.counts, quota_number: existing.quota_number, ..planned });
        }
        if !cluster.pool.is_assigned(group, at.index) {
            return Err(Code::NotAssigned);
        }
        let place = cluster.place(at.index);
        let settings = &place.settings;
        let CartMode { best_effort, is_frozen } = mode;
        if !best_effort {
            check_sale(settings, requested)?;
        }
        if is_frozen || !settings.is_plain {
            if let Err(code) = self.may_promise(settings, is_frozen) {
                return if best_effort { Ok(kept_line(planned, existing)) } else { Err(code) };
            }
            if !settings.manage_stock {
                planned.counts = false;
                planned.granted =
                    if best_effort { largest_allowed_sale(settings, requested) } else { requested };
                return Ok(planned);
            }
        }
        let left = cluster.pool.left(group, at.index);
        let is_in_stock = cluster.pool.any_in_stock(group, at.index);
        let formula =
            if settings.is_unlimited() { i64::MAX } else { left.saturating_sub(settings.eff_min()) };
        let quota_left = self.quota_left(place);
        let existing_units = if existing.counts { existing.units } else { 0 };
        if best_effort {
            let room = if is_in_stock { formula.min(quota_left).max(0) } else { 0 };
            let most = requested.min(existing_units.saturating_add(room));
            planned.granted = largest_allowed_sale(settings, most).max(existing_units);
        }
        let growth = planned.granted.saturating_sub(existing_units);
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

    /// Whether a SKU with these settings may be promised now. Facts are not asked about.
    #[cold]
    pub(crate) fn may_promise(&self, settings: &Effective, is_frozen: bool) -> Result<(), Code> {
        if is_frozen || settings.frozen {
            return Err(Code::Frozen);
        }
        if settings.is_closed_at(self.shown(self.core.time)) { Err(Code::NotOpen) } else { Ok(()) }
    }

    /// Why a line of a best-effort cart is granted no units: the sale rule that no part of it satisfies, a freeze or the
    /// time, the missing source in stock, the quota, or the quantity left.
    #[cold]
    fn no_grant_reason(&self, at: At, requested: i64, mode: CartMode) -> Code {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let place = cluster.place(at.index);
        if largest_allowed_sale(&place.settings, requested) == 0
            && let Err(code) = check_sale(&place.settings, requested)
        {
            return code;
        }
        if let Err(code) = self.may_promise(&place.settings, mode.is_frozen) {
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
        if quota_left < requested && quota_left <= formula { Code::QuotaExceeded } else { Code::SoldOut }
    }

    /// The refusal of a late confirm for a line that does not fit again.
    #[cold]
    pub(crate) fn too_late(&self, stock: u32, line: Line, index: usize) -> Refusal {
        let refusal = Refusal::of_line(Code::TooLate, index);
        let Some(at) = self.find(line.sku.0, stock) else { return refusal };
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let left = cluster.pool_at(group, self.now_s()).left(group, at.index);
        add_available(refusal, line.sku, self.cell_value(cluster, at.index, left))
    }

    /// The refusal of a line, with its details for the client.
    #[cold]
    pub(crate) fn line_refusal(&self, reason: RefusalReason, line: Line, index: usize) -> Refusal {
        let refusal = Refusal::of_line(reason.code, index);
        let (sku, requested) = (line.sku, line.quantity.raw());
        match (reason.code, reason.at) {
            (Code::SoldOut | Code::QuotaExceeded, Some(at)) => self.with_available(refusal, sku, at),
            (Code::UnknownName, _) => Refusal::unknown_in_line("lines", index),
            (Code::NotAssigned | Code::NoSourceInStock | Code::Composite | Code::Frozen, _) => {
                refusal.of_sku(sku.0)
            }
            (Code::NotOpen, Some(at)) => {
                let settings = &self.clusters.get(at.cluster).place(at.index).settings;
                refusal.with(settings.open_range(self.shown(self.core.time)))
            }
            (Code::QuantityOverflow, _) => refusal.bounded(sku.0, QUANTITY_MAX, requested),
            (code, Some(at)) => {
                let settings = &self.clusters.get(at.cluster).place(at.index).settings;
                refusal.bounded(sku.0, sale_bound(settings, code), requested)
            }
            (_, None) => refusal,
        }
    }

    /// Adds the available quantity to a refusal. The cluster must be settled.
    fn with_available(&self, refusal: Refusal, sku: SkuId, at: At) -> Refusal {
        let cluster = self.clusters.get(at.cluster);
        let group = self.catalog.layout.group(cluster.group);
        let left = cluster.pool.left(group, at.index);
        add_available(refusal, sku, self.cell_value(cluster, at.index, left))
    }
}

/// Adds the available quantity to a refusal if it is positive.
fn add_available(refusal: Refusal, sku: SkuId, available: i64) -> Refusal {
    match Quantity::from_raw(available) {
        // When many clients want a sold-out SKU, most refusals have nothing left. They need no detail.
        Ok(available) if available > Quantity::ZERO => refusal.with(Detail::Available { sku, available }),
        Ok(_) | Err(_) => refusal,
    }
}

/// A line that may not grow: what it has already.
#[cold]
fn kept_line(line: Planned, existing: ExistingPromise) -> Planned {
    let ExistingPromise { units, counts, quota_number } = existing;
    Planned { granted: units, counts, quota_number, ..line }
}

/// MSI's checks of a line's quantity, in their order (msi.md 3.5).
fn check_sale(settings: &Effective, requested: i64) -> Result<(), Code> {
    if settings.min_sale != 0 && requested < settings.min_sale {
        return Err(Code::BelowMinSale);
    }
    if settings.max_sale != 0 && requested > settings.max_sale {
        return Err(Code::AboveMaxSale);
    }
    if settings.increment != 0 && requested.checked_rem(settings.increment) != Some(0) {
        return Err(Code::NotAnIncrement);
    }
    if !settings.decimals && requested.checked_rem(QUANTITY_SCALE) != Some(0) {
        return Err(Code::DecimalsNotAllowed);
    }
    Ok(())
}

/// The bound of the sale rule that a quantity violates.
fn sale_bound(settings: &Effective, code: Code) -> i64 {
    let bounds = [
        (Code::BelowMinSale, settings.min_sale),
        (Code::AboveMaxSale, settings.max_sale),
        (Code::NotAnIncrement, settings.increment),
    ];
    // A SKU without decimals has an increment of one unit.
    bounds.into_iter().find(|(of, _)| *of == code).map_or(QUANTITY_SCALE, |(_, bound)| bound)
}

/// The largest quantity up to `most` that the sale rules allow in one line: a multiple of the increment,
/// whole units unless the SKU allows decimals, and 0 if it is below the minimum.
fn largest_allowed_sale(settings: &Effective, most: i64) -> i64 {
    let mut granted = if settings.max_sale == 0 { most } else { most.min(settings.max_sale) };
    let mut floor_to = |step: i64| {
        granted = granted.saturating_sub(granted.checked_rem(step).unwrap_or(0));
    };
    if !settings.decimals {
        floor_to(QUANTITY_SCALE);
    }
    if settings.increment != 0 {
        floor_to(settings.increment);
        // An increment may be a fraction of a unit. A SKU without decimals then needs a common multiple.
        while !settings.decimals && granted > 0 && granted.checked_rem(QUANTITY_SCALE) != Some(0) {
            granted = granted.saturating_sub(settings.increment);
        }
    }
    if granted < settings.min_sale { 0 } else { granted.max(0) }
}
