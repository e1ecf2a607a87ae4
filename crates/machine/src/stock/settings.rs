//! Settings after inheritance: global → SKU → (SKU, stock). Each level inherits the values that it does not
//! set.
//!
//! Rules and defaults are those of MSI (msi.md 2.5). The threshold depends on backorders, as there:
//! `eff_min` = backorders off ? max(`min_qty`, 0) : min(`min_qty`, 0).
//!
//! The rules of a flash sale (a freeze, opening and closing) stand behind one flag, so that a plain line does not pay for them.

use crate::stock::sharing::Allowance;
use std::collections::BTreeSet;
use std::sync::Arc;
use stockhold_protocol::command::{BackorderMode, Change, SettingsChange};
use stockhold_protocol::limits::QUANTITY_SCALE;
use stockhold_protocol::query::SettingsView;
use stockhold_protocol::{Detail, Quantity, Timestamp};

const MIN_QTY: usize = 0;
const MIN_SALE: usize = 1;
const MAX_SALE: usize = 2;
const INCREMENTS: usize = 3;
const NOTIFY: usize = 4;

/// The time that stands for no opening and no closing.
const NO_DOOR: Timestamp = Timestamp(0);
/// The times of a sale that neither opens nor closes.
pub(crate) const NO_DOORS: (Timestamp, Timestamp) = (NO_DOOR, NO_DOOR);

/// The values of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Overrides {
    pub(crate) manage_stock: Option<bool>,
    pub(crate) backorders: Option<BackorderMode>,
    pub(crate) enable_qty_increments: Option<bool>,
    /// min_qty, min_sale_qty, max_sale_qty, qty_increments, notify_stock_qty.
    pub(crate) quantities: [Option<i64>; 5],
    pub(crate) frozen: Option<bool>,
    pub(crate) opens_at: Option<Timestamp>,
    pub(crate) closes_at: Option<Timestamp>,
    #[cfg(feature = "next-release")]
    pub(crate) lead_days: Option<u32>,
}

impl Overrides {
    /// The values after a change.
    pub(crate) fn changed(mut self, change: &SettingsChange) -> Self {
        fn set<T: Copy, U>(field: &mut Option<U>, change: Change<T>, convert: impl Fn(T) -> U) {
            match change {
                Change::Keep => {}
                Change::Unset => *field = None,
                Change::Set(value) => *field = Some(convert(value)),
            }
        }
        set(&mut self.manage_stock, change.manage_stock, |value| value);
        set(&mut self.backorders, change.backorders, |value| value);
        set(&mut self.enable_qty_increments, change.enable_qty_increments, |value| value);
        let quantities = [
            change.min_qty,
            change.min_sale_qty,
            change.max_sale_qty,
            change.qty_increments,
            change.notify_stock_qty,
        ];
        for (field, quantity) in self.quantities.iter_mut().zip(quantities) {
            set(field, quantity, Quantity::raw);
        }
        set(&mut self.frozen, change.frozen, |value| value);
        set(&mut self.opens_at, change.opens_at, |value| value);
        set(&mut self.closes_at, change.closes_at, |value| value);
        #[cfg(feature = "next-release")]
        set(&mut self.lead_days, change.lead_days, |value| value);
        self
    }
}

/// The settings of one SKU in one stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub(crate) struct Effective {
    /// The threshold as it was set, for views.
    pub(crate) min_qty: i64,
    /// Fewest units of a line; 0 = no check.
    pub(crate) min_sale: i64,
    /// Most units of a line; 0 = no check.
    pub(crate) max_sale: i64,
    /// Quantities of lines must be multiples of this; 0 = no check.
    pub(crate) increment: i64,
    pub(crate) notify: i64,
    #[cfg(feature = "next-release")]
    pub(crate) lead_days: u32,
    pub(crate) manage_stock: bool,
    pub(crate) backorders: BackorderMode,
    /// Whether fractions of a unit may be sold.
    pub(crate) decimals: bool,
    /// Whether units are counted and none of the rules of a flash sale is set, so that these need not be looked at.
    pub(crate) is_plain: bool,
    pub(crate) frozen: bool,
    /// When the sale begins and ends by the wall clock; 0 = it has no such time.
    pub(crate) opens_at: Timestamp,
    pub(crate) closes_at: Timestamp,
}

impl Effective {
    /// Merges the levels, the most specific one last.
    pub(crate) fn merge(levels: [Option<&Overrides>; 3], decimals: bool) -> Self {
        let mut merged = Overrides {
            manage_stock: Some(true),
            backorders: Some(BackorderMode::Off),
            enable_qty_increments: Some(false),
            quantities: [
                Some(0),
                Some(QUANTITY_SCALE),
                Some(QUANTITY_SCALE.saturating_mul(10_000)),
                Some(QUANTITY_SCALE),
                Some(QUANTITY_SCALE),
            ],
            frozen: Some(false),
            opens_at: Some(NO_DOOR),
            closes_at: Some(NO_DOOR),
            #[cfg(feature = "next-release")]
            lead_days: Some(0),
        };
        for level in levels.into_iter().flatten() {
            merged.manage_stock = level.manage_stock.or(merged.manage_stock);
            merged.backorders = level.backorders.or(merged.backorders);
            merged.enable_qty_increments = level.enable_qty_increments.or(merged.enable_qty_increments);
            for (field, value) in merged.quantities.iter_mut().zip(level.quantities) {
                *field = value.or(*field);
            }
            merged.frozen = level.frozen.or(merged.frozen);
            merged.opens_at = level.opens_at.or(merged.opens_at);
            merged.closes_at = level.closes_at.or(merged.closes_at);
            #[cfg(feature = "next-release")]
            {
                merged.lead_days = level.lead_days.or(merged.lead_days);
            }
        }
        let quantity = |at: usize| merged.quantities[at].unwrap_or(0);
        let increments = merged.enable_qty_increments.unwrap_or(false);
        let manage_stock = merged.manage_stock.unwrap_or(true);
        let frozen = merged.frozen.unwrap_or(false);
        let door = |at: Option<Timestamp>| at.unwrap_or(NO_DOOR);
        let (opens_at, closes_at) = (door(merged.opens_at), door(merged.closes_at));
        let has_doors = opens_at != NO_DOOR || closes_at != NO_DOOR;
        Self {
            min_qty: quantity(MIN_QTY),
            min_sale: quantity(MIN_SALE),
            max_sale: quantity(MAX_SALE),
            increment: if increments { quantity(INCREMENTS) } else { 0 },
            notify: quantity(NOTIFY),
            #[cfg(feature = "next-release")]
            lead_days: merged.lead_days.unwrap_or_default(),
            manage_stock,
            backorders: merged.backorders.unwrap_or_default(),
            decimals,
            is_plain: manage_stock && !frozen && !has_doors,
            frozen,
            opens_at,
            closes_at,
        }
    }

    /// Whether the sale has not begun at this time of the wall clock, or is over.
    pub(crate) fn is_closed_at(&self, wall: Timestamp) -> bool {
        #[cfg(feature = "mutants")]
        let wall =
            if crate::mutant::is(crate::mutant::Mutant::OpensEarly) { wall.plus_ms(1_000) } else { wall };
        let is_over = self.closes_at != NO_DOOR && wall >= self.closes_at;
        wall < self.opens_at || is_over
    }

    /// When the sale opens and closes.
    pub(crate) const fn sale_times(&self) -> (Timestamp, Timestamp) {
        (self.opens_at, self.closes_at)
    }

    /// The times at which the sale is open, and this time. What has no end is open until the last time that can be shown.
    pub(crate) fn open_range(&self, wall: Timestamp) -> Detail {
        let last =
            if self.closes_at == NO_DOOR { Timestamp::MAX.0 } else { self.closes_at.0.saturating_sub(1) };
        Detail::Range { min: self.opens_at.0, max: last, value: wall.0 }
    }

    /// Whether the values that a cell depends on are the same.
    pub(crate) fn sells_as(&self, other: &Self) -> bool {
        let values = |of: &Self| (of.manage_stock, of.is_unlimited(), of.eff_min());
        values(self) == values(other)
    }

    /// Whether any quantity may be promised beyond the goods.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.backorders != BackorderMode::Off && self.min_qty >= 0
    }

    /// The threshold in force.
    pub(crate) fn eff_min(&self) -> i64 {
        if self.backorders == BackorderMode::Off { self.min_qty.max(0) } else { self.min_qty.min(0) }
    }

    /// The quantity that the stock may promise beyond the goods.
    pub(crate) fn allowance(&self) -> Allowance {
        if self.is_unlimited() {
            Allowance::Unlimited
        } else {
            Allowance::Units(0_i64.saturating_sub(self.eff_min()).max(0))
        }
    }

    /// The settings as an answer.
    pub(crate) fn view(&self) -> SettingsView {
        let quantity = |raw| Quantity::from_raw(raw).unwrap_or_default();
        SettingsView {
            manage_stock: self.manage_stock,
            backorders: self.backorders,
            min_qty: quantity(self.min_qty),
            min_sale_qty: quantity(self.min_sale),
            max_sale_qty: quantity(self.max_sale),
            qty_increments: quantity(self.increment),
            notify_stock_qty: quantity(self.notify),
            frozen: self.frozen,
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            #[cfg(feature = "next-release")]
            lead_days: Some(self.lead_days),
        }
    }
}

/// The settings that are in force somewhere, each stored once. A catalog of millions of places has few
/// different ones.
#[derive(Debug, Default)]
pub(crate) struct SettingsInForce {
    known: BTreeSet<Arc<Effective>>,
    /// When this many are known, those that are no longer in use are removed.
    prune_at: usize,
}

/// Below this number nothing is removed.
const PRUNE_AT_MIN: usize = 1_024;

impl SettingsInForce {
    /// Returns shared settings that are equal to these.
    pub(crate) fn share(&mut self, settings: Effective) -> Arc<Effective> {
        if let Some(known) = self.known.get(&settings) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.prune_at.max(PRUNE_AT_MIN) {
            self.known.retain(|settings| Arc::strong_count(settings) > 1);
            self.prune_at = self.known.len().saturating_mul(2);
        }
        let shared = Arc::new(settings);
        self.known.insert(Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(notify: i64) -> Effective {
        Effective { notify, ..Effective::merge([None; 3], false) }
    }

    #[test]
    fn equal_settings_are_stored_once_and_unused_ones_are_removed() {
        // Proves that settings are shared, and that changing them again and again does not fill memory.
        let mut in_force = SettingsInForce::default();
        let (one, other) = (in_force.share(settings(1)), in_force.share(settings(1)));
        assert!(Arc::ptr_eq(&one, &other));
        for notify in 2..100_000 {
            assert_eq!(in_force.share(settings(notify)).notify, notify);
        }
        assert!(in_force.known.len() <= 2 * PRUNE_AT_MIN, "{}", in_force.known.len());
        assert!(Arc::ptr_eq(&one, &in_force.share(settings(1))), "settings in force are kept");
    }
}
