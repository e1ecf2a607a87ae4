//! An order leaves the warehouse; one unit comes back.
//!
//! `cargo run -p stockhold-client --example ship -- [SKU] [CHANNEL TYPE] [CHANNEL CODE] [SOURCE]`

use std::error::Error;
use std::io::{Write, stdout};
use stockhold_client::{Answer, Cart, Client, RefundLine, line, units_of};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let channel_type = arguments.next().unwrap_or_else(|| "website".to_owned());
    let code = arguments.next().unwrap_or_else(|| "us".to_owned());
    let source = arguments.next().unwrap_or_else(|| "us-east".to_owned());
    let address = stockhold_client::server_address();
    let client = Client::builder().name("example-ship").connect(address).await?;
    let mut out = stdout().lock();

    let cart = Cart::from_channel(&channel_type, &code).line(&sku, 2).reference("order-100043");
    let order = client.reserve(&cart).await?.into_result()?;
    writeln!(out, "ordered as {}", order.reservation)?;

    match client.ship(order.reservation, &source, &[line(&sku, 2)]).await? {
        Answer::Done(shipped) => writeln!(out, "shipped from {source} at op {}", shipped.outcome.op)?,
        Answer::Refused(refusal) => {
            writeln!(out, "{refusal} These sources would do: {:?}", refusal.sources())?;
            client.release(order.reservation).await?.into_result()?;
            return Ok(());
        }
    }
    let back = RefundLine::Returned(sku.as_str().into(), units_of(1), source.as_str().into());
    client.refund(order.reservation, &[back]).await?.into_result()?;
    writeln!(out, "one unit came back to {source}")?;
    Ok(())
}
