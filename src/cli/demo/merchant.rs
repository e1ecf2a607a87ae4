//! The merchant of the demo: imports the bicycle company and the delivery before the sale.

use super::super::automatic_mark::AutomaticMark;
use super::super::bulk::Bulk;
use super::super::context::Context;
use super::super::exit::{Exit, Failure};
use super::super::import_options::{Behavior, Options};
use super::super::output::{Output, table};
use super::super::salable::cell_text;
use super::super::server_connection::ServerConnection;
use super::super::tries::Timeout;
use super::super::{import_catalog, import_rows};
use crate::catalog::{CatalogFile, Format};
use std::path::Path;
use std::time::{Duration, Instant};
use stockhold_protocol::command::Adjust;
use stockhold_protocol::{Command, Quantity, SkuId, StockId};
use stockhold_workload::{CartMix, Popularity};

/// The sample data, compiled into the program, so that the demo runs anywhere.
const CATALOG: &str = include_str!("../../../examples/bicycles/catalog.toml");
const ROWS: &str = include_str!("../../../examples/bicycles/stock.csv");

/// The SKUs of the sale: scarce and in demand.
const SCARCE: [&str; 4] = ["BIKE-0001", "BIKE-0002", "BIKE-0003", "BIKE-0004"];
/// The number of other SKUs. A delivery ensures that they last.
const PLENTIFUL: u32 = 60;
/// The percentage of carts that contain a scarce SKU.
const SCARCE_PERCENT: u32 = 30;
/// The quantity of each plentiful SKU that is delivered to each warehouse and to each shop.
const DELIVERED_WAREHOUSE: i64 = 2_000_000;
const DELIVERED_SHOP: i64 = 400_000;
const WAREHOUSES: [&str; 4] = ["us-east", "us-west", "eu-central", "eu-north"];
const SHOPS: [&str; 6] = ["shop-nyc", "shop-sfo", "shop-chi", "shop-ams", "shop-ber", "shop-par"];
/// The stocks that are sold from. Each shares sources with another one.
const STOCKS: [&str; 9] =
    ["web-us", "web-eu", "pos-nyc", "pos-sfo", "pos-chi", "pos-ams", "pos-ber", "pos-par", "marketplace"];
/// How long a cart is held while the shopper pays.
const HOLD_MS: u32 = 15 * 60 * 1_000;

/// The merchant with its imported data.
pub(super) struct Merchant {
    stocks: Vec<StockId>,
    /// All SKUs, the scarce ones first.
    pub(super) skus: Vec<SkuId>,
    imported: String,
    took: Duration,
}

/// Imports the bicycle company and its delivery.
pub(super) fn open(output: Output, address: &str, timeout: Timeout) -> Result<Merchant, Failure> {
    let begun = Instant::now();
    let mut server = ServerConnection::open(address, timeout, output)?;
    let name = Path::new("catalog.toml");
    let catalog = CatalogFile::parse(name, Format::Toml, CATALOG.to_owned())
        .map_err(|error| Failure::new(Exit::BadData, error))?;
    let tally = import_catalog::import(&mut server, output, &catalog, &mut AutomaticMark::none())?;
    succeed(tally.exit(), || tally.text(name))?;
    let name = Path::new("stock.csv");
    let bytes = u64::try_from(ROWS.len()).unwrap_or(u64::MAX);
    let options = Options {
        behavior: Behavior::Append,
        create_skus: true,
        strict: false,
        reason: "demo",
        mark: &mut AutomaticMark::none(),
        dry: None,
    };
    let rows = import_rows::import(&mut server, output, (name, ROWS.as_bytes(), bytes), 0, options)?;
    succeed(rows.exit(), || rows.text(name))?;

    let mut skus = SCARCE.iter().map(|sku| server.sku(sku)).collect::<Result<Vec<_>, _>>()?;
    let plentiful: Vec<SkuId> =
        (1..=PLENTIFUL).map(|number| server.sku(&format!("TIRE-{number:04}"))).collect::<Result<_, _>>()?;
    deliver(&mut server, &plentiful)?;
    skus.extend(plentiful);
    let stocks = STOCKS.iter().map(|stock| server.stock(stock)).collect::<Result<_, _>>()?;
    let imported = format!(
        "{} sources, {} stocks, {} source items",
        WAREHOUSES.len() + SHOPS.len() + 1,
        STOCKS.len() + 1,
        rows.rows
    );
    Ok(Merchant { stocks, skus, imported, took: begun.elapsed() })
}

fn succeed(exit: Exit, text: impl FnOnce() -> String) -> Result<(), Failure> {
    if exit == Exit::Ok { Ok(()) } else { Err(Failure { exit, error: anyhow::anyhow!(text()) }) }
}

fn deliver(server: &mut ServerConnection, skus: &[SkuId]) -> Result<(), Failure> {
    let mut bulk = Bulk::new();
    let warehouses = WAREHOUSES.iter().map(|code| (code, DELIVERED_WAREHOUSE));
    for (code, units) in warehouses.chain(SHOPS.iter().map(|code| (code, DELIVERED_SHOP))) {
        let source = server.source(code)?;
        let delta = Quantity::units(units).unwrap_or(Quantity::MAX);
        for sku in skus {
            let (reason, reference) = ("the season's delivery".to_owned(), String::new());
            let adjust = Adjust { source, sku: *sku, delta, reason, reference };
            bulk.push(server, u64::from(sku.0), Command::Adjust(adjust))?;
        }
    }
    bulk.drain(server)?;
    let refused = bulk.take_answers().into_iter().find(|(_, outcome)| !outcome.code.is_success());
    match refused {
        None => Ok(()),
        Some((sku, outcome)) => {
            let error = anyhow::anyhow!("the delivery of SKU {sku} was refused: {}", outcome.code.sentence());
            Err(Failure { exit: Exit::Refused, error })
        }
    }
}

impl Merchant {
    /// A summary of the import.
    pub(super) fn sentence(&self) -> String {
        let ms = super::super::times::milliseconds(self.took);
        format!("The bicycle company is open: {} (imported in {ms} ms).", self.imported)
    }

    /// The mix of carts of the shoppers.
    pub(super) fn mix(&self) -> CartMix {
        let scarce = u32::try_from(SCARCE.len()).unwrap_or(u32::MAX);
        CartMix {
            popularity: Popularity::Hot { hot: scarce, hot_percent: SCARCE_PERCENT },
            ttl_ms: Some(HOLD_MS),
            ..CartMix::plain(self.stocks.clone(), self.skus.clone())
        }
    }
}

/// The remaining quantity of the scarce SKUs, as text.
pub(super) fn left(context: Context<'_>, address: &str) -> Result<String, Failure> {
    let shown = ["web-us", "pos-nyc", "web-eu", "pos-ber", "marketplace"];
    let mut server = ServerConnection::open(address, context.timeout, context.output)?;
    let stocks = shown.iter().map(|stock| server.stock(stock)).collect::<Result<Vec<_>, _>>()?;
    let head = ["still salable"].into_iter().chain(shown).map(str::to_owned).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    for name in SCARCE {
        let sku = server.sku(name)?;
        let pairs: Vec<(SkuId, StockId)> = stocks.iter().map(|stock| (sku, *stock)).collect();
        let (_, cells) = server.check(&pairs, 0)?;
        rows.push([name.to_owned()].into_iter().chain(cells.into_iter().map(cell_text)).collect());
    }
    Ok(table(&rows))
}
