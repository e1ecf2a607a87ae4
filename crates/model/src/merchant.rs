//! The outcomes of the merchant's commands: counts, adjustments, transfers, definitions and settings.

use crate::decide::{Answer, Decision, amount, at, bounded, merged, of_sku, plain, unknown};
use crate::state::Model;
use crate::step::{HALF, SKUS, SOURCES, STOCKS, Step, Wanted};
use stockhold_protocol::{Code, Detail};

impl Model {
    pub(crate) fn merchant(&mut self, step: &Step) -> Decision {
        match step {
            Step::Count(source, sku, halves, in_stock) => {
                self.fact(*source, *sku, *in_stock, |_| halves * HALF)
            }
            Step::Adjust(source, sku, halves) => self.fact(*source, *sku, None, |held| held + halves * HALF),
            Step::Transfer(from, to, lines) => self.transfer(*from, *to, lines),
            Step::Bulk(bulk) => self.bulk(bulk),
            Step::Enable(source, enabled) => self.define_source(*source, *enabled),
            Step::Link(stock, source, priority) => {
                match self.links.iter_mut().find(|(of, to, _)| (of, to) == (stock, source)) {
                    Some(link) => link.2 = *priority,
                    None => self.links.push((*stock, *source, *priority)),
                }
                Ok(plain(Code::Ok))
            }
            Step::Unlink(stock, source) => self.unlink(*stock, *source),
            Step::Setting(setting) => {
                self.set(setting);
                Ok(plain(Code::Ok))
            }
            Step::Quota(sku, stock, limit) => {
                let quota = self.quotas.entry((*sku, *stock)).or_insert((0, None));
                if quota.1.is_none() && limit.is_some() {
                    quota.0 += 1;
                }
                quota.1 = limit.map(|halves| halves * HALF);
                Ok(plain(Code::Ok))
            }
            Step::Notify(sku, source, is_set, halves) => self.notify(*sku, *source, (*is_set, *halves)),
            Step::Freeze(target, frozen) => self.freeze(*target, *frozen),
            Step::Sharing(independent) => {
                self.share(*independent)?;
                Ok(plain(Code::Ok))
            }
            Step::Channel(channel, stock) => {
                if *stock >= STOCKS {
                    return Err(unknown("stock", 0));
                }
                Ok(self.assign_channel(*channel, *stock))
            }
            Step::Rename(number, to) => self.rename(*number, to),
            Step::Mark(name) => self.mark(name),
            Step::Unmark(name) => self.unmark(name),
            Step::Configure(change) => self.configure(change),
            other => panic!("{other:?} is not a command of the merchant"),
        }
    }

    fn fact(&mut self, source: u32, sku: u32, in_stock: Option<bool>, next: impl Fn(i64) -> i64) -> Decision {
        if source >= SOURCES {
            return Err(unknown("source", 0));
        }
        if sku >= SKUS {
            return Err(unknown("sku", 0));
        }
        let is_missing = !self.items.contains_key(&(sku, source));
        self.move_item(sku, source, 0);
        let item = self.items.get_mut(&(sku, source)).expect("just made");
        item.on_hand = next(item.on_hand);
        // An item that is made below zero must not sell backorders.
        item.in_stock = in_stock.unwrap_or(item.in_stock && !(is_missing && item.on_hand < 0));
        let (on_hand, version) = (amount(item.on_hand), item.version);
        let shortfall = amount(self.total_shortfall(sku));
        Ok((Code::Ok, version, Detail::Item { on_hand, version, shortfall }))
    }

    fn transfer(&mut self, from: u32, to: u32, lines: &Wanted) -> Decision {
        let asked = merged(lines);
        let mut after = self.clone();
        for (index, (sku, _)) in asked.iter().enumerate() {
            if *sku >= SKUS {
                return Err(unknown("sku", index));
            }
        }
        for (index, (sku, units)) in asked.iter().enumerate() {
            let item = self.items.get(&(*sku, from));
            let item = item.ok_or(of_sku(at(Code::NoSourceItem, index), *sku))?;
            if item.on_hand < *units {
                return Err(bounded(at(Code::NotEnoughAtSource, index), *sku, item.on_hand, *units));
            }
            after.move_item(*sku, from, -units);
            after.move_item(*sku, to, *units);
        }
        for (index, (sku, _)) in asked.iter().enumerate() {
            let group = self.group_of_source(from);
            if group.is_some_and(|group| self.raises_shortfall(&after, *sku, group)) {
                // The negative quantity on hand is the reason if the transfer raises no shortfall without it.
                let mut without_deficit = after.clone();
                let deficit = self.items.get(&(*sku, to)).map_or(0, |item| item.on_hand.min(0));
                without_deficit.move_item(*sku, to, -deficit);
                let is_deficit_the_reason =
                    !group.is_some_and(|group| self.raises_shortfall(&without_deficit, *sku, group));
                let code = if is_deficit_the_reason { Code::SourceBelowZero } else { Code::NeededElsewhere };
                return Err(of_sku(at(code, index), *sku));
            }
        }
        *self = after;
        Ok(plain(Code::Ok))
    }

    pub(crate) fn enable(&mut self, source: u32, enabled: bool) -> Answer {
        let was = std::mem::replace(&mut self.enabled[source as usize], enabled);
        if was == enabled {
            return (Code::Ok, source, Detail::None);
        }
        let skus = (0..SKUS).filter(|sku| self.items.contains_key(&(*sku, source)));
        let short: i64 = if self.group_of_source(source).is_some() {
            skus.map(|sku| self.total_shortfall(sku)).sum()
        } else {
            0
        };
        (Code::Ok, source, Detail::Shortfall(amount(short)))
    }

    fn unlink(&mut self, stock: u32, source: u32) -> Decision {
        let Some(place) = self.links.iter().position(|(of, to, _)| (*of, *to) == (stock, source)) else {
            return Err(plain(Code::UnknownLink));
        };
        self.links.remove(place);
        let group = self.group(stock);
        let short = (0..SKUS).map(|sku| self.shortfall(sku, group, true)).sum();
        Ok((Code::Ok, 0, Detail::Shortfall(amount(short))))
    }
}
