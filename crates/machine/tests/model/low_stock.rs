//! Compares the low-stock report and the configurations of items with the model's.

use stockhold_machine::Machine;
use stockhold_model::{Model, SKUS, SOURCES};
use stockhold_protocol::query::{LowStockFilter, LowStockItem, Query, QueryAnswer};
use stockhold_protocol::{SkuId, SourceId};

/// The report in pages of two, read with steps that end after each SKU.
fn report(machine: &Machine, filter: LowStockFilter) -> Vec<LowStockItem> {
    let mut items: Vec<LowStockItem> = Vec::new();
    loop {
        let mut scan = machine.begin_low_stock_scan(filter, items.last().map(LowStockItem::cursor), 2);
        let page = loop {
            if let Some(page) = machine.low_stock_scan_step(&mut scan, 1) {
                break page;
            }
        };
        let left = page.matched - u64::try_from(page.items.len()).expect("two at most");
        items.extend(page.items);
        if left == 0 {
            return items;
        }
    }
}

/// Compares everything that is said of low stock. Returns whether any item is low.
pub(super) fn check(machine: &Machine, model: &Model) -> bool {
    let expected = model.low_stock();
    let row = |item: &LowStockItem| (item.on_hand.raw(), item.sku.0, item.source.0, item.threshold.raw());
    let listed = report(machine, LowStockFilter::default());
    assert_eq!(listed.iter().map(row).collect::<Vec<_>>(), expected);
    for sku in 0..SKUS {
        let of_sku = report(machine, LowStockFilter { sku: Some(SkuId(sku)), source: None });
        assert!(of_sku.iter().map(row).eq(expected.iter().copied().filter(|one| one.1 == sku)));
        let Some(QueryAnswer::Sku(Some(view))) = machine.query(&Query::Sku(SkuId(sku))) else {
            panic!("the SKU is known");
        };
        for item in view.items {
            let told = (item.notify_is_set, item.notify_stock_qty.raw());
            assert_eq!(told, model.threshold(sku, item.source.0));
        }
        for source in 0..SOURCES {
            let query = Query::Notify { sku: SkuId(sku), source: SourceId(source) };
            let Some(QueryAnswer::Notify(Some(view))) = machine.query(&query) else {
                panic!("SKU and source are known");
            };
            assert_eq!((view.is_set, view.threshold.raw()), model.threshold(sku, source));
        }
    }
    for source in 0..SOURCES {
        let at = report(machine, LowStockFilter { sku: None, source: Some(SourceId(source)) });
        assert!(at.iter().map(row).eq(expected.iter().copied().filter(|one| one.2 == source)));
    }
    !expected.is_empty()
}
