//! Checks that the goods cover the promises: for every set of stocks, promised ≤ stocked at their sources +
//! allowances.
//!
//! For few stocks, all sets are tried. For more, the largest violation is found by max-flow: the demand that no flow
//! can satisfy equals the shortfall of the worst set. This module intentionally shares no code with the server.

use crate::facts::{Allowance, SkuFacts};
use std::collections::{BTreeMap, VecDeque};
use stockhold_protocol::{SourceId, StockId};

/// Up to this many stocks, all sets are tried.
const TRIED_MAX: usize = 12;

/// The largest shortfall over all sets of stocks, in ten-thousandths. It is 0 when every promise can be kept.
///
/// `promised` is what counts in each stock. Stocks that the facts do not contain are ignored.
#[must_use]
pub fn worst(facts: &SkuFacts, promised: &BTreeMap<StockId, i64>) -> i64 {
    let needs = needs(facts, promised);
    if needs.len() <= TRIED_MAX { worst_of_all_sets(facts, &needs) } else { worst_by_flow(facts, &needs) }
}

/// For each stock: what it needs from its sources beyond its allowance, and the sources.
type Needs<'f> = Vec<(i64, &'f [SourceId])>;

/// A stock that needs nothing belongs to no worst set, because it only adds goods.
fn needs<'f>(facts: &'f SkuFacts, promised: &BTreeMap<StockId, i64>) -> Needs<'f> {
    let need_of = |stock: &'f crate::facts::StockFacts| {
        let Allowance::UpTo(allowance) = stock.allowance else { return None };
        let promised = promised.get(&stock.stock).copied().unwrap_or(0) + stock.promised_before;
        Some((promised - allowance, stock.sources.as_slice())).filter(|(need, _)| *need > 0)
    };
    facts.stocks.iter().filter_map(need_of).collect()
}

fn worst_of_all_sets(facts: &SkuFacts, needs: &Needs<'_>) -> i64 {
    let mut worst = 0;
    for set in 1_u32..1 << needs.len() {
        let members =
            || needs.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0).map(|(_, need)| need);
        let need: i64 = members().map(|(need, _)| need).sum();
        let feeds = |source: &SourceId| members().any(|(_, sources)| sources.contains(source));
        let goods: i64 =
            facts.stocked.iter().filter(|(source, _)| feeds(source)).map(|(_, goods)| goods).sum();
        worst = worst.max(need - goods);
    }
    worst
}

/// Sends goods from sources to stocks along shortest augmenting paths. The unsatisfied rest is the worst shortfall.
fn worst_by_flow(facts: &SkuFacts, needs: &Needs<'_>) -> i64 {
    let mut open: Vec<i64> = needs.iter().map(|(need, _)| *need).collect();
    let mut left: Vec<i64> = facts.stocked.iter().map(|(_, goods)| *goods).collect();
    let edges: Vec<Vec<usize>> = needs
        .iter()
        .map(|(_, sources)| {
            let feeds = |(at, (source, _)): (usize, &(SourceId, i64))| sources.contains(source).then_some(at);
            facts.stocked.iter().enumerate().filter_map(feeds).collect()
        })
        .collect();
    // sent[stock][source]
    let mut sent = vec![vec![0_i64; left.len()]; needs.len()];
    for (stock, open) in open.iter_mut().enumerate() {
        while *open > 0 {
            let Some(path) = free_path(stock, &edges, &left, &sent) else { break };
            push(&path, open, &mut left, &mut sent);
        }
    }
    open.iter().sum()
}

/// An augmenting path from a stock that lacks goods to a source that has some: stock, source, stock, source, …. A
/// stock after a source gives back what that source sent it.
fn free_path(
    from: usize,
    edges: &[Vec<usize>],
    left: &[i64],
    sent: &[Vec<i64>],
) -> Option<Vec<(usize, usize)>> {
    // For each source, the stock that it was reached from. For each stock, the source.
    let mut by_stock: Vec<Option<usize>> = vec![None; left.len()];
    let mut by_source: Vec<Option<usize>> = vec![None; edges.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(stock) = queue.pop_front() {
        for &source in &edges[stock] {
            if by_stock[source].is_some() {
                continue;
            }
            by_stock[source] = Some(stock);
            if left[source] > 0 {
                return Some(path_to(source, from, &by_stock, &by_source));
            }
            for (other, by) in by_source.iter_mut().enumerate() {
                if other != from && by.is_none() && sent[other][source] > 0 {
                    *by = Some(source);
                    queue.push_back(other);
                }
            }
        }
    }
    None
}

/// The steps (stock, source) of the path, from the goods back to the stock that lacks them.
fn path_to(
    end: usize,
    from: usize,
    by_stock: &[Option<usize>],
    by_source: &[Option<usize>],
) -> Vec<(usize, usize)> {
    let (mut path, mut source) = (Vec::new(), end);
    while let Some(stock) = by_stock[source] {
        path.push((stock, source));
        if stock == from {
            break;
        }
        let Some(before) = by_source[stock] else { break };
        source = before;
    }
    path
}

/// Sends as much as the path allows. Each stock on it takes from its next source and gives up its previous one.
fn push(path: &[(usize, usize)], open: &mut i64, left: &mut [i64], sent: &mut [Vec<i64>]) {
    let Some((_, end)) = path.first().copied() else { return };
    let mut amount = (*open).min(left[end]);
    for pair in path.windows(2) {
        let ((stock, _), (_, given_up)) = (pair[0], pair[1]);
        amount = amount.min(sent[stock][given_up]);
    }
    left[end] -= amount;
    *open -= amount;
    for (at, (stock, source)) in path.iter().enumerate() {
        sent[*stock][*source] += amount;
        if let Some((_, given_up)) = path.get(at + 1) {
            sent[*stock][*given_up] -= amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::StockFacts;
    use stockhold_protocol::SkuId;

    fn facts(stocked: &[i64], stocks: &[(&[u32], Allowance)]) -> SkuFacts {
        let stocks = (0..).zip(stocks).map(|(number, (sources, allowance))| StockFacts {
            stock: StockId(number),
            sources: sources.iter().copied().map(SourceId).collect(),
            allowance: *allowance,
            promised_before: 0,
        });
        let stocked = (0..).map(SourceId).zip(stocked.iter().copied()).collect();
        SkuFacts { sku: SkuId(0), stocked, stocks: stocks.collect() }
    }

    fn promised(amounts: &[i64]) -> BTreeMap<StockId, i64> {
        (0..).map(StockId).zip(amounts.iter().copied()).collect()
    }

    #[test]
    fn shared_goods_are_not_promised_twice() {
        // Proves that a set is found although each of its stocks alone has enough.
        let none = Allowance::UpTo(0);
        let shop = facts(&[20, 10], &[(&[1], none), (&[0, 1], none)]);
        assert_eq!(worst(&shop, &promised(&[10, 20])), 0);
        assert_eq!(worst(&shop, &promised(&[10, 21])), 1);
        assert_eq!(worst(&shop, &promised(&[11, 0])), 1);
        assert_eq!(worst(&shop, &promised(&[0, 30])), 0);
    }

    #[test]
    fn allowances_count_for_their_stock_alone() {
        // Proves that one stock's allowance covers no other's promises, and that unlimited stocks are left out.
        let shop = facts(&[10], &[(&[0], Allowance::UpTo(5)), (&[0], Allowance::UpTo(0))]);
        assert_eq!(worst(&shop, &promised(&[15, 0])), 0);
        assert_eq!(worst(&shop, &promised(&[0, 11])), 1);
        assert_eq!(worst(&shop, &promised(&[5, 11])), 1);
        let shop = facts(&[10], &[(&[0], Allowance::Unlimited), (&[0], Allowance::UpTo(0))]);
        assert_eq!(worst(&shop, &promised(&[1_000, 10])), 0);
    }

    #[test]
    fn the_flow_finds_what_trying_all_sets_finds() {
        // Proves both methods against each other on random groups, with and without a shortfall, and that both cases
        // occur.
        let mut random = fastrand::Rng::with_seed(5);
        let mut kinds = [0_u32; 2];
        for _ in 0..3_000 {
            let stocked: Vec<i64> = (0..random.u32(1..6)).map(|_| random.i64(0..20)).collect();
            let sources = u32::try_from(stocked.len()).unwrap();
            let fed: Vec<Vec<u32>> =
                (0..random.u32(1..7)).map(|_| (0..sources).filter(|_| random.bool()).collect()).collect();
            let stocks: Vec<(&[u32], Allowance)> =
                fed.iter().map(|fed| (fed.as_slice(), Allowance::UpTo(random.i64(0..3)))).collect();
            let facts = facts(&stocked, &stocks);
            let promised = promised(&fed.iter().map(|_| random.i64(0..12)).collect::<Vec<_>>());
            let needs = needs(&facts, &promised);
            let by_sets = worst_of_all_sets(&facts, &needs);
            assert_eq!(worst_by_flow(&facts, &needs), by_sets, "{facts:?} {promised:?}");
            kinds[usize::from(by_sets > 0)] += 1;
        }
        assert!(kinds.iter().all(|count| *count > 300), "{kinds:?}");
    }
}
