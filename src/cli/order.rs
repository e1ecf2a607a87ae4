//! `order`: placements and events of an order, by its number.

use super::checkout::{SoldFrom, resolve_lines, send, ttl_ms};
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::order_arguments::{InStock, Number};
use super::order_state::{self, StateArguments};
use super::parse::{CartLine, UnitLine, signed_line, total_line};
use super::server_connection::ServerConnection;
use super::times::duration;
use clap::{ArgGroup, Args, Subcommand};
use std::time::Duration;
use stockhold_protocol::command::{EventLine, OrderAction, OrderEvent, PlaceFailed, Placement, Reserve};
use stockhold_protocol::{Command, Lines, ReservationId};

const ORDER: &str = "A shop knows its orders by number. Each of these commands is one step: all of its lines or none. A --document is the \
                     number of a shipment, invoice or credit memo: the order accepts it once, and a repetition gets the first answer, \
                     whatever its --id. `stockhold show order NUMBER` shows totals and history.

Examples:
  stockhold order place 1001 --stock web-us --line BIKE-0001=2 --ttl 15m
  stockhold order confirm 1001
  stockhold order ship 1001 --source us-east --line BIKE-0001=1 --document S-1
  stockhold order cancel 1001";

/// `order`
#[derive(Subcommand, Debug)]
#[command(after_help = ORDER)]
pub(super) enum OrderCommand {
    /// Say what an order is to have open in one stock, all or nothing; its holds there are taken over
    Place(PlaceArguments),
    /// Confirm all holds of an order
    Confirm(ConfirmArguments),
    /// Move the deadlines of all holds of an order
    Extend(ExtendArguments),
    /// Give open units back that were not invoiced
    Cancel(CancelArguments),
    /// Ship confirmed units of an order from a source
    Ship(ShipArguments),
    /// Count units as invoiced; units of a virtual SKU are delivered by that
    Invoice(InvoiceArguments),
    /// Refund units by a credit memo
    Refund(RefundArguments),
    /// Correct the open units of an order
    Compensate(CompensateArguments),
    /// Change the quantities of a confirmed order in one stock
    Edit(EditArguments),
    /// Reverse a shipment: goods at the source, promise open again
    Unship(UnshipArguments),
    /// Report that a placement failed: what is open of it is given back
    Failed(FailedArguments),
    /// Say how the shop sees an order, and what should be open of it
    State(StateArguments),
}

/// The document of an event.
#[derive(Args, Debug)]
struct Document {
    /// The number of the document, at most 32 bytes; the order accepts it once
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    document: String,
}

/// `order place`
#[derive(Args, Debug)]
#[command(
    after_help = "Units that the order already holds in this stock are taken over: only the difference is reserved or released. If the order is
already placed like this, nothing happens.

Examples:
  stockhold order place 1001 --stock web-us --line BIKE-0001=2
  stockhold order place 1001 --channel website/us --line BIKE-0001 --line HELM-0001=2 --ttl 15m --owner 4711"
)]
pub(super) struct PlaceArguments {
    #[command(flatten)]
    number: Number,
    #[command(flatten)]
    target: SoldFrom,
    /// What the order is to have open; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// Hold the units for this time (90s, 15m, 2h), for a payment that is pending; without it they are confirmed at once
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Option<Duration>,
    /// An opaque number that identifies the owner; 0 means none
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    owner: u64,
    #[command(flatten)]
    call: Call,
}

/// `order confirm`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold order confirm 1001")]
pub(super) struct ConfirmArguments {
    #[command(flatten)]
    number: Number,
    #[command(flatten)]
    call: Call,
}

/// `order extend`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold order extend 1001 --ttl 10m")]
pub(super) struct ExtendArguments {
    #[command(flatten)]
    number: Number,
    /// The time from now to the new deadline; a deadline never becomes earlier
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Duration,
    #[command(flatten)]
    call: Call,
}

/// `order cancel`
#[derive(Args, Debug)]
#[command(
    after_help = "Units that were shipped or invoiced are not cancelled: refund them. Of a line with more units, as many as may be are, and the
answer is `partial`.

Examples:
  stockhold order cancel 1001
  stockhold order cancel 1001 --line BIKE-0001=1"
)]
pub(super) struct CancelArguments {
    #[command(flatten)]
    number: Number,
    /// The units to cancel; without lines all that may be cancelled
    #[arg(long = "line", value_name = "SKU=QTY[@STOCK]")]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    call: Call,
}

/// `order ship`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold order ship 1001 --source us-east --line BIKE-0001=2 --document S-1
  stockhold order ship 1001 --source us-east --line BIKE-0001=2 --document S-1 --forced")]
pub(super) struct ShipArguments {
    #[command(flatten)]
    number: Number,
    /// The source from which the goods are shipped
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The shipped units; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY[@STOCK]")]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    document: Document,
    /// The goods have left already: accept it whatever the books say, and report the shortfall
    ///
    /// Holds are confirmed, units beyond what is open are recorded as such, and the quantity on hand may go below zero.
    /// Still refused: an unknown order and a SKU that is not in it.
    #[arg(long, visible_alias = "force")]
    forced: bool,
    #[command(flatten)]
    call: Call,
}

/// `order invoice`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold order invoice 1001 --line BIKE-0001=2 --document I-1")]
pub(super) struct InvoiceArguments {
    #[command(flatten)]
    number: Number,
    /// The invoiced units; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY[@STOCK]")]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    call: Call,
}

/// `order refund`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("units").args(["lines", "returned"]).required(true).multiple(true)),
    group(ArgGroup::new("way").args(["return_to_stock", "no_return"]).requires("lines")),
    after_help = "Units that were invoiced and never shipped come first. Returned to stock, their promise ends; otherwise they are lost at their source.
Units that were shipped come back to a source if they are returned. What remains is money only.

Examples:
  stockhold order refund 1001 --line BIKE-0001=1 --return-to-stock --document C-1
  stockhold order refund 1001 --line BIKE-0001=1 --return-to-stock --source us-east
  stockhold order refund 1001 --line HELM-0001=1 --no-return --returned BIKE-0001=1"
)]
pub(super) struct RefundArguments {
    #[command(flatten)]
    number: Number,
    /// The refunded units; say with --return-to-stock or --no-return what becomes of them
    #[arg(long = "line", requires = "way", value_name = "SKU=QTY[@STOCK]")]
    lines: Vec<UnitLine>,
    /// The units of the lines are returned to stock
    #[arg(long)]
    return_to_stock: bool,
    /// The units of the lines are not returned to stock
    #[arg(long)]
    no_return: bool,
    /// Units that are returned to stock, beside lines that are not
    #[arg(long, value_name = "SKU=QTY[@STOCK]")]
    returned: Vec<UnitLine>,
    /// The source that shipped units come back to; by default the one that shipped them
    #[arg(long, value_name = "CODE")]
    source: Option<String>,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    call: Call,
}

/// `order compensate`
#[derive(Args, Debug)]
#[command(
    after_help = "A quantity is a row of Magento's reservations: a positive one takes from the open units, a negative one adds to them, if they fit.
Lines that add units name their stock.

Examples:
  stockhold order compensate 1001 --line BIKE-0001=1
  stockhold order compensate 1001 --stock web-us --line BIKE-0001=-2"
)]
pub(super) struct CompensateArguments {
    #[command(flatten)]
    number: Number,
    /// What is added to the reservations of the order; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY[@STOCK]", value_parser = signed_line)]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    /// Take as many units as are open, and add units that do not fit
    #[arg(long, visible_alias = "force")]
    forced: bool,
    #[command(flatten)]
    call: Call,
}

/// `order edit`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold order edit 1001 --line BIKE-0001=3
  stockhold order edit 1001 --stock web-us --line BIKE-0001=0 --line HELM-0001=1")]
pub(super) struct EditArguments {
    #[command(flatten)]
    number: Number,
    /// How much of a SKU the order is to have in all, shipped units included; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY[@STOCK]", value_parser = total_line)]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    #[command(flatten)]
    call: Call,
}

/// `order unship`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("units").args(["lines", "document"]).required(true).multiple(true)),
    after_help = "Examples:
  stockhold order unship 1001 --source us-east --document S-1
  stockhold order unship 1001 --source us-east --line BIKE-0001=1"
)]
pub(super) struct UnshipArguments {
    #[command(flatten)]
    number: Number,
    /// The source that shipped the goods and has them again
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The units whose shipment is reversed; without lines all that the document shipped from the source
    #[arg(long = "line", value_name = "SKU=QTY[@STOCK]")]
    lines: Vec<UnitLine>,
    #[command(flatten)]
    stock: InStock,
    /// The document of the shipment; it can not be shipped again
    #[arg(long, value_name = "TEXT")]
    document: Option<String>,
    #[command(flatten)]
    call: Call,
}

/// `order failed`
#[derive(Args, Debug)]
#[command(
    after_help = "If the placement was not decided yet, it never will be, so this is right whenever it is not known whether a placement arrived.

Examples:
  stockhold order failed 1001 --placement 019a0b3c-4d5e-7f60-8123-456789abcdef"
)]
pub(super) struct FailedArguments {
    #[command(flatten)]
    number: Number,
    /// The id of the command that placed the order
    #[arg(long, value_name = "ID")]
    placement: ReservationId,
    #[command(flatten)]
    call: Call,
}

pub(super) fn order(context: Context<'_>, command: &OrderCommand) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let (call, event) = match command {
        OrderCommand::Place(arguments) => return place(context, &mut server, arguments),
        OrderCommand::Failed(arguments) => {
            let (order, placement) = (arguments.number.number.clone(), arguments.placement);
            let failure = Command::PlaceFailed(PlaceFailed { order, placement });
            return send(context, &mut server, &arguments.call, failure);
        }
        OrderCommand::State(arguments) => return order_state::report(context, &mut server, arguments),
        OrderCommand::Confirm(arguments) => (&arguments.call, event(&arguments.number, OrderAction::Confirm)),
        OrderCommand::Extend(arguments) => {
            let event = event(&arguments.number, OrderAction::Extend);
            (&arguments.call, OrderEvent { ttl_ms: Some(ttl_ms(arguments.ttl)?), ..event })
        }
        OrderCommand::Cancel(arguments) => {
            let lines = lines(&mut server, &arguments.lines, &arguments.stock, false)?;
            let document = arguments.document.document.clone();
            let event = event(&arguments.number, OrderAction::Cancel);
            (&arguments.call, OrderEvent { document, lines, ..event })
        }
        OrderCommand::Ship(arguments) => (&arguments.call, ship(&mut server, arguments)?),
        OrderCommand::Invoice(arguments) => {
            let lines = lines(&mut server, &arguments.lines, &arguments.stock, false)?;
            let document = arguments.document.document.clone();
            let event = event(&arguments.number, OrderAction::Invoice);
            (&arguments.call, OrderEvent { document, lines, ..event })
        }
        OrderCommand::Refund(arguments) => (&arguments.call, refund(&mut server, arguments)?),
        OrderCommand::Compensate(arguments) => {
            let lines = lines(&mut server, &arguments.lines, &arguments.stock, false)?;
            let event = event(&arguments.number, OrderAction::Compensate);
            (&arguments.call, OrderEvent { lines, forced: arguments.forced, ..event })
        }
        OrderCommand::Edit(arguments) => {
            let lines = lines(&mut server, &arguments.lines, &arguments.stock, false)?;
            (&arguments.call, OrderEvent { lines, ..event(&arguments.number, OrderAction::Edit) })
        }
        OrderCommand::Unship(arguments) => {
            let source = Some(server.source(&arguments.source)?);
            let lines = lines(&mut server, &arguments.lines, &arguments.stock, false)?;
            let document = arguments.document.clone().unwrap_or_default();
            let event = event(&arguments.number, OrderAction::Unship);
            (&arguments.call, OrderEvent { document, source, lines, ..event })
        }
    };
    send(context, &mut server, call, Command::OrderEvent(Box::new(event)))
}

fn event(number: &Number, action: OrderAction) -> OrderEvent {
    OrderEvent {
        order: number.number.clone(),
        action,
        document: String::new(),
        source: None,
        lines: Vec::new(),
        forced: false,
        ttl_ms: None,
    }
}

fn lines(
    server: &mut ServerConnection,
    lines: &[UnitLine],
    default: &InStock,
    is_returned: bool,
) -> Result<Vec<EventLine>, Failure> {
    let line = |line: &UnitLine| {
        let stock = line.stock.as_ref().or(default.stock.as_ref());
        Ok(EventLine {
            sku: server.sku(&line.sku)?,
            stock: stock.map(|name| server.stock(name)).transpose()?,
            quantity: line.quantity,
            is_returned,
        })
    };
    lines.iter().map(line).collect()
}

fn place(
    context: Context<'_>,
    server: &mut ServerConnection,
    arguments: &PlaceArguments,
) -> Result<Exit, Failure> {
    let target = arguments.target.resolve(server)?;
    let lines = resolve_lines(server, &arguments.lines)?;
    let cart = Reserve {
        target,
        lines: Lines::Slice(&lines),
        best_effort: false,
        ttl_ms: arguments.ttl.map(ttl_ms).transpose()?,
        owner: arguments.owner,
        reference: &arguments.number.number,
    };
    send(context, server, &arguments.call, Command::OrderPlaced(Placement(cart)))
}

fn ship(server: &mut ServerConnection, arguments: &ShipArguments) -> Result<OrderEvent, Failure> {
    Ok(OrderEvent {
        source: Some(server.source(&arguments.source)?),
        lines: lines(server, &arguments.lines, &arguments.stock, false)?,
        document: arguments.document.document.clone(),
        forced: arguments.forced,
        ..event(&arguments.number, OrderAction::Ship)
    })
}

fn refund(server: &mut ServerConnection, arguments: &RefundArguments) -> Result<OrderEvent, Failure> {
    let mut all = lines(server, &arguments.lines, &arguments.stock, arguments.return_to_stock)?;
    all.append(&mut lines(server, &arguments.returned, &arguments.stock, true)?);
    Ok(OrderEvent {
        source: arguments.source.as_deref().map(|code| server.source(code)).transpose()?,
        lines: all,
        document: arguments.document.document.clone(),
        ..event(&arguments.number, OrderAction::Refund)
    })
}
