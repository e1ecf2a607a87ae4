//! Whether the goods of a SKU cover its promises, for a dry run. The machine decides what is sold; this only foresees what
//! it reports after a count, from what a server tells of stocks, links and source items.

use super::exit::Failure;
use super::lists;
use super::server_connection::ServerConnection;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::query::{PositionView, SkuView};
use stockhold_protocol::{SkuId, SourceId, StockId};

/// All sets of so many stocks are looked at. Of more stocks, each one and all together are.
const STOCKS_MAX: usize = 6;

/// The promises of a SKU in one stock that goods must cover, in ten-thousandths.
#[derive(Clone, Copy, Debug)]
struct Promised {
    stock: StockId,
    units: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OpenPromises {
    promised: HashMap<SkuId, Vec<Promised>>,
    /// The enabled sources of each stock.
    sources: BTreeMap<StockId, BTreeSet<SourceId>>,
}

impl OpenPromises {
    /// Reads stocks and links.
    pub(super) fn load(server: &mut ServerConnection) -> Result<Self, Failure> {
        let all = lists::sources(server)?;
        let enabled: BTreeSet<SourceId> =
            all.iter().filter(|view| view.definition.enabled).map(|view| view.id).collect();
        let linked = |links: &[(SourceId, u16)]| {
            links.iter().map(|(source, _)| *source).filter(|source| enabled.contains(source)).collect()
        };
        let stocks = lists::stocks(server)?;
        let sources = stocks.iter().map(|view| (view.id, linked(&view.links))).collect();
        Ok(Self { promised: HashMap::new(), sources })
    }

    /// Notes the promises of a SKU.
    pub(super) fn take(&mut self, view: &SkuView) {
        let promised: Vec<Promised> = view.positions.iter().filter_map(promised).collect();
        if !promised.is_empty() {
            self.promised.insert(view.id, promised);
        }
    }

    /// Whether units are promised and missing, with `on_hand` at each source.
    pub(super) fn lacks_goods(&self, sku: SkuId, on_hand: impl Fn(SourceId) -> i64) -> bool {
        let Some(promised) = self.promised.get(&sku) else { return false };
        let lacks = |stocks: &[Promised]| {
            let none = BTreeSet::new();
            let sources: BTreeSet<SourceId> = stocks
                .iter()
                .flat_map(|one| self.sources.get(&one.stock).unwrap_or(&none))
                .copied()
                .collect();
            let goods = sources.into_iter().fold(0_i64, |sum, source| sum.saturating_add(on_hand(source)));
            stocks.iter().fold(0_i64, |sum, one| sum.saturating_add(one.units)) > goods
        };
        if promised.len() > STOCKS_MAX {
            return lacks(promised) || promised.iter().any(|one| lacks(std::slice::from_ref(one)));
        }
        (1_usize..1 << promised.len()).any(|set| {
            let chosen = promised.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
            lacks(&chosen.map(|(_, one)| *one).collect::<Vec<_>>())
        })
    }
}

/// What goods must cover in a stock. With backorders, an allowance is not covered, and without a bound nothing is.
fn promised(position: &PositionView) -> Option<Promised> {
    let units = position.confirmed.raw().saturating_add(position.held.raw());
    let settings = &position.settings;
    let allowance = match settings.backorders {
        BackorderMode::Off => 0,
        BackorderMode::Allow | BackorderMode::AllowAndNotify => settings.min_qty.raw().saturating_neg(),
    };
    let is_unbounded = settings.backorders != BackorderMode::Off && allowance <= 0;
    let units = units.saturating_sub(allowance);
    (settings.manage_stock && !is_unbounded && units > 0).then_some(Promised { stock: position.stock, units })
}
