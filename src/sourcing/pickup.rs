//! The sources near a shopper at which goods may be collected.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use stockhold_machine::Machine;
use stockhold_protocol::command::SourceDefinition;
use stockhold_protocol::query::{
    GeoPoint, LIST_MAX, PICKUP_PAIRS_MAX, PickupField, PickupLocation, PickupOrder, PickupRequest, PickupView,
};

use super::distance::Direction;

/// A source within the radius.
struct Found<'a> {
    location: PickupLocation,
    /// The exact distance, by which locations are sorted.
    meters: f64,
    definition: &'a SourceDefinition,
}

/// Searches the sources within the radius of any of the points.
///
/// # Errors
/// A sentence that says which part of the request is wrong or too large.
pub(super) fn search(
    machine: &Machine,
    request: &PickupRequest,
    points: &[GeoPoint],
) -> Result<PickupView, String> {
    let candidates = machine.pickup_candidates(request.stock)?;
    let pairs = candidates.len().saturating_mul(points.len());
    if pairs > PICKUP_PAIRS_MAX {
        return Err(format!(
            "{} sources and {} points of the address are {pairs} pairs, at most {PICKUP_PAIRS_MAX} are looked at: name the \
             postcode or the whole city",
            candidates.len(),
            points.len()
        ));
    }
    if request.order.len() > PickupField::ALL.len() {
        return Err(format!("there are only {} fields to sort by", PickupField::ALL.len()));
    }
    let directions: Vec<Direction> = points.iter().map(|point| Direction::of(*point)).collect();
    let mut found = Vec::new();
    for (source, point) in candidates {
        let here = Direction::of(point);
        let nearest = directions.iter().map(|direction| direction.meters_to(here)).min_by(f64::total_cmp);
        let (Some(meters), Some(definition)) = (nearest, machine.source(source)) else { continue };
        if meters <= f64::from(request.radius_m) {
            let location = PickupLocation { source, distance_m: whole(meters) };
            found.push(Found { location, meters, definition });
        }
    }
    let order = in_force(&request.order);
    // The sort is stable, so what is equal stays in the order of the links.
    found.sort_by(|one, other| compare(&order, one, other));
    let limit = usize::try_from(request.limit.clamp(1, LIST_MAX)).unwrap_or(usize::MAX);
    Ok(PickupView {
        op: machine.op(),
        matched: u32::try_from(found.len()).unwrap_or(u32::MAX),
        locations: found.into_iter().take(limit).map(|found| found.location).collect(),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half the equator fits, and is positive"
)]
const fn whole(meters: f64) -> u32 {
    meters.round() as u32
}

/// The order in force: the distance first if it is among the fields or there are none, and each field once.
fn in_force(order: &[PickupOrder]) -> Vec<PickupOrder> {
    let by_distance = PickupOrder { field: PickupField::Distance, descending: false };
    let is_distance = |part: &PickupOrder| part.field == PickupField::Distance;
    let first = order.iter().copied().find(is_distance).or_else(|| order.is_empty().then_some(by_distance));
    let others = order.iter().copied().filter(|part| !is_distance(part));
    let mut seen = BTreeSet::new();
    first.into_iter().chain(others).filter(|part| seen.insert(part.field as u8)).collect()
}

fn compare(order: &[PickupOrder], one: &Found<'_>, other: &Found<'_>) -> Ordering {
    let by = |field: PickupField| match field {
        PickupField::Distance => one.meters.total_cmp(&other.meters),
        PickupField::Code => one.definition.code.cmp(&other.definition.code),
        PickupField::Name => shown_name(one.definition).cmp(shown_name(other.definition)),
        PickupField::Country => one.definition.country.cmp(&other.definition.country),
        PickupField::Region => one.definition.region.cmp(&other.definition.region),
        PickupField::City => one.definition.city.cmp(&other.definition.city),
        PickupField::Street => one.definition.street.cmp(&other.definition.street),
        PickupField::Postcode => one.definition.postcode.cmp(&other.definition.postcode),
    };
    order.iter().fold(Ordering::Equal, |so_far, part| {
        so_far.then_with(|| if part.descending { by(part.field).reverse() } else { by(part.field) })
    })
}

fn shown_name(definition: &SourceDefinition) -> &str {
    if definition.pickup_name.is_empty() { &definition.name } else { &definition.pickup_name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockhold_protocol::SourceId;

    fn found(definition: &SourceDefinition, meters: f64) -> Found<'_> {
        Found {
            location: PickupLocation { source: SourceId(0), distance_m: whole(meters) },
            meters,
            definition,
        }
    }

    fn source(code: &str, city: &str, pickup_name: &str) -> SourceDefinition {
        SourceDefinition {
            code: code.into(),
            name: code.into(),
            city: city.into(),
            pickup_name: pickup_name.into(),
            ..SourceDefinition::default()
        }
    }

    #[test]
    fn locations_are_sorted_by_distance_or_by_fields() {
        // Proves the order without fields, that the distance counts first among several, both directions, and that the name
        // is the one that shoppers see.
        let (a, b, c) = (source("a", "Ulm", "zoo"), source("b", "Bonn", ""), source("c", "Ulm", ""));
        let order = |parts: &[(PickupField, bool)]| {
            let parts: Vec<PickupOrder> = parts
                .iter()
                .map(|(field, descending)| PickupOrder { field: *field, descending: *descending })
                .collect();
            let parts = in_force(&parts);
            let mut all = [found(&a, 20.4), found(&b, 20.4), found(&c, 3.0)];
            all.sort_by(|one, other| compare(&parts, one, other));
            all.iter().map(|one| one.definition.code.as_str()).collect::<String>()
        };
        assert_eq!(order(&[]), "cab");
        assert_eq!(order(&[(PickupField::Distance, true)]), "abc");
        assert_eq!(order(&[(PickupField::City, false)]), "bac");
        assert_eq!(order(&[(PickupField::City, true), (PickupField::Code, true)]), "cab");
        assert_eq!(order(&[(PickupField::Code, true), (PickupField::Distance, false)]), "cba");
        assert_eq!(order(&[(PickupField::Name, false)]), "bca");
    }
}
