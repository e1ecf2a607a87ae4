//! A proposal from which sources the units of a cart are shipped. It changes nothing and promises nothing.

use crate::id::{SkuId, SourceId, StockId};
use crate::quantity::Quantity;
use crate::tagged;
use wincode::{SchemaRead, SchemaWrite};

/// The most lines of a request.
pub const SOURCING_LINES_MAX: usize = 256;
/// The most pairs of a source of the stock and a SKU of the request.
pub const SOURCING_PAIRS_MAX: usize = 16_384;

/// In which order sources are asked for the units.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub enum SourcingAlgorithm {
    /// By the priority of their links.
    #[default]
    Priority,
    /// By their distance from the destination, the nearest first. Those without coordinates follow by priority.
    Distance,
    /// The fewest sources that have everything; among those, by priority.
    MinimizeSources,
}

impl SourcingAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Priority, Self::Distance, Self::MinimizeSources];

    /// The name, as in Magento.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Distance => "distance",
            Self::MinimizeSources => "minimize_sources",
        }
    }
}

/// A point on the earth, in millionths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub struct GeoPoint {
    /// The latitude, within ±90,000,000.
    pub latitude_micro: i32,
    /// The longitude, within ±180,000,000.
    pub longitude_micro: i32,
}

/// An address of which the server knows the point. Fields may be empty.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct GeoAddress {
    /// The country as two letters, ISO 3166-1.
    pub country: String,
    /// The postcode.
    pub postcode: String,
    /// The city, or how its name begins.
    pub city: String,
    /// The region.
    pub region: String,
}

/// Where goods or shoppers go.
#[derive(Clone, PartialEq, Eq, Debug, SchemaRead, SchemaWrite)]
pub enum Destination {
    /// A point.
    Point(GeoPoint),
    /// An address, which the server looks up.
    Address(GeoAddress),
}

/// What is to be shipped, and how sources are chosen.
#[derive(Clone, PartialEq, Eq, Debug, Default, SchemaRead, SchemaWrite)]
pub struct SourcingRequest {
    /// The stock whose sources are asked.
    pub stock: StockId,
    /// The algorithm.
    pub algorithm: SourcingAlgorithm,
    /// The destination, which [`SourcingAlgorithm::Distance`] needs.
    pub destination: Option<Destination>,
    /// The lines, at most [`SOURCING_LINES_MAX`], each with a quantity above 0. Lines of the same SKU are summed.
    pub lines: Vec<(SkuId, Quantity)>,
    /// Only these sources, in this order, which replaces that of the algorithm; empty: all sources of the stock.
    pub sources: Vec<SourceId>,
    /// Not these sources.
    pub excluded: Vec<SourceId>,
    /// The most sources that may be used; 0 = any number.
    pub max_sources: u32,
}

/// What is taken of a SKU from a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourcedItem {
    /// The source.
    pub source: SourceId,
    /// The SKU.
    pub sku: SkuId,
    /// The units to take; 0 if the source has the SKU and is not needed for it.
    pub take: Quantity,
    /// The units on hand there. What is promised has no source, so it is not subtracted.
    pub on_hand: Quantity,
    /// The distance from the destination in meters, if it was computed.
    pub distance_m: Option<u32>,
}
tagged!(SourcedItem { 1 source value, 2 sku value, 3 take value, 4 on_hand value, 5 distance_m option });

/// A proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcingView {
    /// The op as of which everything is.
    pub op: u64,
    /// Whether the items cover the whole request.
    pub is_shippable: bool,
    /// Whether the number of sources is the smallest one for certain. It may not be if the search was ended at its limit.
    pub is_minimal: bool,
    /// The point of the destination; `None` if there is none or its address is not known.
    pub destination: Option<GeoPoint>,
    /// By source in the order in which they were asked, and by line.
    pub items: Vec<SourcedItem>,
}
tagged!(SourcingView {
    1 op value,
    2 is_shippable value,
    3 is_minimal value,
    4 destination option,
    5 items list,
});
