//! `salable`: shows what can still be promised, from the published cells.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::stocks;
use super::output::table;
use super::quantity::positive;
use clap::Args;
use serde_json::json;
use stockhold_protocol::query::{CELL_NOT_ASSIGNED, CELL_UNLIMITED};
use stockhold_protocol::{Quantity, StockId};

/// `salable`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold salable BIKE-0001
  stockhold salable BIKE-0001 HELM-0001 --stock web-us --json
  stockhold salable BIKE-0001 --stock web-us --need 2 && echo enough")]
pub(super) struct SalableArguments {
    /// The SKUs
    #[arg(required = true, value_name = "SKU")]
    skus: Vec<String>,
    /// Only this stock; repeat it for more. Without it: every stock that the SKU is assigned to
    #[arg(long = "stock", value_name = "NAME")]
    stocks: Vec<String>,
    /// Exit with 1 unless this quantity can be promised in every stock that is shown
    #[arg(long, value_name = "QTY", value_parser = positive)]
    need: Option<Quantity>,
    /// Wait until the server has applied this op, as shown in an outcome
    #[arg(long, default_value_t = 0, value_name = "OP")]
    min_op: u64,
}

/// A cell as text.
pub(super) fn cell_text(cell: i64) -> String {
    match cell {
        CELL_NOT_ASSIGNED => "not assigned".to_owned(),
        CELL_UNLIMITED => "unlimited".to_owned(),
        raw => {
            Quantity::from_raw(raw).map_or_else(|_| format!("{raw} / 10000"), |quantity| quantity.to_string())
        }
    }
}

pub(super) fn salable(context: Context<'_>, arguments: &SalableArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let places: Vec<(StockId, String)> = if arguments.stocks.is_empty() {
        stocks(&mut server)?.into_iter().map(|view| (view.id, view.name)).collect()
    } else {
        let numbered = arguments.stocks.iter().map(|name| Ok((server.stock(name)?, name.clone())));
        numbered.collect::<Result<_, Failure>>()?
    };
    let mut pairs = Vec::new();
    for sku in &arguments.skus {
        let number = server.sku(sku)?;
        pairs.extend(places.iter().map(|(stock, _)| (number, *stock)));
    }
    let (op, cells) = server.check(&pairs, arguments.min_op)?;
    let named = arguments.skus.iter().flat_map(|sku| places.iter().map(move |(_, stock)| (sku, stock)));
    let mut rows = vec![["sku", "stock", "salable"].map(str::to_owned).to_vec()];
    let (mut documents, mut enough) = (Vec::new(), true);
    for ((sku, stock), cell) in named.zip(cells) {
        if cell == CELL_NOT_ASSIGNED && arguments.stocks.is_empty() {
            continue;
        }
        enough &= arguments.need.is_none_or(|need| cell >= need.raw());
        rows.push(vec![sku.clone(), stock.clone(), cell_text(cell)]);
        documents.push(json!({"sku": sku, "stock": stock, "salable": cell_text(cell)}));
    }
    context.output.result(&table(&rows), &json!({"op": op, "salable": documents}))?;
    Ok(if enough && (rows.len() > 1 || arguments.need.is_none()) { Exit::Ok } else { Exit::Refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_words() {
        // Proves that the two special values are never shown as quantities.
        assert_eq!(cell_text(CELL_NOT_ASSIGNED), "not assigned");
        assert_eq!(cell_text(CELL_UNLIMITED), "unlimited");
        assert_eq!(cell_text(-5_000), "-0.5");
    }
}
