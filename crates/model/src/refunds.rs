//! The outcomes of refunds.

use crate::decide::{Answer, Decision, at, bounded, of_sku, plain, unknown};
use crate::state::{Line, Model, Reservation, Stage};
use crate::step::{HALF, RefundKind, SKUS, SOURCES, STOCKS};
use std::collections::BTreeMap;
use stockhold_protocol::{Code, CommandId};

impl Model {
    pub(crate) fn refund(&mut self, named: CommandId, parts: &[(u32, i64, RefundKind)]) -> Decision {
        let mut one = self.named(named)?;
        let is_closed = match one.stage {
            Stage::Held if self.has_expired(&one) => return Err(plain(Code::Expired)),
            Stage::Held => return Err(plain(Code::NotConfirmed)),
            Stage::Confirmed => false,
            Stage::Released | Stage::Shipped | Stage::Replaced => true,
        };
        let mut first_losses: BTreeMap<u32, usize> = BTreeMap::new();
        let mut after = self.clone();
        for (index, (sku, halves, kind)) in parts.iter().enumerate() {
            let units = halves * HALF;
            let line = one.lines.iter_mut().find(|line| line.sku == *sku);
            let line = line.ok_or(of_sku(at(Code::NotInReservation, index), *sku))?;
            let source = match kind {
                RefundKind::Unshipped => None,
                RefundKind::Returned(source) | RefundKind::Lost(source) => Some(*source),
            };
            if source.is_some_and(|source| source >= SOURCES) {
                return Err(unknown("parts", index));
            }
            if let RefundKind::Returned(source) = kind {
                let left = line.shipped() - line.returned;
                if units > left {
                    return Err(bounded(at(Code::MoreThanShipped, index), *sku, left, units));
                }
                let goods = return_units(line, *source, units);
                if goods > 0 {
                    after.move_item(*sku, *source, goods);
                }
                continue;
            }
            if is_closed {
                return Err(at(Code::AlreadyClosed, index));
            }
            if units > line.open {
                return Err(bounded(at(Code::MoreThanOpen, index), *sku, line.open, units));
            }
            line.open -= units;
            *line.spent.entry(line.quota).or_default() += if source.is_some() { units } else { 0 };
            if let Some(source) = source.filter(|_| line.counts) {
                first_losses.entry(*sku).or_insert(index);
                after.move_item(*sku, source, -units);
            }
        }
        self.check_losses(&one, parts)?;
        if is_closed {
            after.reservations.insert(named, one);
        } else {
            after.settle_open(named, one);
        }
        for sku in 0..SKUS {
            let groups = (0..STOCKS).map(|stock| self.group(stock));
            if let Some(&index) = first_losses.get(&sku)
                && groups.into_iter().any(|group| self.raises_shortfall(&after, sku, group))
            {
                return Err(of_sku(at(Code::NeededElsewhere, index), sku));
            }
        }
        *self = after;
        Ok(plain(Code::Ok))
    }

    /// Checks that all units that a refund writes off are on hand at their sources.
    fn check_losses(&self, one: &Reservation, parts: &[(u32, i64, RefundKind)]) -> Result<(), Answer> {
        for (index, (sku, _, kind)) in parts.iter().enumerate() {
            let RefundKind::Lost(source) = kind else { continue };
            let counts = one.lines.iter().any(|line| line.sku == *sku && line.counts);
            let is_same = |part: &&(u32, i64, RefundKind)| part.0 == *sku && part.2 == *kind;
            let lost: i64 = parts.iter().filter(is_same).map(|(_, halves, _)| halves * HALF).sum();
            if !counts {
                continue;
            }
            let item = self.items.get(&(*sku, *source));
            let item = item.ok_or(of_sku(at(Code::NoSourceItem, index), *sku))?;
            if item.on_hand < lost {
                return Err(bounded(at(Code::NotEnoughAtSource, index), *sku, item.on_hand, lost));
            }
        }
        Ok(())
    }
}

/// Returns units of a line to a source: first those that this source shipped. The result is how many of them were counted
/// when they were shipped.
pub(crate) fn return_units(line: &mut Line, source: u32, units: i64) -> i64 {
    let (mut left, mut goods) = (units, 0);
    let mut entries: Vec<_> = line.shipments.iter_mut().collect();
    entries.sort_by_key(|one| one.of.0 != source);
    for one in entries {
        for beyond in [true, false] {
            let (taken, counted) = one.take(left, beyond);
            (left, goods) = (left - taken, goods + counted);
        }
    }
    line.returned += units;
    goods
}
