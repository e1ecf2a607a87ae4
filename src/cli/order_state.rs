//! `order state` and `list inconsistencies`: how the shop sees its orders, and where their open units differ from that.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::lists::Names;
use super::order_arguments::{InStock, Number};
use super::output::table;
use super::parse::{UnitLine, total_line};
use super::questions::wrong_answer;
use super::server_connection::ServerConnection;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use stockhold_protocol::Command;
use stockhold_protocol::command::{ExpectedLine, OrderStateReport};
use stockhold_protocol::event::OrderState;
use stockhold_protocol::query::{LIST_MAX, Query, QueryAnswer};

/// The most answers of the server for one list.
const PAGES_MAX: u32 = 1_000;

/// `order state`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("figures").args(["expected", "nothing_open"])),
    after_help = "No promise changes: `stockhold list inconsistencies` compares what is open with what the shop says. Without figures, nothing of
an order that is complete, closed or canceled should be open, and of another one what was ordered and neither cancelled, refunded,
lost nor shipped.

Examples:
  stockhold order state 1001 processing
  stockhold order state 1001 canceled
  stockhold order state 1001 processing --expected BIKE-0001=1@web-us"
)]
pub(super) struct StateArguments {
    #[command(flatten)]
    number: Number,
    /// new, processing, complete, closed or canceled
    #[arg(value_name = "STATE", value_parser = state)]
    state: OrderState,
    /// What should be open by the shop's own books; repeat it for more. Of lines that are not named, nothing
    #[arg(long, value_name = "SKU=QTY[@STOCK]", value_parser = total_line)]
    expected: Vec<UnitLine>,
    /// By the shop's own books nothing should be open
    #[arg(long)]
    nothing_open: bool,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    call: Call,
}

fn state(text: &str) -> Result<OrderState, String> {
    let found = OrderState::ALL.iter().find(|state| state.name() == text);
    let names: Vec<&str> = OrderState::ALL.iter().map(|state| state.name()).collect();
    found.copied().ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

pub(super) fn report(
    context: Context<'_>,
    server: &mut ServerConnection,
    arguments: &StateArguments,
) -> Result<Exit, Failure> {
    let line = |line: &UnitLine| {
        let stock = line.stock.as_ref().or(arguments.stock.stock.as_ref());
        let stock = stock.ok_or_else(|| {
            Failure::usage(format!("SKU \"{}\": name its stock, as SKU=QTY@STOCK or by --stock", line.sku))
        })?;
        let (stock, sku) = (server.stock(stock)?, server.sku(&line.sku)?);
        Ok(ExpectedLine { stock, sku, quantity: line.quantity })
    };
    let lines = arguments.expected.iter().map(line).collect::<Result<Vec<ExpectedLine>, Failure>>()?;
    let lines = (arguments.nothing_open || !lines.is_empty()).then_some(lines);
    let report = OrderStateReport { order: arguments.number.number.clone(), state: arguments.state, lines };
    send(context, server, &arguments.call, Command::OrderState(Box::new(report)))
}

/// `list inconsistencies`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which").args(["complete", "incomplete"])),
    after_help = "A positive quantity is missing: the shop expects more to be open. A negative one is promised in vain. `settle` is the command
that makes the open units what the shop expects. The state of an order is what `stockhold order state` has said last.

Examples:
  stockhold list inconsistencies
  stockhold list inconsistencies --complete --json"
)]
pub(super) struct InconsistenciesArguments {
    /// Only orders that are complete, closed or canceled
    #[arg(long)]
    complete: bool,
    /// Only other orders
    #[arg(long)]
    incomplete: bool,
    /// How many to list, at least; an order is listed as a whole
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Continue a list, as printed at its end
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    cursor: u64,
}

pub(super) fn list(
    context: Context<'_>,
    arguments: &InconsistenciesArguments,
) -> Result<(String, Value), Failure> {
    let mut server = context.server()?;
    let names = Names::load(&mut server)?;
    let is_final = (arguments.complete || arguments.incomplete).then_some(arguments.complete);
    let heads = ["order", "state", "stock", "sku", "quantity", "settle"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let (mut documents, mut cursor, mut op) = (Vec::new(), Some(arguments.cursor), 0);
    for _ in 0..PAGES_MAX {
        let Some(after) = cursor else { break };
        let left = u32::try_from(documents.len()).map_or(0, |listed| arguments.limit.saturating_sub(listed));
        if left == 0 {
            break;
        }
        let query = Query::Inconsistencies { is_final, after, limit: left.min(LIST_MAX) };
        let QueryAnswer::Inconsistencies(page) = server.query(&query)? else { return Err(wrong_answer()) };
        op = page.op;
        cursor = (page.next != 0).then_some(page.next);
        for item in &page.items {
            let (stock, sku) = (names.stock(item.stock), server.sku_name(item.sku)?);
            let (quantity, state) = (item.quantity.to_string(), item.order_state().map(OrderState::name));
            let row = 0_i64.saturating_sub(item.quantity.raw());
            let row = stockhold_protocol::Quantity::from_raw(row).unwrap_or_default();
            // The texts come from clients, so they are escaped.
            let settle = format!(
                "order compensate {} --line={}={row}@{}",
                item.order.escape_debug(),
                sku.escape_debug(),
                stock.escape_debug()
            );
            documents.push(json!({
                "order": item.order, "state": state, "final": item.order_state().is_some_and(OrderState::is_final),
                "stock": stock, "sku": sku, "quantity": quantity, "lapsed": item.lapsed.to_string(), "settle": settle,
            }));
            let (order, state) = (item.order.escape_debug().to_string(), state.unwrap_or("-").to_owned());
            rows.push(vec![order, state, stock, sku, quantity, settle]);
        }
    }
    let mut text = match documents.len() {
        0 => "no inconsistencies".to_owned(),
        count => format!("{count} inconsistencies\n{}", table(&rows)),
    };
    if let Some(cursor) = cursor {
        text = format!("{}\nmore: --cursor {cursor}", text.trim_end());
    }
    Ok((text, json!({"op": op, "inconsistencies": documents, "cursor": cursor})))
}
