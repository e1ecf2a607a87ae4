//! An order is cancelled: a part of it first, then the rest. A repeated request gets the same answer.
//!
//! `cargo run -p stockhold-client --example cancel -- [SKU] [STOCK]`

use std::error::Error;
use std::io::{Write, stdout};
use stockhold_client::{Cart, Client, line};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let stock = arguments.next().unwrap_or_else(|| "web-us".to_owned());
    let address = stockhold_client::server_address();
    let client = Client::builder().name("example-cancel").connect(address).await?;
    let mut out = stdout().lock();

    // Without a TTL the order is confirmed from the start. The id is stored first: a caller that crashes now can come
    // back with `client.retry(id)` and learn the outcome.
    let id = client.new_id();
    let cart = Cart::from_stock(&stock).line(&sku, 2).reference("order-100042");
    let order = client.first_try(id).reserve(&cart).await?.into_result()?;
    let again = client.retry(id).reserve(&cart).await?.into_result()?;
    writeln!(out, "order {} (replayed: {})", order.reservation, again.outcome.replayed)?;

    client.release_lines(order.reservation, &[line(&sku, 1)]).await?.into_result()?;
    writeln!(out, "one unit is given back")?;
    client.release(order.reservation).await?.into_result()?;
    writeln!(out, "the rest is given back")?;

    if let Err(refusal) = client.release(order.reservation).await?.into_result() {
        writeln!(out, "once more: {refusal}")?;
    }
    Ok(())
}
