//! Signed rows: what the call sends, and what its answer says.

use crate::fake::{Peer, network};
use stockhold_client::protocol::command::{AppendReservations, SignedRow};
use stockhold_client::protocol::event::EventKind;
use stockhold_client::protocol::{Code, Command, Envelope, Quantity, SkuId, StockId};
use stockhold_client::{Client, ReservationRow};

#[tokio::test(start_paused = true)]
async fn rows_are_sent_in_one_command() {
    // Proves order, event, stock, SKU and sign of every row.
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1);
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap();
    let row = |order, event, units| ReservationRow {
        order,
        event,
        stock: StockId(1).into(),
        sku: SkuId(7).into(),
        quantity: Quantity::units(units).unwrap(),
    };
    let rows = [row("1001", EventKind::OrderPlaced, -2), row("", EventKind::ManualCompensation, 1)];
    let (answer, ()) = tokio::join!(client.append_reservations(&rows), async {
        let sent = peer.next().await;
        let (_, _, record) = sent.commands().remove(0);
        let signed = |order: &str, event, units| SignedRow {
            order: order.to_owned(),
            event,
            stock: StockId(1),
            sku: SkuId(7),
            quantity: Quantity::units(units).unwrap(),
        };
        let rows =
            vec![signed("1001", EventKind::OrderPlaced, -2), signed("", EventKind::ManualCompensation, 1)];
        let expected = Command::AppendReservations(AppendReservations { rows });
        assert_eq!(Envelope::decode(&record).unwrap().command, expected);
        peer.answer_all(&sent, Code::Ok).await;
    });
    assert!(answer.unwrap().is_done());
}
