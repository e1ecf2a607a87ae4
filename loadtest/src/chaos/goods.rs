//! The catalog of the chaos scenario: few SKUs with few units, in stocks that share sources, so that most answers
//! concern the last units. There are two departments: one whose stocks overlap without being nested, and one with a
//! web shop over shops that also sell for themselves.

use crate::control_connection::ControlConnection;
use crate::test_catalog::{define_skus, done};
use anyhow::anyhow;
use fastrand::Rng;
use stockhold_client::units_of;
use stockhold_protocol::command::{
    BackorderMode, Change, Command, Configure, Count, LinkDefinition, SettingScope, SettingsChange,
    SourceDefinition, StockDefinition,
};
use stockhold_protocol::{Quantity, SkuId, SourceId, StockId};

/// SKUs of one department.
const SKUS: usize = 12;
/// Minimum and maximum units of a SKU at a source.
const UNITS: (u32, u32) = (2, 15);
/// The allowance of one SKU in one stock.
const ALLOWANCE_UNITS: u32 = 3;
/// How long outcomes are kept. A long test must be able to repeat its first commands.
const ID_RETENTION_MS: u64 = 24 * 3_600_000;

/// The sources of one department, and its stocks with the indexes of their sources.
struct Plan {
    sources: &'static [&'static str],
    stocks: &'static [(&'static str, &'static [usize])],
}

const PLANS: [Plan; 2] = [
    Plan {
        sources: &["chaos-east", "chaos-west", "chaos-north"],
        stocks: &[("chaos-web", &[0, 1]), ("chaos-counter", &[0]), ("chaos-outlet", &[1, 2])],
    },
    Plan {
        sources: &["chaos-shop-1", "chaos-shop-2", "chaos-shop-3"],
        stocks: &[
            ("chaos-shops", &[0, 1, 2]),
            ("chaos-till-1", &[0]),
            ("chaos-till-2", &[1]),
            ("chaos-till-3", &[2]),
        ],
    },
];

/// Stocks and the SKUs that they sell.
#[derive(Clone, Debug)]
pub(crate) struct Department {
    pub(crate) stocks: Vec<StockId>,
    pub(crate) skus: Vec<SkuId>,
}

/// Everything on sale.
#[derive(Clone, Debug)]
pub(crate) struct Goods {
    pub(crate) departments: Vec<Department>,
}

impl Goods {
    /// Defines everything on an empty server.
    pub(crate) fn prepare(control: &mut ControlConnection, seed: u64) -> Result<Self, anyhow::Error> {
        let configure = Configure { id_retention_ms: Some(ID_RETENTION_MS), ..Configure::default() };
        done(&control.commands([Command::Configure(Box::new(configure))])?)?;
        let mut random = Rng::with_seed(seed);
        let mut departments = Vec::new();
        for (plan, prefix) in PLANS.iter().zip(["CHAOS-A", "CHAOS-B"]) {
            departments.push(prepare(control, plan, prefix, &mut random)?);
        }
        if let Some(first) = departments.first() {
            allow_backorders(control, first)?;
        }
        Ok(Self { departments })
    }

    pub(crate) fn skus(&self) -> Vec<SkuId> {
        self.departments.iter().flat_map(|department| department.skus.iter().copied()).collect()
    }

    pub(crate) fn stocks(&self) -> Vec<StockId> {
        self.departments.iter().flat_map(|department| department.stocks.iter().copied()).collect()
    }
}

fn prepare(
    control: &mut ControlConnection,
    plan: &Plan,
    prefix: &str,
    random: &mut Rng,
) -> Result<Department, anyhow::Error> {
    let sources = plan.sources.iter().map(|code| {
        Command::DefineSource(Box::new(SourceDefinition {
            code: (*code).to_owned(),
            name: (*code).to_owned(),
            enabled: true,
            country: "US".to_owned(),
            postcode: "10001".to_owned(),
            ..SourceDefinition::default()
        }))
    });
    let sources: Vec<SourceId> = done(&control.commands(sources)?)?.into_iter().map(SourceId).collect();
    let stocks = plan
        .stocks
        .iter()
        .map(|(name, _)| Command::DefineStock(StockDefinition { name: (*name).to_owned() }));
    let stocks: Vec<StockId> = done(&control.commands(stocks)?)?.into_iter().map(StockId).collect();
    if sources.len() != plan.sources.len() || stocks.len() != plan.stocks.len() {
        return Err(anyhow!("the number of answers differs from the number of commands"));
    }
    let links = stocks.iter().zip(plan.stocks).flat_map(|(stock, (_, places))| {
        let sources = &sources;
        (1..).zip(*places).map(move |(priority, place)| {
            Command::Link(LinkDefinition { stock: *stock, source: sources[*place], priority })
        })
    });
    done(&control.commands(links)?)?;
    let skus = define_skus(control, prefix, u32::try_from(SKUS)?)?;
    let mut counts = Vec::new();
    for sku in &skus {
        for source in &sources {
            counts.push(Command::Count(Count {
                source: *source,
                sku: *sku,
                quantity: units_of(random.u32(UNITS.0..=UNITS.1)),
                in_stock: Some(true),
                reason: "load test".to_owned(),
                reference: String::new(),
            }));
        }
    }
    done(&control.commands(counts)?)?;
    Ok(Department { stocks, skus })
}

/// Gives the first stock an allowance for the first SKU.
fn allow_backorders(control: &mut ControlConnection, department: &Department) -> Result<(), anyhow::Error> {
    let (Some(sku), Some(stock)) = (department.skus.first(), department.stocks.first()) else {
        return Ok(());
    };
    let below_zero = Quantity::ZERO.checked_sub(units_of(ALLOWANCE_UNITS)).unwrap_or_default();
    let settings = SettingsChange {
        backorders: Change::Set(BackorderMode::Allow),
        min_qty: Change::Set(below_zero),
        ..SettingsChange::at(SettingScope::SkuStock(*sku, *stock))
    };
    done(&control.commands([Command::Settings(Box::new(settings))])?)?;
    Ok(())
}
