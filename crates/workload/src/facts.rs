//! The facts of the catalog that an audit needs: goods per source, the sources of each stock, and allowances.
//!
//! Facts come from the caller or, with [`read`], from the server's views. They must be taken before anything is
//! promised, or contain what was promised before. `stocked` contains all goods that a sale could have taken.

use stockhold_client::{CallError, Client};
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::query::{LIST_MAX, PositionView, SkuView, SourceView, StockView};
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};

/// How far a stock may promise beyond the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Up to this many ten-thousandths. 0: not at all.
    UpTo(i64),
    /// Without limit, or nothing is counted. Such promises are not summed.
    Unlimited,
}

/// The facts of one SKU in one stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockFacts {
    /// The stock.
    pub stock: StockId,
    /// The sources that supply it: linked, enabled and in stock.
    pub sources: Vec<SourceId>,
    /// The allowance beyond the goods.
    pub allowance: Allowance,
    /// The quantity that was promised to orders before the ledger began, in ten-thousandths.
    pub promised_before: i64,
}

/// The facts of one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuFacts {
    /// The SKU.
    pub sku: SkuId,
    /// Goods per source, in ten-thousandths: everything that was there at some time.
    pub stocked: Vec<(SourceId, i64)>,
    /// Its stocks.
    pub stocks: Vec<StockFacts>,
}

/// Why facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A query was not answered.
    #[error("a query about the catalog was not answered")]
    Call(#[from] CallError),
    /// The server does not know a SKU.
    #[error("the server does not know SKU {0}")]
    UnknownSku(SkuId),
}

/// Reads the facts of these SKUs. Call it before the first cart of the ledger.
///
/// # Errors
/// [`FactsError`].
pub async fn read(client: &Client, skus: &[SkuId]) -> Result<Vec<SkuFacts>, FactsError> {
    let (mut sources, mut stocks) = (Vec::new(), Vec::new());
    loop {
        let page = client.sources(sources.last().map(|source: &SourceView| source.id), LIST_MAX).await?;
        if page.is_empty() {
            break;
        }
        sources.extend(page);
    }
    loop {
        let page = client.stocks(stocks.last().map(|stock: &StockView| stock.id), LIST_MAX).await?;
        if page.is_empty() {
            break;
        }
        stocks.extend(page);
    }
    let mut facts = Vec::with_capacity(skus.len());
    for sku in skus {
        let view = client.sku(*sku).await?.ok_or(FactsError::UnknownSku(*sku))?;
        facts.push(of_view(&view, &sources, &stocks));
    }
    Ok(facts)
}

/// The facts of one SKU from the server's views.
#[must_use]
pub fn of_view(view: &SkuView, sources: &[SourceView], stocks: &[StockView]) -> SkuFacts {
    let is_enabled = |id: SourceId| sources.iter().any(|source| source.id == id && source.definition.enabled);
    let stocked: Vec<(SourceId, i64)> = view
        .items
        .iter()
        .filter(|item| item.in_stock && is_enabled(item.source))
        .map(|item| (item.source, item.on_hand.raw().max(0)))
        .collect();
    let stocks = view
        .positions
        .iter()
        .map(|position| StockFacts {
            stock: position.stock,
            sources: stocks
                .iter()
                .filter(|stock| stock.id == position.stock)
                .flat_map(|stock| stock.links.iter().map(|(source, _)| *source))
                .filter(|source| stocked.iter().any(|(with_goods, _)| with_goods == source))
                .collect(),
            allowance: allowance_of(position),
            promised_before: position.confirmed.raw(),
        })
        .collect();
    SkuFacts { sku: view.id, stocked, stocks }
}

/// A negative threshold with backorders is an allowance. Backorders without one are unlimited.
fn allowance_of(position: &PositionView) -> Allowance {
    let settings = &position.settings;
    let backorders = settings.backorders != BackorderMode::Off;
    if !settings.manage_stock || (backorders && settings.min_qty >= Quantity::ZERO) {
        Allowance::Unlimited
    } else if backorders {
        Allowance::UpTo(-settings.min_qty.raw())
    } else {
        Allowance::UpTo(0)
    }
}
