//! A sale over the counter, without async: reserve, confirm and ship in one step.
//!
//! `cargo run -p stockhold-client --example point_of_sale -- [SKU] [STOCK] [SOURCE]`

use std::error::Error;
use std::io::{Write, stdout};
use stockhold_client::blocking::Client;
use stockhold_client::{Answer, Cart};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let stock = arguments.next().unwrap_or_else(|| "pos-nyc".to_owned());
    let source = arguments.next().unwrap_or_else(|| "shop-nyc".to_owned());
    let address = stockhold_client::server_address();
    let client = Client::connect(address)?;
    let mut out = stdout().lock();

    let cart = Cart::from_stock(&stock).line(&sku, 1).reference("receipt-17");
    match client.sell(&cart, &source)? {
        Answer::Done(sold) => writeln!(out, "sold as {} at op {}", sold.reservation, sold.outcome.op)?,
        Answer::Refused(refusal) => {
            writeln!(out, "{refusal} left: {:?}", refusal.available())?;
            // The goods have already left the counter: record the fact, and report the shortfall.
            let sold = client.sell_forced(&cart, &source)?.into_result()?;
            writeln!(out, "sold all the same; {} units are promised and missing now", sold.shortfall)?;
        }
    }
    Ok(())
}
