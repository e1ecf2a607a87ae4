//! A short sale from a seed, with holds, confirms, releases and abandoned carts, and an audit from the client's own
//! ledger.
//!
//! `cargo run --release -p stockhold-workload --example sale -- [CARTS] [SEED]`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stdout};
use stockhold_client::protocol::command::{Command, Release};
use stockhold_client::protocol::query::Name;
use stockhold_client::protocol::{Envelope, Lines, ReservationId, SkuId, StockId};
use stockhold_client::{Client, CommandBatch};
use stockhold_workload::{
    AuditPlan, CartEnding, CartGenerator, CartMix, Ledger, Popularity, Step, audit, facts, hold_time_ms,
};

/// Carts in one batch.
const BATCH_CARTS: u64 = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let carts: u64 = arguments.next().unwrap_or_else(|| "20000".to_owned()).parse()?;
    let seed: u64 = arguments.next().unwrap_or_else(|| "1".to_owned()).parse()?;
    let address = stockhold_client::server_address();
    let client = Client::builder().name("example-sale").connect(address).await?;

    let mut source = CartGenerator::new(mix(&client).await?, seed);
    let facts = facts::read(&client, &source.mix().skus).await?;
    let mut ledger = Ledger::new(1_000_000);
    let mut sold = 0;
    while sold < carts {
        sold += sell(&client, &mut source, &mut ledger).await?;
    }
    audit::resolve_unknown(&client, &mut ledger).await?;
    let hold_time_ms = hold_time_ms(&client.status().await?).ok_or("the server does not report its time")?;
    let now_s = u32::try_from(hold_time_ms / 1_000)?.saturating_add(1);
    let audit = audit::run(&client, &ledger, &facts, AuditPlan::at(now_s)).await?;
    let sums: BTreeMap<_, _> = [("carts", sold), ("granted", ledger.tally().granted)].into();
    writeln!(stdout(), "{sums:?} {:?}\n{}", ledger.tally(), serde_json::to_string_pretty(&audit)?)?;
    if audit.is_clean() { Ok(()) } else { Err("the audit has findings".into()) }
}

/// Some bicycles in the US web shop and the New York shop, one of them hot.
async fn mix(client: &Client) -> Result<CartMix, Box<dyn Error>> {
    let mut names: Vec<Name> = (1..=20).map(|number| Name::Sku(format!("BIKE-{number:04}"))).collect();
    names.extend(["web-us", "pos-nyc"].map(|name| Name::Stock(name.to_owned())));
    let numbers: Option<Vec<u32>> = client.resolve(&names).await?.into_iter().collect();
    let mut numbers = numbers.ok_or("the server does not know the bicycle company; import it first")?;
    let stocks = numbers.split_off(20).into_iter().map(StockId).collect();
    Ok(CartMix {
        popularity: Popularity::Hot { hot: 1, hot_percent: 30 },
        lines_max: 3,
        units_max: 2,
        ttl_ms: Some(120_000),
        ..CartMix::plain(stocks, numbers.into_iter().map(SkuId).collect())
    })
}

/// Sends one batch of carts, and one batch with what their shoppers do next.
async fn sell(
    client: &Client,
    source: &mut CartGenerator,
    ledger: &mut Ledger,
) -> Result<u64, Box<dyn Error>> {
    let mut batch = CommandBatch::new();
    for _ in 0..BATCH_CARTS {
        if let Step::Cart { target, lines, ttl_ms } = source.next_step() {
            batch.push_reserve(client.new_id(), target, lines, ttl_ms)?;
        }
    }
    let granted = send(client, &mut batch, ledger).await?;
    let mut next = CommandBatch::new();
    for reservation in granted {
        let command = match source.next_ending() {
            CartEnding::Confirm => Command::Confirm(reservation),
            CartEnding::Release => Command::Release(Release { reservation, lines: Lines::NONE }),
            CartEnding::Abandon => continue,
        };
        next.push(&Envelope::fresh(client.new_id(), command))?;
    }
    if !next.is_empty() {
        send(client, &mut next, ledger).await?;
    }
    Ok(BATCH_CARTS)
}

/// Sends a batch, records every answer or unknown outcome, and returns what took effect.
async fn send(
    client: &Client,
    batch: &mut CommandBatch,
    ledger: &mut Ledger,
) -> Result<Vec<ReservationId>, Box<dyn Error>> {
    let mut done = Vec::new();
    match client.send_batch(batch).await {
        Ok(outcomes) => {
            for ((id, record), outcome) in batch.ids().zip(batch.records()).zip(outcomes.iter()) {
                ledger.note_record(record, outcome)?;
                if outcome.code.is_success() {
                    done.push(id.into());
                }
            }
        }
        Err(_) => batch.records().for_each(|record| ledger.note_unknown(record)),
    }
    Ok(done)
}
