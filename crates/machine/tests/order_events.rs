//! Events of orders, one by one: documents, failed placements, credit memos long after a shipment, and the limits.

use crate::order_shop::{SKUS, Shop, event, line, units};
use stockhold_protocol::command::{
    Count, OrderAction, OrderEvent, PlaceFailed, Reserve, SkuDefinition, Target,
};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::{Code, Command, Detail, Lines, ReservationId, SkuId, SourceId, StockId};

fn send(shop: &mut Shop, event: OrderEvent) -> (Code, u32) {
    let outcome = shop.send(Command::OrderEvent(Box::new(event)));
    (outcome.code, outcome.value)
}

fn shipment(order: &str, document: &str, count: i64) -> OrderEvent {
    let shipment = event(order, OrderAction::Ship, &[(0, count)]);
    OrderEvent { document: document.into(), source: Some(SourceId(0)), ..shipment }
}

#[test]
fn a_document_happens_once_under_whatever_id() {
    // Proves that a repeated document changes nothing as long as the order is kept, that other units under its number are
    // refused, and that a reversed shipment cannot be shipped again by its document.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 5)], None);
    let before = shop.on_hand(0);
    for repeated in 0..3 {
        shop.now.0 += 86_400_000;
        assert_eq!(send(&mut shop, shipment("A", "S-1", 3)), (Code::Ok, u32::from(repeated > 0)));
        assert_eq!(shop.on_hand(0), before.checked_sub(units(3)).unwrap());
    }
    assert_eq!(send(&mut shop, shipment("A", "S-1", 2)).0, Code::DocumentReused);
    let reversal = event("A", OrderAction::Unship, &[]);
    let reversal = OrderEvent { document: "S-1".into(), source: Some(SourceId(0)), ..reversal };
    assert_eq!(send(&mut shop, reversal.clone()), (Code::Ok, 0));
    assert_eq!(send(&mut shop, reversal), (Code::Ok, 1));
    assert_eq!((shop.on_hand(0), shop.order("A").lines[0].open), (before, units(5)));
    assert_eq!(send(&mut shop, shipment("A", "S-1", 3)).0, Code::Reversed);
    assert_eq!(send(&mut shop, shipment("A", "S-2", 3)), (Code::Ok, 0));
    let kinds: Vec<_> = shop.history("A").iter().map(|event| event.event_kind().unwrap()).collect();
    let (shipped, reversed) = (EventKind::ShipmentCreated, EventKind::ShipmentReversed);
    assert_eq!(kinds, [EventKind::OrderPlaced, shipped, reversed, shipped]);
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn a_report_that_overtakes_its_placement_wins() {
    // Proves that a placement that was reported as failed before it arrived never takes effect, and that one reported after it
    // is given back and frees the number.
    let mut shop = Shop::new();
    let id = shop.next_id();
    let failed = |id| Command::PlaceFailed(PlaceFailed { order: "A".into(), placement: ReservationId(id) });
    assert_eq!(shop.send(failed(id)).code, Code::Ok);
    let late = shop.place_as(id, "A", &[line(0, 2)], None);
    assert_eq!((late.code, late.replayed), (Code::PlaceFailed, true));
    let (id, placed) = shop.place("A", &[line(0, 2)], None);
    assert_eq!(placed.code, Code::Ok);
    assert_eq!(shop.place("A", &[line(0, 3)], None).1.code, Code::OrderExists);
    assert_eq!(shop.send(failed(id)).code, Code::Ok);
    assert!(shop.order("A").settled);
    assert_eq!(shop.place("A", &[line(0, 3)], None).1.code, Code::Ok);
    assert_eq!(shop.order("A").lines[0].open, units(3));
}

#[test]
fn a_placement_is_recognized_by_its_body() {
    // Proves that a placement that is sent again under another id changes nothing: while it is held, after it is confirmed,
    // and after its units are shipped; and that it takes over the holds of its order.
    let mut shop = Shop::new();
    let lines = [line(0, 2), line(1, 1)];
    let ttl = Some(60_000);
    shop.place("A", &[line(0, 5)], Some(30_000));
    assert_eq!(shop.place("A", &lines, ttl).1.code, Code::Ok);
    assert_eq!((shop.order("A").lines[0].open, shop.order("A").open_lines), (units(2), 2));
    for action in [OrderAction::Confirm, OrderAction::Ship] {
        assert_eq!(shop.place("A", &lines, ttl).1.value, 1);
        let source = (action == OrderAction::Ship).then_some(SourceId(0));
        let lines: &[(u32, i64)] = if source.is_some() { &[(0, 2), (1, 1)] } else { &[] };
        assert_eq!(send(&mut shop, OrderEvent { source, ..event("A", action, lines) }), (Code::Ok, 0));
    }
    assert_eq!(shop.place("A", &lines, ttl).1.value, 1);
    assert!(shop.order("A").settled);
    assert_eq!(shop.place("A", &[line(0, 1)], ttl).1.code, Code::OrderExists);
}

#[test]
fn units_come_back_long_after_their_reservation_has_ended() {
    // Proves that returns are judged by the order, however long ago the record of its reservation ended.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 3)], None);
    let before = shop.on_hand(0);
    assert_eq!(send(&mut shop, shipment("A", "", 3)).0, Code::Ok);
    shop.now.0 += 3 * 86_400_000;
    shop.machine.skip(shop.now);
    shop.machine.sweep(1_000);
    assert!(shop.order("A").reservations.is_empty());
    let mut memo = event("A", OrderAction::Refund, &[(0, 5)]);
    memo.lines[0].is_returned = true;
    assert_eq!(send(&mut shop, memo.clone()).0, Code::Ok);
    assert_eq!((shop.on_hand(0), shop.order("A").lines[0].returned), (before, units(3)));
    assert_eq!(send(&mut shop, memo).0, Code::Ok);
    assert_eq!((shop.on_hand(0), shop.order("A").lines[0].returned), (before, units(3)));
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn an_order_has_a_bounded_number_of_events() {
    // Proves that an order accepts events up to its limit and refuses the next one by name, that growth is refused at half of
    // it, and that all of it survives a snapshot.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 9_000)], None);
    let mut refused = None;
    for number in 0..9_000 {
        let outcome = shop.send(Command::OrderEvent(Box::new(shipment("A", &format!("S-{number}"), 1))));
        if outcome.code != Code::Ok {
            refused = Some((number, outcome));
            break;
        }
    }
    let (number, outcome) = refused.unwrap();
    assert!(number > 3_000, "{number} shipments");
    assert_eq!(outcome.code, Code::LimitReached);
    let Detail::Limit { name, value } = outcome.detail else { panic!("the limit is named") };
    assert_eq!((name.as_str(), value), ("order_event_bytes_max", 128 * 1024));
    let (_, grown) = shop.place("A", &[line(1, 1)], None);
    assert_eq!(grown.code, Code::OrderExists);
    let mut frames = Vec::new();
    let mark = shop.machine.begin_snapshot();
    while shop.machine.snapshot_step(1_000, &mut |section, records, bytes| {
        frames.push((section, records, bytes.to_vec()));
    }) == stockhold_machine::table::Progress::More
    {}
    let mut loader = stockhold_machine::Machine::loader();
    for (section, records, bytes) in frames {
        assert_eq!(loader.section(section, records, &bytes), Ok(()));
    }
    let loaded = loader.finish(&mark).unwrap();
    assert_eq!(loaded.digest(), shop.machine.digest());
}

#[test]
fn an_order_has_at_most_1024_lines() {
    // Proves that the last line that fits is accepted, that the next one is refused by name, and that all lines can be
    // shipped in one event.
    let mut shop = Shop::new();
    let skus: Vec<u32> = (SKUS..SKUS + 1_025).collect();
    for sku in &skus {
        shop.succeed(Command::DefineSku(SkuDefinition {
            sku: format!("L{sku}"),
            ..SkuDefinition::default()
        }));
        let (source, sku, quantity) = (SourceId(0), SkuId(*sku), units(1));
        let (reason, reference) = (String::new(), String::new());
        shop.succeed(Command::Count(Count { source, sku, quantity, in_stock: None, reason, reference }));
    }
    let reserve = |shop: &mut Shop, skus: &[u32]| {
        let lines: Vec<_> = skus.iter().map(|sku| line(*sku, 1)).collect();
        let (target, lines) = (Target::Stock(StockId(0)), Lines::Slice(&lines));
        let (best_effort, ttl_ms, owner, reference) = (false, None, 0, "A");
        shop.send(Command::Reserve(Reserve { target, lines, best_effort, ttl_ms, owner, reference }))
    };
    for skus in skus[..1_024].chunks(256) {
        assert_eq!(reserve(&mut shop, skus).code, Code::Ok);
    }
    let refused = reserve(&mut shop, &skus[1_024..]);
    let limit = Detail::Limit { name: "order_lines_max".into(), value: 1_024 };
    assert_eq!((refused.code, refused.detail), (Code::LimitReached, limit));
    let all: Vec<(u32, i64)> = skus[..1_024].iter().map(|sku| (*sku, 1)).collect();
    let all = OrderEvent { source: Some(SourceId(0)), ..event("A", OrderAction::Ship, &all) };
    assert_eq!(send(&mut shop, all).0, Code::Ok);
    assert!(shop.order("A").settled);
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn an_invoice_delivers_what_is_virtual() {
    // Proves that an invoice takes virtual units from their source and leaves others open.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 2), line(3, 2)], None);
    let before = shop.on_hand(3);
    assert_eq!(send(&mut shop, event("A", OrderAction::Invoice, &[(0, 2), (3, 3)])).0, Code::Partial);
    let order = shop.order("A");
    let line = |sku| *order.lines.iter().find(|line| line.sku == SkuId(sku)).unwrap();
    assert_eq!((line(0).invoiced, line(0).open), (units(2), units(2)));
    assert_eq!((line(3).invoiced, line(3).open, line(3).shipped), (units(2), units(0), units(2)));
    assert_eq!(shop.on_hand(3), before.checked_sub(units(2)).unwrap());
}
