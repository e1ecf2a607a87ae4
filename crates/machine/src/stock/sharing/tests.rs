//! Tests every form against the literal formula and against a max-flow oracle, on layouts with and without
//! shortfall. Forms are forced, so each of them computes every layout that its structure allows.

mod limits;
mod nested;
mod oracle;

use oracle::Oracle;
use proptest::prelude::*;

use super::{Allowance, Change, Form, Layout, Pool, Sharing, Supply};

/// One step of a random history. Indexes are taken modulo the number of sources or stocks.
#[derive(Clone, Debug)]
enum Step {
    Supply { source: usize, after: Option<Supply> },
    Promise { stock: usize, delta: i64 },
    GrantLeft { stock: usize },
}

fn supplies() -> impl Strategy<Value = Option<Supply>> {
    prop::option::weighted(0.85, (-4_i64..25, prop::bool::weighted(0.8)))
        .prop_map(|item| item.map(|(on_hand, counts)| Supply { on_hand, counts }))
}

fn histories() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_usize..64, supplies()).prop_map(|(source, after)| Step::Supply { source, after }),
        3 => (0_usize..64, -12_i64..20).prop_map(|(stock, delta)| Step::Promise { stock, delta }),
        1 => (0_usize..64).prop_map(|stock| Step::GrantLeft { stock }),
    ];
    prop::collection::vec(step, 1..24)
}

fn allowances() -> impl Strategy<Value = Vec<Allowance>> {
    let allowance = prop_oneof![
        2 => Just(Allowance::Units(0)),
        3 => (0_i64..15).prop_map(Allowance::Units),
        1 => Just(Allowance::Unlimited),
    ];
    prop::collection::vec(allowance, 12)
}

/// Source sets as bit masks over `sources`, for up to `stocks` stocks.
fn any_sets(stocks: usize, sources: u32) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..1 << sources, 1..=stocks)
}

/// Random nested families: every set is a run of 8 sources, halved up to three times (four levels).
fn nested_sets(stocks: usize) -> impl Strategy<Value = Vec<u32>> {
    let node = (0_u32..4, 0_u32..8).prop_map(|(level, number)| {
        let run = 8 >> level;
        ((1 << run) - 1) << (number % (1 << level) * run)
    });
    prop::collection::vec(node, 1..=stocks).prop_map(|mut sets| {
        sets.push(0xff);
        sets
    })
}

/// One layout in one form, with pools that are updated by each step.
struct Subject {
    layout: Layout,
    pools: Vec<Pool>,
}

impl Subject {
    fn new(oracle: &Oracle, forced: Option<Form>) -> Self {
        let layout = Layout::build_as(oracle.stocks(), oracle.links(), oracle.sharing, forced).unwrap();
        for group in layout.groups() {
            match forced {
                Some(Form::Subsets | Form::Flow) => {
                    assert_eq!(Some(group.form()), forced, "these forms can compute any layout");
                }
                Some(Form::Single | Form::Tree | Form::Independent) | None => {}
            }
        }
        let pools = layout.groups().iter().map(Pool::new).collect();
        Self { layout, pools }
    }

    /// The pools as if the oracle had always had its present values.
    fn rebuilt(&self, oracle: &Oracle) -> Vec<Pool> {
        let mut fresh =
            Self { layout: self.layout.clone(), pools: self.layout.groups().iter().map(Pool::new).collect() };
        for source in 0..oracle.supplies.len() {
            fresh.set(source, None, oracle.supplies[source]);
        }
        for stock in 0..oracle.promised.len() {
            fresh.promise(stock, oracle.promised[stock]);
        }
        fresh.pools
    }

    fn set(&mut self, source: usize, before: Option<Supply>, after: Option<Supply>) {
        if let Some(place) = self.layout.source_in_group(id(source)) {
            let group = self.layout.group(place.group);
            self.pools[super::at(place.group)].change_supply(group, place.index, before, after);
        }
    }

    fn promise(&mut self, stock: usize, delta: i64) {
        let place = self.layout.stock_in_group(id(stock)).unwrap();
        self.pools[super::at(place.group)].add_promise(self.layout.group(place.group), place.index, delta);
    }

    fn shortfall(&self, allowance: &[Allowance]) -> i64 {
        let of_group = |(group, pool): (&super::Group, &Pool)| {
            pool.shortfall(group, |index| allowance[super::at(group.stocks()[super::at(index)])])
        };
        self.layout.groups().iter().zip(&self.pools).map(of_group).sum()
    }

    /// Compares every result with the literal result of the oracle.
    fn assert_agrees(&self, oracle: &Oracle, allowance: &[Allowance]) {
        let none = vec![Allowance::Units(0); oracle.promised.len()];
        let mut all = Vec::new();
        for (group, pool) in self.layout.groups().iter().zip(&self.pools) {
            pool.left_all(group, &mut all);
            assert_eq!(all.len(), group.stocks().len());
            let mut short = 0;
            for ((&stock, index), &left) in group.stocks().iter().zip(0_u32..).zip(&all) {
                let stock = super::at(stock);
                let form = group.form();
                assert_eq!(left, oracle.left_literal(stock), "{form:?}: left_all of stock {stock}");
                assert_eq!(pool.left(group, index), left, "{form:?}: left of stock {stock}");
                assert_eq!(pool.promised(group, index), oracle.promised[stock]);
                assert_binding(oracle, group, pool, index, left);
                assert_eq!(pool.is_assigned(group, index), oracle.items_of(stock).count() > 0);
                assert_eq!(pool.any_in_stock(group, index), oracle.items_of(stock).any(|item| item.counts));
                short = pool.shortfall(group, |_| Allowance::Units(0));
            }
            assert_eq!(pool.is_covered(group), short == 0);
        }
        assert_eq!(self.shortfall(&none), oracle.short_literal(&none), "short(0)");
        assert_eq!(self.shortfall(allowance), oracle.short_literal(allowance), "short(n)");
    }
}

/// Checks that two sets explain what a stock has left: their slacks differ by it, and the sets are the smallest ones.
fn assert_binding(oracle: &Oracle, group: &super::Group, pool: &Pool, index: u32, left: i64) {
    let binding = pool.binding(group, index);
    let mask = |stocks: &mut dyn Iterator<Item = u32>| stocks.fold(0_u32, |mask, stock| mask | 1 << stock);
    let chosen = |indexes: &[u32]| mask(&mut indexes.iter().map(|index| group.stocks()[super::at(*index)]));
    let (with, without) = (chosen(&binding.with), chosen(&binding.without));
    let (form, stock) = (group.form(), super::at(group.stocks()[super::at(index)]));
    assert_eq!(oracle.slack(with) - oracle.slack(without), left, "{form:?}: {binding:?} of stock {stock}");
    if oracle.sharing == Sharing::Exact {
        let all = mask(&mut group.stocks().iter().copied());
        assert_eq!([with, without], oracle.smallest_binding(stock, all), "{form:?}: stock {stock}");
    }
}

/// The id of a stock or source is its index.
fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap()
}

/// Runs a history with all forced forms in parallel.
fn run(sets: &[u32], sharing: Sharing, history: &[Step], allowance: &[Allowance], forms: &[Option<Form>]) {
    let mut oracle = Oracle::new(sets, sharing);
    let mut subjects: Vec<Subject> = forms.iter().map(|&form| Subject::new(&oracle, form)).collect();
    for step in history {
        match *step {
            Step::Supply { source, after } => {
                let source = source % oracle.supplies.len();
                let before = std::mem::replace(&mut oracle.supplies[source], after);
                for subject in &mut subjects {
                    subject.set(source, before, after);
                }
            }
            Step::Promise { stock, delta } => {
                let stock = stock % oracle.promised.len();
                let delta = delta.max(-oracle.promised[stock]);
                promise(&mut oracle, &mut subjects, stock, delta);
            }
            Step::GrantLeft { stock } => {
                let stock = stock % oracle.promised.len();
                let left = oracle.left_literal(stock).max(0);
                promise(&mut oracle, &mut subjects, stock, left);
            }
        }
        for subject in &subjects {
            subject.assert_agrees(&oracle, allowance);
        }
    }
    for subject in &subjects {
        assert_eq!(subject.pools, subject.rebuilt(&oracle), "updated pools equal rebuilt ones");
    }
}

fn promise(oracle: &mut Oracle, subjects: &mut [Subject], stock: usize, delta: i64) {
    oracle.promised[stock] += delta;
    for subject in subjects {
        subject.promise(stock, delta);
    }
}

const EXACT_FORMS: [Option<Form>; 5] =
    [None, Some(Form::Single), Some(Form::Subsets), Some(Form::Tree), Some(Form::Flow)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Proves that all forms equal the literal formula on layouts of up to 5 sources and 4 stocks,
    /// including merged classes, stocks without sources, and supplies that are reduced below the promises.
    #[test]
    fn small_layouts(sets in any_sets(4, 5), history in histories(), allowance in allowances()) {
        run(&sets, Sharing::Exact, &history, &allowance, &EXACT_FORMS);
    }

    /// Proves the same for six stocks, the limit of the subsets form.
    #[test]
    fn six_stocks(sets in any_sets(6, 6), history in histories(), allowance in allowances()) {
        run(&sets, Sharing::Exact, &history, &allowance, &[None, Some(Form::Subsets), Some(Form::Flow)]);
    }

    /// Proves the same for nested families of up to ten stocks on four levels.
    #[test]
    fn nested_families(sets in nested_sets(9), history in histories(), allowance in allowances()) {
        run(&sets, Sharing::Exact, &history, &allowance, &[None, Some(Form::Tree), Some(Form::Flow)]);
    }

    /// Proves that independent stocks use the plain sum.
    #[test]
    fn independent(sets in any_sets(4, 4), history in histories(), allowance in allowances()) {
        run(&sets, Sharing::Independent, &history, &allowance, &[None]);
    }

    /// Proves that the literal formula equals the max-flow: the most that t can have in addition to the
    /// flow of the others.
    #[test]
    fn the_formula_equals_the_max_flow(sets in any_sets(5, 5), history in histories()) {
        let mut oracle = Oracle::new(&sets, Sharing::Exact);
        oracle.apply(&history);
        for stock in 0..oracle.promised.len() {
            prop_assert_eq!(oracle.left_literal(stock), oracle.left_by_flow(stock));
        }
    }

    /// Proves that granting what is left, allowance included, raises neither short(0) beyond it nor
    /// short(n), and that one unit more than what is left always makes a shortfall.
    #[test]
    fn a_grant_makes_no_shortfall(
        sets in any_sets(5, 5), history in histories(), stock in 0_usize..8, allowance in allowances(),
    ) {
        let mut oracle = Oracle::new(&sets, Sharing::Exact);
        oracle.apply(&history);
        let stock = stock % oracle.promised.len();
        let none = vec![Allowance::Units(0); oracle.promised.len()];
        let promised = oracle.promised[stock];
        let (short, short_allowed) = (oracle.short_literal(&none), oracle.short_literal(&allowance));
        let left = oracle.left_literal(stock);
        oracle.promised[stock] = promised + left.max(0);
        prop_assert_eq!(oracle.short_literal(&none), short);
        oracle.promised[stock] += 1;
        prop_assert_eq!(oracle.short_literal(&none), short + 1);
        if let Allowance::Units(units) = allowance[stock] {
            oracle.promised[stock] = promised + (left + units).max(0);
            prop_assert_eq!(oracle.short_literal(&allowance), short_allowed);
        }
    }

    /// Proves that the predicted shortfall of a shipment equals the shortfall after it.
    #[test]
    fn the_predicted_shortfall_equals_the_actual_one(
        sets in any_sets(5, 4), history in histories(), source in 0_usize..8, stock in 0_usize..8,
        after in supplies(), allowance in allowances(), form in prop::sample::select(EXACT_FORMS.to_vec()),
    ) {
        let mut oracle = Oracle::new(&sets, Sharing::Exact);
        oracle.apply(&history);
        let mut subject = Subject::new(&oracle, form);
        subject.pools = subject.rebuilt(&oracle);
        let source = source % oracle.supplies.len();
        let stock = stock % oracle.promised.len();
        let place = subject.layout.stock_in_group(id(stock)).unwrap();
        let Some(from) = subject.layout.source_in_group(id(source)) else { return Ok(()) };
        prop_assume!(from.group == place.group);
        let group = subject.layout.group(place.group).clone();
        let allow = |index: u32| allowance[super::at(group.stocks()[super::at(index)])];
        let change = Change {
            source_index: from.index,
            before: oracle.supplies[source],
            after,
            stock_index: place.index,
            promise_delta: -(oracle.promised[stock] / 2),
        };
        let pool = &subject.pools[super::at(place.group)];
        let predicted = pool.would_short(&group, change, allow);
        subject.set(source, change.before, after);
        subject.promise(stock, change.promise_delta);
        prop_assert_eq!(subject.pools[super::at(place.group)].shortfall(&group, allow), predicted);
    }
}
