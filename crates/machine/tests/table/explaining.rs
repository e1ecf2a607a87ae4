//! Explanations of what a stock can promise, against figures that were calculated by hand.

use super::reserving::SHARED;
use super::script::{Script, run};
use stockhold_protocol::query::{ExplainView, Query, QueryAnswer, SharingForm};
use stockhold_protocol::{SkuId, StockId};

fn explain(script: &Script, stock: &str) -> ExplainView {
    let query = Query::Explain { sku: SkuId(script.sku("BIKE")), stock: StockId(script.stock(stock)) };
    match script.machines.plain.query(&query) {
        Some(QueryAnswer::Explain(Some(view))) => view,
        other => panic!("{other:?}"),
    }
}

/// The sources and stocks of an explanation with their roles and quantities, and the sums.
fn words(script: &Script, stock: &str) -> String {
    let view = explain(script, stock);
    let sources = view.sources.iter().map(|source| {
        let code = script.machines.plain.source_code(source.source).unwrap();
        format!("{code}:{}:{}", source.role.name(), source.adds)
    });
    let stocks = view.stocks.iter().map(|stock| {
        let name = script.machines.plain.stock_name(stock.stock).unwrap();
        format!("{name}:{}:{}+{}", stock.role.name(), stock.confirmed, stock.held)
    });
    let lists: Vec<String> = sources.chain(stocks).collect();
    format!(
        "{} {} {}-{}={} -{} salable {}",
        view.form.name(),
        lists.join(" "),
        view.goods,
        view.promised,
        view.left,
        view.kept_back,
        view.salable
    )
}

#[test]
fn the_binding_set_of_stocks_is_the_one_with_the_least_left() {
    // Proves the parts of two stocks that share one source: one is limited by both, the other by itself alone.
    let mut script = run(SHARED);
    script.go("
        reserve w WEB 8xBIKE
        reserve p POS 3xBIKE
        reserve h POS 2xBIKE ttl=60s
        set BIKE min_qty=1
    ");
    assert_eq!(
        words(&script, "POS"),
        "subsets A1:own:20 A2:own:10 POS:asked:3+2 WEB:competes:8+0 30-13=17 -1 salable 160000"
    );
    assert_eq!(words(&script, "WEB"), "subsets A2:own:10 WEB:asked:8+0 10-8=2 -1 salable 10000");
    script.go("time +61s\nreserve q POS 17xBIKE");
    assert_eq!(
        words(&script, "WEB"),
        "subsets A2:own:10 WEB:asked:8+0 10-8=2 -1 salable 10000",
        "POS takes from A1 first"
    );
    script.go("reserve r POS 1xBIKE");
    assert_eq!(
        words(&script, "WEB"),
        "subsets A2:own:10 A1:others:20 WEB:asked:8+0 POS:competes:21+0 30-29=1 -1 salable 0"
    );
}

#[test]
fn a_stock_in_shortfall_has_taken_all_of_its_sources() {
    // Proves that such a stock takes what it shares and no more, as in the golden vector: A3 is left to the other one.
    let mut script = run("
        source A2
        source A3
        stock WEB
        stock POS
        sku BIKE
        link WEB A2
        link WEB A3
        link POS A2
        count A2 BIKE 5
        count A3 BIKE 10
        reserve p POS 5xBIKE
        count A2 BIKE 1
        reserve w WEB 4xBIKE
    ");
    assert_eq!(
        words(&script, "WEB"),
        "subsets A2:taken:1 A3:own:10 WEB:asked:4+0 POS:took_all:5+0 10-4=6 -0 salable 60000"
    );
    script.go("configure sharing=independent");
    assert_eq!(words(&script, "WEB"), "independent A2:own:1 A3:own:10 WEB:asked:4+0 11-4=7 -0 salable 70000");
}

#[test]
fn what_is_unknown_or_not_assigned_is_said() {
    // Proves the answers for a SKU that no source of the stock has, and for numbers that nothing has.
    let mut script = run(SHARED);
    script.go("sku HELM\nsource A9 off\nstock CLICK\nlink CLICK A9\ncount A9 BIKE 7");
    let view = explain(&script, "CLICK");
    assert_eq!((view.form, view.is_in_stock, view.salable), (SharingForm::Single, false, 0));
    assert_eq!((view.sources[0].is_enabled, view.sources[0].adds.raw()), (false, 0));
    let machine = &script.machines.plain;
    let ask =
        |sku: u32, stock: u32| machine.query(&Query::Explain { sku: SkuId(sku), stock: StockId(stock) });
    let Some(QueryAnswer::Explain(Some(view))) = ask(script.sku("HELM"), script.stock("POS")) else {
        panic!()
    };
    assert_eq!(view.salable, stockhold_protocol::query::CELL_NOT_ASSIGNED);
    assert_eq!(view.sources.iter().filter(|source| source.on_hand.is_none()).count(), 2);
    assert_eq!(ask(99, 0), Some(QueryAnswer::Explain(None)));
    assert_eq!(ask(0, 99), Some(QueryAnswer::Explain(None)));
}
