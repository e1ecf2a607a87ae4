//! What the catalog says, as far as an audit needs it: goods per source, which stocks they feed, allowances.
//!
//! Facts come from the caller or, by [`read`], from the server's own views. They are taken when nothing is
//! promised yet or say what was promised before. `stocked` counts all goods that a sale could have taken.

use stockhold_client::{CallError, Client};
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::query::{LIST_MAX, PositionView, SkuView, SourceView, StockView};
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};

/// How far a stock may promise beyond what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// So many ten-thousandths; 0: not at all.
    UpTo(i64),
    /// As far as it likes, or nothing is counted: such promises are in no sum.
    Unlimited,
}

/// One stock of one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockFacts {
    /// Which.
    pub stock: StockId,
    /// The sources that feed it, enabled and in stock.
    pub sources: Vec<SourceId>,
    /// How far it may promise beyond that.
    pub allowance: Allowance,
    /// What it had promised to orders before the ledger began, in ten-thousandths.
    pub promised_before: i64,
}

/// One SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuFacts {
    /// Which.
    pub sku: SkuId,
    /// Goods per source, in ten-thousandths; all that lay there at some time.
    pub stocked: Vec<(SourceId, i64)>,
    /// Its stocks.
    pub stocks: Vec<StockFacts>,
}

/// Why facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A question was not answered.
    #[error("a question about the catalog was not answered")]
    Call(#[from] CallError),
    /// The server does not know a SKU.
    #[error("the server does not know SKU {0}")]
    UnknownSku(SkuId),
}

/// Reads the facts of these SKUs. Take them before the ledger's first cart.
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

/// The facts of one SKU as the server's views tell them.
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

/// A negative threshold with backorders is an allowance; backorders without one are unlimited.
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
