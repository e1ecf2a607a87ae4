//! The sources at which shoppers may collect goods, near a point or an address.

use super::Destination;
use crate::id::{SourceId, StockId};
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The most pairs of a source of the stock and a point that the address may mean.
pub const PICKUP_PAIRS_MAX: usize = 1 << 20;

/// What locations are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum PickupField {
    /// The distance.
    Distance,
    /// The code of the source.
    Code,
    /// The name that shoppers see, or else that of the source.
    Name,
    /// The country.
    Country,
    /// The region.
    Region,
    /// The city.
    City,
    /// The street.
    Street,
    /// The postcode.
    Postcode,
}

impl PickupField {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Distance,
        Self::Code,
        Self::Name,
        Self::Country,
        Self::Region,
        Self::City,
        Self::Street,
        Self::Postcode,
    ];
}

/// One part of an order of locations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct PickupOrder {
    /// The field.
    pub field: PickupField,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// Which locations are looked for.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct PickupRequest {
    /// The stock that supplies the shopper.
    pub stock: StockId,
    /// Where the shopper is.
    pub near: Destination,
    /// The greatest distance in meters, inclusive.
    pub radius_m: u32,
    /// The order; empty: by distance. If the distance is one of several fields, it counts first. What is equal stays in the
    /// order of the links.
    pub order: Vec<PickupOrder>,
    /// 1..=[`super::LIST_MAX`].
    pub limit: u32,
}

/// A source at which shoppers may collect goods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PickupLocation {
    /// The source.
    pub source: SourceId,
    /// The distance in meters, from the nearest point that the address may mean.
    pub distance_m: u32,
}
tagged!(PickupLocation { 1 source value, 2 distance_m value });

/// The locations that were found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PickupView {
    /// The op as of which everything is.
    pub op: u64,
    /// The number of locations within the radius.
    pub matched: u32,
    /// The first of them.
    pub locations: Vec<PickupLocation>,
}
tagged!(PickupView { 1 op value, 2 matched value, 3 locations list });
