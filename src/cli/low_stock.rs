//! Low stock: `notify` sets which source items are reported and below which quantity, `list low-stock` is the report, and
//! `show notify` tells one configuration.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::lists::Names;
use super::output::table;
use super::quantity;
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use stockhold_protocol::command::Notify;
use stockhold_protocol::query::{LIST_MAX, LowStockCursor, LowStockFilter, Query, QueryAnswer};
use stockhold_protocol::{Command, Quantity, SkuId, SourceId};

/// `notify`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("configuration").required(true).args(["below", "default", "remove"])),
    after_help = "`list low-stock` reports only items that have such a configuration. It does not matter for any sale.

Examples:
  stockhold notify --sku BIKE-0001 --source us-east --below 5
  stockhold notify --sku BIKE-0001 --source shop-nyc --default
  stockhold notify --sku BIKE-0001 --source us-east --remove"
)]
pub(super) struct NotifyArguments {
    /// The SKU
    #[arg(long, value_name = "SKU")]
    sku: String,
    /// The source
    #[arg(long, value_name = "CODE")]
    source: String,
    /// Report the item while less than this is on hand
    #[arg(long, value_name = "QTY", value_parser = quantity::not_negative)]
    below: Option<Quantity>,
    /// Report the item while less than the `notify_stock_qty` of the SKU is on hand
    #[arg(long)]
    default: bool,
    /// Report the item no longer
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    call: Call,
}

pub(super) fn notify(context: Context<'_>, arguments: &NotifyArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (sku, source) = (server.sku(&arguments.sku)?, server.source(&arguments.source)?);
    let notify = Notify { sku, source, is_set: !arguments.remove, threshold: arguments.below };
    send(context, &mut server, &arguments.call, Command::Notify(notify))
}

/// `show notify`
#[derive(Args, Debug)]
pub(super) struct ShowNotifyArguments {
    /// The SKU
    #[arg(long, value_name = "SKU")]
    sku: String,
    /// The source
    #[arg(long, value_name = "CODE")]
    source: String,
}

type Rendered = (String, Value);

pub(super) fn show(
    server: &mut ServerConnection,
    arguments: &ShowNotifyArguments,
) -> Result<Rendered, Failure> {
    let (sku, source) = (server.sku(&arguments.sku)?, server.source(&arguments.source)?);
    let QueryAnswer::Notify(Some(view)) = server.query(&Query::Notify { sku, source })? else {
        return Err(wrong_answer());
    };
    let threshold = view.threshold.to_string();
    let text = match (view.is_set, view.own) {
        (false, _) => format!("not reported; the threshold of the SKU is {threshold}"),
        (true, None) => format!("reported below {threshold}, the threshold of the SKU"),
        (true, Some(_)) => format!("reported below {threshold}"),
    };
    let document = json!({
        "sku": arguments.sku, "source": arguments.source, "set": view.is_set,
        "own": view.own.map(|own| own.to_string()), "notify_stock_qty": threshold,
    });
    Ok((text, document))
}

/// `list low-stock`
#[derive(Args, Debug)]
#[command(
    after_help = "Reported are the items that have a configuration (`stockhold notify`), are in stock at an enabled source, and of which more than
0 and less than the threshold is on hand. They are found by a scan of all configurations, in the time that the server
gives to queries.

Examples:
  stockhold list low-stock
  stockhold list low-stock --source us-east --limit 20 --json"
)]
pub(super) struct LowStockArguments {
    /// Only items of this SKU
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// Only items of this source
    #[arg(long, value_name = "CODE")]
    source: Option<String>,
    /// How many to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_MAX)))]
    limit: u32,
    /// List those after this one, as printed at the end of a list
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    cursor: Option<LowStockCursor>,
}

/// Parses a cursor such as `35000:7:3`: ten-thousandths on hand, and the numbers of SKU and source.
fn cursor(text: &str) -> Result<LowStockCursor, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let parsed = match parts.as_slice() {
        [on_hand, sku, source] => (on_hand.parse().ok(), sku.parse().ok(), source.parse().ok()),
        _ => (None, None, None),
    };
    let (Some(on_hand), Some(sku), Some(source)) = parsed else {
        return Err("give what the end of a list prints, such as 35000:7:3".to_owned());
    };
    let on_hand = Quantity::from_raw(on_hand).map_err(|error| error.to_string())?;
    Ok(LowStockCursor { on_hand, sku: SkuId(sku), source: SourceId(source) })
}

fn cursor_text(cursor: LowStockCursor) -> String {
    format!("{}:{}:{}", cursor.on_hand.raw(), cursor.sku.0, cursor.source.0)
}

pub(super) fn list(context: Context<'_>, arguments: &LowStockArguments) -> Result<Rendered, Failure> {
    let mut server = context.server()?;
    let sku = arguments.sku.as_ref().map(|sku| server.sku(sku)).transpose()?;
    let source = arguments.source.as_ref().map(|source| server.source(source)).transpose()?;
    let filter = LowStockFilter { sku, source };
    let query = Query::LowStock { filter, after: arguments.cursor, limit: arguments.limit };
    let QueryAnswer::LowStock(page) = server.query(&query)? else { return Err(wrong_answer()) };
    let names = Names::load(&mut server)?;
    let mut rows = vec![["source", "sku", "on hand", "threshold"].map(str::to_owned).to_vec()];
    let mut documents = Vec::new();
    for item in &page.items {
        let (source, sku) = (names.source(item.source), server.sku_name(item.sku)?);
        let [on_hand, threshold] = [item.on_hand, item.threshold].map(|units| units.to_string());
        documents
            .push(json!({"source": source, "sku": sku, "on_hand": on_hand, "notify_stock_qty": threshold}));
        rows.push(vec![source, sku, on_hand, threshold]);
    }
    let has_more = page.matched > u64::try_from(page.items.len()).unwrap_or(u64::MAX);
    let next = page.items.last().filter(|_| has_more).map(|last| cursor_text(last.cursor()));
    let mut text = format!("{} items are low", page.matched);
    if !documents.is_empty() {
        text = format!("{text}\n{}", table(&rows));
    }
    if let Some(next) = &next {
        text = format!("{}\nmore: --cursor {next}", text.trim_end());
    }
    let document = json!({"matched": page.matched, "op": page.op, "items": documents, "cursor": next});
    Ok((text, document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_printed() {
        // Proves both ways, and that other words are refused.
        let place = LowStockCursor { on_hand: Quantity::MAX, sku: SkuId(7), source: SourceId(3) };
        assert_eq!(cursor(&cursor_text(place)), Ok(place));
        for wrong in ["", "1:2", "1:2:3:4", "a:2:3", "1:-2:3", "9223372036854775807:1:1"] {
            assert!(cursor(wrong).is_err(), "{wrong}");
        }
    }
}
