//! The goods of a sale: two warehouses supply a web shop, and one of them also supplies a counter, so that two stocks
//! share goods. The first SKUs are hot and scarce.

use crate::control_connection::ControlConnection;
use crate::test_catalog::{define_skus, done, index_of, view};
use anyhow::anyhow;
use stockhold_client::units_of;
use stockhold_protocol::command::{Command, Count, LinkDefinition, SourceDefinition, StockDefinition};
use stockhold_protocol::query::SkuView;
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};
use stockhold_workload::{CartMix, Popularity};

const EAST: &str = "sale-east";
const WEST: &str = "sale-west";
const WEB: &str = "sale-web";
const COUNTER: &str = "sale-counter";

/// Units of an ordinary SKU in each warehouse.
const UNITS: u32 = 1_000_000;
/// The TTL of a hold: long enough to pay, short enough that abandoned holds expire during the sale.
const TTL_MS: u32 = 3_000;

/// The hot SKUs: the first ones of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hot {
    /// The number of hot SKUs.
    pub(crate) skus: u32,
    /// Units of each in each warehouse.
    pub(crate) units: u32,
    /// Their percentage of all lines.
    pub(crate) percent: u32,
}

/// The goods of a sale.
#[derive(Clone, Debug)]
pub(crate) struct Goods {
    pub(crate) web: StockId,
    pub(crate) counter: StockId,
    pub(crate) skus: Vec<SkuId>,
    hot: Hot,
}

impl Goods {
    /// Defines what is missing and restocks every SKU, whatever earlier sales have promised.
    pub(crate) fn prepare(
        control: &mut ControlConnection,
        count: u32,
        hot: Hot,
    ) -> Result<Self, anyhow::Error> {
        let sources = [EAST, WEST].map(|code| {
            Command::DefineSource(Box::new(SourceDefinition {
                code: code.to_owned(),
                name: code.to_owned(),
                enabled: true,
                country: "US".to_owned(),
                postcode: "10001".to_owned(),
                ..SourceDefinition::default()
            }))
        });
        let sources: Vec<SourceId> = done(&control.commands(sources)?)?.into_iter().map(SourceId).collect();
        let stocks =
            [WEB, COUNTER].map(|name| Command::DefineStock(StockDefinition { name: name.to_owned() }));
        let stocks: Vec<StockId> = done(&control.commands(stocks)?)?.into_iter().map(StockId).collect();
        let ([east, west], [web, counter]) = (pair(&sources)?, pair(&stocks)?);
        let links = [(web, east, 1), (web, west, 2), (counter, east, 1)];
        let links =
            links.map(|(stock, source, priority)| Command::Link(LinkDefinition { stock, source, priority }));
        done(&control.commands(links)?)?;
        let skus = define_skus(control, "SALE", count)?;
        stock_up(control, [east, west], &skus, hot)?;
        Ok(Self { web, counter, skus, hot })
    }

    /// The mix of all SKUs. `check_percent` of the shoppers only check.
    pub(crate) fn mix(&self, check_percent: u32) -> CartMix {
        let Hot { skus: hot, percent: hot_percent, .. } = self.hot;
        CartMix { popularity: Popularity::Hot { hot, hot_percent }, ..self.mix_of(&self.skus, check_percent) }
    }

    /// The mix before the hot SKUs are on sale.
    pub(crate) fn mix_without_hot(&self, check_percent: u32) -> CartMix {
        self.mix_of(self.skus.get(index_of(self.hot.skus)..).unwrap_or_default(), check_percent)
    }

    fn mix_of(&self, skus: &[SkuId], check_percent: u32) -> CartMix {
        // The web shop sells four carts for each cart at the counter.
        let stocks = vec![self.web, self.web, self.web, self.web, self.counter];
        CartMix { lines_max: 3, ttl_ms: Some(TTL_MS), check_percent, ..CartMix::plain(stocks, skus.to_vec()) }
    }
}

fn pair<T: Copy>(all: &[T]) -> Result<[T; 2], anyhow::Error> {
    <[T; 2]>::try_from(all).map_err(|_| anyhow!("the number of answers differs from the number of commands"))
}

/// Restocks each SKU at both warehouses: this many units beyond what is promised, which is kept in the east.
fn stock_up(
    control: &mut ControlConnection,
    [east, west]: [SourceId; 2],
    skus: &[SkuId],
    hot: Hot,
) -> Result<(), anyhow::Error> {
    let mut counts = Vec::with_capacity(skus.len() * 2);
    for (at, sku) in skus.iter().enumerate() {
        let units = units_of(if at < index_of(hot.skus) { hot.units } else { UNITS });
        let promised = promised(&view(control, *sku)?);
        let first = units.checked_add(promised).ok_or_else(|| anyhow!("SKU {sku} has too many promises"))?;
        for (source, quantity) in [(east, first), (west, units)] {
            let (reason, reference) = ("load test".to_owned(), String::new());
            counts.push(Command::Count(Count {
                source,
                sku: *sku,
                quantity,
                in_stock: Some(true),
                reason,
                reference,
            }));
        }
    }
    done(&control.commands(counts)?)?;
    Ok(())
}

fn promised(view: &SkuView) -> Quantity {
    let all = view.positions.iter().flat_map(|position| [position.confirmed, position.held]);
    all.fold(Quantity::ZERO, |sum, promised| sum.checked_add(promised).unwrap_or(Quantity::MAX))
}
