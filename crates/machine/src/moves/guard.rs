//! The guard: a decision may take goods from a source only if they are on hand there and no promise needs
//! them.
//!
//! The guard checks a plan as a whole. Two movements that are each harmless can break a promise together, and
//! a promise that ends with the same plan no longer needs its goods. A plan must not raise the shortfall of
//! any cluster, computed without allowances or with them. A fact is refused only if a quantity would leave
//! its range.
//!
//! With independent stocks, only the quantity on hand at the source is checked. A check of the promises would
//! let two orders for the same unit block each other forever.

use super::plan::{Account, Cause, Movement, Plan};
use crate::decision::Refusal;
use crate::ledger::state::State;
use crate::stock::sharing::{Allowance, Pool, Supply};
use stockhold_protocol::command::Sharing;
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Detail, SourceId};

/// The most alternative sources that a refusal lists.
const ALTERNATIVES_MAX: usize = 16;

/// How a negative quantity on hand counts when goods arrive at its source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NegativeOnHand {
    /// As it is: arriving goods first raise it to zero, as in an execution.
    Kept,
    /// As zero. If a plan raises no shortfall then, the negative quantity was the reason.
    Zeroed,
}

impl State {
    /// Refuses a plan whose goods are not on hand, that breaks a promise, or that moves a quantity out of its
    /// range.
    pub(crate) fn guard(&self, plan: &Plan) -> Result<(), Refusal> {
        for movement in &plan.movements {
            self.check_on_hand(plan, movement)?;
        }
        if plan.is_fact || self.core.configuration.sharing != Sharing::Exact {
            return Ok(());
        }
        let Some(violation) = self.first_violation(&plan.movements) else { return Ok(()) };
        let refusal = Refusal::of_line(Code::NeededElsewhere, violation.line_index);
        match (violation.account, plan.stock) {
            (Account::Goods { cause: Cause::Shipped, .. }, Some(stock)) => {
                Err(refusal.with(Detail::Sources(self.alternatives(&plan.movements, violation, stock))))
            }
            (Account::Goods { cause: Cause::Transferred, .. }, _)
                if !self.raises_shortfall(&plan.movements, &violation, NegativeOnHand::Zeroed) =>
            {
                Err(Refusal::of_line(Code::SourceBelowZero, violation.line_index).of_sku(violation.sku))
            }
            _ => Err(refusal.of_sku(violation.sku)),
        }
    }

    /// Refuses a plan whose promises would together leave the range of quantities. An event of an order may promise units of
    /// many of its reservations again.
    pub(crate) fn check_promised(&self, plan: &Plan) -> Result<(), Refusal> {
        let all = plan.movements.iter().filter(|one| one.units > 0 && one.account.stock().is_some());
        let most = all.clone().fold(0, |sum: i64, one| sum.saturating_add(one.units));
        for movement in all {
            let (sku, stock) = (movement.sku, movement.account.stock());
            let promised = self.promised(sku, stock.unwrap_or(0));
            if promised.saturating_add(most) <= QUANTITY_MAX {
                continue;
            }
            let same = plan.movements.iter().filter(|one| one.sku == sku && one.account.stock() == stock);
            let units = same.fold(0, |sum: i64, one| sum.saturating_add(one.units));
            if promised.saturating_add(units) > QUANTITY_MAX {
                let refusal = Refusal::of_line(Code::QuantityOverflow, movement.line_index);
                return Err(refusal.bounded(sku, QUANTITY_MAX, units));
            }
        }
        Ok(())
    }

    /// Checks that outgoing units are on hand and that incoming units keep the quantity in its range. All
    /// movements of the same direction at the source count together.
    fn check_on_hand(&self, plan: &Plan, movement: &Movement) -> Result<(), Refusal> {
        let Movement { sku, account: Account::Goods { source, cause, .. }, line_index, .. } = *movement
        else {
            return Ok(());
        };
        if cause == Cause::Adjusted {
            return Ok(());
        }
        let is_outgoing = movement.units < 0;
        let is_same = |other: &&Movement| {
            let Account::Goods { source: of, .. } = other.account else { return false };
            other.sku == sku && of == source && (other.units < 0) == is_outgoing
        };
        let same = plan.movements.iter().filter(is_same);
        let units = same.fold(0, |sum: i64, one| sum.saturating_add(one.units));
        let item = self.item(sku, source).map(|slot| self.items.get(slot).on_hand);
        let on_hand = item.unwrap_or(0);
        let after = on_hand.saturating_add(units);
        if is_outgoing && !plan.is_fact {
            if item.is_none() {
                return Err(Refusal::of_line(Code::NoSourceItem, line_index).of_sku(sku));
            }
            if after < 0 {
                let units = 0_i64.saturating_sub(units);
                return Err(
                    Refusal::of_line(Code::NotEnoughAtSource, line_index).bounded(sku, on_hand, units)
                );
            }
        }
        if after.saturating_abs() > QUANTITY_MAX {
            let bound = QUANTITY_MAX.saturating_mul(units.signum());
            return Err(Refusal::of_line(Code::QuantityOverflow, line_index).bounded(sku, bound, units));
        }
        Ok(())
    }

    /// The outgoing movement that raises a shortfall. The lowest SKU number comes first, then the first line.
    fn first_violation(&self, movements: &[Movement]) -> Option<Movement> {
        let mut found: Option<Movement> = None;
        for departure in movements.iter().filter(|movement| is_departure(movement)) {
            let is_earlier =
                |known: Movement| (known.sku, known.line_index) <= (departure.sku, departure.line_index);
            if found.is_some_and(is_earlier) {
                continue;
            }
            if self.raises_shortfall(movements, departure, NegativeOnHand::Kept) {
                found = Some(*departure);
            }
        }
        found
    }

    /// Whether the movements together raise the shortfall of the cluster from which `departure` takes goods.
    fn raises_shortfall(
        &self,
        movements: &[Movement],
        departure: &Movement,
        negative: NegativeOnHand,
    ) -> bool {
        let Account::Goods { source, .. } = departure.account else { return false };
        let Some(in_group) = self.source_in_group(source) else { return false };
        let Some(number) = self.cluster_of(departure.sku, in_group.group) else { return false };
        let cluster = self.clusters.get(number);
        let group = self.catalog.layout.group(in_group.group);
        let before = cluster.pool_at(group, self.now_s());
        let mut after = before.clone().into_owned();
        let of_sku = movements.iter().filter(|movement| movement.sku == departure.sku);
        for (at, movement) in of_sku.clone().enumerate() {
            match movement.account {
                Account::Order { stock, .. }
                | Account::Hold { stock, .. }
                | Account::Unreserved { stock, .. } => {
                    // A promise in another group does not affect this cluster.
                    let place = self.catalog.layout.stock_in_group(stock);
                    if let Some(place) = place.filter(|place| place.group == in_group.group) {
                        after.add_promise(group, place.index, movement.units);
                    }
                }
                Account::Goods { source, .. } => {
                    let at_source = |other: &&Movement| {
                        let Account::Goods { source: of, .. } = other.account else { return false };
                        of == source
                    };
                    if of_sku.clone().take(at).any(|earlier| at_source(&earlier)) {
                        continue;
                    }
                    let sum = of_sku.clone().filter(at_source);
                    let units = sum.fold(0, |sum: i64, other| sum.saturating_add(other.units));
                    self.change_goods(&mut after, in_group.group, movement.sku, source, units, negative);
                }
            }
        }
        let none = |_: u32| Allowance::Units(0);
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        after.shortfall(group, none) > before.shortfall(group, none)
            || after.shortfall(group, allowed) > before.shortfall(group, allowed)
    }

    /// Changes the goods of a source in a copy of its pool. A source of another group has no effect.
    fn change_goods(
        &self,
        pool: &mut Pool,
        group: u32,
        sku: u32,
        source: u32,
        units: i64,
        negative: NegativeOnHand,
    ) {
        let in_group = self.source_in_group(source).filter(|in_group| in_group.group == group);
        let Some(in_group) = in_group else { return };
        let before = self.item(sku, source).map(|slot| self.supply_of(self.items.get(slot)));
        let supply = self.supply_at(sku, source);
        let on_hand = if negative == NegativeOnHand::Zeroed { supply.on_hand.max(0) } else { supply.on_hand };
        let after = Supply { on_hand: on_hand.saturating_add(units), ..supply };
        pool.change_supply(self.catalog.layout.group(group), in_group.index, before, Some(after));
    }

    /// Other sources of the stock that could supply the same units without raising a shortfall, by priority.
    fn alternatives(&self, movements: &[Movement], violation: Movement, stock: u32) -> Vec<SourceId> {
        let Account::Goods { source, cause, in_stock } = violation.account else { return Vec::new() };
        let mut found = Vec::new();
        let mut candidate: Vec<Movement> =
            movements.iter().filter(|one| one.sku == violation.sku).copied().collect();
        let goods = candidate.iter().filter(|one| matches!(one.account, Account::Goods { .. }));
        let units = goods.fold(0, |sum: i64, one| sum.saturating_sub(one.units));
        for link in self.catalog.links_of(stock) {
            let on_hand = self.item(violation.sku, link.source).map(|slot| self.items.get(slot).on_hand);
            if link.source == source || on_hand.is_none_or(|on_hand| on_hand < units) {
                continue;
            }
            let other = Account::Goods { source: link.source, cause, in_stock };
            for movement in &mut candidate {
                if matches!(movement.account, Account::Goods { .. }) {
                    movement.account = other;
                }
            }
            if !self.raises_shortfall(
                &candidate,
                &Movement { account: other, ..violation },
                NegativeOnHand::Kept,
            ) {
                found.push(SourceId(link.source));
            }
            if found.len() == ALTERNATIVES_MAX {
                break;
            }
        }
        found
    }
}

/// Whether the movement takes goods from a source by a decision.
fn is_departure(movement: &Movement) -> bool {
    let is_decided = |cause: Cause| match cause {
        Cause::Shipped | Cause::WrittenOff | Cause::Transferred => true,
        Cause::Adjusted | Cause::Returned => false,
    };
    movement.units < 0 && matches!(movement.account, Account::Goods { cause, .. } if is_decided(cause))
}
