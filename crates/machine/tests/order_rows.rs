//! Signed rows: what they promise and give back, their limits, and what becomes of the units of an order without a
//! reservation.

use crate::order_shop::{SKUS, Shop, event, line, units};
use stockhold_protocol::command::{
    AppendReservations, Configure, OrderAction, OrderEvent, OrderStateReport, Sharing, SignedRow,
    SkuDefinition, SkuKind,
};
use stockhold_protocol::event::{EventKind, OrderState};
use stockhold_protocol::limits::{LINE_QUANTITY_MAX, QUANTITY_MAX};
use stockhold_protocol::query::{Query, QueryAnswer};
use stockhold_protocol::{Code, Command, Detail, Outcome, Quantity, SkuId, SourceId, StockId};

fn row(order: &str, event: EventKind, sku: u32, count: i64) -> SignedRow {
    SignedRow { order: order.into(), event, stock: StockId(0), sku: SkuId(sku), quantity: units(count) }
}

fn append(shop: &mut Shop, rows: Vec<SignedRow>) -> Outcome {
    shop.send(Command::AppendReservations(AppendReservations { rows }))
}

fn salable(shop: &Shop, sku: u32) -> i64 {
    shop.machine.cell(SkuId(sku), StockId(0))
}

#[test]
fn an_order_of_rows_is_shipped_like_any_other() {
    // Proves that units without a reservation are cancelled, shipped, refunded and returned, that the order is settled and
    // that a snapshot has them.
    let mut shop = Shop::new();
    let all = salable(&shop, 0);
    let placed = append(&mut shop, vec![row("A", EventKind::OrderPlaced, 0, -9)]);
    assert_eq!((placed.code, placed.value), (Code::Ok, 1));
    assert_eq!(salable(&shop, 0), all - units(9).raw());
    let ship = event("A", OrderAction::Ship, &[(0, 4)]);
    shop.succeed(Command::OrderEvent(Box::new(OrderEvent { source: Some(SourceId(0)), ..ship })));
    shop.succeed(Command::OrderEvent(Box::new(event("A", OrderAction::Cancel, &[(0, 2)]))));
    shop.reload();
    shop.succeed(Command::OrderEvent(Box::new(event("A", OrderAction::Invoice, &[(0, 7)]))));
    let mut memo = event("A", OrderAction::Refund, &[(0, 5)]);
    memo.lines[0].is_returned = true;
    shop.succeed(Command::OrderEvent(Box::new(memo)));
    let view = shop.order("A");
    let of = &view.lines[0];
    assert_eq!(
        (of.shipped, of.cancelled, of.refunded, of.returned),
        (units(4), units(2), units(3), units(2))
    );
    assert!(view.settled && view.reservations.is_empty());
    assert_eq!(salable(&shop, 0), all - units(2).raw());
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
    let beyond = event("A", OrderAction::Ship, &[(0, 1)]);
    let refused =
        shop.send(Command::OrderEvent(Box::new(OrderEvent { source: Some(SourceId(0)), ..beyond })));
    assert_eq!(refused.code, Code::MoreThanOpen);
}

#[test]
fn all_rows_count_together_or_not_at_all() {
    // Proves that the order of rows says nothing, that what is given back makes room for what is promised, and that one row
    // that is refused refuses all.
    let mut shop = Shop::new();
    let all = units(1 << 20);
    assert_eq!(append(&mut shop, vec![row("A", EventKind::OrderPlaced, 0, -(1 << 20))]).code, Code::Ok);
    let more = append(&mut shop, vec![row("B", EventKind::OrderPlaced, 0, -1)]);
    assert_eq!((more.code, more.value), (Code::SoldOut, 0));
    assert_eq!(more.detail, Detail::Bound { sku: SkuId(0), bound: Quantity::ZERO, value: units(1) });
    let moved = vec![row("B", EventKind::OrderPlaced, 0, -1), row("A", EventKind::OrderCanceled, 0, 1)];
    assert_eq!(append(&mut shop, moved).value, 2);
    let open = |shop: &Shop, order: &str| shop.order(order).lines[0].open;
    assert_eq!((open(&shop, "A"), open(&shop, "B")), (all.checked_sub(units(1)).unwrap(), units(1)));
    for (rows, code) in [
        (
            vec![row("B", EventKind::OrderCanceled, 0, 1), row("C", EventKind::OrderPlaced, 9, -1)],
            Code::UnknownName,
        ),
        (
            vec![row("B", EventKind::OrderCanceled, 0, 1), row("A", EventKind::OrderCanceled, 1, 1)],
            Code::NotInReservation,
        ),
        (vec![row("B", EventKind::OrderCanceled, 0, 2)], Code::MoreThanOpen),
        (vec![row("", EventKind::ManualCompensation, 1, 1)], Code::MoreThanOpen),
    ] {
        let refused = append(&mut shop, rows);
        assert_eq!(refused.code, code);
    }
    assert_eq!((open(&shop, "A"), open(&shop, "B")), (all.checked_sub(units(1)).unwrap(), units(1)));
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn sums_without_an_order_may_be_negative_only_with_independent_stocks() {
    // Proves the figure that MSI has, that sharing cannot become exact meanwhile, and that the sum is bounded.
    let mut shop = Shop::new();
    let all = salable(&shop, 0);
    let share =
        |sharing| Command::Configure(Box::new(Configure { sharing: Some(sharing), ..Configure::default() }));
    shop.succeed(share(Sharing::Independent));
    assert_eq!(append(&mut shop, vec![row("", EventKind::ManualCompensation, 0, 7)]).code, Code::Ok);
    assert_eq!(salable(&shop, 0), all + units(7).raw());
    shop.reload();
    assert_eq!(salable(&shop, 0), all + units(7).raw());
    assert_eq!(shop.send(share(Sharing::Exact)).code, Code::WouldBreakPromises);
    assert_eq!(append(&mut shop, vec![row("", EventKind::ManualCompensation, 0, -7)]).code, Code::Ok);
    shop.succeed(share(Sharing::Exact));
    shop.succeed(share(Sharing::Independent));
    let most = SignedRow {
        quantity: Quantity::from_raw(-LINE_QUANTITY_MAX).unwrap(),
        ..row("", EventKind::ManualCompensation, 0, -1)
    };
    let calls = QUANTITY_MAX / LINE_QUANTITY_MAX;
    for call in 0..=calls {
        let code = append(&mut shop, vec![most.clone()]).code;
        assert_eq!(code == Code::QuantityOverflow, call == calls, "call {call}: {code:?}");
    }
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn a_sku_that_the_catalog_does_not_know_has_rows() {
    // Proves that an uncatalogued SKU needs no source, is sold nowhere, and becomes a known one without losing its sum.
    let mut shop = Shop::new();
    let configure = Configure { sharing: Some(Sharing::Independent), ..Configure::default() };
    shop.succeed(Command::Configure(Box::new(configure)));
    let define = |kind| Command::DefineSku(SkuDefinition { sku: "X".into(), kind, decimals: true });
    shop.succeed(define(SkuKind::Uncatalogued));
    assert_eq!(append(&mut shop, vec![row("", EventKind::ManualCompensation, SKUS, -1)]).code, Code::Ok);
    let (_, reserved) = shop.place("A", &[line(SKUS, 1)], None);
    assert_eq!(reserved.code, Code::NotAssigned);
    shop.succeed(define(SkuKind::Simple));
    shop.succeed(define(SkuKind::Uncatalogued));
    let Some(QueryAnswer::Sku(Some(view))) = shop.machine.query(&Query::Sku(SkuId(SKUS))) else {
        panic!("the SKU is defined");
    };
    assert_eq!((view.kind, view.positions[0].unattributed), (SkuKind::Simple, units(1)));
    assert_eq!(
        append(&mut shop, vec![row("", EventKind::ManualCompensation, SKUS, -1)]).code,
        Code::NotAssigned
    );
}

#[test]
fn new_orders_of_rows_need_room() {
    // Proves the answer at the limit of orders: rows make no settled order end.
    let mut shop = Shop::new();
    let configure =
        Configure { orders_max: Some(3), order_retention_min_ms: Some(1_000), ..Configure::default() };
    shop.succeed(Command::Configure(Box::new(configure)));
    let rows = |from: u32, count: u32| {
        (from..from + count)
            .map(|at| row(&format!("O{at}"), EventKind::OrderPlaced, 0, -1))
            .collect::<Vec<_>>()
    };
    assert_eq!(append(&mut shop, rows(0, 4)).code, Code::LimitReached);
    assert_eq!(append(&mut shop, rows(0, 3)).code, Code::Ok);
    assert_eq!(append(&mut shop, rows(2, 2)).code, Code::LimitReached);
    assert_eq!(append(&mut shop, rows(0, 3)).code, Code::Ok);
    assert_eq!(shop.machine.stats().orders, 3);
}

#[test]
fn many_rows_of_many_orders_are_one_op() {
    // Proves the largest command, and that a further row is refused before it is logged.
    let mut shop = Shop::new();
    let rows: Vec<SignedRow> =
        (0..1_024).map(|at| row(&format!("O{at}"), EventKind::OrderPlaced, at % 3, -1)).collect();
    let placed = append(&mut shop, rows.clone());
    assert_eq!((placed.code, placed.value), (Code::Ok, 1_024));
    assert_eq!((shop.machine.stats().orders, shop.machine.stats().orders_unsettled), (1_024, 1_024));
    let back: Vec<SignedRow> = rows
        .into_iter()
        .map(|row| SignedRow { event: EventKind::ShipmentCreated, quantity: units(1), ..row })
        .collect();
    assert_eq!(append(&mut shop, back).value, 1_024);
    assert_eq!(shop.machine.stats().orders_unsettled, 0);
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn the_shops_word_is_compared_with_what_is_open() {
    // Proves what is expected of an order whose state nobody has reported, of open and final ones, and of one whose figures
    // the shop knows; and that a report that says nothing new is no event.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 5)], None);
    let list = |shop: &Shop| {
        let query = Query::Inconsistencies { is_final: None, after: 0, limit: 10 };
        let Some(QueryAnswer::Inconsistencies(view)) = shop.machine.query(&query) else {
            panic!("it is a list")
        };
        assert_eq!(view.next, 0);
        view.items.into_iter().map(|item| item.quantity).collect::<Vec<_>>()
    };
    let report = |state, lines: Option<i64>| {
        let line = |count| stockhold_protocol::command::ExpectedLine {
            stock: StockId(0),
            sku: SkuId(0),
            quantity: units(count),
        };
        let lines = lines.map(|count| vec![line(count)]);
        Command::OrderState(Box::new(OrderStateReport { order: "A".into(), state, lines }))
    };
    assert_eq!(list(&shop), []);
    let events = shop.order("A").events;
    assert_eq!(shop.send(report(OrderState::Canceled, None)).value, 0);
    assert_eq!(shop.send(report(OrderState::Canceled, None)).value, 1);
    assert_eq!(shop.order("A").events, events + 1);
    assert_eq!(list(&shop), [units(-5)]);
    shop.reload();
    assert_eq!(list(&shop), [units(-5)]);
    assert_eq!(append(&mut shop, vec![row("A", EventKind::ManualCompensation, 0, 5)]).code, Code::Ok);
    assert_eq!(list(&shop), []);
    assert_eq!(shop.send(report(OrderState::Processing, None)).value, 0);
    assert_eq!(list(&shop), [units(5)]);
    assert_eq!(shop.send(report(OrderState::Processing, Some(2))).value, 0);
    assert_eq!(list(&shop), [units(2)]);
    assert_eq!(shop.send(report(OrderState::Complete, Some(0))).value, 0);
    assert_eq!(list(&shop), []);
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}

#[test]
fn a_shipment_is_reversed_long_after_the_record_of_its_reservation() {
    // Proves that units of an ended reservation, and of rows, come back to their source and to the promise of the order, at
    // most as many as the source has shipped and nobody has returned, and that they are shipped again.
    let mut shop = Shop::new();
    shop.place("A", &[line(0, 5)], None);
    assert_eq!(append(&mut shop, vec![row("A", EventKind::OrderPlaced, 1, -2)]).code, Code::Ok);
    let ship = |document: &str, lines: &[(u32, i64)]| {
        let (document, source) = (document.to_owned(), Some(SourceId(0)));
        Command::OrderEvent(Box::new(OrderEvent { document, source, ..event("A", OrderAction::Ship, lines) }))
    };
    let unship = |document: &str, lines: &[(u32, i64)]| {
        let (document, source) = (document.to_owned(), Some(SourceId(0)));
        Command::OrderEvent(Box::new(OrderEvent {
            document,
            source,
            ..event("A", OrderAction::Unship, lines)
        }))
    };
    let before = (shop.on_hand(0), shop.on_hand(1));
    shop.succeed(ship("S-1", &[(0, 5), (1, 2)]));
    assert!(shop.order("A").settled);
    shop.now.0 += 3 * 86_400_000;
    shop.succeed(Command::Tick);
    while shop.machine.sweep(1_000) {}
    assert!(shop.order("A").reservations.is_empty());
    let mut memo = event("A", OrderAction::Refund, &[(0, 1)]);
    memo.lines[0].is_returned = true;
    shop.succeed(Command::OrderEvent(Box::new(memo)));
    let refused = shop.send(unship("", &[(0, 5)]));
    assert_eq!((refused.code, refused.value), (Code::MoreThanShipped, 0));
    assert_eq!(refused.detail, Detail::Bound { sku: SkuId(0), bound: units(4), value: units(5) });
    shop.succeed(unship("", &[(0, 4)]));
    assert_eq!(shop.send(unship("S-1", &[])).code, Code::MoreThanShipped);
    shop.succeed(unship("", &[(1, 2)]));
    assert_eq!((shop.on_hand(0), shop.on_hand(1)), before);
    let open: Vec<Quantity> = shop.order("A").lines.iter().map(|line| line.open).collect();
    assert_eq!(open, [units(4), units(2)]);
    assert_eq!(shop.send(unship("", &[(0, 1)])).code, Code::MoreThanShipped);
    shop.reload();
    shop.succeed(ship("S-2", &[(0, 4), (1, 2)]));
    assert!(shop.order("A").settled);
    assert_eq!(shop.machine.validate(), Vec::<String>::new());
}
