//! The catalog of the generated carts: SKUs at one source behind one stock. If a scenario needs it, there are also
//! shops with stocks of their own, whose goods the first stock sells too. Whatever is missing is created.

use crate::control_connection::ControlConnection;
use anyhow::anyhow;
use stockhold_client::units_of;
use stockhold_protocol::command::{
    Adjust, Command, LinkDefinition, SkuDefinition, SourceDefinition, StockDefinition,
};
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED, Query, QueryAnswer, SkuView};
use stockhold_protocol::{CommandId, Line, Outcome, Quantity, SkuId, SourceId, StockId};

const SOURCE: &str = "load-warehouse";
const STOCK: &str = "load-web";
const SHOP: &str = "load-shop";

/// SKUs that stocks sell.
#[derive(Clone, Debug)]
pub(crate) struct TestCatalog {
    /// The stock that sells the goods of all sources.
    pub(crate) stock: StockId,
    /// Stocks that each sell only the goods of one shop.
    pub(crate) shops: Vec<StockId>,
    pub(crate) skus: Vec<SkuId>,
    /// What was salable of each SKU in the first stock before the load, in ten-thousandths.
    pub(crate) salable: Vec<i64>,
}

/// A position as an index.
pub(crate) fn index_of(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl TestCatalog {
    /// The SKU at a position.
    pub(crate) fn sku(&self, at: u32) -> SkuId {
        self.skus.get(index_of(at)).copied().unwrap_or_default()
    }

    /// The stock that a cart with this id buys from. All stocks get equally many carts.
    pub(crate) fn stock_for(&self, id: CommandId) -> StockId {
        let Ok(shops) = u32::try_from(self.shops.len()) else { return self.stock };
        if shops == 0 {
            return self.stock;
        }
        let [.., a, b, c, d] = id.to_bytes();
        let drawn = u32::from_le_bytes([a, b, c, d]) % (shops + 1);
        self.shops.get(index_of(drawn)).copied().unwrap_or(self.stock)
    }

    /// What was salable of a SKU before the load.
    pub(crate) fn salable_of(&self, at: u32) -> i64 {
        self.salable.get(index_of(at)).copied().unwrap_or_default()
    }

    /// The position of the n-th line of a cart that begins at `first`. Lines are spread evenly after it.
    pub(crate) fn position(&self, first: u32, line: u32, lines: u32) -> u32 {
        // Catalogs are far smaller than half of the 32-bit range.
        let count = u32::try_from(self.skus.len()).unwrap_or(u32::MAX).max(1);
        (first + line * (count / lines)) % count
    }

    /// The lines of that cart, one unit each.
    pub(crate) fn lines_of(&self, first: u32, lines: u32, cart: &mut Vec<Line>) {
        cart.clear();
        let line = |line| Line::new(self.sku(self.position(first, line, lines)), units_of(1));
        cart.extend((0..lines).map(line));
    }

    /// SKUs that are not defined anywhere, for servers that ignore them.
    pub(crate) fn imaginary(count: u32) -> Self {
        let skus = (0..count).map(SkuId).collect();
        Self { stock: StockId(0), shops: Vec::new(), skus, salable: Vec::new() }
    }

    /// Creates what is missing and fills every SKU up to `units` in the warehouse and in each shop.
    pub(crate) fn prepare(
        control: &mut ControlConnection,
        count: u32,
        units: Quantity,
        shops: u32,
    ) -> Result<Self, anyhow::Error> {
        let (source, stock) = define_place(control, SOURCE, STOCK)?;
        let mut sells = vec![(source, stock)];
        let mut own = Vec::new();
        for number in 1..=shops {
            let name = format!("{SHOP}-{number:03}");
            let (source, shop) = define_place(control, &name, &name)?;
            sells.extend([(source, shop), (source, stock)]);
            own.push((source, shop));
        }
        let link = |(source, stock)| Command::Link(LinkDefinition { stock, source, priority: 1 });
        done(&control.commands(sells.into_iter().map(link))?)?;
        let skus = define_skus(control, "LOAD", count)?;
        for place in &own {
            fill(control, *place, &skus, units)?;
        }
        let all = i64::from(shops).saturating_add(1).saturating_mul(units.raw());
        fill(control, (source, stock), &skus, Quantity::from_raw(all)?)?;
        let salable = control.cells(stock, &skus, 0)?;
        if salable.iter().any(|cell| *cell != all) {
            return Err(anyhow!(
                "another client changes the SKUs of this test, or their settings were changed"
            ));
        }
        Ok(Self { stock, shops: own.into_iter().map(|(_, shop)| shop).collect(), skus, salable })
    }
}

/// Creates a source and a stock, or finds them.
fn define_place(
    control: &mut ControlConnection,
    source: &str,
    stock: &str,
) -> Result<(SourceId, StockId), anyhow::Error> {
    let definition = SourceDefinition {
        code: source.to_owned(),
        name: source.to_owned(),
        enabled: true,
        country: "US".to_owned(),
        postcode: "10001".to_owned(),
        ..SourceDefinition::default()
    };
    let stock = StockDefinition { name: stock.to_owned() };
    let places = [Command::DefineSource(Box::new(definition)), Command::DefineStock(stock)];
    match done(&control.commands(places)?)?.as_slice() {
        [source, stock] => Ok((SourceId(*source), StockId(*stock))),
        _ => Err(anyhow!("the number of answers differs from the number of commands")),
    }
}

/// Creates SKUs with this prefix, or finds them.
pub(crate) fn define_skus(
    control: &mut ControlConnection,
    prefix: &str,
    count: u32,
) -> Result<Vec<SkuId>, anyhow::Error> {
    let definitions = (1..=count).map(|number| {
        Command::DefineSku(SkuDefinition { sku: format!("{prefix}-{number:07}"), ..SkuDefinition::default() })
    });
    Ok(done(&control.commands(definitions)?)?.into_iter().map(SkuId).collect())
}

/// Brings every SKU to `units` salable.
fn fill(
    control: &mut ControlConnection,
    (source, stock): (SourceId, StockId),
    skus: &[SkuId],
    units: Quantity,
) -> Result<(), anyhow::Error> {
    let cells = control.cells(stock, skus, 0)?;
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
    done(&control.commands(missing)?)?;
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

/// The server's view of a SKU.
pub(crate) fn view(control: &mut ControlConnection, sku: SkuId) -> Result<SkuView, anyhow::Error> {
    let answer = control.query(&Query::Sku(sku))?;
    let QueryAnswer::Sku(Some(view)) = answer else {
        return Err(anyhow!("the server answered {answer:?} to a query for SKU {sku}"));
    };
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_stocks_are_bought_from_and_a_cart_always_from_the_same() {
        // Proves the distribution: about as many carts for each of four stocks, and only the first stock without
        // shops.
        let shops = [1, 2, 3].map(StockId).to_vec();
        let shared = TestCatalog { shops, ..TestCatalog::imaginary(1) };
        let mut counts = [0_u32; 4];
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..4_000 {
            let id = CommandId::from_parts(1, random.u128(..));
            counts[usize::try_from(shared.stock_for(id).0).unwrap()] += 1;
            assert_eq!(shared.stock_for(id), shared.stock_for(id));
            assert_eq!(TestCatalog::imaginary(1).stock_for(id), StockId(0));
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_lines_of_a_cart_name_different_skus() {
        // Proves that three lines of any cart are three SKUs of the catalog, even of the smallest.
        for count in [3, 4, 5, 1_000, 1_001] {
            let catalog = TestCatalog::imaginary(count);
            let mut cart = Vec::new();
            for first in 0..count {
                catalog.lines_of(first, 3, &mut cart);
                let mut skus: Vec<SkuId> = cart.iter().map(|line| line.sku).collect();
                assert_eq!(skus.first(), Some(&SkuId(first)));
                skus.sort_unstable();
                skus.dedup();
                assert!(skus.len() == 3 && skus.iter().all(|sku| sku.0 < count), "{first} of {count}");
            }
        }
    }
}
