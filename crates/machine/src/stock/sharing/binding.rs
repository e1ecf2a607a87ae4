//! Which promises and goods limit a stock: the two sets of stocks that `left` is the difference of.
//!
//! left(t) = min { slack(T) : t in T } − min { slack(T) : t not in T }. Of the sets with the least slack the smallest is
//! taken, which is unique, because slack is submodular. The smaller set is then part of the larger one. So what t shares
//! is the difference of the two: the stocks that compete with it, and the goods that nobody else has taken. This is for
//! explanations. It computes no quantity, and decisions do NOT use it.

use super::class_sets::ClassSets;
use super::group::Plan;
use super::pool::{Parts, Pool};
use super::subsets::Subsets;
use super::{Group, at};

/// The two sets that limit a stock, as sorted indexes of stocks. Stocks without promises are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The stocks that compete with the stock, itself included.
    pub with: Vec<u32>,
    /// Those of them that have promised more than their sources hold, so that they have taken all of it.
    pub without: Vec<u32>,
}

impl Pool {
    /// The sets of stocks that limit [`Pool::left`] of a stock.
    pub fn binding(&self, group: &Group, stock_index: u32) -> Binding {
        let alone = Binding { with: vec![stock_index], without: Vec::new() };
        let Some(cells) = self.cells() else { return alone };
        let parts = Parts::of(group);
        let class = group.class_of(stock_index);
        let (promised, form) = (&cells[parts.class_promised..parts.items], &cells[parts.form..]);
        let (sets, left_of_class) = match group.plan() {
            Plan::Independent => return alone,
            Plan::Single => {
                (ClassSets { with: vec![true], without: vec![false] }, form[0].saturating_sub(promised[0]))
            }
            Plan::Subsets(subsets) => (subsets.binding(form, class), Subsets::left(form, class)),
            Plan::Tree(tree) => {
                (tree.binding(form, promised, class), tree.left(form, promised[class], class))
            }
            Plan::Flow(flow) => (flow.binding(form, promised, class), flow.left(form, promised, class)),
        };
        let stocks_of = |classes: &[bool], is_in: &dyn Fn(u32) -> bool| {
            let stocks = (0_u32..).zip(group.class_of_stock());
            let stocks = stocks.filter(|(index, class)| classes[usize::from(**class)] && is_in(*index));
            stocks.map(|(index, _)| index).collect::<Vec<u32>>()
        };
        let has_promised = |index: u32| cells[at(index)] > 0;
        // The other stocks of the class may have taken everything without this one.
        let others_took_all = left_of_class < 0_i64.saturating_sub(cells[at(stock_index)]);
        let without = if others_took_all { &sets.with } else { &sets.without };
        Binding {
            with: stocks_of(&sets.with, &|index| index == stock_index || has_promised(index)),
            without: stocks_of(without, &|index| index != stock_index && has_promised(index)),
        }
    }
}

impl Binding {
    /// Whether the goods of each source of the group are shared: some stock that competes sells from it, and no stock that
    /// has taken everything does.
    pub fn shares(&self, group: &Group) -> Vec<bool> {
        let classes_of = |stocks: &[u32]| {
            let mut classes = vec![false; group.class_count()];
            for index in stocks {
                classes[group.class_of(*index)] = true;
            }
            classes
        };
        let (with, without) = (classes_of(&self.with), classes_of(&self.without));
        let sells = |source: usize, set: &[bool]| {
            group.classes_of_source(source).iter().any(|class| set[usize::from(*class)])
        };
        let sources = 0..group.sources().len();
        sources.map(|source| sells(source, &with) && !sells(source, &without)).collect()
    }
}
