//! Explanations: computed again from their own parts, they give the quantity that the model decides by.

use stockhold_machine::Machine;
use stockhold_model::{Model, SKUS, STOCKS};
use stockhold_protocol::command::BackorderMode;
use stockhold_protocol::query::{
    CELL_NOT_ASSIGNED, CELL_UNLIMITED, ExplainView, Query, QueryAnswer, SourceRole, StockRole,
};
use stockhold_protocol::{SkuId, StockId};

/// Checks the explanation of every SKU in every stock.
pub(crate) fn check(machine: &Machine, model: &Model) {
    for sku in 0..SKUS {
        for stock in 0..STOCKS {
            let query = Query::Explain { sku: SkuId(sku), stock: StockId(stock) };
            let Some(QueryAnswer::Explain(Some(view))) = machine.query(&query) else {
                panic!("the machine explains SKU {sku} in stock {stock}");
            };
            check_sums(&view);
            assert_eq!(view.salable, model.cell(sku, stock), "{view:?}");
            assert_eq!(salable_of(&view), view.salable, "{view:?}");
        }
    }
}

fn check_sums(view: &ExplainView) {
    let sources = view.sources.iter();
    let goods: i64 =
        sources.filter(|source| source.role != SourceRole::Taken).map(|source| source.adds.raw()).sum();
    assert_eq!(goods, view.goods.raw(), "{view:?}");
    let competing = view.stocks.iter().filter(|stock| stock.role != StockRole::TookAll);
    let promised: i64 = competing.map(|stock| stock.confirmed.raw() + stock.held.raw()).sum();
    assert_eq!(promised, view.promised.raw(), "{view:?}");
    assert_eq!(goods - promised, view.left.raw(), "{view:?}");
    let asked: Vec<_> = view.stocks.iter().filter(|stock| stock.role == StockRole::Asked).collect();
    assert_eq!(asked.len(), 1, "{view:?}");
    assert_eq!(asked[0].stock, view.stock);
    assert_eq!(view.sources_total as usize, view.sources.len());
    assert_eq!(view.stocks_total as usize, view.stocks.len());
}

/// The salable quantity as PROTOCOL.md has it, from the parts of the explanation.
fn salable_of(view: &ExplainView) -> i64 {
    if !view.sources.iter().any(|source| source.role != SourceRole::Others && source.on_hand.is_some()) {
        return CELL_NOT_ASSIGNED;
    }
    if !view.settings.manage_stock {
        return CELL_UNLIMITED;
    }
    let formula = view.left.raw() - view.kept_back.raw();
    if !view.is_in_stock {
        return formula.min(0);
    }
    let is_unlimited = view.settings.backorders != BackorderMode::Off && view.settings.min_qty.raw() >= 0;
    let quota_left = view.quota_limit.map_or(i64::MAX, |limit| limit.raw() - view.quota_taken.raw());
    if is_unlimited { quota_left } else { formula.min(quota_left) }
}
