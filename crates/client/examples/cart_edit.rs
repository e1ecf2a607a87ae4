//! A shopper edits a cart: one replace reserves or releases only the difference, in one step.
//!
//! `cargo run -p stockhold-client --example cart_edit -- [SKU] [OTHER SKU] [STOCK]`

use std::error::Error;
use std::io::{Write, stdout};
use std::time::Duration;
use stockhold_client::{Answer, Cart, Client};

const HOLD: Duration = Duration::from_mins(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let other = arguments.next().unwrap_or_else(|| "BIKE-0002".to_owned());
    let stock = arguments.next().unwrap_or_else(|| "web-us".to_owned());
    let address = stockhold_client::server_address();
    let client = Client::builder().name("example-cart-edit").connect(address).await?;
    let mut out = stdout().lock();

    let owner = 4_711;
    let cart = Cart::from_stock(&stock).line(&sku, 2).hold_for(HOLD).owner(owner);
    let first = client.reserve(&cart).await?.into_result()?;
    writeln!(out, "two of {sku} are held as {}", first.reservation)?;

    // One unit fewer of the first SKU, and one of another: the command names the whole new cart, not the difference.
    let cart = Cart::from_stock(&stock).line(&sku, 1).line(&other, 1).hold_for(HOLD).owner(owner);
    let second = match client.replace(first.reservation, &cart).await? {
        Answer::Done(second) => second,
        Answer::Refused(refusal) => {
            writeln!(out, "{refusal} The old hold is untouched.")?;
            client.release(first.reservation).await?.into_result()?;
            return Ok(());
        }
    };
    writeln!(out, "replaced by {}", second.reservation)?;

    let view = client.reservation(second.reservation).await?;
    for line in view.iter().flat_map(|view| &view.lines) {
        writeln!(out, "  SKU {} open {}", line.sku, line.open)?;
    }
    client.release(second.reservation).await?.into_result()?;
    writeln!(out, "released")?;
    Ok(())
}
