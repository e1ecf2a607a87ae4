//! A checkout: hold a cart, take the payment, confirm the order.
//!
//! `cargo run -p stockhold-client --example checkout -- [SKU] [STOCK]`

use std::error::Error;
use std::io::{Write, stdout};
use std::time::{Duration, SystemTime};
use stockhold_client::{Answer, Cart, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let stock = arguments.next().unwrap_or_else(|| "web-us".to_owned());
    let address = stockhold_client::server_address();
    let client = Client::builder().name("example-checkout").connect(address).await?;
    let mut out = stdout().lock();

    writeln!(out, "before: {:?}", client.check(&sku, &stock).await?)?;
    let cart = Cart::from_stock(&stock).line(&sku, 1).hold_for(Duration::from_mins(15)).owner(4_711);
    let reserved = match client.reserve(&cart).await? {
        Answer::Done(reserved) => reserved,
        Answer::Refused(refusal) => {
            // A refusal is data: a shop would offer what is available.
            writeln!(out, "{refusal} left: {:?}", refusal.available())?;
            return Ok(());
        }
    };
    if let Some(deadline) = reserved.deadline {
        let left =
            client.server_clock().shown(deadline).duration_since(SystemTime::now()).unwrap_or_default();
        writeln!(out, "held as {} for {} s", reserved.reservation, left.as_secs())?;
    }

    // Here the shopper pays. A payment that fails would end in `client.release(reserved.reservation)`.
    let confirmed = client.confirm(reserved.reservation).await?.into_result()?;
    writeln!(out, "confirmed at op {}{}", confirmed.outcome.op, if confirmed.late { ", late" } else { "" })?;

    // The confirm's op makes sure that the check sees it, over any connection.
    let after = client.not_before(confirmed.outcome.op).check(&sku, &stock).await?;
    writeln!(out, "after: {after:?}")?;
    Ok(())
}
