//! What source selection is made from: the sources of a stock in the order of their links, and what each has on hand of
//! the SKUs of a request. The choice itself is made outside the machine.

use crate::ledger::state::State;
use crate::machine::Machine;
use crate::refusal::quantity;
use std::collections::{BTreeMap, BTreeSet};
use stockhold_protocol::query::{GeoPoint, SOURCING_LINES_MAX, SOURCING_PAIRS_MAX, SourcingRequest};
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};

/// The most source items that are read.
const ITEMS_READ_MAX: usize = 65_536;

/// A source that may be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcingCandidate {
    /// The source.
    pub source: SourceId,
    /// Where it is, if that is known.
    pub point: Option<GeoPoint>,
    /// What it has on hand of each SKU that is wanted, in their order; `None`: no item that is in stock.
    pub on_hand: Vec<Option<Quantity>>,
}

/// What a selection is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourcingCandidates {
    /// The op as of which everything is.
    pub op: u64,
    /// Each SKU once, with the units that are wanted.
    pub wanted: Vec<(SkuId, Quantity)>,
    /// The sources that may be asked: enabled, linked to the stock and not excluded; in the order of the request, or of
    /// the links' priorities.
    pub candidates: Vec<SourcingCandidate>,
}

impl Machine {
    /// What a selection is made from.
    ///
    /// # Errors
    /// A sentence that says which part of the request is wrong or too large.
    pub fn sourcing_candidates(&self, request: &SourcingRequest) -> Result<SourcingCandidates, String> {
        let state = self.state();
        if request.stock.0 as usize >= state.catalog.stocks.len() {
            return Err(format!("there is no stock {}", request.stock.0));
        }
        let wanted = wanted(state, request)?;
        let sources = state.sources_to_ask(request)?;
        let pairs = sources.len().saturating_mul(wanted.len());
        if pairs > SOURCING_PAIRS_MAX {
            return Err(format!(
                "{} sources and {} SKUs are {pairs} pairs, at most {SOURCING_PAIRS_MAX} are looked at: split the request or name sources",
                sources.len(),
                wanted.len()
            ));
        }
        let on_hand = state.on_hand_at(&sources, &wanted)?;
        let candidate = |(source, on_hand)| SourcingCandidate {
            source: SourceId(source),
            point: state.point_of(source),
            on_hand,
        };
        let candidates = sources.into_iter().zip(on_hand).map(candidate).collect();
        Ok(SourcingCandidates { op: self.op(), wanted, candidates })
    }
}

impl Machine {
    /// The sources of a stock that are enabled, at which shoppers may collect goods, and whose point is known, in the order
    /// of the links' priorities.
    ///
    /// # Errors
    /// A sentence that says that there is no such stock.
    pub fn pickup_candidates(&self, stock: StockId) -> Result<Vec<(SourceId, GeoPoint)>, String> {
        let state = self.state();
        if !state.catalog.has_stock(stock.0) {
            return Err(format!("there is no stock {}", stock.0));
        }
        let sources = state.catalog.links_of(stock.0).into_iter().map(|link| link.source);
        let candidate = |source: u32| {
            let definition = state.catalog.source(source)?;
            let point = state.point_of(source).filter(|_| definition.enabled && definition.pickup)?;
            Some((SourceId(source), point))
        };
        Ok(sources.filter_map(candidate).collect())
    }
}

/// Each SKU once, in the order of the lines.
fn wanted(state: &State, request: &SourcingRequest) -> Result<Vec<(SkuId, Quantity)>, String> {
    if request.lines.is_empty() || request.lines.len() > SOURCING_LINES_MAX {
        return Err(format!("a request has 1 to {SOURCING_LINES_MAX} lines, not {}", request.lines.len()));
    }
    let mut wanted: Vec<(SkuId, Quantity)> = Vec::with_capacity(request.lines.len());
    for (sku, units) in &request.lines {
        if !state.has_sku(sku.0) {
            return Err(format!("there is no SKU {}", sku.0));
        }
        if *units <= Quantity::ZERO {
            return Err("the quantity of a line must be above 0".to_owned());
        }
        match wanted.iter_mut().find(|(known, _)| known == sku) {
            Some((_, sum)) => {
                *sum = sum
                    .checked_add(*units)
                    .ok_or_else(|| "the sum of the lines of a SKU is too large".to_owned())?;
            }
            None => wanted.push((*sku, *units)),
        }
    }
    Ok(wanted)
}

impl State {
    fn sources_to_ask(&self, request: &SourcingRequest) -> Result<Vec<u32>, String> {
        let mut linked: Vec<u32> =
            self.catalog.links_of(request.stock.0).iter().map(|link| link.source).collect();
        if !request.sources.is_empty() {
            let mut left: BTreeSet<u32> = linked.iter().copied().collect();
            for source in &request.sources {
                if !left.remove(&source.0) {
                    return Err(format!("source {} is named twice or not linked to the stock", source.0));
                }
            }
            linked = request.sources.iter().map(|source| source.0).collect();
        }
        let excluded: BTreeSet<u32> = request.excluded.iter().map(|source| source.0).collect();
        let may_be_asked = |source: &u32| {
            self.catalog.source(*source).is_some_and(|definition| definition.enabled)
                && !excluded.contains(source)
        };
        linked.retain(may_be_asked);
        Ok(linked)
    }

    /// What each source has of each SKU.
    fn on_hand_at(
        &self,
        sources: &[u32],
        wanted: &[(SkuId, Quantity)],
    ) -> Result<Vec<Vec<Option<Quantity>>>, String> {
        let places: BTreeMap<u32, usize> = sources.iter().copied().zip(0..).collect();
        let mut on_hand = vec![vec![None; wanted.len()]; sources.len()];
        let mut items = 0_usize;
        for (line, (sku, _)) in wanted.iter().enumerate() {
            for (_, item) in self.items_of(sku.0) {
                items = items.saturating_add(1);
                if items > ITEMS_READ_MAX {
                    return Err(format!(
                        "the SKUs have more than {ITEMS_READ_MAX} source items: split the request"
                    ));
                }
                let place = places.get(&item.source).and_then(|place| on_hand.get_mut(*place));
                if let Some(cell) = place.and_then(|row| row.get_mut(line))
                    && item.in_stock
                {
                    *cell = Some(quantity(item.on_hand));
                }
            }
        }
        Ok(on_hand)
    }

    /// Where a source is. As in Magento, a coordinate that is 0 is not known.
    fn point_of(&self, source: u32) -> Option<GeoPoint> {
        let definition = self.catalog.source(source)?;
        let (latitude_micro, longitude_micro) = (definition.latitude_micro, definition.longitude_micro);
        (latitude_micro != 0 && longitude_micro != 0).then_some(GeoPoint { latitude_micro, longitude_micro })
    }
}
