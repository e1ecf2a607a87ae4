//! What the generated carts are about: SKUs with plenty of stock at one source behind one stock, made if they are not there yet.

use crate::desk::Desk;
use anyhow::anyhow;
use stockhold_client::units_of;
use stockhold_protocol::command::{
    Adjust, Command, LinkDefinition, SkuDefinition, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::{Answer, CELL_NOT_ASSIGNED, CELL_UNLIMITED, Query, SkuView};
use stockhold_protocol::{Line, Outcome, Quantity, SkuId, SourceId, StockId};

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

/// A position as an index.
pub(crate) fn index_of(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl Catalogue {
    /// The SKU at a position.
    pub(crate) fn sku(&self, at: u32) -> SkuId {
        self.skus.get(index_of(at)).copied().unwrap_or_default()
    }

    /// What was salable at a position before the load.
    pub(crate) fn salable_of(&self, at: u32) -> i64 {
        self.salable.get(index_of(at)).copied().unwrap_or_default()
    }

    /// The position of the n-th line of a cart that begins at `first`: its lines lie evenly spread behind that.
    pub(crate) fn position(&self, first: u32, line: u32, lines: u32) -> u32 {
        // Catalogues are far smaller than half of what 32 bits hold.
        let count = u32::try_from(self.skus.len()).unwrap_or(u32::MAX).max(1);
        (first + line * (count / lines)) % count
    }

    /// The lines of that cart, one unit each.
    pub(crate) fn lines_of(&self, first: u32, lines: u32, cart: &mut Vec<Line>) {
        cart.clear();
        let line = |line| Line::new(self.sku(self.position(first, line, lines)), units_of(1));
        cart.extend((0..lines).map(line));
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_cart_name_different_skus() {
        // Proves that three lines of any cart are three SKUs of the catalogue, even of the smallest.
        for count in [3, 4, 5, 1_000, 1_001] {
            let catalogue = Catalogue::imaginary(count);
            let mut cart = Vec::new();
            for first in 0..count {
                catalogue.lines_of(first, 3, &mut cart);
                let mut skus: Vec<SkuId> = cart.iter().map(|line| line.sku).collect();
                assert_eq!(skus.first(), Some(&SkuId(first)));
                skus.sort_unstable();
                skus.dedup();
                assert!(skus.len() == 3 && skus.iter().all(|sku| sku.0 < count), "{first} of {count}");
            }
        }
    }
}
