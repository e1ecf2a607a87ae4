//! Source selection: a proposal from which sources the units of a cart are shipped. It is made from what the machine says
//! is on hand, outside the machine: no decision depends on it, and nothing is promised or logged.

mod distance;
mod fewest;

use stockhold_machine::{Machine, SourcingCandidates};
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{QueryAnswer, SourcedItem, SourcingAlgorithm, SourcingRequest, SourcingView};

/// Answers a request from the present state.
#[must_use]
pub fn answer(machine: &Machine, request: &SourcingRequest) -> QueryAnswer {
    let selected = machine.sourcing_candidates(request).and_then(|candidates| select(request, &candidates));
    selected.map_or_else(QueryAnswer::Failed, QueryAnswer::Sourcing)
}

/// Chooses among the candidates.
///
/// # Errors
/// A sentence that says what the algorithm lacks.
pub fn select(request: &SourcingRequest, from: &SourcingCandidates) -> Result<SourcingView, String> {
    let points = from.candidates.iter().map(|candidate| candidate.point);
    let distances: Vec<Option<u32>> = match request.destination {
        Some(destination) => points.map(|point| Some(distance::meters(point?, destination))).collect(),
        None => vec![None; from.candidates.len()],
    };
    let all = 0..from.candidates.len();
    let has_order = !request.sources.is_empty();
    let (order, is_minimal) = match request.algorithm {
        SourcingAlgorithm::Distance if request.destination.is_none() => {
            return Err("the algorithm distance needs a destination".to_owned());
        }
        SourcingAlgorithm::Distance if !has_order => {
            let mut order: Vec<usize> = all.collect();
            // The sort is stable, so equal distances stay in the order of priorities.
            order.sort_by_key(|index| distances[*index].map_or(u64::MAX, u64::from));
            (order, false)
        }
        SourcingAlgorithm::Priority | SourcingAlgorithm::Distance => (all.collect(), false),
        SourcingAlgorithm::MinimizeSources => match fewest::cover(from, request.max_sources) {
            fewest::Cover::Fewest(order) => (order, true),
            fewest::Cover::Found(order) => (order, false),
            fewest::Cover::None => (all.collect(), false),
        },
    };
    let (items, is_shippable) = fill(from, &order, &distances, request.max_sources);
    Ok(SourcingView { op: from.op, is_shippable, is_minimal, items })
}

/// Takes from each source in turn what is still wanted. Returns the items, and whether nothing is left.
fn fill(
    from: &SourcingCandidates,
    order: &[usize],
    distances: &[Option<u32>],
    max_sources: u32,
) -> (Vec<SourcedItem>, bool) {
    let mut left: Vec<i64> = from.wanted.iter().map(|(_, units)| units.raw()).collect();
    let (mut items, mut used) = (Vec::new(), 0);
    for index in order {
        let candidate = &from.candidates[*index];
        let may_be_used = max_sources == 0 || used < max_sources;
        let mut is_used = false;
        for (line, on_hand) in candidate.on_hand.iter().enumerate() {
            let Some(on_hand) = on_hand else { continue };
            let take = if may_be_used { on_hand.raw().max(0).min(left[line]) } else { 0 };
            left[line] -= take;
            is_used |= take > 0;
            items.push(SourcedItem {
                source: candidate.source,
                sku: from.wanted[line].0,
                take: Quantity::from_raw(take).unwrap_or_default(),
                on_hand: *on_hand,
                distance_m: distances[*index],
            });
        }
        used += u32::from(is_used);
    }
    (items, left.iter().all(|left| *left == 0))
}

#[cfg(test)]
mod tests;
