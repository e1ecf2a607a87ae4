//! A pool: the goods and promises of one SKU in one group, and the quantities computed from them.
//!
//! A pool is updated when source items and promises change. It does NOT store the source items: the caller
//! passes their values before and after a change. It does not store its group either: every call must pass
//! the same one.
//!
//! ```text
//! one stock that shares no source: goods, promised, item counters, inline
//! otherwise, one boxed slice:      promised per stock │ promised per class, if stocks are merged
//!                                  │ item counters per class │ cells of the form
//! ```
#![expect(
    clippy::arithmetic_side_effects,
    reason = "inputs are asserted to be within AMOUNT_MAX, so sums over a group fit (see the parent module)"
)]

use super::group::Plan;
use super::subsets::Subsets;
use super::tree::Tree;
use super::{AMOUNT_MAX, Allowance, Change, Group, Sharing, Supply, at};

/// One source item in an item counter. The upper half counts items, and the lower half counts those that
/// are in stock at an enabled source.
const ITEM: i32 = 1 << 16;
/// One source item that is in stock at an enabled source, in an item counter.
const COUNTING: i32 = 1;

/// Goods and promises of one SKU in one group. See the module documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool(Numbers);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Numbers {
    Inline { goods: i64, promised: i64, items: i32 },
    Boxed(Box<[i64]>),
}

const _: () = assert!(size_of::<Pool>() <= 24, "a pool is part of every cluster, which is one cache line");

/// Where the parts of a boxed slice begin.
pub(super) struct Parts {
    pub(super) class_promised: usize,
    pub(super) items: usize,
    pub(super) form: usize,
}

impl Parts {
    pub(super) fn of(group: &Group) -> Self {
        let stocks = group.stocks().len();
        let classes = group.class_count();
        // If no stocks are merged, the promises of the classes are those of the stocks.
        let class_promised = if group.is_merged() { stocks } else { 0 };
        let items = class_promised + classes;
        Self { class_promised, items, form: items + classes }
    }
}

impl Pool {
    /// A pool without source items and promises.
    pub fn new(group: &Group) -> Self {
        if group.is_inline() {
            return Self(Numbers::Inline { goods: 0, promised: 0, items: 0 });
        }
        let form = match group.plan() {
            Plan::Single => 1,
            Plan::Subsets(subsets) => subsets.cell_count(),
            Plan::Tree(tree) => tree.cell_count(),
            Plan::Flow(flow) => flow.cell_count(),
            Plan::Independent => group.class_count(),
        };
        Self(Numbers::Boxed(vec![0; Parts::of(group).form + form].into()))
    }

    /// Changes the source item at a source. `before` must be its last value that was passed to this pool.
    pub fn change_supply(
        &mut self,
        group: &Group,
        source_index: u32,
        before: Option<Supply>,
        after: Option<Supply>,
    ) {
        let delta = goods_of(group, after) - goods_of(group, before);
        let items_delta = items_of(after) - items_of(before);
        match &mut self.0 {
            Numbers::Inline { goods, items, .. } => {
                assert!(at(source_index) < group.sources().len(), "a source of the group");
                *goods += delta;
                *items += items_delta;
                assert!(*items >= 0, "a source item is removed only after it was added");
            }
            Numbers::Boxed(cells) => change_boxed(cells, group, at(source_index), delta, items_delta),
        }
    }

    /// Adds to the promises of a stock. A negative `delta` subtracts.
    pub fn add_promise(&mut self, group: &Group, stock_index: u32, delta: i64) {
        let promised = match &mut self.0 {
            Numbers::Inline { promised, .. } => {
                assert!(stock_index == 0, "a stock of the group");
                *promised += delta;
                *promised
            }
            Numbers::Boxed(cells) => promise_boxed(cells, group, stock_index, delta),
        };
        let least = match group.sharing() {
            Sharing::Exact => 0,
            // Units may be given back that no reservation has promised, as in MSI.
            Sharing::Independent => -AMOUNT_MAX,
        };
        assert!(promised >= least, "no more is subtracted than was promised");
        assert!(promised <= AMOUNT_MAX, "the caller bounds the promises of a stock");
    }

    /// Whether a stock has promises.
    pub fn has_promises(&self, group: &Group) -> bool {
        match &self.0 {
            Numbers::Inline { promised, .. } => *promised != 0,
            Numbers::Boxed(cells) => cells[..group.stocks().len()].iter().any(|promised| *promised != 0),
        }
    }

    /// The promises of a stock.
    #[inline]
    pub fn promised(&self, group: &Group, stock_index: u32) -> i64 {
        assert!(at(stock_index) < group.stocks().len(), "a stock of the group");
        match &self.0 {
            Numbers::Inline { promised, .. } => *promised,
            Numbers::Boxed(cells) => cells[at(stock_index)],
        }
    }

    /// The quantity that the promises of all stocks leave to this one, before its threshold and quota. It
    /// is negative if the stock has promised more than it can.
    #[inline]
    pub fn left(&self, group: &Group, stock_index: u32) -> i64 {
        let cells = match &self.0 {
            Numbers::Inline { goods, promised, .. } => return goods - promised,
            Numbers::Boxed(cells) => cells,
        };
        let parts = Parts::of(group);
        let class = group.class_of(stock_index);
        let promised = &cells[parts.class_promised..parts.items];
        let form = &cells[parts.form..];
        let left = match group.plan() {
            Plan::Single => form[0] - promised[0],
            Plan::Subsets(_) => Subsets::left(form, class),
            Plan::Tree(tree) => tree.left(form, promised[class], class),
            Plan::Flow(flow) => flow.left(form, promised, class),
            Plan::Independent => return form[class] - cells[at(stock_index)],
        };
        left.max(-cells[at(stock_index)])
    }

    /// The boxed slice; `None` for a stock that shares no source.
    pub(super) fn cells(&self) -> Option<&[i64]> {
        match &self.0 {
            Numbers::Inline { .. } => None,
            Numbers::Boxed(cells) => Some(cells),
        }
    }

    /// [`Pool::left`] of every stock of the group in index order. `out` is overwritten and keeps its
    /// memory.
    pub fn left_all(&self, group: &Group, out: &mut Vec<i64>) {
        out.clear();
        let cells = match &self.0 {
            Numbers::Inline { goods, promised, .. } => {
                out.push(goods - promised);
                return;
            }
            Numbers::Boxed(cells) => cells,
        };
        let stocks = group.stocks().len();
        out.resize(stocks, 0);
        let parts = Parts::of(group);
        let promised = &cells[parts.class_promised..parts.items];
        let form = &cells[parts.form..];
        let first_stock = group.first_stock_of_class();
        match group.plan() {
            Plan::Single => out[0] = form[0] - promised[0],
            Plan::Subsets(_) => {
                Subsets::left_all(form, |class, left| out[usize::from(first_stock[class])] = left);
            }
            Plan::Tree(tree) => tree.left_all(form, promised, first_stock, out),
            Plan::Flow(flow) => {
                flow.left_all(form, promised, |class, left| out[usize::from(first_stock[class])] = left);
            }
            Plan::Independent => {
                for ((out, &class), promised) in out.iter_mut().zip(group.class_of_stock()).zip(cells) {
                    *out = form[usize::from(class)] - promised;
                }
                return;
            }
        }
        if group.is_merged() {
            // From the last stock to the first, so that the value of a class is limited for its first stock
            // only after the others have read it.
            for (stock, &class) in group.class_of_stock().iter().enumerate().rev() {
                out[stock] = out[usize::from(first_stock[usize::from(class)])].max(-cells[stock]);
            }
        }
    }

    /// Whether at least one source item of the stock is in stock at an enabled source, whatever its
    /// quantity.
    #[inline]
    pub fn any_in_stock(&self, group: &Group, stock_index: u32) -> bool {
        self.items(group, stock_index) % i64::from(ITEM) != 0
    }

    /// Whether at least one source of the stock has a source item, whether that is in stock or not.
    #[inline]
    pub fn is_assigned(&self, group: &Group, stock_index: u32) -> bool {
        self.items(group, stock_index) != 0
    }

    #[inline]
    fn items(&self, group: &Group, stock_index: u32) -> i64 {
        match &self.0 {
            Numbers::Inline { items, .. } => i64::from(*items),
            Numbers::Boxed(cells) => cells[Parts::of(group).items + group.class_of(stock_index)],
        }
    }

    /// The quantity by which the promises of the group exceed its goods plus allowances; not negative. With
    /// independent stocks it is the (saturating) sum of what every stock is missing: max(0, promised − sum
    /// of its source items − allowance). A negative source item increases what is missing.
    pub fn shortfall(&self, group: &Group, allowance: impl Fn(u32) -> Allowance) -> i64 {
        let cells = match &self.0 {
            Numbers::Inline { goods, promised, .. } => return missing(*goods, *promised, allowance(0)),
            Numbers::Boxed(cells) => cells,
        };
        let parts = Parts::of(group);
        let promised = &cells[parts.class_promised..parts.items];
        let form = &cells[parts.form..];
        let stocks =
            || group.class_of_stock().iter().map(|&class| usize::from(class)).zip(cells).zip(0_u32..);
        if let Plan::Independent = group.plan() {
            return stocks()
                .map(|((class, &promised), stock)| missing(form[class], promised, allowance(stock)))
                .fold(0, i64::saturating_add);
        }
        // Allowances only reduce a shortfall, so without a shortfall they need not be considered.
        if self.is_covered(group) {
            return 0;
        }
        // Only promises above the allowance ask for goods.
        let mut asked = vec![0; group.class_count()];
        for ((class, &promised), stock) in stocks() {
            asked[class] += missing(0, promised, allowance(stock));
        }
        match group.plan() {
            Plan::Single => (asked[0] - form[0]).max(0),
            Plan::Subsets(_) => Subsets::short_of(form, promised, &asked),
            Plan::Tree(tree) => tree.short_of(form, &asked),
            Plan::Flow(flow) => flow.short_of(form, &asked),
            Plan::Independent => unreachable!("independent stocks were handled above"),
        }
    }

    /// Whether the goods cover all promises without any allowance: [`Pool::shortfall`] with zero allowances
    /// is zero.
    pub fn is_covered(&self, group: &Group) -> bool {
        let cells = match &self.0 {
            Numbers::Inline { goods, promised, .. } => return promised <= goods,
            Numbers::Boxed(cells) => cells,
        };
        let parts = Parts::of(group);
        let promised = &cells[parts.class_promised..parts.items];
        let form = &cells[parts.form..];
        match group.plan() {
            Plan::Single => promised[0] <= form[0],
            Plan::Subsets(_) => Subsets::short(form) == 0,
            Plan::Tree(_) => Tree::short(form) == 0,
            Plan::Flow(flow) => flow.short_of(form, promised) == 0,
            Plan::Independent => group
                .class_of_stock()
                .iter()
                .zip(cells)
                .all(|(&class, promised)| *promised <= form[usize::from(class)]),
        }
    }

    /// The shortfall that would result from a change. The change is made on a copy. This is exact in every
    /// form, and shipments are rare enough.
    pub fn would_short(&self, group: &Group, change: Change, allowance: impl Fn(u32) -> Allowance) -> i64 {
        let mut trial = self.clone();
        trial.change_supply(group, change.source_index, change.before, change.after);
        trial.add_promise(group, change.stock_index, change.promise_delta);
        trial.shortfall(group, allowance)
    }
}

/// What one stock is missing by itself.
fn missing(goods: i64, promised: i64, allowance: Allowance) -> i64 {
    match allowance {
        Allowance::Unlimited => 0,
        Allowance::Units(units) => {
            assert!(units >= 0, "an allowance is not negative");
            assert!(units <= AMOUNT_MAX, "the caller bounds an allowance");
            (promised - goods - units).max(0)
        }
    }
}

fn change_boxed(cells: &mut [i64], group: &Group, source: usize, delta: i64, items_delta: i32) {
    let parts = Parts::of(group);
    let (head, form) = cells.split_at_mut(parts.form);
    for &class in group.classes_of_source(source) {
        let items = &mut head[parts.items + usize::from(class)];
        *items += i64::from(items_delta);
        assert!(*items >= 0, "a source item is removed only after it was added");
    }
    if delta == 0 {
        return;
    }
    match group.plan() {
        Plan::Single => form[0] += delta,
        Plan::Subsets(subsets) => subsets.add_capacity(form, source, delta),
        Plan::Tree(tree) => tree.add_capacity(form, source, delta),
        Plan::Flow(flow) => flow.add_capacity(form, source, delta),
        Plan::Independent => {
            for &class in group.classes_of_source(source) {
                form[usize::from(class)] += delta;
            }
        }
    }
}

fn promise_boxed(cells: &mut [i64], group: &Group, stock_index: u32, delta: i64) -> i64 {
    let parts = Parts::of(group);
    let class = group.class_of(stock_index);
    let (head, form) = cells.split_at_mut(parts.form);
    if group.is_merged() {
        head[parts.class_promised + class] += delta;
    }
    match group.plan() {
        Plan::Subsets(_) => Subsets::add_promise(form, class, delta),
        Plan::Tree(tree) => tree.add_promise(form, class, delta),
        Plan::Single | Plan::Flow(_) | Plan::Independent => {}
    }
    let promised = &mut head[at(stock_index)];
    *promised += delta;
    *promised
}

impl Group {
    /// The goods that a source item supplies to a pool of this group.
    pub fn goods(&self, supply: Option<Supply>) -> i64 {
        goods_of(self, supply)
    }
}

/// The goods that a source item supplies.
fn goods_of(group: &Group, supply: Option<Supply>) -> i64 {
    let Some(Supply { on_hand, counts }) = supply else { return 0 };
    assert!(on_hand.abs() <= AMOUNT_MAX, "the caller bounds a quantity on hand");
    match (counts, group.sharing()) {
        (false, _) => 0,
        (true, Sharing::Exact) => on_hand.max(0),
        (true, Sharing::Independent) => on_hand,
    }
}

/// The value that a source item adds to an item counter.
fn items_of(supply: Option<Supply>) -> i32 {
    match supply {
        None => 0,
        Some(Supply { counts: false, .. }) => ITEM,
        Some(Supply { counts: true, .. }) => ITEM + COUNTING,
    }
}
