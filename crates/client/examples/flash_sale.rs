//! Many carts in few frames: the low-level interface, for the highest throughput.
//!
//! `cargo run --release -p stockhold-client --example flash_sale -- [SKU] [STOCK] [CARTS]`

use std::error::Error;
use std::io::{Write, stdout};
use stockhold_client::protocol::command::Target;
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{Code, Line, SkuId, StockId};
use stockhold_client::{CommandBatch, IdGenerator, PipelinedConnection, Reply, units_of};

/// Carts in one frame.
const FRAME_CARTS: u32 = 128;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let sku = arguments.next().unwrap_or_else(|| "BIKE-0001".to_owned());
    let stock = arguments.next().unwrap_or_else(|| "web-us".to_owned());
    let carts: u32 = arguments.next().unwrap_or_else(|| "10000".to_owned()).parse()?;
    let address = stockhold_client::server_address();
    let mut connection = PipelinedConnection::connect(address, "example-flash-sale").await?;

    connection.submit_resolve(&[Name::Sku(sku), Name::Stock(stock)])?;
    let mut numbers = Vec::new();
    while connection.in_flight() > 0 {
        connection.turn().await?;
        while let Some(reply) = connection.next_reply()? {
            if let Reply::Resolved { numbers: told, .. } = reply {
                numbers = told;
            }
        }
    }
    let &[Some(sku), Some(stock)] = numbers.as_slice() else { return Err("no such SKU or stock".into()) };
    let line = [Line::new(SkuId(sku), units_of(1))];
    let target = Target::Stock(StockId(stock));

    let (mut ids, mut batch) = (IdGenerator::new(), CommandBatch::new());
    let (mut left, mut granted, mut sold_out, mut other) = (carts, 0_u32, 0_u32, 0_u32);
    while left > 0 || connection.in_flight() > 0 {
        while left > 0 && connection.room() >= FRAME_CARTS.min(left) {
            batch.clear();
            for _ in 0..FRAME_CARTS.min(left) {
                batch.push_reserve(ids.next_id(), target, &line, Some(60_000))?;
            }
            left -= u32::from(batch.len());
            connection.submit(&batch)?;
        }
        connection.turn().await?;
        while let Some(reply) = connection.next_reply()? {
            if let Reply::Outcomes(frame) = reply {
                for entry in frame.iter() {
                    let (_, outcome) = entry?;
                    if outcome.code.is_success() {
                        granted += 1;
                    } else if outcome.code == Code::SoldOut {
                        sold_out += 1;
                    } else {
                        other += 1;
                    }
                }
            }
        }
    }
    writeln!(stdout(), "{granted} granted, {sold_out} sold out, {other} other answers")?;
    Ok(())
}
