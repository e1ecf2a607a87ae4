//! The commands that move goods or change an order: ship, unship, amend, sell, refund; count, adjust, transfer.

use super::checkout::{Owner, SoldFrom, Which, resolve_lines, send};
use super::context::{Call, Context};
use super::exit::{Exit, Failure};
use super::parse::{CartLine, RefundLine};
use super::server_connection::ServerConnection;
use clap::{ArgGroup, Args};
use stockhold_protocol::command::{
    Adjust, Amend, Count, PartKind, Parts, Refund, RefundPart, Sell, Ship, Transfer, Unship,
};
use stockhold_protocol::{Command, Line, Lines, Quantity, SourceId};

/// `ship`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold ship 019a0b3c-4d5e-7f60-8123-456789abcdef --source us-east --line BIKE-0001=2
  stockhold ship 019a0b3c-4d5e-7f60-8123-456789abcdef --source us-east --line BIKE-0001=2 --forced")]
pub(super) struct ShipArguments {
    #[command(flatten)]
    which: Which,
    /// The source from which the goods are shipped
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The shipped units; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// The goods have left already: accept it whatever the books say, and report the shortfall
    ///
    /// A hold is confirmed, units beyond what is open are recorded as such, and the quantity on hand may go below
    /// zero. Still refused: an unknown reservation and a SKU that is not in it.
    #[arg(long)]
    forced: bool,
    #[command(flatten)]
    call: Call,
}

/// `unship`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold unship 019a0b3c-4d5e-7f60-8123-456789abcdef --source us-east --line BIKE-0001=2")]
pub(super) struct UnshipArguments {
    #[command(flatten)]
    which: Which,
    /// The source that shipped the goods and has them again
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The units whose shipment is reversed; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    #[command(flatten)]
    call: Call,
}

/// `amend`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("change").args(["lines", "cancel"]).required(true).multiple(true)),
    after_help = "Examples:
  stockhold amend 019a0b3c-4d5e-7f60-8123-456789abcdef --line BIKE-0001=3
  stockhold amend 019a0b3c-4d5e-7f60-8123-456789abcdef --line HELM-0001=1 --cancel BELL-0001"
)]
pub(super) struct AmendArguments {
    #[command(flatten)]
    which: Which,
    /// How much of a SKU the order is to have in all, shipped units included; repeat it for more lines
    #[arg(long = "line", value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// A SKU that the order is not to have any more
    #[arg(long, value_name = "SKU")]
    cancel: Vec<String>,
    #[command(flatten)]
    call: Call,
}

/// `sell`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold sell --channel pos/nyc --source shop-nyc --line BIKE-0001=1 --reference R-2041")]
pub(super) struct SellArguments {
    #[command(flatten)]
    target: SoldFrom,
    /// The source from which the goods are sold
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The sold units; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// The goods have left already: ignore rules of sale, quotas and promises, and report the shortfall
    ///
    /// The quantity on hand may go below zero, and the quota counts the units. Still refused: a SKU that is unknown or
    /// composite, and any sale at the limit of kept reservations.
    #[arg(long)]
    forced: bool,
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    call: Call,
}

/// `refund`
#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("part").args(["unshipped", "returned", "written_off"]).required(true).multiple(true)),
    after_help = "Examples:
  stockhold refund 019a0b3c-4d5e-7f60-8123-456789abcdef --unshipped BIKE-0001=1
  stockhold refund 019a0b3c-4d5e-7f60-8123-456789abcdef --returned BIKE-0001=1@shop-nyc --written-off HELM-0001=1@us-east"
)]
pub(super) struct RefundArguments {
    #[command(flatten)]
    which: Which,
    /// Units that were not shipped: their promise ends
    #[arg(long, value_name = "SKU=QTY")]
    unshipped: Vec<CartLine>,
    /// Units that were shipped and have been returned to this source
    #[arg(long, value_name = "SKU=QTY@SOURCE")]
    returned: Vec<RefundLine>,
    /// Units that were not shipped and are lost at this source
    #[arg(long, value_name = "SKU=QTY@SOURCE")]
    written_off: Vec<RefundLine>,
    #[command(flatten)]
    call: Call,
}

/// A source item.
#[derive(Args, Debug)]
struct Item {
    /// The source
    #[arg(long, value_name = "CODE")]
    source: String,
    /// The SKU
    #[arg(long, value_name = "SKU")]
    sku: String,
    /// The reason, for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    reason: String,
    /// A document number, at most 32 bytes
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    reference: String,
}

/// `count`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold count --source shop-nyc --sku BIKE-0001 --quantity 18 --reason stocktaking
  stockhold count --source shop-nyc --sku BIKE-0001 --quantity 18 --in-stock false")]
pub(super) struct CountArguments {
    #[command(flatten)]
    item: Item,
    /// The quantity on hand: an absolute fact, accepted whatever it means for promises
    #[arg(long, value_name = "QTY", allow_hyphen_values = true)]
    quantity: Quantity,
    /// The in-stock flag; without it the flag is unchanged
    #[arg(long, value_name = "true|false")]
    in_stock: Option<bool>,
    #[command(flatten)]
    call: Call,
}

/// `adjust`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold adjust --source us-east --sku BIKE-0001 --delta 40 --reference PO-7781
  stockhold adjust --source us-east --sku BIKE-0001 --delta -2 --reason damaged")]
pub(super) struct AdjustArguments {
    #[command(flatten)]
    item: Item,
    /// The difference: positive for goods received, negative for goods removed
    #[arg(long, value_name = "QTY", allow_hyphen_values = true)]
    delta: Quantity,
    #[command(flatten)]
    call: Call,
}

/// `transfer`
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  stockhold transfer --from us-east --to shop-nyc --line BIKE-0001=5")]
pub(super) struct TransferArguments {
    /// The source of the goods
    #[arg(long, value_name = "CODE")]
    from: String,
    /// Their destination
    #[arg(long, value_name = "CODE")]
    to: String,
    /// The units to move; repeat it for more lines
    #[arg(long = "line", required = true, value_name = "SKU=QTY")]
    lines: Vec<CartLine>,
    /// The reason, for people
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    call: Call,
}

pub(super) fn ship(context: Context<'_>, arguments: &ShipArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let source = server.source(&arguments.source)?;
    let lines = resolve_lines(&mut server, &arguments.lines)?;
    let lines = Lines::Slice(&lines);
    let ship = Ship { reservation: arguments.which.reservation, source, lines, forced: arguments.forced };
    send(context, &mut server, &arguments.call, Command::Ship(ship))
}

pub(super) fn unship(context: Context<'_>, arguments: &UnshipArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let source = server.source(&arguments.source)?;
    let lines = resolve_lines(&mut server, &arguments.lines)?;
    let unship = Unship { reservation: arguments.which.reservation, source, lines };
    send(context, &mut server, &arguments.call, Command::Unship(unship))
}

pub(super) fn amend(context: Context<'_>, arguments: &AmendArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let mut lines = resolve_lines(&mut server, &arguments.lines)?;
    for sku in &arguments.cancel {
        lines.push(Line::new(server.sku(sku)?, Quantity::ZERO));
    }
    let amend = Amend { reservation: arguments.which.reservation, lines };
    send(context, &mut server, &arguments.call, Command::Amend(amend))
}

pub(super) fn sell(context: Context<'_>, arguments: &SellArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let target = arguments.target.resolve(&mut server)?;
    let source = server.source(&arguments.source)?;
    let lines = resolve_lines(&mut server, &arguments.lines)?;
    let sell = Sell {
        target,
        source,
        lines: Lines::Slice(&lines),
        forced: arguments.forced,
        owner: arguments.owner.owner,
        reference: &arguments.owner.reference,
    };
    send(context, &mut server, &arguments.call, Command::Sell(sell))
}

pub(super) fn refund(context: Context<'_>, arguments: &RefundArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let mut parts = Vec::new();
    for line in &arguments.unshipped {
        let sku = server.sku(&line.sku)?;
        parts.push(RefundPart { sku, quantity: line.quantity, kind: PartKind::Unshipped });
    }
    placed(&mut server, &arguments.returned, PartKind::Returned, &mut parts)?;
    placed(&mut server, &arguments.written_off, PartKind::WrittenOff, &mut parts)?;
    let refund = Refund { reservation: arguments.which.reservation, parts: Parts::Slice(&parts) };
    send(context, &mut server, &arguments.call, Command::Refund(refund))
}

fn placed(
    server: &mut ServerConnection,
    lines: &[RefundLine],
    kind: fn(SourceId) -> PartKind,
    parts: &mut Vec<RefundPart>,
) -> Result<(), Failure> {
    for placed in lines {
        let sku = server.sku(&placed.line.sku)?;
        let source = server.source(&placed.source)?;
        parts.push(RefundPart { sku, quantity: placed.line.quantity, kind: kind(source) });
    }
    Ok(())
}

pub(super) fn count(context: Context<'_>, arguments: &CountArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let count = Count {
        source: server.source(&arguments.item.source)?,
        sku: server.sku(&arguments.item.sku)?,
        quantity: arguments.quantity,
        in_stock: arguments.in_stock,
        reason: arguments.item.reason.clone(),
        reference: arguments.item.reference.clone(),
    };
    send(context, &mut server, &arguments.call, Command::Count(count))
}

pub(super) fn adjust(context: Context<'_>, arguments: &AdjustArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let adjust = Adjust {
        source: server.source(&arguments.item.source)?,
        sku: server.sku(&arguments.item.sku)?,
        delta: arguments.delta,
        reason: arguments.item.reason.clone(),
        reference: arguments.item.reference.clone(),
    };
    send(context, &mut server, &arguments.call, Command::Adjust(adjust))
}

pub(super) fn transfer(context: Context<'_>, arguments: &TransferArguments) -> Result<Exit, Failure> {
    let mut server = context.server()?;
    let transfer = Transfer {
        from: server.source(&arguments.from)?,
        to: server.source(&arguments.to)?,
        lines: resolve_lines(&mut server, &arguments.lines)?,
        reason: arguments.reason.clone(),
    };
    send(context, &mut server, &arguments.call, Command::Transfer(transfer))
}
