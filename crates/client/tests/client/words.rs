//! The words of errors: they name the field, the SKU and the limit.

use super::fake::{Peer, network};
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{Code, Detail, Outcome, Quantity, SkuId, StockId};
use stockhold_client::{CallError, Cart, Client, NotDone, RetryPolicy};

/// A client of a peer that knows the stock `web` as 1, `HELM` as 4 and `BIKE` as 5.
async fn open() -> (Client, Peer) {
    let (dialer, mut accept) = network();
    let builder = Client::builder().connections(1).retry(RetryPolicy::never());
    let (client, mut peer) = tokio::join!(builder.connect_with(dialer), Peer::accept(&mut accept, 1));
    let client = client.unwrap();
    let names = [Name::Stock("web".into()), Name::Sku("HELM".into()), Name::Sku("BIKE".into())];
    let resolve = client.resolve(&names);
    let (resolved, ()) = tokio::join!(resolve, async {
        let asked = peer.next().await;
        peer.numbers(&asked, &[Some(1), Some(4), Some(5)]).await;
    });
    resolved.unwrap();
    (client, peer)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_its_sku_as_the_caller_did() {
    // Proves that a name is told by name and a number by number, for every detail with a SKU.
    let (client, mut peer) = open().await;
    let quantity = |units: i64| Quantity::units(units).unwrap();
    let by_name = Cart::from_stock("web").line("HELM", 1).line("BIKE", 9);
    let by_number = Cart::from_stock(StockId(1)).line(SkuId(5), 9);
    let details = [
        (Detail::Available { sku: SkuId(5), available: quantity(3) }, "3 of SKU {} could still be promised."),
        (
            Detail::Bound { sku: SkuId(5), bound: quantity(2), value: quantity(9) },
            "SKU {}: the bound is 2, requested was 9.",
        ),
        (Detail::Sku(SkuId(5)), "SKU {}."),
    ];
    for (detail, words) in details {
        for (cart, shown) in [(&by_name, "\"BIKE\""), (&by_number, "5")] {
            let (answer, ()) = tokio::join!(client.reserve(cart), async {
                let sent = peer.next().await;
                let outcome = Outcome { detail: detail.clone(), ..Outcome::new(Code::SoldOut, 1, 9) };
                peer.outcomes(sent.header.request, &[(0, outcome)]).await;
            });
            let refusal = answer.unwrap().into_result().unwrap_err();
            assert!(refusal.to_string().ends_with(&words.replace("{}", shown)), "{refusal}");
            assert_eq!(refusal.sku_name.as_deref(), (shown == "\"BIKE\"").then_some("BIKE"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_is_named_with_its_limit() {
    // Proves the words of bad fields, bad lines, unknown names and requests that are too large.
    let (client, mut peer) = open().await;
    let words = |error: CallError| error.to_string();
    let none = client.reserve(&Cart::from_stock("web").line("HELM", 1).line("BIKE", 0)).await.unwrap_err();
    assert_eq!(
        words(none),
        "SKU \"BIKE\": the quantity 0 must be between 0.0001 and 100,000,000 units; nothing was sent"
    );
    let long = "r".repeat(33);
    let reference = Cart::from_stock("web").line("BIKE", 1).reference(&long);
    let error = words(client.reserve(&reference).await.unwrap_err());
    assert!(error.contains("reference") && error.contains("at most 32 bytes; nothing was sent"), "{error}");
    let error = words(client.reserve(&Cart::from_stock("web")).await.unwrap_err());
    assert!(error.starts_with("lines"), "{error}");

    let unknown = Cart::from_channel("website", "us").line("BIKE", 1);
    let (error, ()) = tokio::join!(client.reserve(&unknown), async {
        let asked = peer.next().await;
        peer.numbers(&asked, &[None]).await;
    });
    assert_eq!(words(error.unwrap_err()), "the server does not know the channel \"website/us\"");

    let pairs = vec![(SkuId(1).into(), StockId(1).into()); 8_193];
    let error = client.check_many(&pairs).await.unwrap_err();
    assert!(matches!(error, CallError::NotAnswered(NotDone::TooLarge(_))));
    assert_eq!(
        words(error),
        "the query was not answered: the request has 8193 checks, and a frame takes 1 to 8192"
    );
}
