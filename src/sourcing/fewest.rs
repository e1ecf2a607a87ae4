//! The fewest sources that have everything that is wanted; of several such choices the one with the better priorities.
//!
//! That is a covering problem, whose exact answer may take exponential time. The search looks at one more source at a
//! time, leaves out what cannot succeed, and ends at a limit.

use stockhold_machine::SourcingCandidates;

/// The most lines that a search looks at, over all its steps; each step looks at every line of the request.
const LINES_LOOKED_AT_MAX: usize = 1 << 17;

/// What a search has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// The fewest sources, as indexes of candidates in their order.
    Fewest(Vec<usize>),
    /// Sources that have everything. The search ended at its limit, so there may be fewer.
    Found(Vec<usize>),
    /// All sources together do not have everything, or not so few of them.
    None,
}

struct Search<'a> {
    /// For each candidate what it can give of each line, at most what is wanted.
    gives: Vec<Vec<i64>>,
    /// For each candidate and line, the most that it or one after it gives.
    best_from: Vec<Vec<i64>>,
    from: &'a SourcingCandidates,
    looked_at: usize,
}

/// Searches for the fewest sources, at most `max_sources` of them if that is not 0.
pub(super) fn cover(from: &SourcingCandidates, max_sources: u32) -> Cover {
    let wanted: Vec<i64> = from.wanted.iter().map(|(_, units)| units.raw()).collect();
    let give = |on_hand: &[Option<stockhold_protocol::Quantity>]| -> Vec<i64> {
        let given = on_hand.iter().zip(&wanted);
        given.map(|(on_hand, wanted)| on_hand.map_or(0, |units| units.raw().clamp(0, *wanted))).collect()
    };
    let gives: Vec<Vec<i64>> = from.candidates.iter().map(|candidate| give(&candidate.on_hand)).collect();
    let mut best_from = vec![vec![0; wanted.len()]; gives.len() + 1];
    for index in (0..gives.len()).rev() {
        for line in 0..wanted.len() {
            best_from[index][line] = gives[index][line].max(best_from[index + 1][line]);
        }
    }
    let most = match usize::try_from(max_sources) {
        Ok(0) | Err(_) => gives.len(),
        Ok(most) => most.min(gives.len()),
    };
    let mut search = Search { gives, best_from, from, looked_at: 0 };
    for count in 1..=most {
        let mut chosen = Vec::with_capacity(count);
        if search.extend(&mut chosen, 0, count, &wanted) {
            return Cover::Fewest(chosen);
        }
        if search.looked_at >= LINES_LOOKED_AT_MAX {
            return search.greedy(wanted, most);
        }
    }
    Cover::None
}

impl Search<'_> {
    /// Adds `count` sources from `begin` on that have what is left. Candidates are tried by priority, so the first choice
    /// that is found is the best of its size.
    fn extend(&mut self, chosen: &mut Vec<usize>, begin: usize, count: usize, left: &[i64]) -> bool {
        if left.iter().all(|left| *left == 0) {
            return true;
        }
        let sources = i64::try_from(count).unwrap_or(i64::MAX);
        for index in begin..self.gives.len() {
            let can_cover = |(left, best): (&i64, &i64)| best.saturating_mul(sources) >= *left;
            if count == 0 || !left.iter().zip(&self.best_from[index]).all(can_cover) {
                return false;
            }
            self.looked_at += left.len();
            if self.looked_at >= LINES_LOOKED_AT_MAX {
                return false;
            }
            let rest = rest(left, &self.gives[index]);
            if rest == left {
                continue;
            }
            chosen.push(index);
            if self.extend(chosen, index + 1, count - 1, &rest) {
                return true;
            }
            chosen.pop();
        }
        false
    }

    /// Takes the source that covers most of what is left, again and again.
    fn greedy(&self, wanted: Vec<i64>, most: usize) -> Cover {
        let (mut left, mut chosen) = (wanted, Vec::new());
        while left.iter().any(|left| *left > 0) && chosen.len() < most {
            let covers = |index: &usize| -> usize {
                // Lines that end come first; the sum of units says nothing over different SKUs.
                let gives = &self.gives[*index];
                left.iter().zip(gives).filter(|(left, gives)| **left > 0 && gives >= left).count()
            };
            let units = |index: &usize| -> i64 {
                left.iter()
                    .zip(&self.gives[*index])
                    .map(|(left, gives)| *left.min(gives))
                    .fold(0, i64::saturating_add)
            };
            let free = (0..self.from.candidates.len()).filter(|index| !chosen.contains(index));
            // Of equal ones the first wins: the reverse order makes it the last maximum.
            let Some(best) = free.rev().max_by_key(|index| (covers(index), units(index))) else { break };
            if units(&best) == 0 {
                break;
            }
            left = rest(&left, &self.gives[best]);
            chosen.push(best);
        }
        chosen.sort_unstable();
        if left.iter().all(|left| *left == 0) { Cover::Found(chosen) } else { Cover::None }
    }
}

/// What is left after a source gave what it can.
fn rest(left: &[i64], gives: &[i64]) -> Vec<i64> {
    left.iter().zip(gives).map(|(left, gives)| left - left.min(gives)).collect()
}
