//! What source selection chooses from, and the limits of a request.

use super::lists::Merchant;
use stockhold_protocol::command::{Count, LinkDefinition, SkuDefinition, SourceDefinition, StockDefinition};
use stockhold_protocol::query::{SOURCING_PAIRS_MAX, SourcingRequest};
use stockhold_protocol::{Command, Quantity, SkuId, SourceId, StockId};

/// A stock of so many sources, and so many SKUs.
fn merchant(sources: u32, skus: u32) -> Merchant {
    let mut merchant = Merchant::new();
    merchant.send(Command::DefineStock(StockDefinition { name: "web".into() }));
    for number in 0..sources {
        let (code, country, postcode) = (format!("source-{number}"), "DE".to_owned(), "1".to_owned());
        let source =
            SourceDefinition { name: code.clone(), code, country, postcode, ..SourceDefinition::default() };
        merchant.send(Command::DefineSource(Box::new(SourceDefinition { enabled: true, ..source })));
        let link = LinkDefinition { stock: StockId(0), source: SourceId(number), priority: 1 };
        merchant.send(Command::Link(link));
    }
    for number in 0..skus {
        let sku = SkuDefinition { sku: format!("SKU-{number}"), ..SkuDefinition::default() };
        merchant.send(Command::DefineSku(sku));
    }
    merchant
}

/// Three units of a SKU at a source.
fn count(source: u32, sku: u32) -> Command<'static> {
    Command::Count(Count {
        source: SourceId(source),
        sku: SkuId(sku),
        quantity: Quantity::units(3).unwrap(),
        in_stock: Some(true),
        reason: String::new(),
        reference: String::new(),
    })
}

fn request(skus: u32) -> SourcingRequest {
    let one = Quantity::units(1).unwrap();
    SourcingRequest { lines: (0..skus).map(|sku| (SkuId(sku), one)).collect(), ..SourcingRequest::default() }
}

#[test]
fn a_request_has_at_most_so_many_pairs() {
    // Proves the limit at its value and one pair of sources beyond it, and that naming sources helps.
    let skus = 64;
    let sources = u32::try_from(SOURCING_PAIRS_MAX).unwrap() / skus;
    let mut merchant = merchant(sources + 1, skus);
    let refused = merchant.machine.sourcing_candidates(&request(skus)).unwrap_err();
    assert!(refused.contains("16448 pairs") && refused.contains("16384"), "{refused}");
    let without = SourcingRequest { excluded: vec![SourceId(0)], ..request(skus) };
    let found = merchant.machine.sourcing_candidates(&without).unwrap();
    assert_eq!((found.candidates.len(), found.wanted.len()), (sources as usize, 64));
    let named = SourcingRequest { sources: vec![SourceId(5), SourceId(2)], ..request(skus) };
    let found = merchant.machine.sourcing_candidates(&named).unwrap();
    let order: Vec<u32> = found.candidates.iter().map(|candidate| candidate.source.0).collect();
    assert_eq!(order, [5, 2]);
    merchant.send(count(2, 1));
    let found = merchant.machine.sourcing_candidates(&named).unwrap();
    let items = found.candidates[1].on_hand.iter().flatten().count();
    assert_eq!(items, 1, "only what is in stock is a candidate: {:?}", found.candidates[1]);
}

#[test]
fn so_many_source_items_are_read_at_most() {
    // Proves the limit on items at its value and one beyond it, although the stock has one source only.
    let (sources, skus) = (1_024, 65);
    let mut merchant = merchant(1, skus);
    for number in 1..sources {
        let (code, country, postcode) = (format!("more-{number}"), "DE".to_owned(), "1".to_owned());
        let source =
            SourceDefinition { name: code.clone(), code, country, postcode, ..SourceDefinition::default() };
        merchant.send(Command::DefineSource(Box::new(source)));
    }
    for sku in 0..64 {
        for source in 0..sources {
            merchant.send(count(source, sku));
        }
    }
    assert!(merchant.machine.sourcing_candidates(&request(skus)).is_ok(), "65,536 items are read");
    merchant.send(count(0, 64));
    let refused = merchant.machine.sourcing_candidates(&request(skus)).unwrap_err();
    assert!(refused.contains("more than 65536 source items"), "{refused}");
}

#[test]
fn wrong_requests_are_refused() {
    // Proves the reasons, at the limits of the number of lines too.
    let merchant = merchant(2, 2);
    let refused = |request: &SourcingRequest| merchant.machine.sourcing_candidates(request).unwrap_err();
    assert!(refused(&request(0)).contains("1 to 256 lines, not 0"));
    let line = (SkuId(0), Quantity::units(1).unwrap());
    let lines = |count| SourcingRequest { lines: vec![line; count], ..SourcingRequest::default() };
    assert!(refused(&lines(257)).contains("not 257"));
    let found = merchant.machine.sourcing_candidates(&lines(256)).unwrap();
    assert_eq!(found.wanted, [(SkuId(0), Quantity::units(256).unwrap())], "lines of a SKU are summed");
    assert!(refused(&request(3)).contains("there is no SKU 2"));
    let zero = SourcingRequest { lines: vec![(SkuId(0), Quantity::ZERO)], ..request(1) };
    assert!(refused(&zero).contains("above 0"));
    let huge = (SkuId(0), Quantity::units(100_000_000_000).unwrap());
    assert!(refused(&SourcingRequest { lines: vec![huge; 3], ..request(1) }).contains("too large"));
    assert!(refused(&SourcingRequest { stock: StockId(1), ..request(1) }).contains("there is no stock 1"));
    let twice = SourcingRequest { sources: vec![SourceId(1), SourceId(1)], ..request(1) };
    assert!(refused(&twice).contains("source 1 is named twice"));
}
