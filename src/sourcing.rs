//! Source selection: a proposal from which sources the units of a cart are shipped. It is made from what the machine says
//! is on hand, outside the machine: no decision depends on it, and nothing is promised or logged.

mod distance;
mod fewest;
mod pickup;

use crate::geonames::Addresses;
use stockhold_machine::{Machine, SourcingCandidates};
use stockhold_protocol::Quantity;
use stockhold_protocol::query::{
    Destination, GeoAddress, GeoPoint, PickupRequest, QueryAnswer, SourcedItem, SourcingAlgorithm,
    SourcingRequest, SourcingView,
};

/// Answers a request from the present state.
#[must_use]
pub fn answer(machine: &Machine, addresses: &Addresses, request: &SourcingRequest) -> QueryAnswer {
    let selected = machine.sourcing_candidates(request).and_then(|mut candidates| {
        // As in Magento, a destination that is not known leaves the order of priorities.
        let destination = request.destination.as_ref().and_then(|destination| match destination {
            Destination::Point(point) => Some(*point),
            Destination::Address(address) => addresses.first(address).ok(),
        });
        if destination.is_some() && !addresses.is_empty() {
            locate(machine, addresses, &mut candidates);
        }
        select(request, destination, &candidates)
    });
    selected.map_or_else(QueryAnswer::Failed, QueryAnswer::Sourcing)
}

/// Answers a search for pickup locations from the present state.
#[must_use]
pub fn pickup_locations(machine: &Machine, addresses: &Addresses, request: &PickupRequest) -> QueryAnswer {
    let points = match &request.near {
        Destination::Point(point) => Ok(vec![*point]),
        Destination::Address(address) => addresses.all(address),
    };
    let found = points.and_then(|points| pickup::search(machine, request, &points));
    found.map_or_else(QueryAnswer::Failed, QueryAnswer::PickupLocations)
}

/// Finds the points of candidates without coordinates by their addresses.
fn locate(machine: &Machine, addresses: &Addresses, from: &mut SourcingCandidates) {
    for candidate in from.candidates.iter_mut().filter(|candidate| candidate.point.is_none()) {
        let Some(source) = machine.source(candidate.source) else { continue };
        let address = GeoAddress {
            country: source.country.clone(),
            postcode: source.postcode.clone(),
            city: source.city.clone(),
            region: source.region.clone(),
        };
        candidate.point = addresses.first(&address).ok();
    }
}

/// Chooses among the candidates.
///
/// # Errors
/// A sentence that says what the algorithm lacks.
pub fn select(
    request: &SourcingRequest,
    destination: Option<GeoPoint>,
    from: &SourcingCandidates,
) -> Result<SourcingView, String> {
    let points = from.candidates.iter().map(|candidate| candidate.point);
    let distances: Vec<Option<u32>> = match destination {
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
    Ok(SourcingView { op: from.op, is_shippable, is_minimal, items, destination })
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
