//! What the generated carts are about: SKUs with plenty of stock at one source behind one stock, made if they are not there yet.

use crate::desk::Desk;
use anyhow::anyhow;
use stockhold_protocol::command::{
    Adjust, Command, LinkDefinition, SkuDefinition, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::{Answer, CELL_NOT_ASSIGNED, CELL_UNLIMITED, Query, SkuView};
use stockhold_protocol::{Outcome, Quantity, SkuId, SourceId, StockId};

const SOURCE: &str = "load-warehouse";
const STOCK: &str = "load-web";

/// SKUs that one stock sells.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    pub(crate) stock: StockId,
    pub(crate) skus: Vec<SkuId>,
    /// What was salable of each before the load, in ten-thousandths.
    pub(crate) salable: Vec<i64>,
}

impl Catalogue {
    /// SKUs that nobody has defined, for servers that do not look.
    pub(crate) fn imaginary(count: u32) -> Self {
        Self { stock: StockId(0), skus: (0..count).map(SkuId).collect(), salable: Vec::new() }
    }

    /// Defines what is missing and fills every SKU up to `units`.
    pub(crate) fn prepare(desk: &mut Desk, count: u32, units: Quantity) -> Result<Self, anyhow::Error> {
        let source = SourceDefinition {
            code: SOURCE.to_owned(),
            name: SOURCE.to_owned(),
            enabled: true,
            country: "US".to_owned(),
            postcode: "10001".to_owned(),
            ..SourceDefinition::default()
        };
        let stock = StockDefinition { name: STOCK.to_owned() };
        let places = [Command::DefineSource(Box::new(source)), Command::DefineStock(stock)];
        let numbers = done(&desk.commands(places)?)?;
        let (source, stock) = match numbers.as_slice() {
            [source, stock] => (SourceId(*source), StockId(*stock)),
            _ => return Err(anyhow!("the server answered another number of commands")),
        };
        let link = LinkDefinition { stock, source, priority: 1 };
        done(&desk.commands([Command::Link(link)])?)?;
        let skus = define_skus(desk, "LOAD", count)?;
        fill(desk, (source, stock), &skus, units)?;
        let salable = desk.cells(stock, &skus, 0)?;
        if salable.iter().any(|cell| *cell != units.raw()) {
            return Err(anyhow!(
                "somebody else changes the SKUs of this test, or their settings were changed"
            ));
        }
        Ok(Self { stock, skus, salable })
    }
}

/// Defines SKUs with this prefix, or finds them as they are.
pub(crate) fn define_skus(desk: &mut Desk, prefix: &str, count: u32) -> Result<Vec<SkuId>, anyhow::Error> {
    let definitions = (1..=count).map(|number| {
        Command::DefineSku(SkuDefinition { sku: format!("{prefix}-{number:07}"), ..SkuDefinition::default() })
    });
    Ok(done(&desk.commands(definitions)?)?.into_iter().map(SkuId).collect())
}

/// Brings every SKU to `units` salable.
fn fill(
    desk: &mut Desk,
    (source, stock): (SourceId, StockId),
    skus: &[SkuId],
    units: Quantity,
) -> Result<(), anyhow::Error> {
    let cells = desk.cells(stock, skus, 0)?;
    if cells.contains(&CELL_UNLIMITED) {
        return Err(anyhow!("the SKUs of this test are sold without limit on this server"));
    }
    let missing = skus.iter().zip(cells).filter_map(|(sku, cell)| {
        let there = if cell == CELL_NOT_ASSIGNED { 0 } else { cell };
        let delta = Quantity::from_raw(units.raw().saturating_sub(there))
            .ok()
            .filter(|delta| *delta != Quantity::ZERO)?;
        let (reason, reference) = ("load test".to_owned(), String::new());
        Some(Command::Adjust(Adjust { source, sku: *sku, delta, reason, reference }))
    });
    done(&desk.commands(missing)?)?;
    Ok(())
}

/// The values of outcomes, all of which must be successes.
pub(crate) fn done(outcomes: &[Outcome]) -> Result<Vec<u32>, anyhow::Error> {
    let value = |outcome: &Outcome| {
        if outcome.code.is_success() {
            Ok(outcome.value)
        } else {
            Err(anyhow!(
                "the server refused to set up the test: {} ({:?})",
                outcome.code.name(),
                outcome.detail
            ))
        }
    };
    outcomes.iter().map(value).collect()
}

/// What the server says of a SKU.
pub(crate) fn view(desk: &mut Desk, sku: SkuId) -> Result<SkuView, anyhow::Error> {
    let answer = desk.query(&Query::Sku(sku))?;
    let Answer::Sku(Some(view)) = answer else {
        return Err(anyhow!("the server answered {answer:?} to a question for SKU {sku}"));
    };
    Ok(view)
}
