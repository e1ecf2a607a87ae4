//! The guard: goods leave a source only if they lie there, and by a decision only if nobody who was promised something misses them.
//!
//! It judges a plan as a whole, because two movements that are harmless one by one can break a promise together, and a promise that
//! ends with the goods needs them no longer. A plan may raise the shortfall of no cluster, neither without allowances nor with them.
//! Facts are not judged. Where stocks are independent, the quantity at the source alone decides: a test
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

impl State {
    /// Refuses a plan whose goods are not there or have no room, or that breaks a promise.
    pub(crate) fn guard(&self, plan: &Plan) -> Result<(), Refusal> {
        for movement in &plan.movements {
            self.check_goods(&plan.movements, movement)?;
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
            _ => Err(refusal.of_sku(harm.sku)),
        }
    }

    /// Whether the units that leave a source lie there, and whether those that come have room: summed over all movements the same way.
    fn check_goods(&self, movements: &[Movement], movement: &Movement) -> Result<(), Refusal> {
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
        let units = movements.iter().filter(is_same).fold(0, |sum: i64, one| sum.saturating_add(one.units));
        let item = self.item(sku, source).map(|slot| self.items.get(slot).on_hand);
        match item {
            None if goes => Err(Refusal::of_line(Code::NoSourceItem, asked).of_sku(sku)),
            Some(on_hand) if goes && on_hand.saturating_add(units) < 0 => {
                let units = 0_i64.saturating_sub(units);
                Err(Refusal::of_line(Code::NotEnoughAtSource, asked).bounded(sku, on_hand, units))
            }
            None | Some(_) if item.unwrap_or(0).saturating_add(units) > QUANTITY_MAX => {
                Err(Refusal::of_line(Code::QuantityOverflow, asked).bounded(sku, QUANTITY_MAX, units))
            }
            None | Some(_) => Ok(()),
        }
    }

    /// The first departure of the first SKU, by number, that would be missed.
    fn first_harm(&self, movements: &[Movement]) -> Option<Movement> {
        let mut harmed: Option<Movement> = None;
        for departure in movements.iter().filter(|movement| is_departure(movement)) {
            let before = |known: Movement| (known.sku, known.asked) <= (departure.sku, departure.asked);
            if harmed.is_some_and(before) {
                continue;
            }
            if self.is_missed(movements, departure) {
                harmed = Some(*departure);
            }
        }
        harmed
    }

    /// Whether the shortfall of the cluster from which goods leave rises by all that moves.
    fn is_missed(&self, movements: &[Movement], departure: &Movement) -> bool {
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
                    self.try_goods(&mut after, in_group.group, movement.sku, source, units);
                }
            }
        }
        let none = |_: u32| Allowance::Units(0);
        let allowed = |index: u32| cluster.place(index).settings.allowance();
        after.shortfall(group, none) > before.shortfall(group, none)
            || after.shortfall(group, allowed) > before.shortfall(group, allowed)
    }

    /// Changes the goods of a source on a copy of its pool; a source of another group changes nothing.
    fn try_goods(&self, pool: &mut Pool, group: u32, sku: u32, source: u32, units: i64) {
        let in_group = self.source_in_group(source).filter(|in_group| in_group.group == group);
        let Some(in_group) = in_group else { return };
        let before = self.item(sku, source).map(|slot| self.supply_of(self.items.get(slot)));
        let there = self.supply_at(sku, source);
        let after = Supply { on_hand: there.on_hand.saturating_add(units), ..there };
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
            if !self.is_missed(&trial, &Movement { account: other, ..harm }) {
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
