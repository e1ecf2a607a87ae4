//! The outcomes of the commands that change many source items.

use crate::decide::{Answer, Decision, amount, merged, unknown};
use crate::state::Model;
use crate::step::{HALF, SKUS, SOURCES, Wanted};
use stockhold_protocol::command::{Assign, CountLine, CountMany, TransferLines, TransferMany, Unassign};
use stockhold_protocol::limits::OFFENDERS_MAX;
use stockhold_protocol::{Code, Command, Detail, Line, Offender, Quantity, SkuId, SourceId};

/// A source item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) on_hand: i64,
    pub(crate) in_stock: bool,
    pub(crate) version: u32,
}

/// A command that changes many source items.
#[derive(Clone, Debug, PartialEq)]
pub enum Bulk {
    /// Absolute counts: SKU, source, half units, in-stock flag. No source item occurs twice.
    Count(Vec<(u32, u32, i64, Option<bool>)>),
    /// The missing items of SKUs at sources are made.
    Assign(Vec<u32>, Vec<u32>),
    /// The items of SKUs at sources are removed. The last field is the forced flag.
    Unassign(Vec<u32>, Vec<u32>, bool),
    /// All units of SKUs go from one source to another: whether the origin is removed, forced.
    Transfer(u32, u32, Vec<u32>, bool, bool),
    /// Units go from one source to another, where there must be items. The last field is the forced flag.
    Lines(u32, u32, Wanted, bool),
}

impl Bulk {
    /// A command drawn by a function that returns a number below its argument.
    #[must_use]
    pub fn drawn(below: &mut dyn FnMut(u32) -> u32) -> Self {
        let kind = below(10);
        let some = |bound: u32, most: u32, below: &mut dyn FnMut(u32) -> u32| -> Vec<u32> {
            // One number in 30 is unknown.
            (0..=below(most)).map(|_| if below(30) == 0 { bound } else { below(bound) }).collect()
        };
        let (skus, sources) = (some(SKUS, 3, below), some(SOURCES, 3, below));
        let from = below(SOURCES);
        let to = (from + 1 + below(SOURCES - 1)) % SOURCES;
        let forced = below(5) == 0;
        match kind {
            0 | 1 => {
                let mut lines: Vec<(u32, u32, i64, Option<bool>)> = Vec::new();
                for sku in skus {
                    for source in &sources {
                        let halves = i64::from(below(34)) - 4;
                        let in_stock = [None, Some(true), Some(false)][below(3) as usize];
                        if !lines.iter().any(|line| (line.0, line.1) == (sku, *source)) {
                            lines.push((sku, *source, halves, in_stock));
                        }
                    }
                }
                Self::Count(lines)
            }
            2 | 3 => Self::Assign(skus, sources),
            4 | 5 => Self::Unassign(skus, sources, forced),
            6 | 7 => Self::Transfer(from, to, skus, below(2) == 0, forced),
            _ => {
                let lines = skus.into_iter().map(|sku| (sku, i64::from(below(12)) + 1)).collect();
                Self::Lines(from, to, lines, forced)
            }
        }
    }

    /// The same command with another body.
    pub(crate) fn with_other_body(self) -> Self {
        match self {
            Self::Count(mut lines) => {
                lines[0].2 += 1;
                Self::Count(lines)
            }
            Self::Assign(skus, sources) => Self::Unassign(skus, sources, false),
            Self::Unassign(skus, sources, forced) => Self::Unassign(skus, sources, !forced),
            Self::Transfer(from, to, skus, unassign, forced) => {
                Self::Transfer(from, to, skus, !unassign, forced)
            }
            Self::Lines(from, to, lines, forced) => Self::Lines(from, to, lines, !forced),
        }
    }

    pub(crate) fn command(&self) -> Command<'static> {
        let (reason, reference) = (String::new(), String::new());
        let ids = |numbers: &[u32]| numbers.iter().copied().map(SkuId).collect::<Vec<_>>();
        let places = |numbers: &[u32]| numbers.iter().copied().map(SourceId).collect::<Vec<_>>();
        let quantity = |halves: i64| Quantity::from_raw(halves * HALF).expect("small");
        match self {
            Self::Count(lines) => {
                let line = |(sku, source, halves, in_stock): &(u32, u32, i64, Option<bool>)| CountLine {
                    sku: SkuId(*sku),
                    source: SourceId(*source),
                    quantity: quantity(*halves),
                    in_stock: *in_stock,
                };
                Command::CountMany(Box::new(CountMany {
                    lines: lines.iter().map(line).collect(),
                    reason,
                    reference,
                }))
            }
            Self::Assign(skus, sources) => {
                Command::Assign(Box::new(Assign { skus: ids(skus), sources: places(sources), reason }))
            }
            Self::Unassign(skus, sources, forced) => Command::Unassign(Box::new(Unassign {
                skus: ids(skus),
                sources: places(sources),
                forced: *forced,
                reason,
            })),
            Self::Transfer(from, to, skus, unassign, forced) => {
                Command::TransferMany(Box::new(TransferMany {
                    from: SourceId(*from),
                    to: SourceId(*to),
                    skus: ids(skus),
                    unassign: *unassign,
                    forced: *forced,
                    reason,
                }))
            }
            Self::Lines(from, to, lines, forced) => Command::TransferLines(Box::new(TransferLines {
                from: SourceId(*from),
                to: SourceId(*to),
                lines: lines.iter().map(|(sku, halves)| Line::new(SkuId(*sku), quantity(*halves))).collect(),
                forced: *forced,
                reason,
            })),
        }
    }
}

/// What becomes of a source item: `None` = it is removed. Otherwise its quantity and its in-stock flag.
type Change = ((u32, u32), Option<(i64, bool)>);

fn check(field: &str, numbers: &[u32], bound: u32) -> Result<(), Answer> {
    match numbers.iter().position(|number| *number >= bound) {
        Some(index) => Err(unknown(field, index)),
        None => Ok(()),
    }
}

fn sorted(numbers: &[u32]) -> Vec<u32> {
    let set: std::collections::BTreeSet<u32> = numbers.iter().copied().collect();
    set.into_iter().collect()
}

impl Model {
    pub(crate) fn bulk(&mut self, bulk: &Bulk) -> Decision {
        match bulk {
            Bulk::Count(lines) => {
                for (index, (sku, source, ..)) in lines.iter().enumerate() {
                    if *source >= SOURCES {
                        return Err(unknown("source", index));
                    }
                    if *sku >= SKUS {
                        return Err(unknown("sku", index));
                    }
                }
                let change = |(sku, source, halves, in_stock): &(u32, u32, i64, Option<bool>)| {
                    let old = self.items.get(&(*sku, *source));
                    // An item that is made below zero must not sell backorders.
                    let kept = old.map_or(*halves >= 0, |item| item.in_stock);
                    ((*sku, *source), Some((halves * HALF, in_stock.unwrap_or(kept))))
                };
                let changes: Vec<Change> = lines.iter().map(change).collect();
                self.change_items(&changes, Vec::new(), true)?;
                Ok((Code::Ok, 0, self.shortfall_of(lines.iter().map(|line| line.0))))
            }
            Bulk::Assign(skus, sources) => {
                let missing = Self::pairs(skus, sources)?.into_iter();
                let missing = missing.filter(|pair| !self.items.contains_key(pair));
                let changes: Vec<Change> = missing.map(|pair| (pair, Some((0, false)))).collect();
                let made = u32::try_from(changes.len()).expect("few");
                self.change_items(&changes, Vec::new(), true)?;
                Ok((Code::Ok, made, Detail::None))
            }
            Bulk::Unassign(skus, sources, forced) => {
                let named = Self::pairs(skus, sources)?;
                let present = named.iter().filter(|pair| self.items.contains_key(pair));
                let changes: Vec<Change> = present.map(|pair| (*pair, None)).collect();
                let (removed, skus): (u32, Vec<u32>) = (
                    u32::try_from(changes.len()).expect("few"),
                    changes.iter().map(|((sku, _), _)| *sku).collect(),
                );
                self.change_items(&changes, Vec::new(), *forced)?;
                self.notifies.retain(|pair, _| !named.contains(pair));
                Ok((Code::Ok, removed, self.shortfall_if(*forced, &skus)))
            }
            Bulk::Transfer(from, to, skus, unassign, forced) => {
                check("skus", skus, SKUS)?;
                self.transfer_all((*from, *to), &sorted(skus), *unassign, *forced)
            }
            Bulk::Lines(from, to, lines, forced) => {
                check("sku", &lines.iter().map(|line| line.0).collect::<Vec<_>>(), SKUS)?;
                self.transfer_lines((*from, *to), lines, *forced)
            }
        }
    }

    fn transfer_all(&mut self, ends: (u32, u32), skus: &[u32], unassign: bool, forced: bool) -> Decision {
        let (from, to) = ends;
        let (mut changes, mut moved): (Vec<Change>, u32) = (Vec::new(), 0);
        for sku in skus {
            let target = self.items.get(&(*sku, to));
            match self.items.get(&(*sku, from)) {
                Some(origin) => {
                    let sum = origin.on_hand + target.map_or(0, |item| item.on_hand);
                    changes.push(((*sku, to), Some((sum, origin.in_stock))));
                    changes.push(((*sku, from), if unassign { None } else { Some((0, false)) }));
                    moved += 1;
                }
                None if target.is_none() => changes.push(((*sku, to), Some((0, false)))),
                None => {}
            }
        }
        let skus: Vec<u32> = changes.iter().map(|((sku, _), _)| *sku).collect();
        let with_goods: Vec<u32> =
            skus.iter().copied().filter(|sku| self.items.contains_key(&(*sku, from))).collect();
        self.change_items(&changes, Vec::new(), forced)?;
        for sku in with_goods {
            if let Some(threshold) = self.notifies.get(&(sku, from)).copied() {
                self.notifies.entry((sku, to)).or_insert(threshold);
                if unassign {
                    self.notifies.remove(&(sku, from));
                }
            }
        }
        Ok((Code::Ok, moved, self.shortfall_if(forced, &skus)))
    }

    fn transfer_lines(&mut self, (from, to): (u32, u32), lines: &Wanted, forced: bool) -> Decision {
        let (mut changes, mut offenders): (Vec<Change>, Vec<Offender>) = (Vec::new(), Vec::new());
        for (sku, units) in merged(lines) {
            let missing = [from.min(to), from.max(to)];
            let missing = missing.into_iter().filter(|source| !self.items.contains_key(&(sku, *source)));
            offenders.extend(missing.map(|source| offender((sku, source), Code::NoSourceItem, 0, 0)));
            let ends = (self.items.get(&(sku, from)), self.items.get(&(sku, to)));
            if let (Some(origin), Some(target)) = ends {
                if origin.on_hand < units {
                    offenders.push(offender((sku, from), Code::NotEnoughAtSource, origin.on_hand, units));
                }
                changes.push(((sku, from), Some((origin.on_hand - units, origin.in_stock))));
                changes.push(((sku, to), Some((target.on_hand + units, true))));
            }
        }
        let skus: Vec<u32> = changes.iter().map(|((sku, _), _)| *sku).collect();
        self.change_items(&changes, offenders, forced)?;
        Ok((Code::Ok, 0, self.shortfall_if(forced, &skus)))
    }

    /// The pairs of known SKUs and sources, each once.
    fn pairs(skus: &[u32], sources: &[u32]) -> Result<Vec<(u32, u32)>, Answer> {
        check("skus", skus, SKUS)?;
        check("sources", sources, SOURCES)?;
        let sources = sorted(sources);
        let of_sku = |sku: u32| sources.iter().map(move |source| (sku, *source));
        Ok(sorted(skus).into_iter().flat_map(of_sku).collect())
    }

    fn shortfall_if(&self, forced: bool, skus: &[u32]) -> Detail {
        if forced { self.shortfall_of(skus.iter().copied()) } else { Detail::None }
    }

    fn shortfall_of(&self, skus: impl Iterator<Item = u32>) -> Detail {
        let skus: std::collections::BTreeSet<u32> = skus.collect();
        Detail::Shortfall(amount(skus.into_iter().map(|sku| self.total_shortfall(sku)).sum()))
    }

    /// Changes all items, or none if a promise needs goods that one of them loses. Facts are not checked.
    fn change_items(
        &mut self,
        changes: &[Change],
        mut offenders: Vec<Offender>,
        is_fact: bool,
    ) -> Result<(), Answer> {
        let mut after = self.clone();
        // Like `after`, but without the quantities below zero that arriving goods would have to fill.
        let mut without_deficits = self.clone();
        for (pair, values) in changes {
            let deficit = self.items.get(pair).map_or(0, |item| item.on_hand.min(0));
            after.set_item(*pair, *values);
            without_deficits.set_item(*pair, values.map(|(on_hand, status)| (on_hand - deficit, status)));
        }
        if offenders.is_empty() && !is_fact {
            let mut pairs: Vec<(u32, u32)> = changes.iter().map(|(pair, _)| *pair).collect();
            pairs.sort_unstable();
            for (sku, source) in pairs {
                let (had, keeps) = (self.goods_at((sku, source)), after.goods_at((sku, source)));
                let Some(group) = self.group_of_source(source) else { continue };
                if keeps >= had || !self.raises_shortfall(&after, sku, group) {
                    continue;
                }
                let is_deficit = !self.raises_shortfall(&without_deficits, sku, group);
                let code = if is_deficit { Code::SourceBelowZero } else { Code::NeededElsewhere };
                offenders.push(offender((sku, source), code, had, had - keeps));
            }
        }
        if let Some(first) = offenders.first() {
            let (code, count) = (first.code(), u32::try_from(offenders.len()).expect("few"));
            offenders.truncate(OFFENDERS_MAX);
            return Err((code, 0, Detail::Offenders { count, first: offenders }));
        }
        *self = after;
        Ok(())
    }

    fn set_item(&mut self, pair: (u32, u32), values: Option<(i64, bool)>) {
        let Some((on_hand, in_stock)) = values else {
            if let Some(removed) = self.items.remove(&pair) {
                self.removed_version = self.removed_version.max(removed.version);
            }
            return;
        };
        let version = self.items.get(&pair).map_or(self.removed_version, |item| item.version) + 1;
        self.items.insert(pair, Item { on_hand, in_stock, version });
    }

    /// The goods that an item supplies to stocks that protect promises.
    fn goods_at(&self, pair: (u32, u32)) -> i64 {
        let item = self.items.get(&pair).filter(|item| item.in_stock && self.enabled[pair.1 as usize]);
        item.map_or(0, |item| item.on_hand.max(0))
    }
}

fn offender((sku, source): (u32, u32), code: Code, bound: i64, value: i64) -> Offender {
    Offender {
        sku: SkuId(sku),
        source: SourceId(source),
        code: code.number(),
        bound: amount(bound),
        value: amount(value),
    }
}
