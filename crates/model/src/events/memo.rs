//! Credit memos.

use super::{Event, Take, Want};
use crate::decide::{Answer, at, of_sku};
use crate::orders::OrderUnits;
use crate::refunds::return_units;
use crate::state::Model;
use crate::step::is_virtual;
use std::collections::BTreeMap;
use stockhold_protocol::{Code, CommandId};

/// What a memo gives back, writes off and returns.
type Parts = (Vec<Want>, Vec<Want>, Vec<Want>);

impl Model {
    /// Each unit of a line is refunded by the first rule that applies: it was invoiced and never left, or it left and comes
    /// back, or it is money only.
    pub(super) fn memo(
        &self,
        number: u32,
        wants: &[Want],
        source: Option<u32>,
        event: &mut Event,
    ) -> Result<(), Answer> {
        let (mut refunds, mut losses, returns) = self.parts(number, wants)?;
        let ids = self.ids_of(number);
        let mut spent: BTreeMap<(CommandId, usize), i64> = BTreeMap::new();
        let open = |named: CommandId, line: usize| {
            if self.is_confirmed(&named) { self.open_of(named, line) } else { 0 }
        };
        let refunds = self.take(&ids, &mut refunds, open);
        for take in &refunds {
            *spent.entry((take.named, take.line)).or_default() += take.units;
        }
        let losses = self.take(&ids, &mut losses, |named, line| {
            open(named, line) - spent.get(&(named, line)).copied().unwrap_or(0)
        });
        let left_with_customer = |named: CommandId, line: usize| {
            let line = &self.reservations[&named].lines[line];
            line.shipped() - line.returned
        };
        let mut ended = returns.clone();
        let returns = self.take(&ids, &mut ended, left_with_customer);
        // Reservation by reservation, in the order of their grants.
        for named in &ids {
            for take in refunds.iter().filter(|take| take.named == *named) {
                event.end(take, OrderUnits { refunded: take.units, ..OrderUnits::default() });
            }
            for take in losses.iter().filter(|take| take.named == *named) {
                self.lose(take, event);
            }
            for take in returns.iter().filter(|take| take.named == *named) {
                let one = event.one(*named);
                let (stock, sku) = (one.stock, one.lines[take.line].sku);
                let to = source.or_else(|| self.source_of_return(number, stock, sku));
                let to = to.ok_or(of_sku(at(Code::NoSourceItem, take.index), sku))?;
                let goods = return_units(&mut event.one(*named).lines[take.line], to, take.units);
                event.book(stock, sku, OrderUnits { returned: take.units, ..OrderUnits::default() });
                if goods > 0 {
                    event.moved.push((stock, sku, to, -take.units));
                    event.goods(sku, to, goods);
                }
            }
        }
        for want in ended.iter().filter(|want| want.left > 0) {
            let (stock, sku, units) = (want.stock.expect("set"), want.sku, want.left);
            let to = source.or_else(|| self.source_of_return(number, stock, sku));
            let to = to.ok_or(of_sku(at(Code::NoSourceItem, want.index), sku))?;
            event.book(stock, sku, OrderUnits { returned: units, ..OrderUnits::default() });
            let moved = self.moved_of(number, stock, sku);
            let goods = units.min(moved.iter().map(|(_, units)| units).sum());
            if goods > 0 {
                event.moved.push((stock, sku, to, -units));
                event.goods(sku, to, goods);
            }
        }
        Ok(())
    }

    /// Units that were never shipped are lost where they are, source by source.
    /// The units of a memo that are given back, written off and returned.
    fn parts(&self, number: u32, wants: &[Want]) -> Result<Parts, Answer> {
        let mut booked = self.booked(number);
        let lines = self.line_keys(number);
        let (mut refunds, mut losses, mut returns) = (Vec::new(), Vec::new(), Vec::new());
        for want in wants {
            let keys: Vec<_> =
                lines.iter().filter(|(stock, sku)| want.is_of(*stock, *sku)).copied().collect();
            if keys.is_empty() {
                return Err(of_sku(at(Code::NotInReservation, want.index), want.sku));
            }
            let mut left = want.left;
            for (stock, sku) in &keys {
                let units = booked.get_mut(&(*stock, *sku)).expect("booked");
                let never_left = units.invoiced - units.refunded - units.written_off - units.shipped;
                let part = left.min(units.open()).min(never_left).max(0);
                left -= part;
                let part = Want { stock: Some(*stock), left: part, ..*want };
                if part.left > 0 && want.is_returned {
                    units.refunded += part.left;
                    refunds.push(part);
                } else if part.left > 0 && !is_virtual(*sku) {
                    units.written_off += part.left;
                    losses.push(part);
                }
            }
            for (stock, sku) in keys.iter().filter(|_| want.is_returned) {
                let units = booked.get_mut(&(*stock, *sku)).expect("booked");
                let part = left.min(units.shipped + units.beyond - units.returned).max(0);
                (left, units.returned) = (left - part, units.returned + part);
                if part > 0 {
                    returns.push(Want { stock: Some(*stock), left: part, ..*want });
                }
            }
        }
        Ok((refunds, losses, returns))
    }

    pub(super) fn lose(&self, take: &Take, event: &mut Event) {
        let one = event.one(take.named);
        let (stock, line) = (one.stock, &one.lines[take.line]);
        let (sku, counts, quota) = (line.sku, line.counts, line.quota);
        let mut left = take.units;
        if !counts {
            event.end(take, OrderUnits { written_off: left, ..OrderUnits::default() });
            *event.one(take.named).lines[take.line].spent.entry(quota).or_default() += left;
            return;
        }
        for source in self.sources_of(stock) {
            let units = left.min(self.goods_left(event, sku, source));
            if units > 0 {
                left -= units;
                let part = Take { units, ..*take };
                event.end(&part, OrderUnits { written_off: units, ..OrderUnits::default() });
                *event.one(take.named).lines[take.line].spent.entry(quota).or_default() += units;
                event.leaving.push((take.index, sku, source, units));
                event.goods(sku, source, -units);
            }
        }
        if left > 0 {
            let part = Take { units: left, ..*take };
            event.end(&part, OrderUnits { refunded: left, ..OrderUnits::default() });
        }
    }

    pub(super) fn source_of_return(&self, number: u32, stock: u32, sku: u32) -> Option<u32> {
        let moved = self.moved_of(number, stock, sku);
        let shippers: Vec<u32> =
            moved.iter().filter(|(_, units)| *units > 0).map(|(source, _)| *source).collect();
        let mut links: Vec<_> = self.links.iter().filter(|(of, ..)| *of == stock).collect();
        links.sort_by_key(|(_, _, priority)| *priority);
        let linked = links.iter().map(|(_, source, _)| *source).find(|source| shippers.contains(source));
        linked.or_else(|| shippers.first().copied()).or_else(|| links.first().map(|(_, source, _)| *source))
    }
}
