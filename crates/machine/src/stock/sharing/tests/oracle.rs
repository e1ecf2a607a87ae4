//! The oracle: a literal implementation. It merges nothing, updates nothing incrementally and enumerates
//! every set of stocks. A max-flow over a plain matrix is a second implementation. It is NOT fast.

use super::super::{Allowance, Sharing, Supply};
use super::{Step, id};

pub(super) struct Oracle {
    pub(super) sharing: Sharing,
    /// Source sets of the stocks as bit masks.
    pub(super) sets: Vec<u32>,
    pub(super) supplies: Vec<Option<Supply>>,
    pub(super) promised: Vec<i64>,
}

impl Oracle {
    pub(super) fn new(sets: &[u32], sharing: Sharing) -> Self {
        let sources = sets.iter().map(|set| 32 - set.leading_zeros()).max().unwrap().max(1);
        Self {
            sharing,
            sets: sets.to_vec(),
            supplies: vec![None; super::super::at(sources)],
            promised: vec![0; sets.len()],
        }
    }

    pub(super) fn stocks(&self) -> impl Iterator<Item = u32> {
        0..id(self.sets.len())
    }

    pub(super) fn links(&self) -> Vec<(u32, u32)> {
        let sources = id(self.supplies.len());
        let linked = |stock: u32| {
            let set = self.sets[super::super::at(stock)];
            (0..sources).filter(move |source| set >> source & 1 == 1).map(move |source| (stock, source))
        };
        self.stocks().flat_map(linked).collect()
    }

    /// Applies a history without any subject.
    pub(super) fn apply(&mut self, history: &[Step]) {
        for step in history {
            match *step {
                Step::Supply { source, after } => {
                    let source = source % self.supplies.len();
                    self.supplies[source] = after;
                }
                Step::Promise { stock, delta } => {
                    let stock = stock % self.promised.len();
                    self.promised[stock] = (self.promised[stock] + delta).max(0);
                }
                Step::GrantLeft { stock } => {
                    let stock = stock % self.promised.len();
                    self.promised[stock] += self.left_literal(stock).max(0);
                }
            }
        }
    }

    /// The source items of a stock.
    pub(super) fn items_of(&self, stock: usize) -> impl Iterator<Item = Supply> {
        let set = self.sets[stock];
        (0..self.supplies.len())
            .filter(move |source| set >> source & 1 == 1)
            .filter_map(|source| self.supplies[source])
    }

    fn goods(&self, source: usize) -> i64 {
        match self.supplies[source] {
            Some(Supply { on_hand, counts: true }) if self.sharing == Sharing::Exact => on_hand.max(0),
            Some(Supply { on_hand, counts: true }) => on_hand,
            Some(Supply { counts: false, .. }) | None => 0,
        }
    }

    fn goods_of_set(&self, set: u32) -> i64 {
        (0..self.supplies.len())
            .filter(|source| set >> source & 1 == 1)
            .map(|source| self.goods(source))
            .sum()
    }

    fn members(&self, chosen: u32) -> impl Iterator<Item = usize> {
        (0..self.sets.len()).filter(move |stock| chosen >> stock & 1 == 1)
    }

    pub(super) fn slack(&self, chosen: u32) -> i64 {
        let set = self.members(chosen).fold(0, |set, stock| set | self.sets[stock]);
        self.goods_of_set(set) - self.members(chosen).map(|stock| self.promised[stock]).sum::<i64>()
    }

    /// left(t) by the literal formula.
    pub(super) fn left_literal(&self, stock: usize) -> i64 {
        if self.sharing == Sharing::Independent {
            return self.goods_of_set(self.sets[stock]) - self.promised[stock];
        }
        let least = |has: u32| {
            let chosen = (0_u32..1 << self.sets.len()).filter(|chosen| chosen >> stock & 1 == has);
            chosen.map(|chosen| self.slack(chosen)).min().unwrap()
        };
        least(1) - least(0)
    }

    /// Of the sets of stocks among `among` with the least slack, the smallest with the stock, and the smallest without it.
    /// Stocks without promises change no slack and are in neither.
    pub(super) fn smallest_binding(&self, stock: usize, among: u32) -> [u32; 2] {
        [1, 0].map(|has: u32| {
            let is_candidate = |chosen: &u32| chosen & !among == 0 && chosen >> stock & 1 == has;
            let chosen = || (0_u32..1 << self.sets.len()).filter(is_candidate);
            let least = chosen().map(|chosen| self.slack(chosen)).min().unwrap();
            chosen()
                .filter(|chosen| self.slack(*chosen) == least)
                .fold(u32::MAX, |common, other| common & other)
        })
    }

    /// short(n) by the literal formula. A stock with an unlimited allowance is in no set that is short.
    pub(super) fn short_literal(&self, allowance: &[Allowance]) -> i64 {
        let room = |stock: usize| match allowance[stock] {
            Allowance::Units(units) => Some(units),
            Allowance::Unlimited => None,
        };
        if self.sharing == Sharing::Independent {
            let lack = |stock| room(stock).map_or(0, |room| (-self.slack(1 << stock) - room).max(0));
            return (0..self.sets.len()).map(lack).sum();
        }
        let slack = |chosen: u32| {
            let rooms: Option<i64> = self.members(chosen).map(room).sum();
            rooms.map(|rooms| self.slack(chosen) + rooms)
        };
        -(0_u32..1 << self.sets.len()).filter_map(slack).min().unwrap()
    }

    /// The most that can flow to the stock in addition to a maximum flow of all others, minus its own
    /// promises.
    pub(super) fn left_by_flow(&self, stock: usize) -> i64 {
        let mut asked = self.promised.clone();
        asked[stock] = 0;
        let without = self.max_flow(&asked);
        asked[stock] = 1_000_000;
        self.max_flow(&asked) - without - self.promised[stock]
    }

    /// The Ford–Fulkerson algorithm over a matrix: node 0 feeds the sources, the sources feed stocks, and
    /// stocks feed the last node.
    fn max_flow(&self, asked: &[i64]) -> i64 {
        let sources = self.supplies.len();
        let nodes = sources + asked.len() + 2;
        let mut room = vec![vec![0_i64; nodes]; nodes];
        for source in 0..sources {
            room[0][1 + source] = self.goods(source);
            for (stock, set) in self.sets.iter().enumerate() {
                room[1 + source][1 + sources + stock] =
                    if set >> source & 1 == 1 { 1_000_000_000 } else { 0 };
            }
        }
        for (stock, &asked) in asked.iter().enumerate() {
            room[1 + sources + stock][nodes - 1] = asked;
        }
        let mut total = 0;
        loop {
            let sent = send(&mut room, &mut vec![false; nodes], 0, i64::MAX);
            if sent == 0 {
                return total;
            }
            total += sent;
        }
    }
}

/// Sends up to `limit` from a node to the last one, depth first.
fn send(room: &mut [Vec<i64>], seen: &mut [bool], node: usize, limit: i64) -> i64 {
    if node == room.len() - 1 {
        return limit;
    }
    seen[node] = true;
    for next in 0..room.len() {
        if !seen[next] && room[node][next] > 0 {
            let sent = send(room, seen, next, limit.min(room[node][next]));
            if sent > 0 {
                room[node][next] -= sent;
                room[next][node] += sent;
                return sent;
            }
        }
    }
    0
}
