//! `append-reservations`: signed rows, as Magento keeps reservations.

use super::checkout::send;
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::{UnitLine, signed_line};
use super::report;
use super::server_connection::ServerConnection;
use crate::named::{Row, RowEvent, Text};
use clap::{ArgGroup, Args};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use stockhold_protocol::Command;
use stockhold_protocol::command::{AppendReservations, SignedRow, SkuDefinition, SkuKind};
use stockhold_protocol::event::EventKind;
use stockhold_protocol::limits::EVENT_LINES_MAX;
use stockhold_protocol::query::Name;

/// The most bytes that are read of a file: more than the longest rows take.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// `append-reservations`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("which_rows").args(["rows", "rows_from"]).required(true).multiple(true)),
    after_help = "For callers that know only the rows of Magento's reservation table. A negative quantity promises units, a positive one gives
them back. All rows are one step, and count together: their order says nothing.

Rows of an --order must fit, and give back what is open of it. Rows without an order change one sum per SKU and stock. With
sharing = independent that sum may take more back than it promised, as in Magento; with exact sharing it may not, and what it
promises must fit. SKUs whose goods are not counted (manage_stock off) are passed over; the answer says how many rows had
an effect.

A file has a JSON array of rows:
  [{\"order\": \"1001\", \"event\": \"order_placed\", \"stock\": \"web-us\", \"sku\": \"BIKE-0001\", \"quantity\": \"-2\"}]

Examples:
  stockhold append-reservations --stock web-us --row BIKE-0001=-2 --order 1001 --event order_placed
  stockhold append-reservations --row BIKE-0001=2@web-us --order 1001 --event shipment_created
  stockhold append-reservations --rows-from rows.json --uncatalogued"
)]
pub(super) struct AppendArguments {
    /// A row; repeat it for more
    #[arg(long = "row", value_name = "SKU=QTY[@STOCK]", value_parser = signed_line, allow_hyphen_values = true)]
    rows: Vec<UnitLine>,
    /// The stock of rows without @STOCK
    #[arg(long, value_name = "NAME")]
    stock: Option<String>,
    /// The order of each --row; without it they belong to none
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NUMBER")]
    order: String,
    /// Why each --row is appended: order_placed, order_place_failed, order_canceled, shipment_created, invoice_created,
    /// creditmemo_created or manual_compensation
    #[arg(long, default_value = "manual_compensation", value_name = "EVENT", value_parser = event)]
    event: EventKind,
    /// A file with a JSON array of rows; - is standard input
    #[arg(long, value_name = "FILE")]
    rows_from: Option<PathBuf>,
    /// Define SKUs that the server does not know, as `uncatalogued`
    #[arg(long)]
    uncatalogued: bool,
    #[command(flatten)]
    call: Call,
}

fn event(text: &str) -> Result<EventKind, String> {
    let mut kinds = EventKind::ALL.iter().filter(|kind| kind.is_of_rows());
    let names: Vec<&str> = kinds.clone().map(|kind| kind.name()).collect();
    let found = kinds.find(|kind| kind.name() == text);
    found.copied().ok_or_else(|| format!("must be one of {}", names.join(", ")))
}

pub(super) fn append(context: Context<'_>, arguments: &AppendArguments) -> Result<Exit, Failure> {
    let mut rows = Vec::with_capacity(arguments.rows.len());
    for line in &arguments.rows {
        let stock = line.stock.clone().or_else(|| arguments.stock.clone());
        let stock = stock.ok_or_else(|| {
            Failure::usage(format!("SKU \"{}\": name its stock, as SKU=QTY@STOCK or by --stock", line.sku))
        })?;
        let (order, event) = (arguments.order.clone(), RowEvent(arguments.event));
        rows.push(Row { order, event, stock, sku: line.sku.clone(), quantity: Text(line.quantity) });
    }
    if let Some(file) = &arguments.rows_from {
        rows.extend(read(file)?);
    }
    if rows.is_empty() {
        return Err(Failure::usage("there are no rows"));
    }
    if rows.len() > EVENT_LINES_MAX {
        return Err(Failure::usage(format!("there may be at most {EVENT_LINES_MAX} rows; divide them")));
    }
    let mut server = context.server()?;
    if arguments.uncatalogued {
        define_unknown(&mut server, &rows)?;
    }
    let row = |row: &Row| {
        Ok(SignedRow {
            order: row.order.clone(),
            event: row.event.0,
            stock: server.stock(&row.stock)?,
            sku: server.sku(&row.sku)?,
            quantity: row.quantity.0,
        })
    };
    let rows = rows.iter().map(row).collect::<Result<Vec<SignedRow>, Failure>>()?;
    let command = Command::AppendReservations(AppendReservations { rows });
    send(context, &mut server, &arguments.call, command)
}

fn read(file: &Path) -> Result<Vec<Row>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", file.display()));
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(|error| failed(&error))?)
    };
    let mut text = String::new();
    input.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| failed(&error))
}

/// Defines the SKUs of rows that the server does not know.
fn define_unknown(server: &mut ServerConnection, rows: &[Row]) -> Result<(), Failure> {
    let skus: BTreeSet<&str> = rows.iter().map(|row| row.sku.as_str()).collect();
    let names: Vec<Name> = skus.iter().map(|sku| Name::Sku((*sku).to_owned())).collect();
    let numbers = server.resolve(&names)?;
    for (sku, _) in skus.into_iter().zip(numbers).filter(|(_, number)| number.is_none()) {
        let definition = SkuDefinition { sku: sku.to_owned(), kind: SkuKind::Uncatalogued, decimals: true };
        let (_, outcome) = server.execute(None, Command::DefineSku(definition))?;
        if !outcome.code.is_success() {
            let message = format!("SKU \"{sku}\": {}", report::sentence(server, &outcome));
            return Err(Failure { exit: report::exit_of(outcome.code), ..Failure::usage(message) });
        }
    }
    Ok(())
}
