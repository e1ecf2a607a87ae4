//! The model's state: plain lists. Every number is computed from them by brute force when it is needed.
//!
//! Nothing is stored that can be computed: promises are summed over all reservations ever made, what a stock has left
//! is the literal formula over all subsets of stocks, and expiry follows from the time.

use crate::bulk::Item;
use crate::flash::Frozen;
use crate::limits::{Limits, Recorded};
use crate::marks::Marks;
use crate::names::Names;
use crate::orders::Orders;
use crate::settings::SettingsLayer;
use crate::step::{CHANNELS, SOURCES, STOCKS, first_stock};
use std::collections::BTreeMap;
use std::sync::Arc;
use stockhold_protocol::command::Target;
use stockhold_protocol::{Code, CommandId, Outcome};

/// The state of a reservation. An expired hold is still `Held`: expiry follows from the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A hold.
    Held,
    /// An order.
    Confirmed,
    /// Released.
    Released,
    /// Shipped whole.
    Shipped,
    /// Replaced by another cart.
    Replaced,
}

/// Units of a line that were shipped from one source, under one quota, and all counted or all not.
#[derive(Clone, Debug)]
pub(crate) struct Shipment {
    /// Source, quota, and whether the line counted, so that the goods on hand were reduced.
    pub(crate) of: (u32, u32, bool),
    pub(crate) units: i64,
    /// How many of them were shipped beyond the promise.
    pub(crate) beyond: i64,
}

impl Shipment {
    /// Takes up to `most` units, of those beyond the promise or of the others. Returns how many, and how many of these
    /// were counted.
    pub(crate) fn take(&mut self, most: i64, beyond: bool) -> (i64, i64) {
        let taken = most.min(if beyond { self.beyond } else { self.units - self.beyond });
        self.units -= taken;
        self.beyond -= if beyond { taken } else { 0 };
        (taken, if self.of.2 { taken } else { 0 })
    }
}

/// A line of a reservation, in ten-thousandths.
#[derive(Clone, Debug)]
pub struct Line {
    /// The SKU.
    pub sku: u32,
    /// Whether its goods are counted.
    pub counts: bool,
    /// The number of the quota that the line took from; 0 = none.
    pub(crate) quota: u32,
    pub(crate) granted: i64,
    /// Promised, and neither shipped nor released.
    pub open: i64,
    /// Units shipped and neither reversed nor returned, in the order of the first shipment of each kind.
    pub(crate) shipments: Vec<Shipment>,
    /// Units shipped and returned by the customer.
    pub returned: i64,
    /// By quota: promised units that were shipped or written off. They stay counted in the quota.
    pub(crate) spent: BTreeMap<u32, i64>,
}

impl Line {
    /// Units shipped from all sources and not reversed.
    #[must_use]
    pub fn shipped(&self) -> i64 {
        self.shipments.iter().map(|one| one.units).sum::<i64>() + self.returned
    }
}

/// A reservation.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The stock that it is sold from.
    pub stock: u32,
    /// The owner.
    pub owner: u64,
    pub(crate) origin_ms: u64,
    /// The second in which a hold ends; 0 = none.
    pub deadline_s: u64,
    /// When the record is dropped, unless the reservation is confirmed.
    pub(crate) end_s: u64,
    /// Its state.
    pub stage: Stage,
    /// Its lines, sorted by SKU.
    pub lines: Vec<Line>,
    /// Whether it was made as a hold and was never confirmed.
    pub(crate) is_hold: bool,
    /// Its order: the number, and the op that made the order.
    pub(crate) order: Option<(u32, u64)>,
    /// The body of the command that made it, and its outcome.
    pub(crate) body: Arc<str>,
    pub(crate) outcome: Arc<Outcome>,
}

/// Maximum number of gaps that are kept separately.
const GAPS_MAX: usize = 64;

/// See the crate.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) limits: Limits,
    pub(crate) now_ms: u64,
    /// The current hold time: op time without gaps.
    pub(crate) hold_ms: u64,
    /// Gaps between ops that are kept separately: the hold time of each, and its length.
    pub(crate) gaps: Vec<(u64, u64)>,
    /// The total length of the earlier gaps.
    pub(crate) gaps_before_ms: u64,
    pub(crate) op: u64,
    pub(crate) horizon: u64,
    pub(crate) independent: bool,
    pub(crate) enabled: [bool; SOURCES as usize],
    /// (stock, source, priority) in the order in which the links were made.
    pub(crate) links: Vec<(u32, u32, u16)>,
    /// The stock that each channel sells from.
    pub(crate) channels: Vec<u32>,
    pub(crate) frozen: Frozen,
    pub(crate) names: Names,
    pub(crate) marks: Marks,
    /// Source items by (SKU, source).
    pub(crate) items: BTreeMap<(u32, u32), Item>,
    /// The highest version of an item that was removed.
    pub(crate) removed_version: u32,
    pub(crate) layers: BTreeMap<(Option<u32>, Option<u32>), SettingsLayer>,
    /// Number and limit of quotas by (SKU, stock).
    pub(crate) quotas: BTreeMap<(u32, u32), (u32, Option<i64>)>,
    /// Low-stock configurations by (SKU, source), with their own threshold.
    pub(crate) notifies: BTreeMap<(u32, u32), Option<i64>>,
    pub(crate) reservations: BTreeMap<CommandId, Reservation>,
    pub(crate) orders: Orders,
    /// Units that rows without an order promise, by (SKU, stock).
    pub(crate) unattributed: BTreeMap<(u32, u32), i64>,
    /// Body and outcome of every recorded command. Copies for hypothetical questions share it.
    pub(crate) recorded: Arc<BTreeMap<CommandId, Recorded>>,
    /// Promises that a hypothetical question adds, by (SKU, stock).
    pub(crate) hypothetical: BTreeMap<(u32, u32), i64>,
}

impl Model {
    /// A world before its first op. Its sources are enabled and empty, and no stock is linked.
    #[must_use]
    pub fn new(limits: Limits, now_ms: u64) -> Self {
        Self {
            limits,
            now_ms,
            hold_ms: now_ms,
            gaps: Vec::new(),
            gaps_before_ms: 0,
            op: 0,
            horizon: 0,
            independent: false,
            enabled: [true; SOURCES as usize],
            links: Vec::new(),
            channels: (0..CHANNELS).map(first_stock).collect(),
            frozen: Frozen::default(),
            names: Names::defined(),
            marks: Marks::default(),
            items: BTreeMap::new(),
            removed_version: 0,
            layers: BTreeMap::new(),
            quotas: BTreeMap::new(),
            notifies: BTreeMap::new(),
            reservations: BTreeMap::new(),
            orders: Orders::default(),
            unattributed: BTreeMap::new(),
            recorded: Arc::default(),
            hypothetical: BTreeMap::new(),
        }
    }

    /// The last op.
    #[must_use]
    pub fn op(&self) -> u64 {
        self.op
    }

    /// Whether stocks that share sources do not limit each other.
    #[must_use]
    pub fn is_independent(&self) -> bool {
        self.independent
    }

    /// The time of the last op.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The same world at a later time, without an op.
    #[must_use]
    pub fn at_time(&self, now_ms: u64) -> Self {
        let mut later = self.clone();
        later.pass(now_ms);
        later
    }

    /// Applies an op that defines a SKU, a stock, a source or a channel with this number. Its outcome is recorded.
    pub fn define(&mut self, id: CommandId, number: u32) -> Outcome {
        self.op += 1;
        let outcome = Outcome::new(Code::Ok, number, self.op);
        let recorded = Recorded::new("definition".into(), Arc::new(outcome.clone()));
        Arc::make_mut(&mut self.recorded).insert(id, recorded);
        outcome
    }

    /// The stock that a target means now.
    #[must_use]
    pub fn stock_of(&self, target: Target) -> Option<u32> {
        match target {
            Target::Stock(stock) => (stock.0 < STOCKS).then_some(stock.0),
            Target::Channel(channel) => self.channels.get(channel.0 as usize).copied(),
        }
    }

    /// A reservation that was made, whether its record is still kept or not.
    #[must_use]
    pub fn reservation(&self, id: CommandId) -> Option<&Reservation> {
        self.reservations.get(&id)
    }

    /// Whether an id is older than the kept outcomes.
    #[must_use]
    pub fn is_below_horizon(&self, id: CommandId) -> bool {
        id.client_time_ms() / crate::decide::GENERATION_MS < self.horizon
    }

    /// Lets time pass to `now_ms`. Time never goes back, and a gap does not count as hold time.
    pub(crate) fn pass(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.now_ms);
        self.now_ms += passed_ms;
        if passed_ms <= self.limits.gap_max_ms {
            self.hold_ms += passed_ms;
            return;
        }
        match self.gaps.last_mut() {
            Some((at_ms, gap_ms)) if *at_ms == self.hold_ms => *gap_ms += passed_ms,
            _ => self.gaps.push((self.hold_ms, passed_ms)),
        }
        // There is one gap too many: the last two are merged.
        if self.gaps.len() > GAPS_MAX {
            let (_, last_ms) = self.gaps.remove(GAPS_MAX - 1);
            self.gaps[GAPS_MAX - 1].1 += last_ms;
        }
    }

    /// The hold time, which counts for deadlines and retention.
    #[must_use]
    pub fn hold_ms(&self) -> u64 {
        self.hold_ms
    }

    /// The op time at a hold time within the retention of ids.
    pub(crate) fn op_time_at(&self, hold_ms: u64) -> u64 {
        let gaps = self.gaps.iter().filter(|(at_ms, _)| *at_ms <= hold_ms);
        hold_ms + self.gaps_before_ms + gaps.map(|(_, gap_ms)| gap_ms).sum::<u64>()
    }

    /// Merges gaps that are older than the retention of ids.
    pub(crate) fn forget_gaps(&mut self) {
        let from_ms = self.hold_ms.saturating_sub(self.limits.retention_ms);
        self.gaps_before_ms +=
            self.gaps.iter().filter(|(at_ms, _)| *at_ms <= from_ms).map(|(_, gap_ms)| gap_ms).sum::<u64>();
        self.gaps.retain(|(at_ms, _)| *at_ms > from_ms);
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.hold_ms() / 1_000
    }

    pub(crate) fn has_expired(&self, reservation: &Reservation) -> bool {
        reservation.stage == Stage::Held && reservation.deadline_s <= self.now_s()
    }

    /// A reservation whose record is kept.
    pub(crate) fn known(&self, id: CommandId) -> Option<&Reservation> {
        let found = self.reservations.get(&id)?;
        (found.stage == Stage::Confirmed || found.end_s > self.now_s()).then_some(found)
    }

    pub(crate) fn is_linked(&self, stock: u32, source: u32) -> bool {
        self.links.iter().any(|(of, to, _)| (*of, *to) == (stock, source))
    }

    /// Source items of a SKU that supply a stock of a set.
    fn items_of(&self, sku: u32, set: u32) -> impl Iterator<Item = (&Item, u32)> {
        let feeds = move |source: u32| {
            (0..STOCKS).any(|stock| set & 1 << stock != 0 && self.is_linked(stock, source))
        };
        (0..SOURCES)
            .filter(move |source| feeds(*source))
            .filter_map(move |source| Some((self.items.get(&(sku, source))?, source)))
    }

    fn counts(&self, item: &Item, source: u32) -> bool {
        item.in_stock && self.enabled[source as usize]
    }

    pub(crate) fn is_assigned(&self, sku: u32, stock: u32) -> bool {
        self.items_of(sku, 1 << stock).next().is_some()
    }

    pub(crate) fn any_in_stock(&self, sku: u32, stock: u32) -> bool {
        self.items_of(sku, 1 << stock).any(|(item, source)| self.counts(item, source))
    }

    /// Promised units: of orders, and of holds that have not ended.
    pub(crate) fn promised(&self, sku: u32, stock: u32) -> i64 {
        let live = self.reservations.values().filter(|one| one.stock == stock && !self.has_expired(one));
        let lines = live.flat_map(|one| &one.lines).filter(|line| line.sku == sku && line.counts);
        let of = |more: &BTreeMap<(u32, u32), i64>| more.get(&(sku, stock)).copied().unwrap_or(0);
        lines.map(|line| line.open).sum::<i64>() + of(&self.unattributed) + of(&self.hypothetical)
    }

    fn slack(&self, sku: u32, set: u32) -> i64 {
        let counting = self.items_of(sku, set).filter(|(item, source)| self.counts(item, *source));
        let goods: i64 = counting.map(|(item, _)| item.on_hand.max(0)).sum();
        goods - stocks_of(set).map(|stock| self.promised(sku, stock)).sum::<i64>()
    }

    /// MSI's own salable quantity before its threshold. A negative source item is subtracted.
    fn msi_salable(&self, sku: u32, stock: u32) -> i64 {
        let counting = self.items_of(sku, 1 << stock).filter(|(item, source)| self.counts(item, *source));
        counting.map(|(item, _)| item.on_hand).sum::<i64>() - self.promised(sku, stock)
    }

    /// What all promises leave to a stock, by the literal formula.
    pub(crate) fn remaining(&self, sku: u32, stock: u32) -> i64 {
        if self.independent {
            return self.msi_salable(sku, stock);
        }
        let least = |with: bool| {
            let sets = (0..1_u32 << STOCKS).filter(|set| (set & 1 << stock != 0) == with);
            sets.map(|set| self.slack(sku, set)).min().unwrap_or(0)
        };
        least(true) - least(false)
    }

    /// The stocks that are connected with this one through shared sources.
    pub(crate) fn group(&self, stock: u32) -> u32 {
        let mut set = 1_u32 << stock;
        loop {
            let touches = |other: u32| {
                (0..SOURCES).any(|source| {
                    self.is_linked(other, source) && stocks_of(set).any(|one| self.is_linked(one, source))
                })
            };
            let next = (0..STOCKS).filter(|other| touches(*other)).fold(set, |set, other| set | 1 << other);
            if next == set {
                return set;
            }
            set = next;
        }
    }

    /// The group of a source. `None` if the source supplies no stock.
    pub(crate) fn group_of_source(&self, source: u32) -> Option<u32> {
        (0..STOCKS).find(|stock| self.is_linked(*stock, source)).map(|stock| self.group(stock))
    }

    /// short(0) or short(n) of a SKU over a set of whole groups.
    pub(crate) fn shortfall(&self, sku: u32, group: u32, with_allowances: bool) -> i64 {
        let allowance = |stock: u32| {
            let settings = self.settings(sku, stock);
            match (with_allowances, settings.is_unlimited()) {
                (false, _) => Some(0),
                (true, true) => None,
                (true, false) => Some((-settings.eff_min()).max(0)),
            }
        };
        if self.independent {
            let lacks =
                |stock: u32| allowance(stock).map_or(0, |more| (-self.msi_salable(sku, stock) - more).max(0));
            return stocks_of(group).map(lacks).sum();
        }
        let short_of = |set: u32| {
            let allowed: Option<i64> = stocks_of(set).map(allowance).sum();
            allowed.map_or(0, |allowed| -self.slack(sku, set) - allowed)
        };
        (0..1_u32 << STOCKS).filter(|set| set & !group == 0).map(short_of).max().unwrap_or(0)
    }

    /// The total units of a SKU that are promised and missing.
    #[must_use]
    pub fn total_shortfall(&self, sku: u32) -> i64 {
        self.shortfall(sku, (1 << STOCKS) - 1, true)
    }

    /// The number of the current quota; 0 = none.
    pub(crate) fn quota(&self, sku: u32, stock: u32) -> u32 {
        match self.quotas.get(&(sku, stock)) {
            Some((number, Some(_))) => *number,
            Some((_, None)) | None => 0,
        }
    }

    pub(crate) fn quota_left(&self, sku: u32, stock: u32) -> i64 {
        let Some((number, Some(limit))) = self.quotas.get(&(sku, stock)) else { return i64::MAX };
        let taken = |one: &Reservation| {
            let lines = one.lines.iter().filter(|line| line.sku == sku);
            let is_over = self.has_expired(one);
            let open = |line: &Line| if is_over || line.quota != *number { 0 } else { line.open };
            lines.map(|line| line.spent.get(number).unwrap_or(&0) + open(line)).sum::<i64>()
        };
        limit - self.reservations.values().filter(|one| one.stock == stock).map(taken).sum::<i64>()
    }

    /// The published cell of a SKU in a stock.
    #[must_use]
    pub fn cell(&self, sku: u32, stock: u32) -> i64 {
        let settings = self.settings(sku, stock);
        if !self.is_assigned(sku, stock) {
            return i64::MIN;
        }
        if !settings.manage_stock {
            return i64::MAX;
        }
        let formula = self.remaining(sku, stock) - settings.eff_min();
        if !self.any_in_stock(sku, stock) {
            return formula.min(0);
        }
        if settings.is_unlimited() {
            self.quota_left(sku, stock)
        } else {
            formula.min(self.quota_left(sku, stock))
        }
    }
}

/// The stocks of a set.
pub(crate) fn stocks_of(set: u32) -> impl Iterator<Item = u32> {
    (0..STOCKS).filter(move |stock| set & 1 << stock != 0)
}
