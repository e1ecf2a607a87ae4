//! Selections by hand.

use super::*;
use stockhold_machine::SourcingCandidate;
use stockhold_protocol::query::GeoPoint;
use stockhold_protocol::{SkuId, SourceId, StockId};

fn units(units: i64) -> Quantity {
    Quantity::units(units).unwrap()
}

/// Candidates 0, 1, 2, … in the order of their priorities, with what each has of SKUs 0, 1, …; negative: no item in stock.
fn candidates(wanted: &[i64], on_hand: &[&[i64]]) -> SourcingCandidates {
    let candidate = |(source, on_hand): (u32, &&[i64])| SourcingCandidate {
        source: SourceId(source),
        point: None,
        on_hand: on_hand.iter().map(|count| (*count >= 0).then(|| units(*count))).collect(),
    };
    SourcingCandidates {
        op: 7,
        wanted: (0..).zip(wanted).map(|(sku, count)| (SkuId(sku), units(*count))).collect(),
        candidates: (0..).zip(on_hand).map(candidate).collect(),
    }
}

fn request(algorithm: SourcingAlgorithm) -> SourcingRequest {
    SourcingRequest { stock: StockId(0), algorithm, ..SourcingRequest::default() }
}

/// What is taken, as source, SKU and units, without the items of which nothing is taken.
fn taken(view: &SourcingView) -> Vec<(u32, u32, i64)> {
    let taken = view.items.iter().filter(|item| item.take > Quantity::ZERO);
    taken.map(|item| (item.source.0, item.sku.0, item.take.raw() / 10_000)).collect()
}

#[test]
fn sources_are_asked_by_priority() {
    // Proves that each source gives what it has until nothing is wanted; that a source that is not needed is listed with 0,
    // and one whose item is out of stock is not; and that a request that is not covered takes what there is.
    let from = candidates(&[7], &[&[5], &[-1], &[0], &[9]]);
    let view = select(&request(SourcingAlgorithm::Priority), None, &from).unwrap();
    assert_eq!((taken(&view), view.is_shippable, view.op), (vec![(0, 0, 5), (3, 0, 2)], true, 7));
    assert_eq!(view.items.len(), 3);
    let view =
        select(&request(SourcingAlgorithm::Priority), None, &candidates(&[20], &[&[5], &[9]])).unwrap();
    assert_eq!((taken(&view), view.is_shippable), (vec![(0, 0, 5), (1, 0, 9)], false));
}

#[test]
fn no_more_sources_are_used_than_allowed() {
    // Proves the limit at one below, at, and one above what is needed.
    let from = candidates(&[9], &[&[3], &[3], &[3]]);
    for (max_sources, is_shippable, used) in [(2, false, 2), (3, true, 3), (4, true, 3), (0, true, 3)] {
        let request = SourcingRequest { max_sources, ..request(SourcingAlgorithm::Priority) };
        let view = select(&request, None, &from).unwrap();
        assert_eq!((view.is_shippable, taken(&view).len()), (is_shippable, used), "{max_sources}");
    }
}

#[test]
fn the_nearest_source_comes_first() {
    // Proves the order by distance, that equal distances and sources without coordinates keep the order of priorities, and
    // that a destination is needed.
    let mut from = candidates(&[4], &[&[1], &[1], &[1], &[1]]);
    let point = |latitude_micro| Some(GeoPoint { latitude_micro, longitude_micro: 1 });
    from.candidates[1].point = point(50_000_000);
    from.candidates[2].point = point(10_000_000);
    from.candidates[3].point = point(50_000_000);
    let mut request = request(SourcingAlgorithm::Distance);
    assert!(select(&request, None, &from).unwrap_err().contains("destination"));
    let destination = point(11_000_000);
    request.destination = destination.map(Destination::Point);
    let view = select(&request, destination, &from).unwrap();
    let order: Vec<u32> = view.items.iter().map(|item| item.source.0).collect();
    assert_eq!(order, [2, 1, 3, 0]);
    assert_eq!((view.items[0].distance_m, view.items[3].distance_m), (Some(111_195), None));
}

#[test]
fn the_fewest_sources_are_found() {
    // Proves that two sources are found where priority takes three, that among equal choices priority decides, that lines of
    // several SKUs must all be covered, and what happens if nothing covers the request.
    let from = candidates(&[10], &[&[4], &[5], &[6], &[4], &[6]]);
    let fewest = request(SourcingAlgorithm::MinimizeSources);
    let view = select(&fewest, None, &from).unwrap();
    assert_eq!((taken(&view), view.is_minimal), (vec![(0, 0, 4), (2, 0, 6)], true));
    let from = candidates(&[2, 2], &[&[2, 0], &[0, 2], &[1, 2], &[2, 1]]);
    let view = select(&fewest, None, &from).unwrap();
    assert_eq!(taken(&view), [(0, 0, 2), (1, 1, 2)]);
    let view = select(&fewest, None, &candidates(&[9], &[&[4], &[4]])).unwrap();
    assert_eq!((taken(&view).len(), view.is_shippable, view.is_minimal), (2, false, false));
    let one = SourcingRequest { max_sources: 1, ..fewest };
    let view = select(&one, None, &candidates(&[9], &[&[4], &[8], &[4]])).unwrap();
    assert_eq!((taken(&view), view.is_shippable), (vec![(0, 0, 4)], false));
}

#[test]
fn the_fewest_sources_are_those_of_a_search_over_all_sets() {
    // Proves it against every subset, for small random requests: the size of the choice, and which of that size.
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut small = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        i64::try_from(seed % below).unwrap()
    };
    let mut covered = 0;
    for _ in 0..2_000 {
        let lines = 1 + usize::try_from(small(3)).unwrap();
        let wanted: Vec<i64> = (0..lines).map(|_| 1 + small(8)).collect();
        let have: Vec<Vec<i64>> = (0..6).map(|_| (0..lines).map(|_| small(6) - 1).collect()).collect();
        let rows: Vec<&[i64]> = have.iter().map(Vec::as_slice).collect();
        let from = candidates(&wanted, &rows);
        let covers = |set: &[usize]| {
            let sum = |line: usize| set.iter().map(|index| have[*index][line].max(0)).sum::<i64>();
            wanted.iter().enumerate().all(|(line, wanted)| sum(line) >= *wanted)
        };
        let sets = (1_usize..1 << have.len())
            .map(|bits| (0..have.len()).filter(|index| bits & (1 << index) != 0).collect::<Vec<_>>());
        let best = sets.filter(|set| covers(set)).min_by_key(|set| (set.len(), set.clone()));
        let found = fewest::cover(&from, 0);
        assert_eq!(found, best.map_or(fewest::Cover::None, fewest::Cover::Fewest), "{wanted:?} {have:?}");
        covered += u32::from(found != fewest::Cover::None);
    }
    assert!((200..1_900).contains(&covered), "both kinds of requests were made: {covered}");
}

#[test]
fn a_search_that_takes_too_long_is_ended() {
    // Proves that a request made to be hard is answered all the same, shippable, and not as certainly minimal.
    let rows: Vec<Vec<i64>> =
        (0..60).map(|source| (0..4).map(|sku| 1 + (source * 7 + sku * 3) % 5).collect()).collect();
    let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
    let from = candidates(&[90, 91, 92, 93], &rows);
    let view = select(&request(SourcingAlgorithm::MinimizeSources), None, &from).unwrap();
    assert!(view.is_shippable && !view.is_minimal, "{:?}", taken(&view).len());
}
