//! The calls that name an order: what each of them sends, and what its answer says.

use crate::fake::{Peer, Sent, network, outcome_frame};
use std::time::Duration;
use stockhold_client::protocol::command::{EventLine, OrderAction, OrderEvent, PlaceFailed, Target};
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{
    Code, Command, CommandId, Detail, Envelope, Outcome, Quantity, ReservationId, SkuId, SourceId, StockId,
};
use stockhold_client::{Answer, Cart, Client, OrderChanged, OrderUnits};

async fn open() -> (Client, Peer) {
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1);
    let (client, peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    (client.unwrap(), peer)
}

/// Checks the command of a frame.
fn check(sent: &Sent, expected: &Command<'_>) {
    let (_, _, record) = sent.commands().remove(0);
    assert_eq!(&Envelope::decode(&record).unwrap().command, expected);
}

fn units(units: i64) -> Quantity {
    Quantity::units(units).unwrap()
}

fn line(units_: i64) -> EventLine {
    EventLine { sku: SkuId(7), stock: None, quantity: units(units_), is_returned: false }
}

fn event(action: OrderAction, document: &str, lines: Vec<EventLine>) -> OrderEvent {
    let (order, document) = ("1001".to_owned(), document.to_owned());
    OrderEvent { order, action, document, source: None, lines, forced: false, ttl_ms: None }
}

#[tokio::test(start_paused = true)]
async fn each_call_sends_its_event() {
    // Proves action, document, source, lines and flags of every call that names an order.
    let (client, mut peer) = open().await;
    let (bike, east) = (SkuId(7), SourceId(3));
    let in_web = EventLine { stock: Some(StockId(1)), ..line(2) };
    let returned = EventLine { is_returned: true, ..line(1) };
    let one = OrderUnits::new().document("D-1").line(bike, 1);
    macro_rules! sends {
        ($call:expr, $event:expr) => {
            let (answer, ()) = tokio::join!($call, async {
                let sent = peer.next().await;
                check(&sent, &Command::OrderEvent(Box::new($event)));
                peer.answer_all(&sent, Code::Ok).await;
            });
            assert!(answer.unwrap().is_done());
        };
    }
    sends!(client.confirm_order("1001"), event(OrderAction::Confirm, "", vec![]));
    let extended = OrderEvent { ttl_ms: Some(60_000), ..event(OrderAction::Extend, "", vec![]) };
    sends!(client.extend_order("1001", Duration::from_mins(1)), extended);
    let all = OrderUnits::new();
    sends!(client.cancel_order("1001", &all), event(OrderAction::Cancel, "", vec![]));
    let shipped = OrderEvent { source: Some(east), ..event(OrderAction::Ship, "D-1", vec![line(1)]) };
    sends!(client.ship_order("1001", east, &one), shipped.clone());
    let forced = OrderEvent { forced: true, ..shipped.clone() };
    let left = one.clone().forced();
    sends!(client.ship_order("1001", east, &left), forced);
    let reversed = OrderEvent { action: OrderAction::Unship, lines: vec![], ..shipped };
    let all_of_it = OrderUnits::new().document("D-1");
    sends!(client.unship_order("1001", east, &all_of_it), reversed);
    sends!(client.invoice_order("1001", &one), event(OrderAction::Invoice, "D-1", vec![line(1)]));
    let memo = OrderUnits::new().to_source(east).returned(bike, 1).line_in(StockId(1), bike, units(2));
    let refunded =
        OrderEvent { source: Some(east), ..event(OrderAction::Refund, "", vec![returned, in_web]) };
    sends!(client.refund_order("1001", &memo), refunded);
    let added = OrderUnits::new().line_of(bike, units(-2));
    sends!(client.compensate_order("1001", &added), event(OrderAction::Compensate, "", vec![line(-2)]));
    let none = OrderUnits::new().line(bike, 0);
    sends!(client.edit_order("1001", &none), event(OrderAction::Edit, "", vec![line(0)]));
}

#[tokio::test(start_paused = true)]
async fn a_placement_and_its_failure_name_the_order() {
    // Proves that the number is the reference, and that the answer of a hold has its deadline.
    let (client, mut peer) = open().await;
    let cart =
        Cart::from_stock(StockId(1)).line(SkuId(7), 2).reference("1001").hold_for(Duration::from_mins(15));
    let (placed, ()) = tokio::join!(client.place_order(&cart), async {
        let sent = peer.next().await;
        let (_, _, record) = sent.commands().remove(0);
        let Command::OrderPlaced(placement) = Envelope::decode(&record).unwrap().command else {
            panic!("it is no placement")
        };
        assert_eq!((placement.0.target, placement.0.reference), (Target::Stock(StockId(1)), "1001"));
        assert_eq!(placement.0.ttl_ms, Some(900_000));
        peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Ok, 77, 5))]).await;
    });
    let placed = placed.unwrap().done().unwrap();
    assert_eq!((placed.is_repeated, placed.reserved.deadline.map(|deadline| deadline.0)), (false, Some(77)));
    let (again, ()) = tokio::join!(client.place_order(&cart), async {
        let sent = peer.next().await;
        peer.outcomes(sent.header.request, &[(0, Outcome::new(Code::Ok, 1, 6))]).await;
    });
    let again = again.unwrap().done().unwrap();
    assert_eq!((again.is_repeated, again.reserved.deadline), (true, None));
    let placement = ReservationId(CommandId::from_parts(5, 6));
    let (failed, ()) = tokio::join!(client.order_place_failed("1001", placement), async {
        let sent = peer.next().await;
        check(&sent, &Command::PlaceFailed(PlaceFailed { order: "1001".to_owned(), placement }));
        peer.answer_all(&sent, Code::UnknownReservation).await;
    });
    assert!(!failed.unwrap().is_done());
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_whether_the_document_was_known() {
    // Proves that names are resolved, and every field of an answer.
    let (client, mut peer) = open().await;
    let units_ = OrderUnits::new().document("S-1").line("BIKE", 1);
    let (answer, ()) = tokio::join!(client.ship_order("1001", "east", &units_), async {
        let asked = peer.next().await;
        assert_eq!(asked.names(), [Name::Sku("BIKE".to_owned()), Name::Source("east".to_owned())]);
        peer.numbers(&asked, &[Some(7), Some(3)]).await;
        let sent = peer.next().await;
        let expected =
            OrderEvent { source: Some(SourceId(3)), ..event(OrderAction::Ship, "S-1", vec![line(1)]) };
        check(&sent, &Command::OrderEvent(Box::new(expected)));
        let outcome = Outcome::new(Code::Partial, 1, 5).with(Detail::Shortfall(units(4)));
        peer.write(&outcome_frame(sent.header.request, &[(0, outcome)])).await;
    });
    let Ok(Answer::Done(OrderChanged { is_repeated, is_partial, shortfall, .. })) = answer else {
        panic!("it was not done: {answer:?}")
    };
    assert_eq!((is_repeated, is_partial, shortfall), (true, true, units(4)));
}
