//! The client's calls that change many source items, async and blocking, and a restart after them.

use super::harness::{Shop, TestServer, units};
use stockhold_client::{Client, Counted, Note, SkuRef, SourceRef, TransferOptions, blocking};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Code, Quantity, SkuId, SourceId};

/// The source items of a SKU: source, quantity, in-stock flag, version.
fn items(server: &TestServer, sku: SkuId) -> Vec<(SourceId, Quantity, bool, u32)> {
    let QueryAnswer::Sku(Some(view)) = server.connect().query(&Query::Sku(sku)) else { panic!("no SKU") };
    view.items.iter().map(|item| (item.source, item.on_hand, item.in_stock, item.version)).collect()
}

#[test]
fn the_clients_change_many_source_items() {
    // Proves each call of both clients, by names and by numbers, what a refusal tells, and that the items and the digest
    // come back after a restart.
    let mut server = TestServer::start(|_| ());
    let shop = Shop::open(&mut server.connect(), 2, 10);
    let address = server.address().to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sku = SkuRef::Name("SKU-0");
    runtime.block_on(async {
        let client = Client::connect(&address).await.unwrap();
        let back = stockhold_protocol::command::SourceDefinition {
            code: "back".into(),
            name: "Back".into(),
            enabled: true,
            country: "US".into(),
            postcode: "1".into(),
            ..Default::default()
        };
        client.define_source(&back).await.unwrap().into_result().unwrap();
        let skus = [sku, SkuRef::Id(shop.skus[1])];
        let made = client.assign(&skus, &[SourceRef::Name("back")], "season").await.unwrap();
        assert_eq!(made.into_result().unwrap().count, 2);
        let counted = Counted { source: "back".into(), sku, quantity: units(4), in_stock: Some(true) };
        let noted = client.count_many(&[counted], Note::default()).await.unwrap().into_result().unwrap();
        assert_eq!(noted.shortfall, Quantity::ZERO);
        let lines = [(sku, units(3))];
        client.transfer_lines("back", "warehouse", &lines, false, "").await.unwrap().into_result().unwrap();
        let refused = client.transfer_lines("back", "warehouse", &lines, false, "").await.unwrap();
        let refusal = refused.into_result().unwrap_err();
        let (count, offenders) = refusal.offenders();
        assert_eq!((count, offenders[0].code()), (1, Code::NotEnoughAtSource));
        assert_eq!((offenders[0].bound, offenders[0].value), (units(1), units(3)));
        assert!(refusal.to_string().ends_with("The first is SKU 0 at source 1."), "{refusal}");
    });
    let client = blocking::Client::connect(&address).unwrap();
    client
        .reserve(&stockhold_client::Cart::from_stock("web").line("SKU-0", 13))
        .unwrap()
        .into_result()
        .unwrap();
    let refused = client.unassign(&[sku], &[SourceId(0).into()], false, "").unwrap().into_result();
    assert_eq!(refused.unwrap_err().code(), Code::NeededElsewhere);
    let options = TransferOptions { unassign: true, forced: true };
    let moved =
        client.transfer_many("warehouse", "back", &[sku], options, "").unwrap().into_result().unwrap();
    assert_eq!((moved.count, moved.shortfall), (1, units(13)));
    let removed = client.unassign(&[SkuRef::Name("SKU-1")], &["back".into()], false, "").unwrap();
    assert_eq!(removed.into_result().unwrap().count, 1);
    drop(client);
    let before = (items(&server, shop.skus[0]), items(&server, shop.skus[1]));
    assert_eq!(before.0, [(SourceId(1), units(14), true, 4)]);
    server.restart();
    let QueryAnswer::Validation(validation) = server.connect().query(&Query::Validate) else {
        panic!("none")
    };
    assert_eq!(validation.violations, Vec::<String>::new());
    assert_eq!(validation.digest, server.running().report().digest);
    assert_eq!((items(&server, shop.skus[0]), items(&server, shop.skus[1])), before);
}
