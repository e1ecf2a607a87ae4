//! Reads complete lists, which are answered in pages: sources, stocks, marks, SKUs.

use super::answering::Answering;
use super::exit::Failure;
use super::questions::wrong_answer;
use std::collections::BTreeMap;
use stockhold_protocol::query::{LIST_MAX, MarkView, Query, QueryAnswer, SkuView, SourceView, StockView};
use stockhold_protocol::{SourceId, StockId};

/// All sources.
pub(super) fn sources(asked: &mut impl Answering) -> Result<Vec<SourceView>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let QueryAnswer::Sources(mut page) = asked.query(&Query::Sources { after, limit: LIST_MAX })? else {
            return Err(wrong_answer());
        };
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.id);
        all.append(&mut page);
    }
}

/// All stocks.
pub(super) fn stocks(asked: &mut impl Answering) -> Result<Vec<StockView>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let QueryAnswer::Stocks(mut page) = asked.query(&Query::Stocks { after, limit: LIST_MAX })? else {
            return Err(wrong_answer());
        };
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.id);
        all.append(&mut page);
    }
}

/// All marks, the oldest first.
pub(super) fn marks(asked: &mut impl Answering) -> Result<Vec<MarkView>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let QueryAnswer::Marks(mut page) = asked.query(&Query::Marks { after, limit: LIST_MAX })? else {
            return Err(wrong_answer());
        };
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.op);
        all.append(&mut page);
    }
}

/// Passes every SKU to `take`, page by page.
pub(super) fn each_sku(
    asked: &mut impl Answering,
    mut take: impl FnMut(SkuView) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let QueryAnswer::Skus(page) = asked.query(&Query::Skus { after, limit: LIST_MAX })? else {
            return Err(wrong_answer());
        };
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        page.into_iter().try_for_each(&mut take)?;
    }
}

/// The names of sources and stocks by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    sources: BTreeMap<SourceId, String>,
    stocks: BTreeMap<StockId, String>,
}

impl Names {
    /// Reads all sources and stocks.
    pub(super) fn load(asked: &mut impl Answering) -> Result<Self, Failure> {
        let sources = sources(asked)?.into_iter().map(|view| (view.id, view.definition.code)).collect();
        let stocks = stocks(asked)?.into_iter().map(|view| (view.id, view.name)).collect();
        Ok(Self { sources, stocks })
    }

    /// The code of a source.
    pub(super) fn source(&self, source: SourceId) -> String {
        self.sources.get(&source).cloned().unwrap_or_else(|| format!("#{source}"))
    }

    /// The name of a stock.
    pub(super) fn stock(&self, stock: StockId) -> String {
        self.stocks.get(&stock).cloned().unwrap_or_else(|| format!("#{stock}"))
    }
}
