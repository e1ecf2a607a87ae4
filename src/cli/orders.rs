//! `show order` and `list orders`.

use super::context::Context;
use super::exit::{Exit, Failure};
use super::lists::Names;
use super::order_history::History;
use super::output::{Text, table};
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use clap::Args;
use serde_json::{Value, json};
use stockhold_protocol::event::OrderState;
use stockhold_protocol::query::{
    LIST_MAX, OrderEntry, OrderFilter, OrderLineView, OrderView, Query, QueryAnswer,
};
use stockhold_protocol::{CommandId, Quantity, ReservationId};

/// The most answers of the server for one list. Each is about some thousand records.
const PAGES_MAX: u32 = 1_000;

/// `list orders`
#[derive(Args, Debug)]
#[command(after_help = "An order is listed once. Their order has no meaning.

Examples:
  stockhold list orders --unsettled
  stockhold list orders --owner 4711 --limit 10 --cursor 8192")]
pub(super) struct OrdersArguments {
    /// Only those with open units
    #[arg(long)]
    unsettled: bool,
    /// Only those of this owner
    #[arg(long, value_name = "NUMBER")]
    owner: Option<u64>,
    /// How many to list
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Continue a list, as printed at its end
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    cursor: u64,
}

/// Shows one order.
pub(super) fn show(
    context: Context<'_>,
    server: &mut ServerConnection,
    number: &str,
    limit: u32,
) -> Result<Exit, Failure> {
    let QueryAnswer::Order(view) = server.query(&Query::Order(number.to_owned()))? else {
        return Err(wrong_answer());
    };
    let Some(view) = view else {
        // The text comes from the command line, so it is escaped.
        let text = format!("there is no order \"{}\", or it is no longer kept", number.escape_debug());
        context.output.result(&text, &json!({"number": number, "state": "unknown"}))?;
        return Ok(Exit::Refused);
    };
    let names = Names::load(server)?;
    let (mut text, mut document) = order(server, &names, &view)?;
    let history = History::read(server, &view, limit)?;
    let (words, events) = history.rendered(server, &names)?;
    text.push_str(&words);
    document["events"] = view.events.into();
    document["history"] = events;
    context.output.result(&text, &document)?;
    Ok(Exit::Ok)
}

const TOTALS: [&str; 12] = [
    "ordered",
    "compensated",
    "lapsed",
    "cancelled",
    "invoiced",
    "shipped",
    "beyond",
    "returned",
    "refunded",
    "written_off",
    "expected",
    "open",
];

const fn totals(line: &OrderLineView) -> [Quantity; 12] {
    [
        line.ordered,
        line.compensated,
        line.lapsed,
        line.cancelled,
        line.invoiced,
        line.shipped,
        line.beyond,
        line.returned,
        line.refunded,
        line.written_off,
        line.expected,
        line.open,
    ]
}

fn order(server: &mut ServerConnection, names: &Names, view: &OrderView) -> Result<(String, Value), Failure> {
    // A column is shown if any line has units there.
    let differs = view.lines.iter().any(|line| line.expected != line.open);
    let is_shown = |at: usize| {
        if TOTALS[at] == "expected" {
            return differs;
        }
        at == 0 || at == TOTALS.len() - 1 || view.lines.iter().any(|line| totals(line)[at] != Quantity::ZERO)
    };
    let shown: Vec<usize> = (0..TOTALS.len()).filter(|at| is_shown(*at)).collect();
    let heads = shown.iter().map(|at| TOTALS[*at].replace('_', " "));
    let mut rows = vec![["stock", "sku"].into_iter().map(str::to_owned).chain(heads).collect::<Vec<_>>()];
    let mut lines = Vec::new();
    for line in &view.lines {
        let (stock, sku) = (names.stock(line.stock), server.sku_name(line.sku)?);
        let units = totals(line).map(|units| units.to_string());
        let cells = shown.iter().map(|at| units[*at].clone());
        rows.push([stock.clone(), sku.clone()].into_iter().chain(cells).collect());
        let mut document = json!({"stock": stock, "sku": sku});
        for (name, units) in TOTALS.into_iter().zip(units) {
            document[name] = units.into();
        }
        lines.push(document);
    }
    let reservations: Vec<String> =
        view.reservations.iter().map(|id| ReservationId(CommandId::from_bytes(*id)).to_string()).collect();
    let state = if view.settled { "settled" } else { "open" };
    let mut text = Text::default();
    text.line(&format!("{}  {state}  op {}", view.number.escape_debug(), view.op));
    let reported = OrderState::from_number(view.state).map(OrderState::name);
    if let Some(reported) = reported {
        text.line(&format!("the shop calls it {reported}"));
    }
    if view.owner != 0 {
        text.line(&format!("owner {}", view.owner));
    }
    text.line(&table(&rows));
    for reservation in &reservations {
        text.line(&format!("reservation {reservation}"));
    }
    let document = json!({
        "number": view.number, "state": state, "op": view.op, "owner": view.owner, "open_lines": view.open_lines,
        "lines": lines, "reservations": reservations, "reported_state": reported,
    });
    Ok((text.into_string(), document))
}

/// Lists orders.
pub(super) fn list(context: Context<'_>, arguments: &OrdersArguments) -> Result<(String, Value), Failure> {
    let mut server = context.server()?;
    let filter = OrderFilter { is_unsettled: arguments.unsettled, owner: arguments.owner };
    let mut rows = vec![["number", "state", "ordered", "open", "owner"].map(str::to_owned).to_vec()];
    let (mut documents, mut cursor) = (Vec::new(), Some(arguments.cursor));
    let (mut op, mut total, mut unsettled) = (0, 0, 0);
    for _ in 0..PAGES_MAX {
        let Some(after) = cursor else { break };
        let left = u32::try_from(documents.len()).map_or(0, |listed| arguments.limit.saturating_sub(listed));
        if left == 0 {
            break;
        }
        let query = Query::Orders { filter, after, limit: left.min(LIST_MAX) };
        let QueryAnswer::Orders(page) = server.query(&query)? else { return Err(wrong_answer()) };
        (op, total, unsettled) = (page.op, page.total, page.unsettled);
        cursor = (page.next != 0).then_some(page.next);
        for entry in &page.orders {
            let (row, document) = row(entry);
            rows.push(row);
            documents.push(document);
        }
    }
    let mut text = format!("{total} orders, {unsettled} of them unsettled");
    if !documents.is_empty() {
        text = format!("{text}\n{}", table(&rows));
    }
    if let Some(cursor) = cursor {
        text = format!("{}\nmore: --cursor {cursor}", text.trim_end());
    }
    let document = json!({
        "total": total, "unsettled": unsettled, "op": op, "orders": documents, "cursor": cursor,
    });
    Ok((text, document))
}

fn row(entry: &OrderEntry) -> (Vec<String>, Value) {
    let state = if entry.settled { "settled" } else { "open" };
    let [ordered, open] = [entry.ordered, entry.open].map(|units| units.to_string());
    let owner = if entry.owner == 0 { String::new() } else { entry.owner.to_string() };
    let document = json!({
        "number": entry.number, "state": state, "ordered": ordered, "open": open, "owner": entry.owner, "op": entry.op,
    });
    (vec![entry.number.escape_debug().to_string(), state.to_owned(), ordered, open, owner], document)
}
