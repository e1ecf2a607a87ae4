//! The guard: by a decision, goods leave a source only if they are there and if nobody who was promised something misses them.
//!
//! It judges a plan as a whole, because two movements that are harmless one by one can break a promise together, and a promise that
//! ends with the goods needs them no longer. A plan may raise the shortfall of no cluster, neither without allowances nor with them.
//! Facts are refused only where a quantity would leave its range. Where stocks are independent, the quantity at the source alone decides: a test
//! across promises would let two orders for one unit wait for each other for ever.

use super::plan::{Account, Cause, Movement, Plan};
use crate::decision::Refusal;
use crate::ledger::state::State;
use crate::stock::sharing::{Allowance, Pool, Supply};
use stockhold_protocol::command::Sharing;
use stockhold_protocol::limits::QUANTITY_MAX;
use stockhold_protocol::{Code, Detail, SourceId};

/// Most sources that a refusal names as ones that would do instead.
const ALTERNATIVES_MAX: usize = 16;

/// Whether goods that come to a source below zero fill the hole first, as they do, or count at once: then the hole is no reason.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holes {
    Open,
    Filled,
}

impl State {
    /// Refuses a plan whose goods are not there or have no room, or that breaks a promise.
    pub(crate) fn guard(&self, plan: &Plan) -> Result<(), Refusal> {
        for movement in &plan.movements {
            self.check_goods(plan, movement)?;
        }
        if plan.is_fact || self.core.configuration.sharing != Sharing::Exact {
            return Ok(());
        }
        let Some(harm) = self.first_harm(&plan.movements) else { return Ok(()) };
        let refusal = Refusal::of_line(Code::NeededElsewhere, harm.asked);
        match (harm.account, plan.stock) {
            (Account::Goods { cause: Cause::Shipped, .. }, Some(stock)) => {
                Err(refusal.with(Detail::Sources(self.alternatives(&plan.movements, harm, stock))))
            }
            (Account::Goods { cause: Cause::Transferred, .. }, _)
                if !self.is_missed(&plan.movements, &harm, Holes::Filled) =>
            {
                Err(Refusal::of_line(Code::SourceBelowZero, harm.asked).of_sku(harm.sku))
            }
            _ => Err(refusal.of_sku(harm.sku)),
        }
    }

    /// Whether the units that leave a source lie there, and whether those that come have room: summed over all movements the same way.
    fn check_goods(&self, plan: &Plan, movement: &Movement) -> Result<(), Refusal> {
        let Movement { sku, account: Account::Goods { source, cause, .. }, asked, .. } = *movement else {
            return Ok(());
        };
        if cause == Cause::Seen {
            return Ok(());
        }
        let goes = movement.units < 0;
        let is_same = |other: &&Movement| {
            let Account::Goods { source: of, .. } = other.account else { return false };
            other.sku == sku && of == source && (other.units < 0) == goes
        };
        let same = plan.movements.iter().filter(is_same);
        let units = same.fold(0, |sum: i64, one| sum.saturating_add(one.units));
        let item = self.item(sku, source).map(|slot| self.items.get(slot).on_hand);
        let on_hand = item.unwrap_or(0);
        let after = on_hand.saturating_add(units);
        if goes && !plan.is_fact {
            if item.is_none() {
                return Err(Refusal::of_line(Code::NoSourceItem, asked).of_sku(sku));
            }
            if after < 0 {
                let units = 0_i64.saturating_sub(units);
                return Err(Refusal::of_line(Code::NotEnoughAtSource, asked).bounded(sku, on_hand, units));
            }
        }
        if after.saturating_abs() > QUANTITY_MAX {
            let bound = QUANTITY_MAX.saturating_mul(units.signum());
            return Err(Refusal::of_line(Code::QuantityOverflow, asked).bounded(sku, bound, units));
        }
        Ok(())
    }

    /// The first departure of the first SKU, by number, that would be missed.
    fn first_harm(&self, movements: &[Movement]) -> Option<Movement> {
        let mut harmed: Option<Movement> = None;
        for departure in movements.iter().filter(|movement| is_departure(movement)) {
            let before = |known: Movement| (known.sku, known.asked) <= (departure.sku, departure.asked);
            if harmed.is_some_and(before) {
                continue;
            }
            if self.is_missed(movements, departure, Holes::Open) {
                harmed = Some(*departure);
            }
        }
        harmed
    }

    /// Whether the shortfall of the cluster from which goods leave rises by all that moves.
    fn is_missed(&self, movements: &[Movement], departure: &Movement, holes: Holes) -> bool {
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
                Account::Order { stock, .. } | Account::Hold { stock, .. } => {
                    // A promise in another group changes nothing here.
                    let place = self.catalog.layout.stock_in_group(stock);
                    if let Some(place) = place.filter(|place| place.group == in_group.group) {
                        after.add_promise(group, place.index, movement.units);
                    }
                }
                Account::Goods { source, .. } => {
                    let at_source = |other: &&Movement| matches!(other.account, Account::Goods { source: of, .. } if of == source);
                    if of_sku.clone().take(at).any(|earlier| at_source(&earlier)) {
                        continue;
                    }
                    let sum = of_sku.clone().filter(at_source);
                    let units = sum.fold(0, |sum: i64, other| sum.saturating_add(other.units));
                    self.try_goods(&mut after, in_group.group, movement.sku, source, units, holes);
                }
            }
        }
        let none = |_: u32| Allowance::Units(0);
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        after.shortfall(group, none) > before.shortfall(group, none)
            || after.shortfall(group, allowed) > before.shortfall(group, allowed)
    }

    /// Changes the goods of a source on a copy of its pool; a source of another group changes nothing.
    fn try_goods(&self, pool: &mut Pool, group: u32, sku: u32, source: u32, units: i64, holes: Holes) {
        let in_group = self.source_in_group(source).filter(|in_group| in_group.group == group);
        let Some(in_group) = in_group else { return };
        let before = self.item(sku, source).map(|slot| self.supply_of(self.items.get(slot)));
        let there = self.supply_at(sku, source);
        let before_units = if holes == Holes::Filled { there.on_hand.max(0) } else { there.on_hand };
        let after = Supply { on_hand: before_units.saturating_add(units), ..there };
        pool.change_supply(self.catalog.layout.group(group), in_group.index, before, Some(after));
    }

    /// Other sources of the stock that could give the same units without harm, in the stock's order.
    fn alternatives(&self, movements: &[Movement], harm: Movement, stock: u32) -> Vec<SourceId> {
        let Account::Goods { source, cause, in_stock } = harm.account else { return Vec::new() };
        let units = 0_i64.saturating_sub(harm.units);
        let mut found = Vec::new();
        let mut trial: Vec<Movement> = movements.iter().filter(|one| one.sku == harm.sku).copied().collect();
        for link in self.catalog.links_of(stock) {
            let holds = self.item(harm.sku, link.source).map(|slot| self.items.get(slot).on_hand);
            if link.source == source || holds.is_none_or(|on_hand| on_hand < units) {
                continue;
            }
            let other = Account::Goods { source: link.source, cause, in_stock };
            for movement in &mut trial {
                if matches!(movement.account, Account::Goods { .. }) {
                    movement.account = other;
                }
            }
            if !self.is_missed(&trial, &Movement { account: other, ..harm }, Holes::Open) {
                found.push(SourceId(link.source));
            }
            if found.len() == ALTERNATIVES_MAX {
                break;
            }
        }
        found
    }
}

/// Whether goods leave by a decision.
fn is_departure(movement: &Movement) -> bool {
    let is_decided = |cause: Cause| match cause {
        Cause::Shipped | Cause::WrittenOff | Cause::Transferred => true,
        Cause::Seen | Cause::Returned => false,
    };
    movement.units < 0 && matches!(movement.account, Account::Goods { cause, .. } if is_decided(cause))
}
